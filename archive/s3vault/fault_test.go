package s3vault_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/trawlmark/trawlmark/archive/s3vault"
	"github.com/trawlmark/trawlmark/archive/s3vault/gateway/gatewaytest"
	"github.com/trawlmark/trawlmark/archive/vault"
	"golang.org/x/sync/errgroup"
)

// versionsOf counts what lies under a key, past the vault.
func versionsOf(t *testing.T, c s3vault.Config, key string) int {
	t.Helper()
	n := 0
	for o := range raw(t, c).ListObjectsIter(t.Context(), c.Bucket, minio.ListObjectsOptions{Prefix: key, Recursive: true, WithVersions: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		n++
	}
	return n
}

func locked(key string, b []byte) vault.Put {
	p := vault.NewPut(key, "text/plain", b)
	p.RetainUntil, p.Hold = time.Now().Add(5*time.Minute), true
	return p
}

// Whatever happens to the answers, a Put that says it succeeded has, once, and
// with its lock.
func TestPutFaults(t *testing.T) {
	s3 := gatewaytest.Start(t)
	large := bytes.Repeat([]byte("large"), 1<<20)
	for name, c := range map[string]struct {
		before, after func(*http.Request) fault
		body          []byte
		puts          int // how often it is sent
	}{
		"failed: dropped":             {before: first(1, "PUT", drop), puts: 2},
		"failed: busy":                {before: first(2, "PUT", busy), puts: 3},
		"failed: broken":              {before: first(1, "PUT", broken), puts: 2},
		"failed: dropped, large":      {before: first(1, "PUT", drop), body: large, puts: 2},
		"happened: dropped":           {after: first(1, "PUT", drop), puts: 1},
		"happened: busy":              {after: first(1, "PUT", busy), puts: 1},
		"happened: dropped, large":    {after: first(1, "PUT", drop), body: large, puts: 1},
		"happened: dropped, empty":    {after: first(1, "PUT", drop), body: []byte{}, puts: 1},
		"happened, and no look":       {after: first(1, "PUT", drop), before: first(1, "HEAD", drop), puts: 1},
		"happened, and no look twice": {after: first(1, "PUT", drop), before: first(2, "HEAD", busy), puts: 1},
		"silence":                     {before: first(1, "PUT", silence), puts: 2},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProxy(t, s3)
			v, direct := p.vault(t, func(c *s3vault.Config) {
				if name == "silence" {
					c.Stall = 3 * time.Second // only here: a busy machine is silent too, and what it does is sent twice
				}
			})
			if c.body == nil {
				c.body = []byte("small")
			}
			p.set(c.before, c.after)
			put := locked("k", c.body)
			got, err := v.Put(t.Context(), put)
			if err != nil {
				t.Fatal(err)
			}
			if n := p.count("PUT"); n != c.puts {
				t.Errorf("sent %d times, want %d: %v", n, c.puts, p.seen)
			}
			p.set(nil, nil)
			stat, err := v.Stat(t.Context(), "k", got.Version)
			if err != nil {
				t.Fatal(err)
			}
			if got.Stored = stat.Stored; got != stat {
				t.Errorf("put says  %+v\nstat says %+v", got, stat)
			}
			if !stat.Hold || !stat.RetainUntil.Equal(vault.LockTime(put.RetainUntil)) {
				t.Errorf("its lock: %+v", stat)
			}
			if n := versionsOf(t, direct, "k"); n != 1 {
				t.Errorf("%d versions", n)
			}
			if _, err := v.Put(t.Context(), put); !errors.Is(err, vault.ErrExists) {
				t.Errorf("a second put of the same bytes: %v", err)
			}
		})
	}
}

// An object of somebody else is never taken for ours, were it byte for byte the
// same.
func TestPutFaultOverAnother(t *testing.T) {
	s3 := gatewaytest.Start(t)
	for name, c := range map[string]struct {
		before, after func(*http.Request) fault
		size          int
	}{
		"dropped before":       {before: first(1, "PUT", drop)},
		"dropped after":        {after: first(1, "PUT", drop)},
		"dropped after, large": {after: first(3, "PUT", drop), size: 4 << 20},
		"no look":              {after: first(1, "PUT", drop), before: first(1, "HEAD", drop)},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProxy(t, s3)
			v, direct := p.vault(t)
			put := vault.NewPut("k", "text/plain", make([]byte, c.size))
			if _, err := v.Put(t.Context(), put); err != nil {
				t.Fatal(err)
			}
			p.set(c.before, c.after)
			if _, err := v.Put(t.Context(), put); !errors.Is(err, vault.ErrExists) {
				t.Errorf("got %v, want ErrExists", err)
			}
			if n := versionsOf(t, direct, "k"); n != 1 {
				t.Errorf("%d versions", n)
			}
		})
	}
}

// A storage that dies between the bytes and the lock keeps an object without
// one: the look afterwards sets it.
func TestPutLockWasLost(t *testing.T) {
	p := newProxy(t, gatewaytest.Start(t))
	v, _ := p.vault(t)
	p.edit = func(r *http.Request) {
		for k := range r.Header {
			if strings.HasPrefix(k, "X-Amz-Object-Lock") {
				r.Header.Del(k)
			}
		}
	}
	p.set(nil, first(1, "PUT", drop))
	put := locked("k", []byte("b"))
	put.Mode = vault.Compliance
	put.RetainUntil = time.Now().Add(time.Minute)
	got, err := v.Put(t.Context(), put)
	if err != nil {
		t.Fatal(err)
	}
	stat, err := v.Stat(t.Context(), "k", got.Version)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []vault.Info{got, stat} {
		if !i.Hold || i.Mode != vault.Compliance || !i.RetainUntil.Equal(vault.LockTime(put.RetainUntil)) {
			t.Errorf("%+v", i)
		}
	}
}

func TestPutGivesUp(t *testing.T) {
	p := newProxy(t, gatewaytest.Start(t))
	v, direct := p.vault(t, func(c *s3vault.Config) { c.Patience, c.Stall = 300*time.Millisecond, 200*time.Millisecond })
	for name, f := range map[string]fault{"busy": busy, "drop": drop, "broken": broken, "silence": silence} {
		p.set(every("", f), nil)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		_, err := v.Put(ctx, vault.NewPut("k", "", []byte("x")))
		if cancel(); !errors.Is(err, vault.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v, want ErrUnavailable and no deadline of ours", name, err)
		}
	}
	p.set(every("", silence), nil)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := v.Put(ctx, vault.NewPut("k", "", []byte("x"))); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("the caller's deadline: %v", err)
	}
	if n := versionsOf(t, direct, "k"); n != 0 {
		t.Errorf("%d versions of what never was stored", n)
	}
}

func TestReadFaults(t *testing.T) {
	p := newProxy(t, gatewaytest.Start(t))
	v, _ := p.vault(t)
	b := bytes.Repeat([]byte("0123456789"), 50_000)
	put, err := v.Put(t.Context(), vault.NewPut("k", "", b))
	if err != nil {
		t.Fatal(err)
	}
	p.set(first(2, "GET", busy), nil)
	r, _, err := v.Get(t.Context(), "k", "")
	if err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, r); !bytes.Equal(got, b) {
		t.Errorf("read %d bytes", len(got))
	}
	p.set(nil, every("GET", cut))
	if r, _, err = v.Get(t.Context(), "k", put.Version); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	r.Close()
	if !errors.Is(err, vault.ErrUnavailable) || len(got) >= len(b) {
		t.Errorf("a body that was cut: %d bytes, %v", len(got), err)
	}
	p.set(first(1, "HEAD", drop), nil)
	if i, err := v.Stat(t.Context(), "k", put.Version); err != nil || !i.Latest {
		t.Errorf("stat: %+v, %v", i, err)
	}
}

// A listing that breaks off goes on where it was, and gives each key once.
func TestListFaults(t *testing.T) {
	p := newProxy(t, gatewaytest.Start(t))
	v, _ := p.vault(t)
	const total = 1203
	var work errgroup.Group
	work.SetLimit(8)
	for i := range total {
		work.Go(func() error {
			_, err := v.Put(t.Context(), vault.NewPut(fmt.Sprintf("l/%05d", i), "", nil))
			return err
		})
	}
	if err := work.Wait(); err != nil {
		t.Fatal(err)
	}
	faults := []fault{busy, pass, drop, cut, busy}
	p.set(nil, func(r *http.Request) (f fault) {
		if r.Method == "GET" && len(faults) > 0 {
			f, faults = faults[0], faults[1:]
		}
		return f
	})
	i := 0
	for o, err := range v.List(t.Context(), "l/", "") {
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("l/%05d", i); o.Key != want {
			t.Fatalf("place %d has %s", i, o.Key)
		}
		i++
	}
	if i != total {
		t.Errorf("%d keys, want %d", i, total)
	}
	hasty, _ := p.vault(t, func(c *s3vault.Config) { c.Patience = 300 * time.Millisecond })
	p.set(every("GET", busy), nil)
	for _, err := range hasty.List(t.Context(), "l/", "") {
		if !errors.Is(err, vault.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	}
}

// The keys after one are given each once with their newest versions, the
// deleted ones left out, whatever breaks off on the way.
func TestListAfterFaults(t *testing.T) {
	p := newProxy(t, gatewaytest.Start(t))
	v, _ := p.vault(t, func(c *s3vault.Config) { c.Patience = 3 * time.Second })
	const total, from = 60, 9
	want := map[string]string{}
	for i := range total {
		key := fmt.Sprintf("l/%05d", i)
		info, err := v.Put(t.Context(), vault.NewPut(key, "", nil))
		if err != nil {
			t.Fatal(err)
		}
		if want[key] = info.Version; i <= from {
			delete(want, key)
		}
	}
	if _, err := v.Put(t.Context(), vault.NewPut("m/0", "", nil)); err != nil {
		t.Fatal(err)
	}
	for _, faults := range [][]fault{nil, {busy, pass, drop, pass, pass, cut, busy}} {
		p.set(nil, func(r *http.Request) (f fault) {
			if len(faults) > 0 {
				f, faults = faults[0], faults[1:]
			}
			return f
		})
		got, last := map[string]string{}, ""
		for o, err := range v.List(t.Context(), "l/", fmt.Sprintf("l/%05d", from)) {
			if err != nil {
				t.Fatal(err)
			}
			if o.Key <= last {
				t.Errorf("%s after %s", o.Key, last)
			}
			got[o.Key], last = o.Version, o.Key
		}
		if !maps.Equal(got, want) {
			t.Errorf("%d keys, want %d with their versions", len(got), len(want))
		}
	}
	// Who takes one key makes two requests.
	var requests atomic.Int64
	p.set(nil, func(*http.Request) fault { requests.Add(1); return pass })
	for o, err := range v.List(t.Context(), "l/", "l/00030") {
		if err != nil || o.Key != "l/00031" {
			t.Errorf("%+v, %v", o, err)
		}
		break
	}
	if n := requests.Load(); n != 2 {
		t.Errorf("%d requests for the next key", n)
	}
}

func TestLockFaults(t *testing.T) {
	p := newProxy(t, gatewaytest.Start(t))
	v, _ := p.vault(t)
	i, err := v.Put(t.Context(), vault.NewPut("k", "", []byte("x")))
	if err != nil {
		t.Fatal(err)
	}
	until := vault.LockTime(time.Now().Add(5 * time.Minute))
	for name, set := range map[string]func(){
		"failed":   func() { p.set(first(1, "PUT", drop), nil) },
		"happened": func() { p.set(nil, first(1, "PUT", drop)) },
	} {
		set()
		if err := v.Hold(t.Context(), "k", i.Version, true); err != nil {
			t.Errorf("hold, %s: %v", name, err)
		}
		set()
		until = until.Add(time.Second)
		if err := v.Extend(t.Context(), "k", "", "", until); err != nil {
			t.Errorf("extend, %s: %v", name, err)
		}
		p.set(nil, nil)
		if got, err := v.Stat(t.Context(), "k", ""); err != nil || !got.Hold || !got.RetainUntil.Equal(until) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		set()
		if err := v.Hold(t.Context(), "k", "", false); err != nil {
			t.Errorf("lift, %s: %v", name, err)
		}
	}
}

func TestDeleteFaults(t *testing.T) {
	p := newProxy(t, gatewaytest.Start(t))
	v, direct := p.vault(t)
	for name, set := range map[string]func(){
		"failed":   func() { p.set(first(1, "DELETE", drop), nil) },
		"happened": func() { p.set(nil, first(1, "DELETE", drop)) },
	} {
		i, err := v.Put(t.Context(), vault.NewPut("k", "", []byte("x")))
		if err != nil {
			t.Fatal(err)
		}
		set()
		if err := v.Delete(t.Context(), "k", i.Version); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n := versionsOf(t, direct, "k"); n != 0 {
			t.Errorf("%s: %d versions are left", name, n)
		}
		p.set(nil, nil)
	}
}
