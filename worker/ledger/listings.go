package ledger

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/sqldb"
)

const listingColumns = `id, site, item_id, canonical, url, title, amount, currency, seller, seller_id, state, state_since,
	first_seen, last_seen, last_looked, looks`

const observationColumns = `listing_id, capture_id, seen_at, watch_id, job_id, outcome, manifest, title, amount, currency,
	seller, seller_id, etag, last_modified, fingerprint, signals, data`

const observationColumnCount = 17

// key is what a listing is known by within its site. Item ids are short; a
// long one, like a canonical URL, is known by its digest, since PostgreSQL
// does not index long text.
func (r Ref) key() string {
	item := sqldb.Text(r.ItemID)
	if item != "" && len(item) <= 200 {
		return "id:" + item
	}
	whole := "item " + item
	if item == "" {
		whole = "url " + sqldb.Text(r.Canonical)
	}
	sum := sha256.Sum256([]byte(whole))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func isNoRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }

func scanListing(s scanner) (Listing, error) {
	var l Listing
	var r listingRow
	if err := s.Scan(r.into(&l)...); err != nil {
		return l, err
	}
	return l, r.finish(&l)
}

// listingRow is the part of a row that needs converting.
type listingRow struct {
	id                         string
	since, first, seen, looked int64
}

func (r *listingRow) into(l *Listing) []any {
	return []any{
		&r.id, &l.Site, &l.ItemID, &l.Canonical, &l.URL, &l.Title, &l.Amount, &l.Currency, &l.Seller, &l.SellerID,
		&l.State, &r.since, &r.first, &r.seen, &r.looked, &l.Looks,
	}
}

func (r *listingRow) finish(l *Listing) error {
	l.StateSince, l.FirstSeen = sqldb.Instant(r.since), sqldb.Instant(r.first)
	l.LastSeen, l.LastLooked = sqldb.Instant(r.seen), sqldb.Instant(r.looked)
	return unpack(r.id, &l.ID)
}

// holdListing gives the listing's row, made if it was not there, and locks it.
func (t *tx) holdListing(ctx context.Context, o Observation) (li Listing, isNew bool, err error) {
	n, err := t.exec(ctx, `INSERT INTO listings (`+listingColumns+`, item_key, capture_id, manifest, captured_at, etag,
		last_modified, fingerprint) VALUES ($1, $2, $3, $4, $5, '', '', '', '', '', $6, $7, $7, 0, 0, 0, $8, '', '', 0, '', '', '')
		ON CONFLICT (site, item_key) DO NOTHING`, idText(t.l.ids.New()), sqldb.Text(o.Site), sqldb.Text(o.ItemID),
		sqldb.Text(o.Canonical), sqldb.Text(o.URL), string(Unseen), sqldb.Micros(o.At), o.Ref().key())
	if err != nil {
		return li, false, err
	}
	li, err = one(scanListing, t.QueryRowContext(ctx, `UPDATE listings SET looks = looks + 1 WHERE site = $1 AND item_key = $2
		RETURNING `+listingColumns, sqldb.Text(o.Site), o.Ref().key()))
	if n > 0 {
		t.move(tallyListings, li.Site, "", string(li.State))
	}
	return li, n > 0, err
}

// look brings a held listing up to date with an observation. One that is older
// than the newest look (visits can overlap) only counts.
func (t *tx) look(ctx context.Context, li Listing, o Observation) error {
	if o.At.Before(li.LastLooked) {
		return nil
	}
	state := li.next(o.Outcome, o.At)
	since, seen := li.StateSince, li.LastSeen
	if state != li.State {
		since = o.At
		t.move(tallyListings, li.Site, string(li.State), string(state))
	}
	if state == Active || state == Sold || state == Unavailable {
		if shows(o.Outcome) || o.Outcome == capture.NotModified {
			seen = o.At
		}
	}
	_, err := t.ExecContext(ctx, `UPDATE listings SET state = $2, state_since = $3, last_seen = $4, last_looked = $5 WHERE id = $1`,
		idText(li.ID), string(state), sqldb.Micros(since), sqldb.Micros(seen), sqldb.Micros(o.At))
	if err != nil || !shows(o.Outcome) {
		return err
	}
	// What was not seen this time does not wipe out what was seen before.
	_, err = t.ExecContext(ctx, `UPDATE listings SET
		canonical = CASE WHEN $2 = '' THEN canonical ELSE $2 END, url = CASE WHEN $3 = '' THEN url ELSE $3 END,
		title = CASE WHEN $4 = '' THEN title ELSE $4 END, amount = CASE WHEN $5 = '' THEN amount ELSE $5 END,
		currency = CASE WHEN $5 = '' THEN currency ELSE $6 END, seller = CASE WHEN $7 = '' THEN seller ELSE $7 END,
		seller_id = CASE WHEN $8 = '' THEN seller_id ELSE $8 END, capture_id = $9, manifest = $10, captured_at = $11,
		etag = $12, last_modified = $13, fingerprint = $14 WHERE id = $1`,
		idText(li.ID), sqldb.Text(o.Canonical), sqldb.Text(o.URL), shown(o.Title), sqldb.Text(o.Amount), sqldb.Text(o.Currency),
		shown(o.Seller), sqldb.Text(o.SellerID), idText(o.Capture), digestText(o.Manifest), sqldb.Micros(o.At),
		sqldb.Text(o.ETag), sqldb.Text(o.LastModified), sqldb.Text(o.Fingerprint))
	return err
}

// Listing gives one listing.
func (l *Ledger) Listing(ctx context.Context, id capture.ID) (Listing, error) {
	li, err := one(scanListing, l.db.QueryRowContext(ctx, `SELECT `+listingColumns+` FROM listings WHERE id = $1`, idText(id)))
	if err != nil {
		return Listing{}, fmt.Errorf("listing %s: %w", id, err)
	}
	return li, nil
}

// ListingOf gives the listing that is known by r.
func (l *Ledger) ListingOf(ctx context.Context, r Ref) (Listing, error) {
	li, err := one(scanListing, l.db.QueryRowContext(ctx, `SELECT `+listingColumns+` FROM listings WHERE site = $1 AND item_key = $2`,
		sqldb.Text(r.Site), r.key()))
	if err != nil {
		return Listing{}, fmt.Errorf("item %q of %s: %w", r.ItemID, r.Site, err)
	}
	return li, nil
}

// SellerListings lists a seller's listings at a site, the newest first.
func (l *Ledger) SellerListings(ctx context.Context, site, sellerID string, limit int) ([]Listing, error) {
	return all(ctx, l.db, scanListing, `SELECT `+listingColumns+` FROM listings WHERE site = $1 AND seller_id = $2
		ORDER BY id DESC LIMIT $3`, sqldb.Text(site), sqldb.Text(sellerID), pageSize(limit))
}

// PreviousCapture gives the newest capture that shows the listing: what a
// visit compares with, and what its evidence refers to. ErrNotFound: none does.
func (l *Ledger) PreviousCapture(ctx context.Context, r Ref) (Previous, error) {
	p, err := one(func(s scanner) (Previous, error) {
		var p Previous
		var id, cap, manifest string
		var at int64
		if err := s.Scan(&id, &cap, &manifest, &at, &p.ETag, &p.LastModified, &p.Fingerprint); err != nil {
			return p, err
		}
		p.At = sqldb.Instant(at)
		return p, unpack(id, &p.Listing, cap, &p.Capture, manifest, &p.Manifest)
	}, l.db.QueryRowContext(ctx, `SELECT id, capture_id, manifest, captured_at, etag, last_modified, fingerprint FROM listings
		WHERE site = $1 AND item_key = $2 AND capture_id <> ''`, sqldb.Text(r.Site), r.key()))
	if err != nil {
		return Previous{}, fmt.Errorf("item %q of %s: %w", r.ItemID, r.Site, err)
	}
	return p, nil
}

func scanObservation(s scanner) (Observation, error) {
	var o Observation
	var listing, cap, watch, job, manifest, signals, data string
	var at int64
	err := s.Scan(&listing, &cap, &at, &watch, &job, &o.Outcome, &manifest, &o.Title, &o.Amount, &o.Currency, &o.Seller, &o.SellerID,
		&o.ETag, &o.LastModified, &o.Fingerprint, &signals, &data, &o.Site, &o.ItemID, &o.Canonical, &o.URL)
	if err != nil {
		return o, err
	}
	o.At, o.Signals, o.Data = sqldb.Instant(at), raw(signals), raw(data)
	return o, unpack(listing, &o.Listing, cap, &o.Capture, watch, &o.Watch, job, &o.Job, manifest, &o.Manifest)
}

const selectObservation = `SELECT o.listing_id, o.capture_id, o.seen_at, o.watch_id, o.job_id, o.outcome, o.manifest, o.title,
	o.amount, o.currency, o.seller, o.seller_id, o.etag, o.last_modified, o.fingerprint, o.signals, o.data,
	l.site, l.item_id, l.canonical, l.url FROM observations o JOIN listings l ON l.id = o.listing_id`

// Observation gives what one capture showed of a listing.
func (l *Ledger) Observation(ctx context.Context, listing, id capture.ID) (Observation, error) {
	o, err := one(scanObservation, l.db.QueryRowContext(ctx, selectObservation+` WHERE o.listing_id = $1 AND o.capture_id = $2`,
		idText(listing), idText(id)))
	if err != nil {
		return Observation{}, fmt.Errorf("listing %s in capture %s: %w", listing, id, err)
	}
	return o, nil
}

// History lists the observations of a listing before an instant (zero: all),
// the newest first.
func (l *Ledger) History(ctx context.Context, listing capture.ID, before time.Time, limit int) ([]Observation, error) {
	until := sqldb.Micros(before)
	if before.IsZero() {
		until = 1<<63 - 1
	}
	return all(ctx, l.db, scanObservation, selectObservation+` WHERE o.listing_id = $1 AND o.seen_at < $2
		ORDER BY o.seen_at DESC, o.capture_id DESC LIMIT $3`, idText(listing), until, pageSize(limit))
}
