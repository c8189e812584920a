package archive

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/manifest"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/archive/warc"
)

// What identical bytes are stored as is decided in docs/decisions/
// 0010-identical-bytes-are-stored-once.md.

// minShared is the size below which bytes are stored again rather than
// referred to: a reference costs about as much.
const minShared = 1 << 10

// referred is a payload that a pending capture's WARC leaves to another one.
type referred struct {
	Payload catalog.Payload `json:"payload"`
	// File, or the pack from At on, has the payload: it is stored if the other
	// capture is gone by the time this one is stored.
	File string `json:"file"`
	At   int64  `json:"at,omitempty"`
}

// dedupe finds payloads that are kept already, for one capture.
type dedupe struct {
	a     *Archive
	site  string
	since time.Time
	own   map[capture.Digest]bool // of the page itself: never left to another
	found map[capture.Digest]catalog.Payload
}

func (a *Archive) newDedupe(c *capture.Capture) (*dedupe, error) {
	d := &dedupe{
		a: a, site: siteOf(c), since: c.Started.Add(-a.cfg.ReferFor),
		own: map[capture.Digest]bool{}, found: map[capture.Digest]catalog.Payload{},
	}
	for _, e := range c.Exchanges {
		if e.Body == nil || !e.Main && e.Body.Size() >= minShared {
			continue
		}
		f, err := capture.FingerprintOf(e.Body)
		if err != nil {
			return nil, err
		}
		d.own[f.SHA256] = true
	}
	return d, nil
}

// siteOf is within which captures refer to each other: the site, or the host
// for shops that have no site of their own.
func siteOf(c *capture.Capture) string {
	if s := c.Asked.Site; s != "" && s != "generic" {
		return s
	}
	if u, err := url.Parse(c.URL); err == nil && u.Host != "" {
		return "host:" + u.Hostname()
	}
	return "unknown"
}

// original finds where a payload is kept. A catalogue that does not answer
// costs bytes, and no capture.
func (d *dedupe) original(ctx context.Context, sum capture.Digest) (warc.Original, bool) {
	if d.own[sum] {
		return warc.Original{}, false
	}
	p, ok := d.found[sum]
	if !ok {
		var err error
		if p, err = d.a.Catalog.Payload(ctx, d.site, sum, d.since); err != nil {
			if !errors.Is(err, catalog.ErrNotFound) {
				d.a.Log.DebugContext(ctx, "the catalogue was not asked for a payload, so it is stored again", "error", err)
			}
			return warc.Original{}, false
		}
		d.found[sum] = p
	}
	return warc.Original{Record: p.Record, Target: p.Target, Date: p.Date}, true
}

// list notes in p what the WARC refers to, with its bytes, and what later
// captures may find in it.
func (d *dedupe) list(k *pack, c *capture.Capture, index *warc.Index, p *Pending) error {
	bodies := map[capture.ID]capture.Body{}
	for _, e := range c.Exchanges {
		bodies[e.ID] = e.Body
	}
	seen := map[capture.Digest]bool{}
	for _, r := range index.Records {
		body := bodies[r.ID]
		if body == nil || d.own[r.Payload] || seen[r.Payload] {
			continue
		}
		switch {
		case r.Type == warc.TypeRevisit:
			o := d.found[r.Payload]
			name := "payload-" + r.Payload.String()
			o.Bytes = body.Size()
			at, _, err := k.body(body)
			if err != nil {
				return err
			}
			p.Refers = append(p.Refers, referred{Payload: o, File: name, At: at})
		case r.Type == warc.TypeResponse && r.Truncated == capture.Whole:
			p.Payloads = append(p.Payloads, catalog.Payload{
				Original: c.ID, SHA256: r.Payload, Site: d.site, Record: r.ID, Target: r.Target, Date: r.Date,
				Key: vault.WARCKey(c.ID), Offset: r.Offset, Length: r.Length, Bytes: body.Size(),
			})
		default:
			continue
		}
		seen[r.Payload] = true
	}
	return nil
}

// uses is what a capture refers to, as the catalogue keeps it.
func (p *Pending) uses() []catalog.Use {
	uses := make([]catalog.Use, len(p.Refers))
	for i, r := range p.Refers {
		uses[i] = catalog.Use{SHA256: r.Payload.SHA256, Original: r.Payload.Original}
	}
	return uses
}

// secure makes what a capture refers to stay as long as the capture: it locks
// the object that has it, or, if that is gone, stores the payload by itself.
func (a *Archive) secure(ctx context.Context, p *Pending) error {
	done := map[string]error{}
	for _, r := range p.Refers {
		if err := a.secureOne(ctx, p, r, done); err != nil {
			return fmt.Errorf("what capture %s refers to could not be kept: %w", p.ID, err)
		}
	}
	return nil
}

// secureOne is secure for one payload; done remembers what locking an object
// gave.
func (a *Archive) secureOne(ctx context.Context, p *Pending, r referred, done map[string]error) error {
	// It may lie elsewhere than when the capture was prepared.
	at, err := a.Catalog.PayloadOf(ctx, r.Payload.Original, r.Payload.SHA256)
	if err == nil {
		var known bool
		if err, known = done[at.Key]; !known {
			err = a.lockOther(ctx, at, p.Entry.RetainUntil, p.ID)
			done[at.Key] = err
		}
	}
	if !errors.Is(err, vault.ErrNotFound) && !errors.Is(err, catalog.ErrNotFound) {
		return err
	}
	body, err := p.body(r.File, r.At, r.Payload.Bytes)
	if err != nil {
		return err
	}
	return a.storePayload(ctx, r.Payload, body, p.Entry.RetainUntil)
}

// lockOther locks the WARC of another capture for one that refers to it, with
// a custody event if that makes it longer.
func (a *Archive) lockOther(ctx context.Context, o catalog.Payload, until time.Time, by capture.ID) error {
	have, err := a.Catalog.Locked(ctx, o.Key)
	if err != nil {
		return err
	}
	if !have.Before(until) {
		return nil // locked objects are there
	}
	until = wholeDay(until)
	err = a.Vault.Extend(ctx, o.Key, o.Version, a.cfg.Mode, until)
	if errors.Is(err, vault.ErrUnsupported) && a.cfg.Unlocked {
		_, err = a.Vault.Stat(ctx, o.Key, o.Version)
		return err
	}
	if errors.Is(err, vault.ErrShorter) {
		return nil
	}
	if err != nil {
		return err
	}
	if o.Length > 0 {
		err = a.Note(ctx, custody.RetentionChanged, a.cfg.Actor, custody.Subject{Capture: o.Original}, map[string]string{
			"until": until.Format(time.RFC3339), "object": vault.FileWARC, "reason": "capture " + by.String() + " refers to its payloads",
		})
		if err != nil {
			return err
		}
	}
	return a.Catalog.SetLocked(ctx, o.Key, until)
}

// storePayload gives a payload an object of its own.
func (a *Archive) storePayload(ctx context.Context, o catalog.Payload, body capture.Body, until time.Time) error {
	info, err := a.putOnce(ctx, vault.Put{
		Key: vault.SharedKey(o.SHA256, vault.FilePayload), MediaType: "application/octet-stream", Body: body,
		SHA256: o.SHA256, RetainUntil: until, Mode: a.cfg.Mode,
	})
	if err != nil {
		return err
	}
	return a.movePayload(ctx, o, info)
}

func (a *Archive) movePayload(ctx context.Context, o catalog.Payload, info vault.Info) error {
	o.Key, o.Version, o.Offset, o.Length = info.Key, info.Version, 0, 0
	if err := a.Catalog.AddPayloads(ctx, []catalog.Payload{o}); err != nil {
		return err
	}
	return a.Catalog.MovePayload(ctx, o.Original, o.SHA256, info.Key, info.Version)
}

// wholeDay rounds a lock on a shared object up to the end of its day, so that
// the captures of one day extend it once.
func wholeDay(t time.Time) time.Time {
	day := t.UTC().Truncate(24 * time.Hour)
	if day.Equal(t) {
		return day
	}
	return day.Add(24 * time.Hour)
}

// share gives artifacts that are large enough the key that all captures with
// the same bytes use.
func share(files []spooled) {
	for i, f := range files {
		if f.Role != manifest.RoleWARC && f.Print.Size >= minShared {
			files[i].Key = vault.SharedKey(f.Print.SHA256, f.File)
		}
	}
}

// withoutArtifacts is the capture as its WARC has it when its artifacts are
// files of their own.
func withoutArtifacts(c *capture.Capture) *capture.Capture {
	network := *c
	network.Artifacts = nil
	return &network
}
