package session

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/trawlmark/trawlmark/archive/sqldb"
)

//go:embed migrations/*.sql
var migrations embed.FS

// PerPerson is how many sessions one person has at most.
const PerPerson = 50

// Key is a token's digest, by which its session is found.
type Key string

// KeyOf gives the key of a token.
func KeyOf(token string) Key {
	sum := sha256.Sum256([]byte(token))
	return Key(hex.EncodeToString(sum[:]))
}

// Session is one sign-in.
type Session struct {
	Person, Role string
	// Account says which account it was that signed in, without telling
	// anything about it; "" for the one-time link.
	Account string
	// Local: by the one-time link, while there is no account.
	Local       bool
	Began, Used time.Time
}

// Table is the sessions in one database. Safe for concurrent use, by any number
// of processes.
type Table struct{ db *sqldb.DB }

// Open brings the schema up to date and gives the sessions in db.
func Open(ctx context.Context, db *sqldb.DB) (*Table, error) {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, dir, "session_version"); err != nil {
		return nil, fmt.Errorf("the table of sessions could not be brought up to date: %w", err)
	}
	return &Table{db}, nil
}

// Add keeps a session, and drops those not used since one instant or begun
// before another, and the person's oldest beyond PerPerson.
func (t *Table) Add(ctx context.Context, k Key, s Session, unused, begun time.Time) error {
	return t.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO console_sessions (token_sha256, person, role, account, local, began, used)
			VALUES ($1, $2, $3, $4, $5, $6, $7)`, string(k), s.Person, s.Role, s.Account, s.Local, sqldb.Micros(s.Began), sqldb.Micros(s.Used))
		if err == nil {
			_, err = tx.ExecContext(ctx, `DELETE FROM console_sessions WHERE used < $1 OR began < $2`, sqldb.Micros(unused), sqldb.Micros(begun))
		}
		if err == nil {
			_, err = tx.ExecContext(ctx, `DELETE FROM console_sessions WHERE person = $1 AND token_sha256 <> $2 AND token_sha256 NOT IN (
				SELECT token_sha256 FROM console_sessions WHERE person = $1 AND token_sha256 <> $2 ORDER BY used DESC, token_sha256 LIMIT $3)`,
				s.Person, string(k), PerPerson-1)
		}
		return err
	})
}

// Get gives the session of a key; false when there is none.
func (t *Table) Get(ctx context.Context, k Key) (s Session, ok bool, err error) {
	var began, used int64
	err = t.db.QueryRowContext(ctx, `SELECT person, role, account, local, began, used FROM console_sessions WHERE token_sha256 = $1`,
		string(k)).Scan(&s.Person, &s.Role, &s.Account, &s.Local, &began, &used)
	if errors.Is(err, sql.ErrNoRows) {
		return Session{}, false, nil
	}
	s.Began, s.Used = sqldb.Instant(began), sqldb.Instant(used)
	return s, err == nil, sqldb.Err(err)
}

// Use notes that a session was used at an instant.
func (t *Table) Use(ctx context.Context, k Key, at time.Time) error {
	_, err := t.db.ExecContext(ctx, `UPDATE console_sessions SET used = $2 WHERE token_sha256 = $1 AND used < $2`, string(k), sqldb.Micros(at))
	return err
}

// End ends a session, if there is one.
func (t *Table) End(ctx context.Context, k Key) error {
	_, err := t.db.ExecContext(ctx, `DELETE FROM console_sessions WHERE token_sha256 = $1`, string(k))
	return err
}

// EndAll ends all sessions of a person and says how many there were.
func (t *Table) EndAll(ctx context.Context, person string) (int64, error) {
	res, err := t.db.ExecContext(ctx, `DELETE FROM console_sessions WHERE person = $1`, person)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}
