package bundle

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/seal/stamp"
)

// stamped is a time stamp as it tells of itself, for people.
type stamped struct {
	Name string
	At   *time.Time // nil: it cannot be read
	Ends *time.Time // the first of its certificates ends; nil: it cannot be read
	Kept bool       // what was said of revoked certificates is in the package
	// Renewed are the renewals that lead to it, the oldest first.
	Renewed []stamped
}

// Last is when the last stamp that keeps this one checkable ends.
func (s stamped) Last() *time.Time {
	last := s.Ends
	for _, r := range s.Renewed {
		if last == nil || r.Ends != nil && r.Ends.After(*last) {
			last = r.Ends
		}
	}
	return last
}

// stampedAt is the stamped time in the name that a stamp is kept under
// (archive/seal/SPEC.md).
var stampedAt = regexp.MustCompile(`-([0-9]{8}t[0-9]{6})[0-9]*z-[0-9a-f]{8}$`)

func readStamp(s Stamp) stamped {
	x := stamped{Name: s.Name, Kept: s.Revocation != nil}
	if m := stampedAt.FindStringSubmatch(s.Name); m != nil {
		if at, err := time.Parse("20060102t150405", m[1]); err == nil {
			x.At = &at
		}
	}
	if chain, err := stamp.ParsePEM(s.Chain); err == nil { // else the verifiers tell
		for _, c := range chain {
			if x.Ends == nil || c.NotAfter.Before(*x.Ends) {
				x.Ends = &c.NotAfter
			}
		}
	}
	return x
}

// stamped gives a stamp with the renewals of it, and of these in turn.
func (in Input) stamped(s Stamp) stamped {
	x := readStamp(s)
	reached := []string{s.Name + ".tsr"}
	for grew := true; grew; {
		grew = false
		for _, r := range in.Renewals {
			file := strings.TrimPrefix(renewalDir(r.From, r.To)+r.Stamp.Name+".tsr", dirRenewals)
			lines, err := stamp.ParseRenewalList(r.List)
			if err != nil || slices.Contains(reached, file) || !slices.ContainsFunc(lines, func(l stamp.Renewed) bool {
				return slices.ContainsFunc(l.Over, func(over string) bool { return slices.Contains(reached, over) })
			}) {
				continue
			}
			reached, grew = append(reached, file), true
			x.Renewed = append(x.Renewed, readStamp(r.Stamp))
		}
	}
	slices.SortFunc(x.Renewed, func(a, b stamped) int {
		if a.At == nil || b.At == nil {
			return strings.Compare(a.Name, b.Name)
		}
		return a.At.Compare(*b.At)
	})
	return x
}

// timeView is what the pages tell of all time stamps together.
type timeView struct {
	Stamps, Kept, Renewed int
	Renewals, Consistency int
	// Until is when the first of the stamps ends for which nothing lasts longer.
	Until *time.Time
}

func (in Input) timeOf() timeView {
	t := timeView{Renewals: len(in.Renewals), Consistency: len(in.Log.Consistency)}
	seen := map[string]bool{}
	add := func(stamps []Stamp) {
		for _, s := range stamps {
			if seen[s.Name] {
				continue
			}
			seen[s.Name] = true
			x := in.stamped(s)
			t.Stamps++
			if x.Kept {
				t.Kept++
			}
			if len(x.Renewed) > 0 {
				t.Renewed++
			}
			if last := x.Last(); last != nil && (t.Until == nil || last.Before(*t.Until)) {
				t.Until = last
			}
		}
	}
	for _, c := range in.Captures {
		add(c.Stamps)
		if c.Original != nil {
			add(c.Original.Stamps)
		}
	}
	return t
}
