package triage

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/crawler/listing"
)

// maxHistory bounds how many earlier looks are read, the newest of them.
const maxHistory = 200

// history compares with how the listing was seen before.
func (r *reading) history() {
	looks := r.s.History
	looks = looks[max(0, len(looks)-maxHistory):]
	if len(looks) == 0 {
		return
	}
	r.sanitised(looks)
	r.swapped(looks)
	r.cameBack(looks)
}

func (r *reading) addHistory(s Signal) { s.Family = History; r.add(s) }

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// sanitised is a title that the brand has gone from.
func (r *reading) sanitised(looks []Look) {
	if len(r.gate.title) > 0 || strings.TrimSpace(r.title.value) == "" {
		return
	}
	for _, k := range slices.Backward(looks) {
		title, _ := clip(k.Title, maxTitle)
		ms, _ := r.c.mentions(text{field: listing.Title, value: title, bare: bare(title)})
		if len(ms) == 0 {
			continue
		}
		r.addHistory(Signal{
			Name: "brand_removed_from_title", Points: 10, Value: firstBytes(title, 200), Field: listing.Title, Span: [2]int{0, len(r.title.value)},
			Sentence: fmt.Sprintf("The title named %s on %s (%q) and no longer does.", ms[0].name, day(k.At), firstBytes(title, 120)),
		})
		return
	}
}

// swapped is another thing under the same number: a new title, or all photos
// exchanged.
func (r *reading) swapped(looks []Look) {
	now := wordSet(r.title.bare.text)
	for _, k := range slices.Backward(looks) {
		title, _ := clip(k.Title, maxTitle)
		before := wordSet(bare(title).text)
		switch {
		case len(before) >= 2 && len(now) >= 2 && overlap(before, now) < .2:
			r.addHistory(Signal{
				Name: "listing_swapped", Points: 12, Value: firstBytes(title, 200), Field: listing.Title, Span: [2]int{0, len(r.title.value)},
				Sentence: fmt.Sprintf("Under the same number %q was offered on %s: the listing was given to other goods.", firstBytes(title, 120), day(k.At)),
			})
			return
		case len(k.Images) > 0 && len(r.l.Images) > 0 && !shares(k.Images, r.l.Images):
			r.addHistory(Signal{
				Name: "images_swapped", Points: 12, Value: k.Images[0], Field: listing.Image,
				Sentence: fmt.Sprintf("All photos were exchanged since %s.", day(k.At)),
			})
			return
		}
	}
}

// cameBack is a listing that was gone and is there again.
func (r *reading) cameBack(looks []Look) {
	for _, k := range slices.Backward(looks) {
		if k.Gone {
			r.addHistory(Signal{
				Name: "came_back", Points: 8, Value: day(k.At), Field: listing.ItemID,
				Sentence: fmt.Sprintf("The listing was gone on %s and is there again.", day(k.At)),
			})
			return
		}
	}
}

func wordSet(s string) map[string]bool {
	out := map[string]bool{}
	for w := range strings.FieldsSeq(s) {
		out[w] = true
		if len(out) > maxTokens {
			break
		}
	}
	return out
}

// overlap is the share of all words that both have.
func overlap(a, b map[string]bool) float64 {
	both := 0
	for w := range a {
		if b[w] {
			both++
		}
	}
	return float64(both) / float64(len(a)+len(b)-both)
}

// shares reports whether a photo of before is among those of now. All of them
// have to be others before a swap is said, so one mark in common is enough.
func shares(before []string, now []listing.Choice) bool {
	marks := map[string]bool{}
	for _, address := range before[:min(len(before), 100)] {
		for _, m := range photoMarks(address) {
			marks[m] = true
		}
	}
	for _, c := range now {
		if slices.ContainsFunc(photoMarks(c.Value), func(m string) bool { return marks[m] }) {
			return true
		}
	}
	return false
}
