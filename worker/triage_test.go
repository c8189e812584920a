package worker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler"
	"github.com/trawlmark/trawlmark/crawler/listing"
	"github.com/trawlmark/trawlmark/crawler/triage"
	"github.com/trawlmark/trawlmark/worker"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// offer is what a page of the test's marketplace offers.
type offer struct{ title, price, currency, seller, image string }

// offers is a crawler that sees what a test offers, by item id.
type offers struct {
	w    *world
	have map[string]offer
}

func (o *offers) Visit(ctx context.Context, q crawler.Request) *crawler.Result {
	res := o.w.crawl.Visit(ctx, q)
	l := res.Reading.Listing
	x := o.have[l.ItemID]
	put := func(name listing.FieldName, value string) {
		c := listing.Choice{Candidate: listing.Candidate{Field: name, Value: value, Raw: value}}
		if name == listing.Price {
			d := decimal.RequireFromString(value)
			c.Amount = &d
		}
		l.Fields[name] = c
	}
	put(listing.Title, x.title)
	put(listing.Price, x.price)
	put(listing.Currency, x.currency)
	put(listing.SellerID, x.seller)
	put(listing.SellerName, "shop of "+x.seller)
	l.Images = []listing.Choice{{Candidate: listing.Candidate{Field: listing.Image, Value: x.image}}}
	return res
}

// market is a watch on a marketplace with offers.
type market struct {
	*world
	offers *offers
	watch  ledger.Watch
	v      *worker.Visitor
}

func newMarket(t *testing.T) *market {
	t.Helper()
	w := newWorld(t)
	m := &market{world: w, offers: &offers{w, map[string]offer{}}}
	var err error
	m.watch, err = w.ledger.AddWatch(t.Context(), ledger.Watch{
		Name: "aurelle", Seeds: []string{searchURL},
		Brand: json.RawMessage(`{"name": "Aurelle", "currency": "EUR", "models": [{"name": "Belvoir bag"}, {"name": "Lune wallet"}]}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	a, err := archive.New(archive.Config{SpoolDir: t.TempDir(), Actor: "worker:test"}, archive.Deps{
		Vault: w.vault, Catalog: w.catalog, Custody: w.custody, IDs: w.ids, Now: time.Now, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	m.v, err = worker.NewVisitor(worker.Config{Name: "test"}, worker.VisitorDeps{
		Ledger: w.ledger, Crawler: m.offers, Archive: a, Anchors: noAnchor{}, Lanes: w.lanes, Sites: w.sites, IDs: w.ids, Now: time.Now, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// look visits items and gives the assessment of the last one.
func (m *market) look(items ...string) (listing capture.ID, a triage.Assessment) {
	m.t.Helper()
	for _, item := range items {
		work := worker.NewVisit(m.sites, "http://market.demo.test/item/"+item+"/x")
		if _, err := m.ledger.Fire(m.t.Context(), m.watch.ID, m.ledger.Now(), []ledger.Work{work}); err != nil {
			m.t.Fatal(err)
		}
		jobs, err := m.ledger.Jobs(m.t.Context(), ledger.JobFilter{Watch: m.watch.ID, State: ledger.Planned, Kind: ledger.Visit})
		if err != nil || len(jobs) != 1 {
			m.t.Fatalf("%d visits are planned, %v", len(jobs), err)
		}
		if err := m.v.Handle(m.t.Context(), m.dispatch(jobs[0].ID)); err != nil {
			m.t.Fatal(err)
		}
		m.until("the visit to be done", func() bool { return m.job(jobs[0].ID).State == ledger.Done })
		l, err := m.ledger.ListingOf(m.t.Context(), ledger.Ref{Site: "demomarket", ItemID: item})
		if err != nil {
			m.t.Fatal(err)
		}
		seen, err := m.ledger.History(m.t.Context(), l.ID, time.Time{}, 1)
		if err != nil || len(seen) != 1 {
			m.t.Fatalf("%d looks at item %s, %v", len(seen), item, err)
		}
		listing, a = l.ID, triage.Assessment{}
		if err := json.Unmarshal(seen[0].Signals, &a); err != nil {
			m.t.Fatal(err)
		}
	}
	return listing, a
}

func signalOf(a triage.Assessment, name string) (triage.Signal, bool) {
	i := slices.IndexFunc(a.Signals, func(s triage.Signal) bool { return s.Name == name })
	if i < 0 {
		return triage.Signal{}, false
	}
	return a.Signals[i], true
}

func itemNo(n int) string { return fmt.Sprint(123456789000 + n) }

func TestPricesOfOthersAreCompared(t *testing.T) {
	m := newMarket(t)
	var others []string
	for i := range 9 {
		m.offers.have[itemNo(i)] = offer{"Aurelle Belvoir bag", "1000", "EUR", fmt.Sprint("s", i), "https://x.example/a1b2c3d4e5.jpg"}
		others = append(others, itemNo(i))
	}
	m.offers.have[itemNo(20)] = offer{"Aurelle Belvoir bag new", "100", "EUR", "cheap", "https://x.example/f1b2c3d4e5.jpg"}
	m.offers.have[itemNo(21)] = offer{"Aurelle Lune wallet", "100", "EUR", "cheap", "https://x.example/f1b2c3d4e5.jpg"}
	m.offers.have[itemNo(22)] = offer{"Aurelle Belvoir bag new", "100", "USD", "cheap", "https://x.example/f1b2c3d4e5.jpg"}
	m.look(others...)
	if s, ok := signalOf(second(m.look(itemNo(20))), "below_peers"); !ok || s.Value != "100" {
		t.Errorf("a tenth of what nine others ask says %+v (there: %v)", s, ok)
	}
	for name, id := range map[string]string{"other goods": itemNo(21), "another currency": itemNo(22), "one of the others": itemNo(3)} {
		if s, ok := signalOf(second(m.look(id)), "below_peers"); ok {
			t.Errorf("%s: %s", name, s.Sentence)
		}
	}
}

func second[A, B any](_ A, b B) B { return b }

func TestWhatPeopleDecidedAboutASellerCounts(t *testing.T) {
	m := newMarket(t)
	for i := range 4 {
		m.offers.have[itemNo(i)] = offer{"Aurelle Belvoir bag", "90", "EUR", "bad", "https://x.example/a1b2c3d4e5.jpg"}
	}
	m.offers.have[itemNo(9)] = offer{"Aurelle Belvoir bag", "90", "EUR", "good", "https://x.example/a1b2c3d4e5.jpg"}
	var listings []capture.ID
	for i := range 3 {
		id, a := m.look(itemNo(i))
		listings = append(listings, id)
		if s, ok := signalOf(a, "repeat_offender"); ok {
			t.Errorf("nobody decided anything yet: %s", s.Sentence)
		}
	}
	for _, id := range listings {
		f, err := m.ledger.AddFinding(t.Context(), ledger.Scored{Listing: id, Watch: m.watch.ID, Score: .9, Scorer: "test"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.ledger.Decide(t.Context(), f, ledger.Decision{State: ledger.Confirmed, Label: "counterfeit", By: "person:ann"}); err != nil {
			t.Fatal(err)
		}
	}
	// Five more brands, each with a finding at the seller.
	for i := range 5 {
		w, err := m.ledger.AddWatch(t.Context(), ledger.Watch{Name: fmt.Sprint("other ", i), Brand: json.RawMessage(fmt.Sprintf(`{"name": "Brand%d"}`, i)), Seeds: []string{searchURL}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.ledger.AddFinding(t.Context(), ledger.Scored{Listing: listings[0], Watch: w.ID, Score: .9, Scorer: "test"}); err != nil {
			t.Fatal(err)
		}
	}
	_, a := m.look(itemNo(3))
	if s, ok := signalOf(a, "repeat_offender"); !ok || s.Value != "3" || s.Sentence != "3 listings of this seller were confirmed as infringing." {
		t.Errorf("after three decisions: %+v (there: %v)", s, ok)
	}
	if s, ok := signalOf(a, "seller_brands"); !ok || s.Value != "5" {
		t.Errorf("of five other brands: %+v (there: %v)", s, ok)
	}
	if _, a := m.look(itemNo(0)); true { // its own decision is no reason for itself
		if s, ok := signalOf(a, "known_seller"); !ok || s.Value != "2" {
			t.Errorf("without itself: %+v (there: %v)", s, ok)
		}
	}
	if _, a := m.look(itemNo(9)); true {
		if s, ok := signalOf(a, "repeat_offender"); ok {
			t.Errorf("another seller: %s", s.Sentence)
		}
	}
}

func TestPhotosThatWereExchangedAreNoticed(t *testing.T) {
	m := newMarket(t)
	m.offers.have[itemNo(1)] = offer{"Aurelle Belvoir bag", "900", "EUR", "s", "https://x.example/a1b2c3d4e5.jpg"}
	m.look(itemNo(1))
	m.offers.have[itemNo(1)] = offer{"Aurelle Belvoir bag", "900", "EUR", "s", "https://cdn2.example/a1b2c3d4e5.webp?size=big"}
	if s, ok := signalOf(second(m.look(itemNo(1))), "images_swapped"); ok {
		t.Errorf("the same photo at another address: %s", s.Sentence)
	}
	m.offers.have[itemNo(1)] = offer{"Aurelle Belvoir bag", "900", "EUR", "s", "https://x.example/z9y8x7w6v5.jpg"}
	if _, ok := signalOf(second(m.look(itemNo(1))), "images_swapped"); !ok {
		t.Error("other photos were not noticed")
	}
}
