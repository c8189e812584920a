package embedded

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/trawlmark/trawlmark/archive/s3vault/gateway"
)

// S3Options say how the S3 server is run.
type S3Options struct {
	// Exe and Args run ServeS3: usually os.Executable() and the hidden
	// subcommand of the same binary.
	Exe  string
	Args []string
	// Env is added to the environment of the child.
	Env []string
	// DataDir holds the objects. Its file system must keep extended attributes.
	DataDir string
	// Addr to listen on; a free port of 127.0.0.1 when empty. A port given here
	// that is taken is an error.
	Addr string
	// AccessKey and SecretKey are the only account.
	AccessKey, SecretKey string
	Log                  *slog.Logger
}

// S3 is a running S3 server.
type S3 struct {
	// Endpoint is "http://127.0.0.1:<port>" and stays the same over restarts.
	Endpoint string
	*child
}

// portTries is how often another free port is tried when somebody was faster.
const portTries = 5

// StartS3 runs the S3 server in a child process and returns when it answers.
func StartS3(ctx context.Context, o S3Options) (*S3, error) {
	if err := gateway.CheckDir(o.DataDir); err != nil {
		return nil, err
	}
	var errs []error
	for range portTries {
		addr := o.Addr
		if addr == "" {
			var err error
			if addr, err = freeAddr(); err != nil {
				return nil, err
			}
		}
		s, err := startS3(ctx, o, addr)
		if err == nil {
			return s, nil
		}
		errs = append(errs, err)
		if o.Addr != "" || ctx.Err() != nil || !taken(addr) {
			break
		}
	}
	return nil, errs[len(errs)-1]
}

func startS3(ctx context.Context, o S3Options, addr string) (*S3, error) {
	var nonce [8]byte
	rand.Read(nonce[:])
	cfg := gateway.Config{
		Dir: o.DataDir, Addr: addr, AccessKey: o.AccessKey, SecretKey: o.SecretKey,
		Ready: "/ready-" + hex.EncodeToString(nonce[:]),
	}
	hello, err := json.Marshal(cfg)
	if err != nil {
		return nil, err
	}
	endpoint := "http://" + addr
	c, err := start(ctx, spec{
		name: "S3 server",
		command: func() *exec.Cmd {
			cmd := exec.Command(o.Exe, o.Args...)
			cmd.Env = append(os.Environ(), o.Env...)
			return cmd
		},
		hello: append(hello, '\n'),
		ready: answers(endpoint + cfg.Ready),
		log:   cmp.Or(o.Log, slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		return nil, err
	}
	return &S3{Endpoint: endpoint, child: c}, nil
}

// answers asks the path that only our server knows, so whoever else has the
// port is not taken for it.
func answers(url string) func(context.Context) error {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("it answers %s", resp.Status)
		}
		return nil
	}
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// taken reports whether somebody listens on a port now.
func taken(addr string) bool {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return true
	}
	l.Close()
	return false
}

// diesWithin bounds how long a server without a parent tidies up.
const diesWithin = 3 * time.Second

// ServeS3 is the child: it reads its settings from stdin and serves until
// stdin ends, which it does however the parent ends. It is what the hidden
// subcommand does; args must be empty.
func ServeS3(ctx context.Context, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("the S3 server takes no arguments, it got %q", args)
	}
	// The parent decides when to end; a service manager signals the whole group.
	signal.Ignore(os.Interrupt, syscall.SIGTERM)
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return errors.New("the S3 server gets its settings from the program that starts it: use `trawlmark up`")
	}
	var cfg gateway.Config
	if err := json.Unmarshal(line, &cfg); err != nil {
		return fmt.Errorf("the S3 server's settings: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan struct{})
	defer close(served)
	go func() {
		io.Copy(io.Discard, in)
		cancel()
		select {
		case <-served: // it ended by itself, and what else this process does goes on
		case <-time.After(diesWithin):
			os.Exit(0)
		}
	}()
	return gateway.Serve(ctx, cfg)
}
