package archive

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// Expiry is what an Expire did, or would do.
type Expiry struct {
	At     time.Time `json:"at"`
	DryRun bool      `json:"dry_run"`
	Done   int       `json:"done"`   // captures that are gone now, or would be
	Erased int       `json:"erased"` // of these, those that an order names
	Bytes  int64     `json:"bytes"`  // that they had; shared bytes may stay
	// Stayed are captures that are due and must stay a while; all are counted,
	// a thousand listed.
	Waiting int      `json:"waiting"`
	Stayed  []Stayed `json:"stayed"`
}

// Stayed is a capture that is due and was not deleted.
type Stayed struct {
	Capture capture.ID `json:"capture"`
	Why     string     `json:"why"`
}

const maxStayed = 1000

// errStays: the capture must stay a while; the text says why.
type errStays struct{ why string }

func (e errStays) Error() string { return e.why }

// Expire deletes the captures whose retention has ended, unless they are held,
// still locked, or referred to by captures that are kept. Each leaves an
// erased event in the custody log, and a row in the catalogue that says that
// it was there. dryRun only tells. An error ends it; what was deleted before
// is deleted and in the result.
func (a *Archive) Expire(ctx context.Context, dryRun bool) (Expiry, error) {
	return a.ExpireTelling(ctx, dryRun, func(Expiry) {})
}

// ExpireTelling is Expire that tells how far it is about every 500 captures.
func (a *Archive) ExpireTelling(ctx context.Context, dryRun bool, progress func(Expiry)) (Expiry, error) {
	x := Expiry{At: a.Now().UTC(), DryRun: dryRun, Stayed: []Stayed{}}
	n := 0
	for e, err := range a.Catalog.Due(ctx, x.At) {
		if err != nil {
			return x, err
		}
		if n++; n%500 == 0 {
			progress(x)
		}
		g := gone{state: catalog.Expired, actor: "system:retention", reason: "its retention ended " + e.RetainUntil.UTC().Format(time.RFC3339)}
		order, err := a.Catalog.Ordered(ctx, e.ID)
		switch {
		case err == nil:
			g = gone{catalog.Erased, order.By, order.Reason}
		case !errors.Is(err, catalog.ErrNotFound):
			return x, err
		}
		err = a.remove(ctx, e, g, dryRun)
		if stays, ok := errors.AsType[errStays](err); ok {
			x.Waiting++
			if len(x.Stayed) < maxStayed {
				x.Stayed = append(x.Stayed, Stayed{e.ID, stays.why})
			}
			continue
		}
		if err != nil {
			return x, fmt.Errorf("capture %s could not be deleted: %w", e.ID, err)
		}
		x.Done++
		x.Bytes += e.Bytes
		if g.state == catalog.Erased {
			x.Erased++
		}
	}
	return x, nil
}

// Erasure is what became of an order to erase.
type Erasure struct {
	Capture capture.ID `json:"capture"`
	// Erased: it is gone. If not, the order is on record, nothing refers to the
	// capture any more, and Expire erases it when its lock has ended.
	Erased bool      `json:"erased"`
	Until  time.Time `json:"locked_until,omitzero"`
	Why    string    `json:"why,omitempty"`
}

// Erase carries out an order to erase a capture: at once if its lock allows,
// else the order is recorded and carried out by Expire. What other captures
// need of it is kept by itself, without the page. Why a lock is not broken is
// in docs/decisions/0011-erasure-waits-for-the-lock.md.
func (a *Archive) Erase(ctx context.Context, id capture.ID, actor, order string) (Erasure, error) {
	out := Erasure{Capture: id}
	e, err := a.Catalog.Get(ctx, id)
	if err != nil {
		return out, err
	}
	if e.State != catalog.Kept {
		return out, fmt.Errorf("capture %s: %w", id, ErrGone)
	}
	// On record first: from here on no new capture refers to this one.
	_, err = a.Catalog.Ordered(ctx, id)
	if errors.Is(err, catalog.ErrNotFound) {
		err = a.decide(ctx, a.Now(), actor, custody.Subject{Capture: id}, decisionErase, map[string]string{"order": order})
	}
	if err != nil {
		return out, err
	}
	if err := a.Catalog.OrderErasure(ctx, catalog.Order{Capture: id, At: a.Now().UTC(), By: actor, Reason: order}); err != nil {
		return out, err
	}
	if err := a.freePayloads(ctx, id, a.Now().Add(24*time.Hour)); err != nil {
		return out, fmt.Errorf("what other captures need of capture %s could not be kept by itself: %w", id, err)
	}
	err = a.remove(ctx, e, gone{catalog.Erased, actor, order}, false)
	if stays, ok := errors.AsType[errStays](err); ok {
		out.Why, out.Until = stays.why, e.RetainUntil
		return out, nil
	}
	out.Erased = err == nil
	return out, err
}

// decisionErase is the decision of a decided event that orders an erasure.
const decisionErase = "erase"

// gone is why a capture goes.
type gone struct {
	state         catalog.State
	actor, reason string
}

// remove deletes a capture for good: event first, then what only it needs, the
// manifest last, then the catalogue. Done again after a failure it ends the
// same. errStays when it must not go yet.
func (a *Archive) remove(ctx context.Context, e catalog.Entry, g gone, dryRun bool) error {
	if e.Held {
		return errStays{"it is under legal hold"}
	}
	needed, err := a.Catalog.Needed(ctx, e.ID)
	if err != nil {
		return err
	}
	for _, p := range needed {
		if p.Length > 0 {
			return errStays{"captures that are kept refer to payloads in its WARC"}
		}
	}
	all, err := a.alone(ctx, e)
	if err != nil {
		return err
	}
	for _, o := range all {
		info, err := a.Vault.Stat(ctx, o.key, o.version)
		if errors.Is(err, vault.ErrNotFound) {
			continue // an earlier attempt, or what an audit reports
		}
		if err != nil {
			return err
		}
		if info.Hold {
			return errStays{o.key + " is under legal hold"}
		}
		if info.Locked(a.Now()) {
			return errStays{fmt.Sprintf("%s is locked until %s", o.key, info.RetainUntil.UTC().Format(time.RFC3339))}
		}
	}
	if dryRun {
		return nil
	}
	if err := a.noteGone(ctx, e, g, len(all)); err != nil {
		return err
	}
	for _, o := range all {
		err := a.Vault.Delete(ctx, o.key, o.version)
		if errors.Is(err, vault.ErrLocked) && o.key != e.ManifestKey {
			continue // a capture that is just being stored shares it
		}
		if err != nil && !errors.Is(err, vault.ErrNotFound) {
			return err
		}
	}
	return a.Catalog.Forget(ctx, e.ID, g.state)
}

// alone lists the objects that no other kept capture needs.
func (a *Archive) alone(ctx context.Context, e catalog.Entry) ([]object, error) {
	all, err := a.objects(ctx, e)
	if err != nil {
		return nil, err
	}
	var out []object
	for _, o := range all {
		if o.other != nil && o.other.Length > 0 {
			continue // the WARC of another capture
		}
		users, err := a.Catalog.Users(ctx, o.key, e.ID)
		if err != nil {
			return nil, err
		}
		if users.Users == 0 {
			out = append(out, o)
		}
	}
	return out, nil
}

// noteGone leaves the event that a capture goes, with what stays known of it:
// nothing of the page.
func (a *Archive) noteGone(ctx context.Context, e catalog.Entry, g gone, objects int) error {
	d := map[string]string{
		"state": string(g.state), "reason": g.reason, "site": e.Site, "page_kind": e.PageKind, "outcome": string(e.Outcome),
		"started": e.Started.UTC().Format(time.RFC3339Nano), "finished": e.Finished.UTC().Format(time.RFC3339Nano),
		"retain_until": e.RetainUntil.UTC().Format(time.RFC3339), "manifest_version": e.ManifestVersion,
		"bytes": strconv.FormatInt(e.Bytes, 10), "objects": strconv.Itoa(objects),
	}
	// Its id follows from the capture's, so that a second attempt logs once.
	_, err := a.Custody.Append(ctx, custody.Event{
		ID: goneID(e.ID), Type: custody.Erased, Actor: g.actor, Subject: custody.Subject{Capture: e.ID}, Manifest: e.Manifest, Details: maps.Clone(d),
	}, custody.Keep{})
	if errors.Is(err, custody.ErrConflict) {
		return nil // an earlier attempt gave another reason: it is on record
	}
	if err != nil {
		return fmt.Errorf("it could not be recorded that capture %s goes, so it stays: %w", e.ID, err)
	}
	return nil
}

// goneID is the id of the erased event of a capture, on the same day.
func goneID(id capture.ID) capture.ID {
	sum := sha256.Sum256([]byte("trawlmark erased " + id.String()))
	copy(id[9:], sum[:7])
	return id
}
