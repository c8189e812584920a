package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/crawler/triage"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

//go:embed demolook.html
var lookPage string

// lookFinding is one finding on the page that the demo leaves to look at.
type lookFinding struct {
	ledger.Finding
	Assessment triage.Assessment
	Price      string
	Picture    string // file beside the page; "" when there is no screenshot
	Proved     string
	Percent    int
}

// writeLook writes a page with the findings and their screenshots, taken out
// of the evidence store (on record) and checked on the way.
func (d *demo) writeLook(ctx context.Context, findings []ledger.Finding) (string, error) {
	dir, err := filepath.Abs(filepath.Join(d.f.dir, "look"))
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	var rows []lookFinding
	for i, f := range findings {
		r := lookFinding{Finding: f, Assessment: assessment(f), Price: money(f.Listing.Amount, f.Listing.Currency), Percent: int(100*f.Score + 0.5)}
		if i < 12 {
			name, err := d.takeOut(ctx, dir, f.Capture)
			if err != nil {
				return "", err
			}
			r.Picture = name
		}
		s, err := collect(ctx, d.a, f.Capture)
		if err != nil {
			return "", err
		}
		r.Proved = between(s.Sealed)
		rows = append(rows, r)
	}
	t, err := template.New("look").Parse(lookPage)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "index.html")
	out, err := os.Create(path)
	if err != nil {
		return "", err
	}
	err = t.Execute(out, map[string]any{"Findings": rows, "Brand": "Maison Aurelle", "Day": d.state.Day + 1, "Total": len(findings)})
	return path, errors.Join(err, out.Close())
}

// takeOut copies a capture's viewport screenshot beside the page.
func (d *demo) takeOut(ctx context.Context, dir string, id capture.ID) (string, error) {
	arch, err := d.a.openArchive(ctx, d.a.workerSpace())
	if err != nil {
		return "", err
	}
	r, _, err := arch.Open(ctx, id, string(capture.RoleViewport), 0, d.g.actor(), custody.Downloaded)
	if err != nil {
		return "", fmt.Errorf("the screenshot of a suspicious listing is missing: %w", err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		return "", err
	}
	name := id.String() + ".png"
	return name, os.WriteFile(filepath.Join(dir, name), b, 0o644)
}
