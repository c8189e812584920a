package catalog

import (
	"errors"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/sqldb"
	"github.com/trawlmark/trawlmark/archive/sqldb/sqldbtest"
)

// The rarest part of a search leads it; what is found does not depend on it.
func TestTheRarestPartLeads(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, open func() *sqldb.DB) {
		c, err := Open(t.Context(), open())
		if err != nil {
			t.Fatal(err)
		}
		m := newMass(600)
		m.sites = []string{"large", "large", "large", "small"}
		m.fill(t, c)
		whole := Query{Text: "brandaa bag"}
		for name, x := range map[string]struct {
			q    Query
			want int
		}{
			"a word alone":                 {Query{Text: "bag"}, 0},
			"a rare word on a large site":  {Query{Text: "walle bag seller" + m.entry(0).Seller[len("seller"):], Site: "large"}, 0},
			"a common word on a rare site": {Query{Text: "example", Site: "small"}, 1},
			"a common word of a watch":     {Query{Text: "example", Watch: "watch-7"}, 1},
			"of an item":                   {Query{Text: "example", Site: "large", ItemID: "100000001"}, 1},
			"what is held":                 {Query{Text: "example", Held: true}, 1},
			"of a case":                    {Query{Text: "bag", Case: m.cases[0]}, 1},
			"a beginning with a word":      {Query{Text: "example bran*", Site: "small"}, 1},
			"no word":                      {Query{Site: "small"}, 0},
			"a rare outcome of a site":     {Query{Site: "large", Outcome: "removed"}, 1},
		} {
			got, err := x.q.rarest(t.Context(), c.db)
			if err != nil || got != x.want {
				t.Errorf("%s: part %d leads, want %d; %v", name, got, x.want, err)
			}
		}
		for name, q := range map[string]Query{
			"two columns": {Site: "small", Outcome: "captured"}, "three": {Site: "large", Outcome: "captured", Watch: "watch-7"},
			"a word and two": {Text: "example", Site: "small", Outcome: "captured"},
		} {
			var first int
			for lead := range len(q.parts(q.whole())) {
				sql, args, err := q.sql(1000, lead)
				if err != nil {
					t.Fatal(err)
				}
				got, err := entries(t.Context(), c.db, sql, args...)
				if lead == 0 {
					first = len(got)
				}
				if err != nil || len(got) == 0 || len(got) != first {
					t.Errorf("%s, led by part %d: %d captures, else %d; %v", name, lead, len(got), first, err)
				}
			}
		}
		for lead := range 2 {
			sql, args, err := whole.sql(1000, lead)
			if err != nil {
				t.Fatal(err)
			}
			got, err := entries(t.Context(), c.db, sql, args...)
			first, err2 := c.Search(t.Context(), Query{Text: whole.Text, Limit: 500})
			if err != nil || err2 != nil || len(got) == 0 || len(got) != len(first.Entries) || got[0].ID != first.Entries[0].ID {
				t.Errorf("led by part %d it finds %d captures, else %d; %v, %v", lead, len(got), len(first.Entries), err, err2)
			}
		}
	})
}

// No search goes on for ever, and who is told so is told how to narrow it.
func TestASearchEnds(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, open func() *sqldb.DB) {
		c, err := Open(t.Context(), open())
		if err != nil {
			t.Fatal(err)
		}
		c.patience = -time.Second // over before it begins
		if _, err := c.Search(t.Context(), Query{Text: "bag"}); !errors.Is(err, ErrTooBroad) {
			t.Errorf("a search without time gives %v", err)
		}
		c.patience = time.Minute
		if _, err := c.Search(t.Context(), Query{Text: "bag"}); err != nil {
			t.Error(err)
		}
	})
}
