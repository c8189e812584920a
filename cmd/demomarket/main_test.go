package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRun serves as a person would have it: what is printed can be opened,
// and the end of the context ends it.
func TestRun(t *testing.T) {
	ca := filepath.Join(t.TempDir(), "ca.pem")
	for name, args := range map[string][]string{
		"http": {"--addr", "127.0.0.1:0", "--day", "2"},
		"tls":  {"--addr", "127.0.0.1:0", "--day", "2", "--tls", "--ca", ca},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r, w := io.Pipe()
			done := make(chan error, 1)
			go func() { done <- run(ctx, args, w); w.Close() }()
			lines, text := bufio.NewReader(r), ""
			for !strings.Contains(text, "Ctrl-C") {
				line, err := lines.ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				text += line
			}
			if !strings.HasPrefix(text, "Pellamart, day 2, 1") {
				t.Errorf("says %q", text)
			}
			urls := regexp.MustCompile(`https?://\S+`).FindAllString(text, -1)
			if len(urls) != 4 {
				t.Errorf("%d addresses to open in %q", len(urls), text)
			}
			c := client(t, ca, name == "tls")
			for _, u := range urls {
				res, err := c.Get(u)
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				if res.StatusCode != 200 {
					t.Errorf("%s answers %d", u, res.StatusCode)
				}
			}
			cancel()
			rest, _ := io.ReadAll(lines)
			if err := <-done; err != nil || string(rest) != "stopped after 4 requests\n" {
				t.Errorf("ends with %v and %q", err, rest)
			}
		})
	}
}

func client(t *testing.T, ca string, useTLS bool) *http.Client {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	if useTLS {
		pem, err := os.ReadFile(ca)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		tr.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	return &http.Client{Transport: tr}
}

func TestRefuses(t *testing.T) {
	for _, args := range [][]string{{"--day", "-1"}, {"--day", "99999"}, {"extra"}, {"--addr", "nowhere:xx"}, {"--what"}} {
		var out bytes.Buffer
		if err := run(t.Context(), args, &out); err == nil || errors.Is(err, flag.ErrHelp) {
			t.Errorf("%v: error %v", args, err)
		}
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"--help"}, &out); !errors.Is(err, flag.ErrHelp) || !strings.Contains(out.String(), "-min-gap") {
		t.Errorf("--help: %v, %q", err, out.String())
	}
}
