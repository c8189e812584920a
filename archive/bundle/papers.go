package bundle

import (
	"bytes"
	"context"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/manifest"
)

//go:embed pages/*.html
var pagesFS embed.FS

// templates make the pages for people. html/template escapes what came from
// hostile pages by where it stands.
func templates() (*template.Template, error) {
	return template.New("").Funcs(template.FuncMap{
		"utc":     func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000 UTC") },
		"day":     func(t *time.Time) string { return t.UTC().Format("2 January 2006") },
		"join":    strings.Join,
		"orDash":  orDash,
		"percent": func(i, n int) string { return fmt.Sprintf("%d of %d", i+1, n) },
	}).ParseFS(pagesFS, "pages/*.html")
}

func orDash(s string) string {
	if s == "" {
		return "not recorded"
	}
	return s
}

// view is one capture as the pages show it.
type view struct {
	In    Input
	C     Capture
	M     *manifest.Manifest
	Hash  capture.Digest // of the manifest
	Files []fileView
	Shots []shot
	Log   []eventView
}

// Sentence says what the outcome means.
func (v *view) Sentence() string { return v.M.Outcome.Sentence() }

// Local gives a time in the time zone that the visit was made with, " (...)";
// "" when that is not known here.
func (v *view) Local(t time.Time) string {
	name := v.M.Environment.TimeZone
	if name == "" {
		return ""
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return ""
	}
	return " (" + t.In(zone).Format("2006-01-02 15:04:05 -0700") + ", " + name + ")"
}

// Stamped lists the stamps over a capture: of a redaction those over its
// original, for they say when the page was seen.
func (v *view) Stamped() []stamped {
	stamps := v.C.Stamps
	if v.C.Original != nil {
		stamps = v.C.Original.Stamps
	}
	var all []stamped
	for _, s := range stamps {
		all = append(all, v.In.stamped(s))
	}
	return all
}

type fileView struct {
	Name, Role, Media string
	Bytes             int64
	SHA256            capture.Digest
	Redacted          bool // it is not as it was captured
}

type shot struct {
	Art   manifest.Artifact
	Src   template.URL // a relative path, or the image itself
	Taken string
}

type eventView struct {
	At                  time.Time
	Type, Actor, Detail string
}

func newView(in Input, c Capture, m *manifest.Manifest) *view {
	v := &view{In: in, C: c, M: m, Hash: capture.Sum(c.Manifest)}
	for _, a := range m.Artifacts {
		name := nativeName(c.ID, path.Base(a.Key))
		if a.Role == manifest.RoleWARC {
			name = waczName(c.ID) + " : " + waczWARC
		}
		redacted := m.Redaction != nil && slices.ContainsFunc(m.Redaction.Withheld, func(w manifest.Withheld) bool { return w.Role == a.Role && w.Tile == a.Tile })
		v.Files = append(v.Files, fileView{name, a.Role, a.MediaType, a.Bytes, a.SHA256, redacted})
		if a.MediaType == "image/png" {
			s := shot{Art: a, Src: template.URL("../" + nativeName(c.ID, path.Base(a.Key)))} //nolint:gosec // checked by artifactFile
			if a.Taken != nil {
				s.Taken = a.Taken.UTC().Format("2006-01-02 15:04:05.000 UTC")
			}
			v.Shots = append(v.Shots, s)
		}
	}
	for _, e := range c.Events {
		if d, err := custody.ParseEvent(e.Doc); err == nil { // planCapture gives the error
			v.Log = append(v.Log, viewEvent(d))
		}
	}
	slices.SortStableFunc(v.Log, func(a, b eventView) int { return a.At.Compare(b.At) })
	return v
}

// loose says that the WARC as it is kept stands beside the WACZ.
func (v *view) loose() {
	for i, f := range v.Files {
		if f.Role == manifest.RoleWARC {
			v.Files[i].Name = nativeName(v.C.ID, fileWARC)
		}
	}
}

func viewEvent(e custody.Event) eventView {
	var parts []string
	for k, val := range e.Details {
		parts = append(parts, k+": "+val)
	}
	slices.Sort(parts)
	return eventView{e.At, string(e.Type), e.Actor, strings.Join(parts, "; ")}
}

// otherView is a row of a comparison.
type otherView struct {
	Other
	This    bool
	Changed []string // against the row before
}

func compared(c Capture) []otherView {
	var rows []otherView
	for i, o := range c.Others {
		row := otherView{Other: o, This: o.ID == c.ID}
		if i > 0 {
			row.Changed = changes(c.Others[i-1], o)
		}
		rows = append(rows, row)
	}
	return rows
}

func changes(a, b Other) []string {
	var all []string
	for _, f := range []struct{ name, old, new string }{
		{"outcome", string(a.Outcome), string(b.Outcome)},
		{"title", a.Reading.Title, b.Reading.Title},
		{"price", a.Reading.Price + " " + a.Reading.Currency, b.Reading.Price + " " + b.Reading.Currency},
		{"seller", a.Reading.Seller, b.Reading.Seller},
	} {
		if f.old != f.new {
			all = append(all, fmt.Sprintf("%s: %q became %q", f.name, strings.TrimSpace(f.old), strings.TrimSpace(f.new)))
		}
	}
	return all
}

// papers makes the pages for people.
func papers(ctx context.Context, in Input, views []*view) ([]file, error) {
	t, err := templates()
	if err != nil {
		return nil, err
	}
	var files []file
	var failed error
	make := func(name, page string, data any) []byte {
		var b bytes.Buffer
		if err := t.ExecuteTemplate(&b, page, data); err != nil && failed == nil {
			failed = fmt.Errorf("%s: %w", name, err)
		}
		files = append(files, file{name: name, src: inMemory(b.Bytes())})
		return b.Bytes()
	}
	all := map[string]any{
		"In": in, "Views": views, "Format": Format, "FileName": in.FileName(),
		"Time":     in.timeOf(),
		"Redacted": slices.ContainsFunc(views, func(v *view) bool { return v.M.Redaction != nil }),
	}
	readme := make(nameReadme, "readme.html", all)
	make(nameSystem, "system.html", all)
	make(name90213, "902-13.html", all)
	make(name90214, "902-14.html", all)
	if in.Printer != nil && failed == nil {
		pdf, err := in.Printer.PDF(ctx, readme)
		if err != nil {
			return nil, fmt.Errorf("the README could not be printed: %w", err)
		}
		files = append(files, file{name: nameReadPDF, src: inMemory(pdf)})
	}
	for _, v := range views {
		make(exhibitName(v.C.ID, ".html"), "exhibit.html", v)
		if len(v.C.Others) > 1 {
			make(comparisonName(v.C.ID), "comparison.html", map[string]any{"V": v, "Rows": compared(v.C)})
		}
		if in.Printer != nil && failed == nil {
			pdf, err := printExhibit(ctx, in, t, v)
			if err != nil {
				return nil, fmt.Errorf("the exhibit of capture %s could not be printed: %w", v.C.ID, err)
			}
			files = append(files, file{name: exhibitName(v.C.ID, ".pdf"), src: inMemory(pdf)})
		}
	}
	return files, failed
}

// maxInline bounds the screenshots of one printed exhibit, in bytes.
const maxInline = 96 << 20

// printExhibit prints an exhibit with its images inside: a printer has no
// package to take them from.
func printExhibit(ctx context.Context, in Input, t *template.Template, v *view) ([]byte, error) {
	inline := *v
	inline.Shots = nil
	total := int64(0)
	for _, s := range v.Shots {
		if total += s.Art.Bytes; total > maxInline {
			return nil, fmt.Errorf("its screenshots have more than %d bytes", int64(maxInline))
		}
		r, err := v.C.Open(ctx, s.Art)(ctx)
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(io.LimitReader(r, s.Art.Bytes+1))
		r.Close()
		if err != nil {
			return nil, err
		}
		if capture.Sum(b) != s.Art.SHA256 {
			return nil, ErrTampered
		}
		s.Src = template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(b)) //nolint:gosec // base64
		inline.Shots = append(inline.Shots, s)
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "exhibit.html", &inline); err != nil {
		return nil, err
	}
	return in.Printer.PDF(ctx, b.Bytes())
}
