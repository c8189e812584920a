package triage_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/crawler/triage"
)

// The profile in the documentation is one.
func TestDocumentedProfileIsRead(t *testing.T) {
	doc, err := os.ReadFile("../../docs/brands.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(doc, -1)
	if len(examples) < 2 {
		t.Fatalf("docs/brands.md has %d examples", len(examples))
	}
	seen := map[string]bool{}
	for _, e := range examples {
		b, err := triage.ParseBrand("docs/brands.md", e[1])
		if err != nil {
			t.Errorf("%v\n%s", err, e[1])
			continue
		}
		for _, k := range regexp.MustCompile(`([a-z_]+):`).FindAllStringSubmatch(string(e[1]), -1) {
			seen[k[1]] = true
		}
		roundTrip(t, b)
	}
	// Every key is in an example, and in the table of keys.
	for _, k := range keysOf(reflect.TypeFor[triage.Brand]()) {
		if !seen[k] {
			t.Errorf("no example in docs/brands.md has the key %q", k)
		}
		if !strings.Contains(string(doc), "`"+k+"`") && !strings.Contains(string(doc), "."+k+"`") {
			t.Errorf("docs/brands.md does not explain the key %q", k)
		}
	}
}

// keysOf lists the keys that a profile can have.
func keysOf(t reflect.Type) (out []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		e := f.Type
		for e.Kind() == reflect.Slice || e.Kind() == reflect.Pointer {
			e = e.Elem()
		}
		out = append(out, name)
		if e.Kind() == reflect.Struct && e != reflect.TypeFor[triage.Decimal]() {
			out = append(out, keysOf(e)...)
		}
	}
	return out
}

// roundTrip holds that what is stored as JSON is the same profile again.
func roundTrip(t testing.TB, b *triage.Brand) {
	t.Helper()
	one, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	again, err := triage.ParseBrand("again", one)
	if err != nil {
		t.Fatalf("%v\n%s", err, one)
	}
	two, err := json.Marshal(again)
	if err != nil || !bytes.Equal(one, two) {
		t.Errorf("a profile changed on its way through JSON: %v\n%s\n%s", err, one, two)
	}
	var third triage.Brand
	if err := json.Unmarshal(one, &third); err != nil {
		t.Error(err)
	}
}

func TestProfileWithPhotosRoundTrips(t *testing.T) {
	b := brand(t, "name: Aurelle\nofficial:\n  - url: https://a.example/1.jpg\n    variants: [{as: as it is, dhash: \"1234567890123456\", phash: \"00000000000000ff\"}]\n")
	if err := b.AddOfficial("https://a.example/2.jpg", asJPEG(t, scene(1, 300, 300), 80)); err != nil {
		t.Fatal(err)
	}
	if err := b.AddOfficial("https://a.example/2.jpg", asJPEG(t, scene(2, 300, 300), 80)); err != nil {
		t.Fatal(err)
	}
	if len(b.Official) != 2 || uint64(b.Official[0].Variants[0].PHash) != 255 {
		t.Errorf("%d official photos, %+v", len(b.Official), b.Official[0])
	}
	roundTrip(t, b)
}

// Numbers are taken as they stand, not as floating point.
func TestAmountsKeepTheirDigits(t *testing.T) {
	b := brand(t, "name: Aurelle\ncurrency: EUR\nmodels:\n  - {name: Bag, price: 1450.10}\n  - {name: Watch, price: \"12345678901234567.89\"}\nrates:\n  - {currency: VND, rate: 0.000036, date: 2026-01-02}\n")
	for i, want := range []string{"1450.1", "12345678901234567.89"} {
		if got := b.Models[i].Price.String(); got != want {
			t.Errorf("model %d: %s, want %s", i, got, want)
		}
	}
	if got := b.Rates[0].Rate.String(); got != "0.000036" {
		t.Errorf("rate %s", got)
	}
}

// A profile of a large house is read in reasonable time, brackets in its
// phrases included.
func TestLargeProfile(t *testing.T) {
	var b strings.Builder
	b.WriteString("name: Aurelle\ncurrency: EUR\nhomonyms:\n")
	for i := range 200 {
		fmt.Fprintf(&b, "  - \"[Aurelle %d\"\n", i)
	}
	b.WriteString("models:\n")
	for i := range 3000 {
		fmt.Fprintf(&b, "  - {name: Model%d bag, code: AU-%05d, category: Bags, price: %d.50}\n", i, i, i+1)
	}
	began := time.Now()
	p := brand(t, b.String())
	roundTrip(t, p)
	t.Logf("3000 models: %v", time.Since(began))
	a := p.Assess(triage.Subject{Listing: titled("Aurelle AU-02999 bag")})
	if _, ok := signal(a, "brand_present"); !ok {
		t.Error("the brand was not seen")
	}
	if _, err := triage.ParseBrand("p", []byte(b.String()+"  - {name: x, price: no}\n")); err == nil || !strings.Contains(err.Error(), "p:3205: models[3000].price") {
		t.Errorf("%v", err)
	}
	t.Logf("with the mistake: %v", time.Since(began))
}

// Each mistake is told with the file, the line, the key and what to do.
func TestProfileMistakes(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", `p.yaml:1: name: the profile is empty`},
		{"# nothing\n", `p.yaml:1: name: the profile is empty`},
		{"currency: EUR\n", `p.yaml: name: is missing`},
		{"name: A\n", `p.yaml:1: name: "A" is too short`},
		{"name: Aurelle\nnmaes: [x]\n", `p.yaml:2: nmaes: unknown field`},
		{"name: Aurelle\nname: Other\n", `p.yaml:2:`},
		{"name: Aurelle\ncurrency: EURO\n", `p.yaml:2: currency: "EURO" is not a currency`},
		{"name: Aurelle\ncurrency: eur\n", `p.yaml:2: currency: "eur" is not a currency`},
		{"name: Aurelle\ncurrency: EUR\nmodels:\n  - name: Bag\n    price: cheap\n", `p.yaml:5: models[0].price:`},
		{"name: Aurelle\ncurrency: EUR\nmodels:\n  - name: Bag\n    price: 0\n", `p.yaml:5: models[0].price: must be more than 0`},
		{"name: Aurelle\nmodels:\n  - name: Bag\n    price: 10\n", `models[0].currency: is missing`},
		{"name: Aurelle\nmodels:\n  - code: AU-1\n", `p.yaml:3: models[0].name: must have`},
		{"name: Aurelle\nmodels:\n  - {name: x, code: A1}\n", `p.yaml:3: models[0].code: "A1" is not a code`},
		{"name: Aurelle\nauthorised:\n  - site: ebay\n", `p.yaml:3: authorised[0]: needs an id or a name`},
		{"name: Aurelle\nrates:\n  - {currency: USD, rate: 0.9, date: 2026-01-02}\n", `currency: is missing: rates are of it`},
		{"name: Aurelle\ncurrency: EUR\nrates:\n  - {currency: USD, rate: -1, date: 2026-01-02}\n", `rates[0].rate`},
		{"name: Aurelle\ncurrency: EUR\nrates:\n  - {currency: USD, rate: 0.9, date: yesterday}\n", `p.yaml:4: rates[0].date: "yesterday" is not a day`},
		{"name: Aurelle\nhigh_risk: [China]\n", `p.yaml:2: high_risk[0]: "China" is not a country`},
		{"name: Aurelle\nthresholds: {suspicious: 30, review: 40}\n", `p.yaml:2: thresholds: review (40)`},
		{"name: Aurelle\nhomonyms: [aurelle]\n", `p.yaml:2: homonyms[0]: "aurelle" is a name of the brand`},
		{"name: Aurelle\ngtin_prefixes: [\"12x\"]\n", `p.yaml:2: gtin_prefixes[0]`},
		{"name: Aurelle\nofficial:\n  - url: x\n    variants: [{as: x, dhash: \"zz\", phash: \"00\"}]\n", `p.yaml:4:`},
		{"name: Aurelle\nnames: [&a x]\nhomonyms: [*a]\n", `anchor or alias`},
		{"name: Aurelle\n---\nname: Other\n", `several documents`},
		{"name: [\n", `p.yaml:`},
		{"name: \"Aurelle", `p.yaml:`},
		{"just text", `p.yaml:`},
		{"name: " + strings.Repeat("[", 100_000), `nested deeper`},
		{"name:\n" + strings.Repeat("- ", 100_000), `nested deeper`},
		{"name: " + strings.Repeat("[", 250) + strings.Repeat("]", 250), `p.yaml:1`},
		{"name: Aur\xffelle\n", `not UTF-8`},
		{"name: " + strings.Repeat("x", 1000) + "\n", `p.yaml:1: name: must have`},
	} {
		_, err := triage.ParseBrand("p.yaml", []byte(c.text))
		var e *triage.BrandError
		if !errors.As(err, &e) {
			t.Errorf("%.60q: %v is no BrandError", c.text, err)
			continue
		}
		if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.60q:\n got %s\nwant %s", c.text, err, c.want)
		}
	}
}

func FuzzParseBrand(f *testing.F) {
	f.Add([]byte("name: Aurelle\ncurrency: EUR\nmodels:\n  - {name: Belvoir bag, code: AU-1101, price: 1450.00}\n"))
	f.Add([]byte(`{"name":"Aurelle","names":["欧瑞尔"],"thresholds":{}}`))
	f.Add([]byte("name: >\n  a\n  b\nofficial:\n- url: x\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := triage.ParseBrand("fuzz", text)
		var e *triage.BrandError
		if err != nil {
			if !errors.As(err, &e) {
				t.Fatalf("%v is no BrandError", err)
			}
			return
		}
		roundTrip(t, b)
		a := b.Assess(triage.Subject{Listing: titled("new " + b.Name + " bag")})
		if a.Version == "" {
			t.Error("no version")
		}
	})
}
