package catalog

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/sqldb"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Catalog is the index of one archive. Safe for concurrent use.
type Catalog struct {
	db *sqldb.DB
	// patience bounds one search.
	patience time.Duration
}

// searchPatience is shorter than what proxies and people wait for a page.
const searchPatience = 10 * time.Second

// Open brings the schema up to date and gives the catalogue in db.
func Open(ctx context.Context, db *sqldb.DB) (*Catalog, error) {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, dir, "catalog_version"); err != nil {
		return nil, fmt.Errorf("the catalogue's tables could not be brought up to date: %w", err)
	}
	return &Catalog{db, searchPatience}, nil
}

const columns = `id, started, finished, url, final_url, site, page_kind, item_id, canonical, watch, job,
	requested_by, outcome, title, price, currency, seller, manifest_sha256, manifest_key, manifest_version,
	event, bytes, retain_until, held, state`

// qualified is columns of the table named c.
var qualified = "c." + strings.Join(strings.Fields(strings.ReplaceAll(columns, ",", " ")), ", c.")

// Add records a capture and its artifacts in one transaction. Adding the same
// capture again is harmless; another manifest under its id gives ErrDiffers.
func (c *Catalog) Add(ctx context.Context, e Entry, artifacts []Artifact) error {
	return c.AddWith(ctx, e, artifacts, nil, nil)
}

// AddWith is Add with the payloads that later captures may refer to, and those
// that this one refers to.
func (c *Catalog) AddWith(ctx context.Context, e Entry, artifacts []Artifact, payloads []Payload, uses []Use) error {
	return c.db.Tx(ctx, func(tx *sql.Tx) error {
		if err := errors.Join(addUses(ctx, tx, e.ID, uses), addPayloads(ctx, tx, payloads)); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `INSERT INTO capture (`+columns+`)
			VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22,$23,$24,$25)
			ON CONFLICT (id) DO NOTHING`,
			e.ID.String(), micros(e.Started), micros(e.Finished), clean(e.URL), clean(e.FinalURL), e.Site, e.PageKind, clean(e.ItemID),
			clean(e.Canonical), e.Watch, e.Job, e.RequestedBy, string(e.Outcome), clean(e.Title), e.Price, e.Currency,
			clean(e.Seller), e.Manifest.String(), e.ManifestKey, e.ManifestVersion, e.Event, e.Bytes,
			micros(e.RetainUntil), e.Held, string(e.State))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil {
			return err
		} else if n == 0 {
			return sameManifest(ctx, tx, e)
		}
		if err := addArtifacts(ctx, tx, e.ID, artifacts); err != nil {
			return err
		}
		var words [][]any
		for _, w := range e.words() {
			words = append(words, []any{[]byte(w), micros(e.Started), e.ID.String()})
		}
		if err := insertRows(ctx, tx, `INSERT INTO word (word, started, capture)`, words); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO capture_count (outcome, site, n, bytes) VALUES ($1,$2,1,$3)
			ON CONFLICT (outcome, site) DO UPDATE SET n = capture_count.n + 1, bytes = capture_count.bytes + excluded.bytes`,
			string(e.Outcome), e.Site, e.Bytes)
		return err
	})
}

// clean makes page text storable: PostgreSQL takes no NUL and no broken UTF-8.
// The evidence keeps the original bytes.
func clean(s string) string { return sqldb.Text(s) }

func sameManifest(ctx context.Context, tx *sql.Tx, e Entry) error {
	var have string
	if err := tx.QueryRowContext(ctx, `SELECT manifest_sha256 FROM capture WHERE id = $1`, e.ID.String()).Scan(&have); err != nil {
		return err
	}
	if have != e.Manifest.String() {
		return fmt.Errorf("%s: %w", e.ID, ErrDiffers)
	}
	return nil
}

func addArtifacts(ctx context.Context, tx *sql.Tx, id capture.ID, artifacts []Artifact) error {
	var rows [][]any
	for _, a := range artifacts {
		rows = append(rows, []any{
			id.String(), a.Role, a.Tile, a.MediaType, a.Key, a.Version, a.Bytes, a.SHA256.String(), a.SHA512.String(),
			micros(a.RetainUntil), a.Width, a.Height,
		})
	}
	return insertRows(ctx, tx, `INSERT INTO artifact (capture, role, tile, media_type, object_key, version, bytes,
		sha256, sha512, retain_until, width, height)`, rows)
}

// Get gives one capture; ErrNotFound when there is none.
func (c *Catalog) Get(ctx context.Context, id capture.ID) (Entry, error) {
	e, err := scan(c.db.QueryRowContext(ctx, `SELECT `+columns+` FROM capture WHERE id = $1`, id.String()))
	if errors.Is(err, sql.ErrNoRows) {
		return Entry{}, fmt.Errorf("capture %s: %w", id, ErrNotFound)
	}
	return e, err
}

// Artifacts lists what is stored of a capture, in the order of role and tile.
func (c *Catalog) Artifacts(ctx context.Context, id capture.ID) ([]Artifact, error) {
	rows, err := c.db.QueryContext(ctx, `SELECT role, tile, media_type, object_key, version, bytes, sha256, sha512,
		retain_until, width, height FROM artifact WHERE capture = $1 ORDER BY role, tile`, id.String())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Artifact
	for rows.Next() {
		var a Artifact
		var s256, s512 string
		var until int64
		if err := rows.Scan(&a.Role, &a.Tile, &a.MediaType, &a.Key, &a.Version, &a.Bytes, &s256, &s512, &until, &a.Width, &a.Height); err != nil {
			return nil, err
		}
		if err := errors.Join(a.SHA256.UnmarshalText([]byte(s256)), a.SHA512.UnmarshalText([]byte(s512))); err != nil {
			return nil, fmt.Errorf("capture %s, %s: the catalogue is damaged: %w", id, a.Role, err)
		}
		a.RetainUntil = instant(until)
		all = append(all, a)
	}
	return all, rows.Err()
}

type scanner interface{ Scan(...any) error }

func scan(row scanner) (Entry, error) {
	var e Entry
	var id, outcome, manifest, state string
	var started, finished, until int64
	err := row.Scan(&id, &started, &finished, &e.URL, &e.FinalURL, &e.Site, &e.PageKind, &e.ItemID, &e.Canonical, &e.Watch, &e.Job,
		&e.RequestedBy, &outcome, &e.Title, &e.Price, &e.Currency, &e.Seller, &manifest, &e.ManifestKey, &e.ManifestVersion,
		&e.Event, &e.Bytes, &until, &e.Held, &state)
	if err != nil {
		return Entry{}, err
	}
	if err := errors.Join(e.ID.UnmarshalText([]byte(id)), e.Manifest.UnmarshalText([]byte(manifest))); err != nil {
		return Entry{}, fmt.Errorf("the catalogue is damaged: %w", err)
	}
	e.Outcome, e.State = capture.Outcome(outcome), State(state)
	e.Started, e.Finished, e.RetainUntil = instant(started), instant(finished), instant(until)
	return e, nil
}

// Count is how many captures of one site ended in one outcome.
type Count struct {
	Outcome capture.Outcome `json:"outcome"`
	Site    string          `json:"site"`
	N       int64           `json:"n"`
	Bytes   int64           `json:"bytes"`
}

// Counts gives the maintained counts, by outcome and site.
func (c *Catalog) Counts(ctx context.Context) ([]Count, error) {
	rows, err := c.db.QueryContext(ctx, `SELECT outcome, site, n, bytes FROM capture_count ORDER BY outcome, site`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Count
	for rows.Next() {
		var n Count
		if err := rows.Scan(&n.Outcome, &n.Site, &n.N, &n.Bytes); err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, rows.Err()
}

// SetRetention records a lock that was extended, on a capture and all its
// artifacts.
func (c *Catalog) SetRetention(ctx context.Context, e Entry) error {
	return c.db.Tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE capture SET retain_until = $1, held = $2 WHERE id = $3`,
			micros(e.RetainUntil), e.Held, e.ID.String()); err != nil {
			return err
		}
		// An object that others share may be locked for longer already.
		_, err := tx.ExecContext(ctx, `UPDATE artifact SET retain_until = $1 WHERE retain_until < $1 AND object_key IN
			(SELECT object_key FROM artifact WHERE capture = $2)`, micros(e.RetainUntil), e.ID.String())
		return err
	})
}
