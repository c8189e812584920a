package s3vault_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/custody/storetest"
	"github.com/trawlmark/trawlmark/archive/s3vault/gateway/gatewaytest"
	"github.com/trawlmark/trawlmark/archive/sqldb/sqldbtest"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/archive/warc"
)

// noise is a body of any size that is nowhere, and that no compressor makes
// smaller.
type noise int64

func (n noise) Size() int64                  { return int64(n) }
func (n noise) Open() (io.ReadCloser, error) { return &noiseReader{left: int64(n), x: 1}, nil }

type noiseReader struct {
	left int64
	x    uint64
}

func (r *noiseReader) Close() error { return nil }

func (r *noiseReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), r.left)]
	for i := range p {
		if i%8 == 0 {
			r.x ^= r.x << 13
			r.x ^= r.x >> 7
			r.x ^= r.x << 17
		}
		p[i] = byte(r.x >> (8 * (i % 8)))
	}
	r.left -= int64(len(p))
	return len(p), nil
}

// largeMiB is the size of the exchange: TRAWLMARK_LARGE_MIB, or a small one.
func largeMiB(t *testing.T) int64 {
	s := os.Getenv("TRAWLMARK_LARGE_MIB")
	if s == "" {
		return 24
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// One exchange of a gigabyte goes through the WARC writer, the spool, the
// upload, the reader and the export in the memory that a small one takes:
//
//	TRAWLMARK_LARGE_MIB=1024 go test ./archive/s3vault -run OneLargeExchange -v
func TestOneLargeExchange(t *testing.T) {
	const allowed = 12 << 20 // half of the small form
	size := largeMiB(t) << 20
	w := newLarge(t)
	page := "https://market.example/video/7"
	now := time.Now().UTC()
	c := &capture.Capture{
		ID: w.ids.New(), URL: page, FinalURL: page, Started: now, Finished: now.Add(time.Second), Outcome: capture.Captured,
		Exchanges: []*capture.Exchange{{
			ID: w.ids.New(), Via: "http", Kind: "document", Main: true, Started: now, Finished: now.Add(time.Second), Method: "GET", URL: page,
			Status: 200, StatusText: "OK", Protocol: "http/1.1", ResponseHeader: capture.Header{{Name: "Content-Type", Value: "video/mp4"}},
			Body: noise(size), Remote: netip.MustParseAddrPort("192.0.2.1:443"),
		}},
		Environment: capture.Environment{Software: "test", UserAgent: "test"}, Clock: capture.Clock{Source: "system"},
		Policy: capture.Policy{Robots: "allowed", Render: "never"},
	}
	step := func(name string, do func(ctx context.Context) error) {
		t.Helper()
		m := startMeter()
		began := time.Now()
		err := do(t.Context())
		took := time.Since(began)
		heap, rss := m.stop()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		t.Logf("%-28s %6.1f s  %6.0f MiB/s  heap grew by %5.1f MiB, the process has %5.1f MiB", name, took.Seconds(),
			float64(size>>20)/took.Seconds(), float64(heap)/(1<<20), float64(rss)/(1<<20))
		if heap > allowed {
			t.Errorf("%s: the heap grew by %d KiB; %d KiB are allowed, whatever the size", name, heap>>10, allowed>>10)
		}
	}
	var p *archive.Pending
	step("WARC and spool", func(ctx context.Context) (err error) {
		p, err = w.archive.Prepare(ctx, c, archive.Description{}, nil)
		return err
	})
	step("upload", func(ctx context.Context) error {
		_, err := w.archive.Store(ctx, p)
		return errors.Join(err, w.archive.Discard(p))
	})
	step("download and reader", func(ctx context.Context) error {
		r, _, err := w.vault.Get(ctx, vault.WARCKey(c.ID), "")
		if err != nil {
			return err
		}
		defer r.Close()
		return readWARC(r, size)
	})
	step("export, made whole", func(ctx context.Context) error {
		in, out := io.Pipe()
		go func() { out.CloseWithError(w.archive.WriteWhole(ctx, c.ID, out, t.TempDir())) }()
		return readWARC(in, size)
	})
}

// readWARC reads a WARC to its end, digests checked, and looks for a response
// of that size.
func readWARC(r io.Reader, size int64) error {
	in := warc.NewReader(r)
	for seen := false; ; {
		rec, err := in.Next()
		if err == io.EOF && seen {
			return nil
		}
		if err != nil {
			return err
		}
		if rec.Type != warc.TypeResponse {
			continue
		}
		m, err := rec.HTTP()
		if err != nil {
			return err
		}
		n, err := io.Copy(io.Discard, m.Body)
		if err != nil {
			return err
		}
		if n != size {
			return fmt.Errorf("the body has %d bytes, want %d", n, size)
		}
		seen = true
	}
}

type large struct {
	archive *archive.Archive
	vault   vault.Vault
	ids     *capture.IDSource
}

func newLarge(t *testing.T) large {
	t.Helper()
	fatal := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	quiet := slog.New(slog.DiscardHandler)
	w := large{vault: open(t, config(gatewaytest.Start(t))), ids: capture.NewIDSource(time.Now, rand.Reader)}
	log, err := custody.Open(t.Context(), storetest.Config(t, "log.example", w.vault, time.Now))
	fatal(err)
	cat, err := catalog.Open(t.Context(), sqldbtest.SQLite(t)())
	fatal(err)
	w.archive, err = archive.New(archive.Config{SpoolDir: t.TempDir(), Actor: "worker:test"}, archive.Deps{
		Vault: w.vault, Catalog: cat, Custody: log, IDs: w.ids, Now: time.Now, Log: quiet,
	})
	fatal(err)
	return w
}

// meter looks at this process's memory while something runs.
type meter struct {
	before uint64
	end    chan struct{}
	peaks  chan [2]int64
}

func startMeter() *meter {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	x := &meter{before: m.HeapAlloc, end: make(chan struct{}), peaks: make(chan [2]int64)}
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		var peak [2]int64
		for {
			runtime.ReadMemStats(&m)
			peak[0] = max(peak[0], int64(m.HeapAlloc)-int64(x.before))
			peak[1] = max(peak[1], resident())
			select {
			case <-x.end:
				x.peaks <- peak
				return
			case <-tick.C:
			}
		}
	}()
	return x
}

// stop gives by how much the heap grew, and the most that the process had.
func (m *meter) stop() (heap, rss int64) {
	close(m.end)
	p := <-m.peaks
	return p[0], p[1]
}

// resident is the process's memory as the system sees it; 0 where it does not
// say.
func resident() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	f := strings.Fields(string(b))
	if err != nil || len(f) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(f[1], 10, 64)
	return pages * int64(os.Getpagesize())
}
