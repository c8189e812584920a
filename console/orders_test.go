package console

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/archive/bundle/export"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// desk is a worker that makes packages when a test says so.
type desk struct {
	ids   *capture.IDSource
	have  []PackageOrder
	fault error // of Fetch
	// refuse is what is said of an order for redactions.
	refuse error
}

func (d *desk) Order(_ context.Context, q PackageRequest) (PackageOrder, error) {
	if q.Redacted && d.refuse != nil {
		return PackageOrder{}, d.refuse
	}
	o := PackageOrder{ID: d.ids.New(), State: "waiting", Case: q.Case, To: q.To, By: q.By, Name: "case-" + q.Case + ".zip"}
	d.have = append(d.have, o)
	return o, nil
}
func (d *desk) Orders(context.Context, string) ([]PackageOrder, error) { return d.have, nil }
func (d *desk) Ordered(_ context.Context, id capture.ID) (PackageOrder, error) {
	for _, o := range d.have {
		if o.ID == id {
			return o, nil
		}
	}
	return PackageOrder{}, ledger.ErrNotFound
}

func (d *desk) Fetch(_ context.Context, _ capture.ID, to io.Writer) (capture.Digest, error) {
	if d.fault != nil {
		return capture.Digest{}, d.fault
	}
	_, err := io.WriteString(to, "the package")
	return capture.Sum([]byte("the package")), err
}

func TestAPackageIsOrderedAndFetched(t *testing.T) {
	d := &desk{}
	w := newWorld(t, func(_ *Config, deps *Deps) { deps.Orders = d })
	d.ids = w.ids
	f := w.found("7", "Belvoir bag", 0.9)
	b := w.as(Legal)
	kase := b.post("/captures/"+f.Capture.String()+"/case", url.Values{"name": {"A v. B"}}).Header().Get("Location")
	if r := b.post(kase+"/order", url.Values{"to": {"Counsel"}}); r.Code != http.StatusBadRequest {
		t.Errorf("without a purpose it got %d", r.Code)
	}
	if r := b.post(kase+"/order", url.Values{"to": {"Counsel"}, "purpose": {"A v. B"}}); r.Code != http.StatusSeeOther || r.Header().Get("Location") != kase+"#packages" {
		t.Fatalf("got %d to %q", r.Code, r.Header().Get("Location"))
	}
	d.refuse = export.Unredacted{f.Capture}
	if r := b.post(kase+"/order", url.Values{"to": {"Counsel"}, "purpose": {"A v. B"}, "redacted": {"true"}}); r.Code != http.StatusConflict || !strings.Contains(r.Body.String(), "trawlmark evidence redact "+f.Capture.String()) {
		t.Errorf("a capture without a redaction got %d: %s", r.Code, r.Body)
	}
	at := "/packages/" + d.have[0].ID.String()
	if page := b.page(kase); !strings.Contains(page, "waiting") || !strings.Contains(page, "Counsel") || strings.Contains(page, at) {
		t.Error("the case does not say that a package waits, or offers it already")
	}
	if r := b.get(at); r.Code != http.StatusConflict {
		t.Errorf("what is not ready got %d", r.Code)
	}
	d.have[0].State = "ready"
	if page := b.page(kase); !strings.Contains(page, `href="`+at+`"`) {
		t.Error("a ready package is not offered")
	}
	if r := w.as(Analyst).get(at); r.Code != http.StatusForbidden {
		t.Errorf("an analyst got %d", r.Code)
	}
	r := b.get(at)
	if r.Code != http.StatusOK || r.Body.String() != "the package" || !strings.Contains(r.Header().Get("Content-Disposition"), d.have[0].Name) {
		t.Errorf("got %d, %q, %q", r.Code, r.Body, r.Header().Get("Content-Disposition"))
	}
	taken := 0
	for _, row := range must(w.log.About(t.Context(), custody.Subject{Case: d.have[0].Case}))(t) {
		if row.Entry.Type == custody.Downloaded {
			taken++
		}
	}
	if taken != 1 {
		t.Errorf("%d times on record that it was taken", taken)
	}
	d.fault = vault.ErrDigest
	if r := b.get(at); r.Code != http.StatusBadGateway || !strings.Contains(r.Body.String(), "archive audit") {
		t.Errorf("one that was changed in the storage got %d", r.Code)
	}
	d.fault = vault.ErrNotFound
	if r := b.get(at); r.Code != http.StatusConflict || !strings.Contains(r.Body.String(), "Order it again") {
		t.Errorf("a removed one got %d", r.Code)
	}
	if r := b.get("/packages/" + w.ids.New().String()); r.Code != http.StatusNotFound {
		t.Errorf("one that never was got %d", r.Code)
	}
}
