package capture

import "fmt"

// Outcome is how a visit ended. The zero value is not an outcome.
type Outcome string

// The outcomes. Each one's meaning is in the table below.
const (
	Captured      Outcome = "captured"
	Partial       Outcome = "partial"
	NotModified   Outcome = "not_modified"
	Removed       Outcome = "removed"
	RemovedSoft   Outcome = "removed_soft"
	Sold          Outcome = "sold"
	Unavailable   Outcome = "unavailable"
	SearchEmpty   Outcome = "search_empty"
	WrongItem     Outcome = "wrong_item"
	Shell         Outcome = "shell"
	Challenge     Outcome = "challenge"
	LoginWall     Outcome = "login_wall"
	ConsentWall   Outcome = "consent_wall"
	GeoVariant    Outcome = "geo_variant"
	Throttled     Outcome = "throttled"
	RobotsDenied  Outcome = "robots_denied"
	HTTPError     Outcome = "http_error"
	NotHTML       Outcome = "not_html"
	Empty         Outcome = "empty"
	DNSFailed     Outcome = "dns"
	TLSFailed     Outcome = "tls"
	ConnectFailed Outcome = "connect"
	Timeout       Outcome = "timeout"
	TooLarge      Outcome = "too_large"
	RenderCrash   Outcome = "render_crash"
	BlockedAddr   Outcome = "blocked_address"
	StorageFailed Outcome = "storage"
)

// Class says what an outcome means for what happens next.
type Class int

// The classes.
const (
	// Seen: the page that was asked for was seen and can be read.
	Seen Class = iota + 1
	// Gone: the site says that the listing is not there or not for sale.
	Gone
	// Refused: the site, its robots.txt or our own guard did not let us see it.
	Refused
	// Failed: something between us and the page broke.
	Failed
)

type outcomeInfo struct {
	class Class
	retry bool
	text  string
}

// outcomes is the one table of what each outcome means. Retry says whether
// another attempt soon can end differently.
var outcomes = map[Outcome]outcomeInfo{
	Captured:      {Seen, false, "the page was seen whole"},
	Partial:       {Seen, false, "the page was seen, but something listed is missing"},
	NotModified:   {Seen, false, "the server says it has not changed since the last capture"},
	Removed:       {Gone, false, "the site answers that the page does not exist (404 or 410)"},
	RemovedSoft:   {Gone, false, "the page says that the listing no longer exists"},
	Sold:          {Gone, false, "the page says that the item is sold"},
	Unavailable:   {Gone, false, "the page says that the item cannot be bought now"},
	SearchEmpty:   {Seen, false, "the search found nothing"},
	WrongItem:     {Refused, false, "another item than the one asked for was shown"},
	Shell:         {Refused, false, "the page is empty without a browser"},
	Challenge:     {Refused, false, "the site asked for proof of being human"},
	LoginWall:     {Refused, false, "the site asked for a login"},
	ConsentWall:   {Refused, false, "a consent dialog hid the page"},
	GeoVariant:    {Refused, false, "the site showed another country's page"},
	Throttled:     {Refused, true, "the site asked us to slow down"},
	RobotsDenied:  {Refused, false, "robots.txt does not allow the page"},
	HTTPError:     {Failed, true, "the server answered with an error"},
	NotHTML:       {Seen, false, "what came is not an HTML page"},
	Empty:         {Failed, true, "the answer had no content"},
	DNSFailed:     {Failed, true, "the host name could not be resolved"},
	TLSFailed:     {Failed, true, "the secure connection could not be trusted or set up"},
	ConnectFailed: {Failed, true, "the connection failed"},
	Timeout:       {Failed, true, "the page did not finish within its time"},
	TooLarge:      {Failed, false, "the page is larger than the limit; what was read is kept"},
	RenderCrash:   {Failed, true, "the browser crashed or hung on the page"},
	BlockedAddr:   {Refused, false, "the address is private or forbidden, so no connection was made"},
	StorageFailed: {Failed, true, "the evidence could not be stored"},
}

// Valid reports whether o is one of the outcomes above.
func (o Outcome) Valid() bool { _, ok := outcomes[o]; return ok }

// Class gives what the outcome means; 0 for an unknown one.
func (o Outcome) Class() Class { return outcomes[o].class }

// Retry reports whether another attempt soon can end differently.
func (o Outcome) Retry() bool { return outcomes[o].retry }

// Sentence explains the outcome to a person.
func (o Outcome) Sentence() string { return outcomes[o].text }

// ParseOutcome accepts exactly the outcomes of the table.
func ParseOutcome(s string) (Outcome, error) {
	if o := Outcome(s); o.Valid() {
		return o, nil
	}
	return "", fmt.Errorf("%q is not an outcome", clip(s))
}

// Outcomes lists all of them, for documentation and tests.
func Outcomes() []Outcome {
	all := make([]Outcome, 0, len(outcomes))
	for o := range outcomes {
		all = append(all, o)
	}
	return all
}
