package crawler

import (
	"fmt"
	"strings"
	"sync"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/listing"
	"github.com/trawlmark/trawlmark/crawler/site"
)

// What lessons are drawn from, and how far they are trusted.
const (
	lessonPairs = 20   // pairs in a row that must agree
	auditShare  = 0.05 // of the pages that are spared, looked at all the same
	maxLessons  = 4096 // lanes and page kinds; unknown shops have a lane each
	weak        = 0.5  // confidence below which a required field is doubted
)

// lessons remembers, for each lane and page kind, whether Chrome ever read
// anything else than the cheap fetch had. Doubts are then not worth a browser;
// what is missing always is. It lives as long as the process: after a start the
// first pages cost a browser again, and no page depends on what another
// process believed. Safe for concurrent use.
type lessons struct {
	random func() float64 // in [0,1)

	mu   sync.Mutex
	same map[lessonKey]int // pairs in a row that agreed
}

type lessonKey struct {
	lane string
	kind site.Kind
}

func newLessons(random func() float64) *lessons {
	return &lessons{random: random, same: map[lessonKey]int{}}
}

// learn takes one pair: what Chrome read of a required field that the cheap
// fetch had read differently. One change and everything is to be proven again.
func (l *lessons) learn(k lessonKey, changed []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.same[k]; !known && len(l.same) >= maxLessons {
		return // it stays unlearned, which costs a browser and nothing else
	}
	if len(changed) > 0 {
		l.same[k] = 0
		return
	}
	l.same[k]++
}

// spare says whether Chrome need not be asked for a doubt's sake, and in how
// many pairs it changed nothing. An audit is a page that is looked at although
// it could be spared.
func (l *lessons) spare(k lessonKey) (spared, audit bool, pairs int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	pairs = l.same[k]
	if pairs < lessonPairs {
		return false, false, pairs
	}
	if l.random() < auditShare {
		return false, true, pairs
	}
	return true, false, pairs
}

func (v *visit) lessonKey(r *site.Reading) lessonKey { return lessonKey{v.match.Lane, r.Match.Kind} }

// doubts gives the soft reasons for Chrome: the page has all that is required,
// but some of it is read from a weak place or disagrees with another.
func doubts(r *site.Reading) []string {
	if r.Listing == nil || r.Outcome != capture.Captured && r.Outcome != capture.Partial {
		return nil
	}
	var why []string
	for _, f := range required(r) {
		c, ok := r.Listing.Fields[f]
		switch {
		case !ok:
		case c.Confidence < weak:
			why = append(why, fmt.Sprintf("the %s is doubtful (%s, %s)", f, c.Source, c.Path))
		case f == listing.Price && c.Conflict != "":
			why = append(why, "the page has more than one price: "+c.Conflict)
		}
	}
	return why
}

func required(r *site.Reading) []listing.FieldName {
	if r.Match.Site == nil {
		return nil
	}
	return r.Match.Site.Listing.Required
}

// weighDoubts turns doubts into reasons for Chrome, unless pages of this kind
// taught that it changes nothing; then that is noted.
func (v *visit) weighDoubts(r *site.Reading) []string {
	if v.mode() != site.RenderAuto || v.Renderer == nil || asked[r.Outcome] {
		return nil
	}
	why := doubts(r)
	if len(why) == 0 {
		return nil
	}
	spared, audit, pairs := v.lessons.spare(v.lessonKey(r))
	switch {
	case spared:
		v.cap.Evidence = append(v.cap.Evidence, fmt.Sprintf(
			"Chrome was not asked, although %s: it changed nothing of the required fields of the last %d pages like this", strings.Join(why, "; "), pairs))
		return nil
	case audit:
		why = append(why, fmt.Sprintf("a sample: Chrome changed nothing of the last %d pages like this, and this one tells whether that still holds", pairs))
	}
	return why
}

// learnFrom compares what both ways read of the same page. A page of which the
// cheap fetch did not read all that is required teaches nothing: it always goes
// to Chrome.
func (v *visit) learnFrom(cheap, chrome *site.Reading) {
	if chrome == nil || len(cheap.NeedsChrome) > 0 || cheap.Listing == nil || chrome.Listing == nil ||
		cheap.Outcome.Class() != capture.Seen || chrome.Outcome.Class() != capture.Seen {
		return
	}
	v.lessons.learn(v.lessonKey(cheap), changedFields(cheap, chrome))
}

// changedFields says which required fields Chrome read differently.
func changedFields(cheap, chrome *site.Reading) []string {
	var out []string
	for _, f := range required(cheap) {
		a, b := cheap.Listing.Fields[f], chrome.Listing.Fields[f]
		same := a.Value == b.Value
		if a.Amount != nil && b.Amount != nil {
			same = a.Amount.Equal(*b.Amount) && cheap.Listing.Text(listing.Currency) == chrome.Listing.Text(listing.Currency)
		}
		if !same {
			out = append(out, string(f))
		}
	}
	return out
}
