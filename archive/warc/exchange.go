package warc

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// revisitProfile is that of WARC 1.1 section 6.7.2.
const revisitProfile = "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"

func (x *writer) exchanges(ctx context.Context) error {
	for _, e := range x.c.Exchanges {
		if err := x.exchange(ctx, e); err != nil {
			return fmt.Errorf("exchange %s: %w", e.ID, err)
		}
	}
	return nil
}

// exchange writes response and request next to each other, in that order,
// because readers pair only neighbours. Where no response came the request
// stands first, so that a metadata record, and no later response of the same
// URL, is what follows it.
func (x *writer) exchange(ctx context.Context, e *capture.Exchange) error {
	if e.ID.IsZero() || e.URL == "" {
		return fmt.Errorf("it has no id or no URL")
	}
	if e.Status == 0 {
		if e.Body != nil {
			return fmt.Errorf("it has a body and no status")
		}
		if err := x.request(ctx, e); err != nil {
			return err
		}
		return x.failure(ctx, e, e.ID)
	}
	if err := x.response(ctx, e); err != nil {
		return err
	}
	if err := x.request(ctx, e); err != nil {
		return err
	}
	if e.Failure != nil || e.MissingBody != "" {
		if err := x.failure(ctx, e, x.opt.NewID()); err != nil {
			return err
		}
	}
	if err := x.messages(ctx, e); err != nil {
		return err
	}
	return x.chain(ctx, e)
}

// messages writes what a WebSocket carried, as a record about its handshake.
func (x *writer) messages(ctx context.Context, e *capture.Exchange) error {
	if e.Messages == nil || e.Messages.Size() == 0 {
		return nil
	}
	r := x.start(TypeMetadata, x.opt.NewID(), e.URL, e.Started)
	r.field("WARC-Refers-To", "<"+e.ID.URN()+">")
	r.field("WARC-Concurrent-To", "<"+e.ID.URN()+">")
	r.media, r.body = "application/x-ndjson", e.Messages
	return x.write(ctx, r)
}

func (x *writer) response(ctx context.Context, e *capture.Exchange) error {
	r := x.start(TypeResponse, e.ID, e.URL, e.Started)
	x.seen(r, e)
	head, err := responseHead(&r.notes, e)
	if err != nil {
		return err
	}
	r.media, r.head, r.body, r.payload = "application/http; msgtype=response", head, e.Body, true
	typ := e.ResponseHeader.Get("Content-Type")
	encoding := ""
	if !e.Decoded {
		encoding = e.ResponseHeader.Get("Content-Encoding")
	}
	r.squeezed = squeezed(typ, encoding)
	r.entry.Status, r.entry.MediaType = e.Status, essence(typ)
	r.entry.Truncated = e.Truncated
	if e.MissingBody != "" && e.Truncated == capture.Whole {
		r.entry.Truncated = capture.ByUnknown
	}
	if err := x.revisit(ctx, r, e); err != nil {
		return err
	}
	if r.entry.Truncated != capture.Whole {
		r.field("WARC-Truncated", string(r.entry.Truncated))
	}
	if err := x.lookup(&r.entry, e); err != nil {
		return err
	}
	if err := x.write(ctx, r); err != nil {
		return err
	}
	if !r.refersTo {
		x.payload[x.index.Records[len(x.index.Records)-1].Payload]++
	}
	return nil
}

// revisit turns a response into a revisit when its payload is kept elsewhere.
func (x *writer) revisit(ctx context.Context, r *record, e *capture.Exchange) error {
	if x.opt.Dedupe == nil || e.Body == nil || e.Body.Size() == 0 || r.entry.Truncated != capture.Whole {
		return nil
	}
	s, err := x.measure(ctx, r)
	if err != nil {
		return err
	}
	o, same := x.opt.Dedupe(r.target, s.payload)
	if !same {
		return nil
	}
	if !o.whole() {
		return fmt.Errorf("the original that a revisit refers to needs an id, a target and a date")
	}
	r.typ, r.refersTo = TypeRevisit, true
	r.field("WARC-Profile", revisitProfile)
	r.field("WARC-Refers-To", "<"+o.Record.URN()+">")
	r.field("WARC-Refers-To-Target-URI", r.notes.target(o.Target))
	r.field("WARC-Refers-To-Date", o.Date.UTC().Format(dateLayout))
	r.entry.Truncated = capture.ByLength // section 6.7.2: the block is cut after the head
	return nil
}

func (x *writer) request(ctx context.Context, e *capture.Exchange) error {
	r := x.start(TypeRequest, x.opt.NewID(), e.URL, e.Started)
	r.field("WARC-Concurrent-To", "<"+e.ID.URN()+">")
	if ip := peer(e.Remote); ip != "" {
		r.field("WARC-IP-Address", ip)
	}
	head, err := requestHead(&r.notes, e, r.target)
	if err != nil {
		return err
	}
	r.media, r.head, r.body, r.payload = "application/http; msgtype=request", head, e.RequestBody, e.RequestBody != nil
	return x.write(ctx, r)
}

// failure writes why there is no answer, or no whole one. Without a response
// the record has the exchange's own id; else it refers to the response.
func (x *writer) failure(ctx context.Context, e *capture.Exchange, id capture.ID) error {
	at := e.Finished
	if at.IsZero() {
		at = e.Started
	}
	r := x.start(TypeMetadata, id, e.URL, at)
	if id == e.ID {
		x.seen(r, e)
		if e.Truncated != capture.Whole {
			r.field("WARC-Truncated", string(e.Truncated))
			r.entry.Truncated = e.Truncated
		}
	} else {
		r.field("WARC-Refers-To", "<"+e.ID.URN()+">")
		r.field("WARC-Concurrent-To", "<"+e.ID.URN()+">")
	}
	fields := []capture.Field{}
	switch {
	case e.Failure != nil:
		fields = append(fields, capture.Field{Name: "outcome", Value: string(e.Failure.Outcome)},
			capture.Field{Name: "error", Value: e.Failure.Text})
	case e.Status == 0:
		fields = append(fields, capture.Field{Name: "error", Value: "no response came before the visit ended"})
	}
	fields = append(fields, capture.Field{Name: "missing-body", Value: e.MissingBody},
		capture.Field{Name: "truncated", Value: string(e.Truncated)},
		capture.Field{Name: "started", Value: stamp(e.Started)}, capture.Field{Name: "finished", Value: stamp(e.Finished)})
	r.media, r.head = "application/warc-fields", r.warcFields(fields)
	return x.write(ctx, r)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(dateLayout)
}

// chain writes the certificates of the connection that served an exchange,
// once per host, port and chain.
func (x *writer) chain(ctx context.Context, e *capture.Exchange) error {
	if e.TLS == nil || len(e.TLS.Chain) == 0 {
		return nil
	}
	var b bytes.Buffer
	for _, der := range e.TLS.Chain {
		if err := pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
			return err
		}
	}
	target := "urn:tls:" + hostPort(percent(e.URL), e.Remote)
	key := target + " " + capture.Sum(b.Bytes()).String()
	if x.chains[key] {
		return nil
	}
	x.chains[key] = true
	r := x.start(TypeMetadata, x.opt.NewID(), target, e.Started)
	r.field("WARC-Concurrent-To", "<"+e.ID.URN()+">")
	x.connection(r, e)
	r.media, r.head = "application/pem-certificate-chain", b.Bytes()
	return x.write(ctx, r)
}

// hostPort gives host:port of a clean URL, with the port really used when the
// URL names none.
func hostPort(target string, remote netip.AddrPort) string {
	host := authority(target)
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		return host
	}
	if remote.IsValid() {
		return fmt.Sprintf("%s:%d", host, remote.Port())
	}
	return host + ":443"
}

// connection says what was really connected to, and by which protocols.
func (x *writer) connection(r *record, e *capture.Exchange) {
	if ip := peer(e.Remote); ip != "" {
		r.field("WARC-IP-Address", ip)
	}
	if p := strings.ToLower(e.Protocol); isToken(strings.Replace(p, "/", ".", 1)) {
		r.field("WARC-Protocol", p)
	}
	if t := e.TLS; t != nil {
		// "TLS 1.3" becomes tls/1.3; QUIC, which Chrome says for h3, is TLS 1.3.
		switch v := strings.ToLower(t.Version); {
		case strings.HasPrefix(v, "tls 1"):
			r.field("WARC-Protocol", tokenOf(v[:3])+"/"+tokenOf(v[4:]))
		case v == "quic":
			r.field("WARC-Protocol", "tls/1.3")
		}
		if strings.HasPrefix(t.Cipher, "TLS_") && isToken(t.Cipher) {
			r.field("WARC-Cipher-Suite", t.Cipher)
		}
	}
}

// seen says what else is known of an exchange.
func (x *writer) seen(r *record, e *capture.Exchange) {
	x.connection(r, e)
	if isToken(e.Kind) {
		r.field("WARC-Resource-Type", e.Kind)
	}
	if b, err := json.Marshal(origins{e.Via, e.Main, e.FromCache, e.Decoded, remotePort(e.Remote)}); err == nil {
		r.field("WARC-JSON-Metadata", asciiJSON(b))
	}
}

// origins is WARC-JSON-Metadata.
type origins struct {
	Via       string `json:"via"`
	Main      bool   `json:"main"`
	FromCache bool   `json:"fromCache"`
	Decoded   bool   `json:"decoded"`
	Port      int    `json:"port,omitempty"`
}

func remotePort(a netip.AddrPort) int {
	if !a.IsValid() {
		return 0
	}
	return int(a.Port())
}

// asciiJSON escapes what a header field should not hold.
func asciiJSON(b []byte) string {
	var out strings.Builder
	for _, r := range string(b) {
		switch {
		case r >= ' ' && r <= '~':
			out.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String()
}

func peer(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.Addr().Unmap().WithZone("").String()
}

// essence gives a media type without parameters.
func essence(contentType string) string {
	t, _, _ := strings.Cut(contentType, ";")
	return strings.TrimSpace(lineless(t))
}
