package seal

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/seal/stamp"
)

// ErrTooFew: fewer stamps came back than were wanted. Those that did are good.
var ErrTooFew = errors.New("not enough time stamps could be had")

// Secret is a string that does not print.
type Secret string

// String, GoString and LogValue print <secret>, or nothing when there is none.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "<secret>"
}
func (s Secret) GoString() string             { return `"` + s.String() + `"` }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(s.String()) }
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// TSA is one time stamp authority.
type TSA struct {
	// Name tells it apart in keys and messages: 1 to 24 of a-z 0-9 -, not
	// beginning with "renewal".
	Name string
	// URL takes POSTs of application/timestamp-query; https, or http (the
	// answer is signed).
	URL string
	// Roots are pinned; Untrusted help where the answer brings no chain.
	Roots, Untrusted []*x509.Certificate
	// User and Password for HTTP basic authentication, if it wants one.
	User     string
	Password Secret
}

// Doer sends requests: *http.Client, behind the deployment's own way out.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// Client asks time stamp authorities.
type Client struct {
	// TSAs in order of preference: the first Want are asked, the others where
	// one of these fails. Two stamps should come from two organisations.
	TSAs []TSA
	HTTP Doer
	Now  func() time.Time
	Rand io.Reader // of nonces; crypto/rand.Reader in production
	// Want is how many stamps a checkpoint gets. Default 2.
	Want int
	// Timeout bounds one exchange with one authority. Default 10 s.
	Timeout time.Duration
	// MaxSkew bounds |stamped time - our time|. Default 1 minute. What is
	// beyond is refused: one of the two clocks is wrong.
	MaxSkew time.Duration
}

func (c *Client) want() int              { return cmp.Or(c.Want, 2) }
func (c *Client) timeout() time.Duration { return cmp.Or(c.Timeout, 10*time.Second) }
func (c *Client) maxSkew() time.Duration { return cmp.Or(c.MaxSkew, time.Minute) }

// Validate names the first setting that cannot be.
func (c *Client) Validate() error {
	if c.HTTP == nil || c.Now == nil || c.Rand == nil {
		return errors.New("http, now and rand must be given")
	}
	if c.want() < 1 || len(c.TSAs) < c.want() {
		return fmt.Errorf("tsas: %d time stamp authorities cannot give %d stamps", len(c.TSAs), c.want())
	}
	if c.Timeout < 0 || c.MaxSkew < 0 {
		return errors.New("timeout and max_skew must not be negative")
	}
	seen := map[string]bool{}
	for i, t := range c.TSAs {
		if err := t.validate(); err != nil {
			return fmt.Errorf("tsas[%d]: %w", i, err)
		}
		if seen[t.Name] {
			return fmt.Errorf("tsas[%d].name: %q is there twice", i, t.Name)
		}
		seen[t.Name] = true
	}
	return nil
}

// Roots are the pinned roots of authorities, each once.
func Roots(tsas []TSA) []*x509.Certificate {
	var all []*x509.Certificate
	for _, t := range tsas {
		for _, r := range t.Roots {
			if !slices.ContainsFunc(all, r.Equal) {
				all = append(all, r)
			}
		}
	}
	return all
}

func (t TSA) validate() error {
	u, err := url.Parse(t.URL)
	switch {
	case !validSlug(t.Name):
		return fmt.Errorf("name: %q must be 1 to 24 of a-z 0-9 -, and not begin with renewal", t.Name)
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		return fmt.Errorf("url: the address of %s must be http:// or https://", t.Name)
	case u.User != nil:
		return fmt.Errorf("url: the address of %s must not hold a password; there is user and password for it", t.Name)
	case len(t.Roots) == 0:
		return fmt.Errorf("roots: no root is pinned for %s, so no stamp of it could be believed", t.Name)
	}
	return nil
}

func validSlug(s string) bool {
	return s != "" && len(s) <= 24 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && !strings.HasPrefix(s, "renewal")
}

// Stamp is one time stamp that was checked.
type Stamp struct {
	TSA      string
	Query    []byte // .tsq
	Response []byte // .tsr, whole
	Time     stamp.Time
	// Sent and Received are when it was asked for, by our clock; Date is what
	// the answer's HTTP header says. Zero when it was read from the vault.
	Sent, Received, Date time.Time
}

// Digest is the SHA-256 of the .tsr: how a manifest names a stamp.
func (s Stamp) Digest() capture.Digest { return capture.Sum(s.Response) }

// FailedError says what one authority failed with.
type FailedError struct {
	TSA string
	Err error
}

func (e *FailedError) Error() string { return "time stamp authority " + e.TSA + ": " + e.Err.Error() }

// Unwrap gives the reason.
func (e *FailedError) Unwrap() error { return e.Err }

// Stamp gets stamps over a message from Want authorities. When some fail it
// gives the good ones and ErrTooFew with a *FailedError for each failure; when
// a substitute stepped in, the error is nil.
func (c *Client) Stamp(ctx context.Context, message []byte) ([]Stamp, error) {
	stamps, failed := c.stamp(ctx, message, c.TSAs, c.want(), func(context.Context, Stamp) error { return nil })
	if len(stamps) < c.want() {
		return stamps, tooFew(len(stamps), c.want(), failed)
	}
	return stamps, nil
}

func tooFew(got, want int, failed []*FailedError) error {
	err := fmt.Errorf("%w: %d of %d", ErrTooFew, got, want)
	for _, f := range failed {
		err = fmt.Errorf("%w; %w", err, f)
	}
	return err
}

// stamp asks want of the authorities at once, and the next ones for those
// that fail or are not accepted, until there are enough or nobody is left.
func (c *Client) stamp(ctx context.Context, message []byte, from []TSA, want int, accept func(context.Context, Stamp) error) (stamps []Stamp, failed []*FailedError) {
	for len(stamps) < want && len(from) > 0 {
		wave := from[:min(want-len(stamps), len(from))]
		from = from[len(wave):]
		got := make([]Stamp, len(wave))
		errs := make([]error, len(wave))
		requests := make([]stamp.Request, len(wave))
		for i := range wave { // one after the other: Rand need not be safe
			requests[i], errs[i] = stamp.NewRequest(message, c.Rand)
		}
		var wg sync.WaitGroup
		for i, t := range wave {
			if errs[i] == nil {
				wg.Go(func() { got[i], errs[i] = c.ask(ctx, t, requests[i]) })
			}
		}
		wg.Wait()
		for i, t := range wave {
			if errs[i] == nil {
				errs[i] = accept(ctx, got[i])
			}
			if errs[i] != nil {
				failed = append(failed, &FailedError{t.Name, errs[i]})
			} else {
				stamps = append(stamps, got[i])
			}
		}
	}
	return stamps, failed
}

// ask has one exchange with one authority and checks what comes back.
func (c *Client) ask(ctx context.Context, t TSA, q stamp.Request) (Stamp, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	sent := c.Now()
	tsr, date, err := c.post(ctx, t, q.DER)
	if err != nil {
		return Stamp{}, err
	}
	received := c.Now()
	when, err := q.Verify(tsr, stamp.Trust{Roots: t.Roots, Untrusted: t.Untrusted})
	if err != nil {
		return Stamp{}, err
	}
	if when.Latest().Before(sent.Add(-c.maxSkew())) || when.Earliest().After(received.Add(c.maxSkew())) {
		return Stamp{}, fmt.Errorf("%w: it says %s, our clock says %s: check both", stamp.ErrClock,
			when.At.Format(time.RFC3339Nano), received.UTC().Format(time.RFC3339Nano))
	}
	return Stamp{TSA: t.Name, Query: q.DER, Response: tsr, Time: when, Sent: sent, Received: received, Date: date}, nil
}

// post gives the answer, and the date of its header if it has one.
func (c *Client) post(ctx context.Context, t TSA, query []byte) (tsr []byte, date time.Time, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL, strings.NewReader(string(query)))
	if err != nil {
		return nil, date, err
	}
	req.Header.Set("Content-Type", "application/timestamp-query")
	req.Header.Set("Accept", "application/timestamp-reply")
	if t.User != "" || t.Password != "" {
		req.SetBasicAuth(t.User, string(t.Password))
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return nil, date, fmt.Errorf("it did not answer: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, date, fmt.Errorf("it answered HTTP status %d", resp.StatusCode)
	}
	if kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || kind != "application/timestamp-reply" {
		return nil, date, fmt.Errorf("%w: it is of type %.60q", stamp.ErrForm, resp.Header.Get("Content-Type"))
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, stamp.MaxResponse+1))
	if err != nil {
		return nil, date, fmt.Errorf("its answer broke off: %w", err)
	}
	date, _ = http.ParseTime(resp.Header.Get("Date"))
	return b, date, nil // one byte too many is refused by Verify
}
