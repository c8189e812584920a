package s3vault

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// MaxObject is the most a single PUT carries (Amazon S3, "Uploading objects").
// Larger objects would need a multipart upload, whose checksum is not the
// SHA-256 of the object.
const MaxObject = 5 << 30

// markHeader carries the mark by which a Put knows its own object again.
const markHeader = "Put-Mark"

// Put implements vault.Vault.
func (v *Vault) Put(ctx context.Context, p vault.Put) (vault.Info, error) {
	if err := p.Check(); err != nil {
		return vault.Info{}, err
	}
	name, err := v.name(p.Key)
	if err != nil {
		return vault.Info{}, err
	}
	if p.Body.Size() > MaxObject {
		return vault.Info{}, fmt.Errorf("put %q: %d bytes are more than the %d that a storage takes in one request", p.Key, p.Body.Size(), int64(MaxObject))
	}
	if until := vault.LockTime(p.RetainUntil); !until.IsZero() && !v.cfg.Now().Before(until) {
		return vault.Info{}, fmt.Errorf("put %q: the lock would end at %s, that is not in the future", p.Key, until.Format(time.RFC3339))
	}
	if v.unlocked.Load() {
		p.RetainUntil, p.Mode, p.Hold = time.Time{}, "", false
	}
	u := &upload{v: v, p: p, name: name}
	if u.mark, err = v.newMark(); err != nil {
		return vault.Info{}, err
	}
	err = v.retry(ctx, vault.OpPut, p.Key, p.Body.Size(), func(int) error { return u.attempt(ctx) })
	return u.info, err
}

func (v *Vault) newMark() (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(v.cfg.Rand, b[:]); err != nil {
		return "", fmt.Errorf("make the mark of an upload: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

// upload is one Put over all its attempts.
type upload struct {
	v    *Vault
	p    vault.Put
	name string
	mark string
	// lost: an attempt ended without an answer, so the object may be there.
	lost bool
	info vault.Info
}

func (u *upload) attempt(ctx context.Context) error {
	if u.lost {
		done, err := u.settle(ctx)
		if done || err != nil {
			return err
		}
	}
	body, err := openBody(u.p)
	if err != nil {
		return err
	}
	defer body.finish()
	sent, err := u.v.client.PutObject(ctx, u.v.cfg.Bucket, u.name, body, u.p.Body.Size(), u.options())
	if err == nil {
		u.info = u.stored(sent)
		return nil
	}
	if berr := body.failed(); berr != nil && code(err) == "" { // our side failed, not the storage
		return fmt.Errorf("put %q: read the body: %w", u.p.Key, berr)
	}
	cause := err
	err = translate(ctx, vault.OpPut, u.p.Key, err)
	switch {
	case neverSent(cause):
	case code(err) == "" || errors.Is(err, vault.ErrUnavailable):
		u.lost = true
		return u.lookNow(ctx, err)
	case u.lost && errors.Is(err, vault.ErrExists):
		// The attempt without an answer has arrived meanwhile, or another
		// writer's: settle tells.
		done, serr := u.settle(ctx)
		if done || serr != nil {
			return serr
		}
		return fmt.Errorf("%w: %w", errAgain, err)
	}
	return err
}

// lookNow looks once, right after an attempt without an answer. A storage that
// refuses a large body early often resets the connection before its answer can
// be read, so trying again alone would never end. err is what the attempt gave.
func (u *upload) lookNow(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	if done, serr := u.settle(ctx); done || serr != nil && !errors.Is(serr, vault.ErrUnavailable) {
		return serr
	}
	return err
}

// options is the one PUT that versitygw, MinIO and Amazon all take: no aws-chunked
// coding (versitygw loses the connection after an empty one), the checksum in
// a signed header, which also binds the body that the signature leaves out.
func (u *upload) options() minio.PutObjectOptions {
	o := minio.PutObjectOptions{
		ContentType:          u.p.MediaType,
		DisableMultipart:     true,
		DisableContentSha256: true,
		UserMetadata: map[string]string{
			"x-amz-checksum-sha256": base64.StdEncoding.EncodeToString(u.p.SHA256[:]),
			markHeader:              u.mark,
		},
	}
	o.SetMatchETagExcept("*")
	if until := vault.LockTime(u.p.RetainUntil); !until.IsZero() {
		o.Mode = minio.RetentionMode(cmp.Or(u.p.Mode, vault.Governance))
		o.RetainUntilDate = until
	}
	if u.p.Hold {
		o.LegalHold = minio.LegalHoldEnabled
	}
	return o
}

func (u *upload) stored(sent minio.UploadInfo) vault.Info {
	i := vault.Info{
		Key: u.p.Key, Version: sent.VersionID, Size: u.p.Body.Size(), SHA256: u.p.SHA256, MediaType: u.p.MediaType,
		Stored: u.v.cfg.Now().UTC().Truncate(time.Second), RetainUntil: vault.LockTime(u.p.RetainUntil), Hold: u.p.Hold, Latest: true,
	}
	if !i.RetainUntil.IsZero() {
		i.Mode = cmp.Or(u.p.Mode, vault.Governance)
	}
	return i
}

// settle finds out what came of an attempt without an answer. done: it is our
// object that is there, whole and under its lock. ErrExists: another one is.
// Neither: nothing is there.
func (u *upload) settle(ctx context.Context) (done bool, err error) {
	got, meta, err := u.v.head(ctx, u.p.Key, u.name, "")
	if errors.Is(err, vault.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if meta.Get("X-Amz-Meta-"+markHeader) != u.mark {
		return false, fmt.Errorf("put %q: %w", u.p.Key, vault.ErrExists)
	}
	if got.Size != u.p.Body.Size() || !got.SHA256.IsZero() && got.SHA256 != u.p.SHA256 {
		return false, fmt.Errorf("put %q: %w: the storage has kept %d bytes of %s", u.p.Key, vault.ErrDigest, got.Size, got.SHA256)
	}
	got.Latest = true
	if err := u.relock(ctx, &got); err != nil {
		return false, err
	}
	u.info = got
	return true, nil
}

// relock sets what is missing of the lock: a storage that died between the
// bytes and the lock (versitygw sets it last) has kept an object without one.
func (u *upload) relock(ctx context.Context, got *vault.Info) error {
	until := vault.LockTime(u.p.RetainUntil)
	if got.RetainUntil.Before(until) {
		mode := cmp.Or(u.p.Mode, vault.Governance)
		if err := u.v.setRetention(ctx, u.p.Key, u.name, got.Version, mode, until, strengthens(*got, mode)); err != nil {
			return err
		}
		got.Mode, got.RetainUntil = mode, until
	}
	if u.p.Hold && !got.Hold {
		if err := u.v.setHold(ctx, u.p.Key, u.name, got.Version, true); err != nil {
			return err
		}
		got.Hold = true
	}
	return nil
}

// body is a Body on its way. The transport may still read when the storage has
// answered already, so it is guarded, and it has no Close that the client would
// find and call.
type body struct {
	mu   sync.Mutex
	r    io.ReadCloser
	left int64
	done bool
	err  error
}

func openBody(p vault.Put) (*body, error) {
	r, err := p.Body.Open()
	if err != nil {
		return nil, fmt.Errorf("put %q: open the body: %w", p.Key, err)
	}
	return &body{r: r, left: p.Body.Size()}, nil
}

func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done {
		return 0, net.ErrClosed
	}
	n, err := b.r.Read(p)
	b.left -= int64(n)
	switch {
	case b.left < 0:
		err = fmt.Errorf("%w: it has more bytes than it said", vault.ErrDigest)
		b.err = err
	case err == io.EOF && b.left > 0:
		err = fmt.Errorf("%w: it ends %d bytes too soon", vault.ErrDigest, b.left)
		b.err = err
	case err != nil && err != io.EOF:
		b.err = err
	}
	return n, err
}

// failed is what went wrong with reading, nil when nothing did.
func (b *body) failed() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

func (b *body) finish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done = true
	b.r.Close()
}

// digestOf reads the checksum header of S3; zero when there is none, or when it
// is one over parts ("...-3").
func digestOf(b64 string) capture.Digest {
	var d capture.Digest
	raw, err := base64.StdEncoding.DecodeString(b64)
	if err == nil && len(raw) == len(d) {
		copy(d[:], raw)
	}
	return d
}
