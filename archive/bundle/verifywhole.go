package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/manifest"
	"github.com/trawlmark/trawlmark/archive/warc"
)

// whole checks the WARC that stands beside the WACZ as the artifact, and the
// one in the WACZ as what was made of it. False: there is nothing more to
// check of the WACZ.
func (v *verification) whole(ctx context.Context, w *opened, k int, m *manifest.Manifest, art manifest.Artifact) bool {
	id, name := m.Capture, nativeName(m.Capture, fileWARC)
	if !same(v.prints[k], art) {
		v.add(LayerArtifacts, Fail, id, name, "its bytes are not those that the manifest names")
		v.add(LayerWACZ, NotChecked, id, waczName(id), "the WARC that its own was made of is another one")
		return false
	}
	v.add(LayerArtifacts, Pass, id, name, art.Role)
	err := inflates(ctx, v.o.section(k))
	if err == nil {
		err = inflates(ctx, w.section(0))
	}
	if err == nil {
		err = madeWhole(ctx, v.o.section(k), w.section(0), m)
	}
	return v.result(LayerWACZ, id, waczName(id), err, "its WARC is the one that is kept, with every reference made whole")
}

// madeWhole compares two WARCs record by record: what is kept is the same in
// both, each revisit is the response that it stands for, and what stands
// behind is artifacts of the manifest.
func madeWhole(ctx context.Context, kept, whole io.Reader, m *manifest.Manifest) error {
	a, b := warc.NewReader(&cancelable{ctx, kept}), warc.NewReader(&cancelable{ctx, whole})
	for {
		x, errX := a.Next()
		y, errY := b.Next()
		if errX != nil && !errors.Is(errX, io.EOF) {
			return fmt.Errorf("the WARC that is kept: %w", errX)
		}
		if errY != nil && !errors.Is(errY, io.EOF) {
			return fmt.Errorf("the WARC in the WACZ: %w", errY)
		}
		switch {
		case errX != nil && errY != nil:
			return nil
		case errX != nil:
			return behind(b, y, m)
		case errY != nil:
			return errors.New("the WARC in the WACZ ends before the one that is kept")
		}
		if err := sameRecord(x, y); err != nil {
			return fmt.Errorf("record %s of the WARC in the WACZ: %w", clip(y.Get("WARC-Record-ID")), err)
		}
	}
}

func sameRecord(x, y *warc.Record) error {
	if x.Type != warc.TypeRevisit {
		if x.Version != y.Version || !slices.Equal(x.Header, y.Header) {
			return errors.New("it is not the one that is kept")
		}
		sx, err1 := digest(x)
		sy, err2 := digest(y)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		if sx != sy {
			return errors.New("its bytes are not those that are kept")
		}
		return nil
	}
	if y.Type != warc.TypeResponse || x.ID.IsZero() || x.ID != y.ID || x.Target != y.Target || !x.Date.Equal(y.Date) ||
		x.Get("Content-Type") != y.Get("Content-Type") || !slices.Equal(besides(x.Header), besides(y.Header)) {
		return errors.New("it is not the response that the revisit stands for")
	}
	return samePayload(x, y)
}

func digest(r *warc.Record) (capture.Digest, error) {
	h := sha256.New()
	_, err := io.Copy(h, r)
	return capture.Digest(h.Sum(nil)), err
}

// besides are the fields that a revisit and its response have alike.
func besides(h capture.Header) capture.Header {
	return slices.DeleteFunc(slices.Clone(h), func(f capture.Field) bool {
		switch strings.ToLower(f.Name) {
		case "warc-type", "warc-block-digest", "content-length", "warc-profile", "warc-refers-to", "warc-refers-to-target-uri",
			"warc-refers-to-date", "warc-truncated":
			return true
		}
		// Their place may differ; they were compared.
		return slices.Contains([]string{"warc-record-id", "warc-target-uri", "warc-date", "content-type", "warc-payload-digest"}, strings.ToLower(f.Name))
	})
}

// samePayload: the response is the head of the revisit, and bytes that have
// the digest that the revisit names.
func samePayload(x, y *warc.Record) error {
	if x.Blocks > 16<<20 || x.Blocks > y.Blocks {
		return errors.New("its head is not that of the revisit")
	}
	head, err := io.ReadAll(x)
	if err != nil {
		return err
	}
	first := make([]byte, len(head))
	if _, err := io.ReadFull(y, first); err != nil || !bytes.Equal(first, head) {
		return errors.Join(errors.New("its head is not that of the revisit"), err)
	}
	sum, err := digest(y)
	if err != nil {
		return err
	}
	want := x.Get("WARC-Payload-Digest")
	if want != sum.Labelled() || y.Get("WARC-Payload-Digest") != want {
		return errors.New("its payload is not the one that the revisit names")
	}
	return nil
}

// behind checks the records after those that are kept: each is an artifact.
func behind(b *warc.Reader, y *warc.Record, m *manifest.Manifest) error {
	for {
		sum, err := digest(y)
		if err != nil {
			return fmt.Errorf("the WARC in the WACZ: %w", err)
		}
		if y.Type != warc.TypeResource || !slices.ContainsFunc(m.Artifacts, func(a manifest.Artifact) bool { return a.SHA256 == sum }) {
			return fmt.Errorf("record %s of the WARC in the WACZ is no artifact of the manifest", clip(y.Get("WARC-Record-ID")))
		}
		if y, err = b.Next(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("the WARC in the WACZ: %w", err)
		}
	}
}
