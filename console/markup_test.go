package console

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// TestPagesCanBeUsedByEverybody holds what a keyboard, a screen reader and our
// own content security policy need of every page.
func TestPagesCanBeUsedByEverybody(t *testing.T) {
	w := newWorld(t)
	f := w.found("7", "Belvoir bag", 0.9)
	w.found("8", "Belvoir bag two", 0.8)
	b := w.as(Admin)
	kase := b.post("/captures/"+f.Capture.String()+"/case", map[string][]string{"name": {"A v. B"}}).Header().Get("Location")
	b.post("/findings/"+f.ID.String()+"/decision", map[string][]string{"choice": {"counterfeit"}, "version": {"0"}})
	b.post("/lanes", map[string][]string{"lane": {"market"}, "action": {"pause"}})
	pages := map[string]string{}
	for _, p := range []string{
		"/findings", "/findings?state=all&done=" + f.ID.String(), "/findings?left=2&batch=" + f.ID.String(), "/findings?min=99", "/findings/" + f.ID.String(), "/watches", "/watches/new", "/watches/" + w.watch.ID.String(), "/watches/" + w.watch.ID.String() + "/edit", "/evidence", "/evidence?q=nothing",
		"/captures/" + f.Capture.String(), "/captures/" + f.Capture.String() + "/source/dom", "/cases", kase, "/status", "/help",
	} {
		pages[p] = b.page(p)
	}
	pages["/nowhere"] = b.get("/nowhere").Body.String()
	pages["/signin"] = w.nobody().page("/signin")
	pages["/signin?token"] = w.nobody().page("/signin?token=x")
	for path, body := range pages {
		doc, err := html.Parse(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range problems(doc) {
			t.Errorf("%s: %s", path, problem)
		}
	}
}

func attr(n *html.Node, key string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val, true
		}
	}
	return "", false
}

func textOf(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data
	}
	s, _ := attr(n, "alt") // what a picture says
	for c := range n.ChildNodes() {
		s += textOf(c)
	}
	return strings.TrimSpace(s)
}

func problems(doc *html.Node) (out []string) {
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	counts, keys, ids := map[string]int{}, map[string]int{}, map[string]int{}
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		counts[n.Data]++
		for _, a := range n.Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
				add("<%s> has an inline %s, which the policy forbids", n.Data, a.Key)
			}
			if (a.Key == "href" || a.Key == "src" || a.Key == "action") && strings.Contains(a.Val, "ZgotmplZ") {
				add("<%s> has an address that the templates refused", n.Data)
			}
		}
		if k, ok := attr(n, "data-key"); ok {
			keys[k]++
		}
		if id, ok := attr(n, "id"); ok {
			ids[id]++
		}
		label, labelled := attr(n, "aria-label")
		switch n.Data {
		case "html":
			if l, _ := attr(n, "lang"); l == "" {
				add("the page has no language")
			}
		case "img":
			if _, ok := attr(n, "alt"); !ok {
				add("an image has no alt")
			}
		case "button", "a":
			hiddenFromAll, _ := attr(n, "aria-hidden")
			if textOf(n) == "" && label == "" && hiddenFromAll != "true" {
				add("<%s> says nothing: %v", n.Data, n.Attr)
			}
		case "input", "select", "textarea":
			if kind, _ := attr(n, "type"); kind != "hidden" && !labelled && !within(n, "label") {
				add("<%s> has no label: %v", n.Data, n.Attr)
			}
		case "script":
			if _, ok := attr(n, "src"); !ok {
				add("a script is inline")
			}
		case "form":
			if m, _ := attr(n, "method"); m == "" {
				add("a form has no method")
			}
		case "th":
			if s, _ := attr(n, "scope"); s == "" {
				add("a head of a table has no scope: %s", textOf(n))
			}
		}
	}
	for _, one := range []string{"main", "h1", "title"} {
		if counts[one] != 1 {
			add("the page has %d <%s>", counts[one], one)
		}
	}
	for k, n := range keys {
		if n > 1 {
			add("the key %s does %d things", k, n)
		}
	}
	for id, n := range ids {
		if n > 1 {
			add("the id %s is there %d times", id, n)
		}
	}
	return out
}

func within(n *html.Node, name string) bool {
	for p := range n.Ancestors() {
		if p.Data == name {
			return true
		}
	}
	return false
}

// TestColoursCanBeRead holds the contrast of WCAG 2.2, 1.4.3 (AA): 4.5 to 1,
// in both schemes.
func TestColoursCanBeRead(t *testing.T) {
	css := string(must(staticFiles.ReadFile("static/console.css"))(t))
	light, dark, ok := strings.Cut(css, "@media (prefers-color-scheme: dark)")
	if !ok {
		t.Fatal("there is no dark scheme")
	}
	dark = dark[:strings.Index(dark, "*, *::before")]
	variable := regexp.MustCompile(`--([a-z0-9-]+): (#[0-9a-f]{3,6});`)
	for name, part := range map[string]string{"light": light, "dark": dark} {
		colour := map[string]float64{}
		for _, m := range variable.FindAllStringSubmatch(part, -1) {
			colour[m[1]] = luminance(t, m[2])
		}
		for _, pair := range []string{
			"text bg", "text card", "text accent-soft", "text good-soft", "text bad-soft", "text warn-soft", "muted bg", "muted card", "muted sunk", "muted accent-soft",
			"accent bg", "accent card", "accent accent-soft", "accent good-soft", "on-accent accent", "bad card", "bad bg", "bad bad-soft", "bad accent-soft", "warn card", "warn bg", "warn warn-soft",
			"good good-soft", "good card", "good bg", "wait wait-soft", "mark-text mark",
		} {
			front, back, _ := strings.Cut(pair, " ")
			a, okA := colour[front]
			b, okB := colour[back]
			if !okA || !okB {
				t.Errorf("%s has not both of %s", name, pair)
				continue
			}
			if c := (max(a, b) + 0.05) / (min(a, b) + 0.05); c < 4.5 {
				t.Errorf("%s: %s on %s has a contrast of %.2f", name, front, back, c)
			}
		}
	}
}

// luminance is the relative luminance of WCAG 2.2.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	hex = hex[1:]
	if len(hex) == 3 {
		hex = strings.Repeat(hex[:1], 2) + strings.Repeat(hex[1:2], 2) + strings.Repeat(hex[2:], 2)
	}
	var l float64
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		l += weight * c
	}
	return l
}

// TestTheKeysOfTheHelpAreThere: what the help says, pages have.
func TestTheKeysOfTheHelpAreThere(t *testing.T) {
	w := newWorld(t)
	w.found("6", "Belvoir zero", 0.95)
	f := w.found("7", "Belvoir bag", 0.9)
	w.found("8", "Belvoir bag two", 0.8)
	b := w.as(Analyst)
	page := b.page("/findings/" + f.ID.String())
	for _, k := range []string{"j", "k", "o", "q", "?", "1", "2", "3", "4", "5", "6", "7", "8"} {
		if !strings.Contains(page, `data-key="`+k+`"`) {
			t.Errorf("the page of a finding has no key %s", k)
		}
	}
	if !strings.Contains(page, `data-focus="n"`) {
		t.Error("no key leads to the note")
	}
	// The way to the evidence and back keeps the place in the queue.
	m := regexp.MustCompile(`href="([^"]+)" data-key="o"`).FindStringSubmatch(b.page("/findings/" + f.ID.String() + "?min=10"))
	if m == nil {
		t.Fatal("o leads nowhere")
	}
	evidence := b.page(strings.ReplaceAll(m[1], "&amp;", "&"))
	if !strings.Contains(evidence, `<a href="/findings/`+f.ID.String()+`?min=10" data-key="q">← Finding</a>`) {
		t.Error("q does not lead back from the evidence to the finding in its queue")
	}
	if strings.Contains(b.page("/captures/"+f.Capture.String()+"?back=https://evil.example/findings/"), "evil.example") {
		t.Error("the way back can lead away")
	}
}
