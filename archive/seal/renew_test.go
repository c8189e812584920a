package seal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/seal/stamp"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// renewTSAs gives the authorities new certificates, as of now; the old roots
// stay pinned.
func (w *world) renewTSAs() {
	fresh := newWorldAt(w.t, w.now)
	for i := range w.cfg.Client.TSAs {
		w.tsas[i].tsa = fresh.tsas[i].tsa
		w.cfg.Client.TSAs[i].Roots = append(w.cfg.Client.TSAs[i].Roots, fresh.tsas[i].tsa.Roots()...)
	}
	w.onTick = append(w.onTick, func() { fresh.now = w.now })
}

// at sets the clock.
func (w *world) at(t time.Time) {
	w.now = t
	for _, f := range w.onTick {
		f()
	}
}

func (w *world) renew(s *Sealer) Renewing {
	w.t.Helper()
	r, err := s.Renew(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// TestRenew: what was sealed is known to be as old as it is, generations after
// the certificates of its stamps ended.
func TestRenew(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	s := w.sealer()
	began := w.now
	for range 3 {
		w.seal(s, w.grow(2))
		w.at(w.now.Add(time.Minute))
	}
	end, err := s.Until(ctx, 2)
	if err != nil || end.Before(w.now.AddDate(9, 0, 0)) {
		t.Fatalf("%s, %v", end, err)
	}
	if st := s.RenewStatus(); st != (RenewStatus{}) {
		t.Fatalf("before the first look: %+v", st)
	}
	if r := w.renew(s); r.Stamped != 0 || r.Overview != "" {
		t.Fatalf("renewed at once: %+v", r)
	}
	if st := s.RenewStatus(); st != (RenewStatus{Looked: w.now}) {
		t.Fatalf("nothing was due: %+v", st)
	}
	for generation := range 3 {
		w.at(end.Add(-60 * 24 * time.Hour))
		w.renewTSAs()
		s = w.sealer() // another process
		r := w.renew(s)
		if r.Stamped != 3 || r.More || len(r.Kept) != 2 || r.Late != 0 || !r.Until.Equal(end) {
			t.Fatalf("generation %d: %+v", generation, r)
		}
		// Again, by this and by another process: nothing is left to do.
		for _, s := range []*Sealer{s, w.sealer()} {
			if again := w.renew(s); again.Stamped != 0 || again.More {
				t.Fatalf("generation %d, again: %+v", generation, again)
			}
		}
		later, err := s.Until(ctx, 2)
		if err != nil || later.Before(end.AddDate(8, 0, 0)) {
			t.Fatalf("generation %d lasts until %s, %v", generation, later, err)
		}
		w.byHand(r.Kept[1], 4)
		end = later
	}
	// Long after the first certificates ended the first time still stands.
	w.at(end.Add(-time.Hour))
	sealed, err := w.sealer().Covering(ctx, 0)
	if err != nil || sealed.NotAfter.After(began.Add(2*time.Second)) || len(sealed.Stamps) != 2 {
		t.Fatalf("%+v, %v", sealed, err)
	}
	if !sealed.Stamps[0].Time.Expired(w.now) {
		t.Fatal("the first stamp has not ended: nothing was tried")
	}
	all, err := w.sealer().Renewals(ctx, 2)
	if err != nil || len(all) != 6 {
		t.Fatalf("%d renewals, %v", len(all), err)
	}
	// A renewal that was tampered with counts for nothing, and what rests on it
	// neither.
	w.vault.Corrupt(all[4].Key("list"), func(b []byte) []byte { b[len(b)-3] ^= 1; return b })
	w.vault.Corrupt(all[5].Key("tsr"), func(b []byte) []byte { b[len(b)-3] ^= 1; return b })
	if until, err := w.sealer().Until(ctx, 2); err != nil || !until.Before(end) {
		t.Fatalf("%s, %v", until, err)
	}
	w.at(end.AddDate(1, 0, 0))
	s = w.sealer()
	r, err := s.Renew(ctx)
	if !errors.Is(err, ErrTooLate) || r.Late != 3 {
		t.Fatalf("%+v, %v", r, err)
	}
	for range 2 { // the second time nobody walks, and they are as late
		if st := s.RenewStatus(); st != (RenewStatus{Looked: w.now, Late: 3}) {
			t.Fatalf("%+v", st)
		}
		w.at(w.now.Add(time.Hour))
		w.renew(s)
	}
}

// byHand checks a renewal as SPEC.md says: with the files, a hash, and a stamp.
func (w *world) byHand(r Renewal, size int64) {
	w.t.Helper()
	list := w.read(r.Key("list"))
	for line := range strings.Lines(string(list)) {
		words := strings.Fields(line)
		if words[0] != itoa(size) {
			continue
		}
		var message []byte
		for _, file := range words[2:] {
			key := vault.StampsOf(size) + file
			if strings.Contains(file, "/") {
				key = vault.RenewalsPrefix + file
			}
			message = append(message, w.read(key)...)
		}
		message = append(message, w.read(vault.CheckpointKey(size))...)
		if want := fmt.Sprintf("%x", stamp.RenewalDigest(nil, message)); words[1] != want {
			w.t.Errorf("the line of %d has %s, its files have %s", size, words[1], want)
		}
		roots := w.cfg.Client.TSAs[0].Roots
		roots = append(roots[:len(roots):len(roots)], w.cfg.Client.TSAs[1].Roots...)
		if _, err := stamp.Verify(w.read(r.Key("tsr")), list, stamp.Trust{Roots: roots}, w.now); err != nil {
			w.t.Error(err)
		}
		return
	}
	w.t.Errorf("size %d is not on the list", size)
}

// TestRenewNeedsLonger: an authority whose own certificate ends as early
// renews nothing, and that is an alarm.
func TestRenewNeedsLonger(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	s := w.sealer()
	c := w.grow(1)
	w.seal(s, c)
	end, err := s.Until(ctx, c.Size)
	if err != nil {
		t.Fatal(err)
	}
	w.at(end.Add(-24 * time.Hour))
	if r, err := s.Renew(ctx); !errors.Is(err, ErrNoLonger) || len(r.Kept) != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	w.renewTSAs()
	w.tsas[0].fail(down)
	w.tsas[1].fail(down)
	// One of three is enough to go on, but not what was wanted.
	s = w.sealer()
	r, err := s.Renew(ctx)
	if !errors.Is(err, ErrTooFew) || r.Stamped != 1 || len(r.Kept) != 1 || r.Kept[0].TSA != "gamma" || s.RenewStatus() != (RenewStatus{Looked: w.now}) {
		t.Fatalf("%+v, %+v, %v", r, s.RenewStatus(), err)
	}
	if again := w.renew(w.sealer()); again.Stamped != 0 {
		t.Fatalf("%+v", again)
	}
}

// TestRenewRemembers: that nobody lasts longer is asked once a day, not every
// hour, and at once when stamps rest on a chain that is new.
func TestRenewRemembers(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	s := w.sealer()
	w.seal(s, w.grow(1))
	c := w.grow(1)
	w.seal(s, c)
	end, err := s.Until(ctx, c.Size)
	if err != nil {
		t.Fatal(err)
	}
	var stamps int // read of the vault
	w.vault.Fail = func(op, key string) error {
		if op == vault.OpGet && strings.HasPrefix(key, vault.StampsPrefix) {
			stamps++
		}
		return nil
	}
	hears := func(when string, asked bool) {
		t.Helper()
		stamps = 0
		r, err := s.Renew(ctx)
		if !errors.Is(err, ErrNoLonger) || !r.Until.Equal(end) || r.More || r.Stamped != 0 {
			t.Fatalf("%s: %+v, %v", when, r, err)
		}
		if asked != (stamps > 0) {
			t.Errorf("%s: %d files of stamps were read", when, stamps)
		}
		if st := s.RenewStatus(); !st.Ends.Equal(end) || !errors.Is(st.Err, ErrNoLonger) || !st.Looked.Equal(w.now) {
			t.Errorf("%s: %+v", when, st)
		}
	}
	w.at(end.Add(-72 * time.Hour))
	w.tsas[0].fail(down) // it may be another that lasts longer
	hears("one is down", true)
	hears("one is down, again", true)
	w.tsas[0].fail(nil)
	hears("at first", true)
	w.at(w.now.Add(time.Hour))
	hears("an hour later", false)
	w.at(w.now.Add(22*time.Hour + 59*time.Minute))
	hears("after 23:59", false)
	w.at(w.now.Add(time.Minute))
	hears("after a day", true)
	w.at(end.Add(-23 * time.Hour))
	hears("in the last day", true)
	w.at(w.now.Add(time.Hour))
	hears("an hour later in the last day", true)

	w.at(end.Add(-72 * time.Hour)) // not what a clock does, but cheap
	s = w.sealer()
	hears("another process", true)
	hears("another process, again", false)
	// Authorities have new certificates; the next seal rests on them.
	w.renewTSAs()
	hears("nobody has seen the new certificates", false)
	w.vault.Fail = func(string, string) error { return vault.ErrUnavailable }
	if _, err := s.Renew(ctx); !errors.Is(err, vault.ErrUnavailable) || !errors.Is(s.RenewStatus().Err, vault.ErrUnavailable) || !s.RenewStatus().Ends.Equal(end) {
		t.Errorf("the storage is away: %+v, %v", s.RenewStatus(), err)
	}
	w.vault.Fail = nil
	s.cfg.Client.TSAs = w.cfg.Client.TSAs
	w.seal(s, w.grow(1))
	if r := w.renew(s); r.Stamped != 2 || len(r.Kept) != 2 || s.RenewStatus() != (RenewStatus{Looked: w.now}) {
		t.Fatalf("%+v, %+v", r, s.RenewStatus())
	}
}

// TestRenewWeak: an algorithm that loses its worth is a reason to renew at once.
func TestRenewWeak(t *testing.T) {
	w := newWorld(t)
	w.seal(w.sealer(), w.grow(1))
	w.cfg.Weak = []string{"SHA256-RSA"} // others than ours
	if r := w.renew(w.sealer()); r.Stamped != 0 {
		t.Fatalf("%+v", r)
	}
	w.cfg.Weak = []string{"ECDSA-SHA256"} // of all authorities there are
	s := w.sealer()
	for hour := range 3 {
		reads := 0
		w.vault.Fail = func(op, key string) error {
			if op == vault.OpGet && strings.HasPrefix(key, vault.StampsPrefix) {
				reads++
			}
			return nil
		}
		if r, err := s.Renew(context.Background()); !errors.Is(err, ErrNoLonger) || r.Stamped != 0 || (reads > 0) != (hour == 0) {
			t.Fatalf("%+v, %v, %d files of stamps were read", r, err, reads)
		}
		w.at(w.now.Add(time.Hour))
	}
}

// TestRenewMany: more than one list holds is done piece by piece, without
// looking twice.
func TestRenewMany(t *testing.T) {
	w := newWorld(t)
	w.cfg.Client.TSAs, w.cfg.Client.Want = w.cfg.Client.TSAs[:1], 1
	s := w.sealer()
	const perList, n = 20, 25
	for range n {
		w.seal(s, w.grow(1))
	}
	end, err := s.Until(context.Background(), 1)
	if err != nil {
		t.Fatal(err)
	}
	w.at(end.Add(-time.Hour))
	w.renewTSAs()
	s = w.sealer()
	s.perList = perList
	first, second := w.renew(s), w.renew(s)
	if first.Stamped != perList || !first.More || second.Stamped != 5 || second.More {
		t.Fatalf("%d (more: %t), then %d (more: %t)", first.Stamped, first.More, second.Stamped, second.More)
	}
	if r := w.renew(s); r.Stamped != 0 || r.More {
		t.Fatalf("%+v", r)
	}
}

// TestEveryWriteOfARenewal lets each write fail, before and after it happened:
// the renewal is whole or does not count, and the next call makes good.
func TestEveryWriteOfARenewal(t *testing.T) {
	ctx := context.Background()
	injected := errors.New("injected")
	for at := range 10 { // per authority: list, chain, query, chain beside it, reply
		for _, after := range []bool{false, true} {
			w := newWorld(t)
			s := w.sealer()
			w.seal(s, w.grow(2))
			end, err := s.Until(ctx, 2)
			if err != nil {
				t.Fatal(err)
			}
			w.at(end.Add(-time.Hour))
			w.renewTSAs()
			n := 0
			fail := func(op, _ string) error {
				if op == vault.OpPut {
					if n++; n == at+1 {
						return injected
					}
				}
				return nil
			}
			if after {
				w.vault.FailAfter = fail
			} else {
				w.vault.Fail = fail
			}
			if _, err := w.sealer().Renew(ctx); !errors.Is(err, injected) {
				t.Fatalf("write %d: %v", at, err)
			}
			w.vault.Fail, w.vault.FailAfter = nil, nil
			w.at(w.now.Add(time.Second))
			restarted := w.sealer()
			w.renew(restarted)
			if again := w.renew(w.sealer()); again.Stamped != 0 {
				t.Errorf("write %d, stored %v: renewed twice", at, after)
			}
			if until, err := restarted.Until(ctx, 2); err != nil || until.Before(end.AddDate(9, 0, 0)) {
				t.Errorf("write %d, stored %v: until %s, %v", at, after, until, err)
			}
		}
	}
}

// TestOpenSSLRenewal has a renewal checked as the documentation says.
func TestOpenSSLRenewal(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	s := w.sealer()
	w.seal(s, w.grow(1))
	end, err := s.Until(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	w.at(end.Add(-time.Hour))
	w.renewTSAs()
	r := w.renew(w.sealer()).Kept[0]
	write := w.writer()
	list, tsr := write("renewal.list", w.read(r.Key("list"))), write("renewal.tsr", w.read(r.Key("tsr")))
	roots := write("roots.pem", stamp.PEM(w.cfg.Client.TSAs[0].Roots))
	args := []string{"ts", "-verify", "-in", tsr, "-CAfile", roots, "-attime", itoa(r.Time.At.Unix())}
	if out, err := openssl(t, append(args, "-data", list)...); err != nil {
		t.Errorf("openssl refuses: %s", out)
	}
	other := write("other.list", bytes.ToUpper(w.read(r.Key("list"))))
	if out, err := openssl(t, append(args, "-data", other)...); err == nil {
		t.Errorf("openssl accepts another list: %s", out)
	}
}
