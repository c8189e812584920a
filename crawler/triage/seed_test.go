package triage_test

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/crawler/listing"
	"github.com/trawlmark/trawlmark/crawler/triage"
)

// shared finds other people's material beside the repository; tests that want
// it skip where it is missing.
func shared(t *testing.T, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
	path := filepath.Join(filepath.Dir(dir), "shared", "data", name)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("%s is not here: it is other people's material and not part of the repository", filepath.Join("../shared/data", name))
	}
	return path
}

// table reads a file with a header into rows by column.
func table(t *testing.T, path string, comma rune) []map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.FieldsPerRecord = comma, -1
	all, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]string
	for _, row := range all[1:] {
		m := map[string]string{}
		for i, v := range row {
			if i < len(all[0]) {
				m[all[0][i]] = v
			}
		}
		out = append(out, m)
	}
	return out
}

var countryOf = regexp.MustCompile(`\.(?:com?\.)?([a-z]{2})(?:/|$)`)

// sampleDay is about when the sample rows were collected.
var sampleDay = time.Date(2024, 8, 15, 0, 0, 0, 0, time.UTC)

// sampled makes a listing of a row of one of the sample files.
func sampled(row map[string]string) *listing.Listing {
	get := func(names ...string) string {
		for _, n := range names {
			if v := row[n]; v != "" && v != "null" {
				return strings.ToValidUTF8(v, "")
			}
		}
		return ""
	}
	l := &listing.Listing{Site: "sample", URL: get("url"), Fields: map[listing.FieldName]listing.Choice{}}
	if m := countryOf.FindStringSubmatch(get("domain", "url")); m != nil {
		l.Country = strings.ToUpper(m[1])
	}
	field(l, listing.Title, get("title", "product_name"))
	field(l, listing.Description, get("Product Description", "product_description", "description"))
	amount, currency := get("final_price", "price"), get("currency")
	if v := plainAmount(amount); v != "" {
		price(l, listing.Price, v, currency)
		field(l, listing.Currency, currency)
	}
	// The column is there, so the field was seen, though it may be empty.
	b := get("brand", "brand_attr")
	l.Fields[listing.Brand] = listing.Choice{Candidate: listing.Candidate{Field: listing.Brand, Value: b}}
	field(l, listing.SellerName, get("seller_name", "seller"))
	field(l, listing.SellerAge, get("seller_joined_date", "seller_joined"))
	var crumbs []string
	_ = json.Unmarshal([]byte(get("breadcrumb")), &crumbs) // some are not lists
	field(l, listing.Category, strings.Join(append(crumbs, get("category")), " > "))
	return l
}

func plainAmount(s string) string {
	var f float64
	if _, err := fmt.Sscanf(s, "%g", &f); err != nil || f <= 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", f)
}

// seedBrands are the profiles that a watch for the seed's brands would have.
var seedBrands = map[string]string{
	"phone brands":       `{name: phones, names: [Apple, iPhone, iPad, Samsung, Huawei, Xiaomi, Redmi, Oppo, Vivo, Realme, Poco, Honor, MateBook]}`,
	"Apple/Samsung/Sony": `{name: phones, names: [Apple, Samsung, Sony]}`,
	"Samsung/Xiaomi":     `{name: Samsung, names: [Xiaomi]}`,
	"Samsung":            `{name: Samsung, currency: PHP, models: [{name: Galaxy S23 Ultra, category: phone, price: 81990}]}`,
	"Apple":              `{name: Apple, homonyms: [apple cider, 100% apple, apple juice, red apple, green apple, apple flavour, apple vinegar, Spanish Cider Apple]}`,
	"ANSR/Fly/SRAM":      `{name: SRAM, names: [ANSR]}`,
	"perfume houses":     `{name: Dior, names: [Chanel, Gucci, Creed, Baccarat]}`,
	"Bandai Gundam":      `{name: Gundam, names: [Bandai]}`,
	"Louis Vuitton":      `{name: Louis Vuitton, names: [LV]}`,
	"Benfica kit":        `{name: Benfica}`,
	"-":                  `{name: Connor's Stout Porter, names: [Sealey, Blackspider]}`,
}

// The seed's labels are of what the listings say. The bars are those of
// DOMAIN: 21 of 28, 0 of 24, 1 of 15, taken as shares of the rows that are
// there.
func TestSeedRows(t *testing.T) {
	seed := table(t, shared(t, "seed_labels.tsv"), '\t')
	rows := map[string]map[string]string{}
	for _, n := range []string{"shopee", "lazada"} {
		for _, r := range table(t, shared(t, "brightdata_"+n+".csv"), ',') {
			if id := r["id"] + r["sku"]; id != "" && rows[n+id] == nil {
				rows[n+id] = r
			}
		}
	}
	confusion := map[string]map[triage.Level]int{}
	total := map[string]int{}
	for _, s := range seed {
		row := rows[s["dataset"]+s["item_id"]]
		if row == nil {
			t.Errorf("row %s is not in the sample", s["row"])
			continue
		}
		text := seedBrands[s["watch_brand"]]
		if text == "" {
			text = fmt.Sprintf("{name: %q}", s["watch_brand"])
		}
		b, err := triage.ParseBrand(s["watch_brand"], []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		subject := triage.Subject{Listing: sampled(row), At: sampleDay}
		a := b.Assess(subject)
		checkAssessment(t, subject, a)
		if confusion[s["label"]] == nil {
			confusion[s["label"]] = map[triage.Level]int{}
		}
		confusion[s["label"]][a.Level]++
		total[s["label"]]++
		if hit := a.Level == triage.Suspicious || a.Level == triage.Review; hit != (s["label"] == "suspicious") {
			t.Logf("%s row %s %q is labelled %s (%s), assessed %s %.1f: %s", s["dataset"], s["row"], s["title"], s["label"], s["reason"], a.Level, a.Points, explain(a))
		}
	}
	for _, label := range []string{"suspicious", "accessory", "clear"} {
		t.Logf("%-10s of %2d: %v", label, total[label], confusion[label])
	}
	hit := func(label string) int { return confusion[label][triage.Suspicious] + confusion[label][triage.Review] }
	if total["suspicious"] == 0 || hit("suspicious")*28 < 21*total["suspicious"] {
		t.Errorf("%d of %d suspicious rows were hit; at least 21 of 28 should be", hit("suspicious"), total["suspicious"])
	}
	if n := confusion["accessory"][triage.Suspicious]; n > 0 {
		t.Errorf("%d accessories are suspicious", n)
	}
	if hit("clear")*15 > total["clear"] {
		t.Errorf("%d of %d clear rows were hit; at most 1 of 15 should be", hit("clear"), total["clear"])
	}
}

// Rows of real marketplaces, for names that occur in them: nothing may crash,
// the rates are printed.
func TestSampleRates(t *testing.T) {
	text := `{name: Strava, names: [Adidas, Nike, Samsung, Apple, iPhone, Huawei, Xiaomi, Gucci, Chanel, Louis Vuitton, Asics, Puma, Sony, Disney, Lego, Rolex, Dior, Casio, Seiko, Logitech]}`
	b, err := triage.ParseBrand("many", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"shopee", "lazada", "shein"} {
		rows := table(t, shared(t, "brightdata_"+n+".csv"), ',')
		count, signals := map[string]int{}, map[string]int{}
		began := time.Now()
		for _, r := range rows {
			s := triage.Subject{Listing: sampled(r), At: sampleDay}
			a := b.Assess(s)
			checkAssessment(t, s, a)
			count[string(a.Level)]++
			if len(a.Signals) > 0 {
				count["gate open"]++
			}
			for _, g := range a.Signals {
				signals[g.Name]++
				if g.Name == "obfuscated_brand" || g.Family == triage.Words && g.Points >= 20 {
					t.Logf("%s: %s", n, g.Sentence)
				}
			}
			if a.Level == triage.Suspicious {
				t.Logf("%s suspicious: %q %.1f %s", n, s.Listing.Text(listing.Title), a.Points, names(a))
			}
		}
		t.Logf("%s: %d rows, %v, %v each", n, len(rows), count, time.Since(began)/time.Duration(len(rows)))
		var list []string
		for k, v := range signals {
			list = append(list, fmt.Sprintf("%s %d", k, v))
		}
		slices.Sort(list)
		t.Logf("%s: %s", n, strings.Join(list, ", "))
		if n := count["suspicious"] + count["review"]; n > len(rows)/20 {
			t.Errorf("%d of %d rows are to be looked at: the rules fire on everything", n, len(rows))
		}
	}
}
