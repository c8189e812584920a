package ledger_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/sqldb"
	"github.com/trawlmark/trawlmark/archive/sqldb/sqldbtest"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// fill puts n jobs, listings and findings into the tables by SQL, spread over
// lanes, states and watches, as years of work leave them: what is planned is
// the newest.
func (w *world) fill(n int) {
	w.t.Helper()
	db := w.open()
	numbers := fmt.Sprintf(`WITH RECURSIVE k (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < %d) `, n)
	id := func(kind string) string {
		return `'0199` + kind + `-0000-7000-8000-' || substr('000000000000' || i, length('000000000000' || i) - 11)`
	}
	for _, q := range []string{
		`INSERT INTO jobs SELECT ` + id("0001") + `, 'visit', '', 0, '', 'x', 'demo', 'https://x/' || i, 'https://x/' || i, 'listing', i || '', 0, '', '',
			'', 'd' || i, 'http', 'lane' || (i % 50), i % 3, CASE WHEN i > @done THEN 'planned' WHEN i % 1000 = 1 THEN 'running' ELSE 'done' END,
			1, 1, 1, 1, CASE WHEN i % 1000 = 1 AND i <= @done THEN 4000000000000000 + i ELSE 0 END, 'w', '', '', '', '', '', 1, 1,
			CASE WHEN i > @done OR i % 1000 = 1 THEN 0 ELSE i END FROM k`,
		`INSERT INTO listings SELECT ` + id("0002") + `, 'demo', 'id:f' || i, 'f' || i, '', '', 'Acme shoe ' || i, '1', 'EUR', '', 's' || (i % 1000),
			'active', 1, 1, 1, 1, 1, '', '', 0, '', '', '' FROM k`,
		`INSERT INTO findings SELECT ` + id("0003") + `, ` + id("0002") + `, '01990004-0000-7000-8000-0000000000' || (10 + i % 20), 'demo', '', '', (i * 7919) % 1000000, '', '',
			CASE WHEN i % 5 = 0 THEN 'new' WHEN i % 5 = 1 THEN 'in_review' ELSE 'dismissed' END, '', '', '', 0, 1, 1, 0 FROM k`,
	} {
		into, rest, _ := strings.Cut(strings.ReplaceAll(q, "@done", fmt.Sprint(n*9/10)), "SELECT")
		if _, err := db.ExecContext(ctx, into+numbers+"SELECT"+rest); err != nil {
			w.t.Fatal(err)
		}
	}
	if _, err := db.ExecContext(ctx, `ANALYZE`); err != nil {
		w.t.Fatal(err)
	}
}

// What pages and the dispatcher ask for must not cost more with every job that
// was ever done. PostgreSQL counts the rows that it read, without an index or
// by one that does not fit; SQLite, which does not, has the same indexes and
// much the same planner.
func TestQueriesUseIndexes(t *testing.T) {
	db := sqldbtest.PostgreSQL(t)()
	db.SetMaxOpenConns(1) // a connection tells its own counts
	w := newWorld(t, func() *sqldb.DB { return db }, ledger.Config{})
	w.fill(4000)
	now := w.clock.now()
	for name, ask := range map[string]func() error{
		"ReadyLanes": func() error { _, err := w.ReadyLanes(ctx, now); return err },
		"ReadyLanesFrom": func() error {
			lanes, next, err := w.ReadyLanesFrom(ctx, now, []string{"score", "http"}, "lane20", "", 10)
			if err == nil && (len(lanes) != 10 || lanes[0] != "lane20" || next != "lane3") {
				err = fmt.Errorf("%v, then %q", lanes, next)
			}
			return err
		},
		"Ready":        func() error { _, err := w.Ready(ctx, now, "lane10", 10); return err },
		"ReadyByWatch": func() error { _, err := w.ReadyByWatch(ctx, now, "lane10"); return err },
		"Waiting":      func() error { _, err := w.Waiting(ctx); return err },
		"Reconcile":    func() error { _, err := w.Reconcile(ctx, now); return err },
		"InFlight":     func() error { _, err := w.InFlight(ctx); return err },
		"Jobs":         func() error { _, err := w.Jobs(ctx, ledger.JobFilter{}); return err },
		"Jobs running": func() error { _, err := w.Jobs(ctx, ledger.JobFilter{State: ledger.Running}); return err },
		"Counts":       func() error { _, err := w.Counts(ctx, capture.ID{}); return err },
		"Findings":     func() error { _, err := w.Findings(ctx, ledger.FindingFilter{}); return err },
		"Findings new": func() error {
			_, err := w.Findings(ctx, ledger.FindingFilter{States: []ledger.FindingState{ledger.New, ledger.InReview}})
			return err
		},
		"Findings newest": func() error {
			_, err := w.Findings(ctx, ledger.FindingFilter{States: []ledger.FindingState{ledger.New}, Newest: true})
			return err
		},
		"SellerListings": func() error { _, err := w.SellerListings(ctx, "demo", "s5", 50); return err },
		"DueWatches":     func() error { _, err := w.DueWatches(ctx, now, 10); return err },
	} {
		before := rowsRead(t, db)
		if err := ask(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if n := rowsRead(t, db) - before; n > 500 {
			t.Errorf("%s reads %d rows", name, n)
		}
	}
	before := rowsRead(t, db)
	if _, err := db.ExecContext(ctx, `SELECT count(*) FROM jobs WHERE url = 'x'`); err != nil {
		t.Fatal(err)
	}
	if n := rowsRead(t, db) - before; n < 4000 {
		t.Errorf("a walk through the whole table counts as %d rows: this test sees nothing", n)
	}
}

// The statistics of a database are those of a while ago: of when all that has
// been done since was planned. Looking for work must not read it for that.
func TestLookingForWorkReadsNoHistory(t *testing.T) {
	db := sqldbtest.PostgreSQL(t)()
	db.SetMaxOpenConns(1)
	w := newWorld(t, func() *sqldb.DB { return db }, ledger.Config{})
	w.fill(4000)
	for _, q := range []string{
		`UPDATE jobs SET state = 'planned', lease_until = 0, lane = 'lane' || substr(id, 36, 1),
			pool = CASE WHEN substr(id, 35, 1) < '5' THEN 'browser' ELSE 'http' END`,
		`ANALYZE jobs`,
		`UPDATE jobs SET pool = 'http'`,
		`UPDATE jobs SET state = 'done' WHERE id < (SELECT id FROM jobs ORDER BY id LIMIT 1 OFFSET 3600)`,
	} {
		if _, err := db.ExecContext(ctx, q); err != nil {
			t.Fatal(err)
		}
	}
	now := w.clock.now()
	for name, ask := range map[string]func() (int, error){
		"ReadyLanes": func() (int, error) { l, err := w.ReadyLanes(ctx, now); return len(l), err },
		"ReadyLanesFrom": func() (int, error) {
			l, _, err := w.ReadyLanesFrom(ctx, now, []string{"http", "browser"}, "", "", 10)
			return len(l), err
		},
		"LongestReady": func() (int, error) { at, err := w.LongestReady(ctx, now, "http"); return int(at.UnixMicro()), err },
		"LongestReady of a pool without": func() (int, error) {
			at, err := w.LongestReady(ctx, now, "browser")
			if !at.IsZero() {
				err = fmt.Errorf("a job of no pool is ready since %s", at)
			}
			return 1, err
		},
		"ReadyAmong": func() (int, error) {
			l, err := w.ReadyAmong(ctx, now, []string{"http", "browser"}, []string{"lane9", "nowhere", "lane3"})
			if err == nil && (len(l) != 2 || l[0] != "lane9") {
				err = fmt.Errorf("%v", l)
			}
			return len(l), err
		},
		"ReadyAmong of a pool without": func() (int, error) {
			l, err := w.ReadyAmong(ctx, now, []string{"browser"}, []string{"lane9", "lane3"})
			return 1 - len(l), err
		},
		"ReadyByWatch": func() (int, error) { j, err := w.ReadyByWatch(ctx, now, "lane5"); return len(j), err },
		"Ready":        func() (int, error) { j, err := w.Ready(ctx, now, "lane5", 10); return len(j), err },
	} {
		before := rowsRead(t, db)
		n, err := ask()
		if err != nil || n == 0 {
			t.Fatalf("%s: %d, %v", name, n, err)
		}
		if read := rowsRead(t, db) - before; read > 100 {
			t.Errorf("%s reads %d rows for %d", name, read, n)
		}
	}
}

// rowsRead is how many rows of our tables were read so far.
func rowsRead(t *testing.T, db *sqldb.DB) (n int) {
	t.Helper()
	if _, err := db.ExecContext(ctx, `SELECT pg_stat_force_next_flush()`); err != nil {
		t.Fatal(err)
	}
	err := db.QueryRowContext(ctx, `SELECT COALESCE(SUM(seq_tup_read + idx_tup_fetch), 0) FROM pg_stat_user_tables
		WHERE relname IN ('jobs', 'listings', 'findings', 'observations', 'attempts')`).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The cost of one job's whole life, without its visit.
func BenchmarkJobLife(b *testing.B) {
	for name, open := range map[string]func(testing.TB) func() *sqldb.DB{"sqlite": sqldbtest.SQLite, "postgres": sqldbtest.PostgreSQL} {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b, open(b), ledger.Config{})
			wa := must(w.AddWatch(ctx, ledger.Watch{Name: "bench", MaxListings: 1 << 30}))(b)
			works := make([]ledger.Work, b.N)
			for i := range works {
				works[i] = visit(i)
			}
			must(w.Fire(ctx, wa.ID, start, works))(b)
			var jobs []ledger.Job
			for len(jobs) < b.N {
				f := ledger.JobFilter{Limit: 500}
				if len(jobs) > 0 {
					f.Before = jobs[len(jobs)-1].ID
				}
				jobs = append(jobs, must(w.Jobs(ctx, f))(b)...)
			}
			b.ResetTimer()
			next := make(chan ledger.Job, b.N)
			for _, j := range jobs {
				next <- j
			}
			close(next)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					j, ok := <-next
					if !ok {
						return
					}
					f := must(w.Dispatch(ctx, j.ID, start))(b)
					must(w.Claim(ctx, f, "w", lease))(b)
					must(w.Finish(ctx, f, w.observed(j)))(b)
				}
			})
		})
	}
}
