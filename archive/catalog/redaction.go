package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// AddRedaction records that a capture is a redaction of another one; once is
// enough.
func (c *Catalog) AddRedaction(ctx context.Context, id, original capture.ID) error {
	_, err := c.db.ExecContext(ctx, `INSERT INTO redaction (capture, original) VALUES ($1,$2) ON CONFLICT (capture) DO NOTHING`,
		id.String(), original.String())
	return err
}

// Original gives what a capture is a redaction of; ErrNotFound when it is none.
func (c *Catalog) Original(ctx context.Context, id capture.ID) (capture.ID, error) {
	var text string
	err := c.db.QueryRowContext(ctx, `SELECT original FROM redaction WHERE capture = $1`, id.String()).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return capture.ID{}, ErrNotFound
	}
	if err != nil {
		return capture.ID{}, err
	}
	return capture.ParseID(text)
}

// Redactions gives the redactions of a capture, oldest first.
func (c *Catalog) Redactions(ctx context.Context, original capture.ID) ([]capture.ID, error) {
	pairs, err := c.redactions(ctx, `original = $1`, original.String())
	if err != nil {
		return nil, err
	}
	all := make([]capture.ID, len(pairs))
	for i, p := range pairs {
		all[i] = p[0]
	}
	return all, nil
}

// Originals gives, of those captures that are redactions, what they are of.
func (c *Catalog) Originals(ctx context.Context, ids []capture.ID) (map[capture.ID]capture.ID, error) {
	out := map[capture.ID]capture.ID{}
	for len(ids) > 0 {
		n := min(len(ids), 500)
		marks, args := make([]string, n), make([]any, n)
		for i, id := range ids[:n] {
			marks[i], args[i] = fmt.Sprintf("$%d", i+1), id.String()
		}
		pairs, err := c.redactions(ctx, `capture IN (`+strings.Join(marks, ",")+`)`, args...)
		if err != nil {
			return nil, err
		}
		for _, p := range pairs {
			out[p[0]] = p[1]
		}
		ids = ids[n:]
	}
	return out, nil
}

func (c *Catalog) redactions(ctx context.Context, where string, args ...any) ([][2]capture.ID, error) {
	rows, err := c.db.QueryContext(ctx, `SELECT capture, original FROM redaction WHERE `+where+` ORDER BY capture`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all [][2]capture.ID
	for rows.Next() {
		var a, b string
		if err := rows.Scan(&a, &b); err != nil {
			return nil, err
		}
		id, err1 := capture.ParseID(a)
		of, err2 := capture.ParseID(b)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		all = append(all, [2]capture.ID{id, of})
	}
	return all, rows.Err()
}
