package archive

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
)

// The decisions of decided events about cases (docs/decisions/
// 0012-cases-are-custody-events.md). The catalogue's cases are made from them.
const (
	decisionOpen  = "case_open"  // details: name, note
	decisionAdd   = "case_add"   // the capture is the subject
	decisionClose = "case_close" // details: reason
)

// OpenCase begins a case. An empty id is filled in by the day and a number.
func (a *Archive) OpenCase(ctx context.Context, id, name, note, actor string) (catalog.Case, error) {
	if strings.TrimSpace(name) == "" {
		return catalog.Case{}, errors.New("a case needs a name")
	}
	now := a.Now().UTC().Truncate(time.Microsecond)
	if id == "" {
		var err error
		if id, err = a.freeCase(ctx, now); err != nil {
			return catalog.Case{}, err
		}
	} else if _, err := a.Catalog.Case(ctx, id); !errors.Is(err, catalog.ErrNotFound) {
		if err == nil {
			err = fmt.Errorf("there is a case %s already", id)
		}
		return catalog.Case{}, err
	}
	k := catalog.Case{ID: id, Name: name, Note: note, Created: now, CreatedBy: actor}
	return k, a.openCase(ctx, k)
}

func (a *Archive) openCase(ctx context.Context, k catalog.Case) error {
	k.Created = k.Created.UTC().Truncate(time.Microsecond)
	err := a.decide(ctx, k.Created, k.CreatedBy, custody.Subject{Case: k.ID}, decisionOpen, map[string]string{"name": k.Name, "note": k.Note})
	if err != nil {
		return err
	}
	return a.Catalog.OpenCase(ctx, k)
}

// freeCase gives the first "2026-03-01-1", "-2", ... that is free.
func (a *Archive) freeCase(ctx context.Context, now time.Time) (string, error) {
	for n := 1; n < 10_000; n++ {
		id := now.Format("2006-01-02-") + strconv.Itoa(n)
		_, err := a.Catalog.Case(ctx, id)
		if errors.Is(err, catalog.ErrNotFound) {
			return id, nil
		}
		if err != nil {
			return "", err
		}
	}
	return "", errors.New("too many cases were opened today; give the case an id")
}

// AddToCase puts a capture into a case; once is enough. Nothing is put into a
// closed case.
func (a *Archive) AddToCase(ctx context.Context, caseID string, id capture.ID, actor string) error {
	return a.addToCase(ctx, caseID, id, actor, a.Now())
}

func (a *Archive) addToCase(ctx context.Context, caseID string, id capture.ID, actor string, at time.Time) error {
	k, err := a.Catalog.Case(ctx, caseID)
	if err != nil {
		return err
	}
	if !k.Closed.IsZero() {
		return fmt.Errorf("case %s was closed %s; open another one", k.ID, k.Closed.UTC().Format(time.RFC3339))
	}
	e, err := a.Catalog.Get(ctx, id)
	if err != nil {
		return err
	}
	if e.State != catalog.Kept {
		return fmt.Errorf("capture %s: %w", id, ErrGone)
	}
	in, err := a.Catalog.InCase(ctx, caseID, id)
	if err != nil || in {
		return err
	}
	at = at.UTC().Truncate(time.Microsecond)
	if err := a.decide(ctx, at, actor, custody.Subject{Case: caseID, Capture: id}, decisionAdd, nil); err != nil {
		return err
	}
	return a.Catalog.AddToCase(ctx, caseID, id, actor, at)
}

// CloseCase closes a case. Its captures stay as they are: a hold is lifted by
// Hold.
func (a *Archive) CloseCase(ctx context.Context, caseID, actor, reason string) error {
	k, err := a.Catalog.Case(ctx, caseID)
	if err != nil {
		return err
	}
	if !k.Closed.IsZero() {
		return nil
	}
	now := a.Now().UTC().Truncate(time.Microsecond)
	if err := a.decide(ctx, now, actor, custody.Subject{Case: caseID}, decisionClose, map[string]string{"reason": reason}); err != nil {
		return err
	}
	return a.Catalog.CloseCase(ctx, caseID, now)
}

// decide leaves a decided event at a time.
func (a *Archive) decide(ctx context.Context, at time.Time, actor string, s custody.Subject, decision string, more map[string]string) error {
	d := map[string]string{"decision": decision}
	for k, v := range more {
		if v != "" {
			d[k] = v
		}
	}
	_, err := a.Custody.Append(ctx, custody.Event{Type: custody.Decided, Actor: actor, Subject: s, Details: d, At: at}, custody.Keep{})
	if err != nil {
		return fmt.Errorf("it could not be recorded, so it is not done: %w", err)
	}
	return nil
}

// Casebook is the catalogue's cases with everything that is done to them on
// record. It has the catalogue's methods, for who is used to them.
type Casebook struct{ a *Archive }

// Casebook gives the cases of the archive.
func (a *Archive) Casebook() Casebook { return Casebook{a} }

// OpenCase begins a case.
func (c Casebook) OpenCase(ctx context.Context, k catalog.Case) error { return c.a.openCase(ctx, k) }

// AddToCase puts a capture into a case.
func (c Casebook) AddToCase(ctx context.Context, caseID string, id capture.ID, by string, at time.Time) error {
	return c.a.addToCase(ctx, caseID, id, by, at)
}

// Case gives one case.
func (c Casebook) Case(ctx context.Context, id string) (catalog.Case, error) {
	return c.a.Catalog.Case(ctx, id)
}

// Cases lists the cases, newest first.
func (c Casebook) Cases(ctx context.Context) ([]catalog.Case, error) { return c.a.Catalog.Cases(ctx) }
