package render

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/cdproto/target"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// visit is one capture in one Chrome. Two goroutines work on it: the pump
// handles what Chrome says, in order; the driver decides what to do next and
// waits for it. Both hold mu while they touch what is below it.
type visit struct {
	cfg  Config
	ch   *chrome
	req  Request
	in   *inbox
	bctx cdp.BrowserContextID
	// ahead is the context that was opened ahead; nil when it is the visit's own.
	ahead *opened
	// onLoaded, when not nil, is called when the page has loaded.
	onLoaded func()

	mu  sync.Mutex
	res *Result
	rec *recorder

	page     session   // the main page, once attached
	pageID   target.ID // also the main frame's id
	known    map[target.ID]target.SessionID
	kinds    map[target.SessionID]string // target types, of attached sessions
	ready    bool                        // the page can be sent off
	asked    bool                        // navigation was sent
	arrived  func()                      // tells that the site was reached
	navErr   string                      // what Page.navigate said
	navDone  bool
	download bool         // the page turned out to be one
	loader   cdp.LoaderID // of the document shown
	loaded   cdp.LoaderID // of the newest document whose load event fired
	// loadedAt is when the load event of the document loadedFor came.
	loadedFor cdp.LoaderID
	loadedAt  time.Time
	docs      int // documents shown, error pages not counted
	docURL    string
	mime      string
	errPage   bool // Chrome shows its own error page
	redirect  pendingRedirect
	apps      []string // where the page wanted to go that is not the web
	crashed   string   // what ended the page, "" while it lives
	hung      bool     // its scripts gave no sign of life and were stopped
	stuck     bool     // and it does not answer even so
	frames    map[cdp.FrameID]bool
	world     worldRef

	// Of the driver alone.
	scrolled time.Duration // how long scrolling took
	bottom   int           // how far down it went, in CSS pixels
	before   *reading      // what was read early, and did not stand
	window   browser.WindowID
	lowered  bool // the window has one row

	unread  int64         // messages of the browser that were undecodable before
	changed chan struct{} // one slot: something happened
}

// pendingRedirect is a navigation the page has announced (meta refresh).
type pendingRedirect struct {
	url string
	due time.Time
}

// newVisit begins a capture, in a context that was opened ahead when there is one.
func newVisit(cfg Config, ch *chrome, req Request, ahead *opened) *visit {
	v := &visit{
		cfg: cfg, ch: ch, req: req, in: newInbox(maxInbox),
		res:   &Result{URL: req.URL, FinalURL: req.URL, Started: cfg.Now().UTC()},
		rec:   newRecorder(req, cfg.Now),
		known: map[target.ID]target.SessionID{}, kinds: map[target.SessionID]string{},
		frames:  map[cdp.FrameID]bool{},
		changed: make(chan struct{}, 1), unread: ch.conn.undecodable.Load(),
	}
	if ahead != nil {
		v.ahead, v.in, v.bctx, v.window = ahead, ahead.in, ahead.bctx, ahead.window
		v.rec.req.ProxyAddr = ahead.proxy // as Chrome will know it
		ahead.relay.bind(req.ProxyAddr)
	}
	v.res.Browser, v.res.Flags, v.res.Sandboxed = ch.product, ch.flags, ch.sandboxed
	v.res.UserAgent, v.res.Viewport = ch.userAgent, req.viewport()
	if req.UserAgent != "" {
		v.res.UserAgent = req.UserAgent
	}
	return v
}

// errBrowser marks failures that are Chrome's own, not the page's: the capture
// may be made again in another Chrome.
var errBrowser = errors.New("the browser failed")

// run makes the capture, all but closing its context (see dispose). An error means that Chrome failed before anything of
// the page was seen, or was killed under it.
func (v *visit) run(ctx context.Context) (*Result, error) {
	stop := make(chan struct{})
	var pump sync.WaitGroup
	pump.Go(func() { v.pump(stop) })
	defer func() {
		close(stop)
		pump.Wait()
	}()

	deadline, cancel := context.WithTimeout(ctx, v.req.Deadline)
	defer cancel()
	p := newPhases(v.res)
	defer func() {
		if v.arrived != nil {
			v.arrived()
		}
	}()
	err := v.open(deadline)
	p.done("open")
	switch {
	case err == nil:
		if err := v.ask(deadline); err != nil {
			v.lock(func() { v.end(capture.Throttled, "the page was not asked for: "+err.Error()) })
			break
		}
		v.observe(ctx, deadline, p)
	case deadline.Err() != nil && v.ch.conn.lost() == nil:
		// Too slow is an outcome, not a broken browser. It may be one all the
		// same, so others get a new one.
		err = nil
		v.ch.sick.Store(true)
		v.lock(func() { v.end(capture.Timeout, "the browser opened no page before the capture's time was up") })
	}
	v.mu.Lock()
	v.finish()
	v.mu.Unlock()
	p.done("finish")
	if err == nil {
		err = v.ch.conn.lost()
	}
	if err != nil {
		return v.res, fmt.Errorf("%w: %w", errBrowser, err)
	}
	return v.res, nil
}

// pump handles what comes in until stop, and then what came before it.
func (v *visit) pump(stop <-chan struct{}) {
	for {
		for _, it := range v.in.take() {
			v.mu.Lock()
			if it.run != nil {
				it.run()
			} else {
				v.handle(it.msg)
			}
			v.mu.Unlock()
		}
		v.poke()
		select {
		case <-v.in.wake:
		case <-stop:
			return
		}
	}
}

func (v *visit) poke() {
	select {
	case v.changed <- struct{}{}:
	default:
	}
}

// waitFor waits until cond holds, the page or browser is gone, or ctx ends.
// cond runs under the lock; when it can come true by time alone it returns
// when to look again.
func (v *visit) waitFor(ctx context.Context, cond func() (ok bool, again time.Duration)) error {
	for {
		v.mu.Lock()
		ok, again := cond()
		gone := v.crashed
		v.mu.Unlock()
		switch {
		case ok:
			return nil
		case gone != "":
			return errors.New(gone)
		}
		if err := v.wait(ctx, again); err != nil {
			return err
		}
	}
}

// wait returns when something happened, or after a time when it is not zero.
func (v *visit) wait(ctx context.Context, most time.Duration) error {
	var tick <-chan time.Time
	if most > 0 {
		t := time.NewTimer(most)
		defer t.Stop()
		tick = t.C
	}
	select {
	case <-v.changed:
	case <-tick:
	case <-ctx.Done():
		return ctx.Err()
	case <-v.ch.conn.done:
		return v.ch.conn.lost()
	}
	return nil
}

// open makes the browser context and the page, unless they were made ahead, and
// waits until the page can be sent off.
func (v *visit) open(ctx context.Context) error {
	b := session{c: v.ch.conn}
	if v.ahead == nil {
		o, err := v.ch.open(ctx, v.in, v.req.ProxyAddr, v.req.Width, v.req.Height)
		if o != nil {
			v.bctx, v.window = o.bctx, o.window
		}
		if err != nil {
			return err
		}
	}
	if len(v.req.Cookies) > 0 {
		if _, err := call(ctx, b, storage.SetCookies, storage.SetCookiesParams{
			BrowserContextID: v.bctx, Cookies: cookieParams(v.req.Cookies),
		}); err != nil {
			return err
		}
	}
	return v.waitFor(ctx, func() (bool, time.Duration) { return v.ready, 0 })
}

// ask sends the page off, when it may.
func (v *visit) ask(ctx context.Context) error {
	if v.req.Gate != nil {
		arrived, err := v.req.Gate(ctx)
		if err != nil {
			return err
		}
		v.arrived = arrived
	}
	v.lock(func() {
		v.asked = true
		// The reply comes once the site has answered, or cannot be reached.
		post(v.page, page.Navigate, page.NavigateParams{URL: v.req.URL}, v.navigated)
	})
	return nil
}

func cookieParams(cs []Cookie) []*network.CookieParam {
	out := make([]*network.CookieParam, 0, len(cs))
	for _, c := range cs {
		path := c.Path
		if path == "" {
			path = "/"
		}
		out = append(out, &network.CookieParam{
			Name: c.Name, Value: c.Value, Domain: c.Domain, Path: path, Secure: c.Secure, HTTPOnly: c.HTTPOnly,
		})
	}
	return out
}

// dispose closes the context and all that is in it. A Chrome that cannot do
// that any more takes no new captures.
func (v *visit) dispose(ctx context.Context) {
	if v.bctx == "" {
		return
	}
	v.ch.conn.disown(v.bctx, v.in)
	// The capture is over even when its own context ended: clean up anyway.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), disposeTimeout)
	defer cancel()
	_, err := call(ctx, session{c: v.ch.conn}, target.DisposeBrowserContext,
		target.DisposeBrowserContextParams{BrowserContextID: v.bctx})
	if err != nil && v.ch.conn.lost() == nil {
		v.ch.sick.Store(true)
		v.cfg.Log.WarnContext(ctx, "a capture's browser context could not be closed; this Chrome takes no more", "error", err)
	}
}

// disposeTimeout bounds closing a context. A healthy one takes milliseconds.
const disposeTimeout = 5 * time.Second

// finish turns what was recorded into the result.
func (v *visit) finish() {
	r := v.res
	r.Exchanges = v.rec.close()
	r.Missing = append(r.Missing, v.rec.misses...)
	if n := v.in.lost(); n > 0 {
		r.miss("event", "", fmt.Sprintf("%d console or socket messages came faster than they could be kept", n))
	}
	if n := v.ch.conn.undecodable.Load() - v.unread; n > 0 {
		r.miss("event", "", fmt.Sprintf("%d messages of the browser, of this capture or another one, could not be read", n))
	}
	for _, err := range v.rec.kept.errs {
		v.cfg.Log.Warn("a body stays in memory", "error", err)
	}
	v.redirects()
	for _, u := range v.apps {
		r.Evidence = append(r.Evidence, "the page wanted to go to "+u+", which is no page of the web: it was not followed")
	}
	if m := v.mainExchange(); m != nil {
		r.Status = m.Status
		if v.download && len(r.Downloads) == 0 {
			note(&r.Downloads, m.URL) // its announcement came too late
		}
		if r.Outcome == "" && m.Status == 0 && m.Failure != nil {
			r.Outcome = m.Failure.Outcome
			r.Evidence = append(r.Evidence, "the page's request failed: "+m.Failure.Text)
		}
	}
	r.MediaType = v.mime
	r.Finished = v.cfg.Now().UTC()
	if a := pageInfo(v.docURL, r); a != nil {
		r.Artifacts = append(r.Artifacts, a)
	}
}

func (v *visit) mainExchange() *capture.Exchange {
	return (&capture.Capture{Exchanges: v.res.Exchanges}).Main()
}

// redirects lists the way from the URL asked for to the one shown: HTTP
// redirects by their status, those of the page as 0.
func (v *visit) redirects() {
	var prev *hop
	for _, h := range v.rec.order {
		if !h.isMain {
			continue
		}
		if prev != nil && prev.ex.URL != h.ex.URL {
			status := 0
			if prev.id == h.id {
				status = prev.ex.Status
			}
			v.res.Redirects = append(v.res.Redirects, capture.Redirect{From: prev.ex.URL, To: h.ex.URL, Status: status})
		}
		prev = h
	}
}

// phases measures the parts of a rendering.
type phases struct {
	res  *Result
	last time.Time
}

func newPhases(res *Result) *phases { return &phases{res, time.Now()} }

func (p *phases) done(name string) {
	now := time.Now()
	p.res.Phases = append(p.res.Phases, Phase{name, now.Sub(p.last)})
	p.last = now
}
