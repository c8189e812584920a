package render

import (
	"context"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/target"
)

// spareAge is how long a context that nobody takes is kept: it costs a process.
const spareAge = 2 * time.Minute

// maxInbox bounds, in bytes, what a page can fill an inbox with.
const maxInbox = 64 << 20

// opened is a browser context with its page, which is halted before it does
// anything, and where both say what happens. It is for one capture.
type opened struct {
	ch    *chrome
	bctx  cdp.BrowserContextID
	in    *inbox
	proxy string // address, as Chrome knows it
	// window is the page's, 0 when it has none of its own.
	window browser.WindowID
	relay  *relay // nil when proxy is the capture's own
}

// open makes a context whose traffic goes to a proxy, and a page in it. What is
// not nil must be closed, on an error too.
func (ch *chrome) open(ctx context.Context, in *inbox, proxy string, width, height int) (*opened, error) {
	b := session{c: ch.conn}
	bc, err := call(ctx, b, target.CreateBrowserContext, target.CreateBrowserContextParams{
		ProxyServer:     "http://" + proxy,
		ProxyBypassList: "<-loopback>",
	})
	if err != nil {
		return nil, err
	}
	o := &opened{ch: ch, bctx: bc.BrowserContextID, in: in, proxy: proxy}
	ch.conn.own(o.bctx, o.in)
	yes := true
	post(b, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorDeny, BrowserContextID: o.bctx, EventsEnabled: &yes,
	}, nil)
	t, err := call(ctx, b, target.CreateTarget, target.CreateTargetParams{
		URL: "about:blank", BrowserContextID: o.bctx, Width: int64(width), Height: int64(height),
	})
	if err == nil {
		o.window = ch.windowOf(ctx, t.TargetID)
	}
	return o, err
}

// prepare opens a context ahead, in the background, while the capture that has
// just loaded is read out: a new one's process takes a tenth of a capture.
func (r *Renderer) prepare(ch *chrome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.cur != ch || len(r.spares)+r.preparing >= r.cfg.MaxContexts {
		return
	}
	r.preparing++
	r.ending.Go(func() {
		o := r.openSpare(ch)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.preparing--
		switch {
		case o == nil:
		case r.closed || r.cur != ch:
			r.shut(o)
		default:
			r.spares = append(r.spares, o)
			time.AfterFunc(spareAge, func() { r.discard(o) })
		}
	})
}

// openSpare gives nil when it cannot be done: a capture then opens its own, and
// sees why not.
func (r *Renderer) openSpare(ch *chrome) *opened {
	ctx, cancel := context.WithTimeout(context.Background(), r.cfg.StepTimeout)
	defer cancel()
	re, err := newRelay()
	if err != nil {
		return nil
	}
	r.ownPort(re, true)
	def := Request{}.withDefaults()
	o, err := ch.open(ctx, newInbox(maxInbox), re.addr(), def.Width, def.Height)
	if o == nil {
		o = &opened{ch: ch}
	}
	o.relay = re
	if err != nil {
		r.shut(o)
		return nil
	}
	return o
}

func (r *Renderer) ownPort(re *relay, open bool) {
	if r.cfg.OwnPort != nil {
		r.cfg.OwnPort(re.port(), open)
	}
}

// spare takes a context that was opened ahead in this Chrome; nil for none.
func (r *Renderer) spare(ch *chrome) *opened {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, o := range r.spares {
		if o.ch == ch {
			r.spares = append(r.spares[:i:i], r.spares[i+1:]...)
			return o
		}
	}
	return nil
}

// shut ends what a context has outside of Chrome. Contexts that were never used
// are not worth a wait: Chrome is told, and ends them or itself.
func (r *Renderer) shut(o *opened) {
	if o.relay != nil {
		o.relay.close()
		r.ownPort(o.relay, false)
	}
	if o.bctx != "" {
		o.ch.conn.disown(o.bctx, o.in)
		post(session{c: o.ch.conn}, target.DisposeBrowserContext, target.DisposeBrowserContextParams{BrowserContextID: o.bctx}, nil)
	}
}

// discard drops a spare context, if it is still one.
func (r *Renderer) discard(o *opened) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, s := range r.spares {
		if s == o {
			r.spares = append(r.spares[:i:i], r.spares[i+1:]...)
			r.shut(o)
			return
		}
	}
}

// discardAll drops the spare contexts of a Chrome, or of all when it is nil. The
// lock is held.
func (r *Renderer) discardAll(ch *chrome) {
	keep := r.spares[:0]
	for _, o := range r.spares {
		if ch != nil && o.ch != ch {
			keep = append(keep, o)
			continue
		}
		r.shut(o)
	}
	clear(r.spares[len(keep):])
	r.spares = keep
}
