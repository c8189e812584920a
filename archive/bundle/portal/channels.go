package portal

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

func portals() []portal {
	whole := row{} // a problem of the complaint, told once
	right := func(f *preflight, c Complaint) {
		f.need(whole, "right.kind", c.Right.Kind, "say trademark, copyright, design or patent")
		f.need(whole, "right.number", c.Right.Number, "give the number of the registration")
		f.need(whole, "right.owner", c.Right.Owner, "give the owner of the right")
	}
	return []portal{
		{
			name: "ebay-vero", title: "eBay VeRO", sites: []string{"ebay"}, most: 100, ext: "json", make: makeVeRO, verify: verifyVeRO,
			check: func(f *preflight, c Complaint, r row) {
				f.need(whole, "right.name", c.Right.Name, "give the brand")
				f.limit(whole, "right.name", c.Right.Name, veroBrand)
				f.need(r, "reason_code", r.Reason, "give eBay's reason code (getVeroReasonCodes lists them)")
				if !itemNumber.MatchString(r.ItemID) {
					f.blank(r, "item id", "was not read from the page; eBay takes items by their number only")
				}
				f.limit(r, "statement", r.Statement, veroMessage)
				f.limit(whole, "message_to_seller", c.MessageToSeller, veroMessage)
				if r.Reason == "9052" || r.Reason == "7052" {
					f.need(r, "statement", r.Statement, "eBay wants a detailed message with reason "+r.Reason)
				}
				if r.Reason == "9048" {
					f.need(whole, "right.number", c.Right.Number, "eBay wants the patent's number with reason 9048")
					f.limit(whole, "right.number", c.Right.Number, veroPatent)
				}
				if r.Reason == "9037" && len(c.Countries) == 0 {
					f.blank(whole, "countries", "is blank; eBay wants the countries with reason 9037")
				}
			},
		},
		{
			name: "alibaba-ipp", title: "Alibaba IPP", sites: []string{"alibaba", "aliexpress", "1688", "taobao", "tmall", "lazada"}, most: 300, ext: "csv",
			// One complaint per platform; and one for each order of a test purchase.
			split:  func(r row) string { return r.Site + " " + r.Order },
			make:   makeCSV(alibabaColumns),
			verify: verifyCSV(alibabaColumns),
			check: func(f *preflight, c Complaint, r row) {
				right(f, c)
				f.need(r, "reason_code", r.Reason, "give the portal's reason")
				f.need(r, "statement", r.Statement, "say what infringes")
			},
		},
		{
			name: "amazon-rav", title: "Amazon Report a Violation", sites: []string{"amazon"}, most: 50, ext: "csv",
			split:  func(r row) string { return hostOf(r.URL) }, // the mark must hold in the store
			make:   makeCSV(amazonColumns),
			verify: verifyCSV(amazonColumns),
			check: func(f *preflight, c Complaint, r row) {
				right(f, c)
				f.need(r, "reason_code", r.Reason, "give the type of infringement")
				if r.ItemID != "" && !asin.MatchString(r.ItemID) {
					f.blank(r, "item id", fmt.Sprintf("%q is no ASIN", r.ItemID))
				}
				if r.Where == "product" || r.Where == "packaging" {
					f.need(r, "order", r.Order, "Amazon wants the order number when product or packaging infringes; make a test purchase")
				}
			},
		},
		{
			name: "temu", title: "Temu's IP portal", sites: []string{"temu"}, most: 200, ext: "json", make: makeTemu, verify: verifyTemu,
			check: func(f *preflight, c Complaint, r row) {
				right(f, c)
				f.need(whole, "contact.name", c.Contact.Name, "give who complains")
				f.need(whole, "contact.email", c.Contact.Email, "give an address that answers")
				if !slices.Contains(places, r.Where) {
					f.blank(r, "where", "is to be one of "+strings.Join(places, ", "))
				}
			},
		},
		{
			name: "dsa-notice", title: "a notice by article 16 DSA", most: 1000, ext: "json", make: makeDSA, verify: verifyDSA,
			split: func(r row) string { return r.Site },
			check: func(f *preflight, c Complaint, r row) {
				f.need(r, "statement", r.Statement, "say why it is illegal (article 16(2)(a))")
				f.need(whole, "contact.name", c.Contact.Name, "article 16(2)(c) wants it")
				f.need(whole, "contact.email", c.Contact.Email, "article 16(2)(c) wants it")
			},
		},
	}
}

const (
	veroBrand   = 50
	veroMessage = 1000
	veroPatent  = 15
)

var (
	itemNumber = regexp.MustCompile(`^[0-9]{9,19}$`)
	asin       = regexp.MustCompile(`^[A-Z0-9]{10}$`)
	places     = []string{"product", "packaging", "image", "text"}
)

func hostOf(s string) string {
	if u, err := url.Parse(s); err == nil {
		return u.Hostname()
	}
	return ""
}

// veroReport is the body of createVeroReport (eBay VeRO API).
type veroReport struct {
	Items []veroItem `json:"items"`
}

type veroItem struct {
	ItemID          string   `json:"itemId"`
	ReasonCode      string   `json:"veroReasonCodeId"`
	Brand           string   `json:"brand"`
	DetailedMessage string   `json:"detailedMessage,omitempty"`
	MessageToSeller string   `json:"messageToSeller,omitempty"`
	Patent          string   `json:"patent,omitempty"`
	Countries       []string `json:"countries,omitempty"`
	CopyEmail       bool     `json:"copyEmailToRightsOwner"`
}

func makeVeRO(c Complaint, rows []row) ([]byte, error) {
	var out veroReport
	for _, r := range rows {
		i := veroItem{ItemID: r.ItemID, ReasonCode: r.Reason, Brand: c.Right.Name, DetailedMessage: r.Statement, MessageToSeller: c.MessageToSeller, CopyEmail: c.CopyEmail}
		if r.Reason == "9048" {
			i.Patent = c.Right.Number
		}
		if r.Reason == "9037" {
			i.Countries = c.Countries
		}
		out.Items = append(out.Items, i)
	}
	return indented(out)
}

func verifyVeRO(b []byte) (int, error) {
	var v veroReport
	if err := strict(b, &v); err != nil {
		return 0, err
	}
	for _, i := range v.Items {
		switch {
		case i.ItemID != "" && !itemNumber.MatchString(i.ItemID):
			return 0, fmt.Errorf("the itemId %q is no number of an item", i.ItemID)
		case utf8.RuneCountInString(i.Brand) > veroBrand, utf8.RuneCountInString(i.DetailedMessage) > veroMessage,
			utf8.RuneCountInString(i.MessageToSeller) > veroMessage, utf8.RuneCountInString(i.Patent) > veroPatent:
			return 0, fmt.Errorf("a text of item %s is too long", i.ItemID)
		}
	}
	return len(v.Items), nil
}

// temuReport is what Temu's form asks for.
type temuReport struct {
	Number    string        `json:"ip_registration_number"`
	Kind      string        `json:"ip_type"`
	Owner     string        `json:"ip_owner"`
	Contact   temuContact   `json:"contact"`
	Listings  []temuListing `json:"listings"`
	GoodFaith string        `json:"good_faith_statement"`         // a person's
	Perjury   string        `json:"penalty_of_perjury_statement"` // a person's
	Signature string        `json:"signature"`                    // a person's
}

type temuContact struct {
	Name    string `json:"name"`
	Email   string `json:"email"`
	Phone   string `json:"phone"`
	Company string `json:"company"`
	Role    string `json:"role"`
}

type temuListing struct {
	URL         string `json:"url"`
	Where       string `json:"where"`
	Description string `json:"description"`
	Order       string `json:"order_id"`
	Evidence    string `json:"evidence"`
}

func makeTemu(c Complaint, rows []row) ([]byte, error) {
	out := temuReport{Number: c.Right.Number, Kind: c.Right.Kind, Owner: c.Right.Owner, Contact: temuContact(c.Contact)}
	for _, r := range rows {
		out.Listings = append(out.Listings, temuListing{r.URL, r.Where, r.Statement, r.Order, evidence(r)})
	}
	return indented(out)
}

func verifyTemu(b []byte) (int, error) {
	var v temuReport
	if err := strict(b, &v); err != nil {
		return 0, err
	}
	for _, l := range v.Listings {
		if err := webURL(l.URL); err != nil {
			return 0, err
		}
		if l.Where != "" && !slices.Contains(places, l.Where) {
			return 0, fmt.Errorf("%q is no place of an infringement", l.Where)
		}
	}
	if v.GoodFaith != "" || v.Perjury != "" || v.Signature != "" {
		return 0, errors.New("a declaration is filled in that only a person can make")
	}
	return len(v.Listings), nil
}

// dsaNotice is a notice by article 16(2) of Regulation (EU) 2022/2065.
type dsaNotice struct {
	Site      string       `json:"service"`
	Reasons   []dsaListing `json:"notices"`
	Name      string       `json:"name"`
	Email     string       `json:"email"`
	GoodFaith string       `json:"good_faith_statement"` // a person's
}

type dsaListing struct {
	URL      string `json:"url"`
	Reasons  string `json:"reasons"`
	Right    string `json:"right"`
	Evidence string `json:"evidence"`
}

func makeDSA(c Complaint, rows []row) ([]byte, error) {
	out := dsaNotice{Site: rows[0].Site, Name: c.Contact.Name, Email: c.Contact.Email}
	right := strings.TrimSpace(strings.Join([]string{c.Right.Kind, c.Right.Number, c.Right.Office}, " "))
	for _, r := range rows {
		out.Reasons = append(out.Reasons, dsaListing{r.URL, r.Statement, right, evidence(r)})
	}
	return indented(out)
}

func verifyDSA(b []byte) (int, error) {
	var v dsaNotice
	if err := strict(b, &v); err != nil {
		return 0, err
	}
	for _, l := range v.Reasons {
		if err := webURL(l.URL); err != nil {
			return 0, err
		}
	}
	if v.GoodFaith != "" {
		return 0, errors.New("a declaration is filled in that only a person can make")
	}
	return len(v.Reasons), nil
}

func webURL(s string) error {
	if u, err := url.Parse(s); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("%q is no address of a web page", s)
	}
	return nil
}

func evidence(r row) string {
	return fmt.Sprintf("capture %s, seen %s, manifest sha256 %s", r.Capture, r.Seen.UTC().Format("2006-01-02 15:04 UTC"), r.Manifest)
}

func indented(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}

func strict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows it")
	}
	return nil
}

// column is one of a CSV file.
type column struct {
	name  string
	value func(c Complaint, r row) string
	check func(s string) error // of a value that is not blank; nil: any
}

var alibabaColumns = []column{
	{"platform", func(_ Complaint, r row) string { return r.Site }, nil},
	{"listing_url", func(_ Complaint, r row) string { return r.URL }, webURL},
	{"item_id", func(_ Complaint, r row) string { return r.ItemID }, nil},
	{"seller", func(_ Complaint, r row) string { return r.Seller }, nil},
	{"ipr_type", func(c Complaint, _ row) string { return c.Right.Kind }, nil},
	{"ipr_number", func(c Complaint, _ row) string { return c.Right.Number }, nil},
	{"ipr_name", func(c Complaint, _ row) string { return c.Right.Name }, nil},
	{"ipr_owner", func(c Complaint, _ row) string { return c.Right.Owner }, nil},
	{"reason", func(_ Complaint, r row) string { return r.Reason }, nil},
	{"description", func(_ Complaint, r row) string { return r.Statement }, nil},
	{"order_number", func(_ Complaint, r row) string { return r.Order }, nil},
	{"evidence", func(_ Complaint, r row) string { return evidence(r) }, nil},
}

var amazonColumns = []column{
	{"store", func(_ Complaint, r row) string { return hostOf(r.URL) }, nil},
	{"asin", func(_ Complaint, r row) string { return r.ItemID }, func(s string) error {
		if !asin.MatchString(s) {
			return fmt.Errorf("%q is no ASIN", s)
		}
		return nil
	}},
	{"url", func(_ Complaint, r row) string { return r.URL }, webURL},
	{"infringement_type", func(_ Complaint, r row) string { return r.Reason }, nil},
	{"where", func(_ Complaint, r row) string { return r.Where }, nil},
	{"brand", func(c Complaint, _ row) string { return c.Right.Name }, nil},
	{"mark_number", func(c Complaint, _ row) string { return c.Right.Number }, nil},
	{"seller", func(_ Complaint, r row) string { return r.Seller }, nil},
	{"order_id", func(_ Complaint, r row) string { return r.Order }, nil},
	{"details", func(_ Complaint, r row) string { return r.Statement }, nil},
	{"evidence", func(_ Complaint, r row) string { return evidence(r) }, nil},
}

func makeCSV(columns []column) func(Complaint, []row) ([]byte, error) {
	return func(c Complaint, rows []row) ([]byte, error) {
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		w.UseCRLF = true // RFC 4180
		head := make([]string, len(columns))
		for i, x := range columns {
			head[i] = x.name
		}
		_ = w.Write(head)
		for _, r := range rows {
			line := make([]string, len(columns))
			for i, x := range columns {
				line[i] = cell(x.value(c, r))
			}
			_ = w.Write(line)
		}
		w.Flush()
		return b.Bytes(), w.Error()
	}
}

// cell keeps a spreadsheet from taking a seller's name for a formula.
func cell(s string) string {
	if s != "" && strings.IndexByte("=+-@\t\r", s[0]) >= 0 {
		return "'" + s
	}
	return s
}

func verifyCSV(columns []column) func([]byte) (int, error) {
	return func(b []byte) (int, error) {
		all, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
		if err != nil {
			return 0, err
		}
		if len(all) == 0 || len(all[0]) != len(columns) {
			return 0, fmt.Errorf("it has not the %d columns of the form", len(columns))
		}
		for i, x := range columns {
			if all[0][i] != x.name {
				return 0, fmt.Errorf("column %d is %q, not %q", i+1, all[0][i], x.name)
			}
		}
		for n, line := range all[1:] {
			for i, x := range columns {
				if x.check != nil && line[i] != "" {
					if err := x.check(line[i]); err != nil {
						return 0, fmt.Errorf("line %d, %s: %w", n+2, x.name, err)
					}
				}
			}
		}
		return len(all) - 1, nil
	}
}
