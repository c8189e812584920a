package vaulttest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/vault"
)

// versions: what is put over an object from outside does not touch it.
func versions(t *testing.T, x *tester) {
	if x.Overwrite == nil {
		t.Skip("there is no way past this vault's interface")
	}
	old := x.put("doc", []byte("true"), x.locked("", 10*minute), func(p *vault.Put) { p.Hold = true })
	newer, err := x.Overwrite(x.ctx, "doc", []byte("forged!"))
	if err != nil {
		t.Fatal(err)
	}
	x.holds("doc", old.Version, []byte("true"))
	x.holds("doc", "", []byte("forged!"))
	i := x.stat("doc", old.Version)
	if i.Latest || !i.Hold || i.Mode != vault.Governance || !i.RetainUntil.Equal(old.RetainUntil) {
		t.Errorf("the overwritten version: %+v, want not latest, held and locked until %s", i, old.RetainUntil)
	}
	if _, g := x.read("doc", old.Version); g.Latest {
		t.Error("get calls the overwritten version the latest")
	}
	if i := x.stat("doc", newer); !i.Latest || i.Hold {
		t.Errorf("the newer version: %+v, want latest and free", i)
	}
	if got := x.list("", ""); len(got) != 1 || got[0].Version != newer {
		t.Errorf("list gives %v, want the newer version alone", got)
	}
	x.stays("doc", old.Version)
	x.wants(x.Vault.Extend(x.ctx, "doc", old.Version, "", x.at(20*minute)), nil, "extend the overwritten version")
	x.wants(x.Vault.Hold(x.ctx, "doc", old.Version, false), nil, "lift the hold of the overwritten version")
	if i := x.stat("doc", old.Version); i.Hold || !i.RetainUntil.Equal(x.at(20*minute)) && i.RetainUntil.Before(x.at(19*minute)) {
		t.Errorf("the overwritten version: %+v, want no hold, and the longer lock", i)
	}
	x.goes("doc", newer)
	x.holds("doc", "", []byte("true"))
	if !x.stat("doc", old.Version).Latest {
		t.Error("the first version is not the latest again")
	}
}

// hidden: a delete marker hides an object and does not touch it.
func hidden(t *testing.T, x *tester) {
	if x.Hide == nil {
		t.Skip("there is no way past this vault's interface")
	}
	i := x.put("doc", []byte("true"), x.locked("", 10*minute))
	if err := x.Hide(x.ctx, "doc"); err != nil {
		t.Fatal(err)
	}
	_, err := x.Vault.Stat(x.ctx, "doc", "")
	x.wants(err, vault.ErrNotFound, "stat of what is hidden")
	if got := x.list("", ""); len(got) != 0 {
		t.Errorf("list gives what is hidden: %v", got)
	}
	x.holds("doc", i.Version, []byte("true"))
	if got := x.stat("doc", i.Version); got.Latest || !got.RetainUntil.Equal(i.RetainUntil) {
		t.Errorf("the hidden version: %+v", got)
	}
	x.stays("doc", i.Version)
}

func list(t *testing.T, x *tester) {
	keys := []string{"a", "b/a", "b/b/c", "b-x", "b.x", "b0", "B", "ba", "é", "日", "z z", "z+z", "z%z"}
	for _, k := range keys {
		x.put(k, []byte(k))
	}
	slices.Sort(keys)
	for _, c := range []struct{ prefix, after string }{
		{"", ""},
		{"b", ""},
		{"b/", ""},
		{"b/b", ""},
		{"", "b"},
		{"", "b/a"},
		{"b", "b/a"},
		{"b/", "b-x"},
		{"b/", "b0"},
		{"z", "z"},
		{"", "é"},
		{"c", ""},
		{"", "\U0010ffff"},
		{"b", "a"},
		{"zz", "b"},
	} {
		var want, got []string
		for _, k := range keys {
			if len(k) >= len(c.prefix) && k[:len(c.prefix)] == c.prefix && k > c.after {
				want = append(want, k)
			}
		}
		for _, i := range x.list(c.prefix, c.after) {
			got = append(got, i.Key)
			if i.Size != int64(len(i.Key)) || i.Version == "" {
				t.Errorf("list says of %q: %d bytes, version %q", i.Key, i.Size, i.Version)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("list %q after %q:\ngot  %q\nwant %q", c.prefix, c.after, got, want)
		}
	}
	n := 0
	for range x.Vault.List(x.ctx, "", "") {
		if n++; n == 2 {
			break
		}
	}
}

func listPages(t *testing.T, x *tester) {
	total := 2345
	if testing.Short() {
		total = 1003
	}
	var want []string
	work := make(chan string)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for k := range work {
				if _, err := x.Vault.Put(x.ctx, vault.NewPut(k, "", []byte("x"))); err != nil {
					t.Errorf("put: %v", err)
				}
			}
		})
	}
	for i := range total {
		k := fmt.Sprintf("p/%02d/%06d", i%7, i)
		want = append(want, k)
		work <- k
	}
	close(work)
	wg.Wait()
	slices.Sort(want)
	got := x.list("p/", "")
	if len(got) != total {
		t.Fatalf("%d listed, want %d", len(got), total)
	}
	if !slices.IsSortedFunc(got, func(a, b vault.Info) int { return cmp.Compare(a.Key, b.Key) }) {
		t.Error("not in order")
	}
	for i, k := range want {
		if got[i].Key != k {
			t.Fatalf("place %d has %q, want %q", i, got[i].Key, k)
		}
	}
	if rest := x.list("p/", want[total-3]); len(rest) != 2 {
		t.Errorf("%d after the last but two", len(rest))
	}
}

func cancelled(t *testing.T, x *tester) {
	i := x.put("there", []byte("1"))
	ctx, cancel := context.WithCancel(x.ctx)
	cancel()
	_, err := x.Vault.Put(ctx, vault.NewPut("not", "", []byte("x")))
	x.wants(err, context.Canceled, "put")
	_, _, err = x.Vault.Get(ctx, "there", "")
	x.wants(err, context.Canceled, "get")
	_, err = x.Vault.Stat(ctx, "there", "")
	x.wants(err, context.Canceled, "stat")
	x.wants(x.Vault.Extend(ctx, "there", "", "", x.at(minute)), context.Canceled, "extend")
	x.wants(x.Vault.Hold(ctx, "there", "", true), context.Canceled, "hold")
	x.wants(x.Vault.Delete(ctx, "there", i.Version), context.Canceled, "delete")
	n := 0
	for _, err := range x.Vault.List(ctx, "", "") {
		n++
		x.wants(err, context.Canceled, "list")
	}
	if n != 1 {
		t.Errorf("a cancelled list gave %d things, want one error", n)
	}
	_, err = x.Vault.Stat(x.ctx, "not", "")
	x.wants(err, vault.ErrNotFound, "a cancelled put")
	x.holds("there", "", []byte("1"))
}

func outage(t *testing.T, x *tester) {
	if x.Break == nil {
		t.Skip("this target cannot be broken")
	}
	i := x.put("there", []byte("1"))
	mend := x.Break()
	within := func(what string, do func(context.Context) error) {
		t.Helper()
		start := time.Now()
		err := do(x.ctx)
		x.wants(err, vault.ErrUnavailable, "%s during an outage", what)
		if took := time.Since(start); took > x.GiveUp {
			t.Errorf("%s gave up after %s, want at most %s", what, took, x.GiveUp)
		}
	}
	put := func(ctx context.Context) error {
		_, err := x.Vault.Put(ctx, vault.NewPut("during", "", []byte("x")))
		return err
	}
	within("put", put)
	within("stat", func(ctx context.Context) error { _, err := x.Vault.Stat(ctx, "there", ""); return err })
	within("get", func(ctx context.Context) error { _, _, err := x.Vault.Get(ctx, "there", ""); return err })
	within("hold", func(ctx context.Context) error { return x.Vault.Hold(ctx, "there", i.Version, true) })
	within("extend", func(ctx context.Context) error { return x.Vault.Extend(ctx, "there", i.Version, "", x.at(minute)) })
	within("delete", func(ctx context.Context) error { return x.Vault.Delete(ctx, "there", i.Version) })
	within("list", func(ctx context.Context) error {
		for _, err := range x.Vault.List(ctx, "", "") {
			return err
		}
		return errors.New("an empty list")
	})
	ctx, cancel := context.WithTimeout(x.ctx, 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := put(ctx); err == nil {
		t.Error("put during an outage succeeded")
	}
	if took := time.Since(start); took > minute {
		t.Errorf("a context of 50 ms was obeyed after %s", took)
	}
	mend()
	x.holds("there", "", []byte("1"))
	x.put("after", []byte("2"))
}
