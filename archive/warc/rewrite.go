package warc

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Edit is what stands in a redacted WARC in the place of a record: a
// conversion record that refers to it.
type Edit struct {
	ID     capture.ID
	Target string
	Media  string
	// Head is the head of an HTTP message; the payload is Body alone then.
	Head, Body []byte
	// Fields are those of the record that stay true: WARC-IP-Address, ...
	Fields []capture.Field
}

// maxEdited bounds the block that is handed to an edit function.
const maxEdited = 256 << 20

// Rewrite copies a WARC file and asks edit about every record. nil: the record
// stays as it is. Else a conversion record (WARC 1.1 section 6.9) takes its
// place, with WARC-Refers-To. block is nil for one of more than 256 MiB, of
// which nobody can say what is in it: edit must replace it.
func Rewrite(ctx context.Context, w io.Writer, r io.Reader, at time.Time, edit func(rec *Record, block []byte) (*Edit, error)) error {
	in, out := NewReader(r), newMembers(w)
	defer out.end()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		rec, err := in.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := out.rewrite(ctx, rec, at, edit); err != nil {
			return fmt.Errorf("copying the %s record %s: %w", rec.Type, rec.Get("WARC-Record-ID"), err)
		}
	}
}

func (m *members) rewrite(ctx context.Context, rec *Record, at time.Time, edit func(*Record, []byte) (*Edit, error)) error {
	var block []byte
	if rec.Blocks <= maxEdited {
		var err error
		if block, err = io.ReadAll(rec); err != nil {
			return err
		}
		if block == nil {
			block = []byte{}
		}
	} else if err := rec.Finish(); err != nil {
		return err
	}
	e, err := edit(rec, block)
	if err != nil {
		return err
	}
	if e == nil {
		return m.again(rec, block)
	}
	c := &record{
		typ: TypeConversion, id: e.ID, date: at, media: e.Media, head: e.Head, body: capture.Bytes(e.Body), payload: true,
		squeezed: squeezed(e.Media, ""), notes: notes{record: e.ID},
	}
	c.target = c.notes.target(e.Target)
	c.field("WARC-Refers-To", rec.Get("WARC-Record-ID"))
	for _, f := range e.Fields {
		c.field(f.Name, f.Value)
	}
	return m.write(ctx, c)
}

// again writes a record whose block was read.
func (m *members) again(rec *Record, block []byte) error {
	z, err := m.gzip(levelOf(squeezed(rec.Get("Content-Type"), "")), m.w)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(z, rec.section()); err != nil {
		return err
	}
	if _, err := z.Write(block); err != nil {
		return err
	}
	if _, err := io.WriteString(z, "\r\n\r\n"); err != nil {
		return err
	}
	return z.Close()
}

// section is the header section as it was.
func (r *Record) section() string {
	var s strings.Builder
	s.WriteString(r.Version + "\r\n")
	for _, f := range r.Header {
		s.WriteString(f.Name + ": " + f.Value + "\r\n")
	}
	s.WriteString("\r\n")
	return s.String()
}
