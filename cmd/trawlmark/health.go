package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/trawlmark/trawlmark/archive/vault"
)

// part is one thing that a process stands on.
type part struct {
	name  string
	check func(ctx context.Context) error
}

// partState is how a part is, as /readyz tells it.
type partState struct {
	Part  string `json:"part"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

// readiness is the body of /readyz.
type readiness struct {
	Ready bool        `json:"ready"`
	Parts []partState `json:"parts"`
}

// liveness is the body of /healthz.
type liveness struct {
	OK      bool      `json:"ok"`
	Version string    `json:"version"`
	Roles   []string  `json:"roles"`
	Started time.Time `json:"started"`
}

const (
	// readyPatience bounds one look at all parts.
	readyPatience = 4 * time.Second
	// readyFor is how long an answer is repeated: probes and people together
	// ask the database, the queue and the storage this often at most.
	readyFor = 2 * time.Second
)

// health answers the probes of this process.
type health struct {
	roles   []string
	parts   []part
	now     func() time.Time
	started time.Time

	mu   sync.Mutex
	at   time.Time
	last readiness
}

func newHealth(r roles, parts []part, now func() time.Time) *health {
	return &health{roles: r.names(), parts: parts, now: now, started: now().UTC()}
}

// names of the roles, for people.
func (r roles) names() []string {
	var all []string
	if r.dispatcher {
		all = append(all, "dispatcher")
	}
	for _, p := range r.pools {
		all = append(all, "worker:"+p)
	}
	if r.console {
		all = append(all, "console")
	}
	return all
}

// live says that the process answers. It asks nothing else: a database that is
// away is no reason to kill a worker that waits for it with captures on disk.
func (h *health) live(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, liveness{OK: true, Version: version, Roles: h.roles, Started: h.started})
}

// ready says whether every part answers.
func (h *health) ready(w http.ResponseWriter, r *http.Request) {
	got := h.look(r.Context())
	status := http.StatusOK
	if !got.Ready {
		status = http.StatusServiceUnavailable
	}
	answer(w, status, got)
}

func (h *health) look(ctx context.Context) readiness {
	h.mu.Lock() // one look at a time; the others get its answer
	defer h.mu.Unlock()
	if !h.at.IsZero() && h.now().Sub(h.at) < readyFor {
		return h.last
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyPatience)
	defer cancel()
	states := make([]partState, len(h.parts))
	var all sync.WaitGroup
	for i, p := range h.parts {
		all.Go(func() {
			states[i] = partState{Part: p.name, OK: true}
			if err := p.check(ctx); err != nil {
				states[i] = partState{Part: p.name, Error: err.Error()}
			}
		})
	}
	all.Wait()
	h.last = readiness{Ready: true, Parts: states}
	for _, s := range states {
		h.last.Ready = h.last.Ready && s.OK
	}
	h.at = h.now()
	return h.last
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // whoever asked has gone
}

// healthParts are what this process stands on. The texts name no address and no
// account: whoever can reach the metrics port sees them; the log has the rest.
func (a *app) healthParts(rdb redis.UniversalClient) []part {
	all := []part{
		{"database", func(ctx context.Context) error {
			if err := a.db.PingContext(ctx); err != nil {
				return errors.New("the database does not answer")
			}
			return nil
		}},
	}
	if rdb != nil { // the console has no queue
		all = append(all, part{"queue", func(ctx context.Context) error {
			if err := rdb.Ping(ctx).Err(); err != nil {
				return errors.New("the queue (Redis) does not answer")
			}
			return nil
		}})
	}
	if v := a.vault; v != nil {
		all = append(all, part{"storage", func(ctx context.Context) error {
			// An object that is never there: the answer says that the server
			// is, and that it takes our keys.
			if _, err := v.Stat(ctx, vault.ProbeKey("ready"), ""); err != nil && !errors.Is(err, vault.ErrNotFound) {
				return errors.New("the storage does not answer, or refuses our keys")
			}
			return nil
		}})
	}
	if arch := a.archive; arch != nil {
		all = append(all, part{"spool", func(context.Context) error {
			if used, limit := arch.Backlog(); used >= limit {
				return fmt.Errorf("%s of captures wait for the storage; %s are allowed, and visits pause", bytesText(used), bytesText(limit))
			}
			return nil
		}})
	}
	return all
}
