package fetch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/egress"
)

// Bounds on the body of a redirect: it is evidence, but nobody reads it, and it
// must not use up the visit.
const (
	redirectBytes = 256 << 10
	redirectTime  = 5 * time.Second
)

// keepBody reads the whole body into the exchange, within the limits.
func (r *recorder) keepBody(ctx context.Context, h *hop, resp *http.Response) {
	defer resp.Body.Close()
	limit := r.req.MaxBytes
	var late atomic.Bool
	if isRedirect(resp.StatusCode) && resp.Header.Get("Location") != "" {
		limit = min(limit, redirectBytes)
		// Closing the body is what makes a blocked read return.
		timer := time.AfterFunc(redirectTime, func() { late.Store(true); resp.Body.Close() })
		defer timer.Stop()
	}
	s := &spool{dir: r.cfg.SpoolDir, above: r.cfg.SpoolAbove}
	n, err := io.Copy(s, io.LimitReader(resp.Body, limit))
	if err == nil && n == limit {
		// Exactly at the limit is whole, one more byte is not.
		if m, _ := io.ReadFull(resp.Body, make([]byte, 1)); m > 0 {
			err = errTooLarge
		}
	}
	h.e.Body, h.file = s.body()
	if s.err != nil {
		h.outcome = capture.StorageFailed
		h.e.MissingBody = "the body could not be written to the spool folder: " + s.err.Error()
		h.notes = append(h.notes, h.e.MissingBody)
		return
	}
	if n == 0 && (resp.StatusCode == http.StatusNotModified || resp.StatusCode == http.StatusNoContent) {
		h.e.Body = nil
	}
	if err != nil {
		h.cut(err, late.Load() || ctx.Err() != nil)
	}
}

var errTooLarge = errors.New("larger than the limit")

// cut records why a body did not come whole.
func (h *hop) cut(err error, late bool) {
	switch {
	case errors.Is(err, errTooLarge), errors.Is(err, egress.ErrCut):
		h.e.Truncated, h.outcome = capture.ByLength, capture.TooLarge
	case late:
		h.e.Truncated, h.outcome = capture.ByTime, capture.Timeout
	default:
		if h.outcome, _ = egress.Classify(err); h.outcome == capture.Timeout {
			h.e.Truncated = capture.ByTime
			break
		}
		h.e.Truncated, h.outcome = capture.ByDisconnect, capture.ConnectFailed
	}
	h.notes = append(h.notes, h.cutReason())
}

func (h *hop) cutReason() string {
	switch h.e.Truncated {
	case capture.ByLength:
		return "the body is larger than the limit; what was read is kept"
	case capture.ByTime:
		return "the body did not end in time; what was read is kept"
	}
	return "the connection ended in the middle of the body; what was read is kept"
}

// spool keeps a body in memory, and on disk once it is large.
type spool struct {
	dir   string
	above int64
	mem   []byte
	file  *os.File
	err   error
}

func (s *spool) Write(b []byte) (int, error) {
	if s.file == nil && s.dir != "" && int64(len(s.mem)+len(b)) > s.above {
		if s.file, s.err = os.CreateTemp(s.dir, "body-*"); s.err != nil {
			return 0, s.err
		}
		if _, s.err = s.file.Write(s.mem); s.err != nil {
			return 0, s.err
		}
		s.mem = nil
	}
	if s.file == nil {
		s.mem = append(s.mem, b...)
		return len(b), nil
	}
	n, err := s.file.Write(b)
	s.err = err
	return n, err
}

// body ends the writing; a file that cannot be used is removed.
func (s *spool) body() (capture.Body, string) {
	if s.file == nil {
		return capture.Bytes(s.mem), ""
	}
	name := s.file.Name()
	if err := s.file.Close(); s.err == nil {
		s.err = err
	}
	if s.err == nil {
		var b capture.Body
		if b, s.err = capture.File(name); s.err == nil {
			return b, name
		}
	}
	os.Remove(name)
	return nil, ""
}
