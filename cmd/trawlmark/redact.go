package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/manifest"
)

// redactFlags are what a redaction is ordered by on the command line.
type redactFlags struct {
	boxes, remove, seen []string
	reason, spec, out   string
	dry                 bool
}

func redactCommand(g *globals) *cobra.Command {
	var o redactFlags
	c := &cobra.Command{
		Use: "redact CAPTURE", Short: "Make a copy of a capture from which parts are withheld", Args: cobra.ExactArgs(1),
		Long: `Redact makes a copy of a capture without what must not be handed over: names of
third parties, say. The original stays as it is. The copy is locked, logged and
sealed like a capture, and names the original and the hash of everything that is
withheld, so that it can be shown to a court later.

A box is a rectangle of pixels, from the top left: x,y,width,height. It is painted
in every image that shows that part of the page. With :2 behind it, it is measured
from the top of the second tile; with viewport: before it, only that image is
painted. Take the numbers from an image program.

What is removed, and how:
  text:Jane Doe            the text, in every file, whatever its case and spelling (J\u0061ne, J%61ne, ...)
  selector:#reviews .name  elements of the page, and their texts in every other file
  url:https://ads.test/*   requests and answers, and the URL wherever it stands; * is anything
  body:https://a.test/p.jpg  what was answered, but not that it was asked for
  header:set-cookie        the values of a header field
  artifact:reading         a whole file: html, dom, text, reading, pageinfo, viewport, fullpage

An image shows what its pixels show, and no program reads them here. So when
something of the page is removed, each image needs a box, or is removed, or you say
that you looked at it and it shows nothing of that (--seen fullpage).

With --dry-run the files are written to a folder, to look at, and nothing is stored.
The same by a file (--spec):

  reason: names of third parties
  boxes:
    - {x: 40, y: 900, width: 300, height: 60, why: a buyer's name}
    - {role: viewport, x: 40, y: 10, width: 80, height: 20}
  remove:
    - {kind: text, what: Jane Doe, why: a buyer's name}
    - {kind: header, what: set-cookie}
  seen: [before]`,
		Example: "  trawlmark evidence redact 019a... --box 40,900,300,60 --remove \"text:Jane Doe\" --reason \"names of third parties\" --dry-run -o look\n" +
			"  trawlmark evidence redact 019a... --spec redaction.yaml\n" +
			"  trawlmark evidence export 019a... --redacted",
		RunE: func(c *cobra.Command, args []string) error {
			order, err := o.order(args[0])
			if err != nil {
				return err
			}
			if o.dry && o.out == "" {
				return usagef("say with -o where to write what is to be looked at")
			}
			return g.withArchive(c.Context(), func(a *app, arch *archive.Archive) error {
				return redact(c.Context(), g, a, arch, order, o)
			})
		},
	}
	f := c.Flags()
	f.StringArrayVar(&o.boxes, "box", nil, "paint this rectangle black: x,y,width,height[:tile], or image:x,y,width,height; may be repeated")
	f.StringArrayVar(&o.remove, "remove", nil, "remove this: kind:what, see above; may be repeated")
	f.StringArrayVar(&o.seen, "seen", nil, "you looked at this image, and it shows nothing of what is removed: viewport, fullpage, \"fullpage 2\"")
	f.StringVar(&o.reason, "reason", "", "why (required); it goes on record and into the package")
	f.StringVar(&o.spec, "spec", "", "read all of that from this file")
	f.BoolVar(&o.dry, "dry-run", false, "write the files to the folder of -o, to look at; store nothing")
	f.StringVarP(&o.out, "output", "o", "", "folder for --dry-run; it must not exist")
	return c
}

// order makes the order of the flags and the file.
func (o redactFlags) order(id string) (archive.Redaction, error) {
	var r archive.Redaction
	if o.spec != "" {
		f, err := os.Open(o.spec)
		if err != nil {
			return r, err
		}
		defer f.Close()
		b, err := io.ReadAll(io.LimitReader(f, 1<<20))
		if err != nil {
			return r, err
		}
		if err := yaml.UnmarshalWithOptions(b, &r, yaml.Strict()); err != nil {
			return r, usagef("%s: %w", o.spec, err)
		}
	}
	asked, err := parseID(id)
	if err != nil {
		return r, err
	}
	if !r.Capture.IsZero() && r.Capture != asked {
		return r, usagef("%s is about another capture, %s", o.spec, r.Capture)
	}
	r.Capture = asked
	for _, s := range o.boxes {
		b, err := archive.ParseBox(s)
		if err != nil {
			return r, usageError{err}
		}
		r.Boxes = append(r.Boxes, b)
	}
	for _, s := range o.remove {
		x, err := archive.ParseRemoval(s)
		if err != nil {
			return r, usageError{err}
		}
		r.Remove = append(r.Remove, x)
	}
	r.Seen = append(r.Seen, o.seen...)
	if o.reason != "" {
		r.Reason = o.reason
	}
	if err := r.Validate(); err != nil {
		return r, usageError{err}
	}
	return r, nil
}

// redactedLine is what `evidence redact` tells.
type redactedLine struct {
	Redaction capture.ID `json:"redaction"`
	Original  capture.ID `json:"original"`
	Stored    bool       `json:"stored"`
	Folder    string     `json:"folder,omitempty"`
	// What was done, what is withheld, and the files that are as they were.
	Manifest  *manifest.Redaction `json:"redacted"`
	Unchanged []string            `json:"unchanged"`
}

func redact(ctx context.Context, g *globals, a *app, arch *archive.Archive, order archive.Redaction, o redactFlags) error {
	r, err := arch.Redact(ctx, order, g.actor())
	switch {
	case errors.Is(err, archive.ErrRedaction):
		return usageError{err}
	case errors.Is(err, archive.ErrTampered):
		return tamperError{err}
	case err != nil:
		return err
	}
	line := redactedLine{r.ID, order.Capture, !o.dry, o.out, r.Manifest.Redaction, r.Unchanged}
	if o.dry {
		if err := errors.Join(lookAt(r, o.out), arch.DropRedaction(r)); err != nil {
			return err
		}
	} else if _, err := arch.StoreRedaction(ctx, r); err != nil {
		return err
	}
	if g.json {
		return printJSON(g.s.out, line)
	}
	line.print(g.s.out)
	return nil
}

// lookAt writes the files of a redaction that is not stored.
func lookAt(r *archive.Redacted, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for name, path := range r.Files() {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (l redactedLine) print(w io.Writer) {
	t := newTable("hidden", "where:50", "times>", "why:40")
	for _, c := range l.Manifest.Changes {
		t.add(c.Kind, c.Where, fmt.Sprint(c.Count), c.Why)
	}
	t.print(w)
	fmt.Fprintln(w)
	for _, x := range l.Manifest.Withheld {
		name := x.Role
		if x.Tile > 0 {
			name = fmt.Sprintf("%s %d", x.Role, x.Tile)
		}
		fmt.Fprintf(w, "  %-12s %s\n", name, x.How)
	}
	fmt.Fprintf(w, "  %-12s %d of the recording replaced or removed\n", "records", len(l.Manifest.Records))
	slices.Sort(l.Unchanged)
	for _, f := range l.Unchanged {
		fmt.Fprintf(w, "  %-12s as it was\n", f)
	}
	if !l.Manifest.Disclosed {
		fmt.Fprintln(w, "\nThe manifest of the original holds what is hidden, so it will not be handed over: that the rest was\nlisted in it cannot be checked by the receiver (NOT-CHECKED).")
	}
	fmt.Fprintln(w, "\nLook at every image: a box hides what it covers, not what was removed from the text elsewhere.")
	if l.Stored {
		fmt.Fprintf(w, "\n%s is the redaction of %s. Hand it over with: trawlmark evidence export %s\n", l.Redaction, l.Original, l.Redaction)
	} else {
		fmt.Fprintf(w, "\nNothing is stored. Look at every file in %s, and then leave --dry-run out.\n", printableLine(l.Folder))
	}
}

// redactionLine tells of what a capture is a redaction, and which it has.
func redactionLine(ctx context.Context, cat *catalog.Catalog, id capture.ID) (of capture.ID, has []capture.ID, err error) {
	of, err = cat.Original(ctx, id)
	if errors.Is(err, catalog.ErrNotFound) {
		err = nil
	}
	if err == nil {
		has, err = cat.Redactions(ctx, id)
	}
	return of, has, err
}
