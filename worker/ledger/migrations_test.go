package ledger_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Workers of the version before go on writing while a new one is rolled out, so
// a migration takes nothing away from them and makes nothing necessary that
// they do not know.
func TestMigrationsLetOlderWorkersGoOn(t *testing.T) {
	files, err := filepath.Glob("migrations/*.sql")
	if err != nil || len(files) < 2 {
		t.Fatalf("%d migrations, %v", len(files), err)
	}
	for _, file := range files {
		if strings.HasPrefix(filepath.Base(file), "00001_") {
			continue // before it there were no workers
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bad := breaksOlder(string(text)); bad != "" {
			t.Errorf("%s would stop workers of the version before: %s", file, bad)
		}
	}
	for _, bad := range []string{
		"ALTER TABLE jobs DROP COLUMN spec;", "ALTER TABLE jobs ADD COLUMN n BIGINT NOT NULL;", "ALTER TABLE jobs RENAME TO work;",
		"DROP TABLE lanes;", "CREATE UNIQUE INDEX x ON jobs (url);",
	} {
		if breaksOlder("-- +goose Up\n"+bad+"\n-- +goose Down\n") == "" {
			t.Errorf("%s passes: this test sees nothing", bad)
		}
	}
}

var comments = regexp.MustCompile(`--[^\n]*`)

// breaksOlder gives the first statement that a worker which does not know the
// migration would fail at.
func breaksOlder(text string) string {
	up, _, _ := strings.Cut(text, "-- +goose Down")
	for _, s := range strings.Split(comments.ReplaceAllString(up, ""), ";") {
		s = strings.Join(strings.Fields(s), " ")
		upper := strings.ToUpper(s)
		switch {
		case s == "", strings.HasPrefix(upper, "CREATE INDEX"), strings.HasPrefix(upper, "CREATE TABLE"), strings.HasPrefix(upper, "UPDATE"),
			strings.HasPrefix(upper, "INSERT"):
		case strings.HasPrefix(upper, "ALTER TABLE") && strings.Contains(upper, " ADD COLUMN ") && strings.Contains(upper, " DEFAULT "):
		default:
			return s
		}
	}
	return ""
}
