package vaulttest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/vault"
)

func roundTrip(_ *testing.T, x *tester) {
	b := []byte("what was seen")
	put := x.put("a/b.txt", b)
	want := vault.Info{Key: "a/b.txt", Version: put.Version, Size: 13, SHA256: capture.Sum(b), MediaType: "text/plain", Stored: put.Stored, Latest: true}
	if put != want {
		x.Errorf("put gave %+v\nwant     %+v", put, want)
	}
	if put.Version == "" {
		x.Error("put gave no version")
	}
	got, info := x.read("a/b.txt", "")
	if string(got) != string(b) {
		x.Errorf("read %q", got)
	}
	for name, i := range map[string]vault.Info{"get": info, "stat": x.stat("a/b.txt", ""), "stat by version": x.stat("a/b.txt", put.Version)} {
		if i.SHA256.IsZero() {
			i.SHA256 = want.SHA256 // a storage need not tell
		}
		i.Stored = want.Stored
		if i != want {
			x.Errorf("%s gave %+v\nwant %+v", name, i, want)
		}
	}
	x.holds("a/b.txt", put.Version, b)
}

func sizes(t *testing.T, x *tester) {
	all := []int{0, 1, 1023, 1 << 16, 1<<20 + 1, 5 << 20}
	if !testing.Short() {
		all = append(all, 64<<20)
	}
	for _, n := range all {
		b := make([]byte, n)
		rand.Read(b)
		key := "size/" + strings.Repeat("x", 1+n%97)
		i := x.put(key, b, x.locked("", minute))
		if i.Size != int64(n) {
			t.Errorf("%d bytes: put says %d", n, i.Size)
		}
		x.holds(key, "", b)
		if s := x.stat(key, ""); s.Size != int64(n) || !s.SHA256.IsZero() && s.SHA256 != capture.Sum(b) {
			t.Errorf("%d bytes: stat says %d of %s", n, s.Size, s.SHA256)
		}
		// What comes next on the connection must not suffer.
		x.put(key+"-next", []byte("next"))
		x.holds(key+"-next", "", []byte("next"))
	}
}

// OddKeys are keys that storages and clients like to spoil.
var OddKeys = []string{
	"plain", "with space", " leading and trailing ", "plus+plus", "percent%20percent%", "100%", "a%2Fb", "ünï/cödé", "日本語/商品",
	"emoji-\U0001F575", "e\u0301-combining", "quote\"'`", "amp&lt;<>", "q?v=1&versionId=x", "hash#frag", "semi;colon:", "star*[x]{y}", "~tilde^|",
	"dots..dots/...", "comma,dollar$", "eq==", "at@home", "(paren)!", "under_score-dash", strings.Repeat("s", 255),
	strings.Repeat("deep/", 60) + "end",
}

func oddKeys(t *testing.T, x *tester) {
	for _, key := range OddKeys {
		b := []byte("under " + key)
		i := x.put(key, b)
		if i.Key != key {
			t.Errorf("put %q says %q", key, i.Key)
		}
		x.holds(key, i.Version, b)
	}
	listed := map[string]bool{}
	for _, i := range x.list("", "") {
		listed[i.Key] = true
	}
	for _, key := range OddKeys {
		if !listed[key] {
			t.Errorf("%q is not listed", key)
		}
		if got := x.list(key, ""); len(got) != 1 || got[0].Key != key {
			t.Errorf("list with the prefix %q gives %v", key, got)
		}
	}
	if len(listed) != len(OddKeys) {
		t.Errorf("%d keys are listed, %d were put", len(listed), len(OddKeys))
	}
	for _, key := range OddKeys {
		x.goes(key, x.stat(key, "").Version)
	}
}

func badKeys(_ *testing.T, x *tester) {
	for _, key := range []string{"", "/a", "a//b", "a/../b", "a\x00", "a\xff", strings.Repeat("s", 256), strings.Repeat("ab/", 341) + "xy"} {
		_, err := x.Vault.Put(x.ctx, vault.NewPut(key, "", nil))
		x.wants(err, vault.ErrBadKey, "put %.20q", key)
	}
}

// clashingKeys: a storage may keep both, or refuse with ErrBadKey. What it may
// not do is lose one.
func clashingKeys(_ *testing.T, x *tester) {
	x.put("clash", []byte("1"))
	if _, err := x.Vault.Put(x.ctx, vault.NewPut("clash/below", "", []byte("2"))); err != nil {
		x.wants(err, vault.ErrBadKey, "put below an object")
	}
	x.holds("clash", "", []byte("1"))
	x.put("folder/object", []byte("3"))
	if _, err := x.Vault.Put(x.ctx, vault.NewPut("folder", "", []byte("4"))); err != nil {
		x.wants(err, vault.ErrBadKey, "put over a folder")
	}
	x.holds("folder/object", "", []byte("3"))
}

func createdOnce(_ *testing.T, x *tester) {
	first := x.put("once", []byte("first"))
	for _, b := range []string{"second", "first", ""} {
		_, err := x.Vault.Put(x.ctx, vault.NewPut("once", "text/plain", []byte(b)))
		x.wants(err, vault.ErrExists, "put %q over an object", b)
	}
	big := make([]byte, 8<<20)
	_, err := x.Vault.Put(x.ctx, vault.NewPut("once", "text/plain", big))
	x.wants(err, vault.ErrExists, "put 8 MiB over an object")
	x.holds("once", "", []byte("first"))
	if i := x.stat("once", ""); i.Version != first.Version {
		x.Errorf("the current version is %q, want the first, %q", i.Version, first.Version)
	}
	// A deleted object makes room for a new one.
	x.goes("once", first.Version)
	x.put("once", []byte("again"))
	x.holds("once", "", []byte("again"))
}

func racingWriters(t *testing.T, x *tester) {
	rounds := 8
	if testing.Short() {
		rounds = 3
	}
	const writers = 16
	for round := range rounds {
		key := "race/" + strings.Repeat("r", round+1)
		bodies, errs := make([][]byte, writers), make([]error, writers)
		var infos [writers]vault.Info
		start := make(chan struct{})
		var wg sync.WaitGroup
		for w := range writers {
			bodies[w] = bytes.Repeat([]byte{byte('a' + w)}, 1000*(round+1)+w)
			wg.Go(func() {
				<-start
				p := vault.NewPut(key, "text/plain", bodies[w])
				x.locked("", minute)(&p)
				infos[w], errs[w] = x.Vault.Put(x.ctx, p)
			})
		}
		close(start)
		wg.Wait()
		winner := -1
		for w, err := range errs {
			switch {
			case err == nil && winner >= 0:
				t.Errorf("round %d: writers %d and %d both succeeded", round, winner, w)
			case err == nil:
				winner = w
			default:
				x.wants(err, vault.ErrExists, "round %d, writer %d", round, w)
			}
		}
		if winner < 0 {
			t.Fatalf("round %d: nobody succeeded: %v", round, errs)
		}
		x.holds(key, "", bodies[winner])
		x.holds(key, infos[winner].Version, bodies[winner])
	}
}

func wrongDigest(_ *testing.T, x *tester) {
	for name, p := range map[string]vault.Put{
		"none":        {Key: "wrong/none", Body: capture.Bytes("abc")},
		"other":       {Key: "wrong/other", Body: capture.Bytes("abc"), SHA256: capture.Sum([]byte("abd"))},
		"empty":       {Key: "wrong/empty", Body: capture.Bytes(""), SHA256: capture.Sum([]byte("a"))},
		"of no bytes": {Key: "wrong/zero", Body: capture.Bytes("a"), SHA256: capture.Sum(nil)},
		"large":       {Key: "wrong/large", Body: capture.Bytes(make([]byte, 3<<20)), SHA256: capture.Sum(nil)},
	} {
		_, err := x.Vault.Put(x.ctx, p)
		x.wants(err, vault.ErrDigest, "digest %s", name)
		_, err = x.Vault.Stat(x.ctx, p.Key, "")
		x.wants(err, vault.ErrNotFound, "after the digest %s", name)
	}
	x.put("wrong/after", []byte("fine"))
}

var errBody = errors.New("the disk failed")

// oddBody says one size and gives another, or fails on the way.
type oddBody struct {
	size int64
	open func() (io.ReadCloser, error)
}

func (b oddBody) Size() int64                  { return b.size }
func (b oddBody) Open() (io.ReadCloser, error) { return b.open() }

func brokenBody(_ *testing.T, x *tester) {
	content := bytes.Repeat([]byte("x"), 300_000)
	gives := func(r io.Reader) func() (io.ReadCloser, error) {
		return func() (io.ReadCloser, error) { return io.NopCloser(r), nil }
	}
	for name, c := range map[string]struct {
		body oddBody
		want error
	}{
		"short": {oddBody{300_000, gives(bytes.NewReader(content[:299_999]))}, vault.ErrDigest},
		"fails": {oddBody{300_000, gives(io.MultiReader(bytes.NewReader(content[:150_000]), failing{}))}, errBody},
		"gone":  {oddBody{300_000, func() (io.ReadCloser, error) { return nil, errBody }}, errBody},
	} {
		_, err := x.Vault.Put(x.ctx, vault.Put{Key: "broken/" + name, Body: c.body, SHA256: capture.Sum(content)})
		x.wants(err, c.want, "a body that is %s", name)
		_, err = x.Vault.Stat(x.ctx, "broken/"+name, "")
		x.wants(err, vault.ErrNotFound, "after a body that is %s", name)
	}
	x.put("broken/after", content)
	x.holds("broken/after", "", content)
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errBody }

func missing(_ *testing.T, x *tester) {
	old := x.put("gone", []byte("1")).Version
	x.goes("gone", old)
	there := x.put("there", []byte("2"))
	for _, c := range []struct{ key, version string }{
		{"never", ""},
		{"never", there.Version},
		{"gone", ""},
		{"gone", old},
		{"there", old},
		{"there", "nonsense"},
		{"there/below", ""},
	} {
		r, _, err := x.Vault.Get(x.ctx, c.key, c.version)
		if x.wants(err, vault.ErrNotFound, "get %v", c); err == nil {
			r.Close()
		}
		_, err = x.Vault.Stat(x.ctx, c.key, c.version)
		x.wants(err, vault.ErrNotFound, "stat %v", c)
		x.wants(x.Vault.Extend(x.ctx, c.key, c.version, "", x.at(60e9)), vault.ErrNotFound, "extend %v", c)
		x.wants(x.Vault.Hold(x.ctx, c.key, c.version, true), vault.ErrNotFound, "hold %v", c)
		if c.version != "" {
			x.wants(x.Vault.Delete(x.ctx, c.key, c.version), vault.ErrNotFound, "delete %v", c)
		}
	}
	x.holds("there", "", []byte("2"))
}
