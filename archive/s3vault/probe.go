package s3vault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// probeLock is how long a probe stays locked: longer than clocks may be apart,
// short enough that the next start can sweep it.
const probeLock = 20 * time.Minute

// sweepMost bounds how many old probes one Probe deletes.
const sweepMost = 50

// Report is what a Probe found the storage to do.
type Report struct {
	Storage string `json:"storage"`
	Key     string `json:"key"`
	Version string `json:"version"`
	// Locked: it refused to delete the version of a locked object.
	Locked bool `json:"locked"`
	// CreateOnly: it refused a second object under one key.
	CreateOnly bool `json:"create_only"`
	// Checksum: it refused bytes that are not those announced.
	Checksum bool `json:"checksum"`
	// TellsChecksum: it tells the SHA-256 of an object without its bytes.
	TellsChecksum bool `json:"tells_checksum"`
	// Skew is the storage's clock minus ours, to about a second.
	Skew time.Duration `json:"skew_ns"`
}

// Probe proves what evidence relies on, by trying: a locked object is put, its
// version deleted, a second one put over it, a false one announced; all but
// the first must be refused. A storage that does not refuse is ErrUnsupported,
// with the report; when it is only the lock that is missing and
// Config.AllowUnlocked is set, there is no error and objects are stored without.
func (v *Vault) Probe(ctx context.Context) (Report, error) {
	r := Report{Storage: v.String()}
	p, put, err := v.putProbe(ctx)
	if errors.Is(err, vault.ErrUnsupported) { // the bucket has no lock, and says so
		if err = v.refuseUnlocked(ctx, "it does not take a lock: "+err.Error()); err == nil {
			// Under a new key: versitygw has kept the refused one, unlocked.
			p, put, err = v.putProbe(ctx)
		}
	}
	if r.Key, r.Version = p.Key, put.Version; err != nil {
		return r, err
	}
	if err := v.probe(ctx, p, &r); err != nil {
		return r, err
	}
	v.sweep(ctx, r.Key)
	return r, v.verdict(ctx, r)
}

// putProbe puts a locked object that nobody has use for.
func (v *Vault) putProbe(ctx context.Context) (vault.Put, vault.Info, error) {
	id, err := v.newMark()
	if err != nil {
		return vault.Put{}, vault.Info{}, err
	}
	p := vault.NewPut(vault.ProbeKey(id), "text/plain", []byte("trawlmark lock probe "+id+"\n"))
	p.RetainUntil = v.cfg.Now().Add(probeLock)
	i, err := v.Put(ctx, p)
	return p, i, err
}

func (v *Vault) probe(ctx context.Context, p vault.Put, r *Report) error {
	info, err := v.Stat(ctx, r.Key, r.Version)
	if err != nil {
		return err
	}
	r.Skew = info.Stored.Sub(v.cfg.Now()).Round(time.Second)
	r.TellsChecksum = info.SHA256 == p.SHA256

	_, err = v.Put(ctx, p)
	if r.CreateOnly = errors.Is(err, vault.ErrExists); err != nil && !r.CreateOnly {
		return err
	}
	lie := p
	lie.Key, lie.SHA256, lie.RetainUntil = r.Key+"-false", capture.Sum([]byte(r.Key)), time.Time{}
	_, err = v.Put(ctx, lie)
	if r.Checksum = errors.Is(err, vault.ErrDigest); err != nil && !r.Checksum {
		return err
	}
	if r.Version == "" || v.unlocked.Load() {
		return nil // no version, or no lock: nothing that could be refused
	}
	return v.probeDelete(ctx, p, r)
}

// probeDelete tries to delete the probe and believes only its eyes: refused,
// and the bytes still there.
func (v *Vault) probeDelete(ctx context.Context, p vault.Put, r *Report) error {
	name, err := v.name(r.Key)
	if err != nil {
		return err
	}
	err = v.remove(ctx, r.Key, name, r.Version)
	if err != nil && !refused(err) {
		return err
	}
	denied := err != nil
	body, _, err := v.Get(ctx, r.Key, r.Version)
	if errors.Is(err, vault.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer body.Close()
	b, err := io.ReadAll(io.LimitReader(body, 4096))
	r.Locked = denied && capture.Sum(b) == p.SHA256
	return err
}

func (v *Vault) verdict(ctx context.Context, r Report) error {
	for _, c := range []struct {
		ok  bool
		why string
	}{
		{r.CreateOnly, "it overwrites objects (no If-None-Match): evidence could be replaced"},
		{r.Checksum, "it keeps bytes that are not those announced (no x-amz-checksum-sha256)"},
		{r.Version != "", "it keeps no versions: turn on versioning for the bucket"},
	} {
		if !c.ok {
			return fmt.Errorf("storage %s: %w: %s; use a storage that does", v, vault.ErrUnsupported, c.why)
		}
	}
	if r.Locked {
		return nil
	}
	return v.refuseUnlocked(ctx, "a locked object could be deleted: use a bucket with Object Lock")
}

// sweep deletes old probes whose locks have ended. What cannot be deleted now
// is left to the next one.
func (v *Vault) sweep(ctx context.Context, but string) {
	n := 0
	for i, err := range v.List(ctx, vault.ProbesPrefix, "") {
		if n++; err != nil || n > sweepMost {
			return
		}
		if i.Key == but || v.cfg.Now().Sub(i.Stored) < probeLock {
			continue
		}
		if err := v.Delete(ctx, i.Key, i.Version); err != nil {
			v.log.DebugContext(ctx, "storage: an old probe stays", "key", i.Key, "err", err)
		}
	}
}
