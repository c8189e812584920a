package archive

import (
	"context"
	"errors"
	"fmt"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// ObjectLock is how the storage keeps one object that a capture needs.
type ObjectLock struct {
	vault.Info
	// Wrong says what is not as it should be; empty: all is.
	Wrong []string
	// Told is false when the storage keeps no locks, or the retention has ended:
	// nothing is wrong then, and nothing is kept.
	Told bool
}

// Locks asks the storage about the lock, the legal hold and the version of
// every object that a capture needs: its files, the objects that its WARC
// refers to, and its manifest. It is what an audit looks at, of one capture, now.
func (a *Archive) Locks(ctx context.Context, id capture.ID) ([]ObjectLock, error) {
	e, err := a.Catalog.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if e.State != catalog.Kept {
		return nil, fmt.Errorf("capture %s: %w", id, ErrGone)
	}
	all, err := a.objects(ctx, e)
	if err != nil {
		return nil, err
	}
	var out []ObjectLock
	for _, o := range all {
		l := ObjectLock{Told: !a.cfg.Unlocked && (e.Held || e.RetainUntil.After(a.Now()))}
		l.Info, err = a.Vault.Stat(ctx, o.key, o.version)
		switch {
		case errors.Is(err, vault.ErrNotFound):
			l.Key, l.Version = o.key, o.version
			l.Wrong = append(l.Wrong, "the version "+o.version+" is not there")
		case err != nil:
			return nil, err
		default:
			a.checkLock(e, l.Info, func(_ What, format string, args ...any) { l.Wrong = append(l.Wrong, fmt.Sprintf(format, args...)) })
		}
		out = append(out, l)
	}
	return out, nil
}
