package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/configs"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// How long evidence is kept: what a watch says, else the configuration.

// retention reads --keep and --keep-findings.
func (x *watchFlags) retention(f *pflag.FlagSet, r *ledger.Retention) error {
	for i, flag := range []struct {
		name string
		to   *int64
	}{{"keep", &r.Untriaged}, {"keep-findings", &r.Finding}} {
		if !f.Changed(flag.name) {
			continue
		}
		*flag.to = 0
		if x.keep[i] == "" {
			continue // as the configuration says
		}
		d, err := configs.ParseDuration(x.keep[i])
		if err != nil {
			return usagef("--%s: %w", flag.name, err)
		}
		if d < time.Second {
			return usagef("--%s is %s, want a minute or more", flag.name, d)
		}
		*flag.to = int64(d / time.Second)
	}
	return nil
}

// keptText is a retention as it is given: in days where it has whole ones.
func keptText(seconds int64, none string) string {
	switch d := time.Duration(seconds) * time.Second; {
	case seconds == 0:
		return none
	case seconds%(24*3600) == 0:
		return fmt.Sprintf("%dd", seconds/(24*3600))
	default:
		return d.String()
	}
}

func keptWord(r ledger.Retention) string {
	if r == (ledger.Retention{}) {
		return "-"
	}
	return keptText(r.Untriaged, "-") + "/" + keptText(r.Finding, "-")
}

// decider is the ledger's findings with one thing more: the evidence of what a
// person confirms is locked as findings are, from the decision on.
type decider struct {
	*ledger.Ledger
	keep func(ctx context.Context, id capture.ID, until time.Time, actor, reason string) error
	// untriaged and finding are what the configuration says.
	untriaged, finding time.Duration
}

func (a *app) decider(l *ledger.Ledger, arch *archive.Archive) decider {
	return decider{l, arch.Extend, a.cfg.Retention.Untriaged.D(), a.cfg.Retention.Finding.D()}
}

// Decide locks first: a decision without its evidence would be worth little.
func (d decider) Decide(ctx context.Context, id capture.ID, x ledger.Decision) (ledger.Finding, error) {
	switch x.State {
	case ledger.Confirmed, ledger.Escalated, ledger.Resolved:
		if err := d.lock(ctx, id, x); err != nil {
			return ledger.Finding{}, fmt.Errorf("the evidence could not be locked, so nothing was decided: %w", err)
		}
	}
	return d.Ledger.Decide(ctx, id, x)
}

func (d decider) lock(ctx context.Context, id capture.ID, x ledger.Decision) error {
	f, err := d.Finding(ctx, id)
	if err != nil {
		return err
	}
	var w ledger.Watch
	if !f.Watch.IsZero() {
		if w, err = d.Watch(ctx, f.Watch); err != nil && !errors.Is(err, ledger.ErrNotFound) {
			return err
		}
	}
	_, finding := w.Retention.Or(d.untriaged, d.finding)
	err = d.keep(ctx, f.Capture, d.Now().Add(finding), x.By, "the finding is "+string(x.State))
	if errors.Is(err, archive.ErrGone) || errors.Is(err, catalog.ErrNotFound) {
		return nil // what has expired cannot be kept; the decision is a person's all the same
	}
	return err
}
