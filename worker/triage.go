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
	b, err := t.brand(ctx, job.Watch)
	if err != nil || b == nil {
		return assessed{}, err
	}
	s := triage.Subject{Listing: l, Photos: photos(l, c), At: c.Started}
	if s.History, err = t.history(ctx, l); err != nil {
		return assessed{}, err
	}
	a := b.Assess(s)
	doc, err := json.Marshal(a)
	return assessed{doc, a.Level == triage.Suspicious}, err
}

// wantsScreenshot says why a listing that was read without a browser should be
// seen in one: what analysts may be shown has a screenshot, and its photos are
// compared.
func (t *Triage) wantsScreenshot(ctx context.Context, job ledger.Job, r *site.Reading) string {
	if r.Listing == nil || job.Watch.IsZero() {
		return ""
	}
	b, err := t.brand(ctx, job.Watch)
	if err != nil || b == nil {
		return "" // told when the whole visit is assessed
	}
	a := b.Assess(triage.Subject{Listing: r.Listing, At: t.now()})
	if a.Level != triage.Suspicious && a.Level != triage.Review {
		return ""
	}
	return fmt.Sprintf("triage of what was fetched says %s: a screenshot is kept and the photos are compared", a.Level)
}

// brand gives the parsed profile of a watch; nil when the watch has none.
func (t *Triage) brand(ctx context.Context, id capture.ID) (*triage.Brand, error) {
	w, err := t.watches.of(ctx, id)
	if err != nil || w == nil {
		return nil, err
	}
	return w.brand, nil
}

// history gives the earlier looks at a listing, oldest first.
func (t *Triage) history(ctx context.Context, l *listing.Listing) ([]triage.Look, error) {
	ref := ledger.Ref{Site: l.Site, ItemID: l.ItemID, Canonical: l.Canonical}
	known, err := t.ledger.ListingOf(ctx, ref)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	obs, err := t.ledger.History(ctx, known.ID, time.Time{}, 50)
	if err != nil {
		return nil, err
	}
	var out []triage.Look
	for i := len(obs) - 1; i >= 0; i-- { // the ledger gives the newest first
		o := obs[i]
		k := triage.Look{At: o.At, Title: o.Title, Currency: o.Currency, Seller: o.Seller, SellerID: o.SellerID, Gone: o.Outcome.Class() == capture.Gone}
		if d, err := decimal.NewFromString(o.Amount); err == nil {
			k.Amount = decimal.NewNullDecimal(d)
		}
		out = append(out, k)
	}
	return out, nil
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
