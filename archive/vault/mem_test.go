package vault_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/vault"
)

var errFault = errors.New("injected")

// Every write is tried twice: failed, and failed but happened.
func TestMemFaults(t *testing.T) {
	ctx := t.Context()
	until := time.Now().Add(time.Hour)
	ops := map[string]struct {
		do       func(*vault.Mem, string) error
		happened func(vault.Info, error) bool
	}{
		vault.OpExtend: {
			func(m *vault.Mem, v string) error { return m.Extend(ctx, "k", v, vault.Compliance, until) },
			func(i vault.Info, err error) bool { return err == nil && i.Mode == vault.Compliance },
		},
		vault.OpHold: {
			func(m *vault.Mem, v string) error { return m.Hold(ctx, "k", v, true) },
			func(i vault.Info, err error) bool { return err == nil && i.Hold },
		},
		vault.OpDelete: {
			func(m *vault.Mem, v string) error { return m.Delete(ctx, "k", v) },
			func(_ vault.Info, err error) bool { return errors.Is(err, vault.ErrNotFound) },
		},
		vault.OpPut: {
			func(m *vault.Mem, _ string) error {
				p := vault.NewPut("new", "text/plain", []byte("x"))
				_, err := m.Put(ctx, p)
				return err
			},
			nil,
		},
	}
	for op, c := range ops {
		for _, after := range []bool{false, true} {
			var on bool
			hook := func(o, _ string) error {
				if on && o == op {
					return errFault
				}
				return nil
			}
			m := &vault.Mem{}
			if after {
				m.FailAfter = hook
			} else {
				m.Fail = hook
			}
			info, err := m.Put(ctx, vault.NewPut("k", "text/plain", []byte("b")))
			if err != nil {
				t.Fatal(err)
			}
			on = true
			if err := c.do(m, info.Version); !errors.Is(err, errFault) {
				t.Errorf("%s, after %v: %v, want the injected error", op, after, err)
			}
			on = false
			key, happened := "k", c.happened
			if op == vault.OpPut {
				key, happened = "new", func(_ vault.Info, err error) bool { return err == nil }
			}
			if got := happened(m.Stat(ctx, key, "")); got != after {
				t.Errorf("%s, after %v: happened = %v", op, after, got)
			}
		}
	}
}

func TestMemReadFault(t *testing.T) {
	m := &vault.Mem{Fail: func(op, _ string) error {
		if op == vault.OpRead {
			return errFault
		}
		return nil
	}}
	if _, err := m.Put(t.Context(), vault.NewPut("k", "text/plain", []byte("12345678"))); err != nil {
		t.Fatal(err)
	}
	r, _, err := m.Get(t.Context(), "k", "")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); string(b) != "1234" || !errors.Is(err, errFault) {
		t.Errorf("read %q, %v", b, err)
	}
}

func TestMemListFaultOnSecondPage(t *testing.T) {
	m := &vault.Mem{Fail: func(op, key string) error {
		if op == vault.OpList && key != "" {
			return errFault
		}
		return nil
	}}
	for i := range 1001 {
		if _, err := m.Put(t.Context(), vault.NewPut(vault.CheckpointKey(int64(i)), "", nil)); err != nil {
			t.Fatal(err)
		}
	}
	n, last := 0, error(nil)
	for _, err := range m.List(t.Context(), "", "") {
		if last = err; err == nil {
			n++
		}
	}
	if n != 1000 || !errors.Is(last, errFault) {
		t.Errorf("%d objects, then %v", n, last)
	}
}

func TestMemOutside(t *testing.T) {
	ctx := context.Background()
	m := &vault.Mem{}
	p := vault.NewPut("k", "text/plain", []byte("true"))
	p.Hold = true
	first, err := m.Put(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	if m.Corrupt("none", nil) {
		t.Error("corrupted an object that is not there")
	}
	m.Corrupt("k", func(b []byte) []byte { b[0] ^= 1; return b })
	r, info, err := m.Get(ctx, "k", "")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(r)
	if capture.Sum(b) == info.SHA256 || info.SHA256 != first.SHA256 {
		t.Errorf("corruption cannot be seen: %q, %v", b, info)
	}
	if m.Hide("k"); m.Len() != 2 {
		t.Errorf("%d versions after hiding, want 2", m.Len())
	}
}

func TestMemNoLock(t *testing.T) {
	m := &vault.Mem{NoLock: true}
	p := vault.NewPut("k", "", nil)
	p.RetainUntil = time.Now().Add(time.Hour)
	if _, err := m.Put(t.Context(), p); !errors.Is(err, vault.ErrUnsupported) {
		t.Errorf("locked put: %v", err)
	}
	p.RetainUntil = time.Time{}
	if _, err := m.Put(t.Context(), p); err != nil {
		t.Errorf("plain put: %v", err)
	}
	if err := m.Hold(t.Context(), "k", "", true); !errors.Is(err, vault.ErrUnsupported) {
		t.Errorf("hold: %v", err)
	}
	if err := m.Extend(t.Context(), "k", "", "", time.Now().Add(time.Hour)); !errors.Is(err, vault.ErrUnsupported) {
		t.Errorf("extend: %v", err)
	}
}
