package warc

import (
	"context"
	"io"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// endless is a body of any size that is nowhere: pseudo-random bytes, so that
// no compressor makes them small.
type endless int64

func (e endless) Size() int64                  { return int64(e) }
func (e endless) Open() (io.ReadCloser, error) { return &endlessReader{left: int64(e), x: 1}, nil }

type endlessReader struct {
	left int64
	x    uint64
}

func (r *endlessReader) Close() error { return nil }
func (r *endlessReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), r.left)]
	for i := 0; i < len(p); i += 8 {
		r.x ^= r.x << 13
		r.x ^= r.x >> 7
		r.x ^= r.x << 17
		for k := 0; k < 8 && i+k < len(p); k++ {
			p[i+k] = byte(r.x >> (8 * k))
		}
	}
	r.left -= int64(len(p))
	return len(p), nil
}

// watch reports the largest heap that it saw while bytes passed.
type watch struct {
	w    io.Writer
	n    int64
	next int64
	peak *atomic.Uint64
}

func (w *watch) Write(p []byte) (int, error) {
	if w.n += int64(len(p)); w.n >= w.next {
		w.next = w.n + 32<<20
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if m.HeapAlloc > w.peak.Load() {
			w.peak.Store(m.HeapAlloc)
		}
	}
	return w.w.Write(p)
}

// TestConstantMemory writes a capture with a body of 256 MiB and reads it back
// through a pipe, with its digests checked, in a few MiB of heap.
func TestConstantMemory(t *testing.T) {
	const size, allowed = 256 << 20, 16 << 20
	c := everything(t)
	c.Exchanges[4].Body = endless(size)
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var peak atomic.Uint64

	in, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := WriteCapture(context.Background(), &watch{w: out, peak: &peak}, c, options())
		out.CloseWithError(err)
		done <- err
	}()
	r := NewReader(in)
	var largest int64
	for {
		rec, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if rec.Type != TypeResponse {
			continue
		}
		m, err := rec.HTTP()
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, m.Body)
		if err != nil {
			t.Fatal(err)
		}
		largest = max(largest, n)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if largest != size {
		t.Errorf("the largest body read back has %d bytes of %d", largest, size)
	}
	if grown := int64(peak.Load()) - int64(before.HeapAlloc); peak.Load() == 0 || grown > allowed {
		t.Errorf("the heap grew by %d KiB for a body of %d MiB; %d KiB are allowed", grown>>10, size>>20, allowed>>10)
	} else {
		t.Logf("the heap grew by %d KiB", grown>>10)
	}
}

func BenchmarkWrite(b *testing.B) {
	c := everything(b)
	c.Exchanges[4].Body = endless(8 << 20)
	f, _ := capture.FingerprintOf(c.Exchanges[4].Body)
	b.SetBytes(f.Size)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := WriteCapture(context.Background(), io.Discard, c, options()); err != nil {
			b.Fatal(err)
		}
	}
}
