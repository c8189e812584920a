package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// State is what became of a capture.
type State string

// The states. Of an expired or erased capture the catalogue keeps that there
// was one: id, times, site, page kind, outcome, digest. Nothing of the page.
const (
	Kept    State = ""
	Expired State = "expired" // its retention ended
	Erased  State = "erased"  // somebody ordered it
)

// Order is an order to erase a capture that is still locked.
type Order struct {
	Capture capture.ID `json:"capture"`
	At      time.Time  `json:"at"`
	By      string     `json:"by"`
	Reason  string     `json:"reason"`
}

// Each gives all captures in the order of their ids, after the one given, in
// bounded memory. The catalogue may change meanwhile.
func (c *Catalog) Each(ctx context.Context, after capture.ID) iter.Seq2[Entry, error] {
	return pages(func(last Entry) ([]Entry, error) {
		from := after
		if !last.ID.IsZero() {
			from = last.ID
		}
		return entries(ctx, c.db, `SELECT `+columns+` FROM capture WHERE id > $1 ORDER BY id LIMIT $2`, from.String(), pageSize)
	})
}

// Due gives the kept captures whose retention has ended by a time and that are
// not held, those first that ended first, in bounded memory.
func (c *Catalog) Due(ctx context.Context, by time.Time) iter.Seq2[Entry, error] {
	return pages(func(last Entry) ([]Entry, error) {
		return entries(ctx, c.db, `SELECT `+columns+` FROM capture WHERE state = '' AND NOT held AND retain_until <= $1
			AND (retain_until, id) > ($2, $3) ORDER BY retain_until, id LIMIT $4`, micros(by), micros(last.RetainUntil), last.ID.String(), pageSize)
	})
}

const pageSize = 500

// pages gives what next gives, page by page; last is the zero Entry at first.
func pages(next func(last Entry) ([]Entry, error)) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		var last Entry
		for {
			page, err := next(last)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
				last = e
			}
			if len(page) < pageSize {
				return
			}
		}
	}
}

// queryer is the database, or one transaction of it.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func entries(ctx context.Context, db queryer, query string, args ...any) ([]Entry, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Entry
	for rows.Next() {
		e, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, rows.Err()
}

// Sample picks up to n kept captures, each as likely as any other, by these
// random bytes.
func (c *Catalog) Sample(ctx context.Context, n int, random io.Reader) ([]Entry, error) {
	var total int
	if err := c.db.QueryRowContext(ctx, `SELECT count(*) FROM capture WHERE state = ''`).Scan(&total); err != nil {
		return nil, err
	}
	var seed [32]byte
	if _, err := io.ReadFull(random, seed[:]); err != nil {
		return nil, fmt.Errorf("no random bytes to choose captures by: %w", err)
	}
	src := rand.New(rand.NewChaCha8(seed)) //nolint:gosec // seeded by the caller
	at := map[int]bool{}
	if n >= total {
		for i := range total {
			at[i] = true
		}
	}
	for len(at) < min(n, total) {
		at[src.IntN(total)] = true
	}
	var all []Entry
	places := make([]int, 0, len(at))
	for i := range at {
		places = append(places, i)
	}
	slices.Sort(places)
	for _, i := range places {
		e, err := entries(ctx, c.db, `SELECT `+columns+` FROM capture WHERE state = '' ORDER BY id LIMIT 1 OFFSET $1`, i)
		if err != nil {
			return nil, err
		}
		all = append(all, e...)
	}
	return all, nil
}

// Forget marks a capture as expired or erased and drops what the catalogue
// knows of its page, its files and what it refers to. It stays in its cases.
func (c *Catalog) Forget(ctx context.Context, id capture.ID, s State) error {
	if s != Expired && s != Erased {
		return fmt.Errorf("a capture does not become %q", s)
	}
	return c.db.Tx(ctx, func(tx *sql.Tx) error {
		var bytes int64
		var outcome, site string
		err := tx.QueryRowContext(ctx, `SELECT bytes, outcome, site FROM capture WHERE id = $1 AND state = ''`, id.String()).Scan(&bytes, &outcome, &site)
		if errors.Is(err, sql.ErrNoRows) {
			return nil // it is forgotten already
		}
		if err != nil {
			return err
		}
		for _, q := range []string{
			`DELETE FROM artifact WHERE capture = $1`, `DELETE FROM word WHERE capture = $1`, `DELETE FROM erasure_order WHERE capture = $1`,
			// What was moved out of a WARC goes with the last capture that needs it.
			`DELETE FROM payload WHERE (original, sha256) IN (SELECT original, sha256 FROM payload_use WHERE capture = $1) AND member_length = 0
				AND NOT EXISTS (SELECT 1 FROM payload_use u WHERE u.original = payload.original AND u.sha256 = payload.sha256 AND u.capture <> $1)`,
			`DELETE FROM payload_use WHERE capture = $1`,
			`DELETE FROM payload WHERE original = $1 AND NOT EXISTS (SELECT 1 FROM payload_use u WHERE u.original = payload.original AND u.sha256 = payload.sha256)`,
			`UPDATE capture SET url = '', final_url = '', item_id = '', canonical = '', watch = '', job = '', requested_by = '', title = '', price = '', currency = '', seller = '' WHERE id = $1`,
		} {
			if _, err := tx.ExecContext(ctx, q, id.String()); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, `UPDATE capture SET state = $1 WHERE id = $2`, string(s), id.String()); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE capture_count SET n = n - 1, bytes = bytes - $1 WHERE outcome = $2 AND site = $3`, bytes, outcome, site)
		return err
	})
}

// AddForgotten records a capture of which only this is known: it was there.
func (c *Catalog) AddForgotten(ctx context.Context, e Entry) error {
	_, err := c.db.ExecContext(ctx, `INSERT INTO capture (`+columns+`)
		VALUES ($1,$2,$3,'','',$4,$5,'','','','','',$6,'','','','',$7,$8,$9,$10,$11,$12,$13,$14) ON CONFLICT (id) DO NOTHING`,
		e.ID.String(), micros(e.Started), micros(e.Finished), e.Site, e.PageKind, string(e.Outcome), e.Manifest.String(), e.ManifestKey,
		e.ManifestVersion, e.Event, e.Bytes, micros(e.RetainUntil), e.Held, string(e.State))
	return err
}

// OrderErasure records that a capture is to be erased when its lock ends. The
// first order counts.
func (c *Catalog) OrderErasure(ctx context.Context, o Order) error {
	_, err := c.db.ExecContext(ctx, `INSERT INTO erasure_order (capture, ordered, ordered_by, reason) VALUES ($1,$2,$3,$4)
		ON CONFLICT (capture) DO NOTHING`, o.Capture.String(), micros(o.At), o.By, clean(o.Reason))
	return err
}

// Ordered gives the order to erase a capture; ErrNotFound when there is none.
func (c *Catalog) Ordered(ctx context.Context, id capture.ID) (Order, error) {
	o := Order{Capture: id}
	var at int64
	err := c.db.QueryRowContext(ctx, `SELECT ordered, ordered_by, reason FROM erasure_order WHERE capture = $1`, id.String()).Scan(&at, &o.By, &o.Reason)
	if errors.Is(err, sql.ErrNoRows) {
		return o, fmt.Errorf("an order to erase capture %s: %w", id, ErrNotFound)
	}
	o.At = instant(at)
	return o, err
}
