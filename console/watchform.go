package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/crawler/triage"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// watchForm is a watch as a person writes it.
type watchForm struct {
	ID      string // "" for a new one
	Version string // when it was changed last, as the person saw it
	Watch   ledger.Watch
	Brand   string // the profile as typed; "" keeps the one that is there
	NoBrand bool
	Sites   []siteBox
	Keep    [2]string // how long captures are locked as typed: all, those of findings
	Error   string
	Zones   []string
}

// siteBox is a site that a watch may search.
type siteBox struct {
	Name string
	On   bool
}

// zones are offered for a schedule; any other IANA name may be typed.
var zones = []string{"UTC", "Europe/London", "Europe/Paris", "Europe/Berlin", "America/New_York", "America/Los_Angeles", "Asia/Shanghai", "Asia/Tokyo", "Asia/Singapore"}

// BrandName is the name in the profile that is there.
func (f watchForm) BrandName() string { return watchRow{Watch: f.Watch}.BrandName() }

func (s *Server) newWatchForm(context.Context, *http.Request, Person) (any, error) {
	return s.form(ledger.Watch{MaxPages: 50, MaxListings: 2000, Depth: 3, Schedule: ledger.Schedule{Zone: "UTC"}, Missed: ledger.CatchUp, Jitter: ledger.DefaultJitter}), nil
}

func (s *Server) editWatchForm(ctx context.Context, r *http.Request, _ Person) (any, error) {
	w, err := s.changeable(ctx, r)
	if err != nil {
		return nil, err
	}
	return s.form(w), nil
}

// changeable gives the watch of the address, unless it was removed.
func (s *Server) changeable(ctx context.Context, r *http.Request) (ledger.Watch, error) {
	id, err := s.pathID(r)
	if err != nil {
		return ledger.Watch{}, err
	}
	w, err := s.Watches.Watch(ctx, id)
	if err == nil && w.Removed {
		err = conflict{sentence("This watch was removed. Add a new one.")}
	}
	return w, err
}

func (s *Server) form(w ledger.Watch) watchForm {
	f := watchForm{Watch: w, Zones: zones, Keep: [2]string{keptText(w.Retention.Untriaged), keptText(w.Retention.Finding)}}
	if !w.ID.IsZero() {
		f.ID, f.Version = w.ID.String(), w.Updated.UTC().Format(time.RFC3339Nano)
	}
	for _, name := range s.Sites {
		f.Sites = append(f.Sites, siteBox{name, slices.Contains(w.Sites, name)})
	}
	for _, name := range w.Sites {
		if !slices.Contains(s.Sites, name) { // a site file that is gone, or none are known
			f.Sites = append(f.Sites, siteBox{name, true})
		}
	}
	return f
}

var watchChanged = conflict{sentence("Somebody else changed this watch since you opened it. Open it again and repeat.")}

// saveWatch adds a watch, or changes the one of the address. A person who wrote
// something that makes no sense gets the form back with it.
func (s *Server) saveWatch(w http.ResponseWriter, r *http.Request, who Person) error {
	in, err := input(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), pageTime)
	defer cancel()
	var now ledger.Watch
	if r.PathValue("id") != "" {
		if now, err = s.changeable(ctx, r); err != nil {
			return err
		}
		if v := in.Get("version"); v != now.Updated.UTC().Format(time.RFC3339Nano) {
			return watchChanged
		}
	} else {
		now.CreatedBy = who.Actor()
	}
	wanted, err := readWatch(in, now)
	if err == nil && s.CheckWatch != nil {
		err = s.CheckWatch(wanted)
	}
	var saved ledger.Watch
	if err == nil {
		if now.ID.IsZero() {
			saved, err = s.Watches.AddWatch(ctx, wanted)
		} else {
			saved, err = s.Watches.ChangeWatch(ctx, wanted)
		}
	}
	if err != nil {
		return s.watchFault(w, r, who, in, wanted, err)
	}
	verb := "change"
	if now.ID.IsZero() {
		verb = "add"
	}
	s.Log.Info("a watch was changed", "watch", saved.Name, "action", verb, "by", who.Actor())
	if isAPI(r) {
		return writeJSON(w, http.StatusOK, saved)
	}
	http.Redirect(w, r, with("/watches/"+saved.ID.String(), "said", verb), http.StatusSeeOther)
	return nil
}

// watchFault answers a watch that was not taken: programs get the error, people
// the form as they filled it in.
func (s *Server) watchFault(w http.ResponseWriter, r *http.Request, who Person, in url.Values, wanted ledger.Watch, err error) error {
	if errors.Is(err, ledger.ErrChanged) { // between our look and our change
		return watchChanged
	}
	if errors.Is(err, ledger.ErrExists) {
		err = conflict{sentence(fmt.Sprintf("There is a watch named %q already.", clip(wanted.Name, 200)))}
	}
	a := answerTo(err)
	if a.text = upperFirst(strings.TrimPrefix(a.text, ledger.ErrInvalid.Error()+": ")); !strings.HasSuffix(a.text, ".") {
		a.text += "."
	}
	if isAPI(r) || a.status >= http.StatusInternalServerError {
		if a.status >= http.StatusInternalServerError {
			return err
		}
		s.fail(w, r, who, a)
		return nil
	}
	f := s.form(wanted)
	f.Error, f.Brand, f.NoBrand = a.text, in.Get("brand"), in.Get("no_brand") != ""
	f.Version = in.Get("version")
	for i, key := range keepKeys {
		if in.Has(key) {
			f.Keep[i] = in.Get(key)
		}
	}
	s.render(w, r, who, a.status, "watchform", f)
	return nil
}

func upperFirst(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// readWatch reads the form over what the watch is now. A field that is not
// there stays as it is: programs send only what they change. The watch is given
// back with an error, too, as far as it was read.
func readWatch(in url.Values, w ledger.Watch) (ledger.Watch, error) {
	var errs []error
	text := func(key string, to *string) {
		if in.Has(key) {
			*to = strings.TrimSpace(in.Get(key))
		}
	}
	number := func(key, name string, least int, to *int) {
		if !in.Has(key) {
			return
		}
		n, err := strconv.Atoi(strings.TrimSpace(in.Get(key)))
		if err != nil || n < least {
			errs = append(errs, bad(fmt.Sprintf("%s must be a whole number, %d or more.", name, least)))
			return
		}
		*to = n
	}
	list := func(key string, to *[]string) {
		if in.Has(key) || in.Has(key+"_shown") { // boxes that are all empty are not sent
			*to = linesOf(in[key])
		}
	}
	text("name", &w.Name)
	text("cron", &w.Schedule.Cron)
	text("zone", &w.Schedule.Zone)
	text("jitter", (*string)(&w.Jitter))
	if in.Has("missed") {
		w.Missed = ledger.MissedPolicy(in.Get("missed"))
	}
	list("sites", &w.Sites)
	list("terms", &w.Terms)
	list("seeds", &w.Seeds)
	list("hosts", &w.Rules.Hosts)
	list("include", &w.Rules.Include)
	list("exclude", &w.Rules.Exclude)
	number("max_pages", "The number of search pages", 1, &w.MaxPages)
	number("max_listings", "The number of listings", 1, &w.MaxListings)
	number("depth", "The depth", 1, &w.Depth)
	number("priority", "The priority", -100, &w.Priority)
	for i, to := range []*int64{&w.Retention.Untriaged, &w.Retention.Finding} {
		if !in.Has(keepKeys[i]) {
			continue
		}
		seconds, err := readKept(in.Get(keepKeys[i]))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		*to = seconds
	}
	switch brand := strings.TrimSpace(in.Get("brand")); {
	case in.Get("no_brand") != "":
		w.Brand = nil
	case brand != "":
		b, err := triage.ParseBrand("brand profile", []byte(brand))
		if err != nil {
			errs = append(errs, badRequest{err})
			break
		}
		if w.Brand, err = json.Marshal(b); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return w, errs[0]
	}
	return w, nil
}

// keepKeys are the fields that say how long captures are locked: all of them,
// and those of suspicious listings.
var keepKeys = [2]string{"keep", "keep_findings"}

// readKept reads whole days or what time.ParseDuration reads, as the command
// does. Nothing is 0 seconds: as the configuration says.
func readKept(text string) (int64, error) {
	if text = strings.TrimSpace(text); text == "" {
		return 0, nil
	}
	wrong := bad(fmt.Sprintf("%q does not say how long captures are kept: write 30d or 36h, a minute to 36500d, or nothing for what the configuration says.", clip(text, 80)))
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 32)
		if err != nil || n == 0 || n > 36500 {
			return 0, wrong
		}
		return int64(n) * 24 * 3600, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Minute {
		return 0, wrong
	}
	return int64(d / time.Second), nil
}

// keptText is a retention as readKept reads it: in days where it has whole ones.
func keptText(seconds int64) string {
	switch {
	case seconds == 0:
		return ""
	case seconds%(24*3600) == 0:
		return fmt.Sprintf("%dd", seconds/(24*3600))
	}
	return (time.Duration(seconds) * time.Second).String()
}

// linesOf reads texts that have one thing a line; empty lines are nothing.
func linesOf(texts []string) []string {
	var out []string
	for _, t := range texts {
		for line := range strings.Lines(t) {
			if line = strings.TrimSpace(line); line != "" && !slices.Contains(out, line) {
				out = append(out, line)
			}
		}
	}
	return out
}

// notFollowed is one reason why links of a run were left.
type notFollowed struct {
	Why string
	N   int
}

// LeftOut lists why links of a run were not followed, the most first.
func (w watchRow) LeftOut(f ledger.Fired) []notFollowed {
	var out []notFollowed
	for why, n := range f.Refused {
		out = append(out, notFollowed{why, n})
	}
	slices.SortFunc(out, func(a, b notFollowed) int {
		if a.N != b.N {
			return b.N - a.N
		}
		return strings.Compare(a.Why, b.Why)
	})
	return out
}
