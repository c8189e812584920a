package listing

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"mime"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
	"github.com/wlynxg/chardet"
	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
)

// Limits of one page.
const (
	// maxBody is what is read of a page; the rest is left and reported.
	maxBody = 32 << 20
	// maxInflate bounds what an undecoded body may grow to.
	maxInflate = 32 << 20
	// maxTags bounds how many elements a page may have: a node costs some 150
	// bytes, however short its tag.
	maxTags = 1 << 20
)

// Decoded is a body as text.
type Decoded struct {
	Text     []byte // UTF-8
	Encoding string // what it was read in, a name of the WHATWG Encoding standard, or "binary"
	Problems []string
}

// Decode turns a body into UTF-8. A body that is still compressed although it
// should not be is inflated, within bounds. The charset is taken from the byte
// order mark, the Content-Type, the <meta> and the bytes themselves; a
// declaration that the bytes contradict does not win.
func Decode(body []byte, contentType string) Decoded {
	var d Decoded
	body = d.inflate(body)
	if len(body) > maxBody {
		d.problem("the page has %d bytes; only the first %d were read", len(body), maxBody)
		body = body[:maxBody]
	}
	if looksBinary(body) {
		d.Encoding = "binary"
		d.problem("the body is not text in any encoding known here (compressed or binary)")
		return d
	}
	e, name := d.choose(body, contentType)
	d.Encoding = name
	if e == nil {
		d.Text = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
		if !utf8.Valid(d.Text) {
			d.Text = bytes.ToValidUTF8(d.Text, []byte("\uFFFD"))
		}
		return d
	}
	text, err := e.NewDecoder().Bytes(body)
	if err != nil {
		d.problem("the body is not valid %s: %v", name, err)
		text = bytes.ToValidUTF8(body, []byte("\uFFFD"))
	}
	d.Text = text
	return d
}

func (d *Decoded) problem(format string, args ...any) {
	d.Problems = append(d.Problems, fmt.Sprintf(format, args...))
}

// inflate undoes a Content-Encoding that was left on the body.
func (d *Decoded) inflate(body []byte) []byte {
	var name string
	var r io.Reader
	switch {
	case bytes.HasPrefix(body, []byte{0x1f, 0x8b}):
		gz, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return body
		}
		name, r = "gzip", gz
	case bytes.HasPrefix(body, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		zr, err := zstd.NewReader(bytes.NewReader(body), zstd.WithDecoderMaxMemory(maxInflate), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return body
		}
		defer zr.Close()
		name, r = "zstd", zr
	case len(body) > 0 && looksBinary(body):
		name, r = "brotli", brotli.NewReader(bytes.NewReader(body))
	default:
		return body
	}
	out, err := io.ReadAll(io.LimitReader(r, maxInflate+1))
	if len(out) > maxInflate {
		d.problem("the body was still %s-compressed and grows beyond %d bytes; only those were read", name, maxInflate)
		return out[:maxInflate]
	}
	if err != nil && (name == "brotli" || len(out) == 0) {
		return body // brotli has no magic number: an error means that it was none
	}
	if err != nil {
		d.problem("the body was still %s-compressed and damaged: %v", name, err)
	} else {
		d.problem("the body was still %s-compressed and has been decompressed", name)
	}
	return out
}

// looksBinary reports bytes that are no text: control characters that no text
// has, or text that was damaged by decoding binary data as UTF-8.
func looksBinary(b []byte) bool {
	if len(b) > 4096 {
		b = b[:4096]
	}
	if len(b) == 0 || bytes.HasPrefix(b, []byte{0xff, 0xfe}) || bytes.HasPrefix(b, []byte{0xfe, 0xff}) {
		return false
	}
	control := 0
	for _, c := range b {
		if c < 0x09 || c > 0x0d && c < 0x20 && c != 0x1b {
			control++
		}
	}
	return control*50 > len(b) || bytes.Count(b, []byte("\uFFFD"))*10 > len(b)/3+10
}

var (
	metaCharset = regexp.MustCompile(`(?i)<meta[^>]{0,300}?charset\s*=\s*["']?\s*([a-z0-9_:-]{2,40})`)
	xmlEncoding = regexp.MustCompile(`(?i)^\s*<\?xml[^>]{0,100}encoding\s*=\s*["']([a-z0-9_:-]{2,40})`)
)

// choose gives the encoding and its name; nil for UTF-8.
func (d *Decoded) choose(body []byte, contentType string) (encoding.Encoding, string) {
	switch {
	case bytes.HasPrefix(body, []byte("\xef\xbb\xbf")):
		return nil, "utf-8"
	case bytes.HasPrefix(body, []byte{0xff, 0xfe}):
		return named("utf-16le")
	case bytes.HasPrefix(body, []byte{0xfe, 0xff}):
		return named("utf-16be")
	}
	declared := declaredCharset(body, contentType)
	ascii := isASCII(body)
	if !ascii && utf8.Valid(trimPartial(body)) {
		// Text in another encoding is valid UTF-8 only by an accident that does
		// not happen over a page.
		if declared != "" && declared != "utf-8" {
			d.problem("the page is declared as %s, but is UTF-8", declared)
		}
		return nil, "utf-8"
	}
	if ascii && declared != "iso-2022-jp" {
		return nil, "utf-8"
	}
	if e, name := named(declared); e != nil && damage(e, body) <= 0.002 {
		return e, name
	}
	if declared == "utf-8" && invalidShare(body) < 0.002 {
		return nil, "utf-8"
	}
	if e, name := detect(body); e != nil {
		if declared != "" && name != declared {
			d.problem("the page is declared as %s, but reads as %s", declared, name)
		}
		return e, name
	}
	if e, name := named(declared); e != nil {
		return e, name
	}
	return nil, "utf-8"
}

func declaredCharset(body []byte, contentType string) string {
	head := body[:min(len(body), 4096)]
	names := []string{}
	if _, params, err := mime.ParseMediaType(contentType); err == nil {
		names = append(names, params["charset"])
	}
	for _, re := range []*regexp.Regexp{xmlEncoding, metaCharset} {
		if m := re.FindSubmatch(head); m != nil {
			names = append(names, string(m[1]))
		}
	}
	for _, n := range names {
		if _, name := charset.Lookup(n); name != "" {
			return name
		}
	}
	return ""
}

// named looks an encoding up; nil for UTF-8 and for unknown names. GBK is read
// as GB18030, which contains it.
func named(name string) (encoding.Encoding, string) {
	if name == "gbk" || name == "gb2312" {
		name = "gb18030"
	}
	e, canonical := charset.Lookup(name)
	if canonical == "utf-8" || canonical == "" || canonical == "replacement" {
		return nil, canonical
	}
	return e, canonical
}

// detect asks the bytes. Double-byte encodings are tried for damage as well:
// chardet alone takes short GB18030 texts for others.
func detect(body []byte) (encoding.Encoding, string) {
	sample := highSample(body)
	guess := chardet.Detect(sample)
	candidates := []string{strings.ToLower(guess.Encoding)}
	if guess.Confidence < 0.9 {
		candidates = append(candidates, "gb18030", "shift_jis", "euc-jp", "euc-kr", "big5", "windows-1252")
	}
	candidates = append(candidates, "windows-1252")
	best, bestName, least := encoding.Encoding(nil), "", 2.0
	for _, c := range candidates {
		e, name := named(c)
		if e == nil {
			continue
		}
		if hurt := damage(e, sample); hurt < least {
			best, bestName, least = e, name, hurt
		}
	}
	return best, bestName
}

// highSample takes the parts of a body that hold other than ASCII, at most
// 64 KB: detection on a megabyte of scripts says nothing and costs much.
func highSample(body []byte) []byte {
	const most = 64 << 10
	var out []byte
	for _, line := range bytes.SplitAfter(body, []byte("\n")) {
		if isASCII(line) {
			continue
		}
		out = append(out, line[:min(len(line), most)]...)
		if len(out) >= most {
			return out[:most]
		}
	}
	return out
}

// damage is the share of characters that an encoding cannot read.
func damage(e encoding.Encoding, body []byte) float64 {
	sample := highSample(body)
	text, err := e.NewDecoder().Bytes(sample)
	if err != nil || len(text) == 0 {
		return 1
	}
	bad := bytes.Count(text, []byte("\uFFFD"))
	for _, c := range string(text[:min(len(text), 8192)]) {
		if c >= 0x80 && c < 0xa0 || c >= 0xE000 && c < 0xF900 { // C1 controls, private use
			bad++
		}
	}
	return float64(bad) / float64(utf8.RuneCount(text))
}

func invalidShare(b []byte) float64 {
	bad := 0
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			bad++
		}
		i += n
	}
	return float64(bad) / float64(max(1, len(b)))
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// trimPartial drops an incomplete character at the end, left by a cut.
func trimPartial(b []byte) []byte {
	for i := 1; i <= utf8.UTFMax && i <= len(b); i++ {
		if utf8.RuneStart(b[len(b)-i]) {
			if !utf8.FullRune(b[len(b)-i:]) {
				return b[:len(b)-i]
			}
			break
		}
	}
	return b
}
