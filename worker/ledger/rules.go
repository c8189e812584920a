package ledger

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/trawlmark/trawlmark/archive/sqldb"
)

// Rules say which links of a watch's pages are followed. The ledger keeps them;
// who follows links reads them (worker.Rules).
type Rules struct {
	// Hosts that are followed: "shop.example", or "*.shop.example" for every
	// name below. Empty: every host that the pages lead to.
	Hosts []string `json:"hosts,omitempty"`
	// Include are path patterns of listings to visit, as robots.txt writes
	// them ("/itm/*"). Empty: all.
	Include []string `json:"include,omitempty"`
	// Exclude are path patterns of pages not to visit; they win over Include.
	Exclude []string `json:"exclude,omitempty"`
}

// Empty reports whether every link is followed.
func (r Rules) Empty() bool { return len(r.Hosts)+len(r.Include)+len(r.Exclude) == 0 }

const (
	maxRules   = 200 // of each kind
	maxRule    = 500 // bytes
	maxReasons = 100 // that one fire tells apart
)

func (r Rules) validate() error {
	for _, l := range []struct {
		name string
		list []string
	}{{"hosts", r.Hosts}, {"include", r.Include}, {"exclude", r.Exclude}} {
		if len(l.list) > maxRules {
			return fmt.Errorf("%w: %d %s in one watch, %d are the most", ErrInvalid, len(l.list), l.name, maxRules)
		}
		for _, s := range l.list {
			if s == "" || len(s) > maxRule {
				return fmt.Errorf("%w: each of %s must have 1 to %d bytes", ErrInvalid, l.name, maxRule)
			}
		}
	}
	return nil
}

func rulesText(r Rules) string {
	b, _ := json.Marshal(r) // strings always marshal
	return sqldb.Text(string(b))
}

// Refused counts links that were not followed, by the reason: a sentence from
// a small set, without anything of the page in it.
type Refused map[string]int

// Total is how many links those are.
func (r Refused) Total() (n int) {
	for _, k := range r {
		n += k
	}
	return n
}

// otherReasons is where reasons are counted that are too many to tell apart.
const otherReasons = "other reasons"

// add counts n more links for a reason.
func (r *Refused) add(reason string, n int) {
	if n <= 0 {
		return
	}
	if *r == nil {
		*r = Refused{}
	}
	if _, known := (*r)[reason]; !known && len(*r) >= maxReasons {
		reason = otherReasons
	}
	(*r)[reason] += n
}

// merge adds what another one counted, in one order for all.
func (r *Refused) merge(more Refused) {
	for _, reason := range slices.Sorted(maps.Keys(more)) {
		r.add(reason, more[reason])
	}
}

func refusedText(r Refused) string {
	if len(r) == 0 {
		return "{}"
	}
	b, _ := json.Marshal(r)
	return sqldb.Text(string(b))
}
