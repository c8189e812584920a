package ledger

import (
	"context"
	"fmt"
	"strings"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/sqldb"
)

const jobColumns = `id, kind, watch_id, fire_at, parent_id, asked_by, site, url, canonical, page_kind, item_id, depth,
	listing_id, subject_id, spec, dedupe, pool, lane, priority, state, epoch, ready_at, dispatched_at, started_at,
	lease_until, worker, attempts, outcome, capture_id, manifest, error, created_at, updated_at, finished_at`

const jobColumnCount = 34

// planned is what became of works that were to be planned.
type planned struct {
	jobs    []capture.ID
	known   int
	refused Refused
}

// planChunk is how many jobs go into one statement.
const planChunk = 40

// plan adds jobs for works, in the fire f (nil: in none), as children of
// parent. The fire's row is held, so nobody else plans in it meanwhile.
func (t *tx) plan(ctx context.Context, f *fire, parent Job, works []Work) (planned, error) {
	var p planned
	for len(works) > 0 {
		n := min(planChunk, len(works))
		if err := t.planSome(ctx, f, parent, works[:n], &p); err != nil {
			return p, err
		}
		works = works[n:]
	}
	if f != nil {
		f.jobs += len(p.jobs)
		f.open += len(p.jobs)
		f.refused.merge(p.refused)
	}
	return p, nil
}

type newJob struct {
	Work
	id     capture.ID
	dedupe string
}

func (t *tx) planSome(ctx context.Context, f *fire, parent Job, works []Work, p *planned) error {
	fireAt := sqldb.Micros(parent.FireAt)
	fresh := make([]newJob, 0, len(works))
	index := map[string]bool{}
	var keys []any
	for _, w := range works {
		w.defaults()
		if w.tooLong() {
			p.refused.add("the address is absurdly long", 1)
			continue
		}
		n := newJob{Work: w, id: t.l.ids.New()}
		n.dedupe = w.dedupe(n.id, parent.Watch, fireAt)
		if index[n.dedupe] {
			p.known++
			continue
		}
		index[n.dedupe] = true
		fresh = append(fresh, n)
		keys = append(keys, n.dedupe)
	}
	if len(fresh) == 0 {
		return nil
	}
	there, err := all(ctx, t, func(s scanner) (k string, err error) { return k, s.Scan(&k) },
		`SELECT dedupe FROM jobs WHERE dedupe IN (`+placeholders(1, len(keys))+`)`, keys...)
	if err != nil {
		return err
	}
	for _, k := range there {
		index[k] = false
	}
	var rows []newJob
	for _, n := range fresh {
		if !index[n.dedupe] {
			p.known++
		} else if full := f.admit(n.Work); full != "" {
			p.refused.add(full, 1)
		} else {
			rows = append(rows, n)
		}
	}
	return t.insert(ctx, parent, rows, p)
}

// admit takes the work's place out of the fire's budget, or says what is used up.
func (f *fire) admit(w Work) string {
	switch {
	case f == nil || w.Kind != Visit:
	case w.Depth > f.depth:
		return fmt.Sprintf("more than %d links away from the start (depth)", f.depth)
	case w.PageKind == "listing" && f.listings >= f.maxListings:
		return fmt.Sprintf("the run has its %d listings (max-listings)", f.maxListings)
	case w.PageKind == "listing":
		f.listings++
	case f.pages >= f.maxPages:
		return fmt.Sprintf("the run has its %d pages (max-pages)", f.maxPages)
	default:
		f.pages++
	}
	return ""
}

func (t *tx) insert(ctx context.Context, parent Job, rows []newJob, p *planned) error {
	if len(rows) == 0 {
		return nil
	}
	var values []string
	var args []any
	now := sqldb.Micros(t.now)
	for i, n := range rows {
		values = append(values, "("+placeholders(i*jobColumnCount+1, jobColumnCount)+")")
		ready := sqldb.Micros(n.ReadyAt)
		if ready == 0 {
			ready = now
		}
		args = append(args, idText(n.id), string(n.Kind), idText(parent.Watch), sqldb.Micros(parent.FireAt), idText(parent.ID),
			sqldb.Text(n.AskedBy), sqldb.Text(n.Site), sqldb.Text(n.URL), sqldb.Text(n.Canonical), sqldb.Text(n.PageKind),
			sqldb.Text(n.ItemID), n.Depth, idText(n.Listing), idText(n.Subject), rawText(n.Spec), n.dedupe, n.Pool,
			sqldb.Text(n.Lane), n.Priority, string(Planned), 0, ready, 0, 0, 0, "", "", "", "", "", "", now, now, 0)
	}
	// Work of no watch is held by no fire's lock: two may add the same key at
	// the same time, and the second is known.
	ids, err := all(ctx, t, func(s scanner) (id capture.ID, err error) {
		var text string
		if err := s.Scan(&text); err != nil {
			return id, err
		}
		return id, unpack(text, &id)
	}, `INSERT INTO jobs (`+jobColumns+`) VALUES `+strings.Join(values, ", ")+` ON CONFLICT (dedupe) DO NOTHING RETURNING id`, args...)
	if err != nil {
		return err
	}
	p.known += len(rows) - len(ids)
	added := make(map[capture.ID]bool, len(ids))
	for _, id := range ids {
		added[id] = true
	}
	for _, n := range rows {
		if added[n.id] {
			p.jobs = append(p.jobs, n.id)
			t.moveJob(Job{Work: n.Work, Watch: parent.Watch}, "", Planned)
		}
	}
	return nil
}

// Add plans works that belong to no watch: a capture asked for by hand, an
// export. A work whose Key is there already is left out. It gives the ids of
// the new jobs, in the order of the works.
func (l *Ledger) Add(ctx context.Context, works ...Work) (ids []capture.ID, err error) {
	for _, w := range works {
		if err := w.Validate(); err != nil {
			return nil, err
		}
	}
	err = l.tx(ctx, func(t *tx) error {
		p, err := t.plan(ctx, nil, Job{}, works)
		ids = p.jobs
		return err
	})
	return ids, err
}
