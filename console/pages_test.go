package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

var findingLink = regexp.MustCompile(`data-open href="/findings/([0-9a-f-]{36})`)

// TestQueuePagesCoverEverythingOnce follows "Next page" to the end.
func TestQueuePagesCoverEverythingOnce(t *testing.T) {
	w := newWorld(t)
	for i := range findingsOnPage + 12 {
		w.found(fmt.Sprint(i), fmt.Sprintf("Bag %d", i), 0.6+float64(i%7)/20)
	}
	b := w.as(Analyst)
	next := regexp.MustCompile(`rel="next" href="([^"]+)"`)
	path, seen := "/findings?min=10", []string{}
	for pages := 0; path != ""; pages++ {
		if pages > 5 {
			t.Fatal("the pages have no end")
		}
		body := b.page(path)
		for _, m := range findingLink.FindAllStringSubmatch(body, -1) {
			if slices.Contains(seen, m[1]) {
				t.Errorf("finding %s comes twice", m[1])
			}
			seen = append(seen, m[1])
		}
		path = ""
		if m := next.FindStringSubmatch(body[strings.Index(body, `class="pager"`):]); m != nil {
			path = strings.ReplaceAll(m[1], "&amp;", "&")
		}
	}
	if len(seen) != findingsOnPage+12 {
		t.Errorf("the pages gave %d of %d findings", len(seen), findingsOnPage+12)
	}
	// Walking with j from the first reaches every finding, over the page's end.
	step := regexp.MustCompile(`<a href="([^"]+)" data-key="j"`)
	path = "/findings/" + seen[0] + "?min=10"
	for i := 0; ; i++ {
		m := step.FindStringSubmatch(b.page(path))
		if m == nil {
			if i != len(seen)-1 {
				t.Errorf("j went %d steps of %d", i, len(seen)-1)
			}
			break
		}
		path = strings.ReplaceAll(m[1], "&amp;", "&")
		if want := seen[i+1]; !strings.Contains(path, want) {
			t.Fatalf("step %d leads to %s, want %s", i+1, path, want)
		}
	}
}

func TestDecideAndTakeBack(t *testing.T) {
	w := newWorld(t)
	high, low := w.found("1", "Belvoir one", 0.9), w.found("2", "Belvoir two", 0.8)
	b := w.as(Analyst)
	page := b.page("/findings/" + high.ID.String())
	for _, want := range []string{"Belvoir one", "The price is 9 % of the reference.", "1\u202f450 EUR", "<mark>replica</mark>", `data-key="8"`, "jsonld", "Mirror House", low.ID.String()} {
		if !strings.Contains(page, want) {
			t.Errorf("the page of a finding has no %q", want)
		}
	}
	next := "/findings/" + low.ID.String()
	r := b.post("/findings/"+high.ID.String()+"/decision", url.Values{"choice": {"counterfeit"}, "version": {"0"}, "note": {"see the stitching"}, "next": {next}})
	if r.Code != http.StatusSeeOther || r.Header().Get("Location") != next+"?done="+high.ID.String() {
		t.Fatalf("got %d to %q: %s", r.Code, r.Header().Get("Location"), r.Body)
	}
	f := must(w.ledger.Finding(t.Context(), high.ID))(t)
	if f.State != ledger.Confirmed || f.Label != "counterfeit" || f.Note != "see the stitching" || f.DecidedBy != "person:analyst" {
		t.Errorf("the finding is %+v", f)
	}
	if ev := w.events(high.Capture); !slices.Contains(ev, "decided person:analyst map[finding:"+high.ID.String()+" label:counterfeit state:confirmed]") {
		t.Errorf("the custody events are %q", ev)
	}
	if body := b.page(r.Header().Get("Location")); !strings.Contains(body, "confirmed, counterfeit") || !strings.Contains(body, `data-key="u"`) {
		t.Error("the next finding does not say what was decided, or offers no undo")
	}
	if strings.Contains(b.page("/findings"), high.ID.String()) || !strings.Contains(b.page("/findings?state=confirmed"), high.ID.String()) {
		t.Error("a decided finding stays in the open queue, or is not among the confirmed")
	}
	// Somebody who saw the page before must look again.
	if r := b.post("/findings/"+high.ID.String()+"/decision", url.Values{"choice": {"legitimate"}, "version": {"0"}}); r.Code != http.StatusConflict {
		t.Errorf("deciding on an old sight got %d", r.Code)
	}
	if r := b.post("/findings/"+high.ID.String()+"/undo", url.Values{"next": {"/findings"}}); r.Code != http.StatusSeeOther {
		t.Errorf("undo got %d: %s", r.Code, r.Body)
	}
	if f := must(w.ledger.Finding(t.Context(), high.ID))(t); f.State != ledger.New || f.Label != "" {
		t.Errorf("after undo the finding is %s %q", f.State, f.Label)
	}
	if d := must(w.ledger.Decisions(t.Context(), high.ID))(t); len(d) != 2 {
		t.Errorf("the history has %d entries, want both", len(d))
	}
	for name, form := range map[string]url.Values{
		"no such choice": {"choice": {"delete"}, "version": {"2"}}, "no version": {"choice": {"counterfeit"}},
	} {
		if r := b.post("/findings/"+high.ID.String()+"/decision", form); r.Code != http.StatusBadRequest {
			t.Errorf("%s: got %d", name, r.Code)
		}
	}
}

const hostile = "\"><script>alert(1)</script><img src=x onerror=alert(2)> \u202egnp.exe {{.Secret}} \u2066x\u0000\u0085y z\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308\u0309\u030a"

// TestPageTextCannotBecomePage puts a hostile title through every page.
func TestPageTextCannotBecomePage(t *testing.T) {
	w := newWorld(t)
	f := w.found("7", hostile, 0.9)
	b := w.as(Admin)
	if r := b.post("/captures/"+f.Capture.String()+"/case", url.Values{"name": {hostile}}); r.Code != http.StatusSeeOther {
		t.Fatalf("the case got %d: %s", r.Code, r.Body)
	}
	kase := must(w.index.Cases(t.Context()))(t)[0].ID
	if err := w.ledger.CloseLane(t.Context(), hostile, noon.AddDate(1, 0, 0), hostile); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"/findings", "/findings?site=" + url.QueryEscape(hostile), "/findings/" + f.ID.String(), "/findings?done=" + f.ID.String(), "/evidence", "/evidence?q=script",
		"/captures/" + f.Capture.String(), "/captures/" + f.Capture.String() + "/source/dom", "/cases", "/cases/" + kase, "/status", "/watches", "/watches/" + w.watch.ID.String(),
	} {
		body := b.page(path)
		if strings.Contains(body, "<script>alert") || strings.Contains(body, "<img src=x") || strings.Contains(body, "onerror=alert(2)>") {
			t.Errorf("%s: text became markup", path)
		}
		for _, r := range body {
			if hidden(r) {
				t.Errorf("%s: U+%04X reached the page", path, r)
				break
			}
		}
	}
	if body := b.page("/findings"); !strings.Contains(body, "[U+202E]gnp.exe") {
		t.Error("an override of direction is not made visible")
	}
	r := w.nobody().get("/signin?next=/%22%3E%3Cscript%3E&token=%22%3E%3Cscript%3E")
	if strings.Contains(r.Body.String(), `"><script>`) {
		t.Error("the sign-in page takes markup from its address")
	}
}

// TestCapturedHTMLIsNeverLive: as text in a page, or as a download of text.
func TestCapturedHTMLIsNeverLive(t *testing.T) {
	w := newWorld(t)
	e := w.captured("7", "Belvoir")
	b := w.as(Legal)
	page := b.page("/captures/" + e.ID.String() + "/source/dom")
	if !strings.Contains(page, "&lt;script&gt;alert(&#39;captured&#39;)") || !strings.Contains(page, "price[U+202E]12") {
		t.Error("the source is not shown as text")
	}
	r := b.get("/captures/" + e.ID.String() + "/file/dom/0")
	if r.Code != http.StatusOK || r.Body.String() != hostileHTML {
		t.Fatalf("the download got %d, %d bytes", r.Code, r.Body.Len())
	}
	h := r.Header()
	if !strings.HasPrefix(h.Get("Content-Type"), "text/plain") || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment;") ||
		!strings.Contains(h.Get("Content-Security-Policy"), "sandbox") || h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("the download has the headers %v", h)
	}
	want := []string{
		"viewed person:legal map[role:dom tile:0]", "downloaded person:legal map[role:dom tile:0]",
	}
	if got := w.events(e.ID); !slices.Equal(got, want) {
		t.Errorf("the custody events are %q, want %q", got, want)
	}
	// DOM is no picture, a picture no source, and the WARC neither.
	for path, code := range map[string]int{"/image/dom/0": 404, "/source/viewport": 404, "/source/warc": 404, "/image/viewport/3": 404, "/image/viewport/x": 404, "/file/warc/0": 200} {
		if r := b.get("/captures/" + e.ID.String() + path); r.Code != code {
			t.Errorf("%s got %d, want %d", path, r.Code, code)
		}
	}
}

func TestPicturesAreCheckedAndOnRecord(t *testing.T) {
	w := newWorld(t)
	e := w.captured("7", "Belvoir")
	b := w.as(Viewer)
	image := "/captures/" + e.ID.String() + "/image/viewport/0"
	r := b.get(image)
	if r.Code != http.StatusOK || r.Header().Get("Content-Type") != "image/png" || r.Body.String() != string(picturePNG(t)) || r.Header().Get("Repr-Digest") == "" {
		t.Fatalf("the picture got %d %v", r.Code, r.Header())
	}
	b.change = func(q *http.Request) { q.Header.Set("If-None-Match", r.Header().Get("ETag")) }
	if again := b.get(image); again.Code != http.StatusNotModified {
		t.Errorf("a picture that the browser has got %d", again.Code)
	}
	b.change = nil
	for range 2 { // the second time from memory, and on record all the same
		if r := b.get("/captures/" + e.ID.String() + "/thumbnail"); r.Code != http.StatusOK || r.Header().Get("Content-Type") != "image/jpeg" || r.Body.Len() > 30_000 {
			t.Errorf("the thumbnail got %d, %d bytes", r.Code, r.Body.Len())
		}
	}
	if got := w.events(e.ID); len(got) != 3 || !strings.HasPrefix(got[2], "viewed person:viewer map[as:thumbnail") {
		t.Errorf("the custody events are %q", got)
	}
	b.page("/captures/" + e.ID.String())
	if got := w.events(e.ID); len(got) != 4 {
		t.Errorf("looking at the page of a capture left %q", got)
	}
}

// TestNothingUnrecordedIsGiven: without its custody event no byte is given,
// and bytes that are not the manifest's are not either.
func TestNothingUnrecordedIsGiven(t *testing.T) {
	w := newWorld(t)
	e := w.captured("7", "Belvoir")
	b := w.as(Admin)
	paths := []string{"/image/viewport/0", "/thumbnail", "/source/dom", "/file/dom/0", "/file/warc/0", "/manifest", ""}
	w.vault.Fail = func(op, _ string) error {
		if op == vault.OpPut {
			return vault.ErrUnavailable
		}
		return nil
	}
	for _, p := range paths {
		if r := b.get("/captures/" + e.ID.String() + p); r.Code != http.StatusServiceUnavailable || strings.Contains(r.Body.String(), "captured'") {
			t.Errorf("%q without a custody event got %d", p, r.Code)
		}
	}
	w.vault.Fail = func(op, _ string) error {
		if op == vault.OpRead {
			return errors.New("the disk broke")
		}
		return nil
	}
	for _, p := range paths[:5] {
		if r := b.get("/captures/" + e.ID.String() + p); r.Code != http.StatusInternalServerError || strings.Contains(r.Body.String(), "script") && strings.Contains(r.Body.String(), "captured'") {
			t.Errorf("%q that breaks in the middle got %d", p, r.Code)
		}
	}
}

// TestDecisionsThatAreNotOnRecordAreSaid: the decision stands, and nobody is
// told that all is well.
func TestDecisionsThatAreNotOnRecordAreSaid(t *testing.T) {
	w := newWorld(t)
	f := w.found("7", "Belvoir", 0.9)
	b := w.as(Analyst)
	w.vault.Fail = func(op, _ string) error {
		if op == vault.OpPut {
			return vault.ErrUnavailable
		}
		return nil
	}
	r := b.post("/findings/"+f.ID.String()+"/decision", url.Values{"choice": {"counterfeit"}, "version": {"0"}})
	if r.Code != http.StatusServiceUnavailable || !strings.Contains(r.Body.String(), "The decision is taken, but the custody log did not take it") {
		t.Errorf("got %d: %s", r.Code, r.Body)
	}
	if got := must(w.ledger.Finding(t.Context(), f.ID))(t); got.State != ledger.Confirmed {
		t.Errorf("the finding is %s", got.State)
	}
}

func TestTamperedBytesAreNotShown(t *testing.T) {
	w := newWorld(t)
	e := w.captured("7", "Belvoir")
	w.vault.lies = true
	b := w.as(Legal)
	for _, p := range []string{"/image/viewport/0", "/thumbnail", "/source/dom", "/file/dom/0", "/manifest"} {
		r := b.get("/captures/" + e.ID.String() + p)
		if r.Code != http.StatusBadGateway || strings.Contains(r.Body.String(), "captured") || !strings.Contains(r.Body.String(), "not those of the manifest") {
			t.Errorf("%s got %d: %.200s", p, r.Code, r.Body)
		}
	}
	if body := b.page("/captures/" + e.ID.String()); !strings.Contains(body, "not the one that was recorded") {
		t.Error("the page of a capture with another manifest does not say so")
	}
}
