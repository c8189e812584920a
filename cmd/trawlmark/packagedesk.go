package main

import (
	"context"
	"io"

	"github.com/trawlmark/trawlmark/archive/bundle/export"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/console"
	"github.com/trawlmark/trawlmark/worker"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// packageDesk has packages made by workers for the console.
type packageDesk struct{ a *app }

// The newest orders are looked through for a case's: this many pages of so many.
const (
	deskPages = 10
	deskPage  = 500
)

func (d packageDesk) Order(ctx context.Context, q console.PackageRequest) (console.PackageOrder, error) {
	o := worker.PackageOrder{Case: q.Case, By: q.By, To: q.To, Purpose: q.Purpose, Redacted: q.Redacted, RestWhole: q.RestWhole}
	cat, err := d.a.openCatalog(ctx)
	if err != nil {
		return console.PackageOrder{}, err
	}
	if err := export.Check(ctx, cat, exportRequest(o)); err != nil {
		return console.PackageOrder{}, err
	}
	w, err := o.Work()
	if err != nil {
		return console.PackageOrder{}, err
	}
	ids, err := d.a.ledger.Add(ctx, w)
	if err != nil {
		return console.PackageOrder{}, err
	}
	return d.Ordered(ctx, ids[0])
}

func (d packageDesk) Orders(ctx context.Context, caseID string) ([]console.PackageOrder, error) {
	f := ledger.JobFilter{Kind: ledger.Export, Limit: deskPage}
	var out []console.PackageOrder
	for range deskPages {
		jobs, err := d.a.ledger.Jobs(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, j := range jobs {
			if o := deskRow(j); caseID == "" || o.Case == caseID {
				out = append(out, o)
			}
		}
		if len(jobs) < deskPage {
			break
		}
		f.Before = jobs[len(jobs)-1].ID
	}
	return out, nil
}

func (d packageDesk) Ordered(ctx context.Context, id capture.ID) (console.PackageOrder, error) {
	j, err := d.a.ledger.Job(ctx, id)
	if err != nil {
		return console.PackageOrder{}, err
	}
	if _, err := worker.OrderOf(j); err != nil {
		return console.PackageOrder{}, err
	}
	return deskRow(j), nil
}

func (d packageDesk) Fetch(ctx context.Context, id capture.ID, to io.Writer) (capture.Digest, error) {
	info, err := d.a.vault.Stat(ctx, vault.ExportKey(id), "")
	if err != nil {
		return capture.Digest{}, err
	}
	return fetchPackage(ctx, d.a.vault, info, to)
}

func deskRow(j ledger.Job) console.PackageOrder {
	p := packageRow(j)
	return console.PackageOrder{ID: p.ID, State: p.State, Case: p.Order.Case, To: p.Order.To, By: p.Order.By, Name: p.Name, Note: p.Note, At: j.Created}
}
