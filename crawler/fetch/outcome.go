package fetch

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// statusOutcome is the one table from an answer's status to an outcome.
func statusOutcome(e *capture.Exchange, wait time.Duration, asked Conditional, body int) (capture.Outcome, string) {
	line := fmt.Sprintf("the server answered with status %d", e.Status)
	switch s := e.Status; {
	case s == http.StatusNotModified && asked != (Conditional{}):
		return capture.NotModified, line + ": not changed since the capture that was named"
	case s == http.StatusNotFound, s == http.StatusGone:
		return capture.Removed, line
	case s == http.StatusTooManyRequests, s == http.StatusServiceUnavailable && e.ResponseHeader.Get("Retry-After") != "":
		if wait > 0 {
			line += fmt.Sprintf(" and asked us to wait %v", wait)
		}
		return capture.Throttled, line
	case s >= 200 && s < 300 && body == 0:
		return capture.Empty, line + " and no content"
	case s >= 200 && s < 300:
		return "", ""
	case s >= 300 && s < 400:
		return capture.HTTPError, line + ", which leads nowhere"
	}
	return capture.HTTPError, line
}

// maxWait bounds what a server can ask for, so that no sum overflows.
const maxWait = 30 * 24 * time.Hour

// retryAfter reads Retry-After (RFC 9110 section 10.2.3) in both its forms. A date is
// measured against the server's own Date, so that a wrong clock does not matter.
func retryAfter(h capture.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if n, err := strconv.ParseUint(v, 10, 63); err == nil {
		if n > uint64(maxWait/time.Second) {
			return maxWait
		}
		return time.Duration(n) * time.Second
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(at.Sub(now), 0), maxWait)
}
