package listing

import (
	"bytes"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"golang.org/x/text/unicode/norm"
)

// Document is a parsed page. It is used by one goroutine.
type Document struct {
	URL      *url.URL // of the page; never nil
	Encoding string
	Problems []string
	Size     int // bytes of text

	root     *html.Node
	base     *url.URL
	ids      map[string]*html.Node
	all      elements
	scripts  []script
	metas    []meta
	anchors  []*html.Node
	forms    []*html.Node
	headings []*html.Node // h1
	title    string
	canon    string
	lang     string
	dataJSON []script // attributes that hold JSON
	items    int      // elements with itemscope or typeof
	elements int
	binary   bool

	nodes    int // budget of embedded values
	states   []state
	stated   bool
	stream   []byte // see addEnqueued
	ld       []*Tree
	ldRead   bool
	visible  string
	seen     bool
	amounts  map[string]map[string]bool
	decoySet map[*html.Node]bool
	decoyIn  map[*html.Node]bool // what inDecoy said
	abs      map[string]string   // what Absolute said
	titles   []string
	names    map[string]nameFlags
	around   map[string]nameFlags
}

type script struct {
	id, kind, text string
}

type meta struct {
	key, content string
	node         *html.Node
}

// Parse reads a page. It never fails: what could not be read is in Problems.
func Parse(pageURL string, d Decoded) *Document {
	doc := &Document{Encoding: d.Encoding, Size: len(d.Text), nodes: maxTreeNodes, ids: map[string]*html.Node{}, all: newElements(), binary: d.Encoding == "binary"}
	doc.Problems = append(doc.Problems, d.Problems...)
	u, err := url.Parse(pageURL)
	if err != nil {
		u = &url.URL{}
	}
	doc.URL, doc.base = u, u
	text := d.Text
	if n := bytes.Count(text, []byte("<")); n > maxTags {
		text = cutAtTag(text, maxTags)
		doc.problem("the page has %d tags; only the first %d were read", n, maxTags)
	}
	doc.root, err = html.Parse(bytes.NewReader(text))
	if err != nil {
		doc.problem("the page is nested too deeply (%v): elements below level %d were read as their text", err, maxDepth)
		doc.root, err = html.Parse(bytes.NewReader(flatten(text)))
	}
	if err != nil {
		doc.problem("the page could not be parsed: %v", err)
		doc.root = &html.Node{Type: html.DocumentNode}
	}
	doc.collect()
	doc.abs = map[string]string{} // not before: <base> changes them
	return doc
}

func (d *Document) problem(format string, args ...any) {
	if len(d.Problems) < 50 {
		d.Problems = append(d.Problems, fmt.Sprintf(format, args...))
	}
}

// Binary reports that the body was no text.
func (d *Document) Binary() bool { return d.binary }

func cutAtTag(text []byte, n int) []byte {
	at := 0
	for ; n > 0; n-- {
		i := bytes.IndexByte(text[at:], '<')
		if i < 0 {
			return text
		}
		at += i + 1
	}
	return text[:at-1]
}

// maxDepth is the nesting kept of a page that html.Parse refuses (it stops at
// 512 open elements).
const maxDepth = 200

var voidTags = map[string]bool{"area": true, "base": true, "br": true, "col": true, "embed": true, "hr": true, "img": true, "input": true, "link": true, "meta": true, "source": true, "track": true, "wbr": true}

// flatten drops the start and end tags below maxDepth.
func flatten(text []byte) []byte {
	var out bytes.Buffer
	z := html.NewTokenizer(bytes.NewReader(text))
	depth := 0
	for {
		switch z.Next() {
		case html.ErrorToken:
			return out.Bytes()
		case html.StartTagToken:
			name, _ := z.TagName()
			if !voidTags[string(name)] {
				depth++
			}
			if depth <= maxDepth {
				out.Write(z.Raw())
			}
		case html.EndTagToken:
			if depth <= maxDepth {
				out.Write(z.Raw())
			}
			depth = max(0, depth-1)
		default:
			out.Write(z.Raw())
		}
	}
}

// collect walks the tree once and keeps what is asked for often.
func (d *Document) collect() {
	for n := range d.root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		d.elements++
		d.all.add(n)
		d.collectAttrs(n)
		switch n.DataAtom {
		case atom.Html:
			d.lang = attr(n, "lang")
			if d.lang == "" {
				d.lang = attr(n, "xml:lang")
			}
		case atom.Title:
			if d.title == "" && !insideSVG(n) {
				d.title = Clean(nodeText(n))
			}
		case atom.Base:
			if b, err := d.URL.Parse(attr(n, "href")); err == nil && attr(n, "href") != "" {
				d.base = b
			}
		case atom.Meta:
			d.collectMeta(n)
		case atom.Link:
			if d.canon == "" && strings.EqualFold(attr(n, "rel"), "canonical") {
				d.canon = attr(n, "href")
			}
		case atom.Script:
			d.scripts = append(d.scripts, script{attr(n, "id"), strings.ToLower(strings.TrimSpace(attr(n, "type"))), rawText(n)})
		case atom.A:
			d.anchors = append(d.anchors, n)
		case atom.Form:
			d.forms = append(d.forms, n)
		case atom.H1:
			d.headings = append(d.headings, n)
		}
	}
}

func insideSVG(n *html.Node) bool { return n.Namespace != "" }

func (d *Document) collectAttrs(n *html.Node) {
	for _, a := range n.Attr {
		switch {
		case a.Key == "id":
			if _, ok := d.ids[a.Val]; !ok {
				d.ids[a.Val] = n
			}
		case a.Key == "itemscope" || a.Key == "typeof":
			d.items++
		case len(a.Val) > 100 && a.Key != "" && (strings.HasPrefix(a.Key, "data-") || a.Key[0] == ':') && (a.Val[0] == '{' || a.Val[0] == '[') && len(d.dataJSON) < 100:
			d.dataJSON = append(d.dataJSON, script{a.Key, "attribute", a.Val})
		}
	}
}

func (d *Document) collectMeta(n *html.Node) {
	content := attr(n, "content")
	for _, key := range []string{"property", "name", "itemprop"} {
		if v := attr(n, key); v != "" && len(d.metas) < 2000 {
			d.metas = append(d.metas, meta{strings.ToLower(strings.TrimSpace(v)), content, n})
			break
		}
	}
}

// Meta gives the content of the first <meta> of a name or property.
func (d *Document) Meta(key string) string {
	for _, m := range d.metas {
		if m.key == key && m.content != "" {
			return m.content
		}
	}
	return ""
}

// Title is the text of <title>.
func (d *Document) Title() string { return d.title }

// Language is what the page declares, as BCP 47; "" when it does not.
func (d *Document) Language() string {
	for _, l := range []string{d.lang, d.Meta("og:locale"), d.Meta("content-language")} {
		l = strings.ReplaceAll(strings.TrimSpace(l), "_", "-")
		if langTag.MatchString(l) {
			return l
		}
	}
	return ""
}

// archived is what web archives put before the addresses of a page they show.
var archived = regexp.MustCompile(`^https?://web\.archive\.org/web/[0-9a-z_]+/(?:https?:/)?/?$|^https?://web\.archive\.org/web/[0-9]+[a-z_]*/`)

var langTag = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)

// CanonicalLinks are the addresses that the page gives for itself, absolute:
// <link rel=canonical>, then og:url.
func (d *Document) CanonicalLinks() []string {
	var out []string
	for _, l := range []string{d.canon, d.Meta("og:url")} {
		if abs := d.Absolute(l); abs != "" {
			out = append(out, archived.ReplaceAllString(abs, ""))
		}
	}
	return out
}

// Absolute resolves an address of the page; "" when it is not http(s).
func (d *Document) Absolute(ref string) string {
	ref = strings.TrimSpace(ref)
	if ref == "" || len(ref) > 8192 {
		return ""
	}
	if abs, ok := d.abs[ref]; ok {
		return abs
	}
	abs := ""
	if u, err := d.base.Parse(ref); err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" {
		abs = u.String()
	}
	if d.abs != nil && len(d.abs) < maxAbsolute {
		d.abs[ref] = abs
	}
	return abs
}

// maxAbsolute bounds the addresses that are remembered: the links of a page are
// asked for several times.
const maxAbsolute = 20_000

// Anchors are the <a> of the page in its order.
func (d *Document) Anchors() []*html.Node { return d.anchors }

// Forms are the <form> of the page in its order.
func (d *Document) Forms() []*html.Node { return d.forms }

// Elements counts the elements of the page.
func (d *Document) Elements() int { return d.elements }

// Find gives the elements that a selector matches, in document order. css is
// the selector's text: it says which elements need not be looked at.
func (d *Document) Find(css string, sel cascadia.Selector) []*html.Node {
	at, ok := d.all.candidates(css)
	if !ok {
		return cascadia.QueryAll(d.root, sel)
	}
	var out []*html.Node
	for _, i := range at {
		if n := d.all.list[i]; sel.Match(n) {
			out = append(out, n)
		}
	}
	return out
}

// Visible is the text of the page without scripts, styles and templates.
func (d *Document) Visible() string {
	if !d.seen {
		d.visible, d.seen = nodeText(d.root), true
	}
	return d.visible
}

// attr gives an attribute's value.
func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// Attr gives an attribute's value, "" when the element has none.
func Attr(n *html.Node, key string) string { return attr(n, key) }

// rawText joins the text children, as of a script.
func rawText(n *html.Node) string {
	if c := n.FirstChild; c != nil && c.NextSibling == nil && c.Type == html.TextNode {
		return c.Data
	}
	var b strings.Builder
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return b.String()
}

// unseen reports elements whose text nobody reads.
func unseen(a atom.Atom) bool {
	switch a {
	case atom.Script, atom.Style, atom.Noscript, atom.Template, atom.Iframe, atom.Svg:
		return true
	}
	return false
}

// blocks reports elements that stand on lines of their own.
func blocks(a atom.Atom) bool {
	switch a {
	case atom.P, atom.Div, atom.Li, atom.Br, atom.Tr, atom.Td, atom.Th, atom.Dd, atom.Dt, atom.H1, atom.H2, atom.H3, atom.H4,
		atom.Section, atom.Article, atom.Ul, atom.Ol, atom.Table, atom.Option, atom.Button, atom.Title:
		return true
	}
	return false
}

// nodeText gives the text of an element as a reader sees it: no scripts, block
// elements apart.
func nodeText(n *html.Node) string {
	var b strings.Builder
	writeText(&b, n, 4<<20)
	return b.String()
}

func writeText(b *strings.Builder, n *html.Node, most int) {
	if b.Len() > most {
		return
	}
	if n.Type == html.TextNode {
		b.WriteString(n.Data)
		return
	}
	if n.Type == html.ElementNode && unseen(n.DataAtom) {
		return
	}
	block := blocks(n.DataAtom)
	if block {
		b.WriteByte('\n')
	} else if n.Type == html.ElementNode && isCents(n) {
		writeCentsMark(b)
	}
	for c := n.FirstChild; c != nil && b.Len() <= most; c = c.NextSibling {
		writeText(b, c, most)
	}
	if block {
		b.WriteByte('\n')
	}
}

var centsName = regexp.MustCompile(`(?i)cent(?:s|avos|imes)?\b|decimal|fraction|superscript|(?:^|[-_ ])sup(?:$|[-_ ])`)

func namesCents(class string) bool {
	return class != "" && containsAny(strings.ToLower(class), centsWords) && centsName.MatchString(class)
}

var centsWords = []string{"cent", "decimal", "fraction", "sup"}

// isCents recognises raised cents ($12<sup>99</sup>): without a mark their
// digits would join the whole amount's.
func isCents(n *html.Node) bool {
	c := n.FirstChild
	if c == nil || c.NextSibling != nil || c.Type != html.TextNode || len(c.Data) > 20 {
		return false
	}
	t := strings.TrimSpace(c.Data)
	return len(t) == 2 && isDigit(t[0]) && isDigit(t[1]) && (n.DataAtom == atom.Sup || namesCents(attr(n, "class")))
}

// writeCentsMark writes the decimal separator that the layout stands for: the
// one that the whole amount does not use.
func writeCentsMark(b *strings.Builder) {
	s := b.String()
	trimmed := strings.TrimRight(s[max(0, len(s)-40):], " \n")
	if trimmed == "" || !isDigit(trimmed[len(trimmed)-1]) {
		return
	}
	i := len(trimmed)
	for i > 0 && (isDigit(trimmed[i-1]) || trimmed[i-1] == '.' || trimmed[i-1] == ',') {
		i--
	}
	mark := byte('.')
	if strings.Contains(trimmed[i:], ".") {
		mark = ','
	}
	b.WriteByte(mark)
}

// Text gives an element's text, cleaned.
func Text(n *html.Node) string { return Clean(nodeText(n)) }

// plainText reports a text of ASCII alone, and whether Clean has nothing to do.
func plainText(s string) (plain, tidy bool) {
	tidy = s == "" || s[0] != ' ' && s[len(s)-1] != ' '
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= 0x80:
			return false, false
		case c >= '\t' && c <= '\r', c == ' ' && i > 0 && s[i-1] == ' ':
			tidy = false
		}
	}
	return true, tidy
}

// oneSpace is Clean for a text of ASCII alone.
func oneSpace(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for word := range strings.FieldsSeq(s) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(word)
	}
	return b.String()
}

// Clean makes a text comparable: NFC, one space for every run of white space,
// no invisible characters at the ends.
func Clean(s string) string {
	if plain, tidy := plainText(s); tidy {
		return s
	} else if plain {
		return oneSpace(s)
	}
	s = norm.NFC.String(strings.ToValidUTF8(s, "\uFFFD"))
	return strings.Trim(strings.Join(strings.Fields(s), " "), " \u200b\u200e\u200f\ufeff\u00ad\u2060")
}
