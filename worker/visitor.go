package worker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/sqldb"
	"github.com/trawlmark/trawlmark/crawler"
	"github.com/trawlmark/trawlmark/crawler/listing"
	"github.com/trawlmark/trawlmark/crawler/site"
	"github.com/trawlmark/trawlmark/worker/lane"
	"github.com/trawlmark/trawlmark/worker/ledger"
	"github.com/trawlmark/trawlmark/worker/task"
)

// Config is how the handlers behave.
type Config struct {
	// Name of this worker in the ledger and in every capture. Required.
	Name string
	// Lease and Heartbeat of a running job. Defaults 20 s and 5 s.
	Lease, Heartbeat time.Duration
	// Behind is how many captures may wait on disk for the storage before slots
	// wait with them. Default 256.
	Behind int
	// Storing is how many of them are stored at a time. Default 8.
	Storing int
	// Untriaged is how long every capture is locked; 0 leaves it to the archive.
	// A watch may say otherwise, of this and of FindingKeep.
	Untriaged time.Duration
	// FindingKeep is how long captures of a suspicious listing are locked.
	// Default 2 years.
	FindingKeep time.Duration
	// ChallengePause closes a lane after a challenge page that does not say for
	// how long. Default 10 minutes.
	ChallengePause time.Duration
}

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&c.Lease, 20*time.Second)
	set(&c.Heartbeat, 5*time.Second)
	set(&c.FindingKeep, 2*365*24*time.Hour)
	set(&c.ChallengePause, 10*time.Minute)
	c.Behind, c.Storing = cmp.Or(c.Behind, 256), cmp.Or(c.Storing, 8)
	return c
}

// Crawler makes visits. *crawler.Crawler is one.
type Crawler interface {
	Visit(ctx context.Context, q crawler.Request) *crawler.Result
}

// Archive keeps captures. *archive.Archive is one.
type Archive interface {
	// Room says why no more captures can be taken now; nil when they can.
	Room() error
	Prepare(ctx context.Context, c *capture.Capture, d archive.Description, note json.RawMessage) (*archive.Pending, error)
	Store(ctx context.Context, p *archive.Pending) (archive.Receipt, error)
	Discard(p *archive.Pending) error
	// Refuse puts aside what Store says can never be stored.
	Refuse(p *archive.Pending, why string) error
	Waiting() ([]*archive.Pending, error)
	Extend(ctx context.Context, id capture.ID, until time.Time, actor, reason string) error
}

// Anchors gives the newest stamped checkpoint; nil when there is none.
type Anchors interface {
	Anchor(ctx context.Context) *capture.Anchor
}

// Lanes is what a visit tells the fleet's politeness.
type Lanes interface {
	// Observe tells how long the site took to answer, and whether well.
	Observe(ctx context.Context, lane string, took time.Duration, ok bool) error
	// Pass waits until a request may go out; arrived is called when it came.
	Pass(ctx context.Context, lane string, p lane.Params) (arrived func(), err error)
	Close(ctx context.Context, lane string, until time.Time, reason string) error
}

// Visitor does visit jobs. Safe for concurrent use.
type Visitor struct {
	cfg     Config
	ledger  *ledger.Ledger
	crawler Crawler
	archive Archive
	anchors Anchors
	lanes   Lanes
	sites   *site.Set
	watches *watches
	triage  *Triage
	ids     *capture.IDSource
	now     func() time.Time
	log     *slog.Logger
	kept    *keeper
	waited  atomic.Int64 // at the gates of lanes, ns
}

// Waited is how long slots were spent waiting for lanes so far.
func (v *Visitor) Waited() time.Duration { return time.Duration(v.waited.Load()) }

// VisitorDeps is what a Visitor stands on.
type VisitorDeps struct {
	Ledger  *ledger.Ledger
	Crawler Crawler
	Archive Archive
	Anchors Anchors
	Lanes   Lanes
	Sites   *site.Set
	IDs     *capture.IDSource
	Now     func() time.Time
	Log     *slog.Logger
}

// NewVisitor makes a Visitor.
func NewVisitor(cfg Config, d VisitorDeps) (*Visitor, error) {
	if cfg.Name == "" {
		return nil, errors.New("worker: Name must say which worker this is")
	}
	cfg = cfg.withDefaults()
	ws := &watches{ledger: d.Ledger}
	v := &Visitor{
		cfg: cfg, ledger: d.Ledger, crawler: d.Crawler, archive: d.Archive, anchors: d.Anchors, lanes: d.Lanes,
		sites: d.Sites, ids: d.IDs, now: d.Now, log: d.Log, watches: ws, triage: &Triage{ledger: d.Ledger, watches: ws, now: d.Now},
	}
	v.kept = newKeeper(v)
	return v, nil
}

// Handle does the job that a ticket names. Errors are for the log: the ledger
// knows what is to be done next.
func (v *Visitor) Handle(ctx context.Context, t task.Ticket) error {
	job, err := v.ledger.Claim(ctx, ledger.Fence{Job: t.Job, Epoch: t.Epoch}, v.cfg.Name, v.cfg.Lease)
	if errors.Is(err, ledger.ErrStale) {
		return nil // a ticket that was doubled, late or lost its job
	}
	if err != nil {
		return fmt.Errorf("job %s could not be claimed: %w", t.Job, err)
	}
	ctx = onTrail(ctx, job)
	if ok, err := mine(ctx, v.ledger, v.log, job, ledger.Visit); !ok {
		return err
	}
	lctx, release := holdLease(ctx, v.ledger, job.Fence(), v.cfg.Lease, v.cfg.Heartbeat, v.log)
	defer release()
	err = v.visit(lctx, job)
	switch {
	case err == nil:
		return nil
	case errors.Is(context.Cause(lctx), ErrLeaseLost), errors.Is(err, ledger.ErrStale):
		v.log.InfoContext(ctx, "a job was taken over")
		return nil
	case ctx.Err() != nil:
		// Told to stop: put the job back, it has not failed.
		return v.ledger.Release(context.WithoutCancel(ctx), job.Fence(), noTime, "the worker was told to stop")
	}
	if errors.Is(err, sqldb.ErrUnavailable) || errors.Is(err, sqldb.ErrBusy) || errors.Is(err, sqldb.ErrUncertain) {
		// No fault of the job. When this does not reach the ledger either, the
		// job is put back when its lease ends.
		v.log.WarnContext(ctx, "a visit was given up because the database does not answer", "error", err)
		err := v.ledger.Release(context.WithoutCancel(ctx), job.Fence(), v.ledger.Now().Add(v.cfg.Heartbeat), err.Error())
		if errors.Is(err, sqldb.ErrUnavailable) {
			return nil
		}
		return err
	}
	v.log.ErrorContext(ctx, "a visit could not be finished", "error", err)
	_, err = v.ledger.Retry(context.WithoutCancel(ctx), job.Fence(), ledger.Failure{Class: ledger.Internal, Text: err.Error()})
	return err
}

func (v *Visitor) visit(ctx context.Context, job ledger.Job) error {
	if err := v.room(ctx); err != nil { // before the page is asked for in vain
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		v.log.WarnContext(ctx, "a visit is put off", "error", err)
		return v.ledger.Release(ctx, job.Fence(), noTime, err.Error())
	}
	untriaged, finding, err := v.retention(ctx, job)
	if err != nil {
		return err
	}
	req, err := v.request(ctx, job, untriaged)
	if err != nil {
		return err
	}
	ctx = atCapture(ctx, req.ID)
	began := time.Now()
	res := v.crawler.Visit(ctx, req)
	defer func() {
		if err := res.Close(); err != nil {
			v.log.WarnContext(ctx, "a visit's temporary files are left", "error", err)
		}
	}()
	if ctx.Err() != nil {
		return context.Cause(ctx) // half a visit under a lost lease is nobody's
	}
	if res.Gated != nil {
		return v.ledger.Release(ctx, job.Fence(), v.whenOpen(res.Gated), res.Gated.Error())
	}
	v.log.DebugContext(ctx, "visited", "outcome", string(res.Capture.Outcome), "site", job.Site, "lane", job.Lane, "seconds", time.Since(began).Seconds())
	v.tellLane(ctx, job, res)
	done, err := v.result(ctx, job, res)
	if err != nil {
		return err
	}
	about := describe(res.Reading)
	about.Keep, done.Keep = untriaged, finding
	note, err := json.Marshal(done)
	if err != nil {
		return err
	}
	p, err := v.archive.Prepare(ctx, res.Capture, about, note)
	if errors.Is(err, archive.ErrSpoolFull) || errors.Is(err, archive.ErrDiskFull) || diskFault(err) {
		_, err := v.ledger.Retry(ctx, job.Fence(), ledger.Failure{Class: ledger.Storage, Text: err.Error()})
		return err
	}
	if err != nil {
		return err
	}
	return v.kept.store(ctx, p, done)
}

// room waits for a heartbeat, at most, until another capture can be taken. A
// worker that gave tickets back at once would get the next ones at once, and
// take them all away from workers that have room. A job that is given back
// keeps its place: it is not its fault.
func (v *Visitor) room(ctx context.Context) error {
	err := v.archive.Room()
	if err == nil {
		return nil
	}
	end := time.NewTimer(v.cfg.Heartbeat)
	defer end.Stop()
	look := time.NewTicker(min(v.cfg.Heartbeat/4, 250*time.Millisecond))
	defer look.Stop()
	for err != nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-end.C:
			return err
		case <-look.C:
			err = v.archive.Room()
		}
	}
	return nil
}

// retention is how long a job's capture is locked, and how long if what it
// shows is suspicious: as its watch says, or the configuration.
func (v *Visitor) retention(ctx context.Context, job ledger.Job) (untriaged, finding time.Duration, err error) {
	var w ledger.Watch
	if !job.Watch.IsZero() {
		if w, err = v.ledger.Watch(ctx, job.Watch); err != nil && !errors.Is(err, ledger.ErrNotFound) {
			return 0, 0, err
		}
	}
	untriaged, finding = w.Retention.Or(v.cfg.Untriaged, v.cfg.FindingKeep)
	return untriaged, finding, nil
}

// diskFault reports whether the disk of this worker failed, which is no fault
// of the job: another worker may do it.
func diskFault(err error) bool {
	var path *fs.PathError
	var link *os.LinkError
	var errno syscall.Errno
	return errors.As(err, &path) || errors.As(err, &link) || errors.As(err, &errno)
}

// request makes the crawler's request of a job whose capture is locked for so
// long.
func (v *Visitor) request(ctx context.Context, job ledger.Job, untriaged time.Duration) (crawler.Request, error) {
	req := crawler.Request{
		ID: v.ids.New(), URL: job.URL, After: v.anchors.Anchor(ctx),
		Asked: capture.Asked{Job: job.ID.String(), Epoch: job.Epoch, By: job.AskedBy},
	}
	if !job.Watch.IsZero() {
		req.Asked.Watch = job.Watch.String()
	}
	var spec VisitSpec
	if len(job.Spec) > 0 {
		if err := json.Unmarshal(job.Spec, &spec); err != nil {
			return req, fmt.Errorf("the job's spec cannot be read: %w", err)
		}
	}
	req.Render, req.Screenshot = site.RenderMode(spec.Render), spec.Screenshot
	req.Gate = v.gate(job)
	req.Inspect = func(r *site.Reading) string { return v.triage.wantsScreenshot(ctx, job, r) }
	if job.PageKind == string(site.KindListing) && (job.ItemID != "" || job.Canonical != "") {
		prev, err := v.ledger.PreviousCapture(ctx, ledger.Ref{Site: job.Site, ItemID: job.ItemID, Canonical: job.Canonical})
		switch {
		case errors.Is(err, ledger.ErrNotFound):
		case err != nil:
			return req, err
		default:
			req.Previous = &crawler.Previous{Manifest: prev.Manifest, Taken: prev.At, ETag: prev.ETag, LastModified: prev.LastModified}
			if untriaged > 0 && v.ledger.Now().Sub(prev.At) > untriaged/2 {
				// A watch that keeps captures shortly: what says "not modified"
				// must not outlive the capture that it speaks of.
				req.Previous.ETag, req.Previous.LastModified = "", ""
			}
		}
	}
	return req, nil
}

// VisitSpec is the spec of a visit job.
type VisitSpec struct {
	Render     string `json:"render,omitempty"` // never, auto, always; "" as the site says
	Screenshot bool   `json:"screenshot,omitempty"`
}

// tellLane passes on what the visit learnt about how fast the site may be
// asked. What the lane does not take is logged: the visit is not lost for it.
func (v *Visitor) tellLane(ctx context.Context, job ledger.Job, res *crawler.Result) {
	if job.Lane == "" {
		return
	}
	pause, why := res.RetryAfter, "the site asked to be left alone (Retry-After)"
	switch res.Capture.Outcome {
	case capture.Throttled:
		if pause == 0 {
			pause, why = time.Minute, "the site asked us to slow down and did not say for how long"
		}
	case capture.Challenge:
		if pause == 0 {
			pause, why = v.cfg.ChallengePause, "the site asked for proof of being human"
		}
	}
	var err error
	if pause > 0 {
		err = v.lanes.Close(ctx, job.Lane, v.ledger.Now().Add(pause), why)
	} else if res.ResponseTime > 0 {
		err = v.lanes.Observe(ctx, job.Lane, res.ResponseTime, res.Capture.Outcome.Class() != capture.Failed)
	}
	if err != nil && !errors.Is(err, lane.ErrUnavailable) {
		v.log.WarnContext(ctx, "a lane was not told what a visit learnt", "lane", job.Lane, "error", err)
	}
}

// describe is what the catalogue is told of a reading.
func describe(r *site.Reading) archive.Description {
	if r == nil || r.Listing == nil {
		return archive.Description{}
	}
	l := r.Listing
	d := archive.Description{Title: l.Text(listing.Title), Seller: l.Text(listing.SellerName)}
	if amount, currency, ok := l.Money(); ok {
		d.Price, d.Currency = amount.String(), currency
	}
	return d
}
