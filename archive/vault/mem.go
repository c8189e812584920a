package vault

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// The operations that a Mem names to its fault hooks.
const (
	OpPut    = "put"
	OpGet    = "get"
	OpRead   = "read" // the reader that Get gave: fails after half of the bytes
	OpStat   = "stat"
	OpExtend = "extend"
	OpHold   = "hold"
	OpList   = "list" // once a page; the key is the last one given
	OpDelete = "delete"
)

// pageSize is how many objects Mem lists between two looks at its state, as S3
// does.
const pageSize = 1000

// Mem is a Vault in memory, with versions, locks and holds as S3 Object Lock
// has them, that fails on demand. The zero value is ready to use. The fields
// must not be changed while it is in use. For tests and dry runs: it holds
// every byte in memory.
type Mem struct {
	// Now is the clock that locks run by; time.Now when nil.
	Now func() time.Time
	// Fail is asked before an operation has any effect; its error is returned
	// instead: "failed".
	Fail func(op, key string) error
	// FailAfter is asked when the effect is there; its error is returned
	// although it happened: "failed but happened".
	FailAfter func(op, key string) error
	// NoLock makes it a storage without Object Lock: it refuses locks and
	// holds with ErrUnsupported.
	NoLock bool

	mu      sync.Mutex
	objects map[string][]*version // newest last
	folders map[string]int        // how many keys lie below a path
	sorted  []string              // all keys in order; nil when out of date
	serial  int
}

type version struct {
	info   Info
	bytes  []byte
	marker bool // a delete marker
}

// NewMem is a Mem with this clock.
func NewMem(now func() time.Time) *Mem { return &Mem{Now: now} }

func (m *Mem) now() time.Time {
	if m.Now == nil {
		return time.Now()
	}
	return m.Now()
}

func (m *Mem) before(ctx context.Context, op, key string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s %q: %w", op, key, err)
	}
	if m.Fail == nil {
		return nil
	}
	return m.Fail(op, key)
}

func (m *Mem) after(op, key string) error {
	if m.FailAfter == nil {
		return nil
	}
	return m.FailAfter(op, key)
}

// Put implements Vault.
func (m *Mem) Put(ctx context.Context, p Put) (Info, error) {
	if err := p.Check(); err != nil {
		return Info{}, err
	}
	if err := m.before(ctx, OpPut, p.Key); err != nil {
		return Info{}, err
	}
	b, err := readBody(p)
	if err != nil {
		return Info{}, err
	}
	info, err := m.put(p, b)
	if err != nil {
		return Info{}, err
	}
	if err := m.after(OpPut, p.Key); err != nil {
		return Info{}, err
	}
	return info, nil
}

func readBody(p Put) ([]byte, error) {
	r, err := p.Body.Open()
	if err != nil {
		return nil, fmt.Errorf("put %q: open the body: %w", p.Key, err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("put %q: read the body: %w", p.Key, err)
	}
	if int64(len(b)) != p.Body.Size() || capture.Sum(b) != p.SHA256 {
		return nil, fmt.Errorf("put %q: %w: %d bytes of %s arrived", p.Key, ErrDigest, len(b), capture.Sum(b))
	}
	return b, nil
}

func (m *Mem) put(p Put, b []byte) (Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current(p.Key) != nil {
		return Info{}, fmt.Errorf("put %q: %w", p.Key, ErrExists)
	}
	if err := m.clash(p.Key); err != nil {
		return Info{}, err
	}
	until, mode := LockTime(p.RetainUntil), Mode("")
	if !until.IsZero() {
		if !m.now().Before(until) {
			return Info{}, fmt.Errorf("put %q: the lock would end at %s, that is not in the future", p.Key, stamp(until))
		}
		mode = cmp.Or(p.Mode, Governance)
	}
	if m.NoLock && (p.Hold || !until.IsZero()) {
		return Info{}, fmt.Errorf("put %q: %w: it has no Object Lock", p.Key, ErrUnsupported)
	}
	v := m.add(p.Key, p.MediaType, b)
	v.info.RetainUntil, v.info.Mode, v.info.Hold = until, mode, p.Hold
	return v.info, nil
}

// clash refuses a key that is a folder of others, or lies below another: the
// strictest storage does, so that no test passes what would fail there.
func (m *Mem) clash(key string) error {
	if m.folders[key] > 0 {
		return badKey(key, "there are objects below it")
	}
	for f := range folders(key) {
		if len(m.objects[f]) > 0 {
			return badKey(key, "%q is an object", f)
		}
	}
	return nil
}

// folders gives every proper prefix of key that ends before a "/".
func folders(key string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range len(key) {
			if key[i] == '/' && !yield(key[:i]) {
				return
			}
		}
	}
}

// add puts a new version on top. The caller holds mu.
func (m *Mem) add(key, mediaType string, b []byte) *version {
	if m.objects == nil {
		m.objects, m.folders = map[string][]*version{}, map[string]int{}
	}
	if len(m.objects[key]) == 0 {
		m.sorted = nil
		for f := range folders(key) {
			m.folders[f]++
		}
	}
	m.serial++
	v := &version{bytes: b, info: Info{
		Key: key, Version: fmt.Sprintf("v%08d", m.serial), Size: int64(len(b)), SHA256: capture.Sum(b),
		MediaType: mediaType, Stored: m.now().UTC().Truncate(time.Second), Latest: true,
	}}
	for _, old := range m.objects[key] {
		old.info.Latest = false
	}
	m.objects[key] = append(m.objects[key], v)
	return v
}

// current is the version a plain GET would see, nil when there is none.
func (m *Mem) current(key string) *version {
	vs := m.objects[key]
	if len(vs) == 0 || vs[len(vs)-1].marker {
		return nil
	}
	return vs[len(vs)-1]
}

// find gives a version; the caller holds mu.
func (m *Mem) find(op, key, ver string) (*version, error) {
	if ver == "" {
		if v := m.current(key); v != nil {
			return v, nil
		}
		return nil, fmt.Errorf("%s %q: %w", op, key, ErrNotFound)
	}
	for _, v := range m.objects[key] {
		if v.info.Version == ver && !v.marker {
			return v, nil
		}
	}
	return nil, fmt.Errorf("%s %q, version %q: %w", op, key, ver, ErrNotFound)
}

// Get implements Vault.
func (m *Mem) Get(ctx context.Context, key, ver string) (io.ReadCloser, Info, error) {
	if err := m.before(ctx, OpGet, key); err != nil {
		return nil, Info{}, err
	}
	m.mu.Lock()
	v, err := m.find(OpGet, key, ver)
	if err != nil {
		m.mu.Unlock()
		return nil, Info{}, err
	}
	info, b := v.info, v.bytes
	m.mu.Unlock()
	if err := m.after(OpGet, key); err != nil {
		return nil, Info{}, err
	}
	if m.Fail != nil {
		if err := m.Fail(OpRead, key); err != nil {
			half := bytes.NewReader(b[:len(b)/2])
			return io.NopCloser(io.MultiReader(half, failing{err})), info, nil
		}
	}
	return io.NopCloser(bytes.NewReader(b)), info, nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Stat implements Vault.
func (m *Mem) Stat(ctx context.Context, key, ver string) (Info, error) {
	var info Info
	err := m.on(ctx, OpStat, key, ver, func(v *version) error { info = v.info; return nil })
	return info, err
}

// on does something to one version, between the fault hooks.
func (m *Mem) on(ctx context.Context, op, key, ver string, do func(*version) error) error {
	if err := m.before(ctx, op, key); err != nil {
		return err
	}
	m.mu.Lock()
	v, err := m.find(op, key, ver)
	if err == nil {
		err = do(v)
	}
	m.mu.Unlock()
	if err != nil {
		return err
	}
	return m.after(op, key)
}

// Extend implements Vault.
func (m *Mem) Extend(ctx context.Context, key, ver string, mode Mode, until time.Time) error {
	return m.on(ctx, OpExtend, key, ver, func(v *version) error {
		if m.NoLock {
			return fmt.Errorf("extend %q: %w: it has no Object Lock", key, ErrUnsupported)
		}
		mode, _, err := CheckExtend(v.info, mode, until, m.now())
		if err == nil {
			v.info.Mode, v.info.RetainUntil = mode, LockTime(until)
		}
		return err
	})
}

// Hold implements Vault.
func (m *Mem) Hold(ctx context.Context, key, ver string, on bool) error {
	return m.on(ctx, OpHold, key, ver, func(v *version) error {
		if m.NoLock {
			return fmt.Errorf("hold %q: %w: it has no Object Lock", key, ErrUnsupported)
		}
		v.info.Hold = on
		return nil
	})
}

// Delete implements Vault.
func (m *Mem) Delete(ctx context.Context, key, ver string) error {
	if ver == "" {
		return fmt.Errorf("delete %q: name the version; without one the object would only be hidden", key)
	}
	return m.on(ctx, OpDelete, key, ver, func(v *version) error {
		if v.info.Locked(m.now()) {
			return fmt.Errorf("delete %q: %w: %s", key, ErrLocked, lockText(v.info))
		}
		vs := m.objects[key]
		vs = slices.DeleteFunc(vs, func(o *version) bool { return o == v })
		if len(vs) == 0 {
			m.forget(key)
			return nil
		}
		vs[len(vs)-1].info.Latest = !vs[len(vs)-1].marker
		m.objects[key] = vs
		return nil
	})
}

// forget drops a key that has no version left.
func (m *Mem) forget(key string) {
	delete(m.objects, key)
	m.sorted = nil
	for f := range folders(key) {
		if m.folders[f]--; m.folders[f] == 0 {
			delete(m.folders, f)
		}
	}
}

func lockText(i Info) string {
	if i.Hold {
		return "there is a legal hold on it"
	}
	return fmt.Sprintf("%s retention until %s", i.Mode, stamp(i.RetainUntil))
}

// List implements Vault.
func (m *Mem) List(ctx context.Context, prefix, after string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		for {
			if err := m.before(ctx, OpList, after); err != nil {
				yield(Info{}, err)
				return
			}
			page := m.page(prefix, after)
			for _, i := range page {
				if !yield(i, nil) {
					return
				}
				after = i.Key
			}
			if len(page) < pageSize {
				return
			}
		}
	}
}

func (m *Mem) page(prefix, after string) []Info {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sorted == nil {
		m.sorted = slices.Sorted(maps.Keys(m.objects))
	}
	at, _ := slices.BinarySearch(m.sorted, max(prefix, after))
	var page []Info
	for _, key := range m.sorted[at:] {
		if len(page) == pageSize || !strings.HasPrefix(key, prefix) && key > prefix {
			break
		}
		if v := m.current(key); v != nil && key > after && strings.HasPrefix(key, prefix) {
			page = append(page, v.info)
		}
	}
	return page
}
