package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/sqldb"
)

// Query says which captures are looked for. Empty fields do not narrow.
type Query struct {
	Text    string // words in title, seller, URL, ids; "belv*" finds what begins so
	Site    string
	ItemID  string
	Watch   string
	Case    string
	Outcome capture.Outcome
	Held    bool
	From    time.Time // captures begun at or after
	Until   time.Time // captures begun before

	After string // the cursor of the page before
	Limit int    // 1-500, 50 when 0
}

// Page is one page of results, newest first. Next is the cursor of the
// following page, "" on the last.
type Page struct {
	Entries []Entry `json:"captures"`
	Next    string  `json:"next,omitempty"`
}

// maxQueryWords bounds what a search joins; more words are refused, not
// ignored.
const maxQueryWords = 8

// Search finds captures, newest first. It ends: what takes longer than a page
// may gives ErrTooBroad.
func (c *Catalog) Search(ctx context.Context, q Query) (p Page, err error) {
	if q.Limit == 0 {
		q.Limit = 50
	}
	if q.Limit < 1 || q.Limit > 500 {
		return Page{}, fmt.Errorf("a page holds 1 to 500 captures, not %d", q.Limit)
	}
	err = c.db.ReadFor(ctx, c.patience, func(ctx context.Context, tx *sql.Tx) error {
		p, err = onePage(ctx, tx, q)
		return err
	})
	if errors.Is(err, sqldb.ErrTooLong) {
		err = ErrTooBroad
	}
	return p, err
}

func onePage(ctx context.Context, db queryer, q Query) (Page, error) {
	if beginning := q.beginning(); beginning != "" {
		many, err := many(ctx, db, beginning)
		if err != nil {
			return Page{}, err
		}
		if many {
			return sift(ctx, db, q, beginning)
		}
	}
	found, err := find(ctx, db, q, q.Limit+1)
	return page(found, q.Limit), err
}

func page(found []Entry, limit int) Page {
	p := Page{Entries: found}
	if len(found) > limit {
		p.Entries = found[:limit]
		p.Next = cursor(found[limit-1])
	}
	return p
}

func cursor(last Entry) string { return fmt.Sprintf("%d.%s", micros(last.Started), last.ID) }

func find(ctx context.Context, db queryer, q Query, limit int) ([]Entry, error) {
	rarest, err := q.rarest(ctx, db)
	if err != nil {
		return nil, err
	}
	sql, args, err := q.sql(limit, rarest)
	if err != nil {
		return nil, err
	}
	return entries(ctx, db, sql, args...)
}

// few is how many words that begin as asked are looked up and sorted. Where
// there are more the newest captures are looked through instead: they have such
// words often, so a page is soon full, and nothing is sorted.
const few = 5000

// many reports whether more than few words of captures begin so.
func many(ctx context.Context, db queryer, beginning string) (bool, error) {
	var n int
	lo, hi := wordRange(beginning)
	err := db.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 AS one FROM word WHERE word >= $1 AND word < $2 LIMIT $3) found`, lo, hi, few+1).Scan(&n)
	return n > few, err
}

func wordRange(beginning string) (lo, hi []byte) {
	return []byte(beginning), append([]byte(beginning), 0xff)
}

// sift looks through what the rest of the query finds for words that begin so.
func sift(ctx context.Context, db queryer, q Query, beginning string) (Page, error) {
	whole, limit := queryWords(q.Text), q.Limit
	q.Text = strings.Join(whole[:len(whole)-1], " ")
	var found []Entry
	// Mostly the first captures fit; the pages grow when they do not.
	for size := limit + 1; len(found) <= limit; size = min(2*size, siftPage) {
		some, err := find(ctx, db, q, size)
		if err != nil {
			return Page{}, err
		}
		for _, e := range some {
			if slices.ContainsFunc(e.words(), func(w string) bool { return strings.HasPrefix(w, beginning) }) {
				found = append(found, e)
			}
		}
		if len(some) < size {
			break
		}
		q.After = cursor(some[len(some)-1])
	}
	return page(found[:min(len(found), limit+1)], limit), nil
}

// siftPage is how many captures sift looks through at most at a time.
const siftPage = 1000

// beginning is the word of which the text gives only the beginning, "" when it
// gives none.
func (q Query) beginning() string {
	qw := queryWords(q.Text)
	if len(qw) == 0 || len(qw) > maxQueryWords || !strings.HasSuffix(strings.TrimSpace(q.Text), "*") {
		return ""
	}
	return qw[len(qw)-1]
}

// sql is the query of one page. Its results come in the order of one index,
// from which the page is filled: that of the part rarest (see parts).
func (q Query) sql(limit, rarest int) (string, []any, error) {
	var args []any
	arg := func(v any) string { args = append(args, v); return fmt.Sprintf("$%d", len(args)) }
	var where []string

	qw, whole := queryWords(q.Text), q.whole()
	if len(qw) > maxQueryWords {
		return "", nil, fmt.Errorf("search for at most %d words at once, not %d", maxQueryWords, len(qw))
	}
	if strings.TrimSpace(q.Text) != "" && len(qw) == 0 {
		return "", nil, fmt.Errorf("%q has no word that can be searched for", q.Text)
	}
	// The same columns of the word's row, where one leads: the other words are
	// then found by their whole key. PostgreSQL does not see that the capture's
	// columns are equal to them, and read all of a word for each row.
	from, started, id := "capture c", "c.started", "c.id"
	if rarest < len(whole) {
		from, started, id = "capture c JOIN word w ON w.capture = c.id AND w.word = "+arg([]byte(whole[rarest])), "w.started", "w.capture"
	}
	order := started + " DESC, " + id + " DESC"
	leads := q.leading(whole, rarest)
	for i, w := range qw {
		lo, hi := wordRange(w)
		switch {
		case i == len(whole):
			where = append(where, "c.id IN (SELECT capture FROM word WHERE word >= "+arg(lo)+" AND word < "+arg(hi)+")")
			if rarest >= len(whole) { // few fit, see many: they are looked up and sorted, as those of a case
				order = "+c.started DESC, c.id DESC"
			}
		case i != rarest:
			// Asked for each row in its order until the page is full; as EXISTS a
			// database may read all of the word first.
			where = append(where, "(SELECT 1 FROM word x WHERE x.word = "+arg(lo)+" AND x.started = "+started+" AND x.capture = "+id+" LIMIT 1) = 1")
		}
	}
	for _, eq := range q.equal() {
		column := "c." + eq.column
		if !leads(eq.column) {
			column += " || ''" // keeps a database from its index
		}
		where = append(where, column+" = "+arg(eq.value))
	}
	if q.Case != "" {
		// A case has few captures: they are looked up and sorted. The sign keeps
		// a database from walking all captures in their order instead.
		where = append(where, "c.id IN (SELECT cc.capture FROM case_capture cc WHERE cc.case_id = "+arg(q.Case)+")")
		order = "+c.started DESC, c.id DESC"
	}
	if q.Held {
		where = append(where, "c.held")
	}
	where = append(where, q.span(started, arg)...)
	if q.After != "" {
		us, last, err := q.after()
		if err != nil {
			return "", nil, err
		}
		where = append(where, "("+started+", "+id+") < ("+arg(us)+", "+arg(last)+")")
	}
	sql := "SELECT " + qualified + " FROM " + from
	if len(where) > 0 {
		sql += " WHERE " + strings.Join(where, " AND ")
	}
	return sql + " ORDER BY " + order + " LIMIT " + arg(limit), args, nil
}

// whole is the words of which not only the beginning is given.
func (q Query) whole() []string {
	qw := queryWords(q.Text)
	if len(qw) > 0 && strings.HasSuffix(strings.TrimSpace(q.Text), "*") {
		return qw[:len(qw)-1]
	}
	return qw
}

type equal struct{ column, value string }

// equal is the columns that must have one value.
func (q Query) equal() (all []equal) {
	for _, eq := range []equal{{"site", q.Site}, {"item_id", q.ItemID}, {"watch", q.Watch}, {"outcome", string(q.Outcome)}} {
		if eq.value != "" {
			all = append(all, eq)
		}
	}
	return all
}

// span is the conditions on when a capture began.
func (q Query) span(started string, arg func(any) string) (all []string) {
	if !q.From.IsZero() {
		all = append(all, started+" >= "+arg(micros(q.From)))
	}
	if !q.Until.IsZero() {
		all = append(all, started+" < "+arg(micros(q.Until)))
	}
	return all
}

func (q Query) after() (us int64, id string, err error) {
	if _, err := fmt.Sscanf(q.After, "%d.%s", &us, &id); err != nil {
		return 0, "", fmt.Errorf("%q is not a cursor that a page of results gave", q.After)
	}
	return us, id, nil
}
