package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/s3vault"
	"github.com/trawlmark/trawlmark/archive/seal"
)

// How right this machine's clock is: it dates every capture.

// clockTolerance is how far apart clocks may be before a person is told. What
// is beyond seal.max_skew is refused by itself.
const clockTolerance = 2 * time.Second

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
