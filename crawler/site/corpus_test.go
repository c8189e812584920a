package site

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/listing"
)

// TestCorpus reads a folder of saved pages that is not ours to keep: set
// TRAWLMARK_PAGES to a folder with OUTCOMES.tsv, whose columns are file (below
// the folder), want (outcomes that are right, with |), kind (any word: pages
// are counted by it), links (least number of listings; - for any) and url
// (where the page was asked; empty: what the page says itself). With
// TRUTH_VERBOSE every page is printed with what was read from it.
func TestCorpus(t *testing.T) {
	dir := os.Getenv("TRAWLMARK_PAGES")
	if dir == "" {
		t.Skip("TRAWLMARK_PAGES names no folder of saved pages")
	}
	text, err := os.ReadFile(filepath.Join(dir, "OUTCOMES.tsv"))
	if err != nil {
		t.Skipf("the folder has no list of outcomes: %v", err)
	}
	set := configs(t)
	right, all := map[string]int{}, map[string]int{}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
		c := append(strings.Split(line, "\t"), "", "", "", "")
		body, err := os.ReadFile(filepath.Join(dir, c[0]))
		if err != nil {
			t.Errorf("%s: %v", c[0], err)
			continue
		}
		u := c[4]
		if u == "" {
			u = set.Guess(body, "")
		}
		r := set.Read(Page{URL: u, Status: 200, Body: body, ContentType: "text/html"})
		n := 0
		for _, l := range r.Links {
			if l.Kind == KindListing {
				n++
			}
		}
		least, _ := strconv.Atoi(c[3])
		ok := slices.Contains(strings.Split(c[1], "|"), string(r.Outcome)) && n >= least
		if refusal(r.Outcome) && !strings.Contains(c[1], string(r.Outcome)) {
			t.Errorf("%s: false alarm: %s %v", c[0], r.Outcome, r.Evidence)
		}
		all[c[2]]++
		if ok {
			right[c[2]]++
		}
		if !ok || os.Getenv("TRUTH_VERBOSE") != "" {
			t.Logf("ok=%v %s want %s links %s: %s\n", ok, c[0], c[1], c[3], describe(r, n, u))
		}
	}
	for kind, n := range all {
		t.Logf("%-10s %d of %d", kind, right[kind], n)
	}
}

func refusal(o capture.Outcome) bool {
	return o == capture.Challenge || o == capture.LoginWall || o == capture.ConsentWall || o == capture.GeoVariant
}

func describe(r *Reading, n int, u string) string {
	s := fmt.Sprintf("%s/%s %s %v, %d listings, from %s", r.Match.Site.Name, r.Match.Kind, r.Outcome, r.Evidence, n, clip(u, 120))
	for _, l := range r.Links {
		if l.Kind == KindNext {
			s += ", next " + clip(l.URL, 100)
		}
	}
	if r.Listing != nil {
		a, c, _ := r.Listing.Money()
		p := r.Listing.Fields[listing.Price]
		s += fmt.Sprintf("\n   %q %s %s from %s %s; seller %q; item %s", clip(r.Listing.Text(listing.Title), 80), a, c, p.Source, clip(p.Path, 60), r.Listing.Text(listing.SellerName), r.Listing.ItemID)
	}
	return s
}
