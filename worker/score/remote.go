package score

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"time"
)

// Secret is a token that never prints.
type Secret string

// String hides it.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "<secret>"
}

// GoString hides it.
func (s Secret) GoString() string { return s.String() }

// LogValue hides it.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// RemoteConfig says where an external scorer is.
type RemoteConfig struct {
	// URL takes a POST of Request as JSON and answers Result as JSON
	// (docs/scoring.md has the schema).
	URL string
	// Token is sent as a bearer token when not empty.
	Token Secret
	// Timeout of one question. Default 10 s.
	Timeout time.Duration
}

// The limits of what is believed.
const (
	maxAnswer   = 1 << 20
	maxReasons  = 200
	maxSentence = 2000
)

// Remote asks an external scorer.
type Remote struct {
	cfg  RemoteConfig
	http *http.Client
}

// NewRemote makes a client; client nil means http.DefaultClient's transport.
func NewRemote(cfg RemoteConfig, client *http.Client) (*Remote, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("score.url: %q is not an http:// or https:// URL", cfg.URL)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	if client == nil {
		client = &http.Client{}
	}
	return &Remote{cfg, client}, nil
}

// Score implements Scorer. Every failure is ErrUnavailable.
func (r *Remote) Score(ctx context.Context, q Request) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	body, err := json.Marshal(q)
	if err != nil {
		return Result{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return Result{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if r.cfg.Token != "" {
		req.Header.Set("Authorization", "Bearer "+string(r.cfg.Token))
	}
	res, err := r.http.Do(req)
	if err != nil {
		return Result{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer res.Body.Close()
	return parse(res)
}

func parse(res *http.Response) (Result, error) {
	bad := func(format string, args ...any) (Result, error) {
		return Result{}, fmt.Errorf("%w: %s", ErrUnavailable, fmt.Sprintf(format, args...))
	}
	if res.StatusCode != http.StatusOK {
		return bad("it answered with status %d", res.StatusCode)
	}
	if mt, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err != nil || mt != "application/json" {
		return bad("it answered %q, not application/json", res.Header.Get("Content-Type"))
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return bad("its answer ended early: %v", err)
	}
	if len(b) > maxAnswer {
		return bad("its answer has more than %d bytes", maxAnswer)
	}
	out, err := Parse(b)
	if err != nil {
		return bad("%v", err)
	}
	return out, nil
}

// Parse reads and checks an external scorer's answer.
func Parse(b []byte) (Result, error) {
	var w struct {
		Score   *float64 `json:"score"`
		Reasons []Reason `json:"reasons"`
		Scorer  string   `json:"scorer"`
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return Result{}, fmt.Errorf("its answer is not the JSON of docs/scoring.md: %w", err)
	}
	switch {
	case w.Score == nil:
		return Result{}, errors.New("its answer has no score")
	case !(*w.Score >= 0 && *w.Score <= 1):
		return Result{}, fmt.Errorf("its score is %v, not between 0 and 1", *w.Score)
	case len(w.Reasons) == 0 || len(w.Reasons) > maxReasons:
		return Result{}, fmt.Errorf("its answer has %d reasons; want 1 to %d", len(w.Reasons), maxReasons)
	case w.Scorer == "" || len(w.Scorer) > 200:
		return Result{}, errors.New("its answer does not say which scorer and version it is of (scorer)")
	}
	for i, r := range w.Reasons {
		if r.Name == "" || r.Sentence == "" || len(r.Sentence) > maxSentence || len(r.Name) > 100 {
			return Result{}, fmt.Errorf("reason %d needs a name and a sentence of up to %d bytes", i+1, maxSentence)
		}
	}
	return Result{Score: round(*w.Score), Reasons: w.Reasons, Scorer: w.Scorer}, nil
}
