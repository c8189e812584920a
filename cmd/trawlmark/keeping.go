package main

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/trawlmark/trawlmark/archive"
)

// keepEvery is how often a sample of the archive is read again and what has
// expired is told (docs/operating.md).
const keepEvery = 24 * time.Hour

// goKeep lets the archive look after itself until ctx ends: a dispatcher does
// it, beside its own work.
func (a *app) goKeep(ctx context.Context, g *errgroup.Group) error {
	arch, _, err := a.consoleArchive(ctx)
	if err != nil {
		return err
	}
	k := archive.NewKeeper(arch, archive.KeeperConfig{Expire: a.cfg.Retention.DeleteExpired}, a.log)
	a.keeper = k
	g.Go(func() error { return k.Run(ctx, keepEvery) })
	return nil
}
