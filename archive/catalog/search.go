package catalog

import (
	"context"
	"fmt"
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
	sql, args, err := q.sql(limit + 1)
	if err != nil {
		return Page{}, err
	}
	rows, err := c.db.QueryContext(ctx, sql, args...)
	if err != nil {
		return Page{}, err
	}
	defer rows.Close()
	var p Page
	for rows.Next() {
		e, err := scan(rows)
		if err != nil {
			return Page{}, err
		}
		p.Entries = append(p.Entries, e)
	}
	if len(p.Entries) > limit {
		p.Entries = p.Entries[:limit]
		last := p.Entries[limit-1]
		p.Next = fmt.Sprintf("%d.%s", micros(last.Started), last.ID)
	}
	return p, rows.Err()
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
	// The rarest-looking word drives: its index is in the order of the result,
	// so a page costs the same among a thousand captures and a million.
	driver := longest(qw)
	for i, w := range qw {
		lo, hi := []byte(w), append([]byte(w), 0xff)
		switch {
		case prefix && i == len(qw)-1:
			where = append(where, "c.id IN (SELECT capture FROM word WHERE word >= "+arg(lo)+" AND word < "+arg(hi)+")")
		case i == driver:
			from.WriteString(" JOIN word w ON w.capture = c.id AND w.word = " + arg(lo))
			order = "w.started DESC, w.capture DESC"
		default:
			where = append(where, "EXISTS (SELECT 1 FROM word x WHERE x.word = "+arg(lo)+" AND x.started = c.started AND x.capture = c.id)")
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
		where = append(where, "EXISTS (SELECT 1 FROM case_capture cc WHERE cc.capture = c.id AND cc.case_id = "+arg(q.Case)+")")
	}
	if q.Held {
		where = append(where, "c.held")
	}
	if !q.From.IsZero() {
		where = append(where, "c.started >= "+arg(micros(q.From)))
	}
	if !q.Until.IsZero() {
		where = append(where, "c.started < "+arg(micros(q.Until)))
	}
	if q.After != "" {
		var us int64
		var id string
		if _, err := fmt.Sscanf(q.After, "%d.%s", &us, &id); err != nil {
			return "", nil, fmt.Errorf("%q is not a cursor that a page of results gave", q.After)
		}
		where = append(where, "(c.started, c.id) < ("+arg(us)+", "+arg(id)+")")
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
