package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Payload is where the payload of one response is kept.
type Payload struct {
	Original capture.ID // the capture whose response it was
	SHA256   capture.Digest
	Site     string
	Record   capture.ID // WARC-Record-ID of the response
	Target   string     // its WARC-Target-URI
	Date     time.Time  // its WARC-Date
	Key      string     // of the object that has it
	Version  string
	// Offset and Length are those of the record's gzip member in the object.
	// Length 0: the object is the payload itself.
	Offset, Length int64
	Bytes          int64 // of the payload
}

// Use says that a capture refers to a payload of another.
type Use struct {
	SHA256   capture.Digest
	Original capture.ID
}

const payloadColumns = `original, sha256, site, record, target, date, object_key, version, member_offset, member_length, bytes`

// Payload finds a payload of a site that a kept capture begun at or after
// since has; ErrNotFound when there is none. The newest is given.
func (c *Catalog) Payload(ctx context.Context, site string, d capture.Digest, since time.Time) (Payload, error) {
	p, err := scanPayload(c.db.QueryRowContext(ctx, `SELECT `+payloadColumns+` FROM payload p
		WHERE p.site = $1 AND p.sha256 = $2 AND p.date >= $3 AND p.member_length > 0
		AND EXISTS (SELECT 1 FROM capture c WHERE c.id = p.original AND c.state = '')
		AND NOT EXISTS (SELECT 1 FROM erasure_order o WHERE o.capture = p.original)
		ORDER BY p.date DESC LIMIT 1`, site, d.String(), since.UnixNano()))
	if errors.Is(err, sql.ErrNoRows) {
		return Payload{}, fmt.Errorf("the payload %s of the site %s: %w", d, site, ErrNotFound)
	}
	return p, err
}

// PayloadOf gives the payload with this digest of one capture.
func (c *Catalog) PayloadOf(ctx context.Context, original capture.ID, d capture.Digest) (Payload, error) {
	return c.onePayload(ctx, `WHERE original = $1 AND sha256 = $2`, original.String(), d.String())
}

// PayloadOfRecord gives the payload that a record has. A capture may have the
// same payload in several records; the first one is listed.
func (c *Catalog) PayloadOfRecord(ctx context.Context, record capture.ID) (Payload, error) {
	return c.onePayload(ctx, `WHERE record = $1`, record.String())
}

func (c *Catalog) onePayload(ctx context.Context, where string, args ...any) (Payload, error) {
	p, err := scanPayload(c.db.QueryRowContext(ctx, `SELECT `+payloadColumns+` FROM payload `+where, args...))
	if errors.Is(err, sql.ErrNoRows) {
		return Payload{}, fmt.Errorf("the payload: %w", ErrNotFound)
	}
	return p, err
}

// AddPayloads lists payloads; one that is listed already is left as it is.
func (c *Catalog) AddPayloads(ctx context.Context, all []Payload) error {
	if len(all) == 0 {
		return nil
	}
	return c.db.Tx(ctx, func(tx *sql.Tx) error { return addPayloads(ctx, tx, all) })
}

func addPayloads(ctx context.Context, tx *sql.Tx, all []Payload) error {
	for _, p := range all {
		if _, err := tx.ExecContext(ctx, `INSERT INTO payload (`+payloadColumns+`) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)
			ON CONFLICT (original, sha256) DO NOTHING`, p.Original.String(), p.SHA256.String(), p.Site, p.Record.String(), clean(p.Target),
			p.Date.UnixNano(), p.Key, p.Version, p.Offset, p.Length, p.Bytes); err != nil {
			return err
		}
	}
	return nil
}

// MovePayload says that a payload has an object of its own now.
func (c *Catalog) MovePayload(ctx context.Context, original capture.ID, d capture.Digest, key, version string) error {
	_, err := c.db.ExecContext(ctx, `UPDATE payload SET object_key = $1, version = $2, member_offset = 0, member_length = 0
		WHERE original = $3 AND sha256 = $4`, key, version, original.String(), d.String())
	return err
}

// AddUses says to what a capture refers.
func (c *Catalog) AddUses(ctx context.Context, id capture.ID, uses []Use) error {
	if len(uses) == 0 {
		return nil
	}
	return c.db.Tx(ctx, func(tx *sql.Tx) error { return addUses(ctx, tx, id, uses) })
}

func addUses(ctx context.Context, tx *sql.Tx, id capture.ID, uses []Use) error {
	for _, u := range uses {
		if _, err := tx.ExecContext(ctx, `INSERT INTO payload_use (capture, sha256, original) VALUES ($1,$2,$3)
			ON CONFLICT (capture, sha256) DO NOTHING`, id.String(), u.SHA256.String(), u.Original.String()); err != nil {
			return err
		}
	}
	return nil
}

// Referred lists the payloads of others that a capture refers to.
func (c *Catalog) Referred(ctx context.Context, id capture.ID) ([]Payload, error) {
	return c.payloads(ctx, `SELECT `+qualifiedPayload+` FROM payload_use u JOIN payload p ON p.original = u.original AND p.sha256 = u.sha256
		WHERE u.capture = $1 ORDER BY p.sha256`, id.String())
}

// Needed lists the payloads of a capture that kept captures refer to.
func (c *Catalog) Needed(ctx context.Context, original capture.ID) ([]Payload, error) {
	return c.payloads(ctx, `SELECT `+qualifiedPayload+` FROM payload p WHERE p.original = $1 AND EXISTS (SELECT 1 FROM payload_use u
		CROSS JOIN capture c WHERE c.id = u.capture AND u.original = p.original AND u.sha256 = p.sha256 AND c.state = '') ORDER BY p.sha256`, original.String())
}

const qualifiedPayload = `p.original, p.sha256, p.site, p.record, p.target, p.date, p.object_key, p.version, p.member_offset, p.member_length, p.bytes`

func (c *Catalog) payloads(ctx context.Context, query string, args ...any) ([]Payload, error) {
	rows, err := c.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Payload
	for rows.Next() {
		p, err := scanPayload(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, rows.Err()
}

func scanPayload(row scanner) (Payload, error) {
	var p Payload
	var original, sum, record string
	var ns int64
	if err := row.Scan(&original, &sum, &p.Site, &record, &p.Target, &ns, &p.Key, &p.Version, &p.Offset, &p.Length, &p.Bytes); err != nil {
		return Payload{}, err
	}
	p.Date = time.Unix(0, ns).UTC()
	if err := errors.Join(p.Original.UnmarshalText([]byte(original)), p.SHA256.UnmarshalText([]byte(sum)), p.Record.UnmarshalText([]byte(record))); err != nil {
		return Payload{}, fmt.Errorf("the catalogue is damaged: %w", err)
	}
	return p, nil
}

// Lock is until when the kept users of an object need it, and whether one of
// them is under legal hold.
type Lock struct {
	Users int
	Until time.Time
	Held  bool
}

// Users tells who of the kept captures, except one, needs an object: as one
// of their artifacts, or for a payload in it.
func (c *Catalog) Users(ctx context.Context, key string, except capture.ID) (Lock, error) {
	var n int
	var until int64
	var held bool
	// From the users to the captures: the other way round would read them all.
	// CROSS JOIN is how SQLite is told; to PostgreSQL it says nothing.
	err := c.db.QueryRowContext(ctx, `SELECT count(*), coalesce(max(c.retain_until), 0), coalesce(max(CASE WHEN c.held THEN 1 ELSE 0 END), 0) = 1
		FROM (SELECT a.capture AS id FROM artifact a WHERE a.object_key = $2
			UNION SELECT u.capture FROM payload p JOIN payload_use u ON u.original = p.original AND u.sha256 = p.sha256 WHERE p.object_key = $2) x
		CROSS JOIN capture c WHERE c.id = x.id AND c.state = '' AND c.id <> $1`,
		except.String(), key).Scan(&n, &until, &held)
	return Lock{n, instant(until), held}, err
}

// Locked gives until when an object is locked as far as the catalogue knows;
// zero when it does not know the object.
func (c *Catalog) Locked(ctx context.Context, key string) (time.Time, error) {
	var until int64
	err := c.db.QueryRowContext(ctx, `SELECT coalesce(max(retain_until), 0) FROM artifact WHERE object_key = $1`, key).Scan(&until)
	return instant(until), err
}

// SetLocked records that an object is locked until a later time.
func (c *Catalog) SetLocked(ctx context.Context, key string, until time.Time) error {
	_, err := c.db.ExecContext(ctx, `UPDATE artifact SET retain_until = $1 WHERE object_key = $2 AND retain_until < $1`, micros(until), key)
	return err
}
