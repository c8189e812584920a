package archive

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/manifest"
)

// Redaction is an order to make a copy of a capture from which parts are
// withheld. The original stays as it is.
type Redaction struct {
	Capture capture.ID `json:"capture" yaml:"capture"`
	Reason  string     `json:"reason" yaml:"reason"`
	Boxes   []Box      `json:"boxes" yaml:"boxes"`
	Remove  []Removal  `json:"remove" yaml:"remove"`
	// Seen names images ("viewport", "fullpage", "fullpage 2") that somebody
	// looked at and that show nothing of what is removed: without a box or this
	// an image is not handed on when content of the page is removed.
	Seen []string `json:"seen" yaml:"seen"`
}

// Box is a rectangle to paint black, in pixels from the top left. Without a
// role it is measured from the top of the page (with a tile: of that tile), and
// painted in every image that shows it.
type Box struct {
	Role string `json:"role" yaml:"role"`
	Tile int    `json:"tile" yaml:"tile"`
	X    int    `json:"x" yaml:"x"`
	Y    int    `json:"y" yaml:"y"`
	W    int    `json:"width" yaml:"width"`
	H    int    `json:"height" yaml:"height"`
	Why  string `json:"why" yaml:"why"`
}

// String tells a box without telling what it hides.
func (b Box) String() string {
	where := "page"
	if b.Role != "" {
		where = b.Role
	}
	if b.Tile > 0 {
		where += fmt.Sprintf(" tile %d", b.Tile)
	}
	return fmt.Sprintf("%s: %d,%d %dx%d", where, b.X, b.Y, b.W, b.H)
}

// Removal is something to take out everywhere. Kind is one of manifest.Change:
//
//	text      What is a text; it is replaced in every file, whatever its case and escapes
//	selector  What is a CSS selector: the elements go, and their texts everywhere else
//	url       What is a URL (with * for any part): its requests and answers go, and the URL wherever it stands
//	body      What is a URL (with *): what was answered goes, that it was asked for stays
//	header    What is the name of a header field: its values go from all requests and answers
//	artifact  What is a role: the file goes
type Removal struct {
	Kind string `json:"kind" yaml:"kind"`
	What string `json:"what" yaml:"what"`
	Why  string `json:"why" yaml:"why"`
}

// The bounds of an order.
const (
	maxBoxes    = 1000
	maxRemovals = 200
	minText     = 3 // characters: shorter texts stand everywhere by chance
)

// ParseRemoval reads "kind:what".
func ParseRemoval(s string) (Removal, error) {
	kind, what, ok := strings.Cut(s, ":")
	r := Removal{Kind: strings.TrimSpace(kind), What: strings.TrimSpace(what)}
	if !ok {
		return r, fmt.Errorf("%q is no kind:what; for example text:Jane Doe, selector:#reviews, url:https://tracker.example/*, header:set-cookie, artifact:reading", s)
	}
	return r, r.check()
}

// ParseBox reads "[role:]x,y,width,height[:tile]".
func ParseBox(s string) (Box, error) {
	bad := fmt.Errorf("%q is no box; want x,y,width,height in pixels, with :tile behind it or an image before it, as in 40,120,300,60 or 40,120,300,60:2 or viewport:40,120,300,60", s)
	var b Box
	parts := strings.Split(s, ":")
	if len(parts) > 1 && !strings.Contains(parts[0], ",") {
		b.Role, parts = parts[0], parts[1:]
	}
	if len(parts) == 2 {
		if _, err := fmt.Sscanf(parts[1], "%d", &b.Tile); err != nil || fmt.Sprint(b.Tile) != parts[1] || b.Tile < 1 {
			return b, bad
		}
		parts = parts[:1]
	}
	if len(parts) != 1 {
		return b, bad
	}
	n, err := fmt.Sscanf(parts[0], "%d,%d,%d,%d", &b.X, &b.Y, &b.W, &b.H)
	if err != nil || n != 4 || fmt.Sprintf("%d,%d,%d,%d", b.X, b.Y, b.W, b.H) != parts[0] {
		return b, bad
	}
	return b, b.check()
}

func (b Box) check() error {
	const most = 1 << 20
	if b.X < 0 || b.Y < 0 || b.W < 1 || b.H < 1 || b.X > most || b.Y > most || b.W > most || b.H > most || b.Tile < 0 {
		return fmt.Errorf("box %s: it must lie inside of the image, and be at least one pixel wide and high", b)
	}
	if b.Role != "" && !slices.Contains([]capture.Role{capture.RoleViewport, capture.RoleFullPage, capture.RoleBefore}, capture.Role(b.Role)) {
		return fmt.Errorf("box %s: %q is no image; they are viewport, fullpage and before", b, b.Role)
	}
	return nil
}

func (r Removal) check() error {
	switch r.Kind {
	case manifest.ChangeText:
		if utf8.RuneCountInString(strings.TrimSpace(fold(r.What).text)) < minText {
			return fmt.Errorf("a text to remove has at least %d characters: shorter ones stand everywhere by chance; remove the element with selector:CSS", minText)
		}
	case manifest.ChangeSelector, manifest.ChangeHeader:
		if r.What == "" {
			return fmt.Errorf("%s: needs something to remove", r.Kind)
		}
	case manifest.ChangeURL, manifest.ChangeBody:
		if strings.Trim(r.What, "*/:") == "" {
			return fmt.Errorf("%s: needs a URL, in which * stands for anything", r.Kind)
		}
	case manifest.ChangeArtifact:
		if r.What == manifest.RoleWARC || r.What == "" {
			return fmt.Errorf("artifact: needs a file's role: html, dom, text, reading, pageinfo, viewport, fullpage, before. The WARC is always made anew")
		}
	default:
		return fmt.Errorf("%q is no kind of removal; they are text, selector, url, body, header, artifact", r.Kind)
	}
	return nil
}

// Validate says what is wrong with an order.
func (r Redaction) Validate() error {
	switch {
	case r.Capture.IsZero():
		return fmt.Errorf("a redaction is of a capture")
	case strings.TrimSpace(r.Reason) == "":
		return fmt.Errorf("say why: the reason goes on record and into the package")
	case len(r.Boxes) == 0 && len(r.Remove) == 0:
		return fmt.Errorf("say what to hide: boxes, or things to remove")
	case len(r.Boxes) > maxBoxes || len(r.Remove) > maxRemovals:
		return fmt.Errorf("a redaction has at most %d boxes and %d removals", maxBoxes, maxRemovals)
	}
	for _, b := range r.Boxes {
		if err := b.check(); err != nil {
			return err
		}
	}
	for _, x := range r.Remove {
		if err := x.check(); err != nil {
			return err
		}
	}
	return nil
}

// globbed reports whether a URL fits a pattern in which * stands for anything.
func globbed(pattern, s string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return s == pattern
	}
	if !strings.HasPrefix(s, first) {
		return false
	}
	s = s[len(first):]
	parts := strings.Split(rest, "*")
	for i, p := range parts {
		if i == len(parts)-1 {
			return strings.HasSuffix(s, p)
		}
		at := strings.Index(s, p)
		if at < 0 {
			return false
		}
		s = s[at+len(p):]
	}
	return true
}
