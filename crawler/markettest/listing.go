package markettest

// Page says how a listing's page tells what it tells.
type Page string

// The kinds of pages. All but Script and Shell say everything in their HTML.
const (
	JSONLD    Page = "jsonld"     // Product with one Offer, price a string
	JSONLDNum Page = "jsonld-num" // price a number, image an array, brand an object
	Graph     Page = "graph"      // Product inside @graph, after a BreadcrumbList
	Array     Page = "array"      // a JSON array of nodes
	Aggregate Page = "aggregate"  // AggregateOffer with lowPrice and offers
	Nested    Page = "nested"     // Product inside WebPage.mainEntity, Offer in a list
	Converted Page = "converted"  // JSON-LD in the buyer's currency, the page in the seller's
	Microdata Page = "microdata"  // schema.org attributes only
	RDFa      Page = "rdfa"       // schema.org as RDFa
	OpenGraph Page = "opengraph"  // og: and product: only, classes that say nothing
	DOM       Page = "dom"        // nothing but the visible page
	State     Page = "state"      // an empty root and window.__PRELOADED_STATE__
	Script    Page = "script"     // an empty root; a script fetches /api/item/<id>.json
)

// Label is what a listing truly is.
type Label string

// The labels.
const (
	Counterfeit Label = "counterfeit"
	Honest      Label = "honest"     // second hand, a plausible price
	Authorised  Label = "authorised" // the brand's shop or a retailer it named
	Accessory   Label = "accessory"  // for the brand's goods, not of them
	Homonym     Label = "homonym"    // the name means something else
	Unrelated   Label = "unrelated"
)

// Signal names, for Expect.Signals: what a person would point at.
const (
	SigPrice      = "price"
	SigWords      = "words"
	SigObfuscated = "obfuscated"
	SigImage      = "official_image"
	SigContact    = "contact"
	SigHidden     = "hidden_link"
	SigYoungShop  = "young_shop"
	SigBulk       = "bulk"
)

// Expect is what a faithful crawler finds on the listing's page, and what the
// listing truly is. A field that the page does not show is "".
type Expect struct {
	// Outcome is one of capture.Outcome, as a crawler with a browser and
	// default limits ends; the words are those of archive/capture.
	Outcome string
	// Plain is the outcome of a crawler without a browser, when it differs.
	Plain string

	Title    string // as shown
	Price    string // plain decimal of the main price, "1450.00"
	Currency string // ISO 4217
	Seller   string
	ItemID   string
	// Availability is in_stock or sold.
	Availability string

	Label      Label
	Suspicious bool
	Signals    []string
	// NeedsBrowser says that price and seller are not in the HTML.
	NeedsBrowser bool
}

// Listing is one item that a shop offers, on one day.
type Listing struct {
	// Key names the listing in tests, for ever: "belvoir-1to1".
	Key          string
	ID           string // in the URL, twelve digits, depends on the seed
	Path         string // "/item/<id>/<slug>"
	Shop         Shop
	Page         Page
	Fault        Fault
	Lang         string // BCP 47, of the page
	Charset      string // utf-8, gb18030, euc-jp
	Title        string
	Text         string // the description
	Price        string // plain decimal
	Strike       string // crossed-out price; "" is none
	Currency     string
	Condition    string // new, used
	BrandAttr    string // the brand field of the page; "" is none
	Model        string // the code the page gives; "" is none
	Category     string
	Stock, Sold  int
	ShipsFrom    string
	MinimumOrder int
	Pictures     []Picture
	// Traits of the page around the listing.
	Cookies bool // a banner covers the page until it is clicked
	Lazy    bool // pictures load only when they are scrolled to
	// Keywords are what the seller told the search engine; not shown.
	Keywords string
	// Since is the day on which it appeared, RelistOf the key of the listing
	// whose goods these are.
	Since    int
	RelistOf string
	Expect   Expect
}

// PicturePath gives the path of a listing's picture.
func (l Listing) PicturePath(i int) string {
	return "/img/" + pictureName(l.Key, i, l.Pictures[i]) + l.Pictures[i].ext()
}
