package sqldb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
)

// Migrate applies the SQL files of migrations (goose form, 00001_name.sql, in
// the root of the file system) that were not applied yet, each in its own
// transaction, and notes them in the version table of that name. Every owner
// of tables has its own folder and table. Any number of processes may call it
// at the same time. A database that is newer than the files is refused: an old
// program must not write to tables it does not know.
func (db *DB) Migrate(ctx context.Context, migrations fs.FS, table string) error {
	dialect, options, err := db.dialect.migrationOptions()
	if err != nil {
		return err
	}
	options = append(options, goose.WithTableName(table), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	p, err := goose.NewProvider(dialect, db.DB, migrations, options...)
	if err != nil {
		return fmt.Errorf("the migrations of %s cannot be read: %w", table, err)
	}
	if err := db.acquire(ctx); err != nil {
		return err
	}
	defer db.release()
	// Without a lock of its own (SQLite) the loser of a race fails on a table
	// that exists already, rolls back, and finds nothing left to do.
	for n := 1; ; n++ {
		_, err = p.Up(ctx)
		if err == nil || n == 5 || ctx.Err() != nil {
			break
		}
		time.Sleep(time.Duration(n) * 20 * time.Millisecond)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", table, Err(err))
	}
	if err := db.durable(); err != nil {
		return fmt.Errorf("%s: %w", table, err)
	}
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return Err(err)
	}
	if current > target {
		return fmt.Errorf("%s is at version %d and this program knows %d: %w", table, current, target, ErrNewer)
	}
	return nil
}

// ErrNewer: the tables were made by a newer program.
var ErrNewer = errors.New("the database was used by a newer version of this program; run that one")
