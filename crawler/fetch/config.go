package fetch

import (
	"fmt"
	"net/http"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/egress"
)

// DefaultUserAgent says who asks and where to read about it.
const DefaultUserAgent = "Trawlmark/1.0 (+https://github.com/trawlmark/trawlmark)"

// Config holds the limits of all fetches. The zero value means the defaults.
type Config struct {
	// UserAgent of requests that name none. Default DefaultUserAgent.
	UserAgent string
	// AcceptLanguage of requests that name none. Default "en".
	AcceptLanguage string
	// MaxBytes of one body on the wire; more is cut. Default 16 MiB.
	MaxBytes int64
	// MaxDecoded bytes of the page's body after decompression. Default 64 MiB.
	MaxDecoded int64
	// MaxRatio of decompressed to compressed bytes, once a body has more than
	// 1 MiB: a decompression bomb is cut here. Default 200.
	MaxRatio int64
	// MaxRedirects followed. Default 10.
	MaxRedirects int
	// Deadline of one fetch, redirects and bodies included. Default 30 s.
	Deadline time.Duration
	// SpoolDir takes bodies larger than SpoolAbove. Default "": all in memory.
	SpoolDir string
	// SpoolAbove is in bytes. Default 1 MiB.
	SpoolAbove int64
	// Now is the clock of what is recorded. Default time.Now.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	set := func(v *int64, d int64) {
		if *v == 0 {
			*v = d
		}
	}
	set(&c.MaxBytes, 16<<20)
	set(&c.MaxDecoded, 64<<20)
	set(&c.MaxRatio, 200)
	set(&c.SpoolAbove, 1<<20)
	if c.UserAgent == "" {
		c.UserAgent = DefaultUserAgent
	}
	if c.AcceptLanguage == "" {
		c.AcceptLanguage = "en"
	}
	if c.MaxRedirects == 0 {
		c.MaxRedirects = 10
	}
	if c.Deadline == 0 {
		c.Deadline = 30 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Validate reports the first setting that cannot be used.
func (c Config) Validate() error {
	for _, s := range []struct {
		key   string
		value int64
	}{
		{"max_bytes", c.MaxBytes},
		{"max_decoded", c.MaxDecoded},
		{"max_ratio", c.MaxRatio},
		{"max_redirects", int64(c.MaxRedirects)},
		{"deadline", int64(c.Deadline)},
		{"spool_above", c.SpoolAbove},
	} {
		if s.value < 0 {
			return fmt.Errorf("fetch.%s: a negative limit; leave it out for the default", s.key)
		}
	}
	return nil
}

// Conditional asks for the page only if it changed since an earlier capture.
type Conditional struct {
	ETag         string // as the server gave it, quotes included
	LastModified string // as the server gave it
}

// Request is one URL to get, and how.
type Request struct {
	URL            string
	UserAgent      string // "" for the configured one
	AcceptLanguage string // "" for the configured one
	Referer        string
	Cookies        []*http.Cookie // of the URL's host, for this fetch only
	Conditional    Conditional
	MaxBytes       int64         // 0 for the configured one
	Deadline       time.Duration // 0 for the configured one; from the call on
	Session        *egress.Session
	NewID          func() capture.ID // ids of the exchanges
}

// Result is what came of a fetch. It is never nil.
type Result struct {
	// FinalURL is the last URL that was asked for.
	FinalURL  string
	Redirects []capture.Redirect
	// Exchanges are all hops in order, the last one is the page's.
	Exchanges []*capture.Exchange
	// Status, Header and MediaType are the last exchange's; 0 and empty when no
	// answer came. MediaType is lower case without parameters, as declared or
	// else guessed from the body.
	Status    int
	Header    capture.Header
	MediaType string
	// Body is decompressed; the character set is as the server sent it. It is
	// what could be read when the page was cut.
	Body []byte
	// Outcome is "" when a page was got (status 200 to 299, whole); otherwise
	// what the transport alone can tell. A reader of the page may know better:
	// a 403 can be a challenge.
	Outcome  capture.Outcome
	Evidence []string
	// Missing lists what was cut.
	Missing []capture.Missing
	// RetryAfter is what the server asked us to wait; 0 when it did not.
	RetryAfter time.Duration
	// FirstByte is from the last request's sending to the first byte of its
	// answer; Elapsed is the whole fetch.
	FirstByte time.Duration
	Elapsed   time.Duration

	spooled []string
}
