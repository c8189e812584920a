package triage_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/trawlmark/trawlmark/crawler/markettest"
	"github.com/trawlmark/trawlmark/crawler/site"
	"github.com/trawlmark/trawlmark/crawler/triage"
)

// Pages as they are read, not as they are meant: what the site's rules do not
// give is unknown, and the verdicts must hold without it.
func TestPagesAreJudgedAsRead(t *testing.T) {
	sites, err := site.Load(os.DirFS("../../configs/sites"))
	if err != nil {
		t.Fatal(err)
	}
	m := markettest.New(markettest.Config{CrawlDelay: -1})
	t.Cleanup(m.Close)
	b := demoProfile(t, m)
	count := map[string]int{}
	for _, x := range m.Listings() {
		if x.Expect.Title == "" || x.Expect.Outcome != "captured" || x.Expect.NeedsBrowser || x.Fault != "" {
			continue
		}
		q := httptest.NewRequest(http.MethodGet, "http://market.demo.test"+x.Path, nil)
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, q)
		r := sites.Read(site.Page{URL: q.URL.String(), Status: w.Code, Header: w.Header().Get, ContentType: w.Header().Get("Content-Type"), Body: bytes.Clone(w.Body.Bytes())})
		if r.Listing == nil {
			t.Errorf("%s: no listing was read", x.Key)
			continue
		}
		for _, photos := range []bool{false, true} {
			s := triage.Subject{Listing: r.Listing, At: demoDay}
			if photos {
				s.Photos = photosOf(t, m, x)
			}
			a := b.Assess(s)
			checkAssessment(t, s, a)
			count[fmt.Sprintf("photos %-5t %-12s %s", photos, x.Expect.Label, a.Level)]++
			clear := a.Level == triage.Clear || a.Level == triage.Legitimate
			switch {
			case x.Expect.Suspicious && clear, photos && x.Expect.Suspicious && a.Level == triage.Review && len(x.Expect.Signals) > 2:
				t.Errorf("%s (%q) is a copy, and assessed %s: %s", x.Key, x.Title, a.Level, explain(a))
			case x.Expect.Suspicious && a.Level == triage.Review && photos:
				t.Logf("review only: %s %.1f %s", x.Key, a.Points, names(a))
			case !x.Expect.Suspicious && a.Level == triage.Suspicious:
				t.Errorf("%s (%q) is %s, and assessed suspicious: %s", x.Key, x.Title, x.Expect.Label, explain(a))
			case x.Expect.Label == markettest.Authorised && a.Level != triage.Legitimate:
				t.Errorf("%s is of an authorised seller, and assessed %s", x.Key, a.Level)
			}
		}
	}
	for k, n := range count {
		t.Logf("%s %d", k, n)
	}
}
