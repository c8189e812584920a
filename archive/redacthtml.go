package archive

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"
)

// selected gives the elements that a selector finds, without those inside of
// others.
func selected(doc *html.Node, s cascadia.Sel) []*html.Node {
	all := cascadia.QueryAll(doc, s)
	return slices.DeleteFunc(all, func(n *html.Node) bool {
		for p := n.Parent; p != nil; p = p.Parent {
			if slices.Contains(all, p) {
				return true
			}
		}
		return false
	})
}

// textsOf gives what people read of an element: its text nodes, all its text
// in one, and the attributes that are shown or read out.
func textsOf(n *html.Node) []string {
	var all []string
	var whole strings.Builder
	for x := range n.Descendants() {
		switch x.Type {
		case html.TextNode:
			if x.Parent != nil && (x.Parent.Data == "script" || x.Parent.Data == "style") {
				continue
			}
			whole.WriteString(x.Data)
			all = append(all, x.Data)
		case html.ElementNode:
			all = append(all, shownAttributes(x)...)
		}
	}
	return append(append(all, whole.String()), shownAttributes(n)...)
}

func shownAttributes(n *html.Node) []string {
	var all []string
	for _, a := range n.Attr {
		switch a.Key {
		case "alt", "title", "value", "content", "placeholder", "aria-label", "datetime":
			all = append(all, a.Val)
		}
	}
	return all
}

var errDeep = errors.New("it is nested too deeply to be edited")

func parseHTML(src string) (*html.Node, error) {
	doc, err := html.Parse(strings.NewReader(src))
	if err != nil {
		return nil, errDeep
	}
	return doc, nil
}

// editHTML takes selected elements and needles out of HTML. changed is false
// when there was nothing to take out; the bytes are as they were then.
func (e *editor) editHTML(src string) (out string, changed bool, err error) {
	if len(e.selectors) == 0 && len(e.n.list) == 0 {
		return src, false, nil
	}
	doc, err := parseHTML(src)
	if err != nil {
		return "", false, err
	}
	for i, s := range e.selectors {
		if s == nil {
			continue
		}
		for _, x := range selected(doc, s) {
			changed = true
			e.count[i]++
			if x.Parent == nil {
				continue
			}
			x.Parent.InsertBefore(&html.Node{Type: html.TextNode, Data: mark}, x)
			x.Parent.RemoveChild(x)
		}
	}
	if e.hideNodes(doc) {
		changed = true
	}
	if !changed && !e.n.in(src) {
		return src, false, nil
	}
	var b bytes.Buffer
	if err := html.Render(&b, doc); err != nil {
		return "", false, err
	}
	out, _ = e.n.hide(b.String())
	return out, true, nil
}

// hideNodes takes needles out of the texts of a document, also of those that
// elements cut in pieces.
func (e *editor) hideNodes(doc *html.Node) bool {
	changed := false
	var texts []*html.Node
	for x := range doc.Descendants() {
		switch x.Type {
		case html.TextNode:
			if x.Parent == nil || x.Parent.Data != "script" && x.Parent.Data != "style" {
				texts = append(texts, x)
			}
			if s, hit := e.n.hide(x.Data); hit {
				x.Data, changed = s, true
			}
		case html.CommentNode, html.DoctypeNode:
			if s, hit := e.n.hide(x.Data); hit {
				x.Data, changed = s, true
			}
		case html.ElementNode:
			for i := range x.Attr {
				if s, hit := e.n.hide(x.Attr[i].Val); hit {
					x.Attr[i].Val, changed = s, true
				}
			}
		}
	}
	for _, between := range []string{"", " "} {
		if e.hideAcross(texts, between) {
			changed = true
		}
	}
	return changed
}

// hideAcross finds needles in the texts one behind the other.
func (e *editor) hideAcross(texts []*html.Node, between string) bool {
	var b strings.Builder
	starts := make([]int, len(texts))
	for i, x := range texts {
		starts[i] = b.Len()
		b.WriteString(x.Data)
		b.WriteString(between)
	}
	spans := e.n.find(b.String())
	for k := len(spans) - 1; k >= 0; k-- {
		s := spans[k]
		for i, x := range texts {
			from, to := max(s.from, starts[i])-starts[i], min(s.to, starts[i]+len(x.Data))-starts[i]
			if from >= to {
				continue
			}
			text := mark
			if s.from < starts[i] {
				text = "" // an earlier piece has the mark
			}
			x.Data = x.Data[:from] + text + x.Data[to:]
		}
	}
	return len(spans) > 0
}

// useful reports whether a text of a removed element says enough to be looked
// for elsewhere: "by" or "4" would hide half of the page.
func useful(s string) bool {
	f := strings.TrimSpace(fold(s).text)
	return utf8.RuneCountInString(f) >= 4 || utf8.RuneCountInString(f) >= 2 && f[0] >= 0x80
}
