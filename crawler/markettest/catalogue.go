package markettest

// good is a row of the catalogue: a listing before it has an id, a page and a
// truth. The zero value of a field is the usual case.
type good struct {
	key, shop   string
	title, text string
	price, cur  string
	strike      string
	model       string // of the brand; gives category and, without pics, the pictures
	cat         string // when there is no model
	label       Label
	sig         string // signals, by spaces
	page        Page   // "" is JSONLD
	lang        string // "" is en
	charset     string // "" is utf-8
	pics        []Picture
	used        bool
	brand       string // brand attribute of the page
	words       string // keywords for the search
	stock, sold int
	moq         int
	cookies     bool
	lazy        bool
	fault       Fault
}

// catalogue is everything on day 0. Each row stands for something real: see
// what is said of signals and of pages in the tests that use it.
func catalogue() []good {
	var all []good
	for _, rows := range [][]good{copiesEnglish(), copiesAbroad(), honest(), others(), faulty()} {
		all = append(all, rows...)
	}
	return all
}

// own are photos a seller took of the goods.
func own(code, colour string, views ...view) []Picture {
	md := modelByCode(code)
	var ps []Picture
	for _, v := range views {
		ps = append(ps, Picture{shape: md.shape, colour: colour, view: v})
	}
	return ps
}

// stolen is the brand's photo, after a treatment, then photos of the copy.
func stolen(code string, t Treatment, note string, more ...Picture) []Picture {
	return append([]Picture{modelByCode(code).officialPhoto().with(t, note)}, more...)
}

// thing are photos of goods that are not the brand's.
func thing(s shape, colour string, views ...view) []Picture {
	var ps []Picture
	for _, v := range views {
		ps = append(ps, Picture{shape: s, colour: colour, view: v, plain: true})
	}
	return ps
}
