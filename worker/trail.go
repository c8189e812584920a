package worker

import (
	"context"
	"log/slog"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// trail names the work that a context belongs to. Everything that is logged
// with such a context carries it, in whatever package: an operator joins the
// log, the ledger and the evidence by it.
type trail struct {
	job, capture, watch capture.ID
	epoch               int64
}

type trailKey struct{}

// onTrail marks a context as one of a job.
func onTrail(ctx context.Context, job ledger.Job) context.Context {
	return context.WithValue(ctx, trailKey{}, trail{job: job.ID, watch: job.Watch, epoch: job.Epoch, capture: job.Subject})
}

// atCapture adds the capture that is being made to the context's trail.
func atCapture(ctx context.Context, id capture.ID) context.Context {
	t := trailOf(ctx)
	t.capture = id
	return context.WithValue(ctx, trailKey{}, t)
}

func trailOf(ctx context.Context) trail {
	t, _ := ctx.Value(trailKey{}).(trail)
	return t
}

// Job is the job that a context belongs to, with its capture and its watch;
// zero what it has not.
func Job(ctx context.Context) (job, of, watch capture.ID) {
	t := trailOf(ctx)
	return t.job, t.capture, t.watch
}

// attrs are the trail's ids under the names that every line has them by.
func (t trail) attrs() []slog.Attr {
	var out []slog.Attr
	for _, a := range []struct {
		name string
		id   capture.ID
	}{{"job", t.job}, {"capture", t.capture}, {"watch", t.watch}} {
		if !a.id.IsZero() {
			out = append(out, slog.String(a.name, a.id.String()))
		}
	}
	if t.epoch > 0 {
		out = append(out, slog.Int64("epoch", t.epoch))
	}
	return out
}

// LogHandler adds job, capture, watch and epoch to each line that is logged
// with the context of a job: to all lines of a visit, of storing what it saw,
// and of a score.
func LogHandler(next slog.Handler) slog.Handler { return logHandler{next} }

type logHandler struct{ slog.Handler }

// Handle implements slog.Handler.
func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	add := trailOf(ctx).attrs()
	if len(add) == 0 {
		return h.Handler.Handle(ctx, r)
	}
	// What the line names itself goes first: it may speak of another one.
	said := map[string]bool{}
	r.Attrs(func(a slog.Attr) bool { said[a.Key] = true; return true })
	r = r.Clone()
	for _, a := range add {
		if !said[a.Key] {
			r.AddAttrs(a)
		}
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h logHandler) WithGroup(name string) slog.Handler { return logHandler{h.Handler.WithGroup(name)} }
