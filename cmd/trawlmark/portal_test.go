package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/crawler/markettest"
)

func TestAComplaintIsCheckedBeforeItIsWritten(t *testing.T) {
	s := seeOnePage(t, markettest.Script)
	dir, complaint := filepath.Join(s.dir, "dsa"), filepath.Join(s.dir, "complaint.yaml")
	out, errs, code := s.do(exportCommand, s.id.String(), "--portal", "ebay-vero", "-o", dir)
	if code != exitPartly || !strings.Contains(out, "takes listings of ebay") || !strings.Contains(out, "mend  ") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("files were written that a portal rejects")
	}
	if err := os.WriteFile(complaint, []byte("contact: {name: A. Person, email: ip@example.org}\nstatement: not the owner's goods\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, code = s.do(exportCommand, s.id.String(), "--portal", "dsa-notice", "--complaint", complaint, "-o", dir)
	b, err := os.ReadFile(filepath.Join(dir, "dsa-notice-001.json"))
	if code != exitOK || err != nil || !strings.Contains(string(b), s.id.String()) || !strings.Contains(string(b), `"good_faith_statement": ""`) {
		t.Errorf("exit code %d, %v\n%s%s\n%s", code, err, out, errs, b)
	}
	if out, _, _ = s.do(evidenceShow, s.id.String()); !strings.Contains(out, "portal=dsa-notice") {
		t.Errorf("it is not on record\n%s", out)
	}
	for name, args := range map[string][]string{
		"no such portal": {s.id.String(), "--portal", "nix"}, "a folder that is there": {s.id.String(), "--portal", "dsa-notice", "--complaint", complaint, "-o", dir},
		"a complaint without a portal": {s.id.String(), "--complaint", complaint},
	} {
		if out, errs, code := s.do(exportCommand, args...); code != exitUsage {
			t.Errorf("%s: exit code %d\n%s%s", name, code, out, errs)
		}
	}
}
