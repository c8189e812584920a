package render

import (
	"encoding/base64"
	"fmt"

	"github.com/chromedp/cdproto/network"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// socketEvent is what all events of a WebSocket have; what the frames carry is
// not kept.
type socketEvent struct {
	RequestID network.RequestID `json:"requestId"`
}

func (r *recorder) socketCreated(s session, ev *network.EventWebSocketCreated) {
	if !recordedURL(ev.URL) {
		return
	}
	h := &hop{id: ev.RequestID, sess: s, kind: network.ResourceTypeWebSocket,
		ex: &capture.Exchange{ID: r.req.NewID(), Via: "chrome", Kind: "websocket", Started: r.now().UTC(),
			Method: "GET", URL: ev.URL, Decoded: true}}
	t := r.get(ev.RequestID)
	t.hops = append(t.hops, h)
	r.order = append(r.order, h)
}

func (r *recorder) socket(id network.RequestID) *hop {
	if t := r.byID[id]; t != nil {
		return t.last()
	}
	return nil
}

func (r *recorder) socketAsks(ev *network.EventWebSocketWillSendHandshakeRequest) {
	if h := r.socket(ev.RequestID); h != nil && ev.Request != nil {
		h.clock = float64(ev.WallTime) - float64(ev.Timestamp)
		h.ex.Started = wall(float64(ev.WallTime))
		h.ex.RequestHeader = headerOf(ev.Request.Headers)
	}
}

func (r *recorder) socketAnswered(ev *network.EventWebSocketHandshakeResponseReceived) {
	h := r.socket(ev.RequestID)
	if h == nil || ev.Response == nil {
		return
	}
	h.answered = true
	e := h.ex
	e.Status, e.StatusText, e.Protocol = int(ev.Response.Status), ev.Response.StatusText, "http/1.1"
	e.ResponseHeader = headerOf(ev.Response.Headers)
	if _, _, fields, ok := parseHead(ev.Response.HeadersText); ok {
		e.ResponseHeader = fields
	}
	if len(ev.Response.RequestHeaders) > 0 {
		e.RequestHeader = headerOf(ev.Response.RequestHeaders)
	}
	e.Finished = h.at(ev.Timestamp)
}

func (r *recorder) socketFrame(id network.RequestID, way int) {
	if h := r.socket(id); h != nil {
		h.frames[way]++
		h.ex.MissingBody = fmt.Sprintf("the messages of a WebSocket are counted, not kept: %d received, %d sent", h.frames[0], h.frames[1])
	}
}

func (r *recorder) socketError(ev *network.EventWebSocketFrameError) {
	if h := r.socket(ev.RequestID); h != nil && h.ex.Failure == nil {
		h.ex.Failure = &capture.Failure{Outcome: capture.ConnectFailed, Text: ev.ErrorMessage}
	}
}

func (r *recorder) socketClosed(ev *network.EventWebSocketClosed) {
	if h := r.socket(ev.RequestID); h != nil {
		h.done = true
		h.ex.Finished = h.at(ev.Timestamp)
		if !h.answered && h.ex.Failure == nil {
			h.ex.Failure = &capture.Failure{Outcome: capture.ConnectFailed, Text: "the WebSocket was closed without an answer"}
		}
	}
}

// chain keeps an origin's certificates, which CDP gives as base64 of DER.
func (r *recorder) chain(origin string, b64 []string, err error) {
	if err != nil {
		r.miss("certificate", origin, err.Error())
		return
	}
	var ders [][]byte
	for _, s := range b64 {
		der, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			r.miss("certificate", origin, "Chrome handed over a certificate that is not base64")
			return
		}
		ders = append(ders, der)
	}
	r.chains[origin] = ders
}
