package console

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

func TestSearchFindsAndPages(t *testing.T) {
	w := newWorld(t)
	for i := range findingsOnPage + 3 {
		w.clock.forward(time.Minute)
		w.captured(strings.Repeat("9", 1+i%5)+string(rune('a'+i%26)), "Étoile runner")
	}
	w.captured("b1", "Belvoir bag")
	b := w.as(Viewer)
	open := regexp.MustCompile(`data-open href="/captures/`)
	count := func(path string) int { return len(open.FindAllString(b.page(path), -1)) }
	for path, want := range map[string]int{
		"/evidence": findingsOnPage, "/evidence?q=belvoir": 1, "/evidence?q=belv*": 1, "/evidence?q=nothing": 0, "/evidence?outcome=challenge": 0,
		"/evidence?site=market&q=b1": 1, "/evidence?held=1": 0, "/evidence?from=2026-03-02": 0, "/evidence?until=2026-02-28": 0, "/evidence?from=2026-03-01&until=2026-03-01&q=belvoir": 1,
	} {
		if got := count(path); got != want {
			t.Errorf("%s shows %d captures, want %d", path, got, want)
		}
	}
	m := regexp.MustCompile(`rel="next" href="([^"]+)"`).FindStringSubmatch(b.page("/evidence"))
	if m == nil || count(strings.ReplaceAll(m[1], "&amp;", "&")) != 4 {
		t.Error("the second page has not the other four captures")
	}
	if body := b.page("/evidence?q=" + url.QueryEscape("a b c d e f g h i j k")); !strings.Contains(body, "at most 8 words") {
		t.Error("too many words are not refused in words")
	}
	for _, path := range []string{"/evidence?outcome=nonsense", "/evidence?from=yesterday", "/evidence?cursor=x", "/findings?state=x", "/findings?cursor=%00", "/findings?watch=1", "/findings?min=NaN", "/api/v1/captures?q=%21%21"} {
		if r := b.get(path); r.Code != http.StatusBadRequest {
			t.Errorf("%s got %d", path, r.Code)
		}
	}
}

func TestHoldNeedsAReasonAndIsKept(t *testing.T) {
	w := newWorld(t)
	e := w.captured("7", "Belvoir")
	b := w.as(Legal)
	hold := "/captures/" + e.ID.String() + "/hold"
	for name, form := range map[string]url.Values{
		"no reason": {"hold": {"true"}, "reason": {"  "}}, "no side": {"reason": {"x"}}, "long": {"hold": {"true"}, "reason": {strings.Repeat("x", 4001)}},
	} {
		if r := b.post(hold, form); r.Code != http.StatusBadRequest {
			t.Errorf("%s: got %d", name, r.Code)
		}
	}
	if r := b.post(hold, url.Values{"hold": {"true"}, "reason": {"Aurelle v. Mirror House"}}); r.Code != http.StatusSeeOther {
		t.Fatalf("hold got %d: %s", r.Code, r.Body)
	}
	for _, a := range must(w.index.Artifacts(t.Context(), e.ID))(t) {
		if info := must(w.vault.Stat(t.Context(), a.Key, a.Version))(t); !info.Hold {
			t.Errorf("%s is not held", a.Role)
		}
	}
	if !strings.Contains(b.page("/evidence?held=1"), e.ID.String()) {
		t.Error("a held capture is not found as held")
	}
	code, _ := b.json(http.MethodPost, "/api/v1"+hold, `{"hold": false, "reason": "settled"}`)
	if code != http.StatusOK || must(w.index.Get(t.Context(), e.ID))(t).Held {
		t.Errorf("the release got %d", code)
	}
	want := []string{"held person:legal map[reason:Aurelle v. Mirror House]", "released person:legal map[reason:settled]"}
	if got := w.events(e.ID); !slices.Equal(got, want) {
		t.Errorf("the custody events are %q", got)
	}
	w.vault.Fail = func(op, _ string) error {
		if op == vault.OpHold {
			return vault.ErrUnsupported
		}
		return nil
	}
	if r := b.post(hold, url.Values{"hold": {"true"}, "reason": {"x"}}); r.Code != http.StatusConflict {
		t.Errorf("a storage without holds got %d", r.Code)
	}
}

func TestCasesCollectAndHold(t *testing.T) {
	w := newWorld(t)
	one, two, three := w.captured("1", "Belvoir one"), w.captured("2", "Belvoir two"), w.captured("3", "Belvoir three")
	b := w.as(Legal)
	r := b.post("/captures/"+one.ID.String()+"/case", url.Values{"name": {"Aurelle v. Mirror House"}})
	kase := r.Header().Get("Location")
	if r.Code != http.StatusSeeOther || !strings.HasPrefix(kase, "/cases/2026-03-01-") {
		t.Fatalf("got %d to %q: %s", r.Code, kase, r.Body)
	}
	ids := "http://127.0.0.1:8480/captures/" + two.ID.String() + "\r\n " + one.ID.String() + ","
	if r := b.post(kase+"/captures", url.Values{"captures": {ids}}); r.Code != http.StatusSeeOther {
		t.Fatalf("adding got %d: %s", r.Code, r.Body)
	}
	if r := b.post(kase+"/captures", url.Values{"captures": {three.ID.String() + " " + capture.ID{9}.String()}}); r.Code != http.StatusBadRequest {
		t.Errorf("a capture that is not there got %d", r.Code)
	}
	body := b.page(kase)
	if !strings.Contains(body, "Belvoir one") || !strings.Contains(body, "Belvoir two") || strings.Contains(body, "Belvoir three") {
		t.Error("the case has not exactly the two captures")
	}
	if r := b.post(kase+"/hold", url.Values{"hold": {"true"}, "reason": {"suit filed"}}); r.Code != http.StatusSeeOther {
		t.Fatalf("holding the case got %d: %s", r.Code, r.Body)
	}
	for e, want := range map[capture.ID]bool{one.ID: true, two.ID: true, three.ID: false} {
		if got := must(w.index.Get(t.Context(), e))(t).Held; got != want {
			t.Errorf("capture %s is held: %v", e, got)
		}
	}
	if got := w.events(two.ID); !slices.Equal(got, []string{"decided person:legal map[decision:case_add]", "held person:legal map[reason:suit filed]"}) {
		t.Errorf("the custody events are %q", got)
	}
	if r := b.post(kase+"/close", url.Values{"reason": {"settled"}}); r.Code != http.StatusSeeOther || !strings.Contains(b.page(kase), "closed 2026-03-01") {
		t.Errorf("closing got %d: %s", r.Code, r.Body)
	}
	if r := b.post(kase+"/captures", url.Values{"captures": {three.ID.String()}}); r.Code != http.StatusConflict {
		t.Errorf("adding to a closed case got %d", r.Code)
	}
	if r := b.get("/cases/case-nowhere"); r.Code != http.StatusNotFound {
		t.Errorf("a case that is not there got %d", r.Code)
	}
	if r := b.post("/cases", url.Values{"name": {" "}}); r.Code != http.StatusBadRequest {
		t.Errorf("a case without a name got %d", r.Code)
	}
}

func TestWatchesPauseResumeRun(t *testing.T) {
	w := newWorld(t)
	b := w.as(Operator)
	at := "/watches/" + w.watch.ID.String()
	if r := b.post(at+"/pause", nil); r.Code != http.StatusSeeOther || !must(w.ledger.Watch(t.Context(), w.watch.ID))(t).Paused {
		t.Errorf("pause got %d", r.Code)
	}
	if r := b.post(at+"/run", nil); r.Code != http.StatusConflict {
		t.Errorf("running a paused watch got %d", r.Code)
	}
	if r := b.post(at+"/resume", nil); r.Code != http.StatusSeeOther || must(w.ledger.Watch(t.Context(), w.watch.ID))(t).Paused {
		t.Errorf("resume got %d", r.Code)
	}
	r := b.post(at+"/run", url.Values{"from": {"watch"}})
	if r.Code != http.StatusSeeOther || r.Header().Get("Location") != at+"?said=run" {
		t.Errorf("run got %d to %q", r.Code, r.Header().Get("Location"))
	}
	jobs := must(w.ledger.Jobs(t.Context(), ledger.JobFilter{}))(t)
	if len(jobs) != 1 || jobs[0].AskedBy != "person:operator" {
		t.Errorf("the jobs are %+v", jobs)
	}
	if body := b.page(at + "?said=run"); !strings.Contains(body, "The watch was fired.") || !strings.Contains(body, "running") {
		t.Error("the page of the watch does not tell of the run")
	}
	if r := b.post(at+"/remove", nil); r.Code != http.StatusBadRequest {
		t.Errorf("an action that is not there got %d", r.Code)
	}
}

func TestStatusAndLanes(t *testing.T) {
	anchor := &capture.Anchor{Size: 12, StampedAt: noon.Add(-90 * time.Second)}
	w := newWorld(t, func(_ *Config, d *Deps) {
		d.Times = noTimes{anchor}
		d.Backlog = func() (int64, int64) { return 3 << 20, 1 << 30 }
	})
	w.found("7", "Belvoir", 0.9)
	must(w.ledger.Fire(t.Context(), w.watch.ID, w.clock.now().Add(time.Second), []ledger.Work{w.visit("8", "schedule")}))(t)
	if err := w.ledger.CloseLane(t.Context(), "slow.example", w.clock.now().Add(time.Hour), "the site asked us to slow down"); err != nil {
		t.Fatal(err)
	}
	b := w.as(Operator)
	body := b.page("/status")
	for _, want := range []string{"91 s", "12 leaves", "3.0 MiB", "test build", "slow.example", "closed", "slow down", "work waits", "log.example"} {
		if !strings.Contains(body, want) {
			t.Errorf("the status has no %q", want)
		}
	}
	if strings.Contains(body, "Later than two minutes") {
		t.Error("a fresh stamp is called late")
	}
	w.clock.forward(time.Minute)
	if !strings.Contains(b.page("/status"), "Later than two minutes") {
		t.Error("an old stamp is not called late")
	}
	for _, tt := range []struct {
		action string
		open   bool
	}{{"open", true}, {"pause", false}, {"resume", true}} {
		if r := b.post("/lanes", url.Values{"lane": {"slow.example"}, "action": {tt.action}}); r.Code != http.StatusSeeOther {
			t.Errorf("%s got %d", tt.action, r.Code)
		}
		if l := must(w.ledger.Lane(t.Context(), "slow.example"))(t); l.Open(w.clock.now()) != tt.open {
			t.Errorf("after %s the lane is open: %v", tt.action, l.Open(w.clock.now()))
		}
	}
	if body := b.page("/status"); !strings.Contains(body, "opened by person:") || strings.Contains(body, "closed before: opened by") {
		t.Error("that a penalty was lifted is not said, or called a reason why the lane was closed")
	}
	if r := b.post("/lanes", url.Values{"lane": {""}, "action": {"pause"}}); r.Code != http.StatusBadRequest {
		t.Errorf("a lane without a name got %d", r.Code)
	}
}

func TestJSONIsTheTwinOfThePages(t *testing.T) {
	w := newWorld(t)
	f := w.found("7", "Belvoir \u202e bag", 0.9)
	if err := w.srv.accounts.Add("robot", Admin, "correct horse battery"); err != nil {
		t.Fatal(err)
	}
	b := w.nobody()
	code, m := b.json(http.MethodPost, "/api/v1/session", `{"name": "robot", "password": "correct horse battery"}`)
	if code != http.StatusOK {
		t.Fatalf("the session got %d: %v", code, m)
	}
	token := m["token"].(string)
	b.change = func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token); r.Header.Del("Sec-Fetch-Site") }
	_, m = b.json(http.MethodGet, "/api/v1/findings", "")
	list := m["findings"].([]any)
	if len(list) != 1 || list[0].(map[string]any)["listing"].(map[string]any)["title"] != "Belvoir \u202e bag" {
		t.Errorf("the findings are %v", list)
	}
	at := "/api/v1/findings/" + f.ID.String()
	if code, m := b.json(http.MethodPost, at+"/decision", `{"choice": "trademark", "version": 0, "note": "x"}`); code != http.StatusOK || m["state"] != "confirmed" {
		t.Errorf("the decision got %d %v", code, m)
	}
	if code, _ := b.json(http.MethodPost, at+"/decision", `{"choice": "trademark", "version": 0}`); code != http.StatusConflict {
		t.Errorf("an old version got %d", code)
	}
	for _, path := range []string{at, "/api/v1/captures", "/api/v1/captures/" + f.Capture.String(), "/api/v1/watches", "/api/v1/watches/" + w.watch.ID.String(), "/api/v1/cases", "/api/v1/status", "/api/v1/me"} {
		if code, m := b.json(http.MethodGet, path, ""); code != http.StatusOK || len(m) == 0 {
			t.Errorf("%s got %d", path, code)
		}
	}
	for body, want := range map[string]int{`{"choice": {"a": 1}}`: 400, `[`: 400, `{"choice": "` + strings.Repeat("x", maxForm) + `"}`: 400} {
		if code, _ := b.json(http.MethodPost, at+"/decision", body); code != want {
			t.Errorf("%.40s got %d", body, code)
		}
	}
	if code, m := b.json(http.MethodGet, "/api/v1/findings/nonsense", ""); code != http.StatusNotFound || m["error"] == "" {
		t.Errorf("nonsense got %d %v", code, m)
	}
	b.json(http.MethodDelete, "/api/v1/session", "")
	if code, _ := b.json(http.MethodGet, "/api/v1/me", ""); code != http.StatusUnauthorized {
		t.Errorf("after the end of the session it got %d", code)
	}
}

func TestPackageIsWholeBeforeItIsGiven(t *testing.T) {
	var asked PackageRequest
	fails := false
	w := newWorld(t, func(c *Config, d *Deps) {
		c.TempDir = t.TempDir()
		d.Package = func(_ context.Context, f *os.File, q PackageRequest) (Packaged, error) {
			asked = q
			_, err := f.WriteString("PK package")
			if fails {
				err = archive.ErrTampered
			}
			return Packaged{Name: "case-1.zip", SHA256: capture.Sum([]byte("PK package"))}, err
		}
	})
	e := w.captured("7", "Belvoir")
	b := w.as(Legal)
	kase := b.post("/captures/"+e.ID.String()+"/case", url.Values{"name": {"A v. B"}}).Header().Get("Location")
	form := url.Values{"to": {"Counsel LLP"}, "purpose": {"A v. B"}}
	r := b.post(kase+"/package", form)
	if r.Code != http.StatusOK || r.Body.String() != "PK package" || r.Header().Get("Content-Disposition") != `attachment; filename="case-1.zip"` {
		t.Fatalf("the package got %d %v", r.Code, r.Header())
	}
	if want := (PackageRequest{Case: strings.TrimPrefix(kase, "/cases/"), By: "person:legal", To: "Counsel LLP", Purpose: "A v. B"}); asked != want {
		t.Errorf("asked for %+v, want %+v", asked, want)
	}
	for how, want := range map[string][2]bool{"false": {}, "true": {true, false}, "rest": {true, true}} {
		form.Set("redacted", how)
		if r := b.post(kase+"/package", form); r.Code != http.StatusOK || [2]bool{asked.Redacted, asked.RestWhole} != want {
			t.Errorf("redacted %s: got %d, asked for %+v", how, r.Code, asked)
		}
	}
	form.Set("redacted", "maybe")
	if r := b.post(kase+"/package", form); r.Code != http.StatusBadRequest {
		t.Errorf("redacted maybe: got %d", r.Code)
	}
	form.Del("redacted")
	fails = true
	if r := b.post(kase+"/package", form); r.Code != http.StatusBadGateway || strings.Contains(r.Body.String(), "PK package") {
		t.Errorf("a package that does not verify got %d", r.Code)
	}
	if r := b.post(kase+"/package", url.Values{"to": {"x"}}); r.Code != http.StatusBadRequest {
		t.Errorf("a package without a purpose got %d", r.Code)
	}
	w.srv.packing <- struct{}{}
	if r := b.post(kase+"/package", form); r.Code != http.StatusConflict {
		t.Errorf("a second package at the same time got %d", r.Code)
	}
	left, err := filepath.Glob(filepath.Join(w.cfg.TempDir, "package-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestWhatIsGoneIsSaid(t *testing.T) {
	w := newWorld(t)
	e := w.captured("7", "Belvoir")
	if err := w.index.Forget(t.Context(), e.ID, catalog.Erased); err != nil {
		t.Fatal(err)
	}
	b := w.as(Legal)
	if body := b.page("/captures/" + e.ID.String()); !strings.Contains(body, "The capture is gone: erased.") {
		t.Error("the page of a capture that was erased does not say so")
	}
	for _, p := range []string{"/manifest", "/file/warc/0", "/thumbnail"} {
		if r := b.get("/captures/" + e.ID.String() + p); r.Code != http.StatusGone && r.Code != http.StatusNotFound {
			t.Errorf("%s of it got %d", p, r.Code)
		}
	}
}

// A redaction and its original tell of each other, and lists say which is one.
func TestRedactionsAndOriginalsTellOfEachOther(t *testing.T) {
	w := newWorld(t)
	e := w.captured("7", "Belvoir")
	b := w.as(Legal)
	if body := b.page("/captures/" + e.ID.String()); strings.Contains(body, "Redaction") {
		t.Error("a capture without redactions tells of some")
	}
	r := must(w.arch.Redact(t.Context(), archive.Redaction{
		Capture: e.ID, Reason: "names of third parties", Boxes: []archive.Box{{X: 5, Y: 5, W: 20, H: 20}}, Remove: []archive.Removal{{Kind: "text", What: "price"}},
	}, "person:ann"))(t)
	must(w.arch.StoreRedaction(t.Context(), r))(t)
	original, copied := b.page("/captures/"+e.ID.String()), b.page("/captures/"+r.ID.String())
	if !strings.Contains(original, `<dt>Redactions</dt>`) || !strings.Contains(original, `href="/captures/`+r.ID.String()+`"`) || strings.Contains(original, "Redaction of") {
		t.Error("the original's page does not list its redaction")
	}
	for _, want := range []string{`Redaction of <a href="/captures/` + e.ID.String() + `"`, "names of third parties", "<dt>Withheld</dt>"} {
		if !strings.Contains(copied, want) {
			t.Errorf("the redaction's page does not say %q", want)
		}
	}
	if n := strings.Count(b.page("/evidence"), `<span class="chip">redaction</span>`); n != 1 {
		t.Errorf("%d captures of the list are marked as redactions", n)
	}
	code, m := b.json(http.MethodGet, "/api/v1/captures/"+r.ID.String(), "")
	if code != http.StatusOK || m["redaction_of"] != e.ID.String() {
		t.Errorf("the API says %d, %v", code, m["redaction_of"])
	}
	if _, m = b.json(http.MethodGet, "/api/v1/captures/"+e.ID.String(), ""); len(m["redactions"].([]any)) != 1 {
		t.Errorf("the API says %v", m["redactions"])
	}
}
