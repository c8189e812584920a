package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/trawlmark/trawlmark/archive/bundle"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/configs"
	"github.com/trawlmark/trawlmark/crawler/markettest"
)

// seen is a data folder with one capture of the demo marketplace.
type seen struct {
	t      *testing.T
	config string
	dir    string
	id     capture.ID
	page   markettest.Listing
	url    string
}

func seeOnePage(t *testing.T, want markettest.Page) *seen {
	t.Helper()
	srv, err := markettest.Start(markettest.Config{CrawlDelay: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	s := &seen{t: t, dir: t.TempDir()}
	for _, l := range srv.Listings() {
		if l.Page == want && l.Fault == "" && l.Lang == "en" {
			s.page = l
		}
	}
	s.url = "http://market.demo.test" + s.page.Path
	s.config = filepath.Join(s.dir, "trawlmark.yaml")
	text := fmt.Sprintf("data_dir: %s\noperator: Example Ltd\negress:\n  override:\n    market.demo.test: %s\n    cdn.demo.test: %s\n", filepath.Join(s.dir, "data"), srv.Addr, srv.Addr)
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs syncBuffer
	code := run(t.Context(), []string{"capture", "--json", "--config", s.config, s.url},
		streams{in: strings.NewReader(""), out: &out, err: &errs, getenv: os.Getenv})
	var got []taken
	if err := json.Unmarshal([]byte(out.String()), &got); code != exitOK || err != nil || len(got) != 1 {
		t.Fatalf("exit code %d, %v\n%s%s", code, err, out.String(), errs.String())
	}
	s.id = got[0].ID
	return s
}

// do runs one command of `evidence` as a person would.
func (s *seen) do(make func(*globals) *cobra.Command, args ...string) (out, errs string, code int) {
	s.t.Helper()
	var o, e syncBuffer
	st := streams{in: strings.NewReader(""), out: &o, err: &e, getenv: func(name string) string {
		if name == "USER" {
			return "ann"
		}
		return os.Getenv(name)
	}}
	g := &globals{config: s.config, s: st}
	if len(args) > 0 && args[0] == "--json" {
		g.json, args = true, args[1:]
	}
	c := make(g)
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(args)
	c.SetOut(&o)
	c.SetErr(&e)
	code = exitCode(st, c.ExecuteContext(s.t.Context()))
	return o.String(), e.String(), code
}

// The walk of a lawyer: a package, checked here, by the stand-alone verifier
// and by the shell script; then what is wrong with it when somebody was at it.
func TestEvidenceIsHandedOverAndVerifiedThreeWays(t *testing.T) {
	s := seeOnePage(t, markettest.Script)
	file, trust := filepath.Join(s.dir, "out.zip"), filepath.Join(s.dir, "trust.txt")
	out, errs, code := s.do(exportCommand, "--json", s.id.String(), "-o", file, "--purpose", "Aurelle v. Shop", "--to", "Counsel")
	if code != exitOK {
		t.Fatalf("export: exit code %d\n%s%s", code, out, errs)
	}
	var e exportedFile
	if err := json.Unmarshal([]byte(out), &e); err != nil || e.Verified != bundle.Pass || e.Files == 0 {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(file)
	if err != nil || capture.Sum(b) != e.SHA256 {
		t.Fatalf("the file is not the one that is told: %v", err)
	}
	for _, secret := range []string{"PRIVATE+KEY", "PRIVATE KEY", "secret_key: t"} {
		if strings.Contains(string(b), secret) {
			t.Errorf("the package holds %q", secret)
		}
	}
	if out, errs, code = s.do(trustCommand); code != exitOK || !strings.Contains(out, "\nlog ") || strings.Count(out, "BEGIN CERTIFICATE") != 2 {
		t.Fatalf("trust: exit code %d\n%s%s", code, out, errs)
	}
	if err := os.WriteFile(trust, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, errs, code = s.do(verifyCommand, file, s.id.String()); code != exitOK || strings.Count(out, ": PASS\n") != 2 || strings.Contains(out, "NOT-CHECKED") {
		t.Errorf("verify: exit code %d\n%s%s", code, out, errs)
	}
	if out, errs, code = s.do(verifyCommand, "--trust", trust, file); code != exitOK {
		t.Errorf("verify by the trust file: exit code %d\n%s%s", code, out, errs)
	}
	verifier := filepath.Join(s.dir, "trawlmark-verify")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", verifier, "../trawlmark-verify").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := exec.CommandContext(t.Context(), verifier, "--trust", trust, file).CombinedOutput(); err != nil {
		t.Errorf("trawlmark-verify: %v\n%s", err, out)
	}
	if _, errs, code = s.do(exportCommand, s.id.String(), "-o", file); code != exitUsage || !strings.Contains(errs, "is there already") {
		t.Errorf("written over a file: exit code %d, %s", code, errs)
	}
	b[len(b)/2] ^= 1
	broken := filepath.Join(s.dir, "broken.zip")
	if err := os.WriteFile(broken, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _, code = s.do(verifyCommand, broken); code != exitNotVerified || !strings.Contains(out, "FAIL") {
		t.Errorf("a broken package: exit code %d\n%s", code, out)
	}
	s.tamper()
	if out, errs, code = s.do(verifyCommand, s.id.String()); code != exitNotVerified {
		t.Errorf("a capture whose page was changed in the store: exit code %d\n%s%s", code, out, errs)
	}
	if out, errs, code = s.do(exportCommand, s.id.String(), "-o", filepath.Join(s.dir, "never.zip")); code != exitNotVerified {
		t.Errorf("export of it: exit code %d\n%s%s", code, out, errs)
	}
	left, err := filepath.Glob(filepath.Join(s.dir, "*.partial"))
	hidden, err2 := filepath.Glob(filepath.Join(s.dir, ".export-*"))
	if _, err3 := os.Stat(filepath.Join(s.dir, "never.zip")); err != nil || err2 != nil || err3 == nil || len(left)+len(hidden) > 0 {
		t.Errorf("it left %v %v", left, hidden)
	}
}

// tamper changes the page as served below the storage server, as somebody with the
// disk could.
func (s *seen) tamper() {
	s.t.Helper()
	changed := 0
	err := filepath.WalkDir(filepath.Join(s.dir, "data", "s3"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "page.html") {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil || len(b) == 0 {
			return err
		}
		b[len(b)-1] ^= 1
		changed++
		return os.WriteFile(path, b, 0o600)
	})
	if err != nil || changed == 0 {
		s.t.Fatalf("%d files changed, %v; is it still called page.html?", changed, err)
	}
}

func TestExportSaysWhatItNeeds(t *testing.T) {
	s := &seen{t: t, config: "", dir: t.TempDir()}
	for name, args := range map[string][]string{
		"nothing": {}, "no id": {"x"}, "a case and a capture": {"--case", "k", capture.ID{1}.String()},
	} {
		if _, errs, code := s.do(exportCommand, args...); code != exitUsage {
			t.Errorf("%s: exit code %d, %s", name, code, errs)
		}
	}
}

func TestTheConfigurationInAPackageHidesItsSecrets(t *testing.T) {
	a := testApp(t, func(c *configs.Config) {
		c.Storage.SecretKey = "s3-secret-value"
		c.Operator = "Example Ltd"
	})
	a.cfg.Database.URL = "" // as it is: embedded
	a.cfg.Egress.Proxy = "http://ann:pr0xy@proxy.example:3128"
	text, err := maskedConfig(a.cfg)
	if err != nil || strings.Contains(text, "s3-secret-value") || strings.Contains(text, "pr0xy") || !strings.Contains(text, "Example Ltd") {
		t.Errorf("%v\n%s", err, text)
	}
}
