package crawler

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/fetch"
	"github.com/trawlmark/trawlmark/crawler/render"
	"github.com/trawlmark/trawlmark/crawler/site"
)

// readOut is what rendering may take after its loading deadline: screenshots
// and the DOM of a heavy page.
const readOut = 25 * time.Second

// render looks at the page in Chrome.
func (v *visit) render(ctx context.Context, why []string) {
	v.cap.Policy.Escalated = append(v.cap.Policy.Escalated, why...)
	// Made here, and not for every visit: one by HTTP has little that is large.
	var err error
	if v.res.spool, err = os.MkdirTemp(v.cfg.SpoolDir, "visit-"); err != nil {
		v.end(capture.StorageFailed, "a temporary folder for what the browser sees could not be made: "+err.Error())
		return
	}
	proxy, err := v.session.Proxy(ctx)
	if err != nil {
		v.end(capture.ConnectFailed, "the guarded way out for Chrome could not be opened: "+err.Error())
		return
	}
	q := v.renderRequest(ctx, proxy)
	if v.req.Gate != nil {
		q.Gate = v.gate // Chrome may have to be waited for; the gate comes after
	}
	got := v.Renderer.Render(ctx, q)
	v.mask.rendered(got)
	v.take(got)
	if got.Outcome != "" {
		v.end(v.refusedOr(got.Outcome), got.Evidence...)
		if len(got.DOM) > 0 {
			v.res.Reading = v.Sites.Read(v.rendered(got))
		}
		return
	}
	if len(got.DOM) == 0 && (got.MediaType == "" || isHTML(got.MediaType, nil)) {
		// Even an empty page has a document: this one's could not be had.
		v.end(capture.Timeout, "the browser gave no document of the page within its time")
		return
	}
	if got.MediaType != "" && !isHTML(got.MediaType, got.DOM) {
		v.end(capture.NotHTML, "the server sent "+mediaName(got.MediaType)+", which is not an HTML page")
		return
	}
	v.accept(v.Sites.Read(v.rendered(got)))
	if m := v.cap.Main(); m != nil && m.Decoded {
		v.keepHTML(m.ResponseHeader.Get("Content-Type"), m.Body)
	}
}

func (v *visit) renderRequest(ctx context.Context, proxy string) render.Request {
	b := v.match.Site.Browser
	q := render.Request{
		URL: v.req.URL, UserAgent: v.userAgent(), AcceptLanguage: b.AcceptLanguage, Locale: b.Locale, TimeZone: b.TimeZone,
		Cookies: v.chromeCookies(), ProxyAddr: proxy, Peer: v.peer, DismissSelectors: b.Dismiss, Screenshots: true,
		MaxBodyBytes: v.cfg.MaxBody, NewID: v.IDs.New, SpoolDir: v.res.spool, Deadline: 45 * time.Second,
	}
	q.Width, q.Height = viewport(b.Viewport)
	if end, ok := ctx.Deadline(); ok {
		left := end.Sub(v.Now()) - readOut
		q.Deadline = min(q.Deadline, max(left, 5*time.Second))
	}
	return q
}

// take moves what Chrome saw into the capture.
func (v *visit) take(got *render.Result) {
	v.cap.FinalURL = got.FinalURL
	if v.cap.FinalURL == "" {
		v.cap.FinalURL = v.req.URL
	}
	v.cap.Redirects = append(v.cap.Redirects, newRedirects(v.cap.Redirects, got.Redirects)...)
	v.cap.Exchanges = append(v.cap.Exchanges, got.Exchanges...)
	v.cap.Artifacts = append(v.cap.Artifacts, got.Artifacts...)
	v.cap.Missing = append(v.cap.Missing, got.Missing...)
	env := &v.cap.Environment
	env.Browser, env.Flags, env.Sandboxed, env.Viewport, env.Fresh = got.Browser, got.Flags, got.Sandboxed, got.Viewport, true
	if got.UserAgent != "" {
		env.UserAgent = got.UserAgent
	}
	v.measured()
	if m := v.cap.Main(); m != nil && (m.Status == 429 || m.Status == 503) {
		v.res.RetryAfter = max(v.res.RetryAfter, fetch.RetryAfter(m.ResponseHeader, v.Now()))
	}
}

// newRedirects leaves out the hops that the HTTP fetch of this visit saw too.
func newRedirects(have, got []capture.Redirect) []capture.Redirect {
	var out []capture.Redirect
	for _, g := range got {
		seen := false
		for _, h := range have {
			seen = seen || h == g
		}
		if !seen {
			out = append(out, g)
		}
	}
	return out
}

func (v *visit) rendered(got *render.Result) site.Page {
	p := site.Page{
		URL: v.req.URL, FinalURL: v.cap.FinalURL, Status: got.Status, ContentType: "text/html; charset=utf-8",
		Body: got.DOM, Rendered: true, Asked: &v.match,
	}
	if m := v.cap.Main(); m != nil {
		p.Header = m.ResponseHeader.Get
	}
	return p
}

// refusedOr gives blocked_address when the guard refused the page itself:
// Chrome only sees a proxy that did not connect.
func (v *visit) refusedOr(o capture.Outcome) capture.Outcome {
	main := v.lastMain()
	if main != nil && main.Status != 0 && o != capture.ConnectFailed {
		return o
	}
	for _, r := range v.session.Refusals() {
		if main == nil || strings.Contains(main.URL, hostOf(r.Target)) || strings.Contains(v.req.URL, hostOf(r.Target)) {
			v.cap.Evidence = append(v.cap.Evidence, fmt.Sprintf("no connection was made to %s: %s", r.Target, r.Reason))
			return capture.BlockedAddr
		}
	}
	return o
}

// lastMain is the last request for the page, answered or not: a redirect that
// was answered may have led to what was refused.
func (v *visit) lastMain() *capture.Exchange {
	for i := len(v.cap.Exchanges) - 1; i >= 0; i-- {
		if e := v.cap.Exchanges[i]; e.Main {
			return e
		}
	}
	return nil
}

func hostOf(target string) string {
	if i := strings.LastIndex(target, ":"); i > 0 && !strings.Contains(target, "://") {
		return target[:i]
	}
	return target
}

// viewport reads "1366x900"; what does not parse is the renderer's default.
func viewport(s string) (w, h int) {
	a, b, ok := strings.Cut(s, "x")
	if !ok {
		return 0, 0
	}
	w, err1 := strconv.Atoi(a)
	h, err2 := strconv.Atoi(b)
	if err1 != nil || err2 != nil || w < 1 || h < 1 || w > 10000 || h > 10000 {
		return 0, 0
	}
	return w, h
}
