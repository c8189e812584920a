package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/trawlmark/trawlmark/configs"
	"github.com/trawlmark/trawlmark/crawler/markettest"
	"github.com/trawlmark/trawlmark/crawler/site"
	"github.com/trawlmark/trawlmark/worker"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// TestMain lets the test binary be the children that trawlmark starts of
// itself: the embedded S3 server.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == hiddenS3 {
		os.Exit(run(context.Background(), os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr, getenv: os.Getenv}))
	}
	if by := os.Getenv(skewEnv); by != "" {
		os.Exit(skewedMain(by))
	}
	testscript.Main(m, map[string]func(){"trawlmark": main})
}

// The command line as people use it: testdata/*.txtar can be read by anybody.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("USER", "ann")
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("TRAWLMARK_CONFIG", "")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"market": marketCmd, "exits": exitsCmd, "id": idCmd},
	})
}

// exitsCmd runs trawlmark and wants an exit code: `exits 4 doctor`.
func exitsCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE ARG...")
	}
	err := ts.Exec("trawlmark", args[1:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// marketCmd starts the demo marketplace and writes a configuration that
// reaches it: `market trawlmark.yaml`. $MARKET is its address by name.
func marketCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: market FILE")
	}
	srv, err := markettest.Start(markettest.Config{CrawlDelay: -1, Throttles: 1})
	ts.Check(err)
	ts.Defer(func() { srv.Close() })
	text := "data_dir: data\negress:\n  override:\n"
	for _, h := range srv.Hosts() {
		text += fmt.Sprintf("    %s: %s\n", h, srv.Addr)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
	for name, fault := range map[string]markettest.Fault{"REMOVED": markettest.FaultRemoved, "CHALLENGE": markettest.FaultChallenge, "PDF": markettest.FaultPDF, "EMPTY": markettest.FaultEmpty} {
		ts.Setenv(name, "http://market.demo.test"+srv.WithFault(fault)[0].Path)
	}
	for _, l := range srv.Listings() {
		if l.Page == markettest.JSONLD && l.Fault == "" && l.Lang == "en" {
			ts.Setenv("LISTING", "http://market.demo.test"+l.Path)
			ts.Setenv("TITLE", l.Title)
			ts.Setenv("PRICE", strings.TrimSuffix(l.Price, ".00"))
			break
		}
	}
}

// testApp is an app on a fresh data folder, with everything embedded.
func testApp(t testing.TB, change func(*configs.Config)) *app {
	t.Helper()
	cfg, err := configs.Load("", func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	cfg.DataDir = t.TempDir()
	cfg.Dispatcher.Tick = configs.Duration(20 * time.Millisecond)
	cfg.Worker.Challenge = configs.Duration(time.Second)
	cfg.Custody.Every = configs.Duration(5 * time.Second)
	cfg.Log.Level = "warn"
	if change != nil {
		change(cfg)
	}
	out := &syncBuffer{}
	a := newApp(cfg, streams{in: strings.NewReader(""), out: out, err: out, getenv: os.Getenv})
	t.Cleanup(func() {
		if err := a.close(); err != nil {
			t.Errorf("closing: %v", err)
		}
		if t.Failed() {
			t.Logf("the log:\n%s", out.String())
		}
	})
	return a
}

// start runs roles in the background; stop ends them and checks that they end
// well.
func start(t *testing.T, a *app, r roles) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	ready := make(chan struct{})
	go func() { ended <- a.runRoles(ctx, r, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-ended:
		cancel()
		t.Fatalf("the roles did not start: %v", err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the roles ended with: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// waitFor looks again and again until something holds.
func waitFor(t *testing.T, most time.Duration, what string, f func() (bool, string)) {
	t.Helper()
	deadline := time.Now().Add(most)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, state := f()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s in vain: %s", most, what, state)
		}
		<-tick.C
	}
}

func newSeed(sites *site.Set, u string) ledger.Work {
	w := worker.NewVisit(sites, u)
	w.AskedBy = "test"
	return w
}

// syncBuffer is a buffer that parts of one program write to at once.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
