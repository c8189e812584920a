package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/bundle/export"
	"github.com/trawlmark/trawlmark/archive/bundle/portal"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
)

// portalHelp is the part of `evidence export --help` about complaints.
const portalHelp = `
With --portal the output is a folder of files for a marketplace's complaint channel
instead: ebay-vero, alibaba-ipp, amazon-rav, temu, or dsa-notice. What is known of
the listings comes from the captures; what only the rights holder knows comes from
a file (--complaint):

  right: {kind: trademark, number: "018123456", name: AURELLE, owner: Aurelle SA, office: EUIPO}
  contact: {name: A. Person, email: ip@example.org, role: owner}
  reason_code: "7001"
  statement: The mark is on goods that are not the owner's.
  where: product            # product, packaging, image, text
  listings:                 # what is different for one, by item id or capture id
    "1005001": {order: TB-8123, where: packaging}

Nothing is invented: what nobody said is told by listing and field, and no file is
written; with --draft the files are written with blanks. Declarations of good faith
stay blank in any case: a person makes them.
`

// portalFlags are how files for a portal are ordered.
type portalFlags struct {
	name, complaint string
	draft           bool
}

// handedIn is what `evidence export --portal` tells.
type handedIn struct {
	Portal   string           `json:"portal"`
	Folder   string           `json:"folder,omitempty"`
	Files    []portal.File    `json:"files"`
	Problems []portal.Problem `json:"problems"`
}

func exportPortal(ctx context.Context, g *globals, a *app, q export.Request, p portalFlags, out string) error {
	c, err := readComplaint(p.complaint)
	if err != nil {
		return err
	}
	arch, err := a.openArchive(ctx, commandSpace("cli"))
	if err != nil {
		return err
	}
	entries, err := portalEntries(ctx, a.catalog, q)
	if err != nil {
		return err
	}
	var facts []portal.Facts
	for _, e := range entries {
		facts = append(facts, factsOf(e))
	}
	files, problems, err := portal.Make(p.name, c, facts, time.Now())
	if err != nil {
		return usageError{err}
	}
	h := handedIn{Portal: p.name, Files: files, Problems: problems}
	blocked := 0
	for _, x := range problems {
		if x.Blocks {
			blocked++
		}
	}
	if blocked > 0 && !p.draft {
		h.Files = []portal.File{}
	} else if h.Folder, err = writePortal(ctx, arch, h, entries, q, out); err != nil {
		return err
	}
	if g.json {
		err = printJSON(g.s.out, h)
	} else {
		h.print(g.s.out)
	}
	if err == nil && blocked > 0 {
		return partlyError{fmt.Errorf("%s would reject %d things; they are told above", p.name, blocked)}
	}
	return err
}

func readComplaint(file string) (portal.Complaint, error) {
	var c portal.Complaint
	if file == "" {
		return c, nil // everything is blank, and is told
	}
	f, err := os.Open(file)
	if err != nil {
		return c, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return c, err
	}
	if err := yaml.UnmarshalWithOptions(b, &c, yaml.Strict()); err != nil {
		return c, usagef("%s: %w", file, err)
	}
	return c, nil
}

// portalEntries gives the captures that are complained of.
func portalEntries(ctx context.Context, cat *catalog.Catalog, q export.Request) ([]catalog.Entry, error) {
	var all []catalog.Entry
	for _, id := range q.Captures {
		e, err := cat.Get(ctx, id)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	if q.Case == "" {
		return all, nil
	}
	if _, err := cat.Case(ctx, q.Case); err != nil {
		return nil, err
	}
	for search := (catalog.Query{Case: q.Case, Limit: 500}); ; {
		page, err := cat.Search(ctx, search)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Entries...)
		if search.After = page.Next; search.After == "" {
			break
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("the case %q has no captures: %w", q.Case, catalog.ErrNotFound)
	}
	return all, nil
}

func factsOf(e catalog.Entry) portal.Facts {
	u := e.FinalURL
	if e.Canonical != "" {
		u = e.Canonical
	}
	return portal.Facts{
		Capture: e.ID, Manifest: e.Manifest, Site: e.Site, URL: u, ItemID: e.ItemID, Title: e.Title, Price: e.Price, Currency: e.Currency,
		Seller: e.Seller, Seen: e.Started, Outcome: e.Outcome,
	}
}

// writePortal checks the files against their schema, puts on record what is
// told of which captures, and writes them.
func writePortal(ctx context.Context, arch *archive.Archive, h handedIn, entries []catalog.Entry, q export.Request, out string) (string, error) {
	if out == "" {
		out = h.Portal
		if q.Case != "" {
			out += "-" + q.Case
		}
	}
	for _, f := range h.Files {
		if _, err := portal.Check(h.Portal, f.Body); err != nil {
			return "", fmt.Errorf("%s is not of the portal's form, so it is not written: %w", f.Name, err)
		}
	}
	if err := os.Mkdir(out, 0o700); err != nil {
		if errors.Is(err, os.ErrExist) {
			return "", usagef("%s is there already; name another folder with -o", out)
		}
		return "", err
	}
	for _, e := range entries {
		d := map[string]string{"portal": h.Portal, "files": fmt.Sprint(len(h.Files))}
		for k, v := range map[string]string{"case": q.Case, "purpose": q.Purpose, "recipient": q.To} {
			if v != "" {
				d[k] = v
			}
		}
		if err := arch.Note(ctx, custody.Exported, q.By, custody.Subject{Capture: e.ID}, d); err != nil {
			return "", err
		}
	}
	var notes strings.Builder
	for _, p := range h.Problems {
		fmt.Fprintln(&notes, p)
	}
	if notes.Len() > 0 {
		if err := os.WriteFile(filepath.Join(out, "look-at-this.txt"), []byte(notes.String()), 0o600); err != nil {
			return "", err
		}
	}
	for _, f := range h.Files {
		if err := os.WriteFile(filepath.Join(out, f.Name), f.Body, 0o600); err != nil {
			return "", err
		}
	}
	return out, nil
}

func (h handedIn) print(w io.Writer) {
	for _, p := range h.Problems {
		how := "look"
		if p.Blocks {
			how = "mend"
		}
		fmt.Fprintf(w, "%s  %s\n", how, printableLine(p.String()))
	}
	for _, f := range h.Files {
		fmt.Fprintf(w, "%s  %d listings, sha256 %s\n", filepath.Join(h.Folder, f.Name), f.Listings, capture.Sum(f.Body))
	}
	if h.Folder != "" {
		fmt.Fprintln(w, "Hand in the evidence with it: trawlmark evidence export makes the package.")
	}
}
