package export

import (
	"context"
	"slices"

	"github.com/trawlmark/trawlmark/archive/bundle"
	"github.com/trawlmark/trawlmark/archive/seal"
)

// renewals gathers what renewed the stamps of a checkpoint. A renewal that is
// over something that is not in the package would show nothing there: it is
// left out, and said.
func (g *gathering) renewals(ctx context.Context, size int64, stamps []bundle.Stamp) error {
	if g.renewed[size] {
		return nil
	}
	all, err := g.Stamps.Renewals(ctx, size)
	if err != nil {
		return err
	}
	if g.renewed == nil {
		g.renewed, g.over = map[int64]bool{}, map[string]bundle.Renewal{}
	}
	g.renewed[size] = true
	var there []string
	for _, s := range stamps {
		there = append(there, s.Name+".tsr")
	}
	for _, r := range all { // oldest first
		if missing := over(r, size, there); missing != "" {
			g.warn("a renewal of the stamps over the log of %d entries is of the stamp %s too, which does not count; the renewal is left out", size, missing)
			continue
		}
		there = append(there, r.File())
		if _, known := g.over[r.File()]; known {
			continue
		}
		chain, err := g.read(ctx, r.Key("pem"), "", 1<<20)
		if err != nil {
			return err
		}
		said, err := g.Stamps.Revocation(ctx, r.Stamp)
		if err != nil {
			return err
		}
		g.over[r.File()] = bundle.Renewal{
			From: r.From, To: r.To, List: r.List,
			Stamp: bundle.Stamp{Name: r.Name, Query: r.Query, Response: r.Response, Chain: chain, Revocation: said.File},
		}
	}
	return nil
}

// over gives a file that a renewal is over, of one size, and that is not there.
func over(r seal.Renewal, size int64, there []string) string {
	for _, l := range r.Lines {
		if l.Size != size {
			continue
		}
		for _, file := range l.Over {
			if !slices.Contains(there, file) {
				return file
			}
		}
	}
	return ""
}
