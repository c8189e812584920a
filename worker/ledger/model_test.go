package ledger_test

import (
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// modelJob is a job as the package documentation says it behaves.
type modelJob struct {
	id       capture.ID
	state    ledger.State
	epoch    int64
	ready    time.Time
	lease    time.Time
	attempts map[ledger.Class]int
	result   capture.ID
	results  int
}

func (m *modelJob) held(epoch int64) bool {
	return m.epoch == epoch && (m.state == ledger.Dispatched || m.state == ledger.Running)
}

func (m *modelJob) to(s ledger.State) { m.state, m.lease = s, time.Time{} }

func (m *modelJob) fail(c ledger.Class, at, now time.Time) {
	if m.attempts == nil {
		m.attempts = map[ledger.Class]int{}
	}
	m.attempts[c]++
	b := ledger.DefaultBudgets()[c]
	if m.attempts[c] >= b.Attempts {
		m.to(b.Then)
		return
	}
	if !at.IsZero() {
		m.ready = at
	} else if b.Backoff > 0 {
		m.ready = now.Add(min(b.Backoff<<(m.attempts[c]-1), time.Hour))
	}
	m.to(ledger.Planned)
}

// model drives the ledger and the model with the same steps.
type model struct {
	w    *world
	jobs []*modelJob
}

func (m *model) now() time.Time { return m.w.clock.now() }

func (m *model) pick(t *rapid.T) (*modelJob, ledger.Fence) {
	j := rapid.SampledFrom(m.jobs).Draw(t, "job")
	epoch := j.epoch
	if rapid.IntRange(0, 3).Draw(t, "old ticket") == 0 {
		epoch = rapid.Int64Range(0, j.epoch+1).Draw(t, "epoch")
	}
	return j, ledger.Fence{Job: j.id, Epoch: epoch}
}

func expect(t *rapid.T, what string, ok bool, err, refusal error) bool {
	switch {
	case ok && err != nil:
		t.Fatalf("%s was refused: %v", what, err)
	case !ok && !errors.Is(err, refusal):
		t.Fatalf("%s gave %v, want %v", what, err, refusal)
	}
	return ok
}

func (m *model) Dispatch(t *rapid.T) {
	j, _ := m.pick(t)
	f, err := m.w.Dispatch(ctx, j.id, m.now())
	if expect(t, "dispatch", j.state == ledger.Planned && !j.ready.After(m.now()), err, ledger.ErrStale) {
		j.state, j.lease = ledger.Dispatched, m.now().Add(20*time.Second)
		j.epoch++
		if f.Epoch != j.epoch {
			t.Fatalf("epoch %d, want %d", f.Epoch, j.epoch)
		}
	}
}

func (m *model) Claim(t *rapid.T) {
	j, f := m.pick(t)
	_, err := m.w.Claim(ctx, f, "w", lease)
	if expect(t, "claim", j.state == ledger.Dispatched && j.epoch == f.Epoch, err, ledger.ErrStale) {
		j.state, j.lease = ledger.Running, m.now().Add(lease)
	}
}

func (m *model) Heartbeat(t *rapid.T) {
	j, f := m.pick(t)
	err := m.w.Heartbeat(ctx, f, lease)
	if expect(t, "heartbeat", j.state == ledger.Running && j.epoch == f.Epoch, err, ledger.ErrStale) {
		j.lease = m.now().Add(lease)
	}
}

func (m *model) Finish(t *rapid.T) {
	j, f := m.pick(t)
	r := ledger.Result{Outcome: capture.Captured, Capture: m.w.ids.New()}
	if j.results > 0 && rapid.Bool().Draw(t, "same result") {
		r.Capture = j.result
	}
	done, err := m.w.Finish(ctx, f, r)
	repeated := j.state == ledger.Done && j.epoch == f.Epoch && r.Capture == j.result
	if expect(t, "finish", j.epoch == f.Epoch && j.state == ledger.Running || repeated, err, ledger.ErrStale) {
		if done.Repeated != repeated {
			t.Fatalf("repeated: %v, want %v", done.Repeated, repeated)
		}
		if !repeated {
			j.result = r.Capture
			j.results++
			j.to(ledger.Done)
		}
	}
}

func (m *model) Retry(t *rapid.T) {
	j, f := m.pick(t)
	class := rapid.SampledFrom([]ledger.Class{ledger.Network, ledger.TimedOut, ledger.Browser, ledger.Internal}).Draw(t, "class")
	var at time.Time
	if rapid.Bool().Draw(t, "at once") {
		at = m.now()
	}
	state, err := m.w.Retry(ctx, f, ledger.Failure{Class: class, At: at})
	if expect(t, "retry", j.held(f.Epoch), err, ledger.ErrStale) {
		j.fail(class, at, m.now())
		if state != j.state {
			t.Fatalf("retry says %s, want %s", state, j.state)
		}
	}
}

func (m *model) Release(t *rapid.T) {
	j, f := m.pick(t)
	err := m.w.Release(ctx, f, time.Time{}, "")
	if expect(t, "release", j.held(f.Epoch), err, ledger.ErrStale) {
		j.to(ledger.Planned) // it keeps its place
	}
}

func (m *model) Cancel(t *rapid.T) {
	j, _ := m.pick(t)
	if expect(t, "cancel", !j.state.Final(), m.w.Cancel(ctx, j.id, ""), ledger.ErrEnded) {
		j.to(ledger.Cancelled)
	}
}

func (m *model) Reopen(t *rapid.T) {
	j, _ := m.pick(t)
	if expect(t, "reopen", j.state.Final() && j.state != ledger.Done, m.w.Reopen(ctx, j.id), ledger.ErrInvalid) {
		j.ready, j.attempts = m.now(), nil
		j.to(ledger.Planned)
	}
}

func (m *model) TimePasses(t *rapid.T) {
	m.w.clock.forward(time.Duration(rapid.IntRange(1, 60).Draw(t, "seconds")) * time.Second)
}

func (m *model) Reconcile(t *rapid.T) {
	if _, err := m.w.Reconcile(ctx, m.now()); err != nil {
		t.Fatal(err)
	}
	for _, j := range m.jobs {
		if j.lease.IsZero() || j.lease.After(m.now()) {
			continue
		}
		if j.state == ledger.Dispatched {
			j.to(ledger.Planned)
		} else {
			j.fail(ledger.Lost, time.Time{}, m.now())
		}
	}
}

// Check runs after every step.
func (m *model) Check(t *rapid.T) {
	for _, j := range m.jobs {
		got, err := m.w.Job(ctx, j.id)
		if err != nil {
			t.Fatal(err)
		}
		if got.State != j.state || got.Epoch != j.epoch || !got.LeaseUntil.Equal(j.lease) || !maps.Equal(got.Attempts, j.attempts) ||
			j.state == ledger.Planned && !got.ReadyAt.Equal(j.ready) || j.results > 1 {
			t.Fatalf("the job is %+v, the model %+v", got, j)
		}
		if j.state.Final() == got.Finished.IsZero() {
			t.Fatalf("%s, finished at %v", j.state, got.Finished)
		}
	}
}

func TestModel(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			_, jobs := w.fired(fmt.Sprint("watch ", n), 2)
			m := &model{w: w}
			for _, j := range jobs {
				m.jobs = append(m.jobs, &modelJob{id: j.ID, state: ledger.Planned, ready: j.ReadyAt})
			}
			rt.Repeat(map[string]func(*rapid.T){
				"": m.Check, "dispatch": m.Dispatch, "claim": m.Claim, "heartbeat": m.Heartbeat, "finish": m.Finish, "retry": m.Retry,
				"release": m.Release, "cancel": m.Cancel, "reopen": m.Reopen, "time passes": m.TimePasses, "reconcile": m.Reconcile,
			})
		})
		w.consistent()
	})
}
