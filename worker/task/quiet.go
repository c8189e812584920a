package task

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// quiet is asynq's logger: what it says about Redis being away becomes one
// line when it goes and one when it is back, however often it says so.
type quiet struct {
	log   *slog.Logger
	where string

	mu   sync.Mutex
	away time.Time            // since when; zero: there
	said map[string]time.Time // other complaints, by their beginning
}

// health is told every two seconds whether Redis answers.
func (q *quiet) health(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case err != nil && q.away.IsZero():
		q.away = time.Now()
		q.log.Warn("the queue's Redis does not answer: running work goes on, new work waits until it is back",
			"redis", q.where, "error", err)
	case err == nil && !q.away.IsZero():
		q.log.Info("the queue's Redis is back", "redis", q.where, "away", time.Since(q.away).Round(time.Second).String())
		q.away = time.Time{}
	}
}

// complain passes on a complaint of asynq's, each kind once a minute. It can be
// a consequence of Redis being away that health has not been told of yet, so
// what names a connection is left to health.
func (q *quiet) complain(args []any) {
	text := strings.TrimSpace(fmt.Sprint(args...))
	q.mu.Lock()
	defer q.mu.Unlock()
	kind := text[:min(len(text), 24)]
	if !q.away.IsZero() || connection(text) || time.Since(q.said[kind]) < time.Minute {
		q.log.Debug("asynq: " + text)
		return
	}
	if q.said == nil || len(q.said) > 100 {
		q.said = map[string]time.Time{}
	}
	q.said[kind] = time.Now()
	q.log.Warn("asynq: " + text)
}

func connection(text string) bool {
	for _, s := range []string{
		"dial ", "connect", "i/o timeout", "EOF", "broken pipe", "LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN",
		"redis: ", "context deadline exceeded",
	} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// The methods of asynq.Logger. Fatal does not end the process: asynq has no
// fault that the ledger's jobs should die of.

func (q *quiet) Debug(args ...any) { q.log.Debug("asynq: " + fmt.Sprint(args...)) }
func (q *quiet) Info(args ...any)  { q.log.Debug("asynq: " + fmt.Sprint(args...)) }
func (q *quiet) Warn(args ...any)  { q.complain(args) }
func (q *quiet) Error(args ...any) { q.complain(args) }
func (q *quiet) Fatal(args ...any) { q.complain(args) }
