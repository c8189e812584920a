package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/crawler/markettest"
)

// The walk of a lawyer who may not show a name: look, redact, find, hand over.
func TestARedactionIsLookedAtStoredFoundAndHandedOver(t *testing.T) {
	s := seeOnePage(t, markettest.Script)
	look, file := filepath.Join(s.dir, "look"), filepath.Join(s.dir, "redacted.zip")
	title := s.page.Title
	spec := filepath.Join(s.dir, "redaction.yaml")
	if err := os.WriteFile(spec, []byte("reason: names of third parties\nboxes:\n  - {x: 0, y: 0, width: 1200, height: 20000, why: all of it}\nremove:\n  - {kind: text, what: \""+title+"\", why: the name}\n  - {kind: selector, what: h1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, code := s.do(redactCommand, s.id.String(), "--spec", spec, "--dry-run", "-o", look)
	if code != exitOK || !strings.Contains(out, "Nothing is stored") {
		t.Fatalf("dry run: exit code %d\n%s%s", code, out, errs)
	}
	if dom, err := os.ReadFile(filepath.Join(look, "dom.html")); err != nil || strings.Contains(string(dom), title) || !strings.Contains(string(dom), "[withheld]") {
		t.Errorf("the DOM to look at: %v\n%.2000s", err, dom)
	}
	if out, errs, code = s.do(redactCommand, "--json", s.id.String(), "--spec", spec); code != exitOK {
		t.Fatalf("exit code %d\n%s%s", code, out, errs)
	}
	var made redactedLine
	if err := json.Unmarshal([]byte(out), &made); err != nil || made.Original != s.id || !made.Stored {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, errs, code = s.do(evidenceSearch); code != exitOK || !strings.Contains(out, "(redaction of "+s.id.String()[:13]) {
		t.Errorf("search: exit code %d\n%s%s", code, out, errs)
	}
	if out, errs, code = s.do(evidenceShow, made.Redaction.String()); code != exitOK || !strings.Contains(out, "a copy of "+s.id.String()) || strings.Contains(out, title) {
		t.Errorf("show: exit code %d\n%s%s", code, out, errs)
	}
	if out, errs, code = s.do(exportCommand, s.id.String(), "--redacted", "-o", file); code != exitOK || !strings.Contains(out, "verified: PASS") {
		t.Fatalf("export: exit code %d\n%s%s", code, out, errs)
	}
	if b, err := os.ReadFile(file); err != nil || strings.Contains(string(b), title) {
		t.Errorf("the package holds the title: %v", err)
	}
	if out, errs, code = s.do(verifyCommand, file, made.Redaction.String()); code != exitOK || strings.Count(out, ": PASS\n") != 2 || !strings.Contains(out, "storage lock          PASS") || !strings.Contains(out, "withheld (digest known: sha256") || !strings.Contains(out, "redaction of "+s.id.String()) {
		t.Errorf("verify: exit code %d\n%s%s", code, out, errs)
	}
	if out, errs, code = s.do(verifyCommand, made.Redaction.String(), "--all"); code != exitOK || !strings.Contains(out, "PASS        the original's warc: every record is in the copy as it was") ||
		!strings.Contains(out, "pixels are black, all others are as captured") {
		t.Errorf("against the original: exit code %d\n%s%s", code, out, errs)
	}
}

func TestAnOrderThatIsNoneIsRefusedBeforeAnythingOpens(t *testing.T) {
	s := &seen{t: t, dir: t.TempDir()}
	id := "019ca945-0a7b-7000-8f97-dfa98b3c203c"
	for name, args := range map[string][]string{
		"nothing to hide": {id, "--reason", "x"}, "no reason": {id, "--box", "1,2,3,4"}, "a bad box": {id, "--reason", "x", "--box", "1,2,3"},
		"a bad kind": {id, "--reason", "x", "--remove", "magic:x"}, "no folder": {id, "--reason", "x", "--box", "1,2,3,4", "--dry-run"},
	} {
		if _, errs, code := s.do(redactCommand, args...); code != exitUsage {
			t.Errorf("%s: exit code %d, %s", name, code, errs)
		}
	}
}
