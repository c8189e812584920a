package gateway_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/s3vault/gateway"
	"github.com/trawlmark/trawlmark/archive/s3vault/gateway/gatewaytest"
)

func TestMain(m *testing.M) { gatewaytest.Main(m) }

func TestSecondServerIsRefused(t *testing.T) {
	s := gatewaytest.Start(t)
	err := gateway.Serve(t.Context(), gateway.Config{
		Dir: s.Dir, Addr: "127.0.0.1:0", AccessKey: "a", SecretKey: "s", LockWait: 50 * time.Millisecond,
	})
	if !errors.Is(err, gateway.ErrBusy) {
		t.Errorf("got %v, want ErrBusy", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	start := time.Now()
	err = gateway.Serve(ctx, gateway.Config{Dir: s.Dir, Addr: "127.0.0.1:0", AccessKey: "a", SecretKey: "s", LockWait: time.Hour})
	if err == nil || time.Since(start) > 5*time.Minute {
		t.Errorf("cancelled while waiting for the folder: %v", err)
	}
	// Killed, it leaves nothing that keeps the next one out.
	s.Restart()
}

func TestValidate(t *testing.T) {
	good := gateway.Config{Dir: "d", Addr: "a", AccessKey: "k", SecretKey: "s"}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*gateway.Config){
		"Dir":       func(c *gateway.Config) { c.Dir = "" },
		"Addr":      func(c *gateway.Config) { c.Addr = "" },
		"AccessKey": func(c *gateway.Config) { c.AccessKey = "" },
		"SecretKey": func(c *gateway.Config) { c.SecretKey = "" },
	} {
		c := good
		change(&c)
		if err := gateway.Serve(t.Context(), c); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("without %s: %v", want, err)
		}
	}
}

func TestCheckDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	if err := gateway.CheckDir(dir); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("the probe left %v, %v", left, err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := gateway.CheckDir(file); err == nil {
		t.Error("a file was taken for a folder")
	}
}
