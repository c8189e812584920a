package fetch

import (
	"context"
	"net/url"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// robotsBytes is what RFC 9309 section 2.5 obliges a crawler to parse.
const robotsBytes = 500 << 10

// Robots gets the robots.txt of the host of req.URL (RFC 9309 section 2.3). The
// result's Status (0 when no answer came) and Body are what scope.RobotsFor
// takes; a body that was cut at 500 KiB is good as it is and no failure.
func (f *Fetcher) Robots(ctx context.Context, req Request) *Result {
	u, err := parse(req.URL)
	if err == nil {
		req.URL = (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/robots.txt"}).String()
	}
	req.Conditional = Conditional{}
	req.MaxBytes = robotsBytes
	res := f.Fetch(ctx, req)
	if res.Status == 200 && (res.Outcome == capture.TooLarge || res.Outcome == capture.Empty) {
		res.Outcome = ""
	}
	return res
}
