package s3vault_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/s3vault"
	"github.com/trawlmark/trawlmark/archive/s3vault/gateway/gatewaytest"
	"github.com/trawlmark/trawlmark/archive/vault"
)

func TestSecretNeverPrints(t *testing.T) {
	c := s3vault.Config{Endpoint: "h", SecretKey: "hunter2", SessionToken: "hunter3"}
	b, err := json.Marshal(map[string]any{"key": c.SecretKey})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("config", "config", c, "secret", c.SecretKey)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("config", "secret", c.SecretKey)
	out := string(b) + log.String()
	for _, f := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		out += fmt.Sprintf(f, c) + fmt.Sprintf(f, c.SecretKey)
	}
	if strings.Contains(out, "hunter") || !strings.Contains(out, "<secret>") {
		t.Errorf("printed: %s", out)
	}
	if s3vault.Secret("").String() != "" {
		t.Error("no secret looks like one")
	}
}

func TestConfigValidate(t *testing.T) {
	good := s3vault.Config{Endpoint: "s3.example.org:9000", Bucket: "b", AccessKey: "a", SecretKey: "s"}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*s3vault.Config){
		"endpoint":    func(c *s3vault.Config) { c.Endpoint = "" },
		"endpoint: ":  func(c *s3vault.Config) { c.Endpoint = "host/path" },
		"endpoint:":   func(c *s3vault.Config) { c.Endpoint = "ftp://host" },
		"a path":      func(c *s3vault.Config) { c.Endpoint = "https://host/bucket" },
		"credentials": func(c *s3vault.Config) { c.Endpoint = "https://user:pass@host" },
		"bucket":      func(c *s3vault.Config) { c.Bucket = "" },
		"access key":  func(c *s3vault.Config) { c.AccessKey = "" },
		"secret key":  func(c *s3vault.Config) { c.SecretKey = "" },
		"prefix":      func(c *s3vault.Config) { c.Prefix = "/x" },
		"prefix: ":    func(c *s3vault.Config) { c.Prefix = "a/../b" },
		"stall":       func(c *s3vault.Config) { c.Stall = -1 },
		"patience":    func(c *s3vault.Config) { c.Patience = -1 },
	} {
		c := good
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pass@") {
			t.Errorf("want %q: %v", want, err)
		}
		if _, err := s3vault.Open(t.Context(), c, logTo(t)); err == nil {
			t.Errorf("%q: opened", want)
		}
	}
	bad := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(bad, []byte("not pem"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{bad, bad + "-absent"} {
		good.TLS, good.CAFile = true, f
		if _, err := s3vault.Open(t.Context(), good, logTo(t)); err == nil || !strings.Contains(err.Error(), "CA file") {
			t.Errorf("CA file %s: %v", f, err)
		}
	}
}

func TestEndpointForms(t *testing.T) {
	for endpoint, want := range map[string]string{
		"h:9000": "http://h:9000/b/", "http://h:9000/": "http://h:9000/b/", "https://h": "https://h/b/", "https://[::1]:9": "https://[::1]:9/b/",
	} {
		v, err := s3vault.Open(t.Context(), s3vault.Config{Endpoint: endpoint, Bucket: "b", AccessKey: "a", SecretKey: "s"}, logTo(t))
		if err != nil || v.String() != want {
			t.Errorf("%s: %v, %v", endpoint, v, err)
		}
	}
}

func TestObserve(t *testing.T) {
	p := newProxy(t, gatewaytest.Start(t))
	var told []string
	v, _ := p.vault(t, func(c *s3vault.Config) {
		c.Observe = func(op string, took time.Duration, attempts int, bytes int64, err error) {
			if took <= 0 {
				t.Error("it took no time")
			}
			told = append(told, fmt.Sprint(op, " ", attempts, " ", bytes, " ", err == nil))
		}
	})
	p.set(first(1, "PUT", busy), nil)
	v.Put(t.Context(), vault.NewPut("k", "", []byte("12345")))
	v.Put(t.Context(), vault.NewPut("k", "", []byte("12345")))
	v.Stat(t.Context(), "k", "")
	if got := strings.Join(told, ", "); got != "put 2 5 true, put 1 5 false, stat 1 0 true" {
		t.Errorf("told %s", got)
	}
}
