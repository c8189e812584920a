package listing

// Rules say where the fields of a listing stand on the pages of one site. The
// sources of a field are tried in order; the first that gives a value is
// taken, and the others are kept as candidates.
type Rules struct {
	Fields map[FieldName][]Source `yaml:"fields"`
	// Decoys are CSS selectors of parts that never belong to the listing:
	// recommendations, advertisements, what others bought.
	Decoys []string `yaml:"decoys"`
	// Distrust names sources (jsonld, microdata, rdfa, opengraph, state, dom)
	// whose value for a field is known to be wrong on this site; they are kept
	// as candidates and never chosen.
	Distrust map[FieldName][]string `yaml:"distrust"`
	// Required are the fields without which the page has not been read;
	// default: title and price.
	Required []FieldName `yaml:"required"`

	compiled *compiledRules
}

// Source is one place where a value may stand. Exactly one of CSS, State,
// JSONLD, Meta, Script and URL is set.
type Source struct {
	CSS    string `yaml:"css"`    // selector; the text of the first match outside decoys
	State  string `yaml:"state"`  // path into embedded state: "name.path.to.0.value", ".." searches
	JSONLD string `yaml:"jsonld"` // path below the product node
	Meta   string `yaml:"meta"`   // name or property of a <meta>
	Script string `yaml:"script"` // regular expression over the scripts' text
	URL    string `yaml:"url"`    // regular expression over the page's address

	Attr  string `yaml:"attr"`  // with CSS: this attribute instead of the text
	Own   bool   `yaml:"own"`   // with CSS: only the text of the element itself, not of its children
	All   bool   `yaml:"all"`   // every match is a candidate, for fields that have several
	Match string `yaml:"match"` // regular expression the text must match; its first group that took part is the value, without groups the whole text
	Value string `yaml:"value"` // what the presence means ("sold"), instead of the text
	Minor int    `yaml:"minor"` // the number is in units of 10^-minor (2: cents)
	// Machine says that the number has a decimal point and no grouping.
	Machine bool `yaml:"machine"`
}
