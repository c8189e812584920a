package console

import (
	"sync"
	"time"
)

// throttle slows guessing: after a few failures of one key (a name, an
// address) each further try waits twice as long, up to a limit. Waiting is the
// caller's answer, never ours: no request is kept open.
type throttle struct {
	now   func() time.Time
	free  int           // failures that cost nothing
	step  time.Duration // the first wait
	limit time.Duration

	mu  sync.Mutex
	all map[string]*failures
}

type failures struct {
	n    int
	last time.Time
}

// maxThrottled bounds the memory that guesses with many names take.
const maxThrottled = 20_000

// wait is how long until the key may try again; 0: now.
func (t *throttle) wait(key string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.all[key]
	if f == nil || f.n < t.free {
		return 0
	}
	return max(0, f.last.Add(t.pause(f.n)).Sub(t.now()))
}

func (t *throttle) pause(n int) time.Duration {
	d := t.step
	for range n - t.free {
		if d *= 2; d >= t.limit {
			return t.limit
		}
	}
	return d
}

func (t *throttle) failed(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = map[string]*failures{}
	}
	f := t.all[key]
	if f == nil {
		if len(t.all) >= maxThrottled {
			t.forget()
		}
		f = &failures{}
		t.all[key] = f
	}
	f.n++
	f.last = t.now()
}

// forget drops what has served its time; when nothing has, everything: then
// the memory is what is attacked.
func (t *throttle) forget() {
	for k, f := range t.all {
		if t.now().Sub(f.last) > t.limit {
			delete(t.all, k)
		}
	}
	if len(t.all) >= maxThrottled {
		clear(t.all)
	}
}

func (t *throttle) succeeded(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, key)
}
