package archive_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/sqldb/sqldbtest"
)

// TestLookingAfterManyCaptures audits, samples, rebuilds and expires as many
// captures as asked, over things in memory:
//
//	TRAWLMARK_SCALE=10000 go test ./archive -run ManyCaptures -v -timeout 1h
//
// What is held is that all of them are seen, and that no step takes memory that
// grows with their number: the live heap is looked at on the way.
func TestLookingAfterManyCaptures(t *testing.T) {
	n := 40
	if s := os.Getenv("TRAWLMARK_SCALE"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	const allowed = 24 << 20 // of live heap beside what is stored in memory
	w := newWorld(t)
	a := w.open(t)
	began := time.Now()
	var wg sync.WaitGroup
	next := make(chan int)
	for range runtime.NumCPU() {
		wg.Go(func() {
			for i := range next {
				c := w.capture()
				c.URL = fmt.Sprintf("https://market.example/item/%d", i)
				c.FinalURL, c.Exchanges[0].URL, c.Asked.ItemID = c.URL, c.URL, strconv.Itoa(i)
				c.Exchanges[0].Body = capture.Bytes(fmt.Sprintf("<html>item %d</html>", i))
				if _, err := a.Ingest(t.Context(), c, seen); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	if t.Failed() {
		return
	}
	t.Logf("%-22s %8.1f s  %6.0f captures/s", "stored", time.Since(began).Seconds(), float64(n)/time.Since(began).Seconds())
	for size := int64(-1); ; {
		c, err := w.log.Sequence(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if c.Size == size {
			break
		}
		size = c.Size
	}

	step := func(name string, do func(look func()) error) {
		t.Helper()
		live := func() int64 {
			debug.FreeOSMemory()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		base, peak, looks := live(), int64(0), 0
		began, pauses := time.Now(), time.Duration(0)
		err := do(func() {
			if looks++; looks%max(1, n/5000) != 0 {
				return
			}
			at := time.Now()
			peak = max(peak, live()-base)
			pauses += time.Since(at)
		})
		took := time.Since(began) - pauses
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		t.Logf("%-22s %8.2f s  %6.0f captures/s  live heap grew by %.1f MiB", name, took.Seconds(), float64(n)/took.Seconds(), float64(peak)/(1<<20))
		if peak > allowed {
			t.Errorf("%s: the live heap grew by %d KiB; %d KiB are allowed, however many captures there are", name, peak>>10, allowed>>10)
		}
	}
	for _, deep := range []bool{false, true} {
		step(map[bool]string{false: "audit", true: "audit --deep"}[deep], func(look func()) error {
			r, err := a.Audit(t.Context(), w.log, archive.AuditOptions{Deep: deep, Grace: time.Nanosecond, Progress: func(archive.Position, archive.AuditReport) { look() }})
			if err == nil && (r.Captures != int64(n) || r.Differences != 0) {
				err = fmt.Errorf("%d captures with %d differences: %v", r.Captures, r.Differences, r.ByKind)
			}
			look()
			return err
		})
	}
	step("rehash --sample 50", func(look func()) error {
		s, err := a.Rehash(t.Context(), 50)
		if err == nil && (!s.Good() || s.Captures != min(n, 50)) {
			err = fmt.Errorf("%+v", s)
		}
		look()
		return err
	})
	step("rebuild", func(look func()) error {
		fresh, err := catalog.Open(t.Context(), sqldbtest.SQLite(t)())
		if err != nil {
			return err
		}
		b, err := archive.New(archive.Config{SpoolDir: t.TempDir()}, archive.Deps{
			Vault: w.vault, Catalog: fresh, Custody: w.log, IDs: w.ids, Now: a.Now, Rand: rand.Reader, Log: a.Log,
		})
		if err != nil {
			return err
		}
		r, err := b.Rebuild(t.Context(), w.log, archive.RebuildOptions{Progress: func(archive.RebuildReport) { look() }})
		if err == nil && (r.Captures != int64(n) || r.Differences != 0) {
			err = fmt.Errorf("%+v", r)
		}
		look()
		return err
	})
	w.now = w.now.Add(48 * time.Hour)
	for _, dry := range []bool{true, false} {
		step(map[bool]string{true: "expire --dry-run", false: "expire"}[dry], func(look func()) error {
			x, err := a.ExpireTelling(t.Context(), dry, func(archive.Expiry) { look() })
			if err == nil && (x.Done != n || x.Waiting != 0) {
				err = fmt.Errorf("%d of %d, %d stay: %v", x.Done, n, x.Waiting, x.Stayed)
			}
			look()
			return err
		})
	}
}
