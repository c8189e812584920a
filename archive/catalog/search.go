package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
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

// Search finds captures, newest first.
func (c *Catalog) Search(ctx context.Context, q Query) (Page, error) {
	limit := q.Limit
	if limit == 0 {
		limit = 50
	}
	if limit < 1 || limit > 500 {
		return Page{}, fmt.Errorf("a page holds 1 to 500 captures, not %d", limit)
	}
	beginning := q.beginning()
	if beginning == "" {
		found, err := c.find(ctx, q, limit+1)
		return page(found, limit), err
	}
	many, err := c.many(ctx, beginning)
	if err != nil {
		return Page{}, err
	}
	if !many {
		found, err := c.find(ctx, q, limit+1)
		return page(found, limit), err
	}
	return c.sift(ctx, q, beginning, limit)
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

func (c *Catalog) find(ctx context.Context, q Query, limit int) ([]Entry, error) {
	sql, args, err := q.sql(limit)
	if err != nil {
		return nil, err
	}
	return c.entries(ctx, sql, args...)
}

// few is how many words that begin as asked are looked up and sorted. Where
// there are more the newest captures are looked through instead: they have such
// words often, so a page is soon full, and nothing is sorted.
const few = 5000

// many reports whether more than few words of captures begin so.
func (c *Catalog) many(ctx context.Context, beginning string) (bool, error) {
	var n int
	lo, hi := wordRange(beginning)
	err := c.db.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 AS one FROM word WHERE word >= $1 AND word < $2 LIMIT $3) found`, lo, hi, few+1).Scan(&n)
	return n > few, err
}

func wordRange(beginning string) (lo, hi []byte) {
	return []byte(beginning), append([]byte(beginning), 0xff)
}

// sift looks through what the rest of the query finds for words that begin so.
func (c *Catalog) sift(ctx context.Context, q Query, beginning string, limit int) (Page, error) {
	whole := queryWords(q.Text)
	q.Text = strings.Join(whole[:len(whole)-1], " ")
	var found []Entry
	// Mostly the first captures fit; the pages grow when they do not.
	for size := limit + 1; len(found) <= limit; size = min(2*size, siftPage) {
		some, err := c.find(ctx, q, size)
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

func (q Query) sql(limit int) (string, []any, error) {
	var args []any
	arg := func(v any) string { args = append(args, v); return fmt.Sprintf("$%d", len(args)) }
	var from strings.Builder
	var where []string

	order := "c.started DESC, c.id DESC"
	qw := queryWords(q.Text)
	prefix := strings.HasSuffix(strings.TrimSpace(q.Text), "*")
	if len(qw) > maxQueryWords {
		return "", nil, fmt.Errorf("search for at most %d words at once, not %d", maxQueryWords, len(qw))
	}
	if strings.TrimSpace(q.Text) != "" && len(qw) == 0 {
		return "", nil, fmt.Errorf("%q has no word that can be searched for", q.Text)
	}
	from.WriteString("capture c")
	// The rarest-looking whole word drives: its index is in the order of the result,
	// so a page costs the same among a thousand captures and a million.
	whole := qw
	if prefix && len(qw) > 0 {
		whole = qw[:len(qw)-1]
	}
	driver := longest(whole)
	// The same columns of the driver's row, where there is one: the other words
	// are then found by their whole key. PostgreSQL does not see that the
	// capture's columns are equal to them, and read all of a word for each row.
	started, id := "c.started", "c.id"
	if len(whole) > 0 {
		started, id = "w.started", "w.capture"
	}
	for i, w := range qw {
		lo, hi := wordRange(w)
		switch {
		case i == len(whole):
			where = append(where, "c.id IN (SELECT capture FROM word WHERE word >= "+arg(lo)+" AND word < "+arg(hi)+")")
		case i == driver:
			from.WriteString(" JOIN word w ON w.capture = c.id AND w.word = " + arg(lo))
			order = "w.started DESC, w.capture DESC"
		default:
			// Asked for each row in its order until the page is full; as EXISTS a
			// database may read all of the word first.
			where = append(where, "(SELECT 1 FROM word x WHERE x.word = "+arg(lo)+" AND x.started = "+started+" AND x.capture = "+id+" LIMIT 1) = 1")
		}
	}
	for _, eq := range []struct{ column, value string }{
		{"site", q.Site}, {"item_id", q.ItemID}, {"watch", q.Watch}, {"outcome", string(q.Outcome)},
	} {
		if eq.value != "" {
			where = append(where, "c."+eq.column+" = "+arg(eq.value))
		}
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
	if !q.From.IsZero() {
		where = append(where, started+" >= "+arg(micros(q.From)))
	}
	if !q.Until.IsZero() {
		where = append(where, started+" < "+arg(micros(q.Until)))
	}
	if q.After != "" {
		var us int64
		var last string
		if _, err := fmt.Sscanf(q.After, "%d.%s", &us, &last); err != nil {
			return "", nil, fmt.Errorf("%q is not a cursor that a page of results gave", q.After)
		}
		where = append(where, "("+started+", "+id+") < ("+arg(us)+", "+arg(last)+")")
	}
	sql := "SELECT " + qualified + " FROM " + from.String()
	if len(where) > 0 {
		sql += " WHERE " + strings.Join(where, " AND ")
	}
	return sql + " ORDER BY " + order + " LIMIT " + arg(limit), args, nil
}

func longest(words []string) int {
	best := 0
	for i, w := range words {
		if len(w) > len(words[best]) {
			best = i
		}
	}
	return best
}
