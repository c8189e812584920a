package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/s3vault"
	"github.com/trawlmark/trawlmark/archive/seal"
	"github.com/trawlmark/trawlmark/crawler"
	"github.com/trawlmark/trawlmark/worker"
)

// How right this machine's clock is: it dates every capture.

// clockTolerance is how far apart clocks may be before a person is told. What
// is beyond seal.max_skew is refused by itself.
const clockTolerance = 2 * time.Second

// clockEvery is how often a worker compares its clock with an authority's.
const clockEvery = time.Hour

// dated tells each capture how far this machine's clock was from a time stamp
// authority's, as it was found within the last hour. The demonstration
// authorities are on this very clock, and tell nothing.
type dated struct {
	worker.Crawler
	clock atomic.Pointer[capture.Clock]
}

// dated asks until ctx ends, beside the work: a capture waits for no answer,
// and while there is none it says that its clock is the system's, and no more.
func (a *app) dated(ctx context.Context, c worker.Crawler) *dated {
	d := &dated{Crawler: c}
	if len(a.cfg.Seal.TSAs) == 0 || a.sealer == nil {
		return d
	}
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.ask(ctx, a)
	}()
	a.onClose(func() error { stop(); <-ended; return nil })
	return d
}

func (d *dated) ask(ctx context.Context, a *app) {
	tick := time.NewTicker(clockEvery)
	defer tick.Stop()
	for {
		r, err := a.sealer.AskClock(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil: // what was known an hour ago is not known now
			a.log.Warn("this machine's clock could not be compared; captures say so", "error", err)
			d.clock.Store(nil)
		default:
			d.clock.Store(&capture.Clock{Source: "system, " + r.Source, Offset: r.Offset, Error: r.Offset.Abs() + r.Within})
			if r.Offset.Abs() > clockTolerance+r.Within {
				a.log.Warn("this machine's clock is off: let a time service keep it, it dates every capture", "reading", r.String())
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Visit implements worker.Crawler.
func (d *dated) Visit(ctx context.Context, q crawler.Request) *crawler.Result {
	r := d.Crawler.Visit(ctx, q)
	if c := d.clock.Load(); c != nil && r.Capture != nil {
		r.Capture.Clock = *c
	}
	return r
}

// storageClock compares the clock with the storage's, by the Date header of
// any answer; it tells whole seconds.
func (a *app) storageClock(ctx context.Context) (seal.Reading, error) {
	cfg, err := a.storage(ctx)
	if err != nil {
		return seal.Reading{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodHead, storageURL(cfg), nil)
	if err != nil {
		return seal.Reading{}, err
	}
	c, err := storageWeb(cfg)
	if err != nil {
		return seal.Reading{}, err
	}
	sent := a.now()
	res, err := c.Do(q)
	if err != nil {
		return seal.Reading{}, err
	}
	received := a.now()
	res.Body.Close()
	date, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		return seal.Reading{}, errors.New("its answers have no date")
	}
	return seal.CompareDate("s3", date, sent, received), nil
}

// storageWeb trusts whom the storage's own client trusts.
func storageWeb(cfg s3vault.Config) (*http.Client, error) {
	t := &http.Transport{DisableKeepAlives: true}
	if cfg.CAFile != "" {
		more, err := pemFile(cfg.CAFile)
		if err != nil {
			return nil, err
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			return nil, err
		}
		for _, c := range more {
			pool.AddCert(c)
		}
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: t}, nil
}

func storageURL(cfg s3vault.Config) string {
	switch {
	case strings.Contains(cfg.Endpoint, "://"):
		return cfg.Endpoint
	case cfg.TLS:
		return "https://" + cfg.Endpoint + "/"
	}
	return "http://" + cfg.Endpoint + "/"
}

// clocks is how this machine's clock compares with those that were just read.
func clocks(a *app) check {
	c := check{Part: "clock", State: "good"}
	if a.sealer == nil || len(a.sealer.Clock()) == 0 {
		c.State, c.Detail = "note", "no other clock could be read"
		c.Remedy = "mend the custody log first: the time stamp authorities tell the time"
		return c
	}
	newest := map[string]seal.Reading{}
	var order []string
	for _, r := range a.sealer.Clock() {
		if _, ok := newest[r.Source]; !ok {
			order = append(order, r.Source)
		}
		newest[r.Source] = r
	}
	var all []string
	for _, source := range order {
		r := newest[source]
		all = append(all, fmt.Sprintf("%s %+.3fs (within %.3fs)", r.Source, r.Offset.Seconds(), r.Within.Seconds()))
		if r.Offset.Abs() > clockTolerance+r.Within {
			c.State, c.Remedy = "note", "let a time service keep this machine's clock (systemd-timesyncd, chrony): it dates every capture"
		}
	}
	c.Detail = strings.Join(all, ", ")
	if len(a.cfg.Seal.TSAs) == 0 {
		c.Detail += "; the demonstration authorities are on this very clock"
	}
	return c
}

// worstClock tells the worst reading of a day, in a sentence; "" without any.
func worstClock(all []seal.Reading) string {
	if len(all) == 0 {
		return ""
	}
	worst := all[0]
	for _, r := range all {
		if r.Offset.Abs() > worst.Offset.Abs() {
			worst = r
		}
	}
	return fmt.Sprintf("clock: %d readings of the last day, the furthest apart %s", len(all), worst)
}
