// Package gatewaytest gives tests of any folder a real S3 server with Object
// Lock: the test binary runs itself once more as the server.
//
//	func TestMain(m *testing.M) { gatewaytest.Main(m) }
//	func TestX(t *testing.T)    { s3 := gatewaytest.Start(t) ... }
package gatewaytest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/s3vault/gateway"
)

// env marks the process that is the server; its stdin carries the Config and
// ends when the test does, however it ends.
const env = "TRAWLMARK_GATEWAYTEST"

// Server is a running server.
type Server struct {
	Endpoint             string // "http://127.0.0.1:40123"
	AccessKey, SecretKey string
	Dir                  string

	t    testing.TB
	cfg  gateway.Config
	mu   sync.Mutex
	kill func()
}

// Main is a TestMain: it runs the tests, or is the server.
func Main(m *testing.M) {
	if os.Getenv(env) == "" {
		os.Exit(m.Run())
	}
	var c gateway.Config
	dec := json.NewDecoder(os.Stdin)
	err := dec.Decode(&c)
	if err == nil {
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			io.Copy(io.Discard, os.Stdin)
			cancel()
			time.AfterFunc(2*time.Second, func() { os.Exit(0) })
		}()
		err = gateway.Serve(ctx, c)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Start runs a server on a free port and an empty folder until the test ends.
// It skips the test when the file system cannot carry one (and fails it when
// CI is set).
func Start(t testing.TB) *Server {
	t.Helper()
	dir := t.TempDir()
	if err := gateway.CheckDir(dir); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	s := &Server{AccessKey: "test-access", SecretKey: "test-secret-key", Dir: dir, t: t}
	for range 5 {
		addr, err := freeAddr()
		if err != nil {
			t.Fatal(err)
		}
		s.cfg = gateway.Config{Dir: dir, Addr: addr, AccessKey: s.AccessKey, SecretKey: s.SecretKey, Ready: "/ready-" + addr}
		if err = s.run(); err == nil {
			s.Endpoint = "http://" + addr
			t.Cleanup(s.Stop)
			return s
		}
		t.Logf("start the S3 server: %v", err)
	}
	t.Fatal("the S3 server does not start")
	return nil
}

// freeAddr gives an address that nobody has, and that nobody gets while the
// server is down: its port lies below those that systems give to whoever asks
// for any.
func freeAddr() (string, error) {
	var err error
	for range 1000 {
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20000+rand.N(12000))); err == nil {
			defer l.Close()
			return l.Addr().String(), nil
		}
	}
	return "", fmt.Errorf("no port is free between 20000 and 32000: %w", err)
}

// Stop kills the server, as an outage.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kill != nil {
		s.kill()
		s.kill = nil
	}
}

// Restart starts a stopped server again: same address, same objects.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	if err := s.run(); err != nil {
		s.t.Fatalf("restart the S3 server: %v", err)
	}
}

func (s *Server) run() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), env+"=1")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	dead := make(chan struct{})
	go func() { cmd.Wait(); close(dead) }()
	s.kill = func() {
		cmd.Process.Kill()
		<-dead
		in.Close()
	}
	if err = json.NewEncoder(in).Encode(s.cfg); err == nil {
		err = waitReady("http://"+s.cfg.Addr+s.cfg.Ready, dead)
	}
	if err != nil {
		s.kill()
		s.kill = nil
		return fmt.Errorf("%w\n%s", err, out.Bytes())
	}
	return nil
}

func waitReady(url string, dead <-chan struct{}) error {
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); {
		if resp, err := client.Get(url); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-dead:
			return errors.New("the server ended")
		case <-time.After(5 * time.Millisecond):
		}
	}
	return errors.New("the server was not ready in two minutes")
}
