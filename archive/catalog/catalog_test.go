package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/sqldb"
	"github.com/trawlmark/trawlmark/archive/sqldb/sqldbtest"
)

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

var day = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func ids() *capture.IDSource {
	return capture.NewIDSource(func() time.Time { return day }, zeros{})
}

// each runs a test on both databases.
func each(t *testing.T, f func(t *testing.T, c *catalog.Catalog)) {
	sqldbtest.Each(t, func(t *testing.T, open func() *sqldb.DB) {
		c, err := catalog.Open(t.Context(), open())
		if err != nil {
			t.Fatal(err)
		}
		f(t, c)
	})
}

func entry(id capture.ID, n int) catalog.Entry {
	return catalog.Entry{
		ID: id, Started: day.Add(time.Duration(n) * time.Minute), Finished: day.Add(time.Duration(n)*time.Minute + time.Second),
		URL: fmt.Sprintf("https://market.example/item/%d", n), FinalURL: fmt.Sprintf("https://market.example/item/%d", n),
		Site: "market", PageKind: "listing", ItemID: fmt.Sprint(n), Canonical: "c", Watch: "w1", Job: "j", RequestedBy: "schedule",
		Outcome: capture.Captured, Title: fmt.Sprintf("Étoile sneaker %d", n), Price: "12.50", Currency: "EUR", Seller: "Shop One",
		Manifest: capture.Sum([]byte(id.String())), ManifestKey: "k", ManifestVersion: "v", Event: "e", Bytes: 100,
		RetainUntil: day.AddDate(0, 1, 0),
	}
}

func TestAddedCapturesComeBackAsTheyWere(t *testing.T) {
	each(t, func(t *testing.T, c *catalog.Catalog) {
		e := entry(ids().New(), 1)
		art := catalog.Artifact{
			Role: "fullpage", Tile: 2, MediaType: "image/png", Key: "k2", Version: "v2", Bytes: 7,
			SHA256: capture.Sum([]byte("x")), RetainUntil: day.AddDate(0, 1, 0), Width: 3, Height: 4,
		}
		if err := c.Add(t.Context(), e, []catalog.Artifact{art}); err != nil {
			t.Fatal(err)
		}
		got, err := c.Get(t.Context(), e.ID)
		if err != nil || got != e {
			t.Errorf("got  %+v\nwant %+v, %v", got, e, err)
		}
		arts, err := c.Artifacts(t.Context(), e.ID)
		if err != nil || len(arts) != 1 || arts[0] != art {
			t.Errorf("got %+v, %v", arts, err)
		}
		if _, err := c.Get(t.Context(), capture.ID{1}); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("a capture that is not there gave %v", err)
		}
	})
}

func TestAddingTwiceIsHarmlessAndAnotherManifestIsRefused(t *testing.T) {
	each(t, func(t *testing.T, c *catalog.Catalog) {
		e := entry(ids().New(), 1)
		for range 2 {
			if err := c.Add(t.Context(), e, nil); err != nil {
				t.Fatal(err)
			}
		}
		counts, err := c.Counts(t.Context())
		if err != nil || len(counts) != 1 || counts[0].N != 1 || counts[0].Bytes != 100 {
			t.Errorf("counts are %+v, %v", counts, err)
		}
		e.Manifest = capture.Sum([]byte("forged"))
		if err := c.Add(t.Context(), e, nil); !errors.Is(err, catalog.ErrDiffers) {
			t.Errorf("another manifest under the same id gave %v", err)
		}
	})
}

func TestSearchFindsByWordsInEveryScript(t *testing.T) {
	each(t, func(t *testing.T, c *catalog.Catalog) {
		src := ids()
		titles := []string{"Étoile sneaker AU-1234", "高仿 欧雷尔 手袋 顶级", "กระเป๋า Aurelle เกรดพรีเมียม", "plain mug", "bad \x00 utf8 \xff title"}
		for i, title := range titles {
			e := entry(src.New(), i)
			e.Title = title
			if err := c.Add(t.Context(), e, nil); err != nil {
				t.Fatalf("%q: %v", title, err)
			}
		}
		for _, tt := range []struct {
			text string
			want []int // item ids, newest first
		}{
			{"etoile", []int{0}},
			{"ÉTOILE SNEAKER", []int{0}},
			{"1234", []int{0}},
			{"etoile mug", nil},
			{"高仿", []int{1}},
			{"手袋 顶级", []int{1}},
			{"仿高", nil},
			{"aurelle", []int{2}},
			{"กระเป๋า", []int{2}},
			{"sneak*", []int{0}},
			{"sneak", nil},
			{"plain mu*", []int{3}},
			{"utf8", []int{4}},
			{"shop one", []int{4, 3, 2, 1, 0}},
		} {
			page, err := c.Search(t.Context(), catalog.Query{Text: tt.text})
			if err != nil {
				t.Errorf("%q: %v", tt.text, err)
				continue
			}
			var got []int
			for _, e := range page.Entries {
				var n int
				fmt.Sscan(e.ItemID, &n)
				got = append(got, n)
			}
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("%q found %v, want %v", tt.text, got, tt.want)
			}
		}
	})
}

func TestPagesCoverEverythingOnceInOrder(t *testing.T) {
	each(t, func(t *testing.T, c *catalog.Catalog) {
		src := ids()
		for i := range 25 {
			e := entry(src.New(), i/3) // several begin at the same instant
			if err := c.Add(t.Context(), e, nil); err != nil {
				t.Fatal(err)
			}
		}
		for _, text := range []string{"", "etoile"} {
			seen := map[capture.ID]bool{}
			q := catalog.Query{Text: text, Limit: 4}
			last := day.AddDate(1, 0, 0)
			for pages := 0; ; pages++ {
				p, err := c.Search(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range p.Entries {
					if seen[e.ID] || e.Started.After(last) {
						t.Errorf("%s comes twice or out of order", e.ID)
					}
					seen[e.ID], last = true, e.Started
				}
				if p.Next == "" || pages > 10 {
					break
				}
				q.After = p.Next
			}
			if len(seen) != 25 {
				t.Errorf("pages of %q gave %d of 25", text, len(seen))
			}
		}
	})
}

func TestFiltersNarrow(t *testing.T) {
	each(t, func(t *testing.T, c *catalog.Catalog) {
		src := ids()
		for i := range 6 {
			e := entry(src.New(), i)
			e.Site = []string{"a", "b"}[i%2]
			e.Outcome = []capture.Outcome{capture.Captured, capture.Challenge, capture.Removed}[i%3]
			e.Held = i == 4
			if err := c.Add(t.Context(), e, nil); err != nil {
				t.Fatal(err)
			}
		}
		for _, tt := range []struct {
			name string
			q    catalog.Query
			want int
		}{
			{"site", catalog.Query{Site: "a"}, 3},
			{"outcome", catalog.Query{Outcome: capture.Challenge}, 2},
			{"held", catalog.Query{Held: true}, 1},
			{"item", catalog.Query{Site: "b", ItemID: "3"}, 1},
			{"from", catalog.Query{From: day.Add(4 * time.Minute)}, 2},
			{"until", catalog.Query{Until: day.Add(4 * time.Minute)}, 4},
			{"other watch", catalog.Query{Watch: "nobody"}, 0},
		} {
			p, err := c.Search(t.Context(), tt.q)
			if err != nil || len(p.Entries) != tt.want {
				t.Errorf("%s: %d captures, want %d (%v)", tt.name, len(p.Entries), tt.want, err)
			}
		}
	})
}

func TestSearchRefusesWhatItCannotDo(t *testing.T) {
	each(t, func(t *testing.T, c *catalog.Catalog) {
		for name, q := range map[string]catalog.Query{
			"too many words": {Text: "a b c d e f g h i j"},
			"no word":        {Text: "!!! ..."},
			"limit":          {Limit: 501},
			"cursor":         {After: "yesterday"},
		} {
			if _, err := c.Search(t.Context(), q); err == nil {
				t.Errorf("%s: was taken", name)
			}
		}
	})
}

func TestCasesHoldCaptures(t *testing.T) {
	each(t, func(t *testing.T, c *catalog.Catalog) {
		e := entry(ids().New(), 1)
		if err := c.Add(t.Context(), e, nil); err != nil {
			t.Fatal(err)
		}
		ctx := context.Background()
		if err := c.OpenCase(ctx, catalog.Case{ID: "c1", Name: "Aurelle v. Shop One", Created: day, CreatedBy: "person:ann"}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := c.AddToCase(ctx, "c1", e.ID, "person:ann", day); err != nil {
				t.Fatal(err)
			}
		}
		all, err := c.Cases(ctx)
		if err != nil || len(all) != 1 || all[0].Captures != 1 {
			t.Errorf("got %+v, %v", all, err)
		}
		p, err := c.Search(ctx, catalog.Query{Case: "c1"})
		if err != nil || len(p.Entries) != 1 {
			t.Errorf("the case has %d captures, %v", len(p.Entries), err)
		}
		if err := c.AddToCase(ctx, "nowhere", e.ID, "x", day); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("a case that is not there gave %v", err)
		}
		if err := c.AddToCase(ctx, "c1", capture.ID{9}, "x", day); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("a capture that is not there gave %v", err)
		}
	})
}
