package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/configs"
	"github.com/trawlmark/trawlmark/crawler/markettest"
	"github.com/trawlmark/trawlmark/worker/ledger"
	"github.com/trawlmark/trawlmark/worker/task"
)

// demoWatch is the name of the demonstration's watch.
const demoWatch = "maison-aurelle"

type demoFlags struct {
	once bool
	dir  string
}

func demoCommand(g *globals) *cobra.Command {
	var f demoFlags
	c := &cobra.Command{
		Use: "demo", Short: "Show the whole of it on this machine", Args: cobra.NoArgs,
		Long: `Demo runs a marketplace that does not exist on a local port, with shops that sell
copies of a fictitious brand, and everything that trawlmark needs, all of it
real: an S3 server with Object Lock, a queue, SQLite and Chrome. It crawls the
marketplace for the brand, archives every page it sees, and ends with what
looks suspicious and where the evidence lies.

Run it again and the marketplace is a day older: prices have changed, listings
were removed and came back under other names; what the first run archived is
still there. A run that was killed is taken up where it stopped.`,
		Example: "  trawlmark demo\n  trawlmark demo --once --dir /tmp/demo",
		RunE: func(c *cobra.Command, _ []string) error {
			return runDemo(c.Context(), g, f)
		},
	}
	c.Flags().BoolVar(&f.once, "once", false, "end when the crawl is done, instead of staying up until Ctrl-C")
	c.Flags().StringVar(&f.dir, "dir", "demo-data", "folder for everything the demo keeps")
	return c
}

// demoState is what one run leaves for the next.
type demoState struct {
	Day  int  `json:"day"`
	Done bool `json:"done"` // the crawl of this day came to its end
}

func runDemo(ctx context.Context, g *globals, f demoFlags) error {
	cfg, err := demoConfig(g, f)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return fmt.Errorf("the demo's folder cannot be made: %w; choose another with --dir", err)
	}
	logFile, err := os.OpenFile(filepath.Join(f.dir, "demo.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer logFile.Close()
	s := g.s
	s.err = logFile // parts report to the file, people see the progress
	a := newApp(cfg, s)
	a.log = slog.New(slog.NewTextHandler(logFile, nil))
	a.budgets = demoBudgets()
	d := &demo{g: g, f: f, a: a, out: g.s.out}
	return errors.Join(d.run(ctx), a.close())
}

// demoConfig is the default configuration, made quicker: a local marketplace
// needs no patience.
func demoConfig(g *globals, f demoFlags) (*configs.Config, error) {
	cfg, err := configs.Load(g.config, g.s.getenv)
	if err != nil {
		return nil, err
	}
	cfg.DataDir = f.dir
	cfg.Dispatcher.Tick = configs.Duration(50 * time.Millisecond)
	cfg.Dispatcher.MaxQueued = 8
	cfg.Worker.Pools = configs.Pools{HTTP: 4, Browser: 2, Score: 2, Export: 1}
	cfg.Worker.Challenge = configs.Duration(time.Second)
	cfg.Worker.Drain = configs.Duration(10 * time.Second)
	cfg.Chrome.Contexts = 3
	cfg.Custody.Every = configs.Duration(10 * time.Second)
	cfg.Console.Listen = "127.0.0.1:0" // any free port: another trawlmark may be up
	return cfg, nil
}

// demoBudgets try again sooner, and give up sooner, than a real site deserves.
func demoBudgets() map[ledger.Class]ledger.Budget {
	b := ledger.DefaultBudgets()
	for c, v := range b {
		v.Backoff = time.Second
		if c == ledger.Server || c == ledger.TimedOut || c == ledger.Network {
			v.Attempts = 2
		}
		b[c] = v
	}
	return b
}

type demo struct {
	g   *globals
	f   demoFlags
	a   *app
	out io.Writer

	market *markettest.Server
	state  demoState
	watch  ledger.Watch
	began  time.Time
}

func (d *demo) run(ctx context.Context) error {
	d.began = time.Now()
	if err := d.open(ctx); err != nil {
		return err
	}
	defer d.market.Close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	ready := make(chan struct{})
	go func() {
		ended <- d.a.runRoles(ctx, roles{dispatcher: true, pools: task.Pools(), console: !d.f.once, demo: true}, func() { close(ready) })
	}()
	select {
	case <-ready:
	case err := <-ended:
		return err
	}
	err := d.crawl(ctx, ended)
	if err == nil {
		err = d.report(ctx)
	}
	if err == nil && !d.f.once {
		d.stay(ctx)
		<-ctx.Done()
		fmt.Fprintln(d.out, "\nstopping: running visits end, children stop")
	}
	stop()
	stopped := <-ended
	if errors.Is(err, context.Canceled) && !d.f.once {
		return stopped
	}
	return errors.Join(err, stopped)
}

// open starts the parts one after the other and says so.
func (d *demo) open(ctx context.Context) error {
	d.loadState()
	step := func(what string, f func() (string, error)) error {
		began := time.Now()
		detail, err := f()
		if err != nil {
			return err
		}
		fmt.Fprintf(d.out, "  %-12s %s (%s)\n", what, detail, time.Since(began).Round(time.Millisecond))
		return nil
	}
	fmt.Fprintln(d.out, "trawlmark demo: starting the parts")
	return errors.Join(
		step("marketplace", func() (string, error) { return d.openMarket() }),
		step("database", func() (string, error) {
			_, err := d.a.openLedger(ctx)
			return "SQLite in " + d.f.dir, err
		}),
		step("queue", func() (string, error) {
			r, err := d.a.startRedis(ctx)
			if err != nil {
				return "", err
			}
			return r.Kind, nil
		}),
		step("S3", func() (string, error) {
			if err := d.a.proveLocks(ctx); err != nil {
				return "", err
			}
			return fmt.Sprintf("versitygw at %s, bucket %s, Object Lock proved", d.a.parts.s3.Endpoint, d.a.cfg.Storage.Bucket), nil
		}),
		step("custody log", func() (string, error) {
			_, err := d.a.openNotary(ctx)
			if err != nil {
				return "", err
			}
			return d.a.custody.Origin() + ", stamped by two demonstration authorities (they prove nothing in court)", nil
		}),
		step("Chrome", func() (string, error) {
			_, err := d.a.openRenderer(ctx)
			if err != nil {
				return "", err
			}
			return d.a.chrome, nil
		}),
	)
}

func (d *demo) statePath() string { return filepath.Join(d.f.dir, "demo.json") }

func (d *demo) loadState() {
	b, err := os.ReadFile(d.statePath())
	if err != nil || json.Unmarshal(b, &d.state) != nil {
		d.state = demoState{}
		return
	}
	if d.state.Done {
		d.state = demoState{Day: d.state.Day + 1}
	}
}

func (d *demo) saveState() error { return writeJSON(d.statePath(), d.state) }

// openMarket serves the marketplace of this run's day.
func (d *demo) openMarket() (string, error) {
	srv, err := markettest.Start(markettest.Config{
		Day: d.state.Day, CrawlDelay: -1, Throttles: 1, RetryAfter: time.Second, FirstByte: 500 * time.Millisecond,
	})
	if err != nil {
		return "", err
	}
	d.market = srv
	d.a.override = map[string]string{}
	for _, h := range srv.Hosts() {
		d.a.override[h] = srv.Addr
	}
	return fmt.Sprintf("Pellamart at %s, day %d, %d listings in %d shops", srv.URL, d.state.Day+1, len(srv.Listings()), len(srv.Shops())), nil
}

// crawl fires the watch, unless an earlier run was killed in the middle of it,
// and shows progress until every job has ended.
func (d *demo) crawl(ctx context.Context, ended <-chan error) error {
	if err := d.ensureWatch(ctx); err != nil {
		return err
	}
	fires, err := d.a.ledger.Fires(ctx, d.watch.ID, 1)
	if err != nil {
		return err
	}
	if len(fires) > 0 && fires[0].Open > 0 {
		fmt.Fprintf(d.out, "\ntaking up the crawl that was interrupted: %d of %d jobs are open\n", fires[0].Open, fires[0].Jobs)
	} else {
		n, err := fireNow(ctx, d.a, d.a.ledger, d.watch, d.g.actor())
		if err != nil {
			return err
		}
		fmt.Fprintf(d.out, "\nwatch %q fired: %d searches at Pellamart\n", d.watch.Name, n)
	}
	if err := d.saveState(); err != nil {
		return err
	}
	if err := d.follow(ctx, ended); err != nil {
		return err
	}
	if _, err := d.a.notary.Seal(ctx); err != nil {
		return fmt.Errorf("the captures are kept, but the log could not be sealed: %w", err)
	}
	d.state.Done = true
	return d.saveState()
}

func (d *demo) ensureWatch(ctx context.Context) error {
	w, err := d.a.ledger.WatchNamed(ctx, demoWatch)
	if err == nil {
		d.watch = w
		return nil
	}
	if !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	brand, err := demoBrand(d.market.Brand(), time.Now().UTC())
	if err != nil {
		return err
	}
	d.watch, err = d.a.ledger.AddWatch(ctx, ledger.Watch{
		Name: demoWatch, Brand: brand, Sites: []string{"demomarket"}, Terms: d.market.SearchTerms(), CreatedBy: d.g.actor(),
	})
	return err
}

// lockProof tries to delete a locked version the way anybody with the
// credentials could, and gives what the storage answered.
func (d *demo) lockProof(ctx context.Context, key, version string) string {
	err := d.a.vault.Delete(ctx, key, version)
	switch {
	case errors.Is(err, vault.ErrLocked):
		return "refused: " + err.Error()
	case err == nil:
		return "DELETED: this storage does not keep its locks"
	}
	return "no answer: " + err.Error()
}
