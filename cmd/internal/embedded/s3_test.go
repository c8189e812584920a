package embedded

import (
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/s3vault"
	"github.com/trawlmark/trawlmark/archive/s3vault/gateway"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// startS3ForTest is a server that ends with the test.
func startS3ForTest(t *testing.T, o S3Options) *S3 {
	t.Helper()
	if err := gateway.CheckDir(o.DataDir); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	s, err := StartS3(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func openVault(t *testing.T, s *S3) *s3vault.Vault {
	t.Helper()
	v, err := s3vault.Open(t.Context(), s3vault.Config{
		Endpoint: s.Endpoint, Bucket: "evidence", AccessKey: "access", SecretKey: "secret-key", Patience: patience,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestS3LivesAgain(t *testing.T) {
	o := s3Options(t, t.TempDir())
	var log logged
	o.Log = log.logger()
	s := startS3ForTest(t, o)
	v := openVault(t, s)
	if r, err := v.Probe(t.Context()); err != nil || !r.Locked {
		t.Fatalf("probe: %+v, %v", r, err)
	}
	p := vault.NewPut("kept", "text/plain", []byte("true"))
	p.RetainUntil = time.Now().Add(time.Minute)
	if _, err := v.Put(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	first := s.pid()
	for range 2 {
		pid := s.pid()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		// The vault's own patience bridges the gap: nobody else notices.
		r, _, err := v.Get(t.Context(), "kept", "")
		if err != nil {
			t.Fatalf("after the server was killed: %v", err)
		}
		b, err := io.ReadAll(r)
		r.Close()
		if err != nil || string(b) != "true" {
			t.Fatalf("read %q, %v", b, err)
		}
	}
	if s.pid() == first {
		t.Error("it is still the first process")
	}
	last := s.pid()
	s.Stop()
	gone(t, "the S3 server", last)
	if strings.Contains(log.String(), "did not end") {
		t.Error("it did not end by itself")
	}
	if !strings.Contains(log.String(), "a part died and is started again") {
		t.Error("nobody said that it died")
	}
	if strings.Contains(log.String(), "secret-key") {
		t.Error("the secret was logged")
	}
	// The same folder, a new server: everything is there.
	v = openVault(t, startS3ForTest(t, s3Options(t, o.DataDir)))
	if i, err := v.Stat(t.Context(), "kept", ""); err != nil || i.RetainUntil.IsZero() {
		t.Errorf("after a restart: %+v, %v", i, err)
	}
}

func TestS3SecretIsNotToBeSeen(t *testing.T) {
	s := startS3ForTest(t, s3Options(t, t.TempDir()))
	for _, f := range []string{"cmdline", "environ"} {
		b, err := os.ReadFile("/proc/" + itoa(s.pid()) + "/" + f)
		if err != nil {
			t.Skip("no /proc: ", err)
		}
		if strings.Contains(string(b), "secret-key") {
			t.Errorf("the secret is in %s", f)
		}
	}
}

// The signals that a service manager or a terminal sends to everybody end the
// parent, and the parent ends its parts.
func TestS3IgnoresSignals(t *testing.T) {
	s := startS3ForTest(t, s3Options(t, t.TempDir()))
	pid := s.pid()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		if err := syscall.Kill(pid, sig); err != nil {
			t.Fatal(err)
		}
	}
	openVault(t, s)
	if s.pid() != pid {
		t.Error("a signal ended it")
	}
	if pgid, err := syscall.Getpgid(pid); err != nil || pgid != pid {
		t.Errorf("its process group is %d, %v; want its own, %d", pgid, err, pid)
	}
}

func TestS3PortIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	o := s3Options(t, t.TempDir())
	o.Addr = l.Addr().String()
	if _, err := StartS3(t.Context(), o); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
}

func TestServeS3AsksForItsParent(t *testing.T) {
	if err := ServeS3(t.Context(), []string{"x"}); err == nil {
		t.Error("took an argument")
	}
	old := os.Stdin
	defer func() { os.Stdin = old }()
	for _, in := range []string{"", "not json\n", "{}\n"} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		w.WriteString(in)
		w.Close()
		os.Stdin = r
		if err := ServeS3(t.Context(), nil); err == nil {
			t.Errorf("stdin %q was accepted", in)
		}
		r.Close()
	}
}
