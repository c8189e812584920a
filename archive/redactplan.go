package archive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/andybalholm/cascadia"
	"github.com/gowebpki/jcs"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/manifest"
	"github.com/trawlmark/trawlmark/archive/warc"
)

type selectorOf = cascadia.Sel

// newEditor makes of an order what is looked for: texts, the URLs that fit,
// and what people read of the elements that go.
func (r *redacting) newEditor(whole string, bodies [][]byte) (*editor, error) {
	k := len(r.order.Remove)
	e := &editor{
		spec: r.order, selectors: make([]selectorOf, k), count: make([]int64, k), textOf: make([]int, k),
		decisions: map[capture.Digest]decision{}, newID: r.a.IDs.New,
	}
	for i, x := range r.order.Remove {
		e.textOf[i] = -1
		switch x.Kind {
		case manifest.ChangeText:
			e.textOf[i] = e.n.add(x.What)
		case manifest.ChangeSelector:
			s, err := cascadia.Parse(x.What)
			if err != nil {
				return nil, cannot("%q is no CSS selector: %w", x.What, err)
			}
			e.selectors[i] = s
		case manifest.ChangeArtifact:
			if !slices.ContainsFunc(r.m.Artifacts, func(a manifest.Artifact) bool { return a.Role == x.What }) {
				return nil, cannot("the capture has no %q to remove", x.What)
			}
		}
	}
	if err := e.readTexts(r.m, bodies); err != nil {
		return nil, err
	}
	if err := e.readURLs(whole); err != nil {
		return nil, err
	}
	const most = 5000
	if len(e.n.list) > most {
		return nil, cannot("the elements and URLs to remove have more than %d texts; remove whole files by artifact:, or answers by body:", most)
	}
	return e, nil
}

// readTexts adds what stands in elements that go: it may stand elsewhere too.
func (e *editor) readTexts(m *manifest.Manifest, bodies [][]byte) error {
	for i, art := range m.Artifacts {
		if !e.bySelector() || !isHTML(essenceOf(art.MediaType)) {
			continue
		}
		plain := bodies[i]
		doc, err := parseHTML(utf8Of(plain, art.MediaType))
		if err != nil {
			return cannot("%s cannot be searched by a selector: %w; remove it by artifact:%s", art.Role, err, art.Role)
		}
		for _, s := range e.selectors {
			if s == nil {
				continue
			}
			for _, n := range selected(doc, s) {
				for _, t := range textsOf(n) {
					if useful(t) {
						e.n.add(t)
					}
				}
			}
		}
	}
	return nil
}

// readURLs adds the URLs that removals by URL fit.
func (e *editor) readURLs(whole string) error {
	if !slices.ContainsFunc(e.spec.Remove, func(r Removal) bool { return r.Kind == manifest.ChangeURL }) {
		return nil
	}
	f, err := os.Open(whole)
	if err != nil {
		return err
	}
	defer f.Close()
	rd := warc.NewReader(f)
	for {
		rec, err := rd.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		for _, r := range e.spec.Remove {
			if r.Kind == manifest.ChangeURL && rec.Type != warc.TypeResource && globbed(r.What, rec.Target) {
				e.n.add(rec.Target)
				if _, rest, ok := strings.Cut(rec.Target, "://"); ok { // as pages write it: without the scheme, or the host
					if _, p, ok := strings.Cut(rest, "/"); ok && len(p) >= 12 {
						e.n.add("/" + p)
					}
				}
			}
		}
	}
}

func essenceOf(media string) string {
	m, _, _ := strings.Cut(strings.ToLower(media), ";")
	return strings.TrimSpace(m)
}

// decideAll edits the loose files, and gives how often each box was painted.
func (r *redacting) decideAll(bodies [][]byte) ([]int64, error) {
	var shots []manifest.Artifact
	for _, a := range r.m.Artifacts {
		if a.MediaType == "image/png" {
			shots = append(shots, a)
		}
	}
	areas, counts, err := painted(r.order.Boxes, shots)
	if err != nil {
		return nil, cannot("%w", err)
	}
	for i, art := range r.m.Artifacts {
		if art.Role == manifest.RoleWARC {
			continue
		}
		d, err := r.decideOne(art, bodies[i], areas)
		if err != nil {
			return nil, err
		}
		keep := bodies[i]
		if d.body != nil || d.removed {
			r.e.decisions[art.SHA256] = d
			keep = d.body
		}
		if !d.removed {
			if err := r.put(art, keep); err != nil {
				return nil, err
			}
		}
	}
	return counts, nil
}

func (r *redacting) decideOne(art manifest.Artifact, body []byte, areas map[shotKey][]image.Rectangle) (decision, error) {
	removed := false
	for i, x := range r.order.Remove {
		if x.Kind == manifest.ChangeArtifact && x.What == art.Role {
			r.e.count[i]++
			removed = true
		}
	}
	switch {
	case removed:
		return decision{removed: true}, nil
	case art.MediaType == "image/png":
		return r.decideShot(art, body, areas[shotKey{art.Role, art.Tile}])
	}
	text := utf8Of(body, art.MediaType)
	edited, changed, err := r.e.editText(text, essenceOf(art.MediaType))
	if err != nil || r.e.n.in(edited) {
		return decision{removed: true}, nil
	}
	if !changed {
		return decision{}, nil
	}
	if strings.Contains(art.MediaType, "json") && !json.Valid([]byte(edited)) {
		return decision{removed: true}, nil
	}
	return decision{body: []byte(edited)}, nil
}

// decideShot paints an image. One that is not painted stays only if nothing of
// the page's content is removed, or if somebody looked at it.
func (r *redacting) decideShot(art manifest.Artifact, body []byte, areas []image.Rectangle) (decision, error) {
	if len(areas) > 0 {
		b, err := blacken(body, areas)
		if err != nil {
			return decision{}, cannot("%s: %w", art.Role, err)
		}
		return decision{body: b}, nil
	}
	name := art.Role
	if art.Tile > 0 {
		name = fmt.Sprintf("%s %d", art.Role, art.Tile)
	}
	looked := slices.ContainsFunc(r.order.Seen, func(s string) bool { return s == name || s == art.Role })
	content := slices.ContainsFunc(r.order.Remove, func(x Removal) bool {
		return x.Kind != manifest.ChangeHeader && x.Kind != manifest.ChangeArtifact
	}) || slices.ContainsFunc(r.order.Boxes, func(b Box) bool { return b.Role != "" })
	if content && !looked {
		return decision{}, cannot("the image %q has no box: what is removed from the page may be seen in it. Paint it with a box, remove it with artifact:%s, or say that you looked and it shows nothing of it (seen: %s)", name, art.Role, name)
	}
	return decision{}, nil
}

// changes is what was done, in the order of the order. A removal that found
// nothing is refused: it is misspelt, or the capture is another one.
func (r *redacting) changes(boxes []int64) ([]manifest.Change, error) {
	var all []manifest.Change
	for i, b := range r.order.Boxes {
		all = append(all, manifest.Change{Kind: manifest.ChangeBox, Where: b.String(), Count: boxes[i], Why: b.Why})
	}
	for i, x := range r.order.Remove {
		n := r.e.count[i]
		if k := r.e.textOf[i]; k >= 0 {
			n = r.e.n.count[k]
		}
		if n == 0 {
			return nil, cannot("%s:%s finds nothing in this capture", x.Kind, x.What)
		}
		c := manifest.Change{Kind: x.Kind, Count: n, Why: x.Why}
		if x.Kind != manifest.ChangeText && x.Kind != manifest.ChangeURL {
			c.Where = x.What
		}
		all = append(all, c)
	}
	for _, c := range all {
		if r.e.n.in(c.Where) || r.e.n.in(c.Why) {
			return nil, cannot("the reason of a change (%s) says what is to be hidden; say it otherwise", c.Kind)
		}
	}
	if r.e.n.in(r.order.Reason) {
		return nil, cannot("the reason says what is to be hidden; say it otherwise: it goes on record and into the package")
	}
	return all, nil
}

// manifest makes that of the redaction from that of the original.
func (r *redacting) manifest(changes []manifest.Change) (*manifest.Manifest, error) {
	m, hidden, err := r.hideManifest()
	if err != nil {
		return nil, err
	}
	share(r.p.Files)
	red := &manifest.Redaction{
		Capture: r.m.Capture, Manifest: capture.Sum(r.doc), Disclosed: !hidden, At: manifest.At(r.p.Redacts.At), By: r.p.Actor,
		Reason: r.order.Reason, Changes: changes, Records: r.e.records,
	}
	m.Format, m.Capture, m.Redaction, m.Artifacts = manifest.FormatRedaction, r.p.ID, red, nil
	for _, a := range r.m.Artifacts {
		at := slices.IndexFunc(r.p.Files, func(f spooled) bool { return f.Role == a.Role && f.Tile == int(a.Tile) })
		how := manifest.Removed
		if at >= 0 {
			f := r.p.Files[at]
			m.Artifacts = append(m.Artifacts, manifest.NewArtifact(stored([]spooled{f})[0]))
			if f.Print.SHA256 == a.SHA256 {
				continue
			}
			how = manifest.Replaced
		}
		red.Withheld = append(red.Withheld, manifest.Withheld{
			Role: a.Role, Tile: a.Tile, MediaType: a.MediaType, Bytes: a.Bytes, SHA256: a.SHA256, SHA512: a.SHA512, How: how,
		})
	}
	return m, nil
}

// hideManifest takes needles out of the texts of the original's manifest;
// hidden is true when there was one, or a key that would tell.
func (r *redacting) hideManifest() (m *manifest.Manifest, hidden bool, err error) {
	d := json.NewDecoder(bytes.NewReader(r.doc))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, false, err
	}
	tree = r.e.hideTree(tree, &hidden)
	raw, err := json.Marshal(tree)
	if err != nil {
		return nil, false, err
	}
	if raw, err = jcs.Transform(raw); err != nil {
		return nil, false, err
	}
	m, err = manifest.Parse(raw)
	if err != nil {
		return nil, false, cannot("what is to be hidden stands where the manifest needs its own words: %w", err)
	}
	return m, hidden, nil
}

func (e *editor) hideTree(v any, hidden *bool) any {
	switch v := v.(type) {
	case string:
		out, hit := e.n.hide(v)
		*hidden = *hidden || hit
		return out
	case []any:
		for i := range v {
			v[i] = e.hideTree(v[i], hidden)
		}
	case map[string]any:
		for k := range v {
			v[k] = e.hideTree(v[k], hidden)
		}
	}
	return v
}
