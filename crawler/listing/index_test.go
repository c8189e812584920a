package listing

import (
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"
)

func TestSelectorKeys(t *testing.T) {
	for css, want := range map[string]string{
		"#a":                         "#a",
		"div#a.b":                    "#a",
		".x .y":                      ".y",
		"#a > span.b":                ".b",
		"ul li":                      "tli",
		"a[href*='/x,y(']":           "[href",
		"[data-Testid='a b']":        "[data-testid",
		"#p .a-price:not(.b) .c, h1": ".c th1",
		"body:has(#x) #y":            "#y",
		".a:not(:has(> .b))":         ".a",
		"div + p ~ i::before":        "ti",
		"[class*=price]":             "~price",
		"b[id^='Sims' i]":            "^sims",
		".a[class~=b]":               ".a",
		"[class*=größe]":             "~gr",
		"*":                          "",
		"*[itemprop]":                "[itemprop",
		`.a\+b`:                      "",
		"h1, *":                      "",
		"[data-a!=b]":                "",
		"[ data-a ]":                 "",
		"a:matches(it's), .b":        "",
		"a:Matches(it's), .b":        "",
		"[href#=it's], .b":           "",
		"a /* ' */, .b /* ' */ i":    "",
		".größe":                     "",
		":root":                      "",
		"P.b:not(.c, .d), LI":        ".b tli",
		"":                           "",
	} {
		var got []string
		keys, ok := selectorKeys(css)
		for _, k := range keys {
			got = append(got, string(k.kind)+k.name)
		}
		if g := strings.Join(got, " "); g != want || ok != (want != "") {
			t.Errorf("%q: got %q %v, want %q", css, g, ok, want)
		}
	}
}

// TestFindIsTheWalk holds that the index finds what a walk of the whole tree
// does, for every selector of every site file on a page made of their parts.
func TestFindIsTheWalk(t *testing.T) {
	var selectors []string
	dir := "../../configs/sites"
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	quoted := regexp.MustCompile(`css: ("(?:[^"\\]|\\.)*")`)
	names := regexp.MustCompile(`[.#]([A-Za-z_][\w-]*)|\[([\w-]+)(?:[*^$~|]?=['"]?([^\]'"]*))?`)
	var attrs []string
	for _, f := range files {
		text, err := os.ReadFile(dir + "/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range quoted.FindAllStringSubmatch(string(text), -1) {
			css := strings.ReplaceAll(strings.Trim(m[1], `"`), `\\`, `\`)
			selectors = append(selectors, css)
			for _, n := range names.FindAllStringSubmatch(css, -1) {
				switch {
				case n[2] != "":
					attrs = append(attrs, n[2]+`="`+html.EscapeString(n[3])+`"`)
				case strings.HasPrefix(n[0], "#"):
					attrs = append(attrs, `id="`+n[1]+`"`)
				default:
					attrs = append(attrs, `class="x `+n[1]+` y"`)
				}
			}
		}
	}
	if len(selectors) < 200 {
		t.Fatalf("only %d selectors were read from the site files", len(selectors))
	}
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for i := range 6000 {
		tag := []string{"div", "span", "h1", "li", "p", "b"}[r.IntN(6)]
		b.WriteString("<" + tag + " " + attrs[r.IntN(len(attrs))] + ">t")
		if i%3 == 0 {
			b.WriteString("</" + tag + ">")
		}
		if i%400 == 399 {
			b.WriteString(strings.Repeat("</div></span></li></p></b>", 100))
		}
	}
	d := Parse("https://shop.example/", Decode([]byte(b.String()), "text/html"))
	matched := 0
	for _, css := range selectors {
		sel, err := cascadia.Compile(css)
		if err != nil {
			continue // written over several YAML escapes
		}
		got, want := d.Find(css, sel), cascadia.QueryAll(d.root, sel)
		matched += len(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d elements, the walk finds %d", css, len(got), len(want))
		}
	}
	if matched < 1000 {
		t.Errorf("the page matched %d times only: nothing was compared", matched)
	}
}

// FuzzFind holds that the index finds what a walk of the tree does, whatever
// the selector.
func FuzzFind(f *testing.F) {
	page := "<!DOCTYPE html><html class='a\u00a0b'>" + `<body id=a><div id=b class="a b"><p class="b&#11;c" data-a=b>x<i lang=de></i></p>` +
		`<svg viewBox="0 0 1 1"><linearGradient id=c class="a"></linearGradient></svg><p data-a="it's, c" DATA-B></p></div>` +
		`<template><p class="a b c"></p></template><noscript><b class=c></b></noscript><a href=/x>a</a><input disabled></body></html>`
	d := Parse("https://shop.example/", Decode([]byte(page), "text/html"))
	for _, css := range []string{
		"#a", ".a.b", "p, .a:not(.b)", "[data-a!=b]", "p:matches(it's), .a", "a /*'*/, .a /*'*/ .b", ".a\u00a0b", "[href#='x'], p",
		":root", "svg lineargradient", "[VIEWBOX]", "P", ".A", "div > p + p", `.\61`, `[data-a='it\'s, c'], i`, ":has(> p, i) p", "p:contains('x, y'), a", ":is(p, i)", "a:link", ":empty", "svg|a", "p::before", "p\r\n.b",
	} {
		f.Add(css)
	}
	f.Fuzz(func(t *testing.T, css string) {
		if len(css) > 200 {
			return
		}
		sel, err := cascadia.Compile(css)
		if err != nil {
			return
		}
		if got, want := d.Find(css, sel), cascadia.QueryAll(d.root, sel); !slices.Equal(got, want) {
			t.Errorf("%q: %d elements, the walk finds %d", css, len(got), len(want))
		}
	})
}
