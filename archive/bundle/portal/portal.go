package portal

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Facts is what the archive knows of one listing, from its newest capture.
type Facts struct {
	Capture  capture.ID
	Manifest capture.Digest
	Site     string
	URL      string
	ItemID   string
	Title    string
	Price    string
	Currency string
	Seller   string
	Seen     time.Time
	Outcome  capture.Outcome
}

// Complaint is what only the rights holder can say.
type Complaint struct {
	Right   Right   `yaml:"right"`
	Contact Contact `yaml:"contact"`
	// Reason is the portal's own code; Statement says what infringes.
	Reason          string   `yaml:"reason_code"`
	Statement       string   `yaml:"statement"`
	MessageToSeller string   `yaml:"message_to_seller"`
	Where           string   `yaml:"where"` // product, packaging, image, text
	Countries       []string `yaml:"countries"`
	CopyEmail       bool     `yaml:"copy_email"`
	// Listings says more of single ones, by item id or capture id.
	Listings map[string]Special `yaml:"listings"`
}

// Right is the intellectual property.
type Right struct {
	Kind   string `yaml:"kind"` // trademark, copyright, design, patent
	Number string `yaml:"number"`
	Name   string `yaml:"name"`
	Owner  string `yaml:"owner"`
	Office string `yaml:"office"`
	Class  string `yaml:"class"`
}

// Contact is who complains.
type Contact struct {
	Name, Email, Phone, Company string
	Role                        string `yaml:"role"` // owner or agent
}

// Special is what holds of one listing only; "" is what the complaint says.
type Special struct {
	Reason    string `yaml:"reason_code"`
	Statement string `yaml:"statement"`
	Where     string `yaml:"where"`
	Order     string `yaml:"order"` // of a test purchase
}

// File is one file to hand in.
type File struct {
	Name string `json:"name"`
	Body []byte `json:"-"`
	// Listings in it.
	Listings int `json:"listings"`
}

// Problem is a reason why a portal would reject a listing, or the whole.
type Problem struct {
	Capture capture.ID `json:"capture,omitzero"`
	URL     string     `json:"url,omitempty"`
	Field   string     `json:"field"`
	Text    string     `json:"text"`
	// Blocks: handing it in so is of no use. Else it is to be looked at.
	Blocks bool `json:"blocks"`
}

// String is one sentence for a person.
func (p Problem) String() string {
	where := "the complaint"
	if p.URL != "" {
		where = p.URL
	}
	return fmt.Sprintf("%s: %s %s", where, p.Field, p.Text)
}

// row is one listing with what is said of it.
type row struct {
	Facts
	Special
}

// portal is one channel.
type portal struct {
	name  string
	title string
	sites []string // whose listings it takes; none: any
	most  int      // listings in one file
	// check tells what is wrong with one row, make writes rows of one file.
	check func(f *preflight, c Complaint, r row)
	// split groups rows that may not stand in one file together.
	split func(r row) string
	ext   string
	make  func(c Complaint, rows []row) ([]byte, error)
	// verify checks a finished file against the schema.
	verify func(b []byte) (listings int, err error)
}

// Names lists the portals.
func Names() []string {
	var all []string
	for _, p := range portals() {
		all = append(all, p.name)
	}
	return all
}

func byName(name string) (portal, error) {
	for _, p := range portals() {
		if p.name == name {
			return p, nil
		}
	}
	return portal{}, fmt.Errorf("%q is no portal; they are %s", name, strings.Join(Names(), ", "))
}

// Stale is how old a capture may be before a portal may say that the listing
// is another one by now.
const Stale = 7 * 24 * time.Hour

// Make makes the files of a complaint, and tells what a portal would reject.
// Where a Problem blocks, the files are drafts.
func Make(name string, c Complaint, facts []Facts, now time.Time) ([]File, []Problem, error) {
	p, err := byName(name)
	if err != nil {
		return nil, nil, err
	}
	f := &preflight{}
	rows := newest(f, c, facts)
	for _, r := range rows {
		f.common(p, r, now)
		p.check(f, c, r)
	}
	files, err := p.files(c, rows)
	return files, f.all, err
}

// newest gives one row for each listing: its newest capture counts.
func newest(f *preflight, c Complaint, facts []Facts) []row {
	at := map[string]int{}
	used := map[string]bool{}
	var rows []row
	for _, x := range facts {
		key := x.Site + " " + x.ItemID
		if x.ItemID == "" {
			key = x.URL
		}
		r := row{Facts: x}
		for _, k := range []string{x.ItemID, x.Capture.String()} {
			if s, ok := c.Listings[k]; ok && k != "" {
				r.Special = s
				used[k] = true
			}
		}
		if i, ok := at[key]; !ok {
			at[key] = len(rows)
			rows = append(rows, r)
		} else if rows[i].Seen.Before(x.Seen) {
			rows[i] = r
		}
	}
	for k := range c.Listings {
		if !used[k] {
			f.blank(row{}, "listings", fmt.Sprintf("has %q, which is no listing of this case", k))
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a.Site+" "+a.URL, b.Site+" "+b.URL) })
	for i := range rows {
		rows[i].Reason = first(rows[i].Reason, c.Reason)
		rows[i].Statement = first(rows[i].Statement, c.Statement)
		rows[i].Where = first(rows[i].Where, c.Where)
	}
	return rows
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (p portal) files(c Complaint, rows []row) ([]File, error) {
	groups := map[string][]row{}
	var order []string
	for _, r := range rows {
		k := ""
		if p.split != nil {
			k = p.split(r)
		}
		if _, ok := groups[k]; !ok {
			order = append(order, k)
		}
		groups[k] = append(groups[k], r)
	}
	slices.Sort(order)
	var files []File
	for _, k := range order {
		for part := range slices.Chunk(groups[k], p.most) {
			b, err := p.make(c, part)
			if err != nil {
				return nil, err
			}
			files = append(files, File{fmt.Sprintf("%s-%03d.%s", p.name, len(files)+1, p.ext), b, len(part)})
		}
	}
	return files, nil
}

// Check reads a file as the portal's schema has it: form, fields, lengths, how
// many listings. Blank fields are no error of the form.
func Check(name string, b []byte) (listings int, err error) {
	p, err := byName(name)
	if err != nil {
		return 0, err
	}
	n, err := p.verify(b)
	if err == nil && (n < 1 || n > p.most) {
		err = fmt.Errorf("it has %d listings; the portal takes 1 to %d", n, p.most)
	}
	return n, err
}

// preflight collects problems.
type preflight struct{ all []Problem }

func (f *preflight) add(r row, blocks bool, field, text string) {
	p := Problem{r.Capture, r.URL, field, text, blocks}
	if !slices.Contains(f.all, p) {
		f.all = append(f.all, p)
	}
}

func (f *preflight) blank(r row, field, text string) { f.add(r, true, field, text) }

// need tells a field that is blank; of the whole when it is the same for all.
func (f *preflight) need(r row, field, value, hint string) {
	if strings.TrimSpace(value) == "" {
		f.add(r, true, field, "is blank; "+hint)
	}
}

// limit tells a value that is too long: it is never cut.
func (f *preflight) limit(r row, field, value string, most int) {
	if n := utf8.RuneCountInString(value); n > most {
		f.add(r, true, field, fmt.Sprintf("has %d characters, the portal takes %d; shorten it", n, most))
	}
}

// common is what every portal rejects.
func (f *preflight) common(p portal, r row, now time.Time) {
	if len(p.sites) > 0 && !slices.Contains(p.sites, r.Site) {
		f.blank(r, "site", fmt.Sprintf("is %q; %s takes listings of %s", r.Site, p.title, strings.Join(p.sites, ", ")))
	}
	if u, err := url.Parse(r.URL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		f.blank(r, "url", "is no address of a web page")
	}
	switch r.Outcome.Class() {
	case capture.Gone:
		f.blank(r, "listing", "was gone when it was seen last ("+r.Outcome.Sentence()+"); look again, or leave it out")
	case capture.Seen:
	default:
		f.blank(r, "listing", "was not seen by this capture ("+r.Outcome.Sentence()+"); take another one")
	}
	if age := now.Sub(r.Seen); age > Stale {
		f.add(r, false, "capture", fmt.Sprintf("is %d days old; see that the listing is still the same", int(age.Hours()/24)))
	}
}
