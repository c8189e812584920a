package render

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"

	"github.com/trawlmark/trawlmark/archive/capture"
)

func (r *recorder) socketCreated(s session, ev *network.EventWebSocketCreated) {
	if !recordedURL(ev.URL) {
		return
	}
	h := &hop{
		id: ev.RequestID, sess: s, kind: network.ResourceTypeWebSocket,
		ex: &capture.Exchange{
			ID: r.req.NewID(), Via: "chrome", Kind: "websocket", Started: r.now().UTC(),
			Method: "GET", URL: ev.URL, Decoded: true,
		},
	}
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

// The messages of all sockets of a capture are kept up to these bounds; what is
// beyond is counted.
const (
	maxMessages     = 10_000
	maxMessageBytes = 4 << 20
)

// message is a line of Exchange.Messages. Text has what came as text, Base64
// what did not.
type message struct {
	At     string  `json:"at"`
	Way    string  `json:"way"`    // "received" or "sent"
	Opcode int     `json:"opcode"` // RFC 6455 section 5.2
	Text   *string `json:"text,omitempty"`
	Base64 []byte  `json:"base64,omitempty"`
}

// left is the last line when messages were left out.
type left struct {
	LeftOut struct {
		Received int   `json:"received"`
		Sent     int   `json:"sent"`
		Bytes    int64 `json:"bytes"`
	} `json:"leftOut"`
}

var ways = [2]string{"received", "sent"}

func (r *recorder) socketFrame(id network.RequestID, way int, at cdp.MonotonicTime, f *network.WebSocketFrame) {
	h := r.socket(id)
	if h == nil || f == nil {
		return
	}
	if r.messages >= maxMessages || r.messageBytes+len(f.PayloadData) > maxMessageBytes {
		h.leftOut[way]++
		h.leftBytes += int64(len(f.PayloadData))
		return
	}
	r.messages++
	r.messageBytes += len(f.PayloadData)
	m := message{At: h.at(at).Format(time.RFC3339Nano), Way: ways[way], Opcode: int(f.Opcode)}
	if text := string(f.PayloadData); f.Opcode == 1 && utf8.ValidString(text) {
		m.Text = &text
	} else {
		m.Base64 = f.PayloadData
	}
	h.line(r, m)
}

// line appends to a socket's messages.
func (h *hop) line(r *recorder, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		r.miss("messages", h.ex.URL, err.Error())
		return
	}
	h.messages = append(append(h.messages, b...), '\n')
}

// closeSocket makes the messages of a socket part of its exchange.
func (r *recorder) closeSocket(h *hop) {
	if n := h.leftOut[0] + h.leftOut[1]; n > 0 {
		var l left
		l.LeftOut.Received, l.LeftOut.Sent, l.LeftOut.Bytes = h.leftOut[0], h.leftOut[1], h.leftBytes
		h.line(r, l)
		r.miss("messages", h.ex.URL, fmt.Sprintf("%d messages of the WebSocket, %d bytes, came after the limit of %d messages or %d bytes", n, h.leftBytes, maxMessages, maxMessageBytes))
	}
	if len(h.messages) > 0 {
		h.ex.Messages = r.kept.keep(h.messages)
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
