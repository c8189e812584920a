package render

import (
	"context"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// leavings is what captures could leave behind: in this process, as processes, in
// the temporary folder.
type leavings struct {
	fds, goroutines, chromes, profiles, temporary int
	rss                                           int64 // of this process, bytes
}

func lookForLeavings(t *testing.T, r *Renderer, tmp string) leavings {
	t.Helper()
	var l leavings
	count := func(dir string) int {
		names, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	runtime.GC()
	l.goroutines, l.chromes = runtime.NumGoroutine(), len(users(r.cfg.ProfileRoot))
	l.profiles, l.temporary = count(r.cfg.ProfileRoot), count(tmp)
	if runtime.GOOS == "linux" {
		l.fds = count("/proc/self/fd")
		statm, err := os.ReadFile("/proc/self/statm")
		if err != nil {
			t.Fatal(err)
		}
		pages, err := strconv.ParseInt(strings.Fields(string(statm))[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		l.rss = pages * int64(os.Getpagesize())
	}
	return l
}

// Captures leave no process, profile folder, descriptor, goroutine or temporary
// file. TRAWLMARK_LEAK=1000 makes that many captures (make leak).
func TestManyCapturesLeaveNothing(t *testing.T) {
	tmp := profileRoot(t)
	t.Setenv("TMPDIR", tmp)
	w := newWorld(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/", html(`<p>page</p><img src=/i.png><iframe src=/frame></iframe><script>new Worker('/w.js')</script>`))
	mux.HandleFunc("/frame", html(`<p>frame</p>`))
	mux.HandleFunc("/w.js", content("text/javascript", `postMessage(1)`))
	mux.HandleFunc("/i.png", content("image/png", onePixel))
	w.site("shop.test", mux)
	recycle, n := 25, 100
	if testing.Short() {
		n = 30
	}
	if s := os.Getenv("TRAWLMARK_LEAK"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil || n < 100 {
			t.Fatalf("TRAWLMARK_LEAK: %q is not a number of captures from 100", s)
		}
		recycle = 75
	}
	r := newRenderer(t, func(c *Config) {
		c.RecycleAfter, c.MaxContexts, c.Quiet = recycle, 4, 20*time.Millisecond
	})
	first := r.cur.cmd.Process.Pid
	var early leavings
	batches := max(n/100, 2)
	for batch := range batches {
		var wg sync.WaitGroup
		for range n / batches {
			wg.Go(func() {
				q := w.ask("http://shop.test/")
				q.Deadline, q.Screenshots = time.Minute, n > 100
				res := r.Render(context.Background(), q)
				if res.Outcome != "" || len(res.Missing) > 0 || len(res.Exchanges) < 4 {
					t.Errorf("outcome %q %q missing %v exchanges %d", res.Outcome, res.Evidence, res.Missing, len(res.Exchanges))
				}
			})
		}
		wg.Wait()
		r.ending.Wait()
		now := lookForLeavings(t, r, tmp)
		if batch == 0 {
			early = now
		}
		t.Logf("after %4d captures: %d MB, %d descriptors, %d goroutines, %d processes with a profile, %d profiles, %d temporary files",
			(batch+1)*(n/batches), now.rss>>20, now.fds, now.goroutines, now.chromes, now.profiles, now.temporary)
		// A browser may run or not; what it needs itself is a handful.
		const slack = 25
		if now.fds > early.fds+slack || now.goroutines > early.goroutines+slack || now.temporary != early.temporary || now.profiles > 1 {
			t.Errorf("captures leave something behind: %+v, and after the first of them %+v", now, early)
		}
	}
	if s := r.Stats(); s.Running > 1 || s.Crashes != 0 || s.Busy != 0 || s.Captures != uint64(n/batches*batches) || s.Starts < uint64(n/(recycle+1)) {
		t.Errorf("counted as %+v", s)
	}
	if groupRSS(first) != 0 {
		t.Error("the first browser is still there")
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if left := lookForLeavings(t, r, tmp); left.chromes != 0 || left.profiles != 0 {
		t.Errorf("left after Close: %+v", left)
	}
}
