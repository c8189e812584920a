package scope

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	whatwg "github.com/nlnwa/whatwg-url/url"
)

// Traps are the bounds past which a URL is taken for machine-made: a calendar
// without end, a relative link that grows, a filter combined with every other.
type Traps struct {
	MaxLength   int // bytes of a URL; default 2048
	MaxSegments int // of a path; default 24
	MaxRepeats  int // of the same path segments in a row; default 2
	MaxParams   int // query parameters; default 24
	// Calendars are followed when set; default not.
	Calendars bool
}

func (t Traps) withDefaults() Traps {
	for _, d := range []struct {
		v    *int
		dflt int
	}{{&t.MaxLength, 2048}, {&t.MaxSegments, 24}, {&t.MaxRepeats, 2}, {&t.MaxParams, 24}} {
		if *d.v == 0 {
			*d.v = d.dflt
		}
	}
	return t
}

var (
	endsInDate   = regexp.MustCompile(`/(?:19|20|21)\d\d/(?:0?[1-9]|1[0-2])(?:/(?:0?[1-9]|[12]\d|3[01]))?/?$`)
	calendarWord = regexp.MustCompile(`(?i)/(?:calendars?|kalender|calendrier|calendario|agenda|events?)(?:/|$)`)
	dateValue    = regexp.MustCompile(`^(?:19|20|21)\d\d-\d{1,2}(?:-\d{1,2})?$`)
)

// calendarParams are parameters that step through time.
var calendarParams = []string{"date", "day", "month", "year", "week", "cal", "caldate", "eventdate", "eventdisplay", "tribe-bar-date", "ical"}

// Check gives the reason for taking a URL for a trap, "" when it is none.
func (t Traps) Check(url string) string {
	t = t.withDefaults()
	if len(url) > t.MaxLength {
		return fmt.Sprintf("the address is longer than %d characters", t.MaxLength)
	}
	u, err := whatwg.Parse(url)
	if err != nil {
		return "not a web address"
	}
	path := u.Pathname()
	segments := strings.FieldsFunc(path, func(c rune) bool { return c == '/' })
	if len(segments) > t.MaxSegments {
		return fmt.Sprintf("the path has more than %d parts", t.MaxSegments)
	}
	if block := repeated(segments, t.MaxRepeats); block != "" {
		return fmt.Sprintf("%q is repeated in the path", clip(block))
	}
	if pathSession.MatchString(path) {
		return "a session id is in the path"
	}
	params := strings.FieldsFunc(u.Query(), func(c rune) bool { return c == '&' })
	if len(params) > t.MaxParams {
		return fmt.Sprintf("the address has more than %d parameters", t.MaxParams)
	}
	if !t.Calendars && isCalendar(path, params) {
		return "a page of a calendar, which has no end"
	}
	return ""
}

// repeated gives a run of one to four segments that stands more than max times
// in a row, "" when there is none.
func repeated(segments []string, max int) string {
	for size := 1; size <= 4; size++ {
		for at := 0; at+size <= len(segments); at++ {
			block := segments[at : at+size]
			times := 1
			for next := at + size; next+size <= len(segments) && slices.Equal(block, segments[next:next+size]); next += size {
				times++
			}
			if times > max {
				return strings.Join(block, "/")
			}
		}
	}
	return ""
}

func isCalendar(path string, params []string) bool {
	word := calendarWord.MatchString(path)
	if word && endsInDate.MatchString(path) {
		return true
	}
	steps := map[string]bool{}
	for _, p := range params {
		name := strings.ToLower(paramName(p))
		_, value, _ := strings.Cut(p, "=")
		if !slices.Contains(calendarParams, name) {
			continue
		}
		if word || dateValue.MatchString(value) {
			return true
		}
		steps[name] = true
	}
	return steps["year"] && steps["month"]
}
