package warc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// MakeWhole copies a WARC file and turns each revisit into the response that
// it stands for, so that what leaves the house depends on no other file. find
// gives the payload of the original; its digest is checked. The other records
// are copied as they are, compressed again, and checked on the way; ReadIndex
// gives the index of the new file. MakeWhole returns how many revisits there
// were: for none the file that was read needs no copy.
func MakeWhole(ctx context.Context, w io.Writer, r io.Reader, find func(Original, capture.Digest) (capture.Body, error)) (revisits int, err error) {
	in, out := NewReader(r), newMembers(w)
	defer out.end()
	for {
		rec, err := in.Next()
		if err == io.EOF {
			return revisits, nil
		}
		if err != nil {
			return revisits, err
		}
		if rec.Type == TypeRevisit {
			revisits++
			err = out.whole(ctx, rec, find)
		} else {
			err = out.copy(ctx, rec)
		}
		if err != nil {
			return revisits, fmt.Errorf("copying the %s record of %.200q: %w", rec.Type, rec.Target, err)
		}
	}
}

// copy writes a record with its header section as it was.
func (m *members) copy(ctx context.Context, rec *Record) error {
	z, err := m.gzip(levelOf(squeezed(rec.Get("Content-Type"), "")), m.w)
	if err != nil {
		return err
	}
	var section strings.Builder
	section.WriteString(rec.Version + "\r\n")
	for _, f := range rec.Header {
		section.WriteString(f.Name + ": " + f.Value + "\r\n")
	}
	section.WriteString("\r\n")
	if _, err := io.WriteString(z, section.String()); err != nil {
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := rec.Read(m.buf)
		if _, werr := z.Write(m.buf[:n]); werr != nil {
			return werr
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if _, err := io.WriteString(z, "\r\n\r\n"); err != nil {
		return err
	}
	return z.Close()
}

// whole writes the response that a revisit stands for.
func (m *members) whole(ctx context.Context, rec *Record, find func(Original, capture.Digest) (capture.Body, error)) error {
	payload := sha256Of(rec.Get("WARC-Payload-Digest"))
	o, err := originalOf(rec)
	if err != nil {
		return err
	}
	if rec.Blocks > maxHead {
		return errors.New("its head is too large")
	}
	head, err := io.ReadAll(rec)
	if err != nil {
		return err
	}
	body, err := find(o, payload)
	if err != nil {
		return fmt.Errorf("finding the payload %s: %w", payload, err)
	}
	if body == nil {
		return fmt.Errorf("the payload %s was not found", payload)
	}
	r := &record{
		typ: TypeResponse, id: rec.ID, target: rec.Target, date: rec.Date, media: rec.Get("Content-Type"),
		head: head, body: body, payload: true,
	}
	for _, f := range rec.Header {
		if !rewritten(f.Name) {
			r.fields = append(r.fields, f)
		}
	}
	s, err := m.measure(ctx, r)
	if err != nil {
		return err
	}
	if s.payload != payload {
		return &DigestError{
			Offset: rec.Offset, Record: rec.Get("WARC-Record-ID"), Field: "WARC-Payload-Digest",
			Want: payload.Labelled(), Got: s.payload.Labelled(),
		}
	}
	return m.write(ctx, r)
}

// rewritten are the fields that header writes, and those that only a revisit has.
func rewritten(name string) bool {
	switch strings.ToLower(name) {
	case "warc-type", "warc-record-id", "warc-target-uri", "warc-date", "warc-block-digest", "warc-payload-digest",
		"content-type", "content-length", "warc-profile", "warc-refers-to", "warc-refers-to-target-uri", "warc-refers-to-date", "warc-truncated":
		return true
	}
	return false
}

// originalOf reads what a revisit refers to.
func originalOf(rec *Record) (Original, error) {
	o := Original{Target: rec.Get("WARC-Refers-To-Target-URI")}
	id := strings.TrimSuffix(strings.TrimPrefix(rec.Get("WARC-Refers-To"), "<urn:uuid:"), ">")
	var errID, errDate error
	o.Record, errID = capture.ParseID(id)
	o.Date, errDate = time.Parse(time.RFC3339Nano, rec.Get("WARC-Refers-To-Date"))
	if err := errors.Join(errID, errDate); err != nil {
		return o, &FormatError{rec.Offset, "the revisit does not say what it refers to", err}
	}
	if !o.whole() || rec.Get("WARC-Profile") != revisitProfile || sha256Of(rec.Get("WARC-Payload-Digest")).IsZero() || rec.ID.IsZero() || rec.Blocks == 0 {
		return o, &FormatError{rec.Offset, "the revisit is not of the profile " + revisitProfile, nil}
	}
	return o, nil
}
