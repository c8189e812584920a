package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/scope"
	"github.com/trawlmark/trawlmark/crawler/site"
	"github.com/trawlmark/trawlmark/crawler/triage"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// Rules compiles what a watch follows, or says which rule is wrong. A nil Scope
// follows everything.
func Rules(r ledger.Rules) (*scope.Scope, error) {
	if r.Empty() {
		return nil, nil
	}
	s, err := scope.New(scope.Config{Hosts: r.Hosts, AnyHost: len(r.Hosts) == 0, Include: r.Include, Exclude: r.Exclude})
	if err != nil {
		// Its sentences name its own keys; people know the watch's.
		text := strings.TrimPrefix(err.Error(), "scope.")
		return nil, fmt.Errorf("the rules of the watch cannot be used: %s", text)
	}
	return s, nil
}

// CheckWatch says what of a watch makes no sense to a worker before it is
// stored: a rule that cannot be read, a site that is not there, a page to begin
// at that its own rules exclude, an unreadable brand profile.
func CheckWatch(sites *site.Set, w ledger.Watch) error {
	if err := w.Validate(); err != nil {
		return err
	}
	rules, err := Rules(w.Rules)
	if err != nil {
		return fmt.Errorf("%w: %w", ledger.ErrInvalid, err)
	}
	jobs, problems := Seeds(sites, w)
	for _, p := range problems {
		return fmt.Errorf("%w: %w", ledger.ErrInvalid, p)
	}
	if len(jobs) == 0 {
		return fmt.Errorf("%w: the watch has nothing to begin with: it needs a site with a term, or a seed URL", ledger.ErrInvalid)
	}
	for _, j := range jobs {
		if j.Lane == "" {
			return fmt.Errorf("%w: %q is no web address to begin at", ledger.ErrInvalid, j.URL)
		}
		if rules == nil {
			continue
		}
		if why := rules.Refuses(j.URL, true); why != "" {
			return fmt.Errorf("%w: the watch begins at %s, which its own rules leave out: %s", ledger.ErrInvalid, j.URL, why)
		}
	}
	if len(w.Brand) > 0 {
		if _, err := triage.ParseBrand("the brand profile", w.Brand); err != nil {
			return fmt.Errorf("%w: %w", ledger.ErrInvalid, err)
		}
	}
	return nil
}

// watches keeps what watches say in its compiled form.
type watches struct {
	ledger *ledger.Ledger

	mu   sync.Mutex
	kept map[capture.ID]*compiled
}

// compiled is a watch ready for use; brand and rules may be nil.
type compiled struct {
	ledger.Watch
	brand *triage.Brand
	rules *scope.Scope
}

// maxKept bounds the compiled watches of a process.
const maxKept = 1000

// of gives the watch as it is now; nil when the ledger does not have it.
func (s *watches) of(ctx context.Context, id capture.ID) (*compiled, error) {
	if id.IsZero() {
		return nil, nil
	}
	w, err := s.ledger.Watch(ctx, id)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if have := s.kept[id]; have != nil && have.Updated.Equal(w.Updated) {
		return have, nil
	}
	c := &compiled{Watch: w}
	if c.rules, err = Rules(w.Rules); err != nil {
		return nil, fmt.Errorf("watch %q: %w", w.Name, err)
	}
	if len(w.Brand) > 0 {
		if c.brand, err = triage.ParseBrand("watch "+w.Name, w.Brand); err != nil {
			return nil, fmt.Errorf("the brand profile of watch %q cannot be read: %w", w.Name, err)
		}
	}
	if s.kept == nil || len(s.kept) >= maxKept {
		s.kept = map[capture.ID]*compiled{}
	}
	s.kept[id] = c
	return c, nil
}

// trapReason is how links are counted that look as if they had no end; the job
// tells more.
const trapReason = "it looks like a trap"

// follow makes visits of the links that a page asks for. What is not followed
// is counted by its reason, for the run, and told with the job: a trap (a
// calendar without end, a path that grows), or what the watch's rules leave
// out. Include patterns are for listings: a search leads on to its next page
// whatever they say.
func (v *Visitor) follow(ctx context.Context, job ledger.Job, r *site.Reading, into *ledger.Result) error {
	w, err := v.watches.of(ctx, job.Watch)
	if err != nil {
		return err
	}
	refused, trapped := ledger.Refused{}, ""
	for _, l := range r.Links {
		if l.Kind != site.KindListing && l.Kind != site.KindNext {
			continue
		}
		work := NewVisit(v.sites, l.URL)
		if t := (scope.Traps{}).Check(work.Canonical); t != "" {
			refused[trapReason]++
			trapped = t
			continue
		}
		if w != nil && w.rules != nil {
			if why := w.rules.Refuses(l.URL, l.Kind == site.KindNext); why != "" {
				refused[why]++
				continue
			}
		}
		work.Priority, work.AskedBy, work.Depth = job.Priority, job.AskedBy, job.Depth
		if l.Kind == site.KindListing {
			work.Depth++
		}
		into.Follow = append(into.Follow, work)
	}
	if len(refused) > 0 {
		into.Refused, into.Note = refused, notFollowed(refused, trapped)
	}
	return nil
}

// notFollowed says for people which links were left, the most first.
func notFollowed(refused ledger.Refused, trapped string) string {
	reasons := slices.SortedFunc(maps.Keys(refused), func(a, b string) int {
		return cmp.Or(cmp.Compare(refused[b], refused[a]), cmp.Compare(a, b))
	})
	var parts []string
	for _, why := range reasons {
		part := fmt.Sprintf("%d because %s", refused[why], why)
		if why == trapReason {
			part += " (the last: " + trapped + ")"
		}
		parts = append(parts, part)
	}
	return fmt.Sprintf("%d links not followed: %s", refused.Total(), strings.Join(parts, "; "))
}
