package bundle

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/manifest"
	"github.com/trawlmark/trawlmark/archive/warc"
)

// The members of a WACZ, in their order.
const (
	waczWARC   = "archive/capture.warc.gz"
	waczDigest = "datapackage-digest.json"
	waczData   = "datapackage.json"
	waczIndex  = "indexes/index.cdx"
	waczPages  = "pages/pages.jsonl"
)

// sums is what bytes are known by while they pass.
type sums struct {
	crc    hash.Hash32
	h2, h5 hash.Hash
	n      int64
}

// newSums hashes by SHA-512 too only where that is compared: it costs three
// times what SHA-256 does.
func newSums(both bool) *sums {
	s := &sums{crc: crc32.NewIEEE(), h2: sha256.New()}
	if both {
		s.h5 = sha512.New()
	}
	return s
}

func (s *sums) Write(p []byte) (int, error) {
	s.crc.Write(p)
	s.h2.Write(p)
	if s.h5 != nil {
		s.h5.Write(p)
	}
	s.n += int64(len(p))
	return len(p), nil
}

func (s *sums) print() capture.Fingerprint {
	f := capture.Fingerprint{Size: s.n}
	s.h2.Sum(f.SHA256[:0])
	if s.h5 != nil {
		s.h5.Sum(f.SHA512[:0])
	}
	return f
}

// same says whether bytes are those of an artifact.
func same(f capture.Fingerprint, a manifest.Artifact) bool {
	return f.Size == a.Bytes && f.SHA256 == a.SHA256 && f.SHA512 == a.SHA512
}

// dataPackage is datapackage.json (Frictionless Data Package, as WACZ 1.1.1
// section 5.2 uses it).
type dataPackage struct {
	Profile      string     `json:"profile"`
	WACZVersion  string     `json:"wacz_version"`
	Title        string     `json:"title"`
	Description  string     `json:"description"`
	Created      string     `json:"created"`
	Software     string     `json:"software"`
	MainPageURL  string     `json:"mainPageUrl"`
	MainPageDate string     `json:"mainPageDate"`
	Resources    []resource `json:"resources"`
}

type resource struct {
	Name  string `json:"name"`
	Path  string `json:"path"`
	Hash  string `json:"hash"`
	Bytes int64  `json:"bytes"`
}

// digestFile is datapackage-digest.json.
type digestFile struct {
	Path       string     `json:"path"`
	Hash       string     `json:"hash"`
	SignedData signedData `json:"signedData"`
}

// signedData is the anonymous form of WACZ-auth 0.1.0.
type signedData struct {
	Hash      string `json:"hash"`
	Created   string `json:"created"`
	Software  string `json:"software"`
	Version   string `json:"version"`
	Signature string `json:"signature"`
	PublicKey string `json:"publicKey"`
}

const createdForm = "2006-01-02T15:04:05Z"

// page is a line of pages.jsonl.
type page struct {
	ID    string `json:"id"`
	URL   string `json:"url"`
	TS    string `json:"ts"`
	Title string `json:"title,omitempty"`
}

const pagesHead = `{"format":"json-pages-1.0","id":"pages","title":"All Pages"}` + "\n"

// pageOf is what a replay opens: the URL that answered, or was asked for.
func pageOf(m *manifest.Manifest, title string) page {
	p := page{ID: m.Capture.String(), URL: m.URL, TS: m.Started.UTC().Format(createdMilli), Title: title}
	if m.Main != nil && m.Main.Status != 0 {
		p.URL, p.TS = m.Main.URL, m.Main.Started.UTC().Format(createdMilli)
	}
	return p
}

const createdMilli = "2006-01-02T15:04:05.000Z"

func jsonText(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // strings and numbers only
	}
	return b.Bytes()
}

func inMemory(b []byte) Source {
	return func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
}

// makeWACZ gives the WACZ of a capture as a source, and whether the WARC in it
// is the one that is kept: where that refers to other captures, or has no
// screenshots, the WACZ has one that was made whole. WARCs are read here, and checked.
func makeWACZ(ctx context.Context, in Input, c Capture, m *manifest.Manifest, art manifest.Artifact) (wacz Source, kept bool, err error) {
	src := c.Open(ctx, art)
	index, f, crc, err := indexWARC(ctx, src)
	if err != nil {
		return nil, false, err
	}
	if !same(f, art) {
		return nil, false, fmt.Errorf("%s: %w", art.Key, ErrTampered)
	}
	refers := slices.ContainsFunc(index.Records, func(e warc.Entry) bool { return e.Type == warc.TypeRevisit })
	kept = !refers && (c.Whole == nil || shown(index, m))
	if !kept {
		if c.Whole == nil {
			return nil, false, fmt.Errorf("%s refers to bytes of another capture; a package may not depend on anything else", art.Key)
		}
		src = c.Whole
		if index, f, crc, err = indexWARC(ctx, src); err != nil {
			return nil, false, err
		}
	}
	wacz, err = packWACZ(in, m, c.Reading.Title, src, index, f, crc)
	return wacz, kept, err
}

// shown reports whether a WARC has the screenshots of its capture, as the
// whole WARC has: what is replayed then shows them too.
func shown(index *warc.Index, m *manifest.Manifest) bool {
	return !slices.ContainsFunc(m.Artifacts, func(a manifest.Artifact) bool { return strings.HasPrefix(a.MediaType, "image/") }) ||
		slices.ContainsFunc(index.Records, func(e warc.Entry) bool {
			return strings.HasPrefix(e.Target, "urn:view:") || strings.HasPrefix(e.Target, "urn:fullPage:")
		})
}

// packWACZ puts an indexed WARC into a WACZ.
func packWACZ(in Input, m *manifest.Manifest, title string, src Source, index *warc.Index, f capture.Fingerprint, crc uint32) (Source, error) {
	var cdx bytes.Buffer
	if err := warc.WriteCDXJ(&cdx, index, fileWARC); err != nil {
		return nil, err
	}
	pages := append([]byte(pagesHead), jsonText(pageOf(m, title))...)
	data := jsonText(describe(in, m, f, cdx.Bytes(), pages))
	digest, err := signData(in, data)
	if err != nil {
		return nil, err
	}
	members := []member{{waczWARC, crc, f.Size}}
	sources := []Source{src}
	for _, p := range []struct {
		name string
		b    []byte
	}{{waczDigest, digest}, {waczData, data}, {waczIndex, cdx.Bytes()}, {waczPages, pages}} {
		members = append(members, member{p.name, crc32.ChecksumIEEE(p.b), int64(len(p.b))})
		sources = append(sources, inMemory(p.b))
	}
	box := layout(members)
	return Piped(func(ctx context.Context, w io.Writer) error {
		return box.copyInto(ctx, w, func(i int) Source { return sources[i] })
	}), nil
}

// indexWARC reads a WARC once: its index, and what it is known by.
func indexWARC(ctx context.Context, src Source) (*warc.Index, capture.Fingerprint, uint32, error) {
	r, err := src(ctx)
	if err != nil {
		return nil, capture.Fingerprint{}, 0, err
	}
	defer r.Close()
	s := newSums(true)
	tee := io.TeeReader(&cancelable{ctx, r}, s)
	index, err := warc.ReadIndex(ctx, tee)
	if err == nil {
		_, err = io.Copy(io.Discard, tee)
	}
	return index, s.print(), s.crc.Sum32(), err
}

func describe(in Input, m *manifest.Manifest, w capture.Fingerprint, cdx, pages []byte) dataPackage {
	p := pageOf(m, "")
	of := func(path string, d capture.Digest, n int64) resource {
		return resource{path[strings.LastIndexByte(path, '/')+1:], path, d.Labelled(), n}
	}
	return dataPackage{
		Profile: "data-package", WACZVersion: "1.1.1", Title: "Capture " + m.Capture.String(),
		Description: "One visit, as it is archived. What proves it is in the folder seal of the package; the signature in this file is anonymous.",
		Created:     in.At.UTC().Format(createdForm), Software: in.System.Software, MainPageURL: p.URL, MainPageDate: p.TS,
		Resources: []resource{
			of(waczWARC, w.SHA256, w.Size), of(waczIndex, capture.Sum(cdx), int64(len(cdx))), of(waczPages, capture.Sum(pages), int64(len(pages))),
		},
	}
}

// signData makes datapackage-digest.json: ECDSA by RFC 6979, so that the same
// key and bytes give the same signature.
func signData(in Input, data []byte) ([]byte, error) {
	h := capture.Sum(data).Labelled()
	sum := sha256.Sum256([]byte(h))
	der, err := in.Key.Sign(nil, sum[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("the WACZ could not be signed: %w", err)
	}
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &rs); err != nil {
		return nil, err
	}
	raw := make([]byte, 96)
	rs.R.FillBytes(raw[:48])
	rs.S.FillBytes(raw[48:])
	spki, err := x509.MarshalPKIXPublicKey(in.Key.Public())
	if err != nil {
		return nil, err
	}
	return jsonText(digestFile{waczData, h, signedData{
		Hash: h, Created: in.At.UTC().Format(createdForm), Software: in.System.Software, Version: "0.1.0",
		Signature: base64.StdEncoding.EncodeToString(raw), PublicKey: base64.StdEncoding.EncodeToString(spki),
	}}), nil
}

// verifyData checks datapackage-digest.json and gives the time it says.
func verifyData(digest, data []byte) (dataPackage, error) {
	var d digestFile
	if err := exactJSON(digest, &d); err != nil {
		return dataPackage{}, fmt.Errorf("%s: %w", waczDigest, err)
	}
	h := capture.Sum(data).Labelled()
	if d.Path != waczData || d.Hash != h || d.SignedData.Hash != h {
		return dataPackage{}, fmt.Errorf("%s is about other bytes than %s", waczDigest, waczData)
	}
	sig, err1 := base64.StdEncoding.DecodeString(d.SignedData.Signature)
	spki, err2 := base64.StdEncoding.DecodeString(d.SignedData.PublicKey)
	key, err3 := x509.ParsePKIXPublicKey(spki)
	pub, ok := key.(*ecdsa.PublicKey)
	if err1 != nil || err2 != nil || err3 != nil || !ok || len(sig) != 96 {
		return dataPackage{}, fmt.Errorf("%s has no signature of the anonymous form", waczDigest)
	}
	sum := sha256.Sum256([]byte(h))
	if !ecdsa.Verify(pub, sum[:], new(big.Int).SetBytes(sig[:48]), new(big.Int).SetBytes(sig[48:])) {
		return dataPackage{}, fmt.Errorf("the anonymous signature in %s is wrong", waczDigest)
	}
	var p dataPackage
	if err := exactJSON(data, &p); err != nil {
		return dataPackage{}, fmt.Errorf("%s: %w", waczData, err)
	}
	if _, err := time.Parse(createdForm, p.Created); err != nil || p.Created != d.SignedData.Created || p.Software != d.SignedData.Software {
		return dataPackage{}, fmt.Errorf("%s and %s do not agree on when and by what it was made", waczDigest, waczData)
	}
	return p, nil
}

// exactJSON accepts exactly what jsonText writes for a value.
func exactJSON(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if !bytes.Equal(jsonText(v), b) {
		return fmt.Errorf("it is not in the form we write")
	}
	return nil
}
