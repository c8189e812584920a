package s3vault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// Stat implements vault.Vault.
func (v *Vault) Stat(ctx context.Context, key, version string) (vault.Info, error) {
	var info vault.Info
	name, err := v.name(key)
	if err != nil {
		return info, err
	}
	err = v.retry(ctx, vault.OpStat, key, 0, func(int) (err error) {
		info, err = v.stat(ctx, key, name, version)
		return err
	})
	return info, err
}

// stat is Stat in one attempt.
func (v *Vault) stat(ctx context.Context, key, name, version string) (vault.Info, error) {
	info, _, err := v.head(ctx, key, name, version)
	if err != nil {
		return vault.Info{}, err
	}
	if version == "" {
		info.Latest = true
		return info, nil
	}
	if info.Latest, err = v.isLatest(ctx, key, name, info.Version); err != nil {
		return vault.Info{}, err
	}
	if !info.Latest && info.RetainUntil.IsZero() && !info.Hold {
		// versitygw shows locks in the headers of the current version only.
		err = v.askLock(ctx, name, &info)
	}
	return info, err
}

// head asks for one version; what it gives has no Latest.
func (v *Vault) head(ctx context.Context, key, name, version string) (vault.Info, http.Header, error) {
	o := minio.StatObjectOptions{VersionID: version, Checksum: true}
	got, err := v.client.StatObject(ctx, v.cfg.Bucket, name, o)
	if err != nil {
		return vault.Info{}, nil, notFound(version, translate(ctx, vault.OpStat, key, err))
	}
	return infoOf(key, got), got.Metadata, nil
}

// notFound: a version id that the storage finds malformed is one it does not
// have. The answer to HEAD has no body to tell a code in.
func notFound(version string, err error) error {
	if c := code(err); version != "" && (c == "InvalidArgument" || c == "400 Bad Request") {
		return fmt.Errorf("%w: %w", vault.ErrNotFound, err)
	}
	return err
}

func (v *Vault) isLatest(ctx context.Context, key, name, version string) (bool, error) {
	now, _, err := v.head(ctx, key, name, "")
	if errors.Is(err, vault.ErrNotFound) { // a delete marker stands over it
		return false, nil
	}
	return now.Version == version, err
}

// askLock fills in the lock by asking for it.
func (v *Vault) askLock(ctx context.Context, name string, info *vault.Info) error {
	mode, until, err := v.client.GetObjectRetention(ctx, v.cfg.Bucket, name, info.Version)
	if err == nil && mode != nil && until != nil {
		info.Mode, info.RetainUntil = vault.Mode(*mode), until.UTC()
	} else if err != nil && !noLock(err) {
		return translate(ctx, vault.OpStat, info.Key, err)
	}
	hold, err := v.client.GetObjectLegalHold(ctx, v.cfg.Bucket, name, minio.GetObjectLegalHoldOptions{VersionID: info.Version})
	if err == nil && hold != nil {
		info.Hold = *hold == minio.LegalHoldEnabled
	} else if err != nil && !noLock(err) {
		return translate(ctx, vault.OpStat, info.Key, err)
	}
	return nil
}

// noLock reports whether a storage says that there is no lock to tell about.
func noLock(err error) bool {
	switch c := code(err); c {
	case "NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError", "InvalidRequest":
		return true
	}
	return false
}

func infoOf(key string, o minio.ObjectInfo) vault.Info {
	i := vault.Info{
		Key: key, Version: o.VersionID, Size: o.Size, MediaType: o.ContentType,
		SHA256: digestOf(o.ChecksumSHA256), Stored: o.LastModified.UTC(),
		Hold: strings.EqualFold(o.Metadata.Get("X-Amz-Object-Lock-Legal-Hold"), "ON"),
	}
	if t, err := time.Parse(time.RFC3339, o.Metadata.Get("X-Amz-Object-Lock-Retain-Until-Date")); err == nil {
		i.RetainUntil = t.UTC()
		i.Mode = vault.Mode(strings.ToUpper(o.Metadata.Get("X-Amz-Object-Lock-Mode")))
	}
	return i
}

// Get implements vault.Vault. Not every storage tells the lock with the bytes;
// Stat does. A read that breaks off gives ErrUnavailable, never
// a short body with io.EOF.
func (v *Vault) Get(ctx context.Context, key, version string) (io.ReadCloser, vault.Info, error) {
	name, err := v.name(key)
	if err != nil {
		return nil, vault.Info{}, err
	}
	var info vault.Info
	var body io.ReadCloser
	err = v.retry(ctx, vault.OpGet, key, 0, func(int) error {
		o := minio.GetObjectOptions{VersionID: version, Checksum: true}
		r, got, _, err := v.core.GetObject(ctx, v.cfg.Bucket, name, o)
		if err != nil {
			return notFound(version, translate(ctx, vault.OpGet, key, err))
		}
		info, info.Latest = infoOf(key, got), version == ""
		if version != "" {
			if info.Latest, err = v.isLatest(ctx, key, name, info.Version); err != nil {
				r.Close()
				return err
			}
		}
		body = &reading{ctx: ctx, r: r, key: key, left: info.Size}
		return nil
	})
	return body, info, err
}

// reading counts, so that a cut is an error.
type reading struct {
	ctx  context.Context // of the request whose body this is
	r    io.ReadCloser
	key  string
	left int64
}

func (r *reading) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.left -= int64(n)
	switch {
	case err == io.EOF && r.left > 0:
		err = io.ErrUnexpectedEOF
		fallthrough
	case err != nil && err != io.EOF:
		err = translate(r.ctx, vault.OpRead, r.key, err)
	}
	return n, err
}

func (r *reading) Close() error { return r.r.Close() }

// List implements vault.Vault. It asks for versions, the only listing that
// names them, and gives the current ones.
//
// Who begins after a key mostly looks for the next one or three: those come from
// the plain listing, with a HEAD for the version of each that is taken. A
// listing of versions has a thousand keys, each of which costs the storage a
// look, and versitygw walks through all objects before the key for it.
func (v *Vault) List(ctx context.Context, prefix, after string) iter.Seq2[vault.Info, error] {
	return func(yield func(vault.Info, error) bool) {
		more, list := true, v.listOn
		if after != "" {
			list = v.listNext
		}
		for more {
			var err error
			if more, err = list(ctx, prefix, &after, yield); err != nil {
				yield(vault.Info{}, err)
			}
			list = v.listOn
		}
	}
}

// nextKeys is how many keys come from the plain listing.
const nextKeys = 16

// listNext lists the next keys after one, which it moves; more tells whether
// there may be others behind them.
func (v *Vault) listNext(ctx context.Context, prefix string, after *string, yield func(vault.Info, error) bool) (more bool, err error) {
	err = v.retry(ctx, vault.OpList, prefix, 0, func(int) error {
		o := v.listOptions(prefix, *after)
		o.WithVersions, o.MaxKeys = false, nextKeys
		seen := 0
		for o := range v.client.ListObjectsIter(ctx, v.cfg.Bucket, o) {
			if o.Err != nil {
				return translate(ctx, vault.OpList, prefix, o.Err)
			}
			key := strings.TrimPrefix(o.Key, v.cfg.Prefix)
			if key < *after {
				return outOfOrder(prefix, key, *after)
			}
			if key == *after {
				continue
			}
			info, _, err := v.head(ctx, key, o.Key, "")
			if err != nil && !errors.Is(err, vault.ErrNotFound) { // deleted meanwhile
				return err
			}
			*after = key
			if err == nil && !yield(vault.Info{Key: key, Version: info.Version, Size: o.Size, Stored: o.LastModified.UTC(), Latest: true}, nil) {
				more = false
				return nil
			}
			if seen++; seen == nextKeys {
				more = true
				return nil
			}
		}
		more = false
		return ctx.Err() // the client ends silently when ctx is done
	})
	return more && err == nil, err
}

func outOfOrder(prefix, key, after string) error {
	return fmt.Errorf("list %q: %w: it lists %q after %q, out of order", prefix, vault.ErrUnsupported, key, after)
}

// listOn lists from after on, which it moves, until the end or the first
// interruption after some progress; more tells which. So patience is for each
// interruption, not for all of a long listing.
func (v *Vault) listOn(ctx context.Context, prefix string, after *string, yield func(vault.Info, error) bool) (more bool, err error) {
	err = v.retry(ctx, vault.OpList, prefix, 0, func(int) error {
		for o := range v.client.ListObjectsIter(ctx, v.cfg.Bucket, v.listOptions(prefix, *after)) {
			if o.Err != nil && more {
				return nil
			}
			if o.Err != nil {
				return translate(ctx, vault.OpList, prefix, o.Err)
			}
			key := strings.TrimPrefix(o.Key, v.cfg.Prefix)
			// versitygw begins a page with the key it shall begin after.
			if !o.IsLatest || o.IsDeleteMarker || key == *after {
				continue
			}
			if key < *after {
				return outOfOrder(prefix, key, *after)
			}
			*after = key
			if !yield(vault.Info{Key: key, Version: o.VersionID, Size: o.Size, Stored: o.LastModified.UTC(), Latest: true}, nil) {
				more = false
				return nil
			}
			more = true
		}
		more = false
		return ctx.Err() // the client ends silently when ctx is done
	})
	return more && err == nil, err
}

func (v *Vault) listOptions(prefix, after string) minio.ListObjectsOptions {
	o := minio.ListObjectsOptions{Prefix: v.cfg.Prefix + prefix, Recursive: true, WithVersions: true}
	if after != "" {
		o.StartAfter = v.cfg.Prefix + after
	}
	return o
}
