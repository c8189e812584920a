package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler"
	"github.com/trawlmark/trawlmark/crawler/site"
)

func siteCommand(g *globals) *cobra.Command {
	c := &cobra.Command{Use: "site", Short: "Look at the marketplace adapters and try them on a page"}
	c.AddCommand(siteList(g), siteTest(g), siteNew(g))
	return c
}

func siteList(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the sites there is a file for", Args: cobra.NoArgs,
		Example: "  trawlmark site list\n  trawlmark site list --json",
		RunE: func(c *cobra.Command, _ []string) error {
			return g.with(func(a *app) error {
				set, err := a.openSites()
				if err != nil {
					return err
				}
				if g.json {
					var names []string
					for _, s := range set.Sites() {
						names = append(names, s.Name)
					}
					return printJSON(g.s.out, names)
				}
				t := newTable("name", "title", "hosts:60", "search")
				for _, s := range set.Sites() {
					var hosts []string
					for _, h := range s.Hosts {
						hosts = append(hosts, h.Name)
					}
					search := "no"
					if s.Search.URL != "" {
						search = "yes"
					}
					t.add(s.Name, s.Title, strings.Join(hosts, " "), search)
				}
				t.print(g.s.out)
				return nil
			})
		},
	}
}

func siteTest(g *globals) *cobra.Command {
	var pageURL, render, file string
	c := &cobra.Command{
		Use:   "test FILE|URL",
		Short: "Show what would be read from a page, field by field, and from where",
		Long: `Test reads a saved HTML file or visits a URL (nothing is archived) and shows the
outcome with its evidence, every candidate value with its source, the chosen
one and why, and the links that would be followed. With --site the page is read
by a site file that is not in use yet.`,
		Example: "  trawlmark site test page.html --url https://www.ebay.de/itm/123456789012\n  trawlmark site test https://shop.example/products/bag\n  trawlmark site test page.html --site shop.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return g.with(func(a *app) error {
				if err := useSiteFile(a, args[0], file); err != nil {
					return err
				}
				r, err := readPage(c.Context(), a, args[0], pageURL, render)
				if err != nil {
					return err
				}
				if g.json {
					return printJSON(g.s.out, r)
				}
				printReading(g.s.out, r)
				return nil
			})
		},
	}
	c.Flags().StringVar(&pageURL, "url", "", "the address the file was saved from; decides which site file reads it (default: what the page says)")
	c.Flags().StringVar(&file, "site", "", "a site file to read with, besides those in use")
	c.Flags().StringVar(&render, "render", "", "for a URL: never, auto or always")
	return c
}

// useSiteFile adds a site file for this command.
func useSiteFile(a *app, page, file string) error {
	if ext := filepath.Ext(page); file == "" && (ext == ".yaml" || ext == ".yml") {
		return usagef("%s is a site file: try it on a page, as in\n  trawlmark site test PAGE.html --url ADDRESS --site %s", page, page)
	}
	if file == "" {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("the site file cannot be read: %w", err)
	}
	one, err := site.Parse(file, text)
	if err != nil {
		return err
	}
	set, err := a.openSites()
	if err != nil {
		return err
	}
	a.sites, err = set.With(one)
	return err
}

func readPage(ctx context.Context, a *app, arg, pageURL, render string) (*site.Reading, error) {
	set, err := a.openSites()
	if err != nil {
		return nil, err
	}
	if u, err := url.Parse(arg); err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https") {
		cr, err := a.openCrawler(ctx, render != "never")
		if err != nil {
			return nil, err
		}
		res := cr.Visit(ctx, crawler.Request{ID: a.ids.New(), URL: arg, Asked: capture.Asked{By: "site test"}, Render: site.RenderMode(render)})
		defer res.Close()
		if res.Reading == nil {
			return nil, fmt.Errorf("the page was not got: %s (%s)", res.Capture.Outcome, strings.Join(res.Capture.Evidence, "; "))
		}
		return res.Reading, nil
	}
	body, err := os.ReadFile(arg)
	if err != nil {
		return nil, fmt.Errorf("%s is neither a URL nor a file that can be read: %w", arg, err)
	}
	if pageURL == "" {
		pageURL = set.Guess(body, "")
	}
	if pageURL == "" {
		return nil, usagef("%s does not say where it is from: give its address with --url", arg)
	}
	return set.Read(site.Page{URL: pageURL, Status: 200, ContentType: "text/html", Body: body}), nil
}

func printReading(w io.Writer, r *site.Reading) {
	fmt.Fprintf(w, "site      %s (%s page)\n", r.Match.Site.Name, r.Match.Kind)
	fmt.Fprintf(w, "canonical %s\n", printableLine(r.Match.Canonical))
	fmt.Fprintf(w, "outcome   %s: %s\n", r.Outcome, r.Outcome.Sentence())
	for _, e := range r.Evidence {
		fmt.Fprintf(w, "          - %s\n", printableLine(e))
	}
	if r.Match.Kind == site.KindOther && !r.Match.Site.Generic {
		fmt.Fprintf(w, "hint      no rule under pages of %s fits this address: add one for it if it is a listing, a search or a seller\n", r.Match.Site.Name)
	}
	if r.Match.Site.Generic {
		fmt.Fprintln(w, "hint      no site file has this host: what is read is what any shop's page says (docs/sites.md)")
	}
	for _, e := range r.NeedsChrome {
		fmt.Fprintf(w, "chrome    %s\n", printableLine(e))
	}
	for _, p := range r.Problems {
		fmt.Fprintf(w, "problem   %s\n", printableLine(p))
	}
	if r.Listing != nil {
		printCandidates(w, r)
	}
	printLinks(w, r.Links)
}

func printCandidates(w io.Writer, r *site.Reading) {
	fmt.Fprintln(w)
	t := newTable("", "field", "value:60", "source", "path:50", "why:70")
	for _, row := range site.Explain(r) {
		mark, why := "", ""
		if row.Chosen {
			mark, why = "*", row.Why
			if row.Conflict != "" {
				why += "; " + row.Conflict
			}
		}
		t.add(mark, string(row.Field), row.Value, row.Source, row.Path, why)
	}
	t.print(w)
}

func printLinks(w io.Writer, links []site.Link) {
	if len(links) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := newTable("#>", "kind", "item", "title:50", "price", "url:80")
	for _, l := range links {
		t.add(fmt.Sprint(l.Position), string(l.Kind), l.ItemID, l.Title, l.PriceText, l.URL)
	}
	t.print(w)
}

func siteNew(g *globals) *cobra.Command {
	var pageURL, search, term string
	c := &cobra.Command{
		Use: "new FILE|URL", Short: "Start a site file from a listing's page", Args: cobra.ExactArgs(1),
		Long: `New reads one listing page and writes a site file to begin with: what was found
becomes rules, what was not becomes a line to fill in (docs/sites.md). With the
address of a search and the term that was searched for, its template is made too.`,
		Example: "  trawlmark site new https://shop.example/products/bag > shop.yaml\n  trawlmark site new page.html --url https://shop.example/products/bag > shop.yaml\n  trawlmark site new page.html --search 'https://shop.example/find?text=blue+bag&page=2' --term 'blue bag' > shop.yaml",
		RunE: func(c *cobra.Command, args []string) error {
			return g.with(func(a *app) error {
				set, err := a.openSites()
				if err != nil {
					return err
				}
				p, err := draftPage(c.Context(), a, args[0], pageURL)
				if err != nil {
					return err
				}
				if (search == "") != (term == "") {
					return usagef("--search and --term go together: the address of a search, and what was searched for")
				}
				template := ""
				if search != "" {
					if template, err = site.SearchTemplate(search, term); err != nil {
						return err
					}
				}
				text, err := set.Draft(p, template)
				if err != nil {
					return err
				}
				_, err = g.s.out.Write(text)
				return err
			})
		},
	}
	c.Flags().StringVar(&pageURL, "url", "", "the address the file was saved from (default: what the page says)")
	c.Flags().StringVar(&search, "search", "", "the address of a search, best of its second page")
	c.Flags().StringVar(&term, "term", "", "what was searched for there")
	return c
}

// draftPage gets the page that a site file is to be made of.
func draftPage(ctx context.Context, a *app, arg, pageURL string) (site.Page, error) {
	u, err := url.Parse(arg)
	if err != nil || u.Host == "" {
		body, err := os.ReadFile(arg)
		if err != nil {
			return site.Page{}, fmt.Errorf("%s is neither a URL nor a file that can be read: %w", arg, err)
		}
		if pageURL == "" {
			set, err := a.openSites()
			if err != nil {
				return site.Page{}, err
			}
			if pageURL = set.Guess(body, ""); pageURL == "" {
				return site.Page{}, usagef("say with --url where %s was saved from", arg)
			}
		}
		return site.Page{URL: pageURL, Status: 200, ContentType: "text/html", Body: body}, nil
	}
	cr, err := a.openCrawler(ctx, true)
	if err != nil {
		return site.Page{}, err
	}
	res := cr.Visit(ctx, crawler.Request{ID: a.ids.New(), URL: arg, Asked: capture.Asked{By: "site new"}})
	defer res.Close()
	for _, role := range []capture.Role{capture.RoleDOM, capture.RoleHTML} {
		if art := res.Capture.Artifact(role); art != nil {
			body, err := capture.ReadAll(art.Body, 64<<20)
			return site.Page{URL: arg, FinalURL: res.Capture.FinalURL, Status: 200, ContentType: art.MediaType, Body: body, Rendered: role == capture.RoleDOM}, err
		}
	}
	return site.Page{}, fmt.Errorf("the page was not got: %s (%s)", res.Capture.Outcome, strings.Join(res.Capture.Evidence, "; "))
}
