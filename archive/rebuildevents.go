package archive

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/vault"
)

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
