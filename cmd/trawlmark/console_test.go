package main

import (
	"bytes"
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/cmd/internal/embedded"
	"github.com/trawlmark/trawlmark/configs"
	"github.com/trawlmark/trawlmark/console"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// consoleApp is an app whose evidence lies in memory, with findings of two
// listings in the queue.
func consoleApp(t *testing.T) (a *app, found []ledger.Finding) {
	t.Helper()
	a = testApp(t, func(c *configs.Config) { c.Console.Listen = "127.0.0.1:0" })
	a.vault = vault.NewMem(time.Now)
	ctx := t.Context()
	led, err := a.openLedger(ctx)
	if err != nil {
		t.Fatal(err)
	}
	arch, _, err := a.consoleArchive(ctx)
	if err != nil {
		t.Fatal(err)
	}
	w, err := led.AddWatch(ctx, ledger.Watch{Name: "aurelle", Sites: []string{"market"}, Terms: []string{"belvoir"}, CreatedBy: "person:test"})
	if err != nil {
		t.Fatal(err)
	}
	for i, title := range []string{"Belvoir bag mirror quality", "Belvoir belt 1:1"} {
		found = append(found, consoleFinding(t, a, arch, w, title, 0.9-float64(i)/10))
	}
	return a, found
}

func consoleFinding(t *testing.T, a *app, arch *archive.Archive, w ledger.Watch, title string, score float64) ledger.Finding {
	t.Helper()
	ctx := t.Context()
	page := "https://market.example/" + strings.ReplaceAll(title, " ", "-")
	now := time.Now().UTC()
	c := &capture.Capture{
		ID: a.ids.New(), URL: page, FinalURL: page, Started: now, Finished: now, Outcome: capture.Captured,
		Asked:       capture.Asked{By: "schedule", Site: "market", PageKind: "listing", ItemID: title},
		Artifacts:   []*capture.Artifact{{Role: capture.RoleHTML, MediaType: "text/html", URL: page, Taken: now, Body: capture.Bytes("<p>" + title)}},
		Environment: capture.Environment{Software: "test"}, Clock: capture.Clock{Source: "system"}, Policy: capture.Policy{Robots: "allowed", Render: "auto"},
	}
	r, err := arch.Ingest(ctx, c, archive.Description{Title: title})
	if err != nil {
		t.Fatal(err)
	}
	job := ledger.Work{Kind: ledger.Visit, Lane: "market", Site: "market", URL: page, Canonical: page, PageKind: "listing", ItemID: title, AskedBy: "test"}
	if _, err := a.ledger.Fire(ctx, w.ID, time.Now().UTC().Truncate(time.Microsecond), []ledger.Work{job}); err != nil {
		t.Fatal(err)
	}
	jobs, err := a.ledger.Jobs(ctx, ledger.JobFilter{State: ledger.Planned})
	if err != nil || len(jobs) != 1 {
		t.Fatal(jobs, err)
	}
	f, err := a.ledger.Dispatch(ctx, jobs[0].ID, time.Now().Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.ledger.Claim(ctx, f, "test", time.Minute); err != nil {
		t.Fatal(err)
	}
	done, err := a.ledger.Finish(ctx, f, ledger.Result{Outcome: capture.Captured, Capture: c.ID, Manifest: r.Manifest, Observation: &ledger.Observation{
		Site: "market", ItemID: title, Canonical: page, URL: page, Outcome: capture.Captured, At: now, Title: title,
	}})
	if err != nil {
		t.Fatal(err)
	}
	id, err := a.ledger.AddFinding(ctx, ledger.Scored{Listing: done.Listing, Watch: w.ID, Capture: c.ID, Manifest: r.Manifest, Score: score, Scorer: "test"})
	if err != nil {
		t.Fatal(err)
	}
	found, err := a.ledger.Finding(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestConsoleByKeyboardAlone signs in by the one-time link in a real browser
// and works through the queue without a mouse.
func TestConsoleByKeyboardAlone(t *testing.T) {
	program, _, err := embedded.FindChrome(t.Context())
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	a, found := consoleApp(t)
	srv := httptest.NewUnstartedServer(nil)
	a.cfg.Console.Listen = srv.Listener.Addr().String()
	if srv.Config.Handler, err = a.consoleHandler(t.Context()); err != nil {
		t.Fatal(err)
	}
	srv.Start()
	defer srv.Close()
	_, link, ok := strings.Cut(a.s.out.(*syncBuffer).String(), "sign in once as admin: ")
	if !ok {
		t.Fatal("no link was printed")
	}
	link, _, _ = strings.Cut(link, "\n")

	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox,
		chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }))
	alloc, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	defer cancel()
	tab, cancel2 := chromedp.NewContext(alloc)
	defer cancel2()
	if err := chromedp.Do(tab); err != nil {
		t.Fatal(err)
	}
	ctx, cancel3 := context.WithTimeout(tab, 4*time.Minute)
	defer cancel3()
	until := func(what, js string) {
		t.Helper()
		for {
			_, err := chromedp.Run(ctx, chromedp.Poll[bool](js, chromedp.WithPollingTimeout(time.Minute)))
			if err == nil {
				return
			}
			if ctx.Err() != nil || !strings.Contains(err.Error(), "(-32000)") {
				at, _ := chromedp.Run(tab, chromedp.Location())
				seen, _ := chromedp.Run(tab, chromedp.Evaluate[string](`document.activeElement.outerHTML.slice(0, 200) + " value: " + document.activeElement.value`))
				t.Fatalf("%s: %v, at %s, in %s", what, err, at, seen)
			}
			// The page that was asked has gone: the next one is asked.
		}
	}
	// A key as a keyboard sends it: when the page takes the key for itself, no
	// character follows.
	press := func(key string) {
		t.Helper()
		down := map[string]any{"type": "keyDown", "key": key, "text": key}
		if len(key) > 1 {
			down = map[string]any{"type": "keyDown", "key": key, "windowsVirtualKeyCode": 27}
		}
		err := chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, tg *chromedp.Target) error {
			if err := tg.Call(ctx, "Input.dispatchKeyEvent", down, nil); err != nil {
				return err
			}
			return tg.Call(ctx, "Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key}, nil)
		}))
		if err != nil {
			t.Fatal(err)
		}
	}
	at := func(path string) string {
		return `document.readyState === "complete" && location.pathname === "` + path + `"`
	}
	one, two := "/findings/"+found[0].ID.String(), "/findings/"+found[1].ID.String()

	// Typed into the address bar: the page of the link sends itself.
	if err := chromedp.Do(ctx, chromedp.Navigate(link)); err != nil {
		t.Fatal(err)
	}
	until("the link signs in", at("/findings"))
	press("j")
	until("j goes to the first row", `document.activeElement.textContent.includes("mirror quality")`)
	press("j")
	until("j goes to the second row", `document.activeElement.textContent.includes("belt")`)
	press("k")
	press("o")
	until("o opens the finding", at(one))
	press("n")
	until("n goes to the note", `document.activeElement.name === "note"`)
	press("u") // typed, not done
	press("1")
	press("Escape")
	until("Escape leaves the note", `document.activeElement === document.body && document.querySelector("textarea").value === "u1"`)
	press("1")
	until("1 decides and opens the next", at(two))
	f, err := a.ledger.Finding(t.Context(), found[0].ID)
	if err != nil || f.State != ledger.Confirmed || f.Label != "counterfeit" || f.Note != "u1" {
		t.Errorf("the finding is %s %q %q, %v", f.State, f.Label, f.Note, err)
	}
	press("u")
	until("u takes it back", at(two)+` && !location.search.includes("done=")`)
	if f, err := a.ledger.Finding(t.Context(), found[0].ID); err != nil || f.State != ledger.New {
		t.Errorf("after u the finding is %s, %v", f.State, err)
	}
	press("k")
	until("k goes back", at(one))
	press("o")
	until("o opens the capture", at("/captures/"+found[0].Capture.String()))
	press("q")
	until("q goes back to the finding", at(one))
	press("?")
	until("? opens the help", at("/help"))

	rows, err := a.custody.About(t.Context(), custody.Subject{Capture: found[0].Capture})
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[custody.Type]int{}
	for _, r := range rows {
		kinds[r.Entry.Type]++
	}
	if kinds[custody.Decided] != 2 || kinds[custody.Viewed] != 1 {
		t.Errorf("the custody events are %v, want two decisions and one view", kinds)
	}
}

func TestConsoleAccounts(t *testing.T) {
	dir := t.TempDir()
	tm := func(in string, args ...string) (int, string) {
		var out, errs bytes.Buffer
		code := run(t.Context(), append(args, "--data", dir), streams{in: strings.NewReader(in), out: &out, err: &errs, getenv: func(string) string { return "" }})
		return code, out.String() + errs.String()
	}
	for _, tt := range []struct {
		in   string
		args string
		code int
		says string
	}{
		{"", "console user list", exitOK, "no account yet"},
		{"correct horse battery\n", "console user add ann --role analyst", exitOK, "account ann added as analyst"},
		{"correct horse battery\n", "console user add ann --role legal", exitFailed, "an account of this name already"},
		{"short\n", "console user add bob --role legal", exitFailed, "at least 12 characters"},
		{"correct horse battery\n", "console user add bob --role boss", exitUsage, "is not a role"},
		{"", "console user role ann --role legal", exitOK, "account ann is legal now"},
		{"another horse battery", "console user password ann", exitOK, "another password"},
		{"", "console user list --json", exitOK, `"role": "legal"`},
		{"", "console user remove bob", exitFailed, "no account of this name"},
		{"", "console user remove ann", exitOK, "account ann removed"},
	} {
		if code, out := tm(tt.in, strings.Fields(tt.args)...); code != tt.code || !strings.Contains(out, tt.says) || strings.Contains(out, "argon2id") {
			t.Errorf("%s: exit %d, %s", tt.args, code, out)
		}
	}
	fi, err := os.Stat(filepath.Join(dir, "accounts.jsonl"))
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("the accounts have mode %v, %v", fi, err)
	}
}

// TestConsolePackage: what the console hands over verifies.
func TestConsolePackage(t *testing.T) {
	a, found := consoleApp(t)
	ctx := t.Context()
	arch, tmp, err := a.consoleArchive(ctx)
	if err != nil {
		t.Fatal(err)
	}
	k, err := arch.OpenCase(ctx, "", "Aurelle v. Shop", "", "person:test")
	if err == nil {
		err = arch.AddToCase(ctx, k.ID, found[0].Capture, "person:test")
	}
	if err != nil {
		t.Fatal(err)
	}
	pack, err := a.packager(ctx, arch, tmp)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "p.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	p, err := pack(ctx, file, console.PackageRequest{Case: k.ID, By: "person:test", To: "Counsel LLP", Purpose: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(file.Name()); err != nil || capture.Sum(b) != p.SHA256 || p.Name == "" {
		t.Errorf("the package %q has another digest than was told, %v", p.Name, err)
	}
	if _, err := pack(ctx, file, console.PackageRequest{Case: "nowhere", By: "person:test"}); err == nil {
		t.Error("a case that is not there was packed")
	}
}
