package ledger

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/sqldb"
)

// Scores are stored as millionths: equal on both databases, and fit for paging.
func millionths(score float64) int64 { return int64(math.Round(score * 1e6)) }
func fromMillionths(n int64) float64 { return float64(n) / 1e6 }

const selectFinding = `SELECT f.id, f.watch_id, f.capture_id, f.manifest, f.score, f.reasons, f.scorer, f.state, f.label, f.note,
	f.decided_by, f.decided_at, f.created_at, f.scored_at, f.version, l.id, l.site, l.item_id, l.canonical, l.url, l.title,
	l.amount, l.currency, l.seller, l.seller_id, l.state, l.state_since, l.first_seen, l.last_seen, l.last_looked, l.looks
	FROM findings f JOIN listings l ON l.id = f.listing_id`

func scanFinding(s scanner) (Finding, error) {
	var f Finding
	var row listingRow
	var id, watch, cap, manifest, reasons string
	var score, decided, created, scored int64
	to := append([]any{
		&id, &watch, &cap, &manifest, &score, &reasons, &f.Scorer, &f.State, &f.Label, &f.Note, &f.DecidedBy, &decided,
		&created, &scored, &f.Version,
	}, row.into(&f.Listing)...)
	if err := s.Scan(to...); err != nil {
		return f, err
	}
	f.Score, f.Reasons = fromMillionths(score), raw(reasons)
	f.DecidedAt, f.Created, f.ScoredAt = sqldb.Instant(decided), sqldb.Instant(created), sqldb.Instant(scored)
	if err := row.finish(&f.Listing); err != nil {
		return f, err
	}
	return f, unpack(id, &f.ID, watch, &f.Watch, cap, &f.Capture, manifest, &f.Manifest)
}

// find adds the finding of a listing and watch, or scores it again. A decision
// that was taken stands.
func (t *tx) find(ctx context.Context, s Scored) (capture.ID, error) {
	if s.Listing.IsZero() {
		return capture.ID{}, fmt.Errorf("%w: a finding needs a listing", ErrInvalid)
	}
	var site, newest, manifest string
	err := t.QueryRowContext(ctx, `SELECT site, capture_id, manifest FROM listings WHERE id = $1`, idText(s.Listing)).
		Scan(&site, &newest, &manifest)
	if err != nil {
		return capture.ID{}, fmt.Errorf("listing %s: %w", s.Listing, notFound(err))
	}
	if s.Capture.IsZero() {
		if err := unpack(newest, &s.Capture, manifest, &s.Manifest); err != nil {
			return capture.ID{}, err
		}
	}
	if s.Manifest.IsZero() {
		if err := t.manifestOf(ctx, &s); err != nil {
			return capture.ID{}, err
		}
	}
	id, now := t.l.ids.New(), sqldb.Micros(t.now)
	n, err := t.exec(ctx, `INSERT INTO findings (id, listing_id, watch_id, site, capture_id, manifest, score, reasons, scorer, state,
		label, note, decided_by, decided_at, created_at, scored_at, version)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'new', '', '', '', 0, $10, $10, 0) ON CONFLICT (listing_id, watch_id) DO NOTHING`,
		idText(id), idText(s.Listing), idText(s.Watch), site, idText(s.Capture), digestText(s.Manifest), millionths(s.Score),
		rawText(s.Reasons), shown(s.Scorer), now)
	if err != nil {
		return capture.ID{}, err
	}
	if n > 0 {
		t.move(tallyFindings, idText(s.Watch), "", string(New))
		return id, nil
	}
	var text string
	err = t.QueryRowContext(ctx, `UPDATE findings SET capture_id = $3, manifest = $4, score = $5, reasons = $6, scorer = $7, scored_at = $8
		WHERE listing_id = $1 AND watch_id = $2 RETURNING id`, idText(s.Listing), idText(s.Watch), idText(s.Capture),
		digestText(s.Manifest), millionths(s.Score), rawText(s.Reasons), shown(s.Scorer), now).Scan(&text)
	if err != nil {
		return capture.ID{}, err
	}
	return id, unpack(text, &id)
}

func (t *tx) manifestOf(ctx context.Context, s *Scored) error {
	var manifest string
	err := t.QueryRowContext(ctx, `SELECT manifest FROM observations WHERE listing_id = $1 AND capture_id = $2`,
		idText(s.Listing), idText(s.Capture)).Scan(&manifest)
	if isNoRows(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return unpack(manifest, &s.Manifest)
}

// AddFinding adds or rescores a finding outside of a score job.
func (l *Ledger) AddFinding(ctx context.Context, s Scored) (id capture.ID, err error) {
	if err := s.validate(); err != nil {
		return id, err
	}
	err = l.tx(ctx, func(t *tx) error {
		id, err = t.find(ctx, s)
		return err
	})
	return id, err
}

// Finding gives one finding.
func (l *Ledger) Finding(ctx context.Context, id capture.ID) (Finding, error) {
	f, err := one(scanFinding, l.db.QueryRowContext(ctx, selectFinding+` WHERE f.id = $1`, idText(id)))
	if err != nil {
		return Finding{}, fmt.Errorf("finding %s: %w", id, err)
	}
	return f, nil
}

// Decide writes a person's decision on a finding, and keeps it in the history.
// ErrChanged: somebody decided since the version that this person saw.
func (l *Ledger) Decide(ctx context.Context, id capture.ID, d Decision) (Finding, error) {
	if err := d.validate(); err != nil {
		return Finding{}, err
	}
	err := l.tx(ctx, func(t *tx) error {
		f, err := t.holdFinding(ctx, id)
		if err != nil {
			return err
		}
		if f.version != d.Version {
			return fmt.Errorf("finding %s: %w", id, ErrChanged)
		}
		now := sqldb.Micros(t.now)
		if _, err := t.ExecContext(ctx, `UPDATE findings SET state = $2, label = $3, note = $4, decided_by = $5, decided_at = $6,
			version = version + 1 WHERE id = $1`, idText(id), string(d.State), sqldb.Text(d.Label), sqldb.Text(d.Note),
			sqldb.Text(d.By), now); err != nil {
			return err
		}
		t.move(tallyFindings, f.watch, string(f.state), string(d.State))
		_, err = t.ExecContext(ctx, `INSERT INTO decisions (finding_id, version, at, who, from_state, to_state, label, note, score,
			capture_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, idText(id), f.version+1, now, sqldb.Text(d.By),
			string(f.state), string(d.State), sqldb.Text(d.Label), sqldb.Text(d.Note), f.score, f.capture)
		return err
	})
	if err != nil {
		return Finding{}, err
	}
	return l.Finding(ctx, id)
}

type heldFinding struct {
	watch, capture string
	state          FindingState
	score, version int64
}

func (t *tx) holdFinding(ctx context.Context, id capture.ID) (heldFinding, error) {
	f, err := one(func(s scanner) (f heldFinding, err error) {
		return f, s.Scan(&f.watch, &f.capture, &f.state, &f.score, &f.version)
	}, t.QueryRowContext(ctx, `UPDATE findings SET version = version WHERE id = $1
		RETURNING watch_id, capture_id, state, score, version`, idText(id)))
	if err != nil {
		err = fmt.Errorf("finding %s: %w", id, err)
	}
	return f, err
}

// Decisions lists what was decided about a finding, the first one first.
func (l *Ledger) Decisions(ctx context.Context, id capture.ID) ([]Decided, error) {
	return all(ctx, l.db, func(s scanner) (Decided, error) {
		var d Decided
		var at, score int64
		var cap string
		if err := s.Scan(&d.Version, &at, &d.By, &d.From, &d.To, &d.Label, &d.Note, &score, &cap); err != nil {
			return d, err
		}
		d.At, d.Score = sqldb.Instant(at), fromMillionths(score)
		return d, unpack(cap, &d.Capture)
	}, `SELECT version, at, who, from_state, to_state, label, note, score, capture_id FROM decisions
		WHERE finding_id = $1 ORDER BY version`, idText(id))
}

// Findings lists one page of findings.
func (l *Ledger) Findings(ctx context.Context, f FindingFilter) (FindingPage, error) {
	limit := pageSize(f.Limit)
	after, err := parseCursor(f.Cursor)
	if err != nil {
		return FindingPage{}, err
	}
	states := slices.Compact(slices.Sorted(slices.Values(f.States)))
	if len(states) == 0 {
		states = []FindingState{""} // all, from one index
	}
	// One walk of an index per state, merged: an index gives one state in the
	// page's order, not several.
	var found []Finding
	for _, s := range states {
		query, args := f.query(s, after, limit+1)
		part, err := all(ctx, l.db, scanFinding, query, args...)
		if err != nil {
			return FindingPage{}, err
		}
		found = append(found, part...)
	}
	slices.SortFunc(found, func(a, b Finding) int { return f.compare(b, a) })
	page := FindingPage{Findings: found}
	if len(found) > limit {
		page.Findings = found[:limit]
		page.Next = cursorOf(found[limit-1]).String()
	}
	return page, nil
}

func (f FindingFilter) compare(a, b Finding) int {
	byID := slices.Compare(a.ID[:], b.ID[:])
	if f.Newest {
		return byID
	}
	return cmp.Or(cmp.Compare(a.Score, b.Score), byID)
}

func (f FindingFilter) query(state FindingState, after *cursor, limit int) (string, []any) {
	var where []string
	var args []any
	and := func(cond string, vs ...any) {
		for _, v := range vs {
			args = append(args, v)
			cond = strings.Replace(cond, "?", fmt.Sprintf("$%d", len(args)), 1)
		}
		where = append(where, cond)
	}
	if state != "" {
		and("f.state = ?", string(state))
	}
	if !f.Watch.IsZero() {
		and("f.watch_id = ?", idText(f.Watch))
	}
	if f.Site != "" {
		and("f.site = ?", sqldb.Text(f.Site))
	}
	if f.MinScore > 0 {
		and("f.score >= ?", millionths(f.MinScore))
	}
	order := "f.score DESC, f.id DESC"
	if f.Newest {
		order = "f.id DESC"
	}
	switch {
	case after == nil:
	case f.Newest:
		and("f.id < ?", after.ID)
	default:
		and("(f.score, f.id) < (?, ?)", after.Score, after.ID)
	}
	query := selectFinding
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	args = append(args, limit)
	return query + fmt.Sprintf(" ORDER BY %s LIMIT $%d", order, len(args)), args
}

// cursor is the last finding of a page.
type cursor struct {
	Score int64  `json:"s"`
	ID    string `json:"i"`
}

func cursorOf(f Finding) cursor { return cursor{millionths(f.Score), f.ID.String()} }

func (c cursor) String() string {
	b, _ := json.Marshal(c) // a number and a string
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseCursor(s string) (*cursor, error) {
	if s == "" {
		return nil, nil
	}
	var c cursor
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err == nil {
		_, err = capture.ParseID(c.ID)
	}
	if err != nil || c.String() != s {
		return nil, fmt.Errorf("%w: the cursor is not one that a page gave", ErrInvalid)
	}
	return &c, nil
}
