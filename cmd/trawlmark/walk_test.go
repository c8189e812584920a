package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/configs"
	"github.com/trawlmark/trawlmark/crawler/markettest"
	"github.com/trawlmark/trawlmark/worker"
	"github.com/trawlmark/trawlmark/worker/ledger"
	"github.com/trawlmark/trawlmark/worker/task"
)

var update = flag.Bool("update", false, "rewrite the outputs in docs")

const walkPage = "../../docs/walk.md"

// docs/walk.md tells the walk of one listing. Its outputs are real: this test
// walks, and compares (or, with -update, pastes) them.
func TestWalk(t *testing.T) {
	out := walk(t)
	page, err := os.ReadFile(walkPage)
	if err != nil {
		t.Fatal(err)
	}
	want := paste(t, string(page), out)
	if *update {
		if err := os.WriteFile(walkPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(page) {
		t.Errorf("docs/walk.md is not what happens any more; run go test ./cmd/trawlmark -run TestWalk -update and read the difference\n%s", firstDifference(string(page), want))
	}
}

var slot = regexp.MustCompile("(?s)<!-- walk:([a-z]+) -->\n```text\n.*?```")

// paste puts each output behind its marker.
func paste(t *testing.T, page string, out map[string]string) string {
	t.Helper()
	used := map[string]bool{}
	page = slot.ReplaceAllStringFunc(page, func(s string) string {
		name := slot.FindStringSubmatch(s)[1]
		text, ok := out[name]
		if !ok {
			t.Errorf("docs/walk.md wants the output %q, which the walk does not give", name)
		}
		used[name] = true
		return "<!-- walk:" + name + " -->\n```text\n" + strings.TrimRight(text, "\n") + "\n```"
	})
	for name := range out {
		if !used[name] {
			t.Errorf("docs/walk.md has no place for the output %q", name)
		}
	}
	return page
}

func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range x {
		if i >= len(y) || x[i] != y[i] {
			now := "(nothing)"
			if i < len(y) {
				now = y[i]
			}
			return fmt.Sprintf("line %d\n  page: %s\n  now:  %s", i+1, x[i], now)
		}
	}
	return "the page is shorter"
}

// walk takes one counterfeit listing all the way and tells each step.
func walk(t *testing.T) map[string]string {
	t.Helper()
	srv, err := markettest.Start(markettest.Config{CrawlDelay: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	item, ok := srv.Listing("belvoir-1to1")
	if !ok {
		t.Fatal("the marketplace has no belvoir-1to1")
	}
	a := testApp(t, func(c *configs.Config) { c.Custody.Every = configs.Duration(time.Hour) })
	a.override = map[string]string{}
	for _, h := range srv.Hosts() {
		a.override[h] = srv.Addr
	}
	// A stamped checkpoint is there before the visit, as in any log that runs.
	n, err := a.openNotary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := &walker{t: t, a: a, out: map[string]string{}, names: map[string]string{}}
	w.plan(srv, item)
	stop := start(t, a, roles{dispatcher: true, pools: task.Pools()})
	waitFor(t, 5*time.Minute, "the finding", func() (bool, string) {
		n, err := w.ledger.FindingCounts(t.Context(), w.watch.ID)
		if err != nil {
			t.Fatal(err)
		}
		return n[ledger.New] == 1, fmt.Sprint(n)
	})
	w.visit()
	w.archive()
	w.finding()
	w.seal()
	stop()
	return w.out
}

type walker struct {
	t      *testing.T
	a      *app
	ledger *ledger.Ledger
	watch  ledger.Watch
	job    ledger.Job
	out    map[string]string
	names  map[string]string
}

func (w *walker) tell(name, format string, args ...any) {
	w.out[name] += w.plain(fmt.Sprintf(format, args...)) + "\n"
}

func (w *walker) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

var volatile = []struct {
	re *regexp.Regexp
	as string
}{
	{regexp.MustCompile(`[0-9a-f]{128}`), "<sha512>"},
	{regexp.MustCompile(`[0-9a-f]{64}`), "<sha256>"},
	{regexp.MustCompile(`20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z`), "<time>"},
	{regexp.MustCompile(`rate of 20\d\d-\d\d-\d\d`), "rate of <day>"},
	{regexp.MustCompile(`blobs/sha256/[0-9a-f]{2}/`), "blobs/sha256/<ab>/"},
	{regexp.MustCompile(`captures/20\d\d/\d\d/\d\d/`), "captures/<yyyy>/<mm>/<dd>/"},
	{regexp.MustCompile(`trawlmark\.local/[0-9a-f]{12}`), "trawlmark.local/<random>"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:<port>"},
	{regexp.MustCompile(`demo-([ab])-20\d+t[0-9.]+z-[0-9a-f]{8}`), "demo-$1-<time>-<digest>"},
	{regexp.MustCompile(`[A-Za-z0-9+/]{40,}={0,2}`), "<base64>"},
}

var uuid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)

// plain takes out what differs from run to run; the same id keeps its name.
func (w *walker) plain(s string) string {
	s = uuid.ReplaceAllStringFunc(s, func(id string) string {
		if w.names[id] == "" {
			w.names[id] = fmt.Sprintf("<id %d>", len(w.names)+1)
		}
		return w.names[id]
	})
	for _, v := range volatile {
		s = v.re.ReplaceAllString(s, v.as)
	}
	return s
}

// plan: the watch is due, and its one seed becomes a job; then a ticket.
func (w *walker) plan(srv *markettest.Server, item markettest.Listing) {
	var err error
	w.ledger, err = w.a.openLedger(w.t.Context())
	w.check(err)
	sites, err := w.a.openSites()
	w.check(err)
	brand, err := demoBrand(srv.Brand(), time.Now().UTC())
	w.check(err)
	w.watch, err = w.ledger.AddWatch(w.t.Context(), ledger.Watch{
		Name: "aurelle", Brand: brand, Seeds: []string{"http://market.demo.test" + item.Path}, CreatedBy: "person:ann",
	})
	w.check(err)
	jobs, problems := worker.Seeds(sites, w.watch)
	if len(problems) > 0 {
		w.t.Fatal(problems)
	}
	n, err := w.ledger.Fire(w.t.Context(), w.watch.ID, w.ledger.Now().Truncate(time.Microsecond), jobs)
	w.check(err)
	all, err := w.ledger.Jobs(w.t.Context(), ledger.JobFilter{Watch: w.watch.ID})
	w.check(err)
	w.job = all[0]
	w.tell("plan", "planned %d job: %s %s\n  lane %s, pool %s, page kind %s, item %s, state %s, epoch %d",
		n, w.job.Kind, w.job.URL, w.job.Lane, w.job.Pool, w.job.PageKind, w.job.ItemID, w.job.State, w.job.Epoch)
	tk := task.Ticket{Job: w.job.ID, Epoch: 1}
	w.tell("ticket", "task id %s\npayload %s (at most %d bytes)", tk.TaskID(), tk.Payload(), task.MaxPayload)
}

// visit: what the ledger knows after it.
func (w *walker) visit() {
	var err error
	w.job, err = w.ledger.Job(w.t.Context(), w.job.ID)
	w.check(err)
	attempts, err := w.ledger.Attempts(w.t.Context(), w.job.ID)
	w.check(err)
	w.tell("visit", "job %s: state %s, outcome %s, capture %s", w.job.ID, w.job.State, w.job.Outcome, w.job.Capture)
	for _, x := range attempts {
		w.tell("visit", "  attempt %d: %s", x.Epoch, x.How)
	}
	s, err := collect(w.t.Context(), w.a, w.job.Capture)
	w.check(err)
	m := s.Manifest
	w.tell("visit", "robots.txt: %s\nwhy Chrome: %s\nexchanges: %s", m.Policy.Robots, strings.Join(m.Policy.Escalated, "; "), kinds(m.Exchanges.Kinds))
}

func kinds(m map[string]int64) string {
	var all []string
	for k := range m {
		all = append(all, k)
	}
	sort.Strings(all)
	return strings.Join(all, ", ")
}

// archive: what lies in the vault.
func (w *walker) archive() {
	s, err := collect(w.t.Context(), w.a, w.job.Capture)
	w.check(err)
	tell := func(role, key, version string) {
		full, err := w.a.vault.Stat(w.t.Context(), key, version)
		w.check(err)
		w.tell("archive", "%-9s %s  %s, locked %s", role, key, full.Mode, map[bool]string{true: "yes", false: "NO"}[full.RetainUntil.After(time.Now())])
	}
	for _, o := range s.Objects {
		tell(o.Role, o.Key, o.Version)
	}
	tell("manifest", s.Entry.ManifestKey, s.Entry.ManifestVersion)
}

// finding: what the analysts get.
func (w *walker) finding() {
	page, err := w.ledger.Findings(w.t.Context(), ledger.FindingFilter{Watch: w.watch.ID})
	w.check(err)
	f := page.Findings[0]
	w.tell("finding", "score %.2f  %s  %s  %s", f.Score, f.Listing.Title, money(f.Listing.Amount, f.Listing.Currency), f.Listing.Seller)
	for _, s := range assessment(f).Signals {
		if s.Points != 0 {
			w.tell("finding", "%+4.0f  %-9s %s", s.Points, s.Family, s.Sentence)
		}
	}
}

// seal: leaf, checkpoint, stamps.
func (w *walker) seal() {
	ctx := w.t.Context()
	_, err := w.a.notary.Seal(ctx)
	w.check(err)
	row, err := w.a.custody.Find(ctx, w.job.Capture)
	w.check(err)
	w.tell("seal", "leaf       %s", strings.TrimSpace(string(row.Entry.Marshal())))
	c, err := w.a.custody.Newest(ctx)
	w.check(err)
	lines := strings.Split(strings.TrimSpace(string(c.Signed)), "\n")
	w.tell("seal", "checkpoint %s\n           <size>\n           <root>\n           (signed by %s)", lines[0], strings.Fields(lines[len(lines)-1])[1])
	s, err := collect(ctx, w.a, w.job.Capture)
	w.check(err)
	w.tell("seal", "stamped by %s", strings.Join(s.Sealed.By, ", "))
	w.tell("seal", "made       %s", between(s.Sealed))
	for _, l := range s.Custody {
		w.tell("seal", "custody    %s by %s", l.Type, strings.SplitN(l.Actor, ":", 2)[0])
	}
	if rows, err := w.a.custody.About(ctx, custody.Subject{Capture: w.job.Capture}); err != nil || len(rows) == 0 {
		w.t.Errorf("%d custody events, %v", len(rows), err)
	}
}
