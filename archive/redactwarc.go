package archive

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/net/html/charset"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/manifest"
	"github.com/trawlmark/trawlmark/archive/warc"
)

// record is what becomes of one record of the original's WARC. Whatever still
// holds a needle after it was edited goes as a whole.
func (e *editor) record(rec *warc.Record, block []byte) (*warc.Edit, error) {
	edit, how, err := e.decide(rec, block)
	if err != nil || edit == nil {
		return edit, err
	}
	if rec.Type == warc.TypeWarcinfo {
		return nil, errors.New("what is to be removed stands in the record that names operator and software; it cannot be taken out of a redaction")
	}
	if rec.ID.IsZero() {
		return nil, errors.New("a record that is to be changed has no id of our kind")
	}
	edit.ID = e.newID()
	sum := capture.Sum(block)
	if block == nil {
		sum, _ = capture.ParseDigest(trimLabel(rec.Get("WARC-Block-Digest")))
	}
	e.records = append(e.records, manifest.WithheldRecord{Record: rec.ID, Type: string(rec.Type), Bytes: rec.Blocks, Block: sum, How: how})
	return edit, nil
}

// hidden is the target of a record whose own would tell.
func hidden(id capture.ID) string { return "urn:x-evidence:withheld:" + id.String() }

// notice stands for a record that was removed.
func (e *editor) notice(rec *warc.Record) *warc.Edit {
	text := fmt.Sprintf("withheld: %s record %s of %d bytes\n", rec.Type, rec.ID, rec.Blocks)
	return &warc.Edit{Target: hidden(rec.ID), Media: "text/plain", Body: []byte(text), Fields: e.fields(rec)}
}

// fields are those of a record that stay true of its conversion.
func (e *editor) fields(rec *warc.Record) []capture.Field {
	var out []capture.Field
	for _, f := range rec.Header {
		switch strings.ToLower(f.Name) {
		case "warc-warcinfo-id", "warc-page-id", "warc-ip-address", "warc-protocol", "warc-cipher-suite", "warc-concurrent-to", "warc-resource-type", "warc-truncated":
			if !e.n.in(f.Value) {
				out = append(out, f)
			}
		}
	}
	return out
}

func (e *editor) decide(rec *warc.Record, block []byte) (*warc.Edit, string, error) {
	if block == nil { // too large to be searched
		if len(e.n.list) == 0 && !e.dropped(rec) {
			return nil, "", errors.New("a record of more than 256 MiB cannot be kept in a redaction; remove it with body:URL")
		}
		return e.notice(rec), manifest.Removed, nil
	}
	if e.dropped(rec) {
		return e.notice(rec), manifest.Removed, nil
	}
	if rec.Type == warc.TypeResource {
		if d, ok := e.decisions[capture.Sum(block)]; ok {
			if d.body != nil {
				return &warc.Edit{Target: e.target(rec), Media: rec.Get("Content-Type"), Body: d.body, Fields: e.fields(rec)}, manifest.Replaced, nil
			}
			if d.removed {
				return e.notice(rec), manifest.Removed, nil
			}
		}
	}
	head, body, http := splitHTTP(rec, block)
	newHead, headChanged := e.editHead(head, http)
	media, decoded, readable := e.readable(rec, newHead, body, http)
	switch {
	case !readable:
		if e.n.inBytes(body) || e.unsearchable(media) {
			return e.notice(rec), manifest.Removed, nil
		}
	default:
		edited, changed, err := e.editText(decoded, media)
		if err != nil || e.n.in(edited) {
			return e.notice(rec), manifest.Removed, nil
		}
		if changed {
			out := &warc.Edit{Target: e.target(rec), Media: rec.Get("Content-Type"), Body: []byte(edited), Fields: e.fields(rec)}
			if http {
				out.Head = plainHead(newHead, len(edited))
			}
			return e.guarded(rec, out)
		}
	}
	if headChanged || e.n.in(rec.Target) || e.tells(rec) {
		return e.guarded(rec, &warc.Edit{Target: e.target(rec), Media: rec.Get("Content-Type"), Head: []byte(newHead), Body: body, Fields: e.fields(rec)})
	}
	return nil, "", nil
}

// guarded looks once more at what would be written.
func (e *editor) guarded(rec *warc.Record, out *warc.Edit) (*warc.Edit, string, error) {
	if e.n.in(string(out.Head)) || e.n.in(out.Target) || e.n.in(out.Media) {
		return e.notice(rec), manifest.Removed, nil
	}
	return out, manifest.Replaced, nil
}

// tells reports whether a field of the record's own header holds a needle.
func (e *editor) tells(rec *warc.Record) bool {
	for _, f := range rec.Header {
		if e.n.in(f.Value) {
			return true
		}
	}
	return false
}

func (e *editor) target(rec *warc.Record) string {
	if e.n.in(rec.Target) {
		return hidden(rec.ID)
	}
	return rec.Target
}

// dropped counts and reports whether a removal by URL is of this record.
func (e *editor) dropped(rec *warc.Record) bool {
	drop := false
	for i, r := range e.spec.Remove {
		switch r.Kind {
		case manifest.ChangeURL:
			if rec.Type != warc.TypeResource && rec.Type != warc.TypeWarcinfo && globbed(r.What, rec.Target) {
				e.count[i]++
				drop = true
			}
		case manifest.ChangeBody:
			if rec.Type == warc.TypeResponse && globbed(r.What, rec.Target) {
				e.count[i]++
				drop = true
			}
		}
	}
	return drop
}

// splitHTTP cuts an HTTP message into head, with its empty line, and body.
func splitHTTP(rec *warc.Record, block []byte) (head string, body []byte, http bool) {
	if !strings.HasPrefix(strings.ToLower(rec.Get("Content-Type")), "application/http") {
		return "", block, false
	}
	h, b, ok := bytes.Cut(block, []byte("\r\n\r\n"))
	if !ok {
		return "", block, false
	}
	return string(h) + "\r\n\r\n", b, true
}

// editHead takes header values and needles out of the head of a message.
func (e *editor) editHead(head string, http bool) (string, bool) {
	if !http {
		return head, false
	}
	changed := false
	lines := strings.Split(strings.TrimSuffix(head, "\r\n\r\n"), "\r\n")
	for i, line := range lines {
		name, _, ok := strings.Cut(line, ":")
		if ok && i > 0 {
			for k, r := range e.spec.Remove {
				if r.Kind == manifest.ChangeHeader && strings.EqualFold(r.What, strings.TrimSpace(name)) {
					e.count[k]++
					line, changed = name+": "+mark, true
				}
			}
		}
		if i == 0 && e.n.in(line) {
			// A start line keeps its form: method or protocol, then a target or reason.
			parts := strings.SplitN(line, " ", 3)
			if len(parts) == 3 && strings.HasPrefix(parts[2], "HTTP/") {
				line = parts[0] + " /withheld " + parts[2]
			} else if len(parts) == 3 {
				line = parts[0] + " " + parts[1] + " withheld"
			}
			changed = true
		} else if hid, hit := e.n.hide(line); hit {
			line, changed = hid, true
		}
		lines[i] = line
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n", changed
}

// plainHead makes a head fit a body that is plain UTF-8 now.
func plainHead(head string, n int) []byte {
	var b strings.Builder
	for i, line := range strings.Split(strings.TrimSuffix(head, "\r\n\r\n"), "\r\n") {
		name, value, ok := strings.Cut(line, ":")
		if i > 0 && ok {
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "content-encoding", "content-length", "transfer-encoding", "etag", "content-md5", "digest", "content-digest", "repr-digest":
				continue
			case "content-type":
				media, _, _ := strings.Cut(value, ";")
				line = name + ": " + strings.TrimSpace(media) + "; charset=utf-8"
			}
		}
		b.WriteString(line + "\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n", n)
	return []byte(b.String())
}

// readable gives a body as text, after content encoding and character set. It
// is false for what is no text, and for text that cannot be read as one.
func (e *editor) readable(rec *warc.Record, head string, body []byte, http bool) (media, text string, ok bool) {
	contentType, encoding := rec.Get("Content-Type"), ""
	if http {
		contentType = headValue(head, "content-type")
		encoding = headValue(head, "content-encoding")
	}
	media, _, _ = strings.Cut(strings.ToLower(contentType), ";")
	media = strings.TrimSpace(media)
	plain, err := inflated(body, encoding)
	if err != nil {
		return media, "", false
	}
	if !textual(media) && (strings.Contains(media, "/") && media != "application/octet-stream" || !utf8.Valid(plain)) {
		return media, "", false
	}
	return media, utf8Of(plain, contentType), true
}

// unsearchable: the bytes should be text, cannot be read, and something is
// looked for.
func (e *editor) unsearchable(media string) bool {
	return textual(media) && (len(e.n.list) > 0 || e.bySelector())
}

func headValue(head, name string) string {
	for _, line := range strings.Split(head, "\r\n")[1:] {
		if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(strings.TrimSpace(n), name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func textual(media string) bool {
	switch {
	case strings.HasPrefix(media, "text/"), strings.HasSuffix(media, "+json"), strings.HasSuffix(media, "+xml"):
		return true
	}
	for _, m := range []string{"json", "javascript", "ecmascript", "xml", "x-www-form-urlencoded", "warc-fields", "x-ndjson", "multipart/", "pem-certificate-chain", "graphql"} {
		if strings.Contains(media, m) {
			return true
		}
	}
	return false
}

func isHTML(media string) bool { return media == "text/html" || media == "application/xhtml+xml" }

// inflated undoes content encodings, at most maxText bytes of them.
func inflated(body []byte, encoding string) ([]byte, error) {
	const maxText = 256 << 20
	codings := strings.Split(encoding, ",")
	for i := len(codings) - 1; i >= 0; i-- {
		var r io.Reader
		var err error
		switch strings.ToLower(strings.TrimSpace(codings[i])) {
		case "", "identity":
			continue
		case "gzip", "x-gzip":
			r, err = gzip.NewReader(bytes.NewReader(body))
		case "deflate":
			r, err = zlib.NewReader(bytes.NewReader(body))
		case "br":
			r = brotli.NewReader(bytes.NewReader(body))
		case "zstd":
			var z *zstd.Decoder
			z, err = zstd.NewReader(bytes.NewReader(body), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxText))
			if err == nil {
				defer z.Close()
				r = z
			}
		default:
			err = fmt.Errorf("the content encoding %.40q is not known", codings[i])
		}
		if err != nil {
			return nil, err
		}
		out, err := io.ReadAll(io.LimitReader(r, maxText+1))
		if err == nil && len(out) > maxText {
			err = errors.New("it inflates to too much")
		}
		if err != nil {
			return nil, err
		}
		body = out
	}
	return body, nil
}

// utf8Of reads text in its character set.
func utf8Of(b []byte, contentType string) string {
	if utf8.Valid(b) {
		return string(b)
	}
	enc, _, _ := charset.DetermineEncoding(b[:min(len(b), 4096)], contentType)
	out, err := enc.NewDecoder().Bytes(b)
	if err != nil {
		return string(b)
	}
	return string(out)
}

// editText takes needles and selected elements out of a text.
func (e *editor) editText(text, media string) (string, bool, error) {
	if isHTML(media) {
		return e.editHTML(text)
	}
	out, changed := e.n.hide(text)
	return out, changed, nil
}
