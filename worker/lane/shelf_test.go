package lane_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/worker/lane"
	"github.com/trawlmark/trawlmark/worker/task/redistest"
)

func TestTheFleetSharesAnswers(t *testing.T) {
	srv := redistest.Start(t)
	one, two := lane.New(srv.Client(), &book{}, quiet()), lane.New(srv.Client(), &book{}, quiet())
	if _, _, ok := two.Recall(ctx, "robots https://shop.example"); ok {
		t.Error("an answer that nobody kept")
	}
	one.Keep(ctx, "robots https://shop.example", []byte("all are welcome"), time.Hour)
	b, left, ok := two.Recall(ctx, "robots https://shop.example")
	if !ok || string(b) != "all are welcome" || left > time.Hour || left < 50*time.Minute {
		t.Errorf("%q for %v, %t", b, left, ok)
	}
	// Newer ones replace it; none is kept for longer than a day, or for no time.
	one.Keep(ctx, "robots https://shop.example", []byte{0, 255}, 1000*time.Hour)
	if b, left, ok := two.Recall(ctx, "robots https://shop.example"); !ok || !bytes.Equal(b, []byte{0, 255}) || left > 24*time.Hour {
		t.Errorf("%q for %v, %t", b, left, ok)
	}
	one.Keep(ctx, "over", []byte("x"), -time.Hour)
	one.Keep(ctx, "large", bytes.Repeat([]byte("x"), 1<<20), time.Hour)
	for _, k := range []string{"over", "large"} {
		if _, _, ok := two.Recall(ctx, k); ok {
			t.Errorf("%s was kept", k)
		}
	}
	srv.Flush()
	if _, _, ok := two.Recall(ctx, "robots https://shop.example"); ok {
		t.Error("an answer that Redis forgot")
	}
	srv.Kill()
	one.Keep(ctx, "k", []byte("x"), time.Hour)
	if _, _, ok := two.Recall(ctx, "k"); ok {
		t.Error("an answer without Redis")
	}
}

// Sites that make up hosts without end cost a bounded amount of Redis.
func TestTheShelfIsBounded(t *testing.T) {
	c := redistest.Start(t).Client()
	l := lane.New(c, &book{}, quiet())
	for i := range 2100 {
		l.Keep(ctx, fmt.Sprint(i, strings.Repeat("long", 1000)), []byte("x"), time.Hour+time.Duration(i)*time.Second)
	}
	if n := c.DBSize(ctx).Val(); n > 2001 {
		t.Errorf("%d keys, want 2,000 answers and their index", n)
	}
	if _, _, ok := l.Recall(ctx, fmt.Sprint(2099, strings.Repeat("long", 1000))); !ok {
		t.Error("the newest is gone")
	}
	if _, _, ok := l.Recall(ctx, fmt.Sprint(0, strings.Repeat("long", 1000))); ok {
		t.Error("the oldest is still there")
	}
}
