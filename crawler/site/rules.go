package site

import (
	"regexp"

	"github.com/andybalholm/cascadia"
)

// PageRule tells a page's kind by its address. Path is a regular expression
// over the escaped path; Query maps a parameter's name to one over its value.
// All given must fit. A group named "id" is the item's id; every named group
// can be used in Canonical as {name}, besides {host}, the host as visited, and
// {domain}, the host as the site file has it.
type PageRule struct {
	Kind      Kind              `yaml:"kind"`
	Host      string            `yaml:"host"` // regular expression; "" any
	Path      string            `yaml:"path"`
	Query     map[string]string `yaml:"query"`
	Canonical string            `yaml:"canonical"`
	// ID builds the item's id of several groups ("{site}{num}"), where no
	// single one is it.
	ID string `yaml:"id"`

	host, path *regexp.Regexp
	query      map[string]*regexp.Regexp
}

// Marker is evidence in a page. All parts that are set must hold; regular
// expressions are case-insensitive.
type Marker struct {
	CSS    string `yaml:"css"`    // an element is there
	Text   string `yaml:"text"`   // with CSS: its text fits; alone: the visible text does
	Title  string `yaml:"title"`  // the <title> fits
	URL    string `yaml:"url"`    // the final address fits
	Form   string `yaml:"form"`   // a form's action fits
	Script string `yaml:"script"` // a script's text fits, on a page with at most 600 characters of visible text
	Short  bool   `yaml:"short"`  // only on a page with at most 1,500 characters of visible text
	Max    int    `yaml:"max"`    // only on a page with at most so many bytes of visible text; 0 any
	Not    string `yaml:"not"`    // with CSS and Text: the element's text does not fit this
	Body   string `yaml:"body"`   // the page's source has exactly these characters: weak, use with another

	sel                            cascadia.Selector
	text, title, url, form, script *regexp.Regexp
	not                            *regexp.Regexp
}

// Markers are the evidence for each outcome of a page, site by site; the
// generic markers apply to every site as well.
type Markers struct {
	Challenge   []Marker `yaml:"challenge"`
	Login       []Marker `yaml:"login"`
	Consent     []Marker `yaml:"consent"`
	Geo         []Marker `yaml:"geo"`
	Failed      []Marker `yaml:"failed"`      // the site says that it failed, whatever the status is
	Removed     []Marker `yaml:"removed"`     // the page says that the listing no longer exists
	Sold        []Marker `yaml:"sold"`        //
	Unavailable []Marker `yaml:"unavailable"` // cannot be bought now
	Empty       []Marker `yaml:"search_empty"`
	Shell       []Marker `yaml:"shell"` // nothing is here without a browser
	// Listing and SearchPage say what a page is when its address does not.
	Listing    []Marker `yaml:"listing"`
	SearchPage []Marker `yaml:"search"`
}

// LinkRules say how listings are found on a search page: every <a> that leads
// to a listing of the site, inside one of Within (default the whole page) and
// outside Decoys; or the ids in embedded state.
type LinkRules struct {
	Within []string `yaml:"within"` // CSS; the first that matches anything is used
	Decoys []string `yaml:"decoys"` // CSS of parts whose links are not results
	Card   string   `yaml:"card"`   // CSS of the box around one result: title and price are read from it
	Title  string   `yaml:"title"`  // CSS below the card
	Price  string   `yaml:"price"`  // CSS below the card
	ID     string   `yaml:"id"`     // attribute of the card that holds the item's id, for cards without a usable link
	Next   []string `yaml:"next"`   // CSS of links to the next page
	State  []string `yaml:"state"`  // paths into embedded state that give item ids or URLs
	URL    string   `yaml:"url"`    // address of an item given by id: "https://{host}/item/{id}"

	within, decoys, next []cascadia.Selector
	card, title, price   cascadia.Selector
}
