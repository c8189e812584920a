package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/listing"
	"github.com/trawlmark/trawlmark/crawler/site"
	"github.com/trawlmark/trawlmark/crawler/triage"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// Triage assesses what a visit read for the brand of its watch.
type Triage struct {
	ledger  *ledger.Ledger
	watches *watches
	now     func() time.Time
}

type assessed struct {
	signals    json.RawMessage
	suspicious bool
}

// maxPhotos and maxPhotoBytes bound what triage decodes of one listing.
const (
	maxPhotos     = 12
	maxPhotoBytes = 12 << 20
)

// assess gives the signals of a listing; nothing for a job without a watch.
func (t *Triage) assess(ctx context.Context, job ledger.Job, l *listing.Listing, c *capture.Capture) (assessed, error) {
	if job.Watch.IsZero() {
		return assessed{}, nil
	}
	w, err := t.watches.of(ctx, job.Watch)
	if err != nil || w == nil || w.brand == nil {
		return assessed{}, err
	}
	s, err := t.subject(ctx, w, l, c.Started)
	if err != nil {
		return assessed{}, err
	}
	s.Photos = photos(l, c)
	a := w.brand.Assess(s)
	doc, err := json.Marshal(a)
	return assessed{doc, a.Level == triage.Suspicious}, err
}

// subject gathers what is known of a listing besides its page. What is known of
// its neighbours is asked only where something speaks of the brand at all: most
// of what a search gives does not.
func (t *Triage) subject(ctx context.Context, w *compiled, l *listing.Listing, at time.Time) (triage.Subject, error) {
	s := triage.Subject{Listing: l, At: at}
	known, err := t.ledger.ListingOf(ctx, ledger.Ref{Site: l.Site, ItemID: l.ItemID, Canonical: l.Canonical})
	switch {
	case errors.Is(err, ledger.ErrNotFound):
	case err != nil:
		return s, err
	default:
		if s.History, err = t.history(ctx, known.ID); err != nil {
			return s, err
		}
	}
	if len(w.brand.Assess(s).Signals) == 0 {
		return s, nil
	}
	return s, t.neighbours(ctx, w, l, known.ID, &s)
}

// The bounds of what is asked about neighbours.
const (
	peerLooks = 600                 // looks of the watch that are read for prices
	peerAge   = 30 * 24 * time.Hour // older prices are of another market
)

// neighbours fills in what others ask for the same goods, and what is known of
// the seller.
func (t *Triage) neighbours(ctx context.Context, w *compiled, l *listing.Listing, self capture.ID, s *triage.Subject) error {
	seller := l.Text(listing.SellerID)
	record, err := t.ledger.SellerRecord(ctx, l.Site, seller, self)
	if err != nil {
		return err
	}
	s.PriorLabels = record.Confirmed
	if s.SellerBrands, err = t.otherBrands(ctx, w, record.Watches); err != nil {
		return err
	}
	amount, currency, ok := l.Money()
	if !ok || amount.IsZero() {
		return nil
	}
	seen, err := t.ledger.Seen(ctx, w.ID, s.At.Add(-peerAge), peerLooks)
	if err != nil {
		return err
	}
	title, name := l.Text(listing.Title), l.Text(listing.SellerName)
	for _, p := range seen {
		if p.ID == self || p.Site != l.Site || p.Currency != currency || p.State != ledger.Active {
			continue
		}
		if seller != "" && p.SellerID == seller || seller == "" && name != "" && p.Seller == name {
			continue // one's own other offers are no market
		}
		price, err := decimal.NewFromString(p.Amount)
		if err != nil || !price.IsPositive() || !w.brand.SameGoods(title, p.Title) {
			continue
		}
		s.Peers = append(s.Peers, price)
	}
	return nil
}

// otherBrands counts the brands of watches besides this one's. A watch that is
// gone, or has no brand, counts for nothing.
func (t *Triage) otherBrands(ctx context.Context, w *compiled, ids []capture.ID) (int, error) {
	names := map[string]bool{}
	for _, id := range ids[:min(len(ids), 50)] {
		other, err := t.watches.of(ctx, id)
		if err != nil {
			return 0, err
		}
		if other != nil && other.brand != nil && !strings.EqualFold(other.brand.Name, w.brand.Name) {
			names[strings.ToLower(other.brand.Name)] = true
		}
	}
	return len(names), nil
}

// wantsScreenshot says why a listing that was read without a browser should be
// seen in one: what analysts may be shown has a screenshot, and its photos are
// compared.
func (t *Triage) wantsScreenshot(ctx context.Context, job ledger.Job, r *site.Reading) string {
	if r.Listing == nil || job.Watch.IsZero() {
		return ""
	}
	w, err := t.watches.of(ctx, job.Watch)
	if err != nil || w == nil || w.brand == nil {
		return "" // told when the whole visit is assessed
	}
	s, err := t.subject(ctx, w, r.Listing, t.now())
	if err != nil {
		return "" // as above
	}
	a := w.brand.Assess(s)
	if a.Level != triage.Suspicious && a.Level != triage.Review {
		return ""
	}
	return fmt.Sprintf("triage of what was fetched says %s: a screenshot is kept and the photos are compared", a.Level)
}

// history gives the earlier looks at a listing, oldest first.
func (t *Triage) history(ctx context.Context, id capture.ID) ([]triage.Look, error) {
	obs, err := t.ledger.History(ctx, id, time.Time{}, 50)
	if err != nil {
		return nil, err
	}
	var out []triage.Look
	for i := len(obs) - 1; i >= 0; i-- { // the ledger gives the newest first
		o := obs[i]
		k := triage.Look{At: o.At, Title: o.Title, Currency: o.Currency, Seller: o.Seller, SellerID: o.SellerID, Gone: o.Outcome.Class() == capture.Gone}
		if i < maxLooksWithPhotos {
			k.Images = imagesOf(o.Data)
		}
		if d, err := decimal.NewFromString(o.Amount); err == nil {
			k.Amount = decimal.NewNullDecimal(d)
		}
		out = append(out, k)
	}
	return out, nil
}

// maxLooksWithPhotos and maxLookBytes bound what is read for the photos of
// earlier looks.
const (
	maxLooksWithPhotos = 10
	maxLookBytes       = 1 << 20
)

// imagesOf gives the addresses of a listing's photos as a look stored them.
// A look that is too large, or of another form, has none that are known.
func imagesOf(data json.RawMessage) []string {
	if len(data) > maxLookBytes {
		return nil
	}
	var l struct {
		Images []struct {
			Value string `json:"value"`
		} `json:"images"`
	}
	if json.Unmarshal(data, &l) != nil {
		return nil
	}
	var out []string
	for _, i := range l.Images[:min(len(l.Images), 100)] {
		out = append(out, i.Value)
	}
	return out
}

// photos hashes the listing's images among what the capture saw.
func photos(l *listing.Listing, c *capture.Capture) []triage.PhotoHash {
	want := map[string]bool{}
	for _, i := range l.Images {
		want[withoutFragment(i.Value)] = true
	}
	var out []triage.PhotoHash
	for _, e := range c.Exchanges {
		if len(out) >= maxPhotos {
			break
		}
		if !want[withoutFragment(e.URL)] || e.Body == nil || e.Body.Size() > maxPhotoBytes {
			continue
		}
		b, err := capture.ReadAll(e.Body, maxPhotoBytes)
		if err != nil {
			continue // a body that cannot be read is listed as missing already
		}
		h, err := triage.HashImage(bytes.NewReader(b))
		if err != nil {
			continue // no picture: not a photo of anything
		}
		h.URL = e.URL
		out = append(out, h)
		delete(want, withoutFragment(e.URL))
	}
	return out
}

func withoutFragment(u string) string {
	u, _, _ = strings.Cut(u, "#")
	return u
}
