// Package custodysql keeps a custody log's mutable part in SQL: its head, the
// queue of events, who is sequencing. One schema, one set of queries for
// SQLite and PostgreSQL (archive/sqldb).
//
// Invariants:
//   - The head and the index of the events it covers change in one transaction.
//   - Nothing here is evidence: custody.Log.Restore makes all of it anew.
package custodysql

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/sqldb"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Lease is how long a sequencer that says nothing is taken for alive. A
// sequencer at work renews it; one that died is replaced after this time.
const Lease = 30 * time.Second

// Store implements custody.Store.
type Store struct {
	db  *sqldb.DB
	now func() time.Time
	ids *capture.IDSource // of lock holders
}

// Open brings the tables up to date. now is used where the database has no
// clock of its own (SQLite); rand (crypto/rand.Reader in production) names
// lock holders.
func Open(ctx context.Context, db *sqldb.DB, now func() time.Time, rand io.Reader) (*Store, error) {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, dir, "custody_version"); err != nil {
		return nil, err
	}
	return &Store{db, now, capture.NewIDSource(now, rand)}, nil
}

// Load implements custody.Store.
func (s *Store) Load(ctx context.Context) ([]byte, int64, error) {
	var head string
	var version int64
	err := s.db.QueryRowContext(ctx, `SELECT head, version FROM custody_head WHERE one = 1`).Scan(&head, &version)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, 0, nil
	}
	return []byte(head), version, sqldb.Err(err)
}

// Swap implements custody.Store.
func (s *Store) Swap(ctx context.Context, version int64, head []byte, rows []custody.Row) error {
	added, err := s.db.Now(ctx, s.now)
	if err != nil {
		return err
	}
	return s.db.Tx(ctx, func(tx *sql.Tx) error {
		q := `UPDATE custody_head SET head = $1, version = version + 1 WHERE one = 1 AND version = $2`
		if version == 0 {
			q = `INSERT INTO custody_head (one, head, version) VALUES (1, $1, $2 + 1) ON CONFLICT (one) DO NOTHING`
		}
		if err := one(tx.ExecContext(ctx, q, string(head), version)); err != nil {
			return err
		}
		for chunk := range slices.Chunk(rows, 50) {
			if err := index(ctx, tx, chunk, added); err != nil {
				return err
			}
		}
		return nil
	})
}

// index gives rows their index, all or none of them. Some rows a statement
// save PostgreSQL round trips; many make SQLite's driver slow (500 a statement:
// 1.6 s for 5,000 rows, 50: 0.4 s on both).
func index(ctx context.Context, tx *sql.Tx, rows []custody.Row, added time.Time) error {
	var q strings.Builder
	var args []any
	q.WriteString(`INSERT INTO custody_event (id, idx, type, commitment, capture, case_id, log, happened, added) VALUES `)
	for i, r := range rows {
		n := 9 * i
		if i > 0 {
			q.WriteString(", ")
		}
		fmt.Fprintf(&q, "($%d, $%d, $%d, $%d, $%d, $%d, $%d, $%d, $%d)", n+1, n+2, n+3, n+4, n+5, n+6, n+7, n+8, n+9)
		args = append(args, values(r, r.Index, added)...)
	}
	q.WriteString(` ON CONFLICT (id) DO UPDATE SET idx = excluded.idx WHERE custody_event.idx < 0`)
	return changed(int64(len(rows)))(tx.ExecContext(ctx, q.String(), args...))
}

// changed turns any other number of changed rows into ErrMoved.
func changed(want int64) func(sql.Result, error) error {
	return func(res sql.Result, err error) error {
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err == nil && n != want {
			err = custody.ErrMoved
		}
		return err
	}
}

func one(res sql.Result, err error) error { return changed(1)(res, err) }

// values are the columns of custody_event, in order.
func values(r custody.Row, index int64, added time.Time) []any {
	id := ""
	if !r.Subject.Capture.IsZero() {
		id = r.Subject.Capture.String()
	}
	return []any{
		r.ID.String(), index, string(r.Entry.Type), r.Entry.Commitment.String(), id, r.Subject.Case, r.Subject.Log,
		sqldb.Micros(r.At), sqldb.Micros(added),
	}
}

// Add implements custody.Store.
func (s *Store) Add(ctx context.Context, row custody.Row) error {
	// The order of the queue is a nicety, not a promise: this machine's clock
	// is good enough and saves a round trip per event.
	_, err := s.db.ExecContext(ctx, `
		INSERT INTO custody_event (id, idx, type, commitment, capture, case_id, log, happened, added)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING`, values(row, custody.Pending, s.now())...)
	return err
}

const columns = `SELECT id, idx, type, commitment, capture, case_id, log, happened FROM custody_event `

// Pending implements custody.Store.
func (s *Store) Pending(ctx context.Context, limit int) ([]custody.Row, error) {
	return s.query(ctx, columns+`WHERE idx < 0 ORDER BY added, id LIMIT $1`, limit)
}

// Find implements custody.Store.
func (s *Store) Find(ctx context.Context, id capture.ID) (custody.Row, error) {
	rows, err := s.query(ctx, columns+`WHERE id = $1`, id.String())
	if err != nil {
		return custody.Row{}, err
	}
	if len(rows) == 0 {
		return custody.Row{}, fmt.Errorf("%s: %w", id, custody.ErrUnknown)
	}
	return rows[0], nil
}

// About implements custody.Store.
func (s *Store) About(ctx context.Context, about custody.Subject) ([]custody.Row, error) {
	switch {
	case !about.Capture.IsZero():
		return s.query(ctx, columns+`WHERE capture <> '' AND capture = $1 ORDER BY happened, id`, about.Capture.String())
	case about.Case != "":
		return s.query(ctx, columns+`WHERE case_id <> '' AND case_id = $1 ORDER BY happened, id`, about.Case)
	case about.Log != "":
		return s.query(ctx, columns+`WHERE log <> '' AND log = $1 ORDER BY happened, id`, about.Log)
	}
	return nil, nil
}

func (s *Store) query(ctx context.Context, q string, args ...any) ([]custody.Row, error) {
	rows, err := s.db.QueryContext(ctx, q, args...)
	if err != nil {
		return nil, sqldb.Err(err)
	}
	defer rows.Close()
	var all []custody.Row
	for rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, sqldb.Err(rows.Err())
}

func scan(rows *sql.Rows) (custody.Row, error) {
	var r custody.Row
	var id, kind, commitment, about string
	var at int64
	if err := rows.Scan(&id, &r.Index, &kind, &commitment, &about, &r.Subject.Case, &r.Subject.Log, &at); err != nil {
		return r, sqldb.Err(err)
	}
	var errs [3]error
	r.ID, errs[0] = capture.ParseID(id)
	r.Entry.Type, r.At = custody.Type(kind), sqldb.Instant(at)
	r.Entry.Commitment, errs[1] = capture.ParseDigest(commitment)
	if about != "" {
		r.Subject.Capture, errs[2] = capture.ParseID(about)
	}
	return r, errors.Join(errs[:]...)
}

// Lock implements custody.Store by a lease that is renewed until unlock.
func (s *Store) Lock(ctx context.Context) (unlock func(), err error) {
	holder := s.ids.New().String()
	if err := s.lease(ctx, holder); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(Lease / 3)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				// A lease that cannot be renewed runs out: then two sequencers
				// may be at work, and Swap lets one of them win.
				_ = s.lease(ctx, holder)
			}
		}
	})
	return sync.OnceFunc(func() {
		stop()
		done.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		// Failing to give it back only makes the next sequencer wait.
		_, _ = s.db.ExecContext(ctx, `DELETE FROM custody_lock WHERE one = 1 AND holder = $1`, holder)
	}), nil
}

func (s *Store) lease(ctx context.Context, holder string) error {
	now, err := s.db.Now(ctx, s.now)
	if err != nil {
		return err
	}
	res, err := s.db.ExecContext(ctx, `
		INSERT INTO custody_lock (one, holder, until) VALUES (1, $1, $2)
		ON CONFLICT (one) DO UPDATE SET holder = excluded.holder, until = excluded.until
		WHERE custody_lock.until < $3 OR custody_lock.holder = excluded.holder`, holder, sqldb.Micros(now.Add(Lease)), sqldb.Micros(now))
	if err = one(res, err); errors.Is(err, custody.ErrMoved) {
		return custody.ErrBusy
	}
	return err
}
