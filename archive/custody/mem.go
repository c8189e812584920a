package custody

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Mem is a Store in memory, for tests and dry runs, that fails on demand. The
// zero value is ready.
type Mem struct {
	// Fail is asked before an operation ("load", "swap", "add", "pending",
	// "find", "about", "lock") has any effect; FailAfter when the effect is
	// there. Their error is returned instead.
	Fail, FailAfter func(op string) error

	mu      sync.Mutex
	head    []byte
	version int64
	rows    map[capture.ID]Row
	order   []capture.ID // of adding
	locked  bool
}

func (m *Mem) do(ctx context.Context, op string, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.Fail != nil {
		if err := m.Fail(op); err != nil {
			return err
		}
	}
	m.mu.Lock()
	err := f()
	m.mu.Unlock()
	if err == nil && m.FailAfter != nil {
		err = m.FailAfter(op)
	}
	return err
}

// Load implements Store.
func (m *Mem) Load(ctx context.Context) (head []byte, version int64, err error) {
	err = m.do(ctx, "load", func() error {
		head, version = slices.Clone(m.head), m.version
		return nil
	})
	return head, version, err
}

// Swap implements Store.
func (m *Mem) Swap(ctx context.Context, version int64, head []byte, rows []Row) error {
	return m.do(ctx, "swap", func() error {
		if version != m.version {
			return ErrMoved
		}
		for _, r := range rows {
			if old, ok := m.rows[r.ID]; ok && old.Index != Pending {
				return ErrMoved
			}
		}
		for _, r := range rows {
			m.set(r)
		}
		m.head, m.version = slices.Clone(head), version+1
		return nil
	})
}

func (m *Mem) set(r Row) {
	if m.rows == nil {
		m.rows = map[capture.ID]Row{}
	}
	if _, ok := m.rows[r.ID]; !ok {
		m.order = append(m.order, r.ID)
	}
	m.rows[r.ID] = r
}

// Add implements Store.
func (m *Mem) Add(ctx context.Context, row Row) error {
	return m.do(ctx, "add", func() error {
		if _, ok := m.rows[row.ID]; !ok {
			row.Index = Pending
			m.set(row)
		}
		return nil
	})
}

// Pending implements Store.
func (m *Mem) Pending(ctx context.Context, limit int) (rows []Row, err error) {
	err = m.do(ctx, "pending", func() error {
		for _, id := range m.order {
			if r := m.rows[id]; r.Index == Pending && len(rows) < limit {
				rows = append(rows, r)
			}
		}
		return nil
	})
	return rows, err
}

// Find implements Store.
func (m *Mem) Find(ctx context.Context, id capture.ID) (row Row, err error) {
	err = m.do(ctx, "find", func() error {
		var ok bool
		if row, ok = m.rows[id]; !ok {
			return ErrUnknown
		}
		return nil
	})
	return row, err
}

// About implements Store.
func (m *Mem) About(ctx context.Context, s Subject) (rows []Row, err error) {
	err = m.do(ctx, "about", func() error {
		for _, id := range m.order {
			if r := m.rows[id]; r.Subject.about(s) {
				rows = append(rows, r)
			}
		}
		slices.SortStableFunc(rows, func(a, b Row) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID.String(), b.ID.String())) })
		return nil
	})
	return rows, err
}

// about reports whether s names what is asked for.
func (s Subject) about(want Subject) bool {
	switch {
	case !want.Capture.IsZero():
		return s.Capture == want.Capture
	case want.Case != "":
		return s.Case == want.Case
	}
	return want.Log != "" && s.Log == want.Log
}

// Lock implements Store.
func (m *Mem) Lock(ctx context.Context) (unlock func(), err error) {
	err = m.do(ctx, "lock", func() error {
		if m.locked {
			return ErrBusy
		}
		m.locked = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() {
		m.mu.Lock()
		m.locked = false
		m.mu.Unlock()
	}), nil
}
