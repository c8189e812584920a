package render

import (
	"fmt"
	"strings"

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
	switch {
	case h.received > r.req.MaxBodyBytes:
		h.ex.Truncated = capture.ByLength
		h.ex.MissingBody = fmt.Sprintf("the body of %d bytes is larger than the limit of %d", h.received, r.req.MaxBodyBytes)
	case r.over:
		h.ex.Truncated = capture.ByLength
		h.ex.MissingBody = fmt.Sprintf("all bodies together are larger than the limit of %d bytes", r.req.MaxTotalBytes)
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
	h.asked = true
	post(s, network.GetResponseBody, network.GetResponseBodyParams{RequestID: h.id},
		func(res network.GetResponseBodyResult, err error) {
			if err != nil && h.sess.id != s.id {
				// The event came over another session than the answer did.
				post(h.sess, network.GetResponseBody, network.GetResponseBodyParams{RequestID: h.id},
					func(res network.GetResponseBodyResult, err error) { r.body(h, res, err) })
				return
			}
			r.body(h, res, err)
		})
}

func (r *recorder) body(h *hop, res network.GetResponseBodyResult, err error) {
	r.bodies--
	switch {
	case err == nil:
		h.ex.Body = r.kept.keep(res.Body)
		h.text = !res.Base64encoded
		if h.text && int64(len(res.Body)) != h.received && !utf8Charset(h.charset) {
			r.miss("bytes", h.ex.URL, fmt.Sprintf("only the text of the body could be had, not its bytes in %s", h.charset))
		}
	case h.received == 0:
		// Nothing came, and Chrome keeps nothing of nothing.
		h.ex.Body = capture.Bytes(nil)
	default:
		h.ex.MissingBody = "Chrome did not hand the body over: " + err.Error()
	}
}

func utf8Charset(c string) bool {
	return c == "" || strings.EqualFold(c, "utf-8") || strings.EqualFold(c, "us-ascii")
}
