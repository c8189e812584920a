package worker

import (
	"context"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler"
)

// Ingester keeps one capture. *archive.Archive is one.
type Ingester interface {
	Ingest(ctx context.Context, c *capture.Capture, d archive.Description) (archive.Receipt, error)
}

// Once makes one visit outside of any watch and archives what it saw. The
// result's temporary files are gone when it returns.
func Once(ctx context.Context, c Crawler, a Ingester, req crawler.Request) (*crawler.Result, archive.Receipt, error) {
	res := c.Visit(ctx, req)
	defer res.Close()
	if res.Reading != nil {
		if err := attachReading(res.Capture, res.Reading); err != nil {
			return res, archive.Receipt{}, err
		}
	}
	r, err := a.Ingest(ctx, res.Capture, describe(res.Reading))
	return res, r, err
}
