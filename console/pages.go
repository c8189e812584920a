package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"math"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

// assets are the style, the script and the icon, by name.
type assets map[string]asset

type asset struct {
	bytes     []byte
	etag      string
	mediaType string
}

func loadAssets() (assets, error) {
	all := assets{}
	list, err := fs.ReadDir(staticFiles, "static")
	if err != nil {
		return nil, err
	}
	for _, f := range list {
		b, err := staticFiles.ReadFile("static/" + f.Name())
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(b)
		media := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}[path.Ext(f.Name())]
		all[f.Name()] = asset{b, hex.EncodeToString(sum[:8]), media}
	}
	return all, nil
}

// static gives a file of the console itself. Its address in pages has its
// digest, so a browser may keep it.
func (s *Server) static(w http.ResponseWriter, r *http.Request, _ Person) error {
	a, ok := s.assets[r.PathValue("name")]
	if !ok {
		s.fail(w, r, Person{}, answer{http.StatusNotFound, "There is no such page."})
		return nil
	}
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=300")
	if r.URL.Query().Get("v") == a.etag {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	h.Set("Content-Type", a.mediaType)
	h.Set("ETag", `"`+a.etag+`"`)
	if r.Header.Get("If-None-Match") == h.Get("ETag") {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	_, _ = w.Write(a.bytes)
	return nil
}

// pages are the templates, each with the frame around it.
type pages map[string]*template.Template

func (s *Server) loadPages() (pages, error) {
	all := pages{}
	frame, err := template.New("frame").Funcs(s.funcs()).ParseFS(templateFiles, "templates/frame.html", "templates/parts.html")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		name := strings.TrimSuffix(path.Base(n), ".html")
		if name == "frame" || name == "parts" {
			continue
		}
		t, err := frame.Clone()
		if err == nil {
			t, err = t.ParseFS(templateFiles, n)
		}
		if err != nil {
			return nil, fmt.Errorf("page %s: %w", name, err)
		}
		all[name] = t
	}
	return all, nil
}

// shown is what a template sees.
type shown struct {
	Page  string
	Who   Person
	Path  string
	M     any
	rules map[string]allowed
}

// Can reports whether the person may use a route, as the table says it.
func (v shown) Can(pattern string) (bool, error) {
	may, ok := v.rules[pattern]
	if !ok {
		return false, fmt.Errorf("there is no route %q", pattern)
	}
	return may.has(v.Who.Role), nil
}

// rules is the table of routes as templates ask it.
func rules() map[string]allowed {
	m := map[string]allowed{}
	for _, r := range routes() {
		m[r.pattern] = r.may
	}
	return m
}

// render writes a page. All of it is made before any of it is sent, so an
// error is never half a page; and all text that reorders or hides is made
// visible in it, wherever it came from.
func (s *Server) render(w http.ResponseWriter, r *http.Request, who Person, status int, page string, m any) {
	var b bytes.Buffer
	err := s.pages[page].ExecuteTemplate(&b, "frame", shown{page, who, r.URL.Path, m, rules()})
	if err != nil {
		s.Log.Error("a page could not be made", "page", page, "error", err)
		http.Error(w, "Something broke here. It is in the log of the console.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(visible(b.String())))
	}
}

func (s *Server) funcs() template.FuncMap {
	return template.FuncMap{
		"asset": func(name string) (string, error) {
			a, ok := s.assets[name]
			if !ok {
				return "", fmt.Errorf("there is no file %q", name)
			}
			return "/static/" + name + "?v=" + a.etag, nil
		},
		"date":     date,
		"day":      func(t time.Time) string { return t.UTC().Format(time.DateOnly) },
		"iso":      func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"ago":      func(t time.Time) string { return ago(s.Now(), t) },
		"future":   func(t time.Time) bool { return t.After(s.Now()) },
		"money":    money,
		"size":     bytesText,
		"words":    func(v any) string { return words(fmt.Sprint(v)) },
		"percent":  func(f float64) int { return int(math.Round(f * 100)) },
		"points":   func(f float64) string { return strconv.FormatFloat(math.Round(f*10)/10, 'f', -1, 64) },
		"times":    ratio,
		"ref":      referenceOf,
		"short":    func(v any) string { return clip(fmt.Sprint(v), 12) },
		"cut":      cutText,
		"person":   func(s string) string { return strings.TrimPrefix(s, "person:") },
		"outcome":  func(o capture.Outcome) string { return o.Sentence() },
		"kind":     outcomeKind,
		"between":  between,
		"to":       func(address, back string) string { return with(address, "back", back) },
		"captures": captures,
		"query":    query,
		"count":    count,
		"kept":     keptText,
		"jitter":   jitterText,
		"lines":    func(list []string) string { return strings.Join(list, "\n") },
		"add":      func(a, b int) int { return a + b },
		"name":     fileRole,
		"tile":     func(n int64) int { return int(n) },
		"web":      isWeb,
		"text":     func(role string) bool { return sourceRoles[role] },
		"openIn":   func(c ledger.Counts) int { return openJobs(c) },
	}
}

func openJobs(c ledger.Counts) (n int) {
	for _, states := range c {
		for st, k := range states {
			if !st.Final() {
				n += k
			}
		}
	}
	return n
}

func date(t time.Time) string {
	if t.IsZero() {
		return "—"
	}
	return t.UTC().Format("2006-01-02 15:04:05") + " UTC"
}

func ago(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := now.Sub(t)
	if d < 0 {
		return "in " + span(-d)
	}
	if d < 10*time.Second {
		return "just now"
	}
	return span(d) + " ago"
}

// span is a duration as people say it.
func span(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return strconv.Itoa(int(d/time.Second)) + " s"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + " min"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + " h"
	}
	return strconv.Itoa(int(d/(24*time.Hour))) + " days"
}

func money(amount, currency string) string {
	if amount == "" {
		return ""
	}
	whole, cents, _ := strings.Cut(amount, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0 && len(whole) <= 30; i -= 3 {
		whole = whole[:i] + "\u202f" + whole[i:] // a narrow space that does not break
	}
	if len(cents) == 1 {
		cents += "0"
	}
	if cents != "" {
		whole += "." + cents
	}
	return strings.TrimSpace(sign + whole + " " + currency)
}

// ratio is "0.08" as "8 %".
func ratio(s string) string {
	f, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil:
		return ""
	case f < 0.01:
		return "under 1 %"
	}
	return strconv.Itoa(int(math.Round(f*100))) + " %"
}

// referencePrice is what a listing was compared with, as triage writes it:
// "2450.00 EUR (Belvoir bag)".
type referencePrice struct{ Price, Name string }

func referenceOf(s string) referencePrice {
	price, name, ok := strings.Cut(s, " (")
	if !ok {
		return referencePrice{Price: s}
	}
	if amount, currency, ok := strings.Cut(price, " "); ok {
		price = money(strings.TrimSuffix(amount, ".00"), currency)
	}
	return referencePrice{price, strings.TrimSuffix(name, ")")}
}

// count is "1 capture", "2 captures".
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + one + "s"
}

// jitterText says how much later than its schedule a watch fires.
func jitterText(j ledger.Jitter) string {
	switch share, ok := strings.CutSuffix(string(j), "%"); {
	case ok:
		return "fires up to " + share + " % of the time between runs later"
	case j == "" || strings.Trim(string(j), "0hmsuµn.") == "":
		return "none: fires to the second"
	}
	return "fires up to " + string(j) + " later"
}

func words(s string) string { return strings.ReplaceAll(s, "_", " ") }

func bytesText(n int64) string {
	for _, u := range []struct {
		name string
		of   int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.of {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.of), u.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}

func cutText(n int, s string) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n]) + "…"
}

// fileRole is what a file of a capture is, for people.
func fileRole(role string, tile int) string {
	name, ok := map[string]string{
		"warc": "WARC: every request and answer", "html": "HTML as served", "dom": "DOM after rendering", "viewport": "Screenshot, first screen",
		"fullpage": "Screenshot, whole page", "text": "Visible text", "pageinfo": "Requests of the page", "before": "Screenshot before the banner",
		"reading": "Values read from the page", "manifest": "Page of the capture",
	}[role]
	if !ok {
		name = role
	}
	if tile > 0 {
		name += ", part " + strconv.Itoa(tile)
	}
	return name
}

// isWeb: an address that may be a link. Templates refuse others by themselves;
// this keeps the refusal out of the page.
func isWeb(u string) bool {
	return strings.HasPrefix(u, "https://") || strings.HasPrefix(u, "http://")
}

// proved is when a capture was made, as far as it is proved.
type proved struct {
	From, To       time.Time
	By             []string
	Pending, Known bool
}

func between(s archive.Sealed) proved {
	p := proved{To: s.Before, By: s.By, Pending: s.Before.IsZero()}
	if s.After != nil {
		p.From, p.Known = s.After.StampedAt, true
	}
	return p
}

func indented(doc []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, doc, "", "  ") != nil {
		return string(doc)
	}
	return b.String()
}
