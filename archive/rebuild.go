package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/manifest"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/archive/warc"
)

// RebuildOptions are how a catalogue is rebuilt. The zero value is fine.
type RebuildOptions struct {
	// Found gets what is not as the vault says it should be, and so is not in
	// the catalogue; nil is fine.
	Found func(Difference)
	// Progress is told about every 500 captures or events; nil is fine.
	Progress func(RebuildReport)
}

// RebuildReport counts what a Rebuild put into the catalogue.
type RebuildReport struct {
	Captures    int64 `json:"captures"`
	Gone        int64 `json:"gone"` // expired or erased: only that they were there
	Payloads    int64 `json:"payloads"`
	References  int64 `json:"references"`
	Cases       int64 `json:"cases"`
	Orders      int64 `json:"erasure_orders"`
	Events      int64 `json:"events_read"`
	Differences int64 `json:"differences"`
}

// Rebuild makes the catalogue anew from the vault alone: captures from their
// manifests, what was read from them from their readings, retention and holds
// from the locks, references from the WARCs, and cases, erasures and orders
// from the custody events. What the catalogue has already stays as it is, so
// it may be broken off and done again. It changes nothing in the vault.
func (a *Archive) Rebuild(ctx context.Context, h History, o RebuildOptions) (RebuildReport, error) {
	b := &rebuild{a: a, h: h, o: o}
	err := b.captures(ctx)
	if err == nil {
		err = b.references(ctx)
	}
	if err == nil {
		err = b.events(ctx)
	}
	return b.r, err
}

type rebuild struct {
	a *Archive
	h History
	o RebuildOptions
	r RebuildReport
	n int
	// later are references to captures that come later in the listing: of two
	// visits at one time either may have been stored first.
	later []reference
}

// reference is a revisit record.
type reference struct {
	capture capture.ID
	site    string
	sum     capture.Digest
	to      warc.Original
}

func (b *rebuild) differ(w What, id capture.ID, key, format string, args ...any) {
	b.r.Differences++
	if b.o.Found != nil {
		b.o.Found(Difference{w, id, key, fmt.Sprintf(format, args...)})
	}
}

func (b *rebuild) step() {
	if b.n++; b.n%500 == 0 && b.o.Progress != nil {
		b.o.Progress(b.r)
	}
}

func (b *rebuild) captures(ctx context.Context) error {
	for info, err := range b.a.Vault.List(ctx, vault.CapturesPrefix, "") {
		if err != nil {
			return err
		}
		id, file, ok := vault.ParseCaptureKey(info.Key)
		if !ok || file != vault.FileManifest {
			continue // an audit tells what belongs to no manifest
		}
		if err := b.capture(ctx, id, info); err != nil {
			return fmt.Errorf("capture %s: %w", id, err)
		}
		b.step()
	}
	return nil
}

func (b *rebuild) capture(ctx context.Context, id capture.ID, info vault.Info) error {
	doc, err := b.object(ctx, info.Key, info.Version, manifest.MaxSize)
	if err != nil {
		return err
	}
	m, err := manifest.Parse(doc)
	if err != nil || m.Capture != id {
		b.differ(BadManifest, id, info.Key, "it cannot be read, or is of another capture: %s", errorText(err))
		return nil
	}
	ev, _, err := b.h.Event(ctx, id)
	switch {
	case errors.Is(err, vault.ErrNotFound), errors.Is(err, custody.ErrEvent), errors.Is(err, custody.ErrCorrupt):
		b.differ(NotInLog, id, info.Key, "there is no custody event that it was captured, so it is not taken: %s", err)
		return nil
	case err != nil:
		return err
	case ev.Type != sealedBy(m) || ev.Manifest != capture.Sum(doc):
		b.differ(WrongBytes, id, info.Key, "its SHA-256 is %s, the log says %s", capture.Sum(doc), ev.Manifest)
		return nil
	}
	lock, err := b.a.Vault.Stat(ctx, info.Key, info.Version)
	if err != nil {
		return err
	}
	e := entryOf(m, lock)
	e.Manifest = ev.Manifest
	arts, err := b.artifacts(ctx, m, &e)
	if err != nil {
		return err
	}
	if err := b.a.Catalog.Add(ctx, e, arts); err != nil {
		return err
	}
	b.r.Captures++
	if m.Redaction != nil { // nothing refers to a redaction
		return b.a.Catalog.AddRedaction(ctx, id, m.Redaction.Capture)
	}
	return b.payloads(ctx, m, arts)
}

// entryOf gives what the manifest and its lock say.
func entryOf(m *manifest.Manifest, lock vault.Info) catalog.Entry {
	return catalog.Entry{
		ID: m.Capture, Started: m.Started.UTC(), Finished: m.Finished.UTC(), URL: m.URL, FinalURL: m.FinalURL,
		Site: m.Asked.Site, PageKind: m.Asked.PageKind, ItemID: m.Asked.ItemID, Canonical: m.Asked.Canonical, Watch: m.Asked.Watch,
		Job: m.Asked.Job, RequestedBy: m.Asked.By, Outcome: m.Outcome, ManifestKey: lock.Key, ManifestVersion: lock.Version,
		Event: m.Capture.String(), RetainUntil: lock.RetainUntil.UTC(), Held: lock.Hold,
	}
}

// artifacts gives the files of a capture with their locks, and fills in what
// was read from the page.
func (b *rebuild) artifacts(ctx context.Context, m *manifest.Manifest, e *catalog.Entry) ([]catalog.Artifact, error) {
	var all []catalog.Artifact
	for _, f := range m.Artifacts {
		o := catalog.Artifact{
			Role: f.Role, Tile: int(f.Tile), MediaType: f.MediaType, Key: f.Key, Version: f.Version, Bytes: f.Bytes,
			SHA256: f.SHA256, SHA512: f.SHA512, Width: int(f.Width), Height: int(f.Height),
		}
		lock, err := b.a.Vault.Stat(ctx, f.Key, f.Version)
		switch {
		case errors.Is(err, vault.ErrNotFound):
			b.differ(Missing, m.Capture, f.Key, "the version %s that the manifest names is not there", f.Version)
		case err != nil:
			return nil, err
		}
		o.RetainUntil = lock.RetainUntil.UTC()
		e.Bytes += f.Bytes
		all = append(all, o)
		if f.Role == string(capture.RoleReading) && err == nil {
			doc, err := b.object(ctx, f.Key, f.Version, maxReading)
			if err != nil {
				return nil, err
			}
			if capture.Sum(doc) != f.SHA256 {
				b.differ(WrongBytes, m.Capture, f.Key, "its SHA-256 is %s, the manifest says %s", capture.Sum(doc), f.SHA256)
				continue
			}
			d := describe(doc)
			e.Title, e.Price, e.Currency, e.Seller = d.Title, d.Price, d.Currency, d.Seller
		}
	}
	return all, nil
}

const maxReading = 64 << 20

// describe reads title, price and seller from a reading: of the members of
// its listing, listing.fields.<name>.value, and amount of the price.
func describe(doc []byte) Description {
	var r struct {
		Listing *struct {
			Fields map[string]struct {
				Value  string  `json:"value"`
				Amount *string `json:"amount"`
			} `json:"fields"`
		} `json:"listing"`
	}
	if json.Unmarshal(doc, &r) != nil || r.Listing == nil {
		return Description{} // nothing was read from the page
	}
	f := r.Listing.Fields
	d := Description{Title: f["title"].Value, Seller: f["seller_name"].Value}
	if amount := f["price"].Amount; amount != nil {
		d.Price, d.Currency = *amount, f["currency"].Value
	}
	return d
}

func (b *rebuild) object(ctx context.Context, key, version string, limit int64) ([]byte, error) {
	r, _, err := b.a.Vault.Get(ctx, key, version)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	doc, err := io.ReadAll(io.LimitReader(r, limit+1))
	if int64(len(doc)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", key, limit)
	}
	return doc, err
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

// events takes cases, erasures and orders from the custody events, in order.
func (b *rebuild) events(ctx context.Context) error {
	u := &audit{a: b.a}
	for id, err := range u.events(ctx, capture.ID{}) {
		if err != nil {
			return err
		}
		if _, err := b.a.Catalog.Get(ctx, id); err == nil {
			continue // the event that it was captured
		} else if !errors.Is(err, catalog.ErrNotFound) {
			return err
		}
		ev, _, err := b.h.Event(ctx, id)
		if errors.Is(err, custody.ErrEvent) || errors.Is(err, custody.ErrCorrupt) || errors.Is(err, vault.ErrNotFound) {
			b.differ(BadLog, id, vault.CustodyEventKey(id), "the event cannot be read: %s", err)
			continue
		}
		if err == nil {
			err = b.event(ctx, ev)
		}
		if err != nil {
			return fmt.Errorf("event %s: %w", id, err)
		}
		b.r.Events++
		b.step()
	}
	return nil
}

func (b *rebuild) event(ctx context.Context, ev custody.Event) error {
	switch {
	case ev.Type == custody.Erased && !ev.Subject.Capture.IsZero():
		return b.gone(ctx, ev)
	case ev.Type != custody.Decided:
		return nil
	}
	s := ev.Subject
	switch ev.Details["decision"] {
	case decisionErase:
		e, err := b.a.Catalog.Get(ctx, s.Capture)
		if errors.Is(err, catalog.ErrNotFound) || err == nil && e.State != catalog.Kept {
			return nil // it was carried out
		}
		if err != nil {
			return err
		}
		b.r.Orders++
		if err := b.moved(ctx, s.Capture); err != nil {
			return err
		}
		return b.a.Catalog.OrderErasure(ctx, catalog.Order{Capture: s.Capture, At: ev.At, By: ev.Actor, Reason: ev.Details["order"]})
	case decisionOpen:
		if _, err := b.a.Catalog.Case(ctx, s.Case); !errors.Is(err, catalog.ErrNotFound) {
			return err
		}
		b.r.Cases++
		return b.a.Catalog.OpenCase(ctx, catalog.Case{ID: s.Case, Name: ev.Details["name"], Note: ev.Details["note"], Created: ev.At, CreatedBy: ev.Actor})
	case decisionAdd:
		err := b.a.Catalog.AddToCase(ctx, s.Case, s.Capture, ev.Actor, ev.At)
		if errors.Is(err, catalog.ErrNotFound) { // it may be gone since; that event comes later
			if later, _, gerr := b.h.Event(ctx, goneID(s.Capture)); gerr == nil && later.Type == custody.Erased {
				if err = b.gone(ctx, later); err == nil {
					err = b.a.Catalog.AddToCase(ctx, s.Case, s.Capture, ev.Actor, ev.At)
				}
			}
		}
		if errors.Is(err, catalog.ErrNotFound) {
			b.differ(NotInVault, s.Capture, "", "it belongs to case %s, and one of the two is not there", s.Case)
			return nil
		}
		return err
	case decisionClose:
		return b.a.Catalog.CloseCase(ctx, s.Case, ev.At)
	}
	return nil
}

// moved finds the payloads that Erase gave objects of their own.
func (b *rebuild) moved(ctx context.Context, id capture.ID) error {
	needed, err := b.a.Catalog.Needed(ctx, id)
	if err != nil {
		return err
	}
	for _, p := range needed {
		info, err := b.a.Vault.Stat(ctx, vault.SharedKey(p.SHA256, vault.FilePayload), "")
		if errors.Is(err, vault.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if err := b.a.Catalog.MovePayload(ctx, id, p.SHA256, info.Key, info.Version); err != nil {
			return err
		}
	}
	return nil
}

// gone adds that a capture was there. The event was made before its objects
// went: where they are still there, the capture is, until an Expire.
func (b *rebuild) gone(ctx context.Context, ev custody.Event) error {
	id := ev.Subject.Capture
	if _, err := b.a.Catalog.Get(ctx, id); !errors.Is(err, catalog.ErrNotFound) {
		return err
	}
	d := ev.Details
	started, err1 := time.Parse(time.RFC3339Nano, d["started"])
	finished, err2 := time.Parse(time.RFC3339Nano, d["finished"])
	until, err3 := time.Parse(time.RFC3339, d["retain_until"])
	bytes, err4 := strconv.ParseInt(d["bytes"], 10, 64)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		b.differ(BadLog, id, vault.CustodyEventKey(ev.ID), "the erased event does not say what was there: %s", err)
		return nil
	}
	b.r.Gone++
	return b.a.Catalog.AddForgotten(ctx, catalog.Entry{
		ID: id, Started: started, Finished: finished, Site: d["site"], PageKind: d["page_kind"], Outcome: capture.Outcome(d["outcome"]),
		Manifest: ev.Manifest, ManifestKey: vault.ManifestKey(id), ManifestVersion: d["manifest_version"], Event: id.String(),
		Bytes: bytes, RetainUntil: until, State: catalog.State(d["state"]),
	})
}
