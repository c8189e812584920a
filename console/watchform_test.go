package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/worker/ledger"
)

func watchForms(c *Config, d *Deps) {
	d.Sites = []string{"market", "ebay"}
	d.CheckWatch = func(w ledger.Watch) error {
		if len(w.Sites)*len(w.Terms)+len(w.Seeds) == 0 {
			return fmt.Errorf("%w: the watch has nothing to begin with", ledger.ErrInvalid)
		}
		return nil
	}
}

func TestAWatchIsAddedAndChanged(t *testing.T) {
	w := newWorld(t, watchForms)
	b := w.as(Analyst)
	if page := b.page("/watches"); !strings.Contains(page, `href="/watches/new"`) {
		t.Error("analysts are not offered to add a watch")
	}
	if page := w.as(Operator).page("/watches"); strings.Contains(page, `href="/watches/new"`) {
		t.Error("operators are offered what they may not")
	}
	form := url.Values{
		"name": {" lune "}, "brand": {"name: Aurelle\ncurrency: EUR\n"}, "sites_shown": {"1"}, "sites": {"ebay"}, "terms": {"lune wallet\r\n\r\n lune bag \r\nlune wallet"},
		"seeds": {""}, "cron": {"0 6 * * *"}, "zone": {"Europe/Paris"}, "missed": {"skip"}, "max_pages": {"7"}, "max_listings": {"70"}, "depth": {"2"}, "priority": {"-3"},
		"hosts": {""}, "include": {"/itm/*"}, "exclude": {"*used*\n/x"},
		"keep": {" 7d "}, "keep_findings": {"36h"},
	}
	if r := b.post("/watches", form); r.Code != http.StatusBadRequest || !strings.Contains(r.Body.String(), "must not be shorter") || !strings.Contains(r.Body.String(), `value="36h"`) {
		t.Fatalf("findings kept for less than the rest: got %d", r.Code)
	}
	form.Set("keep_findings", "3650d")
	r := b.post("/watches", form)
	if r.Code != http.StatusSeeOther || !strings.HasSuffix(r.Header().Get("Location"), "?said=add") {
		t.Fatalf("got %d to %q: %s", r.Code, r.Header().Get("Location"), r.Body)
	}
	got := must(w.ledger.WatchNamed(t.Context(), "lune"))(t)
	if fmt.Sprint(got.Sites, got.Terms, got.Rules.Include, got.Rules.Exclude) != "[ebay] [lune wallet lune bag] [/itm/*] [*used* /x]" || got.MaxPages != 7 || got.MaxListings != 70 ||
		got.Depth != 2 || got.Priority != -3 || got.Missed != ledger.Skip || got.Schedule.Zone != "Europe/Paris" || got.CreatedBy == "" || got.Retention != (ledger.Retention{Untriaged: 7 * 86400, Finding: 3650 * 86400}) || !strings.Contains(string(got.Brand), "Aurelle") {
		t.Errorf("stored as %+v", got)
	}
	page := b.page(r.Header().Get("Location"))
	for _, want := range []string{"The watch was added.", "only <code>/itm/*</code>", "not <code>*used*</code>", "/edit", "7d, findings 3650d"} {
		if !strings.Contains(page, want) {
			t.Errorf("its page has no %q", want)
		}
	}

	at := "/watches/" + got.ID.String()
	edit := b.page(at + "/edit")
	for _, want := range []string{`value="lune"`, `name="keep" value="7d"`, "lune wallet\nlune bag", `value="ebay" checked`, "The profile of <b class=\"t\">Aurelle</b> stays"} {
		if !strings.Contains(edit, want) {
			t.Errorf("the form has no %q", want)
		}
	}
	_, rest, _ := strings.Cut(edit, `name="version" value="`)
	version, _, _ := strings.Cut(rest, `"`)
	w.clock.forward(time.Second)
	form = url.Values{"version": {version}, "name": {"lune"}, "sites_shown": {"1"}, "terms": {""}, "seeds": {"https://shop.example/"}, "exclude": {""}, "keep": {"90m"}, "keep_findings": {""}}
	if r := b.post(at+"/change", form); r.Code != http.StatusSeeOther {
		t.Fatalf("got %d: %s", r.Code, r.Body)
	}
	got = must(w.ledger.Watch(t.Context(), got.ID))(t)
	if len(got.Sites)+len(got.Terms)+len(got.Rules.Exclude) != 0 || len(got.Rules.Include) != 1 || got.Retention != (ledger.Retention{Untriaged: 5400}) || got.MaxPages != 7 || !strings.Contains(string(got.Brand), "Aurelle") {
		t.Errorf("changed to %+v", got)
	}
	// What somebody else changed meanwhile is not overwritten.
	if r := b.post(at+"/change", form); r.Code != http.StatusConflict {
		t.Errorf("an old form got %d", r.Code)
	}
}

// A person gets the form back as filled in, with what is wrong in a sentence.
func TestAWatchThatMakesNoSenseComesBack(t *testing.T) {
	w := newWorld(t, watchForms)
	b := w.as(Admin)
	good := url.Values{"name": {"x"}, "seeds": {"https://shop.example/"}}
	for name, tt := range map[string]struct {
		change url.Values
		code   int
		want   string
	}{
		"no name":     {url.Values{"name": {""}}, 400, "The watch&#39;s name must have 1 to 200 bytes"},
		"taken":       {url.Values{"name": {"aurelle"}}, 409, "There is a watch named &#34;aurelle&#34; already."},
		"nothing":     {url.Values{"seeds": {""}}, 400, "The watch has nothing to begin with.</p>"},
		"cron":        {url.Values{"cron": {"soon"}}, 400, "cannot be read"},
		"zone":        {url.Values{"cron": {"@daily"}, "zone": {"Mars"}}, 400, "not a time zone"},
		"depth":       {url.Values{"depth": {"0"}}, 400, "The depth must be a whole number, 1 or more."},
		"brand":       {url.Values{"brand": {"nmae: x"}}, 400, "Brand profile:1"},
		"no pattern":  {url.Values{"include": {strings.Repeat("x", 600)}}, 400, "1 to 500 bytes"},
		"keep":        {url.Values{"keep": {"soon"}}, 400, "&#34;soon&#34; does not say how long"},
		"keep a bit":  {url.Values{"keep": {"500ms"}}, 400, "does not say how long"},
		"keep 0 days": {url.Values{"keep_findings": {"0d"}}, 400, "value=\"0d\""},
		"no priority": {url.Values{"priority": {"101"}}, 400, "priority"},
	} {
		form := url.Values{}
		for _, from := range []url.Values{good, tt.change} {
			for k, v := range from {
				form[k] = v
			}
		}
		r := b.post("/watches", form)
		if body := r.Body.String(); r.Code != tt.code || !strings.Contains(body, tt.want) || !strings.Contains(body, `role="alert"`) || !strings.Contains(body, `class="watchform"`) {
			t.Errorf("%s: got %d without %q, or without the form", name, r.Code, tt.want)
		}
	}
	if all := must(w.ledger.Watches(t.Context()))(t); len(all) != 1 {
		t.Errorf("there are %d watches", len(all))
	}
	if _, err := w.ledger.RemoveWatch(t.Context(), w.watch.ID); err != nil {
		t.Fatal(err)
	}
	if r := b.get("/watches/" + w.watch.ID.String() + "/edit"); r.Code != http.StatusConflict {
		t.Errorf("a removed watch: got %d", r.Code)
	}
}

func TestAProgramChangesOnlyWhatItSends(t *testing.T) {
	w := newWorld(t, watchForms)
	b := w.as(Admin)
	send := func(body map[string]any) (int, ledger.Watch, string) {
		t.Helper()
		text := must(json.Marshal(body))(t)
		r := b.do(http.MethodPost, "/api/v1/watches/"+w.watch.ID.String()+"/change", strings.NewReader(string(text)), "application/json")
		var got ledger.Watch
		_ = json.Unmarshal(r.Body.Bytes(), &got)
		return r.Code, got, r.Body.String()
	}
	version := must(w.ledger.Watch(t.Context(), w.watch.ID))(t).Updated.UTC().Format("2006-01-02T15:04:05.999999999Z07:00")
	code, got, body := send(map[string]any{"version": version, "max_listings": 9, "exclude": []string{"/used", "/old"}})
	if code != http.StatusOK || got.MaxListings != 9 || len(got.Rules.Exclude) != 2 || got.Name != "aurelle" || len(got.Terms) != 1 {
		t.Errorf("got %d, %s", code, body)
	}
	if code, _, body := send(map[string]any{"version": got.Updated, "depth": -1}); code != http.StatusBadRequest || !strings.Contains(body, "The depth") {
		t.Errorf("got %d, %s", code, body)
	}
	if _, err := w.ledger.WatchNamed(t.Context(), "nobody"); !errors.Is(err, ledger.ErrNotFound) {
		t.Error(err)
	}
}
