package warc

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// ReadIndex reads a whole WARC file, checks every digest that it states, and
// gives the index that WriteCapture gave (without Sanitized, which the
// environment record has). It is how a file is indexed that another process wrote.
func ReadIndex(ctx context.Context, r io.Reader) (*Index, error) {
	in := NewReader(r)
	index := &Index{}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rec, err := in.Next()
		if err == io.EOF {
			return index, nil
		}
		if err != nil {
			return nil, err
		}
		e, err := entryOf(rec, index)
		if err == nil {
			err = rec.Finish()
		}
		if err != nil {
			return nil, err
		}
		e.Length, e.Record = rec.Length, rec.Digest
		index.Records = append(index.Records, e)
		index.Size = e.Offset + e.Length
	}
}

func entryOf(rec *Record, index *Index) (Entry, error) {
	e := Entry{
		Type: rec.Type, ID: rec.ID, Target: rec.Target, Date: rec.Date, Offset: rec.Offset, Blocks: rec.Blocks,
		Block: sha256Of(rec.Get("WARC-Block-Digest")), Payload: sha256Of(rec.Get("WARC-Payload-Digest")),
		ContentType: rec.Get("Content-Type"), Truncated: capture.Truncation(rec.Get("WARC-Truncated")),
	}
	// A conversion is named by what it is, as warcio does, not by what is in it.
	if rec.Type == TypeConversion || !strings.HasPrefix(strings.ToLower(e.ContentType), "application/http") {
		e.MediaType = e.ContentType
		return e, nil
	}
	if rec.Type == TypeRevisit && rec.Blocks == 0 {
		return e, nil
	}
	m, err := rec.HTTP()
	if err != nil {
		return e, err
	}
	switch rec.Type {
	case TypeResponse, TypeRevisit:
		e.Status, e.MediaType = m.Status, essence(m.Header.Get("Content-Type"))
	case TypeRequest:
		err = pair(index, rec, m)
	}
	return e, err
}

// pair gives a response what replay looks it up by, from its request.
func pair(index *Index, rec *Record, m *Message) error {
	of := rec.All("WARC-Concurrent-To")
	i := len(index.Records) - 1
	if m.Method == "GET" || i < 0 || !slices.Contains(of, "<"+index.Records[i].ID.URN()+">") {
		return nil
	}
	e := &index.Records[i]
	if e.Type != TypeResponse && e.Type != TypeRevisit {
		return nil
	}
	e.Method = m.Method
	body, err := io.ReadAll(io.LimitReader(m.Body, maxPost+1))
	if err == nil && len(body) <= maxPost {
		e.RequestBody = cutUTF16(bodyQuery(m.Header.Get("Content-Type"), body), maxQuery)
	}
	return err
}

// sha256Of parses a labelled SHA-256 in hex; zero for anything else.
func sha256Of(text string) capture.Digest {
	hex, ok := strings.CutPrefix(text, "sha256:")
	if !ok {
		return capture.Digest{}
	}
	// Another spelling is no SHA-256 of this profile: the zero digest says so.
	d, _ := capture.ParseDigest(hex)
	return d
}
