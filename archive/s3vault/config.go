package s3vault

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/vault"
)

// Secret is a secret key. It prints as <secret>, wherever it is printed.
type Secret string

func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "<secret>"
}

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return s.String() }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Config says which bucket, and how patiently.
type Config struct {
	// Endpoint is "host", "host:port" or a URL; a URL's scheme decides about
	// TLS in place of the field TLS.
	Endpoint string
	Bucket   string
	// Region is what requests are signed for; "us-east-1" when empty.
	Region    string
	AccessKey string
	SecretKey Secret
	// SessionToken belongs to temporary credentials; usually empty.
	SessionToken Secret
	TLS          bool
	// CAFile is a PEM file of roots to trust for the endpoint besides those
	// of the system.
	CAFile string
	// Prefix is put before every key, for a bucket that is shared: "brand/x".
	Prefix string
	// Stall ends a request in which no byte moved for so long; 60 s when zero.
	Stall time.Duration
	// Patience is how long one call is tried again while the storage is
	// unavailable; 3 s when zero. Whoever can wait longer has a spool.
	Patience time.Duration
	// AllowUnlocked accepts a bucket that keeps no locks: objects are then
	// stored without, and their Info says so.
	AllowUnlocked bool
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// Rand makes the marks by which a Put knows its own object; crypto/rand
	// when nil.
	Rand io.Reader
	// Observe is told of every call when it is not nil: the operation (put,
	// get, ...), how long it took, how often it was sent, bytes of the object,
	// and how it ended.
	Observe func(op string, took time.Duration, attempts int, bytes int64, err error)
}

func (c Config) withDefaults() Config {
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	if c.Stall == 0 {
		c.Stall = 60 * time.Second
	}
	if c.Patience == 0 {
		c.Patience = 3 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if host, tls, ok := splitURL(c.Endpoint); ok {
		c.Endpoint, c.TLS = host, tls
	}
	c.Prefix = strings.TrimSuffix(c.Prefix, "/")
	if c.Prefix != "" {
		c.Prefix += "/"
	}
	return c
}

func splitURL(s string) (host string, tls, ok bool) {
	if !strings.Contains(s, "://") {
		return "", false, false
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return "", false, false
	}
	switch u.Scheme {
	case "http":
		return u.Host, false, true
	case "https":
		return u.Host, true, true
	}
	return "", false, false
}

// Validate names the field that is wrong.
func (c Config) Validate() error {
	if strings.Contains(c.Endpoint, "://") {
		if _, _, ok := splitURL(c.Endpoint); !ok {
			return errors.New("storage endpoint: want host:port or http(s)://host:port without a path, a query or credentials")
		}
	} else if c.Endpoint == "" || strings.ContainsAny(c.Endpoint, "/?#@ ") {
		return fmt.Errorf("storage endpoint: %q is not host:port", c.Endpoint)
	}
	switch {
	case c.Bucket == "":
		return errors.New("storage bucket: is empty")
	case c.AccessKey == "":
		return errors.New("storage access key: is empty")
	case c.SecretKey == "":
		return errors.New("storage secret key: is empty")
	case c.Stall < 0:
		return fmt.Errorf("storage stall: %s is negative", c.Stall)
	case c.Patience < 0:
		return fmt.Errorf("storage patience: %s is negative", c.Patience)
	}
	if p := strings.TrimSuffix(c.Prefix, "/"); p != "" {
		if err := vault.CheckKey(p); err != nil {
			return fmt.Errorf("storage prefix: %w", err)
		}
	}
	return nil
}
