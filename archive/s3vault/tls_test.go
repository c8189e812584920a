package s3vault_test

import (
	"encoding/pem"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/s3vault"
	"github.com/trawlmark/trawlmark/archive/s3vault/gateway/gatewaytest"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// Over TLS, with a root of one's own, and without it.
func TestTLS(t *testing.T) {
	p := &proxy{s3: gatewaytest.Start(t)}
	p.Server = httptest.NewTLSServer(p)
	t.Cleanup(p.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	v, _ := p.vault(t, func(c *s3vault.Config) { c.CAFile = ca })
	for _, b := range []string{"", "some bytes"} {
		i, err := v.Put(t.Context(), locked("k"+b, []byte(b)))
		if err != nil || !i.Locked(time.Now()) {
			t.Fatalf("%+v, %v", i, err)
		}
		r, _, err := v.Get(t.Context(), "k"+b, "")
		if err != nil {
			t.Fatal(err)
		}
		if got := readAll(t, r); string(got) != b {
			t.Errorf("read %q", got)
		}
	}
	wrong := vault.NewPut("wrong", "", []byte("a"))
	wrong.Body = vault.NewPut("", "", []byte("b")).Body
	if _, err := v.Put(t.Context(), wrong); !errors.Is(err, vault.ErrDigest) {
		t.Errorf("other bytes: %v", err)
	}
	v, _ = p.vault(t, func(c *s3vault.Config) { c.Patience = 300 * time.Millisecond })
	if _, err := v.Stat(t.Context(), "k", ""); err == nil || errors.Is(err, vault.ErrNotFound) {
		t.Errorf("without its root: %v", err)
	}
}
