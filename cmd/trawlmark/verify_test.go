package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/bundle"
	"github.com/trawlmark/trawlmark/crawler/markettest"
)

// Results come in the order of the names, whatever is done first; not more than
// n are under way, and the first error ends it.
func TestInOrder(t *testing.T) {
	t.Parallel()
	var names []string
	for i := range 20 {
		names = append(names, fmt.Sprint(i))
	}
	for _, n := range []int{1, 3, 32} {
		var running, most atomic.Int32
		var got []string
		// Each waits for the one behind it, as far as that may run: so they are
		// done in the wrong order.
		begun := map[string]chan struct{}{}
		for _, name := range names {
			begun[name] = make(chan struct{})
		}
		err := inOrder(t.Context(), n, names, func(_ context.Context, name string) (string, error) {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			close(begun[name])
			if i := slices.Index(names, name); n > 1 && i%2 == 0 && i+1 < len(names) {
				<-begun[names[i+1]]
			}
			return name, nil
		}, func(s string) { got = append(got, s) })
		if err != nil || !slices.Equal(got, names) || int(most.Load()) > n {
			t.Errorf("%d: %v, %v, %d under way", n, err, got, most.Load())
		}
		got = nil
		broken := errors.New("broken")
		err = inOrder(t.Context(), n, names, func(_ context.Context, name string) (string, error) {
			if name == "7" || name == "12" {
				return "", fmt.Errorf("%s: %w", name, broken)
			}
			return name, nil
		}, func(s string) { got = append(got, s) })
		if !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "7: ") || !slices.Equal(got, names[:7]) {
			t.Errorf("%d: broken: %v, %v", n, err, got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		err = inOrder(ctx, n, names, func(ctx context.Context, name string) (string, error) {
			cancel()
			return name, ctx.Err()
		}, func(string) {})
		if !errors.Is(err, context.Canceled) || running.Load() != 0 {
			t.Errorf("%d: given up: %v", n, err)
		}
	}
	if err := inOrder(t.Context(), 2, nil, func(context.Context, string) (int, error) { return 0, nil }, func(int) {}); err != nil {
		t.Errorf("none: %v", err)
	}
}

func TestToldNowAndThen(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	now := time.Unix(0, 0)
	p := newTold(&b, 4, func() time.Time { return now })
	for i := 1; i <= 4; i++ {
		now = now.Add(3 * time.Second)
		p.done(i)
	}
	if want := "trawlmark: 2 of 4 verified\n"; b.String() != want {
		t.Errorf("%q", b.String())
	}
}

// Captures are chosen by what the catalogue knows of them, and verified as if
// they were named.
func TestChosenCapturesAreVerified(t *testing.T) {
	s := seeOnePage(t, markettest.JSONLD)
	for name, args := range map[string][]string{
		"nothing": {}, "both": {s.id.String(), "--site", "x"}, "no day": {"--from", "yesterday"}, "too many": {"--site", "x", "--parallel", "33"}, "none at one time": {"--site", "x", "--parallel", "0"},
	} {
		if _, errs, code := s.do(verifyCommand, args...); code != exitUsage {
			t.Errorf("%s: exit code %d\n%s", name, code, errs)
		}
	}
	if _, errs, code := s.do(verifyCommand, "--case", "nowhere"); code != exitNotFound {
		t.Errorf("a case that is not there: exit code %d\n%s", code, errs)
	}
	if out, errs, code := s.do(verifyCommand, "--until", "2001-01-01"); code != exitOK || out != "No capture fits.\n" {
		t.Errorf("none: exit code %d\n%s%s", code, out, errs)
	}
	out, errs, code := s.do(verifyCommand, "--json", "--from", "2001-01-01", "--parallel", "3")
	var got []verified
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != exitOK || len(got) != 1 || got[0].Name != s.id.String() || got[0].Status != bundle.Pass {
		t.Errorf("exit code %d, %v\n%s%s", code, err, out, errs)
	}
	// The same one twice, and one that is not there.
	out, errs, code = s.do(verifyCommand, s.id.String(), s.id.String(), "019ca945-0a7b-7000-8f97-dfa98b3c203c")
	if code != exitNotFound || strings.Count(out, ": PASS\n") != 2 || !strings.Contains(errs, "019ca945-0a7b-7000-8f97-dfa98b3c203c") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
}
