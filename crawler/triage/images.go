package triage

import (
	"fmt"

	"github.com/trawlmark/trawlmark/crawler/listing"
)

// How many of 64 bits may differ. Either hash may be the surer one, but the
// other must not contradict it: photos with much white have dHashes that are
// 4 bits apart and pHashes that are 24 apart (measured).
const (
	sureD, sureP   = 10, 8
	agreeD, agreeP = 20, 16
	maybe          = 13
)

// match is a photo of the listing beside the nearest official one.
type match struct {
	photo    PhotoHash
	official string
	as       string
	d, p     int
	// next is the distance of the nearest official photo with another URL, -1
	// when there is none.
	next int
}

func (m match) same() bool {
	return m.d <= sureD && m.p <= agreeP || m.p <= sureP && m.d <= agreeD
}

func (m match) possible() bool { return m.d <= maybe || m.p <= maybe }

// nearest finds the official photo that a photo is most like.
func (b *Brand) nearest(h PhotoHash) (match, bool) {
	best, found := match{photo: h, d: 65, p: 65, next: -1}, false
	for _, o := range b.Official {
		d, p, as := 65, 65, ""
		for _, v := range o.Variants {
			vd, vp := distance(uint64(v.DHash), h.DHash), distance(uint64(v.PHash), h.PHash)
			if vd+vp < d+p {
				d, p, as = vd, vp, v.As
			}
		}
		if as == "" {
			continue
		}
		if d+p < best.d+best.p {
			if found {
				best.next = min(best.d, best.p)
			}
			best.official, best.as, best.d, best.p, found = o.URL, as, d, p, true
		} else if n := min(d, p); best.next < 0 || n < best.next {
			best.next = n
		}
	}
	return best, found
}

// matches compares all photos of the subject; nothing when there are none on
// either side.
func (b *Brand) matches(s Subject) []match {
	var out []match
	for _, h := range s.Photos[:min(len(s.Photos), 40)] {
		if m, ok := b.nearest(h); ok {
			out = append(out, m)
		}
	}
	return out
}

func (r *reading) images() {
	if len(r.b.Official) == 0 {
		r.unknown("official_image", "the brand profile has no official photos")
		return
	}
	if len(r.s.Photos) == 0 {
		r.unknown("official_image", "no photo of the listing was seen")
		return
	}
	var same, possible []match
	for _, m := range r.photos {
		switch {
		case m.same():
			same = append(same, m)
		case m.possible():
			possible = append(possible, m)
		}
	}
	if len(same) > 0 {
		m, points := same[0], 15.0
		if r.used {
			points = 8
		}
		r.add(Signal{
			Name: "official_image", Family: Image, Points: points, Value: m.official, Field: listing.Image,
			Sentence: fmt.Sprintf("A photo is the brand's own (%s, %s), used by a seller who is not authorised: %d of 64 bits differ by dHash, %d by pHash%s.", m.official, m.as, m.d, m.p, m.nextWords()),
		})
		if len(same) == len(r.s.Photos) && len(r.l.Images) <= len(r.s.Photos) {
			r.add(Signal{
				Name: "no_own_photo", Family: Image, Points: 5, Value: fmt.Sprint(len(same)), Field: listing.Image,
				Sentence: fmt.Sprintf("All %d photos that were seen are the brand's own: nobody has photographed the goods.", len(same)),
			})
		}
	} else if len(possible) > 0 {
		m := possible[0]
		r.add(Signal{
			Name: "official_image_possible", Family: Image, Value: m.official, Field: listing.Image,
			Sentence: fmt.Sprintf("A photo may be the brand's own (%s): %d of 64 bits differ by dHash, %d by pHash, which is not enough to say so.", m.official, m.d, m.p),
		})
	}
	if n := max(len(r.l.Images), len(r.s.Photos)); n == 1 && r.price.reference != nil && r.price.reference.GreaterThan(twoHundred) {
		r.add(Signal{
			Name: "few_images", Family: Image, Points: 3, Value: "1", Field: listing.Image,
			Sentence: fmt.Sprintf("There is one photo only of goods that cost %s %s.", r.price.reference, r.price.currency),
		})
	}
}

func (m match) nextWords() string {
	if m.next < 0 {
		return ""
	}
	return fmt.Sprintf("; the nearest other official photo is %d away", m.next)
}
