package archive

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/manifest"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/archive/warc"
)

// WriteWhole writes a capture's WARC with everything in it: each reference to
// an earlier capture is made the response that it stands for, and the
// artifacts stand behind the other records, as resource records. Every byte is
// checked against the manifest or the digest of its record. The result is
// derived: evidence is the WARC as it is kept, which the manifest names. The
// same capture gives the same bytes. Temporary files go into dir. It is no
// custody event; the caller's export or download is.
func (a *Archive) WriteWhole(ctx context.Context, id capture.ID, w io.Writer, dir string) error {
	m, _, err := a.Manifest(ctx, id)
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(dir, "whole-")
	if err != nil {
		return err
	}
	f := &finder{a: a, ctx: ctx, dir: tmp, warcs: map[string]*os.File{}}
	err = a.writeWhole(ctx, m, w, f)
	if err = errors.Join(err, f.close(), os.RemoveAll(tmp)); err != nil {
		return fmt.Errorf("the WARC of capture %s could not be made whole: %w", id, err)
	}
	return nil
}

func (a *Archive) writeWhole(ctx context.Context, m *manifest.Manifest, w io.Writer, f *finder) error {
	type file struct {
		artifact *capture.Artifact
		sum      capture.Digest
	}
	var files []file
	var stored *os.File
	for _, art := range m.Artifacts {
		on, err := f.fetch(art.Key, art.Version, art.SHA256)
		if err != nil {
			return err
		}
		if art.Role == manifest.RoleWARC {
			stored = on
		} else {
			files = append(files, file{artifactOf(art, on.Name(), m), art.SHA256})
		}
	}
	info, inside, err := looked(stored)
	if err != nil {
		return err
	}
	if _, err := stored.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := warc.MakeWhole(ctx, w, stored, f.payload); err != nil {
		return err
	}
	c := &capture.Capture{ID: m.Capture, URL: m.URL, FinalURL: m.FinalURL, Started: m.Started.Time, Finished: m.Finished.Time}
	for _, f := range files {
		if inside.resources || f.artifact.Role == capture.RoleHTML && inside.payloads[f.sum] {
			continue // this WARC has it already
		}
		c.Artifacts = append(c.Artifacts, f.artifact)
	}
	if len(c.Artifacts) == 0 {
		return nil
	}
	return warc.WriteArtifacts(ctx, w, c, info, warc.Options{NewID: derivedIDs(m.Capture)})
}

// contents is what a WARC has that artifacts would repeat.
type contents struct {
	resources bool
	payloads  map[capture.Digest]bool
}

// looked gives the id of a WARC's warcinfo record and what is in it.
func looked(r io.Reader) (capture.ID, contents, error) {
	var info capture.ID
	in := contents{payloads: map[capture.Digest]bool{}}
	rd := warc.NewReader(r)
	for {
		rec, err := rd.Next()
		if err == io.EOF {
			return info, in, nil
		}
		if err != nil {
			return info, in, err
		}
		switch rec.Type {
		case warc.TypeWarcinfo:
			info = rec.ID
		case warc.TypeResource:
			in.resources = in.resources || artifactTarget(rec.Target)
		case warc.TypeResponse, warc.TypeRevisit:
			if d, err := capture.ParseDigest(trimLabel(rec.Get("WARC-Payload-Digest"))); err == nil {
				in.payloads[d] = true
			}
		}
	}
}

func trimLabel(s string) string {
	const label = "sha256:"
	if len(s) > len(label) && s[:len(label)] == label {
		return s[len(label):]
	}
	return s
}

// artifactTarget reports whether a resource record is an artifact, and not a
// DNS answer or the environment.
func artifactTarget(target string) bool {
	const urn, evidence = "urn:", "urn:x-evidence:"
	return len(target) > len(urn) && target[:len(urn)] == urn && (len(target) < len(evidence) || target[:len(evidence)] != evidence)
}

func artifactOf(f manifest.Artifact, path string, m *manifest.Manifest) *capture.Artifact {
	taken := m.Finished.Time
	if f.Taken != nil {
		taken = f.Taken.Time
	}
	return &capture.Artifact{
		Role: capture.Role(f.Role), Tile: int(f.Tile), MediaType: f.MediaType, Taken: taken, Width: int(f.Width), Height: int(f.Height),
		Body: onDisk{path, f.Bytes},
	}
}

// onDisk is a body in a temporary file.
type onDisk struct {
	path string
	size int64
}

func (o onDisk) Open() (io.ReadCloser, error) { return os.Open(o.path) }
func (o onDisk) Size() int64                  { return o.size }

// derivedIDs gives ids that follow from the capture's, so that making it whole
// twice gives the same bytes. They are of version 8 (RFC 9562 section 5.8).
func derivedIDs(id capture.ID) func() capture.ID {
	n := 0
	return func() capture.ID {
		n++
		sum := sha256.Sum256(fmt.Appendf(nil, "trawlmark whole record %s %d", id, n))
		out := capture.ID(sum[:16])
		out[6], out[8] = 0x80|out[6]&0x0f, 0x80|out[8]&0x3f
		return out
	}
}

// finder gets objects and the payloads in them, each object once.
type finder struct {
	a     *Archive
	ctx   context.Context //nolint:containedctx // of one WriteWhole, whose callback has none
	dir   string
	warcs map[string]*os.File
	n     int
}

func (f *finder) close() error {
	var errs []error
	for _, file := range f.warcs {
		errs = append(errs, file.Close())
	}
	return errors.Join(errs...)
}

// fetch copies an object to disk. want is its digest; zero when it is known
// only by what is in it.
func (f *finder) fetch(key, version string, want capture.Digest) (*os.File, error) {
	if have := f.warcs[key]; have != nil {
		_, err := have.Seek(0, io.SeekStart)
		return have, err
	}
	r, _, err := f.a.Vault.Get(f.ctx, key, version)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	file, err := f.create()
	if err != nil {
		return nil, err
	}
	f.warcs[key] = file
	w := newPrinter(file)
	if _, err := io.Copy(w, r); err != nil {
		return nil, err
	}
	if !want.IsZero() && w.print().SHA256 != want {
		return nil, fmt.Errorf("%s: %w", key, ErrTampered)
	}
	_, err = file.Seek(0, io.SeekStart)
	return file, err
}

func (f *finder) create() (*os.File, error) {
	f.n++
	return os.OpenFile(filepath.Join(f.dir, fmt.Sprint(f.n)), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

// payload finds the payload of a revisit: where the catalogue says, or where
// it lies by itself. MakeWhole checks its digest.
func (f *finder) payload(o warc.Original, d capture.Digest) (capture.Body, error) {
	p, err := f.a.Catalog.PayloadOfRecord(f.ctx, o.Record)
	if errors.Is(err, catalog.ErrNotFound) {
		p, err = catalog.Payload{Key: vault.SharedKey(d, vault.FilePayload)}, nil
	}
	if err != nil {
		return nil, err
	}
	file, err := f.fetch(p.Key, p.Version, capture.Digest{})
	if err != nil {
		return nil, err
	}
	if p.Length == 0 {
		fi, err := file.Stat()
		if err != nil {
			return nil, err
		}
		return onDisk{file.Name(), fi.Size()}, nil
	}
	return f.member(file, p)
}

// member copies the payload of one record out of a WARC.
func (f *finder) member(file *os.File, p catalog.Payload) (capture.Body, error) {
	rec, err := warc.NewReader(io.NewSectionReader(file, p.Offset, p.Length)).Next()
	if err != nil {
		return nil, err
	}
	m, err := rec.HTTP()
	if err != nil {
		return nil, err
	}
	out, err := f.create()
	if err != nil {
		return nil, err
	}
	n, err := io.Copy(out, m.Body)
	return onDisk{out.Name(), n}, errors.Join(err, out.Close())
}

// freePayloads gives the payloads of a capture that others need objects of
// their own, so that its WARC can go. They stay as long as the others.
func (a *Archive) freePayloads(ctx context.Context, id capture.ID, least time.Time) error {
	needed, err := a.Catalog.Needed(ctx, id)
	if err != nil || len(needed) == 0 {
		return err
	}
	tmp, err := os.MkdirTemp(a.spool.dir, "free-*"+unfinished)
	if err != nil {
		return err
	}
	f := &finder{a: a, ctx: ctx, dir: tmp, warcs: map[string]*os.File{}}
	err = a.free(ctx, f, needed, least)
	return errors.Join(err, f.close(), os.RemoveAll(tmp))
}

func (a *Archive) free(ctx context.Context, f *finder, needed []catalog.Payload, least time.Time) error {
	for _, p := range needed {
		if p.Length == 0 {
			continue
		}
		users, err := a.Catalog.Users(ctx, p.Key, p.Original)
		if err != nil {
			return err
		}
		body, err := f.payload(warc.Original{Record: p.Record}, p.SHA256)
		if err != nil {
			return err
		}
		if err := a.storePayload(ctx, p, body, maxTime(users.Until, least)); err != nil {
			return err
		}
		if users.Held {
			if err := a.Vault.Hold(ctx, vault.SharedKey(p.SHA256, vault.FilePayload), "", true); err != nil {
				return err
			}
		}
	}
	return nil
}
