package catalog

import (
	"context"
	"fmt"
	"math"
	"strings"
)

// countSteps is up to how many captures are counted to find the rarest part of
// a query. To count on would cost more than it saves: of a hundred thousand
// captures, a page is full after a thousand when one in twenty fits.
var countSteps = [...]int{500, 5000}

// rarest gives the place among the query's parts of the one that the fewest
// captures have: its index gives the captures in their order, and the other
// parts are asked of each until the page is full, so the rarest fills it soonest.
// It costs a few index entries where a wrong choice costs as many look-ups as
// there are captures of a site.
func (q Query) rarest(ctx context.Context, db queryer) (int, error) {
	whole := q.whole()
	if q.Case != "" { // has few captures: see sql
		return len(whole), nil
	}
	parts := q.parts(whole)
	if len(parts) < 2 {
		return 0, nil
	}
	for _, most := range countSteps {
		best, least := 0, math.MaxInt
		for i, p := range parts {
			n, err := p.count(ctx, db, most)
			if err != nil {
				return 0, err
			}
			if n < most && n < least {
				best, least = i, n
			}
		}
		if least < math.MaxInt {
			return best, nil
		}
	}
	return longest(whole), nil // all are common: a longer word is mostly the rarer one
}

// leading reports whether a column's index gives the captures when the part
// rarest leads. Where there is nothing to choose the database does.
func (q Query) leading(whole []string, rarest int) func(column string) bool {
	parts := q.parts(whole)
	if q.Case != "" || len(parts) < 2 || rarest >= len(parts) {
		return func(string) bool { return true }
	}
	lead := parts[rarest].column
	return func(column string) bool {
		return column == lead || lead == "item_id" && column == "site" // one index has both
	}
}

// part is what must be so of a capture and has an index in the order of results.
type part struct {
	table, column, where string
	args                 []any
}

// parts lists the whole words first, in their order.
func (q Query) parts(whole []string) (all []part) {
	add := func(table, column string, value any) {
		p := part{table: table, column: column}
		arg := func(v any) string { p.args = append(p.args, v); return fmt.Sprintf("$%d", len(p.args)) }
		where := []string{column + " = " + arg(value)}
		if column == "item_id" && q.Site != "" { // there is no index of items of every site
			where = append(where, "site = "+arg(q.Site))
		}
		p.where = strings.Join(append(where, q.span("started", arg)...), " AND ")
		all = append(all, p)
	}
	for _, w := range whole {
		add("word", "word", []byte(w))
	}
	for _, eq := range q.equal() {
		switch {
		case eq.column == "site" && q.ItemID != "", eq.column == "item_id" && q.Site == "":
			continue
		}
		add("capture", eq.column, eq.value)
	}
	if q.Held {
		all = append(all, part{table: "capture", column: "held", where: "held"})
	}
	return all
}

// count gives how many captures there are of a part, up to most.
func (p part) count(ctx context.Context, db queryer, most int) (n int, err error) {
	err = db.QueryRowContext(ctx, fmt.Sprintf(`SELECT count(*) FROM (SELECT 1 AS one FROM %s WHERE %s LIMIT %d) found`, p.table, p.where, most), p.args...).Scan(&n)
	return n, err
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
