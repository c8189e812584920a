package archive

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/manifest"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/archive/warc"
)

// pendingVersion stands for the version of an object before the vault gave one.
const pendingVersion = "pending"

// Prepare makes a capture whole on disk: its WARC, its artifacts and the draft
// of its manifest. After it nothing of the capture is needed in memory, and
// Store can be tried until it succeeds, also by the next process. note comes
// back in Pending.Note. Errors: ErrSpoolFull, ErrDiskFull; anything else is
// this disk's.
func (a *Archive) Prepare(ctx context.Context, c *capture.Capture, d Description, note json.RawMessage) (*Pending, error) {
	if !c.Outcome.Valid() {
		return nil, fmt.Errorf("capture %s has no outcome of the table: %q", c.ID, c.Outcome)
	}
	k, err := a.spool.begin(c.ID)
	if err != nil {
		return nil, err
	}
	p := &Pending{ID: c.ID, Note: note, Actor: a.cfg.Actor}
	if err := a.fill(ctx, k, c, d, p); err != nil {
		k.drop()
		return nil, fmt.Errorf("capture %s could not be written to the spool: %w", c.ID, diskFull(err))
	}
	return p, nil
}

func (a *Archive) fill(ctx context.Context, k *pack, c *capture.Capture, d Description, p *Pending) error {
	until := c.Started.Add(cmp.Or(d.Keep, a.cfg.Untriaged)).UTC().Truncate(time.Second).Add(time.Second)
	if err := a.writeWARC(ctx, k, c, p); err != nil {
		return err
	}
	for _, art := range c.Artifacts {
		if err := spoolArtifact(k, c.ID, art, p); err != nil {
			return err
		}
	}
	if !a.cfg.Whole {
		share(p.Files)
	}
	for i := range p.Files {
		p.Files[i].Until = until
	}
	m, err := manifest.New(c, stored(p.Files))
	if err != nil {
		return err
	}
	if p.Draft, err = m.Marshal(); err != nil {
		return err
	}
	p.made = m
	p.Entry = entry(c, d, p.Files, until)
	return a.spool.commit(k, p)
}

func (a *Archive) writeWARC(ctx context.Context, k *pack, c *capture.Capture, p *Pending) error {
	info := a.cfg.Info
	if info.UserAgent == "" {
		info.UserAgent = c.Environment.UserAgent
	}
	if info.RobotsPolicy == "" {
		info.RobotsPolicy = c.Policy.Robots
	}
	var index *warc.Index
	var seen *dedupe
	opt := warc.Options{Info: info, NewID: a.IDs.New}
	network := c
	if !a.cfg.Whole {
		var err error
		if seen, err = a.newDedupe(c); err != nil {
			return err
		}
		network = withoutArtifacts(c)
		opt.Dedupe = func(_ string, sum capture.Digest) (warc.Original, bool) { return seen.original(ctx, sum) }
	}
	at, print, err := k.add(func(w io.Writer) (err error) {
		index, err = warc.WriteCapture(ctx, w, network, opt)
		return err
	})
	if err != nil {
		return err
	}
	if seen != nil {
		if err := seen.list(k, c, index, p); err != nil {
			return err
		}
	}
	p.Files = append(p.Files, spooled{
		File: vault.FileWARC, At: at, Key: vault.WARCKey(c.ID), Role: manifest.RoleWARC,
		MediaType: "application/warc", Print: print, Taken: c.Started.UTC(),
	})
	return nil
}

func spoolArtifact(k *pack, id capture.ID, art *capture.Artifact, p *Pending) error {
	name, err := vault.ArtifactFile(art.Role, art.Tile)
	if err != nil {
		return err
	}
	at, print, err := k.body(art.Body)
	if err != nil {
		return err
	}
	p.Files = append(p.Files, spooled{
		File: name, At: at, Key: vault.CaptureKey(id, name), Role: string(art.Role), Tile: art.Tile, MediaType: art.MediaType,
		Print: print, Taken: art.Taken.UTC(), Width: art.Width, Height: art.Height,
	})
	return nil
}

func stored(files []spooled) []manifest.Stored {
	out := make([]manifest.Stored, len(files))
	for i, f := range files {
		out[i] = manifest.Stored{
			Role: f.Role, Tile: f.Tile, MediaType: f.MediaType, Key: f.Key, Version: pendingVersion,
			Print: f.Print, RetainUntil: f.Until, Taken: f.Taken, Width: f.Width, Height: f.Height,
		}
	}
	return out
}

func entry(c *capture.Capture, d Description, files []spooled, until time.Time) catalog.Entry {
	e := catalog.Entry{
		ID: c.ID, Started: c.Started.UTC(), Finished: c.Finished.UTC(), URL: c.URL, FinalURL: c.FinalURL,
		Site: c.Asked.Site, PageKind: c.Asked.PageKind, ItemID: c.Asked.ItemID, Canonical: c.Asked.Canonical,
		Watch: c.Asked.Watch, Job: c.Asked.Job, RequestedBy: c.Asked.By, Outcome: c.Outcome,
		Title: d.Title, Price: d.Price, Currency: d.Currency, Seller: d.Seller, RetainUntil: until,
	}
	for _, f := range files {
		e.Bytes += f.Print.Size
	}
	return e
}

// printer fingerprints what is written through it.
type printer struct {
	w      io.Writer
	h2, h5 hash.Hash
	n      int64
}

func newPrinter(w io.Writer) *printer { return &printer{w: w, h2: sha256.New(), h5: sha512.New()} }

func (p *printer) Write(b []byte) (int, error) {
	n, err := p.w.Write(b)
	p.h2.Write(b[:n])
	p.h5.Write(b[:n])
	p.n += int64(n)
	return n, err
}

func (p *printer) print() capture.Fingerprint {
	f := capture.Fingerprint{Size: p.n}
	p.h2.Sum(f.SHA256[:0])
	p.h5.Sum(f.SHA512[:0])
	return f
}
