package fetch

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/gocolly/colly/v2"
	whatwg "github.com/nlnwa/whatwg-url/url"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/egress"
)

// Fetcher gets URLs. It holds limits only and is safe for concurrent use.
type Fetcher struct{ cfg Config }

// New makes a Fetcher; what Validate refuses is a programming error.
func New(cfg Config) *Fetcher { return &Fetcher{cfg.withDefaults()} }

// Fetch gets one URL with GET. It returns by the deadline.
func (f *Fetcher) Fetch(ctx context.Context, req Request) *Result {
	began := f.cfg.Now()
	req = f.complete(req)
	res := &Result{FinalURL: req.URL}
	defer func() { res.Elapsed = f.cfg.Now().Sub(began) }()

	u, err := parse(req.URL)
	switch {
	case req.Session == nil:
		res.end(capture.BlockedAddr, "no way out was given for the request, so nothing was sent")
		return res
	case err != nil:
		res.end(capture.BlockedAddr, req.Session.Refuse(req.URL, err.Error()).Error())
		return res
	}
	res.FinalURL = u.String()
	ctx, cancel := context.WithTimeout(ctx, req.Deadline)
	defer cancel()

	rec := newRecorder(f.cfg, req)
	defer rec.close()
	v := &visit{f: f, req: req, res: res, rec: rec}
	v.run(ctx, u)
	v.conclude()
	return res
}

func (f *Fetcher) complete(req Request) Request {
	if req.UserAgent == "" {
		req.UserAgent = f.cfg.UserAgent
	}
	if req.AcceptLanguage == "" {
		req.AcceptLanguage = f.cfg.AcceptLanguage
	}
	if req.MaxBytes <= 0 {
		req.MaxBytes = f.cfg.MaxBytes
	}
	if req.Deadline <= 0 {
		req.Deadline = f.cfg.Deadline
	}
	return req
}

// parse accepts what a browser would, if it is http or https. User names and
// passwords are dropped: net/http would send them.
func parse(raw string) (*url.URL, error) {
	w, err := whatwg.Parse(raw)
	if err != nil {
		return nil, errors.New("not a URL")
	}
	u, err := url.Parse(w.Href(true))
	if err != nil {
		return nil, errors.New("not a URL that can be asked for")
	}
	u.User = nil
	return u, checkScheme(u)
}

func checkScheme(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("the scheme %q is not fetched, only http and https are", u.Scheme)
	}
	return nil
}

// visit is one fetch under way.
type visit struct {
	f   *Fetcher
	req Request
	res *Result
	rec *recorder
	// stopped is why a redirect was not followed.
	stopped capture.Outcome
}

// run lets colly do the asking.
func (v *visit) run(ctx context.Context, u *url.URL) {
	// Not NewCollector: that one lets COLLY_* environment variables decide.
	c := new(colly.Collector)
	c.Init()
	c.Context = ctx
	c.MaxBodySize = 0 // bounded below
	c.AllowURLRevisit = true
	c.ParseHTTPErrorResponse = true
	c.SetRequestTimeout(0) // the context has the deadline
	c.WithTransport(v.rec)
	c.SetRedirectHandler(v.redirect)
	c.SetCookieJar(v.jar(u))
	c.OnResponse(func(r *colly.Response) { v.res.Body = r.Body })
	// An error is in the last exchange already, in more detail.
	err := c.Request(http.MethodGet, u.String(), nil, nil, v.header())
	if err != nil && len(v.rec.hops) == 0 {
		outcome, text := egress.Classify(err)
		v.res.end(outcome, text)
	}
}

func (v *visit) header() http.Header {
	h := http.Header{}
	h.Set("User-Agent", v.req.UserAgent)
	h.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	h.Set("Accept-Language", v.req.AcceptLanguage)
	h.Set("Accept-Encoding", "gzip, deflate, br, zstd")
	for name, value := range map[string]string{
		"Referer":           v.req.Referer,
		"If-None-Match":     v.req.Conditional.ETag,
		"If-Modified-Since": v.req.Conditional.LastModified,
	} {
		if value != "" {
			h.Set(name, value)
		}
	}
	return h
}

// jar holds the cookies of this one fetch: redirects that set a cookie and come
// back would loop without it.
func (v *visit) jar(u *url.URL) http.CookieJar {
	jar, _ := cookiejar.New(nil) // never fails
	jar.SetCookies(u, v.req.Cookies)
	return jar
}

// redirect decides whether colly goes on. It answers with ErrUseLastResponse
// rather than an error so that the redirect itself stays the result.
func (v *visit) redirect(next *http.Request, via []*http.Request) error {
	from := via[len(via)-1].URL.String()
	next.URL.User = nil
	to := next.URL.String()
	v.res.Redirects = append(v.res.Redirects, capture.Redirect{From: from, To: to, Status: next.Response.StatusCode})
	if err := checkScheme(next.URL); err != nil {
		v.stopped = capture.BlockedAddr
		v.res.note(v.req.Session.Refuse(to, err.Error()).Error())
		return http.ErrUseLastResponse
	}
	if len(via) > v.f.cfg.MaxRedirects {
		v.stopped = capture.HTTPError
		text := fmt.Sprintf("the server redirected more than %d times", v.f.cfg.MaxRedirects)
		if slices.ContainsFunc(via, func(r *http.Request) bool { return r.URL.String() == to }) {
			text += ", in a loop"
		}
		v.res.note(text)
		return http.ErrUseLastResponse
	}
	v.res.FinalURL = to
	return nil
}

// conclude reads the result from the recorded exchanges.
func (v *visit) conclude() {
	res := v.res
	res.Exchanges, res.spooled = v.rec.exchanges(), v.rec.spooled()
	if len(v.rec.hops) == 0 {
		return
	}
	last := v.rec.hops[len(v.rec.hops)-1]
	e := last.e
	res.FinalURL, res.Status, res.Header, res.FirstByte = e.URL, e.Status, e.ResponseHeader, last.firstByte()
	if e.Failure != nil && e.Status == 0 {
		res.Body = nil
		res.end(e.Failure.Outcome, e.Failure.Text)
		return
	}
	res.MediaType = mediaType(e.ResponseHeader.Get("Content-Type"), res.Body)
	res.RetryAfter = retryAfter(e.ResponseHeader, v.f.cfg.Now())
	v.noteBody(last)
	outcome, text := statusOutcome(e, res.RetryAfter, v.req.Conditional, len(res.Body))
	switch {
	case v.stopped != "":
		res.Outcome = v.stopped
	case last.outcome != "":
		res.Outcome = last.outcome
	default:
		res.Outcome = outcome
	}
	if text != "" && (last.outcome == "" || last.outcome == outcome) {
		res.note(text)
	}
}

// noteBody says what is missing of the page's body, and why.
func (v *visit) noteBody(last *hop) {
	for _, text := range last.notes {
		v.res.note(text)
	}
	for _, h := range v.rec.hops {
		if h.e.Truncated != capture.Whole {
			v.res.Missing = append(v.res.Missing, capture.Missing{What: "body", URL: h.e.URL, Reason: h.cutReason()})
		}
	}
	if d := last.decoded; d != nil && d.problem != "" {
		v.res.note(d.problem)
		v.res.Missing = append(v.res.Missing, capture.Missing{What: "body", URL: last.e.URL, Reason: d.problem})
		if last.outcome == "" {
			last.outcome = d.outcome
		}
	}
}

func (r *Result) note(text string) { r.Evidence = append(r.Evidence, text) }

func (r *Result) end(o capture.Outcome, text string) {
	r.Outcome = o
	r.note(text)
}

// Cleanup removes the files that bodies were spooled to. The exchanges' bodies
// cannot be opened afterwards.
func (r *Result) Cleanup() error {
	var errs []error
	for _, name := range r.spooled {
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	r.spooled = nil
	return errors.Join(errs...)
}

func mediaType(declared string, body []byte) string {
	if declared == "" && len(body) > 0 {
		declared = http.DetectContentType(body)
	}
	if t, _, err := mime.ParseMediaType(declared); err == nil {
		return t
	}
	t, _, _ := strings.Cut(declared, ";")
	return strings.ToLower(strings.TrimSpace(t))
}
