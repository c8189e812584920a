package s3vault

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// Extend implements vault.Vault.
func (v *Vault) Extend(ctx context.Context, key, version string, mode vault.Mode, until time.Time) error {
	name, err := v.name(key)
	if err != nil {
		return err
	}
	// Two extensions of one object at once: S3 has no compare-and-swap for
	// locks, so at least those of this process wait for each other.
	mu := &v.extending[crc32.ChecksumIEEE([]byte(name))%uint32(len(v.extending))]
	mu.Lock()
	defer mu.Unlock()
	return v.retry(ctx, vault.OpExtend, key, 0, func(int) error {
		info, err := v.stat(ctx, key, name, version)
		if err != nil {
			return err
		}
		m, done, err := vault.CheckExtend(info, mode, until, v.cfg.Now())
		if done || err != nil {
			return err
		}
		err = v.setRetention(ctx, key, name, info.Version, m, vault.LockTime(until), strengthens(info, m))
		if err == nil || !refused(err) {
			return err
		}
		// Somebody else may have extended it further since we looked.
		if info, serr := v.stat(ctx, key, name, version); serr == nil {
			if _, done, cerr := vault.CheckExtend(info, mode, until, v.cfg.Now()); done || cerr != nil {
				return cerr
			}
		}
		return fmt.Errorf("%w: %w", vault.ErrLocked, err)
	})
}

// strengthens: GOVERNANCE becomes COMPLIANCE. A storage takes that for a change
// that needs the bypass header, although nothing gets weaker.
func strengthens(i vault.Info, mode vault.Mode) bool {
	return i.Mode == vault.Governance && mode == vault.Compliance
}

func (v *Vault) setRetention(ctx context.Context, key, name, version string, mode vault.Mode, until time.Time, bypass bool) error {
	m := minio.RetentionMode(mode)
	return translate(ctx, vault.OpExtend, key, v.client.PutObjectRetention(ctx, v.cfg.Bucket, name,
		minio.PutObjectRetentionOptions{Mode: &m, RetainUntilDate: &until, VersionID: version, GovernanceBypass: bypass}))
}

// Hold implements vault.Vault.
func (v *Vault) Hold(ctx context.Context, key, version string, on bool) error {
	name, err := v.name(key)
	if err != nil {
		return err
	}
	return v.retry(ctx, vault.OpHold, key, 0, func(int) error {
		if version == "" {
			// Some storages answer a hold on nothing with success.
			info, _, err := v.head(ctx, key, name, "")
			if err != nil {
				return err
			}
			version = info.Version
		}
		return v.setHold(ctx, key, name, version, on)
	})
}

func (v *Vault) setHold(ctx context.Context, key, name, version string, on bool) error {
	status := minio.LegalHoldDisabled
	if on {
		status = minio.LegalHoldEnabled
	}
	return notFound(version, translate(ctx, vault.OpHold, key, v.client.PutObjectLegalHold(ctx, v.cfg.Bucket, name,
		minio.PutObjectLegalHoldOptions{Status: &status, VersionID: version})))
}

// Delete implements vault.Vault. It is the storage that refuses to delete what
// is locked; this only says so in the words of package vault.
func (v *Vault) Delete(ctx context.Context, key, version string) error {
	name, err := v.name(key)
	if err != nil {
		return err
	}
	if version == "" {
		return fmt.Errorf("delete %q: name the version; without one the object would only be hidden", key)
	}
	lost := false
	return v.retry(ctx, vault.OpDelete, key, 0, func(int) error {
		// S3 answers the deletion of nothing with success, so look first.
		info, err := v.stat(ctx, key, name, version)
		if lost && errors.Is(err, vault.ErrNotFound) {
			return nil // the attempt without an answer did it
		}
		if err != nil {
			return err
		}
		err = v.remove(ctx, key, name, version)
		lost = lost || errors.Is(err, vault.ErrUnavailable)
		if refused(err) && info.Locked(v.cfg.Now()) {
			return fmt.Errorf("%w: %w", vault.ErrLocked, err)
		}
		return err
	})
}

// remove deletes one version, without asking for a lock to be lifted.
func (v *Vault) remove(ctx context.Context, key, name, version string) error {
	return translate(ctx, vault.OpDelete, key, v.client.RemoveObject(ctx, v.cfg.Bucket, name, minio.RemoveObjectOptions{VersionID: version}))
}

// refused: a lock makes a storage answer 403 (S3, versitygw) or 400 (MinIO).
func refused(err error) bool {
	var resp minio.ErrorResponse
	return errors.As(err, &resp) && (resp.StatusCode == http.StatusForbidden || resp.StatusCode == http.StatusBadRequest) &&
		!errors.Is(err, vault.ErrNotFound)
}
