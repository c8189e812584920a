package render

import (
	"fmt"
	"time"

	"github.com/chromedp/cdproto/network"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// loadingFinished asks for the body at once: Chrome drops bodies when it needs
// the room, and a page's own when it leaves.
func (r *recorder) loadingFinished(s session, ev *network.EventLoadingFinished) {
	t := r.byID[ev.RequestID]
	if t == nil || t.last() == nil || t.last().done {
		return
	}
	h := t.last()
	r.finish(h, h.at(ev.Timestamp))
	if bodiless(h.ex) {
		return
	}
	if h.left {
		h.ex.Truncated, h.ex.MissingBody = "", "" // it came to its end after all
	}
	switch {
	case h.ex.Truncated == capture.ByLength:
		r.cut(h, capture.ByLength, fmt.Sprintf("the body is larger than the limit of %d bytes", r.req.MaxBodyBytes))
	case r.over:
		r.cut(h, capture.ByLength, fmt.Sprintf("all bodies together are larger than the limit of %d bytes", r.req.MaxTotalBytes))
	default:
		r.askBody(s, h)
	}
}

// bodiless reports whether an answer has no body by the rules of HTTP (RFC
// 9110 section 6.4.1).
func bodiless(e *capture.Exchange) bool {
	return e.Method == "HEAD" || e.Status == 204 || e.Status == 304 || e.Status/100 == 1
}

func (r *recorder) askBody(s session, h *hop) {
	r.bodies++
	h.asked, h.listens, h.heard = true, false, nil
	var ask func(s session, try int)
	ask = func(s session, try int) {
		post(s, network.GetResponseBody, network.GetResponseBodyParams{RequestID: h.id},
			func(res network.GetResponseBodyResult, err error) {
				switch recoded := err == nil && h.recoded(res); {
				case err != nil && h.sess.id != s.id:
					// The event came over another session than the answer did.
					ask(h.sess, try)
				case recoded && try < maxBodyTries:
					// The bytes are on their way from the network process; what
					// came is the page's own copy, as text.
					r.later(s, try, func() { ask(s, try+1) })
				default:
					r.body(h, res, err)
				}
			})
	}
	ask(s, 0)
}

const (
	maxBodyTries = 4
	bodyRetry    = 20 * time.Millisecond
)

// recoded reports whether what came is text that is not the bytes sent: Chrome
// decodes text by its charset and hands over UTF-8 without a byte order mark.
func (h *hop) recoded(res network.GetResponseBodyResult) bool {
	return !res.Base64encoded && h.received > 0 && int64(len(res.Body)) != h.received
}

func (r *recorder) body(h *hop, res network.GetResponseBodyResult, err error) {
	r.bodies--
	switch {
	case err == nil:
		h.ex.Body, h.ex.MissingBody = r.kept.keep(res.Body), ""
		if h.recoded(res) {
			r.miss("bytes", h.ex.URL, "the body is its text in UTF-8, because its bytes could not be had"+inCharset(h.charset))
		}
	case h.received == 0:
		// Nothing came, and Chrome keeps nothing of nothing.
		h.ex.Body, h.ex.MissingBody = capture.Bytes(nil), ""
	default:
		h.ex.MissingBody = "Chrome did not hand the body over: " + err.Error()
	}
}

func inCharset(c string) string {
	if c == "" {
		return ""
	}
	return ", sent as " + c
}

// dataReceived counts a body as it comes. One that grows beyond the limit is
// not waited for any more: it may have no end.
func (r *recorder) dataReceived(ev *network.EventDataReceived) {
	t := r.byID[ev.RequestID]
	if t == nil || t.last() == nil {
		return
	}
	h := t.last()
	h.received += ev.DataLength
	h.hear(ev)
	r.total += ev.DataLength
	r.over = r.over || r.total > r.req.MaxTotalBytes
	if h.received > r.req.MaxBodyBytes && h.ex.Truncated == "" && !h.done {
		r.landed(h)
		r.cut(h, capture.ByLength, fmt.Sprintf("the body is larger than the limit of %d bytes", r.req.MaxBodyBytes))
		r.takeHeard(h)
	}
}

// takeOpen asks for what there is of every body still on its way.
func (r *recorder) takeOpen(why capture.Truncation) {
	for _, h := range r.order {
		if !h.answered || h.done || h.asked || h.ex.Truncated != "" || bodiless(h.ex) || h.kind == network.ResourceTypeWebSocket {
			continue
		}
		r.cut(h, why, "still loading when the capture ended")
		if partly(h.kind) {
			r.takePart(h)
		} else {
			r.takeHeard(h)
		}
	}
}

// maxHeard bounds, in bytes, what is kept of one body while it comes.
const maxHeard = 8 << 20

// listen begins to listen in to a body that scripts read: of these Chrome gives
// out nothing until they are whole, and some never are. It must be asked for
// before the first byte comes; whether that was so is seen by the lengths.
func (r *recorder) listen(h *hop) {
	switch h.kind {
	case network.ResourceTypeEventSource, network.ResourceTypeXHR, network.ResourceTypeFetch:
		h.listens = true
		post(h.sess, network.StreamResourceContent, network.StreamResourceContentParams{RequestID: h.id}, nil)
	}
}

// hear takes a piece of a body that is listened to.
func (h *hop) hear(ev *network.EventDataReceived) {
	if !h.listens || len(h.heard) >= maxHeard {
		return
	}
	if int64(len(ev.Data)) != ev.DataLength {
		h.listens, h.heard = false, nil // there is a hole
		return
	}
	h.heard = append(h.heard, ev.Data...)
}

// takeHeard makes what was heard of an unfinished body its part.
func (r *recorder) takeHeard(h *hop) {
	if len(h.heard) > 0 {
		h.ex.MissingBody = ""
		h.ex.Body = r.kept.keep(h.heard[:min(int64(len(h.heard)), r.req.MaxBodyBytes)])
	}
	h.listens, h.heard = false, nil
}

// partly reports whether Chrome gives out unfinished bodies of a kind.
func partly(t network.ResourceType) bool {
	switch t {
	case network.ResourceTypeImage, network.ResourceTypeStylesheet, network.ResourceTypeScript, network.ResourceTypeFont:
		return true
	}
	return false
}

func (r *recorder) takePart(h *hop) {
	r.bodies++
	h.asked = true
	post(h.sess, network.GetResponseBody, network.GetResponseBodyParams{RequestID: h.id},
		func(res network.GetResponseBodyResult, err error) {
			r.bodies--
			if err != nil || len(res.Body) == 0 {
				return // MissingBody says why
			}
			h.ex.MissingBody = ""
			h.ex.Body = r.kept.keep(res.Body[:min(int64(len(res.Body)), r.req.MaxBodyBytes)])
			if h.recoded(res) {
				r.miss("bytes", h.ex.URL, "the part is text in UTF-8, because its bytes could not be had"+inCharset(h.charset))
			}
		})
}

// takeLeft asks for a body whose end may not be announced any more. As bytes it
// comes from the network process, which gives out whole bodies only.
func (r *recorder) takeLeft(h *hop) {
	r.bodies++
	h.asked = true
	var ask func(try int)
	ask = func(try int) {
		post(h.sess, network.GetResponseBody, network.GetResponseBodyParams{RequestID: h.id},
			func(res network.GetResponseBodyResult, err error) {
				if err != nil && try < maxBodyTries {
					r.later(h.sess, try, func() { ask(try + 1) })
					return
				}
				r.bodies--
				if err != nil || h.recoded(res) {
					return
				}
				h.ex.Body, h.ex.Truncated, h.ex.MissingBody = r.kept.keep(res.Body), "", ""
				if !h.done {
					r.finish(h, r.now().UTC())
				}
			})
	}
	ask(0)
}

// later runs do in order with the events of a session, after a time that grows
// with each try.
func (r *recorder) later(s session, try int, do func()) {
	time.AfterFunc(bodyRetry<<try, func() { s.in.put(item{run: do}) })
}

// cut says that a body is not whole.
func (r *recorder) cut(h *hop, how capture.Truncation, why string) {
	h.ex.Truncated = how
	h.ex.MissingBody = fmt.Sprintf("%s, after %d bytes", why, h.received)
}

// endlessKind reports whether a kind of exchange has no end by its nature.
func endlessKind(t network.ResourceType) bool {
	return t == network.ResourceTypeWebSocket || t == network.ResourceTypeEventSource
}
