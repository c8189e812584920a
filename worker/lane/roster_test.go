package lane_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/worker/lane"
	"github.com/trawlmark/trawlmark/worker/task/redistest"
)

func TestLanesAreSharedOutAmongDispatchersThatLive(t *testing.T) {
	srv := redistest.Start(t)
	a, b := lane.NewRoster(srv.Client(), "a"), lane.NewRoster(srv.Client(), "b")
	share := func(r *lane.Roster) lane.Share {
		t.Helper()
		s, err := r.Share(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s := share(a); !s.Has("x") || s.Of != 1 {
		t.Errorf("alone: %+v", s)
	}
	// A seat lasts for seconds: a machine that stalls for longer leaves one alone.
	var first, second lane.Share
	for end := time.Now().Add(2 * time.Minute); first.Of != 2 || second.Of != 2; first, second = share(a), share(b) {
		if time.Now().After(end) {
			t.Fatalf("two have %+v and %+v", first, second)
		}
	}
	mine := 0
	for i := range 1000 {
		name := fmt.Sprint("lane", i)
		if first.Has(name) == second.Has(name) {
			t.Fatalf("%s is of both or of nobody", name)
		}
		if first.Has(name) {
			mine++
		}
	}
	if mine < 400 || mine > 600 {
		t.Errorf("one of two has %d of 1000 lanes", mine)
	}
	if err := b.Leave(ctx); err != nil {
		t.Fatal(err)
	}
	if s := share(a); s.Of != 1 {
		t.Errorf("after the other left: %+v", s)
	}
	share(b)
	// b dies: it says nothing more, and a keeps on.
	deadline := time.Now().Add(2 * time.Minute)
	for share(a).Of != 1 {
		if time.Now().After(deadline) {
			t.Fatal("a dispatcher that died keeps its lanes")
		}
		time.Sleep(100 * time.Millisecond) // the life of a seat is real time, Redis's
	}
}
