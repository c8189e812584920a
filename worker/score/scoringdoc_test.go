package score_test

import (
	"bytes"
	"encoding"
	"encoding/json"
	"flag"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/listing"
	"github.com/trawlmark/trawlmark/crawler/triage"
	"github.com/trawlmark/trawlmark/worker/score"
)

var update = flag.Bool("update", false, "rewrite the schemas and examples in docs/scoring.md")

const scoringPage = "../../docs/scoring.md"

// docs/scoring.md is the contract with people who write scorers. Its schemas
// are made from the types, its examples are what really goes over the wire:
// go test ./worker/score -run ScoringDoc -update pastes them.
func TestScoringDoc(t *testing.T) {
	b, err := os.ReadFile(scoringPage)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{"request-schema": schemaText(t, reflect.TypeFor[score.Request]()), "answer-schema": schemaText(t, reflect.TypeFor[score.Result]())}
	maps.Copy(out, exampleExchange(t))
	used := map[string]bool{}
	want := regexp.MustCompile("(?s)<!-- scoring:([a-z-]+) -->\n```([a-z]+)\n.*?```").ReplaceAllStringFunc(string(b), func(s string) string {
		m := regexp.MustCompile("^<!-- scoring:([a-z-]+) -->\n```([a-z]+)").FindStringSubmatch(s)
		text, ok := out[m[1]]
		if !ok {
			t.Errorf("docs/scoring.md wants %q, which there is not", m[1])
		}
		used[m[1]] = true
		return m[0] + "\n" + strings.TrimSpace(text) + "\n```"
	})
	for name := range out {
		if !used[name] {
			t.Errorf("docs/scoring.md has no place for %q", name)
		}
	}
	if *update {
		if err := os.WriteFile(scoringPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(b) {
		t.Error("docs/scoring.md is not what is sent any more; run go test ./worker/score -run ScoringDoc -update and read the difference")
	}
}

func exampleRequest(t *testing.T) score.Request {
	t.Helper()
	id := func(s string) capture.ID {
		v, err := capture.ParseID(s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	amount := decimal.RequireFromString("139")
	title := listing.Candidate{Field: listing.Title, Raw: "Aurelle Belvoir Bag 1:1 Mirror Quality", Value: "Aurelle Belvoir Bag 1:1 Mirror Quality", Source: "jsonld", Path: "$.name", Confidence: 0.95}
	price := listing.Candidate{Field: listing.Price, Raw: "139.00", Value: "139", Amount: &amount, Currency: "USD", Source: "jsonld", Path: "$.offers.price", Confidence: 0.95}
	return score.Request{
		Capture: id("019a3f6c-2b7e-7d51-9c0e-5a1f0c9d3b22"), Watch: id("019a3f00-0000-7000-8000-000000000001"),
		URL: "https://market.example/item/585502027395",
		Listing: &listing.Listing{
			Site: "market", URL: "https://market.example/item/585502027395", Canonical: "https://market.example/item/585502027395",
			ItemID: "585502027395", Language: "en", Country: "US",
			Fields: map[listing.FieldName]listing.Choice{
				listing.Title: {Candidate: title, Why: "the only candidate"}, listing.Price: {Candidate: price, Why: "the only candidate"},
			},
		},
		Assessment: triage.Assessment{
			Brand: "Aurelle", Version: triage.RulesVersion, Level: triage.Suspicious, Points: 85,
			Signals: []triage.Signal{
				{Name: "price_ratio", Family: triage.Price, Points: 35, Value: "0.088", Sentence: "The price 139 USD is 8.8 % of the reference price of the Belvoir bag.", Field: listing.Price},
				{Name: "explicit_words", Family: triage.Words, Points: 25, Value: "Mirror Quality", Sentence: `The title grades a copy: "Mirror Quality".`, Field: listing.Title, Span: [2]int{24, 38}},
				{Name: "official_photo", Family: triage.Image, Points: 25, Sentence: "A photo is the brand's own, used by a seller who is not authorised."},
			},
			Reference: "1450.00 EUR (Belvoir bag)", Converted: "127.88 EUR (rate of 2026-03-01)", Ratio: "0.088",
		},
	}
}

// exampleExchange asks a real server by the real client, and shows both sides.
func exampleExchange(t *testing.T) map[string]string {
	t.Helper()
	q := exampleRequest(t)
	answer, err := score.Builtin{}.Score(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	answer.Scorer = "example-model/2026-03"
	raw := marshal(t, answer)
	var sent string
	r := remote(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, body, "", "  "); err != nil {
			t.Error(err)
		}
		sent = r.Method + " /score HTTP/1.1\n"
		for _, name := range []string{"Content-Type", "Accept"} {
			sent += name + ": " + r.Header.Get(name) + "\n"
		}
		sent += strings.Replace("Authorization: "+r.Header.Get("Authorization"), "hush", "<TRAWLMARK_SCORER_TOKEN>", 1) + "\n\n" + pretty.String()
		onlyThese(t, r.Header)
		w.Header().Set("Content-Type", "application/json")
		if _, err := w.Write([]byte(raw)); err != nil {
			t.Error(err)
		}
	}, 0)
	got, err := r.Score(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, answer) {
		t.Errorf("the example is understood as %+v", got)
	}
	return map[string]string{"request": sent, "answer": "HTTP/1.1 200 OK\nContent-Type: application/json\n\n" + raw}
}

// onlyThese: nothing goes out in a header that the page does not show.
func onlyThese(t *testing.T, h http.Header) {
	t.Helper()
	allowed := []string{"Accept", "Accept-Encoding", "Authorization", "Content-Length", "Content-Type", "User-Agent"}
	for name := range h {
		if !slices.Contains(allowed, name) {
			t.Errorf("the request has the header %s, which docs/scoring.md does not show", name)
		}
	}
}

// The request says what a scorer needs and nothing that the page promises to
// keep: a field that is added must be added there too, by a person.
func TestWhatIsSentIsWhatIsPromised(t *testing.T) {
	var top []string
	for f := range reflect.TypeFor[score.Request]().Fields() {
		top = append(top, f.Name)
	}
	if want := []string{"Capture", "Watch", "URL", "Listing", "Assessment"}; !slices.Equal(top, want) {
		t.Errorf("a request has %v, docs/scoring.md promises %v", top, want)
	}
	schema := schemaText(t, reflect.TypeFor[score.Request]())
	for _, never := range []string{"html", "body", "screenshot", "cookie", "header", "decision", "note", "password"} {
		if strings.Contains(strings.ToLower(schema), `"`+never) {
			t.Errorf("a request has a member %q, which docs/scoring.md promises never to send", never)
		}
	}
}

// A redirect to another host does not take the token along.
func TestARedirectKeepsTheToken(t *testing.T) {
	var leaked string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { leaked = r.Header.Get("Authorization") }))
	defer other.Close()
	elsewhere := strings.Replace(other.URL, "127.0.0.1", "localhost", 1) // another host to a client
	r := remote(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere, http.StatusTemporaryRedirect)
	}, 0)
	if _, err := r.Score(t.Context(), exampleRequest(t)); err == nil {
		t.Error("an answer without a score was taken")
	}
	if leaked != "" {
		t.Error("the token went to another host")
	}
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

func schemaText(t *testing.T, typ reflect.Type) string {
	t.Helper()
	s := schema{"$schema": "https://json-schema.org/draft/2020-12/schema"}
	maps.Copy(s, schemaOf(t, typ))
	return marshal(t, s)
}

type schema map[string]any

// schemaOf is the JSON Schema of what encoding/json writes for a type.
func schemaOf(t *testing.T, typ reflect.Type) schema {
	t.Helper()
	switch typ {
	case reflect.TypeFor[decimal.Decimal]():
		return schema{"type": "string", "pattern": `^-?[0-9]+(\.[0-9]+)?$`}
	case reflect.TypeFor[capture.ID]():
		return schema{"type": "string", "format": "uuid"}
	case reflect.TypeFor[triage.Level]():
		return schema{"type": "string", "enum": []triage.Level{triage.Clear, triage.Review, triage.Suspicious}}
	}
	if typ.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		return schema{"type": "string"}
	}
	switch typ.Kind() {
	case reflect.Pointer:
		return schemaOf(t, typ.Elem())
	case reflect.String:
		return schema{"type": "string"}
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.Float64:
		return schema{"type": "number"}
	case reflect.Int, reflect.Int64:
		return schema{"type": "integer"}
	case reflect.Slice:
		return schema{"type": []string{"array", "null"}, "items": schemaOf(t, typ.Elem())}
	case reflect.Array:
		return schema{"type": "array", "items": schemaOf(t, typ.Elem()), "minItems": typ.Len(), "maxItems": typ.Len()}
	case reflect.Map:
		return schema{"type": []string{"object", "null"}, "additionalProperties": schemaOf(t, typ.Elem())}
	case reflect.Struct:
		props, required := schema{}, []string{}
		addFields(t, typ, props, &required)
		return schema{"type": "object", "properties": props, "required": required}
	}
	t.Fatalf("no schema for %s", typ)
	return nil
}

func addFields(t *testing.T, typ reflect.Type, props schema, required *[]string) {
	for f := range typ.Fields() {
		name, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			addFields(t, f.Type, props, required)
			continue
		}
		if !f.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			t.Fatalf("%s.%s has no name in JSON", typ, f.Name)
		}
		props[name] = schemaOf(t, f.Type)
		if !strings.Contains(rest, "omit") {
			*required = append(*required, name)
		}
	}
}
