package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/trawlmark/trawlmark/worker"
	"github.com/trawlmark/trawlmark/worker/lane"
	"github.com/trawlmark/trawlmark/worker/score"
	"github.com/trawlmark/trawlmark/worker/task"
)

// roles says which parts of trawlmark one process is.
type roles struct {
	dispatcher bool
	pools      []string // of the worker; empty: no worker
	console    bool
	demo       bool // minutes, not days: nothing to look after meanwhile
}

func upCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "up", Short: "Run trawlmark on this machine: all roles in one process", Args: cobra.NoArgs,
		Long: `Up runs the dispatcher, the workers and the console in one process, with an
embedded database, queue and S3 server unless the configuration names others.
Ctrl-C stops it: running visits get time to end, the rest is put back.`,
		Example: "  trawlmark up\n  trawlmark up --config trawlmark.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			return g.with(func(a *app) error {
				return a.runRoles(c.Context(), roles{dispatcher: true, pools: task.Pools(), console: true}, nil)
			})
		},
	}
}

func dispatcherCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "dispatcher", Short: "Run the dispatcher alone: fires watches, hands out work, seals the log", Args: cobra.NoArgs,
		Long:    "The dispatcher needs the fleet's database, Redis and S3 in the configuration. Any number may run.",
		Example: "  trawlmark dispatcher --config /etc/trawlmark.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			return g.with(func(a *app) error { return a.runRoles(c.Context(), roles{dispatcher: true}, nil) })
		},
	}
}

func workerCommand(g *globals) *cobra.Command {
	var pools []string
	var name string
	c := &cobra.Command{
		Use: "worker", Short: "Run a worker alone", Args: cobra.NoArgs,
		Long: `A worker takes work from the queue: http (visits that need no browser at first),
browser (visits in Chrome), score, export. Each pool has its own number of slots
(worker.pools in the configuration). Workers on one machine need names of their
own; what a killed one left on disk, the next one of its name stores.`,
		Example: "  trawlmark worker --pools browser --config /etc/trawlmark.yaml\n  trawlmark worker --name second --pools http,score",
		RunE: func(c *cobra.Command, _ []string) error {
			for _, p := range pools {
				if !slices.Contains(task.Pools(), p) {
					return usagef("--pools: there is no pool %q; want %s", p, strings.Join(task.Pools(), ", "))
				}
			}
			return g.with(func(a *app) error {
				if name != "" {
					if err := a.cfg.SetWorkerName(name); err != nil {
						return err
					}
				}
				return a.runRoles(c.Context(), roles{pools: pools}, nil)
			})
		},
	}
	c.Flags().StringVar(&name, "name", "", "this worker's name, over worker.name (default: the host name)")
	c.Flags().StringSliceVar(&pools, "pools", task.Pools(), "which work this worker takes")
	return c
}

// queue is how the queue's Redis is reached.
func (a *app) queue(ctx context.Context) (task.Redis, error) {
	c := a.cfg.Redis
	if len(c.Addresses) > 0 {
		r := task.Redis{
			Username: c.Username, Password: task.Secret(c.Password.Reveal()), SentinelPassword: task.Secret(c.SentinelPassword.Reveal()),
			DB: c.DB, TLS: c.TLS, CAFile: c.CAFile, CertFile: c.CertFile, KeyFile: c.KeyFile, ServerName: c.ServerName,
		}
		switch {
		case c.SentinelMaster != "":
			r.Sentinels, r.Master = c.Addresses, c.SentinelMaster
		case len(c.Addresses) > 1:
			r.Cluster = c.Addresses
		default:
			r.Addr = c.Addresses[0]
		}
		return r, r.Validate()
	}
	e, err := a.startRedis(ctx)
	if err != nil {
		return task.Redis{}, err
	}
	r := task.Redis{Addr: e.Addr, Password: task.Secret(e.Password)}
	if e.Network == "unix" {
		r.Addr = "unix:" + e.Addr
	}
	return r, nil
}

// started is told once when every role runs; nil is fine.
type started func()

// runRoles runs roles until ctx ends, and then drains them.
func (a *app) runRoles(ctx context.Context, r roles, ready started) error {
	if err := a.openTraces(); err != nil {
		return err
	}
	q, err := a.queue(ctx)
	if err != nil {
		return err
	}
	rdb, err := q.Open()
	if err != nil {
		return missingPart{err}
	}
	defer rdb.Close()
	led, err := a.openLedger(ctx)
	if err != nil {
		return err
	}
	if err := a.proveLocks(ctx); err != nil {
		return err
	}
	limiter := lane.New(rdb, led, a.log)
	g, gctx := errgroup.WithContext(ctx)
	if r.dispatcher {
		if err := a.goDispatch(gctx, g, rdb, limiter); err != nil {
			return err
		}
	}
	if len(r.pools) > 0 {
		if err := a.goWork(gctx, g, r.pools, q, limiter); err != nil {
			return err
		}
	}
	if r.console && a.cfg.Console.Listen != "" {
		if err := a.goConsole(gctx, g); err != nil {
			return err
		}
	}
	if r.dispatcher && !r.demo {
		if err := a.goKeep(gctx, g); err != nil {
			return err
		}
	}
	if a.cfg.Metrics.Listen != "" {
		a.goServe(gctx, g, a.cfg.Metrics.Listen, a.metricsHandler(r, rdb))
	}
	if ready != nil {
		ready()
	}
	err = g.Wait()
	if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
		a.log.Info("stopped")
		return nil
	}
	return err
}

// sweepBack is how old an event may be that a dispatcher looks for when it
// starts; Log.Restore looks at all of them.
const sweepBack = 48 * time.Hour

func (a *app) goDispatch(ctx context.Context, g *errgroup.Group, rdb redis.UniversalClient, limiter *lane.Limiter) error {
	sites, err := a.openSites()
	if err != nil {
		return err
	}
	notary, err := a.openNotary(ctx)
	if err != nil {
		return err
	}
	d := worker.NewDispatcher(worker.DispatcherConfig{
		Tick: a.cfg.Dispatcher.Tick.D(), Reconcile: a.cfg.Dispatcher.Reconcile.D(), MaxQueued: a.cfg.Dispatcher.MaxQueued,
	}, a.ledger, task.NewClient(rdb, 0), limiter, lane.NewRoster(rdb, a.ids.New().String()), sites, a.log)
	g.Go(func() error { return d.Run(ctx) })
	g.Go(func() error {
		// What a process that died put into the vault and not into the log.
		if _, err := a.custody.Sweep(ctx, a.now().Add(-sweepBack)); err != nil && ctx.Err() == nil {
			a.log.Warn("the custody log could not be compared with the vault; the next start does it", "error", err)
		}
		return notary.Run(ctx, a.cfg.Custody.Every.D())
	})
	return nil
}

// poll is how often a worker with free slots looks for tickets. A ticket that
// is late for its lane's slot keeps the next ones waiting in theirs; ten looks
// a second cost Redis a tenth of a millisecond each.
const poll = 100 * time.Millisecond

func (a *app) goWork(ctx context.Context, g *errgroup.Group, pools []string, q task.Redis, limiter *lane.Limiter) error {
	cfg := worker.Config{
		Name: a.workerName(), Lease: a.cfg.Worker.Lease.D(), Heartbeat: a.cfg.Worker.Heartbeat.D(), Untriaged: a.cfg.Retention.Untriaged.D(), FindingKeep: a.cfg.Retention.Finding.D(),
		ChallengePause: a.cfg.Worker.Challenge.D(),
	}
	slots := map[string]int{
		task.HTTP: a.cfg.Worker.Pools.HTTP, task.Browser: a.cfg.Worker.Pools.Browser,
		task.Score: a.cfg.Worker.Pools.Score, task.Export: a.cfg.Worker.Pools.Export,
	}
	visits := slices.Contains(pools, task.HTTP) || slices.Contains(pools, task.Browser)
	var v *worker.Visitor
	if visits {
		var err error
		if v, err = a.openVisitor(ctx, cfg, limiter); err != nil {
			return err
		}
		if n, err := v.Recover(ctx); err != nil {
			return err
		} else if n > 0 {
			a.log.Info("captures of an earlier run wait on disk and are being stored", "captures", n)
		}
	}
	scorer, err := a.scorer()
	if err != nil {
		return err
	}
	s, err := worker.NewScorer(cfg, a.ledger, meteredScorer{scorer, a.meters}, a.log)
	if err != nil {
		return err
	}
	handlers := map[string]task.Handler{task.Score: s.Handle}
	if v != nil {
		handlers[task.HTTP], handlers[task.Browser] = v.Handle, v.Handle
	}
	if slices.Contains(pools, task.Export) && slots[task.Export] > 0 {
		x, err := a.openPackager(ctx, cfg)
		if err != nil {
			return err
		}
		handlers[task.Export] = x.Handle
	}
	began := time.Now()
	servers, sctx := errgroup.WithContext(ctx)
	for _, p := range pools {
		h := handlers[p]
		if h == nil || slots[p] == 0 {
			continue
		}
		srv, err := task.NewServer(q, task.ServerConfig{Pools: []string{p}, Concurrency: slots[p], Drain: a.cfg.Worker.Drain.D(), Poll: poll}, a.log)
		if err != nil {
			return err
		}
		servers.Go(func() error { return srv.Run(sctx, h) })
	}
	g.Go(func() error {
		err := servers.Wait()
		if v != nil {
			dctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.cfg.Worker.Drain.D())
			defer cancel()
			v.Drain(dctx)
			all := time.Since(began) * time.Duration(slots[task.HTTP]*on(pools, task.HTTP)+slots[task.Browser]*on(pools, task.Browser))
			a.log.Info("worker drained", "slot_time", all.String(), "waited_for_lanes", v.Waited().String())
		}
		return err
	})
	return nil
}

// on is 1 when a pool is among pools.
func on(pools []string, pool string) int {
	if slices.Contains(pools, pool) {
		return 1
	}
	return 0
}

func (a *app) openVisitor(ctx context.Context, cfg worker.Config, limiter *lane.Limiter) (*worker.Visitor, error) {
	arch, err := a.openArchive(ctx, a.workerSpace())
	if err != nil {
		return nil, err
	}
	cr, err := a.openCrawler(ctx, true)
	if err != nil {
		return nil, err
	}
	cr.ShareRobots(limiter)
	return worker.NewVisitor(cfg, worker.VisitorDeps{
		Ledger: a.ledger, Crawler: a.dated(ctx, meteredCrawler{cr, a.meters}), Archive: meteredArchive{arch, a.meters}, Anchors: a.notary,
		Lanes: meteredLanes{limiter, a.meters}, Sites: a.sites, IDs: a.ids, Now: a.now, Log: a.log,
	})
}

func (a *app) scorer() (score.Scorer, error) {
	if a.cfg.Score.URL == "" {
		return score.Builtin{}, nil
	}
	return score.NewRemote(score.RemoteConfig{
		URL: a.cfg.Score.URL, Token: score.Secret(a.cfg.Score.Token.Reveal()), Timeout: a.cfg.Score.Timeout.D(),
	}, nil)
}

// goServe serves HTTP until ctx ends.
func (a *app) goServe(ctx context.Context, g *errgroup.Group, addr string, h http.Handler) {
	srv := &http.Server{Addr: addr, Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	g.Go(func() error {
		err := srv.ListenAndServe()
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return fmt.Errorf("%s cannot be served: %w", addr, err)
	})
	g.Go(func() error {
		<-ctx.Done()
		sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return srv.Shutdown(sctx)
	})
}
