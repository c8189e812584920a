package site

import (
	"fmt"
	"sort"
	"strings"

	"github.com/trawlmark/trawlmark/crawler/listing"
)

// Row is one candidate value of one field, for people who write site files.
type Row struct {
	Field      listing.FieldName
	Value      string // made comparable; prices with their currency
	Raw        string // as it stood in the page
	Source     string // adapter, jsonld, microdata, rdfa, opengraph, state, dom, url, site
	Path       string
	Confidence float64
	Chosen     bool
	Why        string // of the chosen one
	Conflict   string // of the chosen one: which other value disagrees
}

// Explain lists every candidate of a reading, field by field, the chosen one
// first. A page that gave no listing has no rows.
func Explain(r *Reading) []Row {
	if r.Listing == nil {
		return nil
	}
	chosen := map[string]listing.Choice{}
	for f, c := range r.Listing.Fields {
		chosen[rowKey(f, c.Candidate)] = c
	}
	for _, list := range [][]listing.Choice{r.Listing.Images, r.Listing.Contacts, r.Listing.Variants} {
		for _, c := range list {
			chosen[rowKey(c.Field, c.Candidate)] = c
		}
	}
	var rows []Row
	used := map[string]bool{}
	for _, c := range r.Listing.Candidates {
		row := rowOf(c)
		key := rowKey(c.Field, c)
		if ch, ok := chosen[key]; ok && !used[key] {
			row.Chosen, row.Why, row.Conflict = true, ch.Why, ch.Conflict
			used[key] = true
		}
		rows = append(rows, row)
	}
	for key, ch := range chosen { // choices that are no candidate: a price's own currency
		if !used[key] {
			row := rowOf(ch.Candidate)
			row.Chosen, row.Why, row.Conflict = true, ch.Why, ch.Conflict
			rows = append(rows, row)
		}
	}
	sort.SliceStable(rows, func(i, j int) bool {
		a, b := rows[i], rows[j]
		if a.Field != b.Field {
			return a.Field < b.Field
		}
		if a.Chosen != b.Chosen {
			return a.Chosen
		}
		return a.Confidence > b.Confidence
	})
	return rows
}

func rowKey(f listing.FieldName, c listing.Candidate) string {
	return strings.Join([]string{string(f), c.Source, c.Path, c.Value}, "\x00")
}

func rowOf(c listing.Candidate) Row {
	value := c.Value
	if c.Amount != nil {
		value = strings.TrimSpace(c.Amount.String() + " " + c.Currency)
		if c.High != nil {
			value = fmt.Sprintf("%s to %s %s", c.Amount, c.High, c.Currency)
		}
	}
	return Row{Field: c.Field, Value: value, Raw: c.Raw, Source: c.Source, Path: c.Path, Confidence: c.Confidence}
}
