package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/crawler"
	"github.com/trawlmark/trawlmark/crawler/site"
	"github.com/trawlmark/trawlmark/worker"
)

type captureFlags struct {
	render string
	out    string
	robots string
}

func captureCommand(g *globals) *cobra.Command {
	var f captureFlags
	c := &cobra.Command{
		Use:   "capture URL...",
		Short: "Capture pages now, each into the evidence store",
		Long: `Capture visits each URL once and archives what it saw: every exchange as WARC,
the HTML as served, the rendered DOM and screenshots when Chrome was used, a
manifest, and an entry in the custody log. Whatever the page answers is kept,
a refusal too.

The exit code is 0 when every page was seen or is gone, 7 when only some were,
1 when none was.`,
		Example: `  trawlmark capture https://example.com/item/1
  trawlmark capture --render always https://example.com/item/1 https://example.com/item/2
  trawlmark capture -o ./evidence https://example.com/item/1
  trawlmark capture --json https://example.com/item/1`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, urls []string) error {
			if err := f.check(urls); err != nil {
				return err
			}
			return g.with(func(a *app) error { return f.run(c.Context(), g, a, urls) })
		},
	}
	c.Flags().StringVar(&f.render, "render", "", "never, auto or always; default: as the site's file says")
	c.Flags().StringVarP(&f.out, "output", "o", "", "also write the files of each capture into this folder")
	c.Flags().StringVar(&f.robots, "ignore-robots", "", "visit although robots.txt forbids it, by order of (a name; recorded in the capture)")
	return c
}

func (f captureFlags) check(urls []string) error {
	switch f.render {
	case "", "never", "auto", "always":
	default:
		return usagef("--render is %q; want never, auto or always", f.render)
	}
	for _, u := range urls {
		p, err := url.Parse(u)
		if err != nil || p.Host == "" {
			return usagef("%q is not a URL; write it with its scheme, as https://example.com/item/1", u)
		}
		if p.Scheme != "http" && p.Scheme != "https" {
			return usagef("%q: only http:// and https:// pages can be captured", u)
		}
	}
	return nil
}

// taken is what is told of one capture.
type taken struct {
	ID       capture.ID      `json:"capture"`
	URL      string          `json:"url"`
	FinalURL string          `json:"final_url"`
	Outcome  capture.Outcome `json:"outcome"`
	Meaning  string          `json:"meaning"`
	Evidence []string        `json:"evidence"`
	Title    string          `json:"title,omitempty"`
	Price    string          `json:"price,omitempty"`
	Seller   string          `json:"seller,omitempty"`
	Manifest capture.Digest  `json:"manifest_sha256"`
	Objects  []object        `json:"objects"`
	Folder   string          `json:"folder,omitempty"`
}

type object struct {
	Role    string         `json:"role"`
	Key     string         `json:"key"`
	Version string         `json:"version"`
	Bytes   int64          `json:"bytes"`
	SHA256  capture.Digest `json:"sha256"`
}

func (f captureFlags) run(ctx context.Context, g *globals, a *app, urls []string) error {
	arch, err := a.openArchive(ctx, commandSpace("capture"))
	if err != nil {
		return err
	}
	cr, err := a.openCrawler(ctx, f.render != "never")
	if err != nil {
		return err
	}
	var all []taken
	seen := 0
	for _, u := range urls {
		t, err := f.one(ctx, g, a, arch, cr, u)
		if err != nil {
			return err
		}
		if cl := t.Outcome.Class(); cl == capture.Seen || cl == capture.Gone {
			seen++
		}
		all = append(all, t)
		if !g.json {
			t.print(g.s.out)
		}
	}
	if _, err := a.notary.Seal(ctx); err != nil {
		fmt.Fprintln(g.s.err, "trawlmark: the captures are kept, but not sealed yet:", err)
	}
	if g.json {
		if err := printJSON(g.s.out, all); err != nil {
			return err
		}
	}
	switch seen {
	case len(urls):
		return nil
	case 0:
		return errors.New("no page could be seen; what came instead is archived")
	}
	return partlyError{fmt.Errorf("%d of %d pages could be seen; what came instead of the others is archived", seen, len(urls))}
}

func (f captureFlags) one(ctx context.Context, g *globals, a *app, arch *archive.Archive, cr *crawler.Crawler, u string) (taken, error) {
	res, receipt, err := worker.Once(ctx, cr, arch, crawler.Request{
		ID: a.ids.New(), URL: u, Asked: capture.Asked{By: g.actor()}, Render: site.RenderMode(f.render),
		RobotsOverride: f.robots, After: a.notary.Anchor(ctx),
	})
	if err != nil {
		return taken{}, err
	}
	c := res.Capture
	t := taken{
		ID: c.ID, URL: c.URL, FinalURL: c.FinalURL, Outcome: c.Outcome, Meaning: c.Outcome.Sentence(), Evidence: c.Evidence,
		Title: receipt.Entry.Title, Price: money(receipt.Entry.Price, receipt.Entry.Currency), Seller: receipt.Entry.Seller, Manifest: receipt.Manifest,
	}
	for _, o := range receipt.Objects {
		t.Objects = append(t.Objects, object{o.Role, o.Key, o.Version, o.Bytes, o.SHA256})
	}
	if f.out != "" {
		t.Folder = filepath.Join(f.out, c.ID.String())
		if err := writeOut(ctx, arch, receipt, t.Folder, g.actor()); err != nil {
			return t, err
		}
	}
	return t, nil
}

// writeOut copies a capture's files to a folder; that they were taken is on
// record.
func writeOut(ctx context.Context, arch *archive.Archive, r archive.Receipt, dir, actor string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, o := range r.Objects {
		rd, _, err := arch.Open(ctx, r.ID, o.Role, o.Tile, actor, custody.Downloaded)
		if err != nil {
			return err
		}
		err = writeFile(filepath.Join(dir, path.Base(o.Key)), rd)
		if err := errors.Join(err, rd.Close()); err != nil {
			return err
		}
	}
	_, doc, err := arch.Manifest(ctx, r.ID)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "manifest.json"), doc, 0o644)
}

func writeFile(name string, r io.Reader) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

func (t taken) print(w io.Writer) {
	fmt.Fprintf(w, "%s  %s\n", t.ID, printableLine(t.URL))
	fmt.Fprintf(w, "  outcome   %s: %s\n", t.Outcome, t.Meaning)
	for _, e := range t.Evidence {
		fmt.Fprintf(w, "            - %s\n", printableLine(e))
	}
	if t.FinalURL != t.URL {
		fmt.Fprintf(w, "  final     %s\n", printableLine(t.FinalURL))
	}
	for _, row := range [][2]string{{"title", t.Title}, {"price", t.Price}, {"seller", t.Seller}} {
		if row[1] != "" {
			fmt.Fprintf(w, "  %-9s %s\n", row[0], printableLine(row[1]))
		}
	}
	fmt.Fprintf(w, "  manifest  sha256:%s\n", t.Manifest)
	tb := newTable("  role", "bytes>", "sha256", "key")
	for _, o := range t.Objects {
		tb.add("  "+o.Role, fmt.Sprint(o.Bytes), o.SHA256.String()[:16]+"…", o.Key)
	}
	tb.print(w)
	if t.Folder != "" {
		fmt.Fprintf(w, "  files     %s\n", t.Folder)
	}
	fmt.Fprintln(w)
}

func money(amount, currency string) string {
	if amount == "" {
		return ""
	}
	if currency == "" {
		return amount + " (currency not seen)"
	}
	return amount + " " + currency
}
