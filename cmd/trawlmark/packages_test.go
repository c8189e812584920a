package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/bundle/export"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/configs"
	"github.com/trawlmark/trawlmark/console"
	"github.com/trawlmark/trawlmark/crawler/markettest"
	"github.com/trawlmark/trawlmark/worker/ledger"
	"github.com/trawlmark/trawlmark/worker/task"
)

// A package is ordered by a command, made by a worker of the pool export, and
// fetched by another command.
func TestAPackageIsOrderedAndMadeByAWorker(t *testing.T) {
	s := seeOnePage(t, markettest.JSONLD)
	for _, bad := range [][]string{{}, {"--case", "x", s.id.String()}, {"nonsense"}} {
		if _, _, code := s.do(packageCommand, append([]string{"order"}, bad...)...); code != exitUsage {
			t.Errorf("order %v: exit code %d", bad, code)
		}
	}
	if _, _, code := s.do(packageCommand, "order", "--case", "nowhere"); code != exitNotFound {
		t.Errorf("a case that is not there: exit code %d", code)
	}
	if _, errs, code := s.do(packageCommand, "order", s.id.String(), "--redacted"); code != exitFailed ||
		!strings.Contains(errs, "capture "+s.id.String()+" has no redaction; make one with `trawlmark evidence redact "+s.id.String()+"`") {
		t.Errorf("redacted, and there is no redaction: exit code %d\n%s", code, errs)
	}
	if _, errs, code := s.do(packageCommand, "order", s.id.String(), "--rest-whole"); code != exitUsage {
		t.Errorf("the rest of nothing: exit code %d\n%s", code, errs)
	}
	if out, _, code := s.do(packageCommand, "list"); code != exitOK || !strings.Contains(out, "No package was ordered yet") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	out, errs, code := s.do(packageCommand, "--json", "order", s.id.String(), "--purpose", "Aurelle v. Shop", "--to", "Counsel")
	var p packaged
	if err := json.Unmarshal([]byte(out), &p); code != exitOK || err != nil || p.State != "waiting" {
		t.Fatalf("order: exit code %d, %v\n%s%s", code, err, out, errs)
	}
	if _, errs, code := s.do(packageCommand, "get", p.ID.String()); code != exitFailed || !strings.Contains(errs, "not ready: waiting") {
		t.Errorf("a package that is not made: exit code %d\n%s", code, errs)
	}

	cfg, err := configs.Load(s.config, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	cfg.Dispatcher.Tick, cfg.Metrics.Listen, cfg.Console.Listen, cfg.Log.Level = configs.Duration(20*time.Millisecond), "", "", "warn"
	log := &syncBuffer{}
	a := newApp(cfg, streams{in: strings.NewReader(""), out: log, err: log, getenv: os.Getenv})
	defer func() {
		if err := a.close(); err != nil {
			t.Error(err)
		}
	}()
	stop := start(t, a, roles{dispatcher: true, pools: []string{task.Export}})
	led, err := a.openLedger(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, 3*time.Minute, "the package", func() (bool, string) {
		j, err := led.Job(t.Context(), p.ID)
		if err != nil {
			t.Fatal(err)
		}
		return packageRow(j).State == "ready", string(j.State) + " " + j.Error + log.String()
	})
	file := filepath.Join(s.dir, "ordered.zip")
	out, errs, code = s.do(packageCommand, "get", p.ID.String(), "-o", file)
	if code != exitOK || !strings.Contains(out, "verified: PASS") {
		t.Errorf("get: exit code %d\n%s%s", code, out, errs)
	}
	if out, errs, code := s.do(verifyCommand, file); code != exitOK {
		t.Errorf("verify: exit code %d\n%s%s", code, out, errs)
	}
	if _, _, code := s.do(packageCommand, "get", p.ID.String(), "-o", file); code != exitUsage {
		t.Errorf("over another file: exit code %d", code)
	}
	// The console finds and fetches the same.
	desk := packageDesk{a}
	var body strings.Builder
	if o, err := desk.Ordered(t.Context(), p.ID); err != nil || !o.Ready() || o.To != "Counsel" {
		t.Errorf("the console has %+v, %v", o, err)
	}
	if b, err := os.ReadFile(file); err != nil {
		t.Error(err)
	} else if sum, err := desk.Fetch(t.Context(), p.ID, &body); err != nil || sum != capture.Sum(b) || body.String() != string(b) {
		t.Errorf("the console fetched another package: %v", err)
	}
	if all, err := desk.Orders(t.Context(), ""); err != nil || len(all) != 1 {
		t.Errorf("the console lists %d orders, %v", len(all), err)
	}
	if o, err := desk.Order(t.Context(), console.PackageRequest{Case: "k", By: "person:ann", To: "x", Purpose: "y"}); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("the console ordered %+v of a case that is not there, %v", o, err)
	}
	arch, _, err := a.consoleArchive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	k, err := arch.OpenCase(t.Context(), "", "Aurelle v. Shop", "", "person:ann")
	if err == nil {
		err = arch.AddToCase(t.Context(), k.ID, s.id, "person:ann")
	}
	if err != nil {
		t.Fatal(err)
	}
	request := console.PackageRequest{Case: k.ID, By: "person:ann", To: "x", Purpose: "y", Redacted: true}
	if o, err := desk.Order(t.Context(), request); !errors.Is(err, export.ErrNoRedaction) {
		t.Errorf("the console ordered %+v, of which there is no redaction, %v", o, err)
	}
	request.RestWhole = true
	if o, err := desk.Order(t.Context(), request); err != nil || o.Case != k.ID || o.State == "" {
		t.Errorf("the console ordered %+v, %v", o, err)
	} else if err := led.Cancel(t.Context(), o.ID, "a test"); err != nil && !errors.Is(err, ledger.ErrEnded) {
		t.Error(err)
	}
	rows, err := a.custody.About(t.Context(), custody.Subject{Capture: s.id})
	if err != nil {
		t.Fatal(err)
	}
	said := map[custody.Type]int{}
	for _, r := range rows {
		said[r.Entry.Type]++
	}
	if said[custody.Exported] == 0 || said[custody.Downloaded] == 0 {
		t.Errorf("on record are %v", said)
	}
	if out, _, code := s.do(packageCommand, "list"); code != exitOK || !strings.Contains(out, "ready") || !strings.Contains(out, "package of 1 captures") {
		t.Errorf("list: exit code %d\n%s", code, out)
	}
	if out, errs, code := s.do(packageCommand, "remove", p.ID.String()); code != exitOK {
		t.Errorf("remove: exit code %d\n%s%s", code, out, errs)
	}
	if _, errs, code := s.do(packageCommand, "get", p.ID.String(), "-o", file+"2"); code != exitNotFound || !strings.Contains(errs, "removed since") {
		t.Errorf("a removed one: exit code %d\n%s", code, errs)
	}
	stop()
}
