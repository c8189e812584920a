package ledger

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/sqldb"
)

// What triage asks about a listing's neighbours. Each question reads a bounded
// number of rows by an index, however much there is.

// sellerLooks is how many listings of a seller are looked at, the newest first.
const sellerLooks = 200

// SellerRecord is what is known of a seller from other listings of theirs.
type SellerRecord struct {
	// Watches that have a finding among the seller's newest 200 listings that
	// nobody dismissed.
	Watches []capture.ID
	// Confirmed are listings that a person found to infringe.
	Confirmed int
}

// notInfringing are the labels of decisions that say so, whatever the state.
var notInfringing = map[string]bool{"legitimate": true, "out_of_scope": true}

// SellerRecord tells what was found at the seller's other listings of a site.
// A seller without an id is nobody: names are not unique.
func (l *Ledger) SellerRecord(ctx context.Context, site, sellerID string, except capture.ID) (SellerRecord, error) {
	var r SellerRecord
	if sellerID == "" {
		return r, nil
	}
	type row struct{ listing, watch, state, label string }
	rows, err := all(ctx, l.db, func(s scanner) (x row, err error) { return x, s.Scan(&x.listing, &x.watch, &x.state, &x.label) },
		`SELECT listing_id, watch_id, state, label FROM findings WHERE listing_id IN
			(SELECT id FROM listings WHERE site = $1 AND seller_id = $2 ORDER BY id DESC LIMIT $3)`,
		sqldb.Text(site), sqldb.Text(sellerID), sellerLooks)
	if err != nil {
		return r, fmt.Errorf("what is known of the seller cannot be read: %w", err)
	}
	watches, confirmed := map[string]bool{}, map[string]bool{}
	for _, x := range rows {
		if x.listing == idText(except) {
			continue
		}
		if x.watch != "" && FindingState(x.state) != Dismissed && !notInfringing[x.label] && !watches[x.watch] {
			watches[x.watch] = true
			var id capture.ID
			if err := unpack(x.watch, &id); err != nil {
				return r, err
			}
			r.Watches = append(r.Watches, id)
		}
		switch FindingState(x.state) {
		case Confirmed, Resolved:
			confirmed[x.listing] = !notInfringing[x.label] || confirmed[x.listing]
		}
	}
	for _, yes := range confirmed {
		if yes {
			r.Confirmed++
		}
	}
	return r, nil
}

// Seen lists the listings that a watch saw last since an instant, newest look
// first: at most limit looks are read, and each listing is there once.
func (l *Ledger) Seen(ctx context.Context, watch capture.ID, since time.Time, limit int) ([]Listing, error) {
	columns := "l." + strings.Join(strings.FieldsFunc(listingColumns, func(r rune) bool { return strings.ContainsRune(", \n\t", r) }), ", l.")
	found, err := all(ctx, l.db, scanListing, `SELECT `+columns+` FROM (SELECT listing_id, seen_at FROM observations
		WHERE watch_id = $1 AND watch_id <> '' AND seen_at > $2 ORDER BY seen_at DESC LIMIT $3) o
		JOIN listings l ON l.id = o.listing_id ORDER BY o.seen_at DESC, l.id`, idText(watch), sqldb.Micros(since), limit)
	if err != nil {
		return nil, fmt.Errorf("what the watch saw cannot be read: %w", err)
	}
	once := map[capture.ID]bool{}
	out := found[:0]
	for _, li := range found {
		if !once[li.ID] {
			once[li.ID] = true
			out = append(out, li)
		}
	}
	return out, nil
}
