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
	if err := a.decide(ctx, now, actor, custody.Subject{Case: id}, decisionOpen, map[string]string{"name": name, "note": note}); err != nil {
		return catalog.Case{}, err
	}
	k := catalog.Case{ID: id, Name: name, Note: note, Created: now, CreatedBy: actor}
	return k, a.Catalog.OpenCase(ctx, k)
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
	now := a.Now().UTC().Truncate(time.Microsecond)
	if err := a.decide(ctx, now, actor, custody.Subject{Case: caseID, Capture: id}, decisionAdd, nil); err != nil {
		return err
	}
	return a.Catalog.AddToCase(ctx, caseID, id, actor, now)
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
