package worker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/sqldb"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/worker/ledger"
	"github.com/trawlmark/trawlmark/worker/task"
)

// PackageOrder is the spec of an export job: what is handed over, to whom, why.
type PackageOrder struct {
	Case     string       `json:"case,omitempty"`     // all captures of this case; or
	Captures []capture.ID `json:"captures,omitempty"` // these
	By       string       `json:"by"`                 // custody actor who ordered it
	To       string       `json:"to,omitempty"`
	Purpose  string       `json:"purpose,omitempty"`
	// Redacted hands over the newest redaction of each capture in its place; a
	// capture without one is refused, or handed over whole with RestWhole.
	Redacted  bool `json:"redacted,omitempty"`
	RestWhole bool `json:"rest_whole,omitempty"`
}

// Work is the job that makes the package.
func (o PackageOrder) Work() (ledger.Work, error) {
	if (o.Case == "") == (len(o.Captures) == 0) {
		return ledger.Work{}, fmt.Errorf("%w: a package is of a case, or of captures", ledger.ErrInvalid)
	}
	if o.By == "" {
		return ledger.Work{}, fmt.Errorf("%w: a package needs somebody who ordered it", ledger.ErrInvalid)
	}
	spec, err := json.Marshal(o)
	return ledger.Work{Kind: ledger.Export, AskedBy: o.By, Spec: spec}, err
}

// OrderOf reads the order of an export job.
func OrderOf(j ledger.Job) (PackageOrder, error) {
	var o PackageOrder
	if j.Kind != ledger.Export {
		return o, fmt.Errorf("job %s is a %s, not a package: %w", j.ID, j.Kind, ledger.ErrNotFound)
	}
	if err := json.Unmarshal(j.Spec, &o); err != nil {
		return o, fmt.Errorf("the order of job %s cannot be read: %w", j.ID, err)
	}
	return o, nil
}

// PackageName is the file name that a package is handed over with.
func PackageName(j ledger.Job, o PackageOrder) string {
	if o.Case != "" {
		return "case-" + o.Case + ".zip"
	}
	return "captures-" + j.ID.String() + ".zip"
}

// Packaged says what a package that was made and verified holds.
type Packaged struct {
	SHA256   capture.Digest
	Captures int
	Warnings []string
}

// Pack makes a package into a file and verifies it. What does not verify is an
// error.
type Pack func(ctx context.Context, f *os.File, o PackageOrder) (Packaged, error)

// Packager does export jobs: it makes a package and puts it into the vault,
// below exports/, where the console and the commands of any machine get it. A
// package is a copy that can be made again: it has no lock of its own.
type Packager struct {
	cfg    Config
	ledger *ledger.Ledger
	vault  vault.Vault
	pack   Pack
	tmp    string // folder for a package that is being made
	log    *slog.Logger
}

// NewPackager makes a Packager that writes into the folder tmp first.
func NewPackager(cfg Config, l *ledger.Ledger, v vault.Vault, pack Pack, tmp string, log *slog.Logger) (*Packager, error) {
	if cfg.Name == "" {
		return nil, errors.New("worker: Name must say which worker this is")
	}
	return &Packager{cfg.withDefaults(), l, v, pack, tmp, log}, nil
}

// Handle does the job that a ticket names.
func (p *Packager) Handle(ctx context.Context, t task.Ticket) error {
	job, err := p.ledger.Claim(ctx, ledger.Fence{Job: t.Job, Epoch: t.Epoch}, p.cfg.Name, p.cfg.Lease)
	if errors.Is(err, ledger.ErrStale) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("job %s could not be claimed: %w", t.Job, err)
	}
	ctx = onTrail(ctx, job)
	if ok, err := mine(ctx, p.ledger, p.log, job, ledger.Export); !ok {
		return err
	}
	lctx, release := holdLease(ctx, p.ledger, job.Fence(), p.cfg.Lease, p.cfg.Heartbeat, p.log)
	defer release()
	err = p.make(lctx, job)
	after := context.WithoutCancel(ctx)
	switch {
	case err == nil, errors.Is(err, ledger.ErrStale), errors.Is(context.Cause(lctx), ErrLeaseLost):
		return nil
	case ctx.Err() != nil:
		return p.ledger.Release(after, job.Fence(), noTime, "the worker was told to stop")
	}
	class := ledger.Internal
	if errors.Is(err, vault.ErrUnavailable) || errors.Is(err, sqldb.ErrUnavailable) || errors.Is(err, sqldb.ErrBusy) || diskFault(err) {
		class = ledger.Storage
	}
	p.log.WarnContext(ctx, "a package could not be made", "error", err)
	_, err = p.ledger.Retry(after, job.Fence(), ledger.Failure{Class: class, Text: err.Error()})
	return err
}

func (p *Packager) make(ctx context.Context, job ledger.Job) error {
	order, err := OrderOf(job)
	if err != nil {
		return err
	}
	key := vault.ExportKey(job.ID)
	// A worker that died between the vault and the ledger has left it there: it
	// is on record already, and another one would be a second handing over.
	done, err := p.vault.Stat(ctx, key, "")
	if err == nil {
		return p.finish(ctx, job, fmt.Sprintf("package of %d bytes", done.Size))
	}
	if !errors.Is(err, vault.ErrNotFound) {
		return err
	}
	f, err := os.CreateTemp(p.tmp, "package-*.zip")
	if err != nil {
		return fmt.Errorf("there is no place for the package: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	began := time.Now()
	got, err := p.pack(ctx, f, order)
	if err != nil {
		return err
	}
	body, err := capture.File(f.Name())
	if err != nil {
		return err
	}
	_, err = p.vault.Put(ctx, vault.Put{Key: key, MediaType: "application/zip", Body: body, SHA256: got.SHA256})
	if err != nil && !errors.Is(err, vault.ErrExists) {
		return err
	}
	p.log.InfoContext(ctx, "a package was made", "captures", got.Captures, "bytes", body.Size(), "seconds", time.Since(began).Seconds())
	note := fmt.Sprintf("package of %d captures, %d bytes, sha256 %s", got.Captures, body.Size(), got.SHA256)
	if len(got.Warnings) > 0 {
		note += fmt.Sprintf("; %d warnings: %s", len(got.Warnings), strings.Join(got.Warnings, "; "))
	}
	return p.finish(ctx, job, note)
}

func (p *Packager) finish(ctx context.Context, job ledger.Job, note string) error {
	_, err := p.ledger.Finish(ctx, job.Fence(), ledger.Result{Note: note})
	return err
}

// PackageState says how an order goes, in a word for people.
func PackageState(j ledger.Job) string {
	return cmp.Or(map[ledger.State]string{
		ledger.Planned: "waiting", ledger.Dispatched: "waiting", ledger.Running: "being made", ledger.Done: "ready",
		ledger.Quarantined: "failed",
	}[j.State], string(j.State))
}
