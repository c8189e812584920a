package render

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// recorder turns the Network events of all sessions of one capture into
// exchanges. Request ids are unique within a browser, and one request's events
// may come over several sessions (a worker's script is asked for by the page
// and answered to the worker), so there is one table for all.
//
// It is not safe for concurrent use; the visit's lock guards it.
type recorder struct {
	req       Request
	mainFrame cdp.FrameID
	now       func() time.Time

	byID  map[network.RequestID]*tracked
	order []*hop
	// inFlight holds the hops that settling waits for.
	inFlight map[*hop]bool
	// idleSince is when inFlight last became empty, on the monotonic clock.
	idleSince time.Time
	// moves counts what begins and ends in inFlight.
	moves int

	chains                 map[string][][]byte // by origin; nil value: asked for
	messages, messageBytes int                 // of all sockets, kept

	bodies int   // body requests not answered yet
	total  int64 // bytes of bodies announced so far
	over   bool  // total is beyond MaxTotalBytes
	// stopped is why we stopped loading, when we did.
	stopped capture.Truncation
	kept    *keeper
	misses  []capture.Missing
}

func newRecorder(req Request, now func() time.Time) *recorder {
	return &recorder{
		req: req, now: now, byID: map[network.RequestID]*tracked{}, inFlight: map[*hop]bool{},
		idleSince: time.Now(), chains: map[string][][]byte{}, kept: &keeper{dir: req.SpoolDir},
	}
}

// tracked is all that carries one request id: the hops of a redirect chain.
type tracked struct {
	hops []*hop
	// The ExtraInfo events carry the true headers. They come in hop order,
	// before or after the events they belong to.
	sent []*network.EventRequestWillBeSentExtraInfo
	got  []*network.EventResponseReceivedExtraInfo
}

func (t *tracked) last() *hop {
	if len(t.hops) == 0 {
		return nil
	}
	return t.hops[len(t.hops)-1]
}

// hop is one exchange in the making.
type hop struct {
	id   network.RequestID
	sess session // where its body can be asked for
	ex   *capture.Exchange
	kind network.ResourceType
	// clock is wall time minus Chrome's monotonic time.
	clock    float64
	extra    bool // ExtraInfo events exist for it
	done     bool
	answered bool
	isMain   bool
	remoteIP string
	port     int64
	left     bool  // it belongs to a document the page has left
	asked    bool  // its body was asked for
	received int64 // body bytes, decoded
	charset  string
	listens  bool   // its body is listened to as it comes
	heard    []byte // what came of it

	// Of a socket.
	messages  []byte
	leftOut   [2]int // messages, received and sent
	leftBytes int64
}

func (r *recorder) get(id network.RequestID) *tracked {
	t := r.byID[id]
	if t == nil {
		t = &tracked{}
		r.byID[id] = t
	}
	return t
}

// recorded reports whether a URL is one that goes over the network; data, blob
// and the browser's own do not.
func recordedURL(u string) bool {
	for _, p := range []string{"http://", "https://", "ws://", "wss://"} {
		if len(u) >= len(p) && strings.EqualFold(u[:len(p)], p) {
			return true
		}
	}
	return false
}

func (r *recorder) requestWillBeSent(s session, ev *network.EventRequestWillBeSent) *hop {
	t := r.get(ev.RequestID)
	clock := float64(ev.WallTime) - float64(ev.Timestamp)
	if last := t.last(); last != nil {
		if ev.RedirectResponse == nil {
			return nil // told twice: a service worker's script, over two sessions
		}
		r.response(last, ev.RedirectResponse, ev.RedirectHasExtraInfo)
		r.finish(last, wall(float64(ev.Timestamp)+clock))
	}
	if ev.Request == nil || !recordedURL(ev.Request.URL) {
		return nil
	}
	h := &hop{
		id: ev.RequestID, sess: s, kind: ev.Type, clock: clock,
		isMain: ev.Type == network.ResourceTypeDocument && ev.FrameID == r.mainFrame,
		ex: &capture.Exchange{
			ID: r.req.NewID(), Via: "chrome", Kind: kindOf(ev.Type),
			Started: wall(float64(ev.WallTime)), Method: ev.Request.Method, URL: ev.Request.URL,
			RequestHeader: headerOf(ev.Request.Headers), Decoded: true,
		},
	}
	h.ex.Main = h.isMain
	r.posted(h, ev.Request)
	t.hops = append(t.hops, h)
	r.order = append(r.order, h)
	r.listen(h)
	if waitsFor(ev.Type) {
		r.inFlight[h] = true
		r.moves++
	}
	return h
}

func (r *recorder) posted(h *hop, q *network.Request) {
	if !q.HasPostData {
		return
	}
	var b []byte
	for _, e := range q.PostDataEntries {
		b = append(b, e.Bytes...)
	}
	if b == nil {
		r.miss("request body", h.ex.URL, "Chrome did not hand over what was posted")
		return
	}
	h.ex.RequestBody = r.kept.keep(b)
}

func (r *recorder) responseReceived(s session, ev *network.EventResponseReceived) *hop {
	if ev.Response == nil {
		return nil
	}
	t := r.get(ev.RequestID)
	h := t.last()
	if h == nil {
		if !recordedURL(ev.Response.URL) {
			return nil
		}
		// Its request was never announced. Say so, and keep what is known.
		h = &hop{
			id: ev.RequestID, kind: ev.Type, clock: float64(r.now().UnixNano())/1e9 - float64(ev.Timestamp),
			ex: &capture.Exchange{
				ID: r.req.NewID(), Via: "chrome", Kind: kindOf(ev.Type), Started: r.now(),
				Method: "GET", URL: ev.Response.URL, Decoded: true,
			},
		}
		t.hops = append(t.hops, h)
		r.order = append(r.order, h)
		r.miss("event", h.ex.URL, "the browser announced a response without its request")
	}
	if h.done {
		return nil
	}
	h.sess = s
	if ev.Type != "" && ev.Type != h.kind {
		h.kind, h.ex.Kind = ev.Type, kindOf(ev.Type)
		if !waitsFor(ev.Type) {
			r.landed(h)
		}
	}
	r.response(h, ev.Response, ev.HasExtraInfo)
	return h
}

// response fills in what an answer says.
func (r *recorder) response(h *hop, p *network.Response, extra bool) {
	h.answered, h.extra, h.charset = true, extra, p.Charset
	e := h.ex
	e.Status, e.StatusText = int(p.Status), p.StatusText
	e.Protocol = p.Protocol
	e.ResponseHeader = headerOf(p.Headers)
	e.FromCache = e.FromCache || p.FromDiskCache || p.FromPrefetchCache || p.FromServiceWorker
	h.remoteIP, h.port = p.RemoteIPAddress, p.RemotePort
	if len(p.RequestHeaders) > 0 {
		e.RequestHeader = headerOf(p.RequestHeaders)
	}
	if d := p.SecurityDetails; d != nil {
		e.TLS = &capture.TLS{Version: d.Protocol, Cipher: d.Cipher, ALPN: p.Protocol}
	}
}

// finish ends a hop that came to its end.
func (r *recorder) finish(h *hop, at time.Time) {
	h.done = true
	h.ex.Finished = at
	r.landed(h)
}

// movedOn is told that the main frame shows the document of a loader. What the
// document before it was loading may never be spoken of again: it is not waited
// for, and what there is of it is asked for now.
func (r *recorder) movedOn(loader cdp.LoaderID) {
	shown := slices.IndexFunc(r.order, func(h *hop) bool { return string(h.id) == string(loader) })
	for _, h := range r.order[:max(shown, 0)] {
		if string(h.id) == string(loader) || h.left {
			continue
		}
		h.left = true
		r.landed(h)
		if !h.done && h.answered && h.ex.Truncated == "" && !h.asked && !bodiless(h.ex) && !endlessKind(h.kind) {
			r.cut(h, capture.ByDisconnect, "the page moved on before it had loaded this")
			r.takeLeft(h)
		}
	}
}

func (r *recorder) landed(h *hop) {
	if r.inFlight[h] {
		delete(r.inFlight, h)
		r.moves++
		if len(r.inFlight) == 0 {
			r.idleSince = time.Now()
		}
	}
}

func (r *recorder) loadingFailed(ev *network.EventLoadingFailed) *hop {
	t := r.byID[ev.RequestID]
	if t == nil || t.last() == nil || t.last().done {
		return nil
	}
	h := t.last()
	r.finish(h, h.at(ev.Timestamp))
	text := ev.ErrorText
	if ev.BlockedReason != "" {
		text += " (" + string(ev.BlockedReason) + ")"
	}
	if ev.CorsErrorStatus != nil {
		text += " (CORS: " + string(ev.CorsErrorStatus.CorsError) + ")"
	}
	h.ex.Failure = &capture.Failure{Outcome: outcomeOf(ev.ErrorText), Text: text}
	if !h.answered || h.ex.Truncated != "" || bodiless(h.ex) {
		return h
	}
	if r.stopped != "" && ev.Canceled {
		r.cut(h, r.stopped, "loading was stopped by us")
	} else {
		r.cut(h, capture.ByDisconnect, "the transfer ended early: "+text)
	}
	if partly(h.kind) {
		r.takePart(h)
	} else {
		r.takeHeard(h)
	}
	return h
}

// at converts Chrome's monotonic time.
func (h *hop) at(t cdp.MonotonicTime) time.Time { return wall(float64(t) + h.clock) }

// wall converts seconds since 1970.
func wall(sec float64) time.Time {
	return time.UnixMicro(int64(sec * 1e6)).UTC()
}

func (r *recorder) miss(what, url, reason string) {
	r.misses = append(r.misses, capture.Missing{What: what, URL: url, Reason: reason})
}

// close ends the recording: what is still going on is said to be.
func (r *recorder) close() []*capture.Exchange {
	now := r.now().UTC()
	for _, t := range r.byID {
		t.join()
	}
	out := make([]*capture.Exchange, 0, len(r.order))
	for _, h := range r.order {
		r.seal(h, now)
		out = append(out, h.ex)
	}
	slices.SortStableFunc(out, func(a, b *capture.Exchange) int { return a.Started.Compare(b.Started) })
	return out
}

// join gives each hop its true headers. A hop served from a cache has none.
func (t *tracked) join() {
	sent, got := t.sent, t.got
	for i, h := range t.hops {
		// Of a request that was never answered nobody says whether it has
		// ExtraInfo; what is left over is its.
		open := i == len(t.hops)-1 && !h.answered
		if (h.extra || open) && len(sent) > 0 {
			h.ex.RequestHeader = headerOf(sent[0].Headers)
			sent = sent[1:]
		}
		if (h.extra || open) && len(got) > 0 {
			h.trueResponse(got[0])
			got = got[1:]
		}
	}
}

func (h *hop) trueResponse(x *network.EventResponseReceivedExtraInfo) {
	e := h.ex
	if x.StatusCode == 304 && e.Status == 200 {
		// Asked again and not changed: what Chrome shows is its own copy.
		e.FromCache = true
		return
	}
	e.ResponseHeader = headerOf(x.Headers)
	if x.HeadersText != "" {
		if proto, text, fields, ok := parseHead(x.HeadersText); ok {
			e.ResponseHeader, e.StatusText = fields, text
			if e.Protocol == "" {
				e.Protocol = proto
			}
		}
	}
	if e.Status == 0 {
		e.Status = int(x.StatusCode) // answered, but kept from the page by CORS rules
	}
}

func (r *recorder) seal(h *hop, now time.Time) {
	e := h.ex
	if !h.done && h.kind != network.ResourceTypeWebSocket {
		e.Finished = now
		if h.answered {
			if e.Truncated == "" {
				r.cut(h, capture.ByTime, "still going on when the capture ended")
			}
		} else if e.Failure == nil {
			e.Failure = &capture.Failure{Outcome: capture.Timeout, Text: "no answer when the capture ended"}
		}
	}
	if e.Finished.IsZero() {
		e.Finished = now
	}
	if e.Finished.Before(e.Started) {
		e.Finished = e.Started
	}
	r.peer(h)
	r.closeSocket(h)
	if e.TLS != nil {
		if o := originOf(e.URL); o != "" {
			e.TLS.Chain = r.chains[o]
		}
	}
	switch {
	case endlessKind(h.kind): // there is no whole of it that could be missing
	case e.MissingBody != "":
		r.miss("body", e.URL, e.MissingBody)
	case e.Truncated != "":
		r.miss("body", e.URL, fmt.Sprintf("the body is cut after %d bytes (%s)", e.Body.Size(), e.Truncated))
	}
}
