package s3vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/minio/minio-go/v7"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// Ensure sees to the bucket: made with Object Lock and versions when it is
// missing, checked for both when it is there. A bucket that keeps no locks is
// ErrUnsupported, unless Config.AllowUnlocked: then it is used as it is, and
// that is said in the log.
func (v *Vault) Ensure(ctx context.Context) error {
	return v.retry(ctx, "ensure", v.cfg.Bucket, 0, func(int) error {
		if err := v.makeBucket(ctx); err != nil {
			return err
		}
		locks, err := v.keepsLocks(ctx)
		if err != nil {
			return err
		}
		if !locks {
			err := v.refuseUnlocked(ctx, "the bucket was made without Object Lock, which cannot be added here: name another bucket")
			if err != nil {
				return err
			}
		}
		return v.versioned(ctx)
	})
}

func (v *Vault) makeBucket(ctx context.Context) error {
	there, err := v.client.BucketExists(ctx, v.cfg.Bucket)
	if err != nil || there {
		return translate(ctx, "ensure", v.cfg.Bucket, err)
	}
	err = v.client.MakeBucket(ctx, v.cfg.Bucket, minio.MakeBucketOptions{Region: v.cfg.Region, ObjectLocking: true})
	switch code(err) {
	case "BucketAlreadyOwnedByYou": // another worker was faster
		return nil
	case "BucketAlreadyExists":
		return fmt.Errorf("ensure %q: the bucket belongs to somebody else: choose another name", v.cfg.Bucket)
	}
	if err == nil {
		v.log.InfoContext(ctx, "storage: made the bucket, with Object Lock", "storage", v.String())
	}
	return translate(ctx, "ensure", v.cfg.Bucket, err)
}

func (v *Vault) keepsLocks(ctx context.Context) (bool, error) {
	state, _, _, _, err := v.client.GetObjectLockConfig(ctx, v.cfg.Bucket)
	if err == nil {
		return state == "Enabled", nil
	}
	err = translate(ctx, "ensure", v.cfg.Bucket, err)
	if errors.Is(err, vault.ErrUnsupported) {
		return false, nil
	}
	return false, err
}

// refuseUnlocked is the answer to a storage that keeps no locks.
func (v *Vault) refuseUnlocked(ctx context.Context, why string) error {
	if !v.cfg.AllowUnlocked {
		return fmt.Errorf("storage %s: %w: %s", v, vault.ErrUnsupported, why)
	}
	if !v.unlocked.Swap(true) {
		v.log.WarnContext(ctx, "storage: EVIDENCE IS NOT LOCKED: whoever has the storage's credentials can delete it", "storage", v.String(), "why", why)
	}
	return nil
}

func (v *Vault) versioned(ctx context.Context) error {
	c, err := v.client.GetBucketVersioning(ctx, v.cfg.Bucket)
	if err != nil || c.Enabled() {
		return translate(ctx, "ensure", v.cfg.Bucket, err)
	}
	return translate(ctx, "ensure", v.cfg.Bucket, v.client.EnableVersioning(ctx, v.cfg.Bucket))
}
