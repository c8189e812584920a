package crawler

import (
	"context"
	"strings"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/fetch"
	"github.com/trawlmark/trawlmark/crawler/site"
)

// fetch looks at the page by HTTP, and goes on to Chrome when that is due.
func (v *visit) fetch(ctx context.Context) {
	q := fetch.Request{
		URL: v.req.URL, UserAgent: v.userAgent(), AcceptLanguage: v.match.Site.Browser.AcceptLanguage,
		MaxBytes: v.cfg.MaxBody, Session: v.session, NewID: v.IDs.New, Cookies: v.loginCookies(),
		Conditional: v.conditional(),
	}
	one, over, ok := v.pass(ctx)
	if !ok {
		return
	}
	got := v.get(one, q)
	over()
	v.cap.FinalURL = got.FinalURL
	v.cap.Redirects = append(v.cap.Redirects, got.Redirects...)
	v.cap.Missing = append(v.cap.Missing, got.Missing...)
	v.res.RetryAfter = max(v.res.RetryAfter, got.RetryAfter)
	v.measured()

	html := isHTML(got.MediaType, got.Body)
	if html {
		v.keepHTML(got.Header.Get("Content-Type"), capture.Bytes(got.Body))
	}
	switch {
	case got.Outcome == capture.ConnectFailed && got.Status != 0 && html:
		// The connection ended in the middle of the page: what came is read.
		v.cutShort(got)
	case transport[got.Outcome] && html:
		// What was read of a cut page can still be read, and is kept.
		v.res.Reading = v.Sites.Read(v.page(got))
		v.end(got.Outcome, got.Evidence...)
	case got.Outcome == capture.Throttled && got.RetryAfter > 0:
		v.end(capture.Throttled, got.Evidence...) // it said when to come back: no wall, and no browser
	case got.Status >= 300 && got.Status < 400:
		v.end(got.Outcome, got.Evidence...) // a redirect that leads nowhere
	case transport[got.Outcome] || got.Outcome != "" && !html:
		v.end(got.Outcome, got.Evidence...)
	case !html:
		v.end(capture.NotHTML, "the server sent "+mediaName(got.MediaType)+", which is not an HTML page")
	default:
		v.judge(ctx, v.page(got), got)
	}
}

// cutShort takes what came of a page whose end is missing.
func (v *visit) cutShort(got *fetch.Result) {
	v.accept(v.Sites.Read(v.page(got)))
	if v.cap.Outcome.Class() == capture.Seen {
		v.cap.Outcome = capture.Partial
	}
	v.cap.Evidence = append(v.cap.Evidence, got.Evidence...)
}

// get fetches, and puts the exchanges into the capture.
func (v *visit) get(ctx context.Context, q fetch.Request) *fetch.Result {
	got := v.Fetcher.Fetch(ctx, q)
	v.keep(got)
	return got
}

func (v *visit) keep(got *fetch.Result) {
	v.mask.fetched(got)
	v.cap.Exchanges = append(v.cap.Exchanges, got.Exchanges...)
	v.res.cleanup = append(v.res.cleanup, got.Cleanup)
}

// transport are the outcomes that the way to the page decides; of all others
// the page itself knows better.
var transport = map[capture.Outcome]bool{
	capture.DNSFailed: true, capture.TLSFailed: true, capture.ConnectFailed: true, capture.Timeout: true,
	capture.BlockedAddr: true, capture.TooLarge: true, capture.NotModified: true, capture.Partial: true, capture.StorageFailed: true,
}

func (v *visit) page(got *fetch.Result) site.Page {
	return site.Page{
		URL: v.req.URL, FinalURL: got.FinalURL, Status: got.Status, Header: got.Header.Get,
		ContentType: got.Header.Get("Content-Type"), Body: got.Body, Asked: &v.match,
	}
}

// judge reads a page that came by HTTP and decides whether Chrome is needed.
func (v *visit) judge(ctx context.Context, p site.Page, got *fetch.Result) {
	reading := v.Sites.Read(p)
	if got.Outcome != "" && reading.Outcome.Class() == capture.Seen {
		// A page that reads well under a status that says otherwise, or whose
		// compression broke on the way.
		reading.Outcome = got.Outcome
		if got.Status >= 200 && got.Status < 300 {
			reading.Outcome = capture.Partial
		}
		reading.Evidence = append(reading.Evidence, got.Evidence...)
	}
	why := v.reasonsForChrome(reading)
	if len(why) == 0 {
		why = v.weighDoubts(reading)
	}
	if len(why) > 0 && v.Renderer != nil {
		v.render(ctx, why)
		v.learnFrom(reading, v.res.Reading)
		if len(reading.NeedsChrome) > 0 {
			// The tag is of a page that does not say what the listing is: an
			// empty frame is never modified.
			v.res.ETag, v.res.LastModified = "", ""
		}
		if v.res.Reading == nil {
			// Chrome saw less than the cheap fetch: keep what that one read, and
			// the outcome that says what Chrome ran into.
			v.res.Reading = reading
		}
		return
	}
	if len(why) > 0 {
		v.cap.Missing = append(v.cap.Missing, capture.Missing{What: "rendering", URL: p.URL, Reason: "no Chrome is available; it was wanted because " + strings.Join(why, "; ")})
	}
	v.accept(reading)
}

// accept takes a reading as the visit's result.
func (v *visit) accept(r *site.Reading) {
	v.res.Reading = r
	v.end(r.Outcome, r.Evidence...)
}

// asked are the outcomes after which a site is not asked again by Chrome in the
// same breath: it has just said no, or that there is nothing.
var asked = map[capture.Outcome]bool{
	capture.Throttled: true, capture.HTTPError: true, capture.Removed: true, capture.RemovedSoft: true, capture.SearchEmpty: true,
}

// reasonsForChrome says why a page that was fetched must be looked at in
// Chrome; empty when it need not.
func (v *visit) reasonsForChrome(r *site.Reading) []string {
	if v.mode() == site.RenderNever || asked[r.Outcome] {
		return nil
	}
	var why []string
	if v.mode() == site.RenderAlways {
		why = append(why, "the site's policy is render: always")
	}
	if v.req.Screenshot {
		why = append(why, "a screenshot was asked for")
	}
	if v.cfg.ScreenshotAll && r.Listing != nil {
		why = append(why, "the configuration asks for a screenshot of every listing")
	}
	if len(why) == 0 && v.req.Inspect != nil {
		if w := v.req.Inspect(r); w != "" {
			why = append(why, w)
		}
	}
	return append(why, r.NeedsChrome...)
}

// keepHTML keeps the page's HTML as served, content-decoded, as an artifact of
// its own, for people who open it without a WARC reader.
func (v *visit) keepHTML(contentType string, body capture.Body) {
	if body != nil && body.Size() > 0 && v.cap.Artifact(capture.RoleHTML) == nil {
		v.artifact(capture.RoleHTML, contentType, body)
	}
}

func (v *visit) artifact(role capture.Role, mediaType string, body capture.Body) {
	v.cap.Artifacts = append(v.cap.Artifacts, &capture.Artifact{
		Role: role, MediaType: mediaType, URL: v.cap.FinalURL, Taken: v.Now().UTC(), Body: body,
	})
}

// measured notes what politeness and the next visit need of the main exchange.
func (v *visit) measured() {
	e := v.cap.Main()
	if e == nil || e.Status == 0 {
		return
	}
	v.res.ResponseTime = e.Finished.Sub(e.Started)
	v.res.ETag = e.ResponseHeader.Get("ETag")
	v.res.LastModified = e.ResponseHeader.Get("Last-Modified")
}

func isHTML(mediaType string, body []byte) bool {
	switch mt, _, _ := strings.Cut(strings.ToLower(mediaType), ";"); strings.TrimSpace(mt) {
	case "text/html", "application/xhtml+xml":
		return true
	case "", "text/plain", "application/octet-stream", "application/xml", "text/xml":
		head := strings.ToLower(string(body[:min(len(body), 1024)]))
		return strings.Contains(head, "<html") || strings.Contains(head, "<!doctype html")
	}
	return false
}

func mediaName(mt string) string {
	if mt == "" {
		return "no media type and no markup"
	}
	return mt
}
