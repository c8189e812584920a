package sqldb_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/archive/sqldb"
)

func TestConfigValidate(t *testing.T) {
	for _, c := range []struct{ url, want string }{
		{"sqlite:///a/b.db", ""},
		{"sqlite:b.db", ""},
		{"sqlite::memory:", ""},
		{"sqlite:///a/b%20c.db?synchronous=normal", ""},
		{"postgres://u:p@h/n?sslmode=disable", ""},
		{"postgresql://u@h:5432/n", ""},
		{"", "empty"},
		{"sqlite:", "file's path"},
		{"sqlite://", "file's path"},
		{"sqlite:///a.db?synchronous=off", "unknown option"},
		{"sqlite:///a.db?_pragma=x", "unknown option"},
		{"sqlite:///a%00b", "file's path"},
		{"mysql://u:hunter2@h/n", "no database that can be used"},
		{"postgres://u:hunter2%zz@h/n", "cannot be read"},
		{"hunter2", "no database that can be used"},
	} {
		err := sqldb.Config{URL: c.url}.Validate()
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.url, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: got %v, want %q", c.url, err, c.want)
		case err != nil && strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%s: the secret is in %v", c.url, err)
		}
	}
	for _, c := range []sqldb.Config{{MaxConns: -1}, {BusyTimeout: -1}, {ConnectTimeout: -1}} {
		c.URL = "sqlite::memory:"
		if c.Validate() == nil {
			t.Errorf("%#v passed", c)
		}
	}
}

func TestPasswordsDoNotPrint(t *testing.T) {
	for _, u := range []string{
		"postgres://u:hunter2@h/n",
		"postgres://u:hunter2@h/n?sslmode=disable",
		"postgres://h/n?user=u&password=hunter2",
		"postgres://h/n?sslpassword=hunter2",
		"postgres://u:hunter2%zz@h/n",
		"host=h password=hunter2",
		"u:hunter2@h",
	} {
		c := sqldb.Config{URL: u}
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "db", c)
		all := fmt.Sprintf("%s %v %+v %#v %s %s", c, c, c, c, sqldb.Redact(u), log.String())
		if strings.Contains(all, "hunter2") {
			t.Errorf("%s prints as %s", u, all)
		}
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("postgres", "u", "h/n?x=1")
	f.Add("postgres", "", "")
	f.Add("sqlite", "%", "%zz")
	f.Fuzz(func(t *testing.T, scheme, user, rest string) {
		if strings.EqualFold(scheme, "sqlite") {
			return // a file's name is shown: it has no password
		}
		const secret = "hunter2-correct-horse"
		if got := sqldb.Redact(scheme + "://" + user + ":" + secret + "@" + rest); strings.Contains(got, secret) &&
			!strings.ContainsAny(scheme+user, "/?#") {
			t.Errorf("the password is in %q", got)
		}
		sqldb.Config{URL: scheme + ":" + rest}.Validate()
	})
}
