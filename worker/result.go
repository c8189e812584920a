package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler"
	"github.com/trawlmark/trawlmark/crawler/listing"
	"github.com/trawlmark/trawlmark/crawler/site"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// Done is what a visit has to tell the ledger, kept beside the capture until
// both are stored.
type Done struct {
	Fence  ledger.Fence  `json:"fence"`
	Watch  capture.ID    `json:"watch,omitzero"` // of the job, for the log
	Result ledger.Result `json:"result"`
	// Keep is how long the capture is locked if the listing is suspicious; 0 in
	// notes of earlier versions.
	Keep time.Duration `json:"keep,omitempty"`
	// Failure is set when the visit is to be tried again; its capture is kept
	// all the same.
	Failure *ledger.Failure `json:"failure,omitempty"`
}

// result turns what a visit saw into what the ledger is told, and attaches the
// reading to the capture.
func (v *Visitor) result(ctx context.Context, job ledger.Job, res *crawler.Result) (Done, error) {
	c := res.Capture
	d := Done{Fence: job.Fence(), Watch: job.Watch, Result: ledger.Result{Outcome: c.Outcome, Capture: c.ID}}
	if class := ledger.ClassOf(c.Outcome); class != "" {
		d.Failure = &ledger.Failure{Class: class, Text: firstOr(c.Evidence, c.Outcome.Sentence()), Outcome: c.Outcome, Capture: c.ID}
		if res.RetryAfter > 0 {
			d.Failure.At = v.ledger.Now().Add(res.RetryAfter)
		}
		return d, nil
	}
	if res.Reading == nil {
		if job.PageKind == string(site.KindListing) && c.Outcome != capture.RobotsDenied {
			d.Result.Observation = v.absent(job, res)
		}
		return d, nil
	}
	if err := attachReading(c, res.Reading); err != nil {
		return d, err
	}
	if job.PageKind == string(site.KindListing) || res.Reading.Listing != nil {
		obs := v.observation(job, res)
		if l := res.Reading.Listing; l != nil {
			a, err := v.triage.assess(ctx, job, l, c)
			if err != nil {
				return d, err
			}
			obs.Signals, d.Result.Suspicious = a.signals, a.suspicious
		}
		d.Result.Observation = obs
	}
	return d, v.follow(ctx, job, res.Reading, &d.Result)
}

func firstOr(list []string, or string) string {
	if len(list) > 0 {
		return list[0]
	}
	return or
}

// attachReading makes what was read an artifact of the capture: derived, so
// that it can be redone, and there for whoever rebuilds the catalogue.
func attachReading(c *capture.Capture, r *site.Reading) error {
	doc, err := json.Marshal(struct {
		Note     string           `json:"note"`
		Outcome  capture.Outcome  `json:"outcome"`
		Evidence []string         `json:"evidence"`
		Encoding string           `json:"encoding,omitempty"`
		Language string           `json:"language,omitempty"`
		Problems []string         `json:"problems,omitempty"`
		Listing  *listing.Listing `json:"listing,omitempty"`
		Links    int              `json:"links"`
	}{
		"read by software from the page in this capture; the page itself is the evidence",
		r.Outcome, r.Evidence, r.Encoding, r.Language, r.Problems, r.Listing, len(r.Links),
	})
	if err != nil {
		return err
	}
	c.Artifacts = append(c.Artifacts, &capture.Artifact{
		Role: capture.RoleReading, MediaType: "application/json", URL: c.FinalURL, Taken: c.Finished, Body: capture.Bytes(doc),
	})
	return nil
}

// absent is an observation of a listing whose page was not got: that it was
// looked for, and how that ended, is part of its history.
func (v *Visitor) absent(job ledger.Job, res *crawler.Result) *ledger.Observation {
	if job.ItemID == "" && job.Canonical == "" {
		return nil
	}
	return &ledger.Observation{
		Site: job.Site, ItemID: job.ItemID, Canonical: job.Canonical, URL: job.URL,
		Outcome: res.Capture.Outcome, At: res.Capture.Started, ETag: res.ETag, LastModified: res.LastModified,
	}
}

func (v *Visitor) observation(job ledger.Job, res *crawler.Result) *ledger.Observation {
	r, c := res.Reading, res.Capture
	o := &ledger.Observation{
		Site: r.Match.Site.Name, ItemID: r.Match.ItemID, Canonical: r.Match.Canonical, URL: c.FinalURL,
		Outcome: c.Outcome, At: c.Started, ETag: res.ETag, LastModified: res.LastModified,
	}
	if job.PageKind == string(site.KindListing) {
		// What was asked for is what is observed, also when the page that came
		// is another one: its outcome says so.
		o.Site, o.ItemID, o.Canonical = job.Site, job.ItemID, job.Canonical
	}
	l := r.Listing
	if l == nil {
		return o
	}
	if o.ItemID == "" {
		o.ItemID = l.ItemID
	}
	o.Title, o.Seller, o.SellerID = l.Text(listing.Title), l.Text(listing.SellerName), l.Text(listing.SellerID)
	if amount, currency, ok := l.Money(); ok {
		o.Amount, o.Currency = amount.String(), currency
	}
	o.Fingerprint = fingerprint(l)
	slim := *l
	slim.Candidates = nil // they stand in the capture's reading
	if b, err := json.Marshal(slim); err == nil {
		o.Data = b
	}
	return o
}

// fingerprint is equal for two looks at a listing that says the same things.
func fingerprint(l *listing.Listing) string {
	h := sha256.New()
	for _, f := range []listing.FieldName{
		listing.Title, listing.Price, listing.StrikePrice, listing.Currency, listing.Availability, listing.Condition,
		listing.Brand, listing.SellerName, listing.SellerID, listing.Description, listing.ShipsFrom,
	} {
		fmt.Fprintf(h, "%s=%q\n", f, l.Text(f))
	}
	for _, i := range l.Images {
		fmt.Fprintf(h, "image=%q\n", i.Value)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// NewVisit is the work of looking at a URL once.
func NewVisit(sites *site.Set, rawURL string) ledger.Work {
	m := sites.For(rawURL)
	w := ledger.Work{
		Kind: ledger.Visit, Lane: m.Lane, Site: m.Site.Name, URL: rawURL, Canonical: m.Canonical,
		PageKind: string(m.Kind), ItemID: m.ItemID, Pool: "http",
	}
	if m.Site.Render[m.Kind] == site.RenderAlways {
		w.Pool = "browser"
	}
	return w
}
