package custody

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sync/errgroup"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// DetailEvents of an erased event names the event documents that are gone by
// right: ids, divided by spaces.
const DetailEvents = "events"

// maxDifferences bounds the differences a report lists; all are counted.
const maxDifferences = 1000

// Difference is one thing that is not as the log says.
type Difference struct {
	Index int64      // of the entry; -1 when it is not about one
	ID    capture.ID // of the event; zero when not known
	Key   string     // of the object
	What  string     // a sentence
}

// Report is what a Monitor found.
type Report struct {
	Newest      Checkpoint
	Checkpoints int64 // published ones, each checked
	Entries     int64 // of the newest
	Events      int64 // event documents that fit their entry
	Erased      int64 // documents gone by right
	Queued      int64 // events that wait for the next checkpoint (up to 50,000)
	Count       int64 // of all differences
	Differences []Difference
}

// Monitor reads the whole log as a stranger would and compares: every
// published checkpoint (signature, root recomputed from all leaves before it,
// so the history is one line), every tile and entry bundle, every leaf against
// its event document, the store's index, and every event document against the
// log. It changes nothing. The error is that it could not look; what it saw is
// in the report.
//
// It needs as much memory for a log of a hundred as for one of a million: the
// right edge, one batch, and 24 bytes for each event document that is gone.
func (l *Log) Monitor(ctx context.Context) (Report, error) {
	return l.MonitorTelling(ctx, func(Progress) {})
}

// Progress is how far a Monitor got.
type Progress struct {
	Entries   int64 // checked so far
	Of        int64 // in the log
	Documents int64 // keys of event documents looked at, in the second half
	Count     int64 // differences so far
}

// MonitorTelling is Monitor that tells how far it got, after each checkpoint
// and every thousand event documents; tell must return soon.
func (l *Log) MonitorTelling(ctx context.Context, tell func(Progress)) (Report, error) {
	m := &monitor{log: l, edge: newEdge(), erased: map[capture.ID]bool{}, tell: tell}
	head, _, err := l.head(ctx)
	if err != nil {
		return m.report, err
	}
	m.progress.Of = head.Size
	if err = m.walk(ctx); err == nil {
		err = m.events(ctx)
	}
	for _, gone := range m.missing {
		if m.erased[gone.id] {
			m.report.Erased++
			continue
		}
		m.add(Difference{Index: gone.index, ID: gone.id, Key: vault.CustodyEventKey(gone.id), What: "its event document is gone, and no erased event says why"})
	}
	return m.report, err
}

type monitor struct {
	log    *Log
	edge   *edge
	mu     sync.Mutex
	report Report
	// erased are the events that erased events name; missing the documents
	// that were not there: whether by right is known at the end.
	erased   map[capture.ID]bool
	missing  []missing
	progress Progress
	tell     func(Progress)
}

type missing struct {
	index int64
	id    capture.ID
}

// told passes on how far it got; no other goroutine of the monitor is at work.
func (m *monitor) told() {
	m.progress.Entries, m.progress.Count = m.report.Entries, m.report.Count
	m.tell(m.progress)
}

func (m *monitor) add(d Difference) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.report.Count++
	if len(m.report.Differences) < maxDifferences {
		m.report.Differences = append(m.report.Differences, d)
	}
}

// saw turns what reading an object gave into nil, a difference, or an error
// that ends the walk.
func (m *monitor) saw(err error, d Difference) error {
	for _, known := range []error{vault.ErrNotFound, ErrCorrupt, ErrEvent, ErrEntry, ErrBatch, ErrCheckpoint, ErrUnknown} {
		if errors.Is(err, known) {
			d.What = err.Error()
			m.add(d)
			return nil
		}
	}
	return err
}

// walk goes from checkpoint to checkpoint.
func (m *monitor) walk(ctx context.Context) error {
	for info, err := range m.log.cfg.Vault.List(ctx, vault.CheckpointsPrefix, "") {
		if err != nil {
			return err
		}
		size, ok := checkpointSize(info.Key)
		if !ok {
			m.add(Difference{Index: -1, Key: info.Key, What: "this is no key of a checkpoint"})
			continue
		}
		c, err := m.log.At(ctx, size)
		if err != nil {
			if err = m.saw(err, Difference{Index: -1, Key: info.Key}); err != nil {
				return err
			}
			continue // the next good one covers these entries too
		}
		if err := m.checkpoint(ctx, c); err != nil {
			return err
		}
	}
	head, version, err := m.log.head(ctx)
	if err == nil && version > 0 && head.Tree() != m.edge.tree {
		m.add(Difference{Index: -1, Key: vault.CheckpointKey(head.Size), What: fmt.Sprintf("the head has size %d, the newest published checkpoint %d", head.Size, m.edge.tree.N)})
	}
	return err
}

// checkpoint replays what led from the tree before to this one.
func (m *monitor) checkpoint(ctx context.Context, c Checkpoint) error {
	entries, ids, err := m.between(ctx, c)
	if err != nil {
		return m.saw(err, Difference{Index: m.edge.tree.N, Key: vault.CheckpointKey(c.Size)})
	}
	from := m.edge.tree.N
	to, objects, err := m.edge.extend(entries)
	if err != nil {
		return err
	}
	if to != c.Tree() {
		m.add(Difference{Index: from, Key: vault.CheckpointKey(c.Size), What: fmt.Sprintf("its root is %s, its entries lead to %s", c.Root, to.Hash)})
	}
	if m.edge, err = m.edge.at(to); err != nil {
		return err
	}
	m.report.Newest, m.report.Entries = c, to.N
	m.report.Checkpoints++
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, o := range objects {
		g.Go(func() error { return m.object(gctx, o) })
	}
	for i, id := range ids {
		g.Go(func() error { return m.leaf(gctx, from+int64(i), id, entries[i]) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	m.told()
	return nil
}

// between gives the entries from the tree before to a checkpoint, with their
// events by the staged batch. Where the batch is gone or wrong that is a
// difference, and the public bundles tell the entries.
func (m *monitor) between(ctx context.Context, c Checkpoint) (entries []Entry, ids []capture.ID, err error) {
	b, err := m.log.staged(ctx, c.Tree())
	if err == nil && b.from != m.edge.tree {
		err = fmt.Errorf("%w: it leads from size %d, the checkpoint before has size %d", ErrBatch, b.from.N, m.edge.tree.N)
	}
	if err == nil {
		return b.entries, b.ids, nil
	}
	if err := m.saw(err, Difference{Index: m.edge.tree.N, Key: batchKey(c.Tree())}); err != nil {
		return nil, nil, err
	}
	for at := m.edge.tree.N; at < c.Size; {
		n := at / tileWidth
		width := int(min(c.Size-n*tileWidth, tileWidth))
		bundle, err := m.log.readEntries(ctx, n, width)
		if err != nil {
			return nil, nil, err
		}
		entries = append(entries, bundle[at-n*tileWidth:]...)
		at = n*tileWidth + int64(width)
	}
	return entries, nil, nil
}

// object compares a tile or bundle with what it must be. A partial one may be
// gone when its full one is there.
func (m *monitor) object(ctx context.Context, o object) error {
	const limit = tileWidth * (2 + maxEntry)
	b, err := m.log.get(ctx, o.key, limit)
	if full, _, partial := strings.Cut(o.key, ".p/"); partial && errors.Is(err, vault.ErrNotFound) {
		if b, err = m.log.get(ctx, full, limit); len(b) > len(o.bytes) {
			b = b[:len(o.bytes)]
		}
	}
	if err == nil && !bytes.Equal(b, o.bytes) {
		err = fmt.Errorf("%w: its bytes do not follow from the entries", ErrCorrupt)
	}
	return m.saw(err, Difference{Index: -1, Key: o.key})
}

// leaf compares an entry with its event document and with the store's index.
func (m *monitor) leaf(ctx context.Context, index int64, id capture.ID, entry Entry) error {
	d := Difference{Index: index, ID: id, Key: vault.CustodyEventKey(id)}
	row, err := m.log.cfg.Store.Find(ctx, id)
	if err == nil && (row.Index != index || row.Entry != entry) {
		err = fmt.Errorf("%w: the store says that this event is entry %d", ErrCorrupt, row.Index)
	}
	if err := m.saw(err, d); err != nil {
		return err
	}
	e, doc, err := m.log.Event(ctx, id)
	if errors.Is(err, vault.ErrNotFound) {
		m.mu.Lock()
		m.missing = append(m.missing, missing{index, id})
		m.mu.Unlock()
		return nil
	}
	if err == nil && (Entry{e.Type, Commit(e.Salt, capture.Sum(doc))}) != entry {
		err = fmt.Errorf("%w: the event document is not the one that was logged", ErrCorrupt)
	}
	if err != nil {
		return m.saw(err, d)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.report.Events++
	if e.Type == Erased {
		for _, word := range strings.Fields(e.Details[DetailEvents]) {
			if gone, err := capture.ParseID(word); err == nil {
				m.erased[gone] = true
			}
		}
	}
	return nil
}

// events looks for event documents that nothing knows of.
func (m *monitor) events(ctx context.Context) error {
	for info, err := range m.log.cfg.Vault.List(ctx, vault.CustodyEventsPrefix, "") {
		if err != nil {
			return err
		}
		if _, ok := eventID(info.Key); !ok {
			m.add(Difference{Index: -1, Key: info.Key, What: "this is no key of an event"})
		}
		if m.progress.Documents++; m.progress.Documents%1000 == 0 {
			m.told()
		}
	}
	err := m.log.unlogged(ctx, time.Time{}, func(id capture.ID, key string) error {
		m.add(Difference{Index: -1, ID: id, Key: key, What: "the event is neither in the log nor in the queue: Sweep queues it"})
		return nil
	})
	if err != nil {
		return err
	}
	rows, err := m.log.cfg.Store.Pending(ctx, MaxBatch)
	m.report.Queued = int64(len(rows))
	return err
}

// newEdge is the right edge of the empty tree.
func newEdge() *edge {
	root, err := tlog.TreeHash(0, nil)
	if err != nil {
		panic(err) // of no hashes: cannot fail
	}
	return &edge{tree: tlog.Tree{Hash: root}, tiles: map[[2]int64][]byte{}, added: map[int64]tlog.Hash{}}
}
