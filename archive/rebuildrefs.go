package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/manifest"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/archive/warc"
)

// reference is a revisit record.
type reference struct {
	capture capture.ID
	site    string
	sum     capture.Digest
	to      warc.Original
}

// payloads lists what later captures may refer to in a WARC, and to what it
// refers itself.
func (b *rebuild) payloads(ctx context.Context, m *manifest.Manifest, arts []catalog.Artifact) error {
	var own capture.Digest
	if m.Main != nil && m.Main.Body != nil {
		own = m.Main.Body.SHA256
	}
	site := siteOf(&capture.Capture{URL: m.URL, Asked: capture.Asked{Site: m.Asked.Site}})
	for _, art := range arts {
		if art.Role != manifest.RoleWARC {
			continue
		}
		r, _, err := b.a.Vault.Get(ctx, art.Key, art.Version)
		if errors.Is(err, vault.ErrNotFound) {
			continue // told already
		}
		if err != nil {
			return err
		}
		all, refers, err := scanWARC(r, m.Capture, site, own, art)
		if err := errors.Join(err, r.Close()); err != nil {
			b.differ(WrongBytes, m.Capture, art.Key, "it cannot be read as a WARC: %s", err)
			return nil
		}
		if err := b.a.Catalog.AddPayloads(ctx, all); err != nil {
			return err
		}
		b.r.Payloads += int64(len(all))
		for _, ref := range refers {
			if done, err := b.refer(ctx, ref); err != nil {
				return err
			} else if !done {
				b.later = append(b.later, ref)
			}
		}
	}
	return nil
}

// scanWARC reads what Prepare noted when it wrote the WARC.
func scanWARC(r io.Reader, id capture.ID, site string, own capture.Digest, art catalog.Artifact) ([]catalog.Payload, []reference, error) {
	var all []catalog.Payload
	var refers []reference
	seen := map[capture.Digest]bool{own: true}
	rd := warc.NewReader(r)
	for {
		rec, err := rd.Next()
		if err == io.EOF {
			return all, refers, nil
		}
		if err != nil {
			return nil, nil, err
		}
		sum, err := capture.ParseDigest(trimLabel(rec.Get("WARC-Payload-Digest")))
		if err != nil || seen[sum] {
			continue
		}
		switch {
		case rec.Type == warc.TypeRevisit:
			o := warc.Original{Target: rec.Get("WARC-Refers-To-Target-URI")}
			if o.Record, o.Date, err = refersTo(rec); err != nil {
				return nil, nil, err
			}
			refers = append(refers, reference{id, site, sum, o})
			seen[sum] = true
		case rec.Type == warc.TypeResponse && rec.Get("WARC-Truncated") == "":
			m, err := rec.HTTP()
			if err != nil {
				return nil, nil, err
			}
			n, err := io.Copy(io.Discard, m.Body)
			if err == nil {
				err = rec.Finish()
			}
			if err != nil {
				return nil, nil, err
			}
			if n >= minShared {
				all = append(all, catalog.Payload{
					Original: id, SHA256: sum, Site: site, Record: rec.ID, Target: rec.Target, Date: rec.Date,
					Key: art.Key, Version: art.Version, Offset: rec.Offset, Length: rec.Length, Bytes: n,
				})
				seen[sum] = true
			}
		}
	}
}

func refersTo(rec *warc.Record) (capture.ID, time.Time, error) {
	const before, after = "<urn:uuid:", ">"
	s := rec.Get("WARC-Refers-To")
	if len(s) != len(before)+36+len(after) {
		return capture.ID{}, time.Time{}, fmt.Errorf("%.80q is no record id", s)
	}
	id, err := capture.ParseID(s[len(before) : len(s)-len(after)])
	if err != nil {
		return id, time.Time{}, err
	}
	at, err := time.Parse(time.RFC3339Nano, rec.Get("WARC-Refers-To-Date"))
	return id, at, err
}

// refer adds a reference, if what it refers to is known by now.
func (b *rebuild) refer(ctx context.Context, r reference) (bool, error) {
	p, err := b.a.Catalog.PayloadOfRecord(ctx, r.to.Record)
	if errors.Is(err, catalog.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	b.r.References++
	return true, b.a.Catalog.AddUses(ctx, r.capture, []catalog.Use{{SHA256: r.sum, Original: p.Original}})
}

// references adds those that came before what they refer to, and those whose
// original was erased: their payload lies by itself.
func (b *rebuild) references(ctx context.Context) error {
	for _, r := range b.later {
		done, err := b.refer(ctx, r)
		if err != nil {
			return err
		}
		if done {
			continue
		}
		key := vault.SharedKey(r.sum, vault.FilePayload)
		info, err := b.a.Vault.Stat(ctx, key, "")
		if errors.Is(err, vault.ErrNotFound) {
			b.differ(Missing, r.capture, key, "the WARC refers to a payload of %s that is nowhere", r.to.Target)
			continue
		}
		if err != nil {
			return err
		}
		// Whose it was is not known any more: the record stands for the capture.
		p := catalog.Payload{
			Original: r.to.Record, SHA256: r.sum, Site: r.site, Record: r.to.Record, Target: r.to.Target, Date: r.to.Date,
			Key: key, Version: info.Version, Bytes: info.Size,
		}
		if err := b.a.Catalog.AddPayloads(ctx, []catalog.Payload{p}); err != nil {
			return err
		}
		if _, err := b.refer(ctx, r); err != nil {
			return err
		}
	}
	return nil
}
