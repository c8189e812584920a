package portal

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

var update = flag.Bool("update", false, "write the golden files")

var now = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func facts(site, id, url string) Facts {
	return Facts{
		Capture: capture.ID{1, byte(len(id)), 7: 1}, Manifest: capture.Sum([]byte(id)), Site: site, ItemID: id, URL: url, Title: "Belvoir bag",
		Price: "12.00", Currency: "EUR", Seller: "=cmd|' /C calc'!A0 包", Seen: now.Add(-time.Hour), Outcome: capture.Captured,
	}
}

var complaint = Complaint{
	Right:   Right{Kind: "trademark", Number: "018123456", Name: "BELVOIR", Owner: "Aurelle SA", Office: "EUIPO", Class: "18"},
	Contact: Contact{Name: "A. Person", Email: "ip@example.org", Company: "Aurelle SA", Role: "owner"},
	Reason:  "7001", Statement: "The mark is on goods that are not the owner's, \"identical\".", Where: "product",
}

// sample is one complaint with everything, by portal.
var sample = map[string][]Facts{
	"ebay-vero":   {facts("ebay", "204567890123", "https://www.ebay.de/itm/204567890123")},
	"alibaba-ipp": {facts("aliexpress", "1005001", "https://www.aliexpress.com/item/1005001.html"), facts("1688", "77", "https://detail.1688.com/offer/77.html")},
	"amazon-rav":  {facts("amazon", "B0ABCDEFGH", "https://www.amazon.de/dp/B0ABCDEFGH")},
	"temu":        {facts("temu", "601099", "https://www.temu.com/goods-601099.html")},
	"dsa-notice":  {facts("vinted", "5", "https://www.vinted.fr/items/5")},
}

func TestGoldenFiles(t *testing.T) {
	if len(sample) != len(Names()) {
		t.Fatalf("the samples are of %d portals, there are %d", len(sample), len(Names()))
	}
	for name, fs := range sample {
		c := complaint
		c.Listings = map[string]Special{fs[0].ItemID: {Order: "TB-8123"}}
		files, problems, err := Make(name, c, fs, now)
		if err != nil || len(problems) > 0 || len(files) == 0 {
			t.Errorf("%s: %v, %v", name, problems, err)
			continue
		}
		for _, f := range files {
			if n, err := Check(name, f.Body); err != nil || n != f.Listings {
				t.Errorf("%s: the schema: %d, %v", f.Name, n, err)
			}
			path := filepath.Join("testdata", f.Name)
			if *update {
				if err := os.WriteFile(path, f.Body, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(want, f.Body) {
				t.Errorf("%s: %v\n%s", f.Name, err, f.Body)
			}
		}
	}
}

// Everything that would be rejected is told at once, by listing and field, and
// the draft has a blank there.
func TestThePreflightNamesListingAndField(t *testing.T) {
	for name, fs := range sample {
		files, problems, err := Make(name, Complaint{}, fs, now)
		if err != nil || len(problems) == 0 {
			t.Fatalf("%s: %v", name, err)
		}
		blocks := 0
		for _, p := range problems {
			if p.Field == "" || !strings.HasPrefix(p.String(), "the complaint: ") && !strings.HasPrefix(p.String(), "https://") {
				t.Errorf("%s: %+v", name, p)
			}
			if p.Blocks {
				blocks++
			}
		}
		if blocks == 0 {
			t.Errorf("%s: nothing blocks", name)
		}
		for _, f := range files {
			if _, err := Check(name, f.Body); err != nil {
				t.Errorf("%s: a draft is not of the form: %v", f.Name, err)
			}
		}
	}
	for name, x := range map[string]struct {
		portal string
		change func(*Complaint, *Facts)
		want   string
	}{
		"a long brand":        {"ebay-vero", func(c *Complaint, _ *Facts) { c.Right.Name = strings.Repeat("é", 51) }, "has 51 characters, the portal takes 50"},
		"a long message":      {"ebay-vero", func(c *Complaint, _ *Facts) { c.Statement = strings.Repeat("x", 1001) }, "has 1001 characters"},
		"no item number":      {"ebay-vero", func(_ *Complaint, f *Facts) { f.ItemID = "" }, "item id was not read"},
		"a mandatory message": {"ebay-vero", func(c *Complaint, _ *Facts) { c.Reason, c.Statement = "9052", "" }, "detailed message with reason 9052"},
		"no countries":        {"ebay-vero", func(c *Complaint, _ *Facts) { c.Reason = "9037" }, "countries with reason 9037"},
		"another site":        {"ebay-vero", func(_ *Complaint, f *Facts) { f.Site = "etsy" }, `site is "etsy"`},
		"already gone":        {"temu", func(_ *Complaint, f *Facts) { f.Outcome = capture.Removed }, "was gone when it was seen last"},
		"not seen":            {"temu", func(_ *Complaint, f *Facts) { f.Outcome = capture.Challenge }, "was not seen by this capture"},
		"old":                 {"temu", func(_ *Complaint, f *Facts) { f.Seen = now.AddDate(0, 0, -30) }, "is 30 days old"},
		"nowhere":             {"temu", func(c *Complaint, _ *Facts) { c.Where = "everywhere" }, "is to be one of"},
		"no test purchase":    {"amazon-rav", func(*Complaint, *Facts) {}, "make a test purchase"},
		"no ASIN":             {"amazon-rav", func(_ *Complaint, f *Facts) { f.ItemID = "x" }, "is no ASIN"},
		"no number":           {"alibaba-ipp", func(c *Complaint, _ *Facts) { c.Right.Number = " " }, "right.number is blank"},
		"a stray listing":     {"temu", func(c *Complaint, _ *Facts) { c.Listings = map[string]Special{"nix": {}} }, `"nix", which is no listing`},
	} {
		c, f := complaint, sample[x.portal][0]
		x.change(&c, &f)
		_, problems, err := Make(x.portal, c, []Facts{f}, now)
		if text := fmt.Sprint(problems); err != nil || !strings.Contains(text, x.want) {
			t.Errorf("%s: %s, %v", name, text, err)
		}
	}
}

func TestFilesHaveNoMoreListingsThanThePortalTakes(t *testing.T) {
	var fs []Facts
	for i := range 701 {
		f := facts("aliexpress", fmt.Sprint(i), fmt.Sprintf("https://www.aliexpress.com/item/%d.html", i))
		fs = append(fs, f, f) // two captures of each
	}
	c := complaint
	c.Listings = map[string]Special{"3": {Order: "A"}, "4": {Order: "B"}}
	files, _, err := Make("alibaba-ipp", c, fs, now)
	var sizes []int
	for _, f := range files {
		sizes = append(sizes, f.Listings)
	}
	if err != nil || fmt.Sprint(sizes) != "[300 300 99 1 1]" {
		t.Errorf("%v, %v", sizes, err)
	}
	if _, _, err := Make("nix", c, fs, now); err == nil {
		t.Error("a portal that is none was taken")
	}
}

func FuzzCheck(f *testing.F) {
	for name, fs := range sample {
		files, _, _ := Make(name, complaint, fs, now)
		f.Add(name, files[0].Body)
	}
	f.Fuzz(func(_ *testing.T, name string, b []byte) { _, _ = Check(name, b) })
}
