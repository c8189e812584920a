package sqldb

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"
)

// Config says which database, and how it is talked to.
type Config struct {
	// URL names the database:
	//
	//	sqlite:///var/lib/trawlmark/ledger.db   a file, absolute path
	//	sqlite:data/ledger.db                   a file, relative path
	//	sqlite::memory:                         gone when closed, for tests
	//	postgres://user:password@host/name      as libpq, see pgx for options
	//
	// A sqlite URL takes the option `?synchronous=full|normal`; full, the
	// default, keeps every committed transaction through a power failure,
	// normal may lose the newest ones (never the file).
	URL string
	// MaxConns bounds the connections of this process. Default 8 (SQLite),
	// 16 (PostgreSQL).
	MaxConns int
	// BusyTimeout is how long a writer of SQLite waits for another one, of this
	// process or another. Default 10 s.
	BusyTimeout time.Duration
	// ConnectTimeout bounds one connection attempt to PostgreSQL. Default 10 s.
	ConnectTimeout time.Duration
}

func (c Config) withDefaults() Config {
	if c.MaxConns == 0 {
		c.MaxConns = 16
		if strings.HasPrefix(c.URL, "sqlite:") {
			c.MaxConns = 8
		}
	}
	if c.BusyTimeout == 0 {
		c.BusyTimeout = 10 * time.Second
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 10 * time.Second
	}
	return c
}

// Validate reports the first setting that cannot be used, by its key.
func (c Config) Validate() error {
	switch {
	case c.MaxConns < 0:
		return errors.New("max_conns must not be negative")
	case c.BusyTimeout < 0:
		return errors.New("busy_timeout must not be negative")
	case c.ConnectTimeout < 0:
		return errors.New("connect_timeout must not be negative")
	}
	_, err := parse(c.URL)
	return err
}

// String is the URL without its password.
func (c Config) String() string { return Redact(c.URL) }

// LogValue keeps the password out of the log.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// GoString keeps the password out of %#v.
func (c Config) GoString() string { return "sqldb.Config{" + c.String() + "}" }

// source is a URL taken apart.
type source struct {
	dialect     Dialect
	path        string // SQLite: the file; "" for memory
	synchronous string // SQLite: FULL or NORMAL
}

func parse(raw string) (source, error) {
	switch {
	case raw == "":
		return source{}, errors.New("url is empty: want sqlite:///path/file.db or postgres://user:password@host/name")
	case strings.HasPrefix(raw, "sqlite:"):
		return parseSQLite(strings.TrimPrefix(raw, "sqlite:"))
	case strings.HasPrefix(raw, "postgres://"), strings.HasPrefix(raw, "postgresql://"):
		if _, err := url.Parse(raw); err != nil {
			// url.Parse repeats the whole URL, password and all: say less.
			return source{}, fmt.Errorf("url %s cannot be read: check the escaping of its user name and password", Redact(raw))
		}
		return source{dialect: PostgreSQL}, nil
	}
	return source{}, fmt.Errorf("url %s is of no database that can be used: want one that begins with sqlite: or postgres: and a path", Redact(raw))
}

func parseSQLite(rest string) (source, error) {
	s := source{dialect: SQLite, synchronous: "FULL"}
	path, query, _ := strings.Cut(rest, "?")
	options, err := url.ParseQuery(query)
	if err != nil {
		return s, fmt.Errorf("url: the options %q cannot be read", query)
	}
	for k := range options {
		v := strings.ToUpper(options.Get(k))
		if k != "synchronous" || v != "FULL" && v != "NORMAL" {
			return s, fmt.Errorf("url: unknown option %s=%s: want synchronous=full or synchronous=normal", k, options.Get(k))
		}
		s.synchronous = v
	}
	if path == ":memory:" {
		return s, nil
	}
	path, err = url.PathUnescape(strings.TrimPrefix(path, "//"))
	if err != nil || path == "" || strings.ContainsRune(path, 0) {
		return s, errors.New("url: sqlite: must be followed by a file's path, or by \":memory:\"")
	}
	s.path = path
	return s, nil
}

// Redact gives a database URL that may be shown: without its password, and
// nothing at all of what is not a URL of a database we know ("host=h
// password=p" and the like).
func Redact(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "sqlite" && u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return "<unreadable>"
	}
	if u.Scheme == "sqlite" {
		return raw
	}
	if u.Opaque != "" {
		return u.Scheme + ":<unreadable>"
	}
	q := u.Query()
	for k := range q {
		if strings.Contains(strings.ToLower(k), "password") {
			q.Del(k)
		}
	}
	user := ""
	if u.User != nil {
		user = url.User(u.User.Username()).String()
		if _, ok := u.User.Password(); ok {
			user += ":<secret>"
		}
		user += "@"
	}
	shown := u.Scheme + "://" + user + u.Host + u.EscapedPath()
	if len(q) > 0 {
		shown += "?" + q.Encode()
	}
	return shown
}
