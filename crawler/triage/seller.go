package triage

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/crawler/listing"
)

func (r *reading) seller() {
	if !r.l.Has(listing.SellerName) && !r.l.Has(listing.SellerID) {
		r.unknown("seller", "the page shows no seller")
	}
	r.sellerAge()
	r.sellerFeedback()
	r.sellerName()
	if n := r.s.SellerBrands; n >= 5 {
		r.addSeller(Signal{
			Name: "seller_brands", Points: 10, Value: fmt.Sprint(n), Field: listing.SellerName,
			Sentence: fmt.Sprintf("The seller offers %d watched brands.", n),
		})
	}
	switch n := r.s.PriorLabels; {
	case n >= 3:
		r.addSeller(Signal{
			Name: "repeat_offender", Points: 25, Value: fmt.Sprint(n), Field: listing.SellerName,
			Sentence: fmt.Sprintf("%d listings of this seller were confirmed as infringing.", n),
		})
	case n == 2:
		r.addSeller(Signal{
			Name: "known_seller", Points: 15, Value: fmt.Sprint(n), Field: listing.SellerName,
			Sentence: "Two listings of this seller were confirmed as infringing.",
		})
	}
}

func (r *reading) addSeller(s Signal) { s.Family = Seller; r.add(s) }

func (r *reading) sellerAge() {
	v := r.short(listing.SellerAge)
	if v == "" {
		r.unknown("seller_age", "the page does not say since when the seller is there")
		return
	}
	age, ok := age(v, r.at())
	if !ok {
		r.unknown("seller_age", "%q is not understood as an age", v)
		return
	}
	points := 0.0
	switch days := int(age.Hours() / 24); {
	case days < 30:
		points = 10
	case days < 180:
		points = 4
	default:
		return
	}
	r.addSeller(Signal{
		Name: "young_seller", Points: points, Value: v, Field: listing.SellerAge, Span: [2]int{0, len(v)},
		Sentence: fmt.Sprintf("The seller is there for %d days.", int(age.Hours()/24)),
	})
}

func (r *reading) sellerFeedback() {
	count, known := -1, r.l.Has(listing.SellerCount)
	if known {
		if n, err := strconv.Atoi(r.short(listing.SellerCount)); err == nil && n >= 0 {
			count = n
		}
	}
	if count < 0 {
		r.unknown("seller_feedback_count", "the page does not say how many have judged the seller")
	} else if count < 10 {
		v := r.short(listing.SellerCount)
		r.addSeller(Signal{
			Name: "little_feedback", Points: 6, Value: v, Field: listing.SellerCount, Span: [2]int{0, len(v)},
			Sentence: fmt.Sprintf("Only %d buyers have judged the seller.", count),
		})
	}
	if count == 0 {
		return // a share of nothing
	}
	v := r.short(listing.SellerScore)
	share, ok := positive(v)
	if !ok {
		if v != "" {
			r.unknown("seller_feedback", "%q is not understood as a share of positive feedback", v)
		}
		return
	}
	points := 0.0
	switch {
	case share < 90:
		points = 6
	case share < 95:
		points = 2
	default:
		return // good feedback and badges take nothing away
	}
	r.addSeller(Signal{
		Name: "poor_feedback", Points: points, Value: v, Field: listing.SellerScore, Span: [2]int{0, len(v)},
		Sentence: fmt.Sprintf("%s %% of the seller's feedback is positive.", strconv.FormatFloat(share, 'f', -1, 64)),
	})
}

// sellerName is a seller that calls itself by the brand and is not on the list.
func (r *reading) sellerName() {
	t := newText(r.l, listing.SellerName, 300)
	ms, _ := r.c.mentions(t)
	if len(ms) == 0 || r.negated {
		return
	}
	r.addSeller(Signal{
		Name: "seller_named_after_brand", Points: 5, Value: r.part(listing.SellerName, ms[0].span), Field: listing.SellerName, Span: ms[0].span,
		Sentence: fmt.Sprintf("The seller %q has the brand in its name and is not on the list of authorised sellers.", t.value),
	})
}

var number = regexp.MustCompile(`\d+(?:[.,]\d+)?`)

// positive reads "98.4%", "98,4 % positive", "99.1".
func positive(v string) (float64, bool) {
	m := number.FindString(v)
	f, err := strconv.ParseFloat(strings.Replace(m, ",", ".", 1), 64)
	if err != nil || f > 100 || f <= 5 && !strings.Contains(v, "%") || strings.Contains(v, "/") {
		return 0, false
	}
	return f, true
}

var (
	ageUnit = regexp.MustCompile(`(?i)(\d{1,5})\s*\+?\s*(days?|d\b|tage?n?|jours?|días?|dias?|giorni|dagen|dni|дн|天|日間|日|วัน|ngày|hari|gün|يوم|أيام|일|` +
		`weeks?|wochen?|semaines?|semanas?|settimane|周|週|สัปดาห์|tuần|minggu|` +
		`months?|mo\b|monate?n?|mois|mes(?:es)?|mês|mesi|maanden|мес|个月|ヶ月|か月|เดือน|tháng|bulan|ay\b|개월|` +
		`years?|yrs?|y\b|jahre?n?|ans?\b|années?|años?|anos?|anni|jaar|лет|год|年|ปี|năm|tahun|yıl|년|سنة|سنوات)`)
	dateDots = regexp.MustCompile(`\b(\d{1,2})\.(\d{1,2})\.((?:19|20)\d\d)\b`)
	dateISO  = regexp.MustCompile(`\b((?:19|20)\d\d)[-./年](\d{1,2})(?:[-./月](\d{1,2}))?`)
	yearOnly = regexp.MustCompile(`\b((?:19|20)\d\d)\b`)
	epoch    = regexp.MustCompile(`^\s*(\d{10}|\d{13})\s*$`)
)

// ageForms are how pages write the day a seller joined.
var ageForms = []string{"Mon Jan 02 2006", "Jan 2, 2006", "January 2, 2006", "2 Jan 2006", "2 January 2006", "Jan 2006", "January 2006", "Jan-02-06", "02 Jan, 2006"}

// age reads how long a seller is there: "12 days", "seit 3 Jahren", a date, a
// year, milliseconds since 1970. Dates need the time of the look.
func age(v string, at time.Time) (time.Duration, bool) {
	const day = 24 * time.Hour
	since := func(t time.Time) (time.Duration, bool) {
		if at.IsZero() || t.After(at.Add(day)) {
			return 0, false
		}
		return max(0, at.Sub(t)), true
	}
	if m := epoch.FindStringSubmatch(v); m != nil {
		n, _ := strconv.ParseInt(m[1], 10, 64)
		if len(m[1]) == 13 {
			n /= 1000
		}
		return since(time.Unix(n, 0))
	}
	for _, form := range ageForms {
		for _, s := range []string{v, firstBytes(v, len("Mon Jan 02 2006"))} {
			if t, err := time.Parse(form, strings.TrimSpace(trimWords(s))); err == nil {
				return since(t)
			}
		}
	}
	if m := dateDots.FindStringSubmatch(v); m != nil {
		d, _ := strconv.Atoi(m[1])
		mo, _ := strconv.Atoi(m[2])
		y, _ := strconv.Atoi(m[3])
		return since(time.Date(y, time.Month(mo), d, 0, 0, 0, 0, time.UTC))
	}
	if m := dateISO.FindStringSubmatch(v); m != nil {
		y, _ := strconv.Atoi(m[1])
		mo, _ := strconv.Atoi(m[2])
		d, _ := strconv.Atoi(m[3])
		return since(time.Date(y, time.Month(mo), max(d, 1), 0, 0, 0, 0, time.UTC))
	}
	if m := ageUnit.FindStringSubmatch(v); m != nil && !yearOnly.MatchString(m[1]) {
		n, _ := strconv.Atoi(m[1])
		return time.Duration(n) * unit(strings.ToLower(m[2])), true
	}
	if m := yearOnly.FindStringSubmatch(v); m != nil {
		y, _ := strconv.Atoi(m[1])
		// The first of the year is in the seller's favour.
		t := time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC)
		return since(t)
	}
	return 0, false
}

func firstBytes(s string, n int) string { s, _ = clip(s, n); return s }

// trimWords cuts what stands before a date: "Member since Mar 2019".
func trimWords(s string) string {
	for _, p := range []string{"since", "Since", "joined", "Joined", ":"} {
		if _, rest, ok := strings.Cut(s, p); ok {
			s = rest
		}
	}
	return s
}

func unit(u string) time.Duration {
	const day = 24 * time.Hour
	is := func(list ...string) bool {
		for _, p := range list {
			if strings.HasPrefix(u, p) {
				return true
			}
		}
		return false
	}
	switch {
	case is("week", "woche", "semaine", "semana", "settimane", "周", "週", "สัปดาห์", "tuần", "minggu"):
		return 7 * day
	case is("mo", "mes", "mês", "maanden", "мес", "个月", "ヶ月", "か月", "เดือน", "tháng", "bulan", "ay", "개월"):
		return 30 * day
	case is("y", "jahr", "an", "año", "jaar", "лет", "год", "年", "ปี", "năm", "tahun", "년", "سن"):
		return 365 * day
	}
	return day
}
