package triage

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
)

//go:embed vocabulary.yaml
var vocabularyText []byte

// words gives the vocabulary. It is compiled in: a damaged one is a defect of
// the build that any test shows.
var words = sync.OnceValue(func() *vocabulary {
	v, err := readVocabulary(vocabularyText)
	if err != nil {
		panic("triage: " + err.Error())
	}
	return v
})

// vocabulary is vocabulary.yaml, compiled.
type vocabulary struct {
	version    string
	entries    []entry
	tree       tree
	patterned  []int // entries that have patterns
	generic    map[string]bool
	channels   []channel
	compat     []compatWord
	audience   map[string]bool
	articles   map[string]bool
	nouns      map[string]string // bare word -> kind
	accessory  []string
	odd        []string
	noBrand    map[string]bool // false: only what stands there by default
	labels     []string        // of a brand field, plain
	dictionary map[string]bool
	countries  map[string]string
}

type entry struct {
	class    string
	points   float64
	langs    map[string]bool
	any      bool
	anchors  []string
	patterns []*regexp.Regexp
	unless   *regexp.Regexp
	// before: unless looks only at what stands before the hit.
	before bool
	// near: counts only within nearBrand characters of the brand.
	near bool
}

type compatWord struct {
	text string // bare
	weak bool
}

type channel struct {
	Name   string   `yaml:"name"`
	Points float64  `yaml:"points"`
	Words  []string `yaml:"words"`
	ID     string   `yaml:"id"`
	Alone  bool     `yaml:"alone"`
	id     *regexp.Regexp
}

type vocabularyFile struct {
	Version string `yaml:"version"`
	Entries []struct {
		Class    string   `yaml:"class"`
		Points   float64  `yaml:"points"`
		Langs    []string `yaml:"langs"`
		Words    []string `yaml:"words"`
		Patterns []string `yaml:"patterns"`
		Anchors  []string `yaml:"anchors"`
		Unless   string   `yaml:"unless"`
		Guard    string   `yaml:"guard"`
		Near     string   `yaml:"near"`
		Check    string   `yaml:"check"`
	} `yaml:"entries"`
	Generic  []string  `yaml:"generic_titles"`
	Channels []channel `yaml:"channels"`
	Compat   struct {
		Strong []string `yaml:"strong"`
		Weak   []string `yaml:"weak"`
	} `yaml:"compat"`
	Audience  []string            `yaml:"audience"`
	Articles  []string            `yaml:"articles"`
	Nouns     map[string][]string `yaml:"nouns"`
	Accessory []string            `yaml:"accessory_categories"`
	Odd       []string            `yaml:"odd_categories"`
	NoBrand   struct {
		Said    []string `yaml:"said"`
		Default []string `yaml:"default"`
	} `yaml:"no_brand"`
	Labels     []string            `yaml:"brand_labels"`
	Dictionary []string            `yaml:"dictionary"`
	Countries  map[string][]string `yaml:"countries"`
}

func readVocabulary(text []byte) (*vocabulary, error) {
	var f vocabularyFile
	if err := yaml.UnmarshalWithOptions(text, &f, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("vocabulary.yaml: %w", err)
	}
	v := &vocabulary{
		version: f.Version, generic: bareSet(f.Generic), channels: f.Channels, audience: bareSet(f.Audience), articles: bareSet(f.Articles),
		nouns: map[string]string{}, accessory: bareList(f.Accessory), odd: bareList(f.Odd), noBrand: bareSet(f.NoBrand.Said), dictionary: bareSet(f.Dictionary), countries: map[string]string{},
	}
	for i, e := range f.Entries {
		c := entry{class: e.Class, points: e.Points, langs: map[string]bool{}, before: e.Guard == "before", near: e.Near == "brand"}
		for _, l := range e.Langs {
			c.langs[l], c.any = true, c.any || l == "any"
		}
		var err error
		if e.Unless != "" {
			if c.unless, err = regexp.Compile(e.Unless); err != nil {
				return nil, fmt.Errorf("vocabulary.yaml: entry %d: unless: %w", i, err)
			}
		}
		for _, p := range e.Patterns {
			re, err := regexp.Compile(p)
			if err != nil {
				return nil, fmt.Errorf("vocabulary.yaml: entry %d: %w", i, err)
			}
			c.patterns = append(c.patterns, re)
		}
		for _, a := range e.Anchors {
			c.anchors = append(c.anchors, plain(a).text)
		}
		if len(c.patterns) > 0 {
			v.patterned = append(v.patterned, i)
		}
		for _, w := range e.Words {
			v.tree.add(w, i)
		}
		v.entries = append(v.entries, c)
	}
	for i := range v.channels {
		if c := &v.channels[i]; c.ID != "" {
			re, err := regexp.Compile(c.ID)
			if err != nil {
				return nil, fmt.Errorf("vocabulary.yaml: channel %s: %w", c.Name, err)
			}
			c.id = re
		}
		for j, w := range v.channels[i].Words {
			v.channels[i].Words[j] = plain(w).text
		}
	}
	for _, w := range bareList(f.NoBrand.Default) {
		v.noBrand[w] = false
	}
	for _, w := range f.Labels {
		v.labels = append(v.labels, plain(w).text)
	}
	for _, w := range f.Compat.Strong {
		v.compat = append(v.compat, compatWord{strings.TrimSpace(bare(w).text), false})
	}
	for _, w := range f.Compat.Weak {
		v.compat = append(v.compat, compatWord{strings.TrimSpace(bare(w).text), true})
	}
	for kind, list := range f.Nouns {
		for _, w := range list {
			v.nouns[strings.TrimSpace(bare(w).text)] = kind
		}
	}
	for code, list := range f.Countries {
		for _, w := range list {
			v.countries[strings.TrimSpace(bare(w).text)] = code
		}
	}
	return v, nil
}

func bareList(list []string) (out []string) {
	for _, w := range list {
		out = append(out, strings.TrimSpace(bare(w).text))
	}
	return out
}

func bareSet(list []string) map[string]bool {
	out := map[string]bool{}
	for _, w := range bareList(list) {
		out[w] = true
	}
	return out
}

// tree finds all terms of the vocabulary in one pass.
type tree struct {
	next map[byte]*tree
	ends []end
}

type end struct {
	entry int
	open  bool // any ending
}

func (t *tree) add(term string, entry int) {
	s, open := strings.CutSuffix(plain(term).text, "*")
	for i := range len(s) {
		if t.next == nil {
			t.next = map[byte]*tree{}
		}
		n := t.next[s[i]]
		if n == nil {
			n = &tree{}
			t.next[s[i]] = n
		}
		t = n
	}
	t.ends = append(t.ends, end{entry, open})
}

// each calls found for every term in s, wherever it begins.
func (t *tree) each(s string, found func(entry, a, b int)) {
	for a := 0; a < len(s); a++ {
		if !utf8.RuneStart(s[a]) {
			continue
		}
		n := t
		for b := a; b < len(s); {
			if n = n.next[s[b]]; n == nil {
				break
			}
			b++
			for _, e := range n.ends {
				if e.open && wholeStart(s, a) || wholeAt(s, a, b) {
					found(e.entry, a, b)
				}
			}
		}
	}
}

func wholeStart(s string, a int) bool {
	first, _ := utf8.DecodeRuneInString(s[a:])
	before, n := utf8.DecodeLastRuneInString(s[:a])
	return n == 0 || !spaced(first) || !spaced(before)
}

// hit is a term that was found and that no guard took back.
type hit struct {
	entry int
	text  string
	at    [2]int // in the plain text
}

// Reaches, in bytes of plain text.
const (
	guardReach = 80
	nearBrand  = 60
)

// hits finds the terms of a text. brand are the places of the brand in the
// plain text.
func (v *vocabulary) hits(s string, langs map[string]bool, brand [][2]int) []hit {
	var out []hit
	take := func(i, a, b int) {
		e := &v.entries[i]
		if len(out) >= 200 || !e.speaks(langs) || e.near && !nearAny(a, b, brand) || e.guarded(s, a, b) {
			return
		}
		out = append(out, hit{i, s[a:b], [2]int{a, b}})
	}
	v.tree.each(s, take)
	for _, i := range v.patterned {
		e := &v.entries[i]
		if !e.speaks(langs) || !slices.ContainsFunc(e.anchors, func(a string) bool { return strings.Contains(s, a) }) {
			continue
		}
		for _, re := range e.patterns {
			for _, m := range re.FindAllStringIndex(s, 20) {
				take(i, m[0], m[1])
			}
		}
	}
	return out
}

func (e *entry) speaks(langs map[string]bool) bool {
	if e.any {
		return true
	}
	for l := range e.langs {
		if langs[l] {
			return true
		}
	}
	return false
}

func (e *entry) guarded(s string, a, b int) bool {
	if e.unless == nil {
		return false
	}
	from := a
	for from > 0 && a-from < guardReach {
		_, n := utf8.DecodeLastRuneInString(s[:from])
		from -= n
	}
	to, _ := clip(s[b:], guardReach)
	if e.before {
		return e.unless.MatchString(s[from:a])
	}
	return e.unless.MatchString(s[from:b] + to)
}

func nearAny(a, b int, places [][2]int) bool {
	for _, p := range places {
		if a <= p[1]+nearBrand && p[0] <= b+nearBrand {
			return true
		}
	}
	return false
}
