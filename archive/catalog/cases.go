package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Case is captures that belong together: one matter of the legal team.
type Case struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Note      string    `json:"note,omitempty"`
	Created   time.Time `json:"created"`
	CreatedBy string    `json:"created_by"`
	Closed    time.Time `json:"closed,omitzero"`
	Captures  int       `json:"captures"`
}

// OpenCase records a new case.
func (c *Catalog) OpenCase(ctx context.Context, k Case) error {
	_, err := c.db.ExecContext(ctx, `INSERT INTO evidence_case (id, name, note, created, created_by) VALUES ($1,$2,$3,$4,$5)`,
		k.ID, clean(k.Name), clean(k.Note), micros(k.Created), k.CreatedBy)
	return err
}

// AddToCase puts a capture into a case; once is enough.
func (c *Catalog) AddToCase(ctx context.Context, caseID string, id capture.ID, by string, at time.Time) error {
	if _, err := c.Case(ctx, caseID); err != nil {
		return err
	}
	if _, err := c.Get(ctx, id); err != nil {
		return err
	}
	_, err := c.db.ExecContext(ctx, `INSERT INTO case_capture (case_id, capture, added, added_by) VALUES ($1,$2,$3,$4)
		ON CONFLICT (case_id, capture) DO NOTHING`, caseID, id.String(), micros(at), by)
	return err
}

// InCase reports whether a capture is in a case.
func (c *Catalog) InCase(ctx context.Context, caseID string, id capture.ID) (bool, error) {
	var n int
	err := c.db.QueryRowContext(ctx, `SELECT count(*) FROM case_capture WHERE case_id = $1 AND capture = $2`, caseID, id.String()).Scan(&n)
	return n > 0, err
}

// CloseCase records that a case was closed. The first time counts.
func (c *Catalog) CloseCase(ctx context.Context, caseID string, at time.Time) error {
	_, err := c.db.ExecContext(ctx, `UPDATE evidence_case SET closed = $1 WHERE id = $2 AND closed = 0`, micros(at), caseID)
	return err
}

const caseColumns = `k.id, k.name, k.note, k.created, k.created_by, k.closed,
	(SELECT count(*) FROM case_capture cc WHERE cc.case_id = k.id)`

// Case gives one case; ErrNotFound when there is none.
func (c *Catalog) Case(ctx context.Context, id string) (Case, error) {
	k, err := scanCase(c.db.QueryRowContext(ctx, `SELECT `+caseColumns+` FROM evidence_case k WHERE k.id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Case{}, fmt.Errorf("case %q: %w", id, ErrNotFound)
	}
	return k, err
}

// Cases lists the cases, newest first.
func (c *Catalog) Cases(ctx context.Context) ([]Case, error) {
	rows, err := c.db.QueryContext(ctx, `SELECT `+caseColumns+` FROM evidence_case k ORDER BY k.created DESC, k.id DESC`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Case
	for rows.Next() {
		k, err := scanCase(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	return all, rows.Err()
}

func scanCase(row scanner) (Case, error) {
	var k Case
	var created, closed int64
	err := row.Scan(&k.ID, &k.Name, &k.Note, &created, &k.CreatedBy, &closed, &k.Captures)
	k.Created, k.Closed = instant(created), instant(closed)
	return k, err
}
