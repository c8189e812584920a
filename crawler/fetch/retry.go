package fetch

import (
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// RetryAfter is how long an answer asks to be left alone (RFC 9110 section
// 10.2.3), for answers that did not come through a Fetcher; 0 when it does not.
func RetryAfter(h capture.Header, now time.Time) time.Duration { return retryAfter(h, now) }
