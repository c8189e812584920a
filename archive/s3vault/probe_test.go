package s3vault_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/trawlmark/trawlmark/archive/s3vault"
	"github.com/trawlmark/trawlmark/archive/s3vault/gateway/gatewaytest"
	"github.com/trawlmark/trawlmark/archive/vault"
)

func TestProbe(t *testing.T) {
	s3 := gatewaytest.Start(t)
	v := open(t, config(s3))
	r, err := v.Probe(t.Context())
	if err != nil || !r.Locked || !r.CreateOnly || !r.Checksum || !r.TellsChecksum || r.Version == "" || r.Skew.Abs() > time.Minute {
		t.Errorf("%+v, %v", r, err)
	}
	if i, err := v.Stat(t.Context(), r.Key, ""); err != nil || !i.Locked(time.Now()) {
		t.Errorf("the probe: %+v, %v", i, err)
	}
}

// deaf is a storage that does not know some headers, and ignores them without
// a word, as those without Object Lock do.
func deaf(prefixes ...string) func(*http.Request) {
	return func(r *http.Request) {
		for k := range r.Header {
			for _, p := range prefixes {
				if strings.HasPrefix(k, p) {
					r.Header.Del(k)
				}
			}
		}
	}
}

func TestProbeFindsOut(t *testing.T) {
	s3 := gatewaytest.Start(t)
	for name, c := range map[string]struct {
		edit func(*http.Request)
		want string
	}{
		"no lock":        {deaf("X-Amz-Object-Lock"), "a locked object could be deleted"},
		"no create-only": {deaf("If-None-Match"), "it overwrites objects"},
		"no checksum":    {deaf("X-Amz-Checksum-Sha256"), "not those announced"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProxy(t, s3)
			v, _ := p.vault(t)
			p.edit = c.edit
			r, err := v.Probe(t.Context())
			if !errors.Is(err, vault.ErrUnsupported) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

func TestProbeAllowsUnlocked(t *testing.T) {
	p := newProxy(t, gatewaytest.Start(t))
	var log bytes.Buffer
	c := config(p.s3)
	open(t, c)
	c.Endpoint, c.AllowUnlocked = p.URL, true
	v, err := s3vault.Open(t.Context(), c, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	p.edit = deaf("X-Amz-Object-Lock")
	r, err := v.Probe(t.Context())
	if err != nil || r.Locked {
		t.Fatalf("%+v, %v", r, err)
	}
	if !strings.Contains(log.String(), "EVIDENCE IS NOT LOCKED") {
		t.Error("no warning was logged")
	}
	i, err := v.Put(t.Context(), locked("k", []byte("x")))
	if err != nil || !i.RetainUntil.IsZero() || i.Hold || i.Mode != "" {
		t.Errorf("a put says it is locked: %+v, %v", i, err)
	}
}

func TestEnsureWithoutLock(t *testing.T) {
	s3 := gatewaytest.Start(t)
	c := config(s3)
	if err := raw(t, c).MakeBucket(t.Context(), c.Bucket, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	v, err := s3vault.Open(t.Context(), c, logTo(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Ensure(t.Context()); !errors.Is(err, vault.ErrUnsupported) || !strings.Contains(err.Error(), "name another bucket") {
		t.Errorf("ensure: %v", err)
	}
	if _, err := v.Put(t.Context(), locked("refused", nil)); !errors.Is(err, vault.ErrUnsupported) {
		t.Errorf("a locked put: %v", err)
	}
	if r, err := v.Probe(t.Context()); !errors.Is(err, vault.ErrUnsupported) {
		t.Errorf("probe: %+v, %v", r, err)
	}
	c.AllowUnlocked = true
	v = open(t, c)
	i, err := v.Put(t.Context(), locked("k", []byte("x")))
	if err != nil || !i.RetainUntil.IsZero() || i.Version == "" {
		t.Errorf("allowed: %+v, %v", i, err)
	}
	if err := v.Hold(t.Context(), "k", i.Version, true); !errors.Is(err, vault.ErrUnsupported) {
		t.Errorf("hold: %v", err)
	}
	if err := v.Extend(t.Context(), "k", "", "", time.Now().Add(time.Hour)); !errors.Is(err, vault.ErrUnsupported) {
		t.Errorf("extend: %v", err)
	}
	if r, err := v.Probe(t.Context()); err != nil || r.Locked || !r.CreateOnly || !r.Checksum {
		t.Errorf("probe: %+v, %v", r, err)
	}
	if err := v.Delete(t.Context(), "k", i.Version); err != nil {
		t.Errorf("delete: %v", err)
	}
}

// Many workers start at once.
func TestEnsureTogether(t *testing.T) {
	c := config(gatewaytest.Start(t))
	errs := make(chan error)
	for range 6 {
		go func() {
			v, err := s3vault.Open(t.Context(), c, slog.New(slog.DiscardHandler))
			if err == nil {
				err = v.Ensure(t.Context())
			}
			errs <- err
		}()
	}
	for range 6 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func TestWrongCredentials(t *testing.T) {
	s3 := gatewaytest.Start(t)
	c := config(s3)
	open(t, c)
	for want, change := range map[string]func(*s3vault.Config){
		"secret key is wrong":           func(c *s3vault.Config) { c.SecretKey = "not-the-secret" },
		"does not know this access key": func(c *s3vault.Config) { c.AccessKey = "nobody" },
	} {
		c := c
		change(&c)
		v, err := s3vault.Open(t.Context(), c, logTo(t))
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.Put(t.Context(), vault.NewPut("k", "", nil))
		if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, vault.ErrUnavailable) || strings.Contains(err.Error(), string(c.SecretKey)) {
			t.Errorf("want %q: %v", want, err)
		}
	}
	c.Bucket = "not-there"
	v, err := s3vault.Open(t.Context(), c, logTo(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = v.Put(t.Context(), vault.NewPut("k", "", nil)); err == nil || !strings.Contains(err.Error(), "the bucket does not exist") {
		t.Errorf("no bucket: %v", err)
	}
}
