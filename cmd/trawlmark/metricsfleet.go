package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/seal"
	"github.com/trawlmark/trawlmark/archive/sqldb"
	"github.com/trawlmark/trawlmark/worker/ledger"
	"github.com/trawlmark/trawlmark/worker/task"
)

// fleet is where the numbers of the whole fleet come from.
type fleet struct {
	ledger  *ledger.Ledger
	queue   *task.Client
	sealer  *seal.Sealer
	waiting func(ctx context.Context) (n int64, oldest time.Time, err error) // custody events without a checkpoint
	// patience bounds one scrape.
	patience time.Duration
	now      func() time.Time
	log      *slog.Logger
}

// fleetCollector reads maintained counts when it is scraped: nothing is
// counted row by row.
type fleetCollector struct {
	fleet
	jobs, outcomes, findings, listings, lanes, due   *prometheus.Desc
	planned                                          *prometheus.Desc
	waiting_, running, givenUp, oldest, paused       *prometheus.Desc
	custodyWaiting, custodyOldest, stampAge, tsa, up *prometheus.Desc
	tsaChain, renewalOK, ends, late                  *prometheus.Desc

	mu      sync.Mutex
	trouble map[string]string // part -> what it said last, so that the log has it once
}

func newFleetCollector(f fleet) *fleetCollector {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("trawlmark_"+name, help, labels, nil)
	}
	return &fleetCollector{
		fleet: f, trouble: map[string]string{},
		jobs:           d("jobs", "Jobs in the ledger by kind and state.", "kind", "state"),
		outcomes:       d("ledger_visits", "Visits of the whole fleet by outcome.", "outcome"),
		findings:       d("findings", "Findings by state.", "state"),
		listings:       d("listings", "Listings by state.", "state"),
		lanes:          d("lanes", "Lanes that give no slot: closed by a site's answer, or paused by a person.", "state"),
		due:            d("watches_due", "Watches whose time has come and that have not fired (up to 100)."),
		planned:        d("planned_oldest_seconds", "How long the longest waiting job of the pool has been ready to be dispatched, because its lane, a pause or the pool's workers do not let it; 0 when none is.", "pool"),
		waiting_:       d("queue_waiting", "Tickets that no worker took yet.", "pool"),
		running:        d("queue_running", "Tickets that are being worked on.", "pool"),
		givenUp:        d("queue_given_up", "Tickets whose handler failed: faults of the program.", "pool"),
		oldest:         d("queue_oldest_seconds", "Age of the oldest ticket that waits.", "pool"),
		paused:         d("queue_paused", "1 while the pool is paused.", "pool"),
		custodyWaiting: d("custody_waiting", "Custody events that no checkpoint covers yet."),
		custodyOldest:  d("custody_oldest_seconds", "Age of the oldest of them."),
		stampAge:       d("seal_stamp_age_seconds", "Age of the newest stamped checkpoint; absent before the first."),
		tsa:            d("tsa_up", "Whether the time-stamping authority did what it was asked last by this process.", "tsa"),
		tsaChain:       d("tsa_chain_seconds", "How long the certificates behind the authority's newest stamp of this process last; absent before the first.", "tsa"),
		renewalOK:      d("seal_renewal_ok", "Whether all stamps that were due were renewed when this process looked last; absent before it did."),
		ends:           d("seal_ends_seconds", "How long until the first certificates end of stamps that could not be renewed; absent when there are none."),
		late:           d("seal_late", "Checkpoints whose stamps had ended before anybody renewed them; absent before this process looked."),
		up:             d("part_up", "Whether the part answered this scrape.", "part"),
	}
}

// Describe implements prometheus.Collector.
func (c *fleetCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.jobs, c.outcomes, c.findings, c.listings, c.lanes, c.due, c.planned, c.waiting_, c.running, c.givenUp, c.oldest, c.paused,
		c.custodyWaiting, c.custodyOldest, c.stampAge, c.tsa, c.tsaChain, c.renewalOK, c.ends, c.late, c.up,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. A part that does not answer is told
// by part_up, and the others are told all the same.
func (c *fleetCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := timeout(c.patience)
	defer cancel()
	for _, p := range []struct {
		name string
		read func(context.Context, gauges) error
	}{{"database", c.readLedger}, {"queue", c.readQueue}, {"custody", c.readCustody}, {"seal", c.readSeal}} {
		var g gauges
		var all []prometheus.Metric
		g = func(d *prometheus.Desc, v float64, labels ...string) {
			all = append(all, prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...))
		}
		err := p.read(ctx, g)
		c.note(p.name, err)
		for _, m := range all {
			ch <- m
		}
		ch <- prometheus.MustNewConstMetric(c.up, prometheus.GaugeValue, truth(err == nil), p.name)
	}
}

// gauges takes one value.
type gauges func(d *prometheus.Desc, v float64, labels ...string)

func (c *fleetCollector) readLedger(ctx context.Context, g gauges) error {
	everything := capture.ID{}
	jobs, err := c.ledger.Counts(ctx, everything)
	if err != nil {
		return err
	}
	for _, kind := range []ledger.Kind{ledger.Visit, ledger.Score, ledger.Export} {
		for _, state := range []ledger.State{ledger.Planned, ledger.Dispatched, ledger.Running, ledger.Done, ledger.Failed, ledger.Cancelled, ledger.Quarantined} {
			g(c.jobs, float64(jobs[kind][state]), string(kind), string(state))
		}
	}
	outcomes, err := c.ledger.OutcomeCounts(ctx, everything)
	if err != nil {
		return err
	}
	for _, o := range capture.Outcomes() {
		g(c.outcomes, float64(outcomes[o]), string(o))
	}
	findings, err := c.ledger.FindingCounts(ctx, everything)
	if err != nil {
		return err
	}
	for _, s := range []ledger.FindingState{ledger.New, ledger.InReview, ledger.Confirmed, ledger.Dismissed, ledger.Escalated, ledger.Resolved} {
		g(c.findings, float64(findings[s]), string(s))
	}
	listings, err := c.ledger.ListingCounts(ctx, "")
	if err != nil {
		return err
	}
	for _, s := range []ledger.ListingState{ledger.Unseen, ledger.Active, ledger.Sold, ledger.Unavailable, ledger.Missing, ledger.Removed} {
		g(c.listings, float64(listings[s]), string(s))
	}
	return c.readDue(ctx, g)
}

func (c *fleetCollector) readDue(ctx context.Context, g gauges) error {
	lanes, err := c.ledger.Lanes(ctx)
	if err != nil {
		return err
	}
	closed, paused, now := 0, 0, c.ledger.Now()
	for _, l := range lanes {
		if l.ClosedUntil.After(now) {
			closed++
		}
		if l.Paused {
			paused++
		}
	}
	g(c.lanes, float64(closed), "closed")
	g(c.lanes, float64(paused), "paused")
	due, err := c.ledger.DueWatches(ctx, now, 100)
	if err != nil {
		return err
	}
	g(c.due, float64(len(due)))
	for _, pool := range task.Pools() {
		since, err := c.ledger.LongestReady(ctx, now, pool)
		if err != nil {
			return err
		}
		age := 0.0
		if !since.IsZero() {
			age = now.Sub(since).Seconds()
		}
		g(c.planned, age, pool)
	}
	return nil
}

func (c *fleetCollector) readQueue(ctx context.Context, g gauges) error {
	for _, pool := range task.Pools() {
		d, err := c.queue.Depth(ctx, pool)
		if err != nil {
			return err
		}
		g(c.waiting_, float64(d.Waiting), pool)
		g(c.running, float64(d.Running), pool)
		g(c.givenUp, float64(d.GivenUp), pool)
		g(c.oldest, d.Oldest.Seconds(), pool)
		g(c.paused, truth(d.Paused), pool)
	}
	return nil
}

func (c *fleetCollector) readCustody(ctx context.Context, g gauges) error {
	n, oldest, err := c.waiting(ctx)
	if err != nil {
		return err
	}
	g(c.custodyWaiting, float64(n))
	age := 0.0
	if n > 0 {
		age = max(0, c.now().Sub(oldest).Seconds())
	}
	g(c.custodyOldest, age)
	return nil
}

func (c *fleetCollector) readSeal(ctx context.Context, g gauges) error {
	for _, s := range c.sealer.Status() {
		g(c.tsa, truth(s.Since.IsZero()), s.TSA)
		if !s.End.IsZero() {
			g(c.tsaChain, s.End.Sub(c.now()).Seconds(), s.TSA)
		}
	}
	if r := c.sealer.RenewStatus(); !r.Looked.IsZero() {
		g(c.renewalOK, truth(r.Err == nil))
		g(c.late, float64(r.Late))
		if !r.Ends.IsZero() {
			g(c.ends, r.Ends.Sub(c.now()).Seconds())
		}
	}
	newest, err := c.sealer.Newest(ctx)
	if errors.Is(err, seal.ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	g(c.stampAge, max(0, c.now().Sub(newest.StampedAt).Seconds()))
	return nil
}

// note logs a part's trouble when it begins and when it ends.
func (c *fleetCollector) note(part string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := ""
	if err != nil {
		now = err.Error()
	}
	switch was := c.trouble[part]; {
	case was == "" && now != "":
		c.log.Warn("metrics of a part cannot be read", "part", part, "error", err)
	case was != "" && now == "":
		c.log.Info("metrics of a part can be read again", "part", part)
	}
	c.trouble[part] = now
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// waiting counts the custody events that no checkpoint covers yet, and says
// when the oldest was queued. There is a partial index of just these rows.
func (a *app) waiting(ctx context.Context) (n int64, oldest time.Time, err error) {
	var added int64
	err = a.db.QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(MIN(added), 0) FROM custody_event WHERE idx < 0`).Scan(&n, &added)
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("the custody events that wait could not be counted: %w", err)
	}
	return n, sqldb.Instant(added), nil
}
