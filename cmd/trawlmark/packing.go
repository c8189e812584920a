package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/bundle"
	"github.com/trawlmark/trawlmark/archive/bundle/export"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/worker"
)

// packing makes packages into files and verifies each once more. The exhibits
// are printed to PDF when this process has a browser anyway.
func (a *app) packing(ctx context.Context, arch *archive.Archive, tmp string) (func(context.Context, *os.File, export.Request) (export.Summary, error), error) {
	saved := a.archive
	a.archive = arch
	x, err := a.openExporter(ctx)
	a.archive = saved
	if err != nil {
		return nil, err
	}
	x.Whole = func(ctx context.Context, id capture.ID, w io.Writer) error { return arch.WriteWhole(ctx, id, w, tmp) }
	if a.render != nil {
		x.Printer = a.render
	}
	trust, err := a.trust(ctx)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, f *os.File, q export.Request) (export.Summary, error) {
		s, err := x.Export(ctx, f, q)
		if err = errors.Join(err, f.Sync()); err != nil {
			return s, err
		}
		report, err := verifyFile(ctx, f.Name(), trust)
		if err != nil {
			return s, err
		}
		if report.SHA256 != s.SHA256 || report.Status() == bundle.Fail {
			return s, fmt.Errorf("the package that was written does not verify, so it is not handed over: %w", bundle.ErrTampered)
		}
		return s, nil
	}, nil
}

// openPackager opens what the pool export works with.
func (a *app) openPackager(ctx context.Context, cfg worker.Config) (*worker.Packager, error) {
	arch, tmp, err := a.consoleArchive(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := a.openRenderer(ctx); err != nil {
		a.log.Info("packages are made without printed exhibits here: there is no browser", "error", err)
	}
	pack, err := a.packing(ctx, arch, tmp)
	if err != nil {
		return nil, err
	}
	return worker.NewPackager(cfg, a.ledger, a.vault, func(ctx context.Context, f *os.File, o worker.PackageOrder) (worker.Packaged, error) {
		s, err := pack(ctx, f, exportRequest(o))
		return worker.Packaged{SHA256: s.SHA256, Captures: len(s.Captures), Warnings: s.Warnings}, err
	}, tmp, a.log)
}
