package worker_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/worker"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// packager is a worker that packs what a test says, and counts how often.
func (w *world) packager(pack worker.Pack) *worker.Packager {
	w.t.Helper()
	p, err := worker.NewPackager(worker.Config{Name: "desk", Heartbeat: 50 * time.Millisecond}, w.ledger, w.vault, pack, w.t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) order(o worker.PackageOrder) ledger.Job {
	w.t.Helper()
	work, err := o.Work()
	if err != nil {
		w.t.Fatal(err)
	}
	ids, err := w.ledger.Add(w.t.Context(), work)
	if err != nil || len(ids) != 1 {
		w.t.Fatalf("%d jobs were planned: %v", len(ids), err)
	}
	return w.job(ids[0])
}

func TestAPackageIsMadeOnceAndKept(t *testing.T) {
	w := newWorld(t)
	packed := 0
	p := w.packager(func(_ context.Context, f *os.File, o worker.PackageOrder) (worker.Packaged, error) {
		packed++
		text := "the package of " + o.Case + " for " + o.To
		if _, err := f.WriteString(text); err != nil {
			return worker.Packaged{}, err
		}
		return worker.Packaged{SHA256: capture.Sum([]byte(text)), Captures: 3, Warnings: []string{"no PDF"}}, nil
	})
	job := w.order(worker.PackageOrder{Case: "2026-017", By: "person:ann", To: "Counsel LLP", Purpose: "x"})
	if job.Pool != "export" || worker.PackageState(job) != "waiting" {
		t.Errorf("the order is in pool %q, %s", job.Pool, worker.PackageState(job))
	}
	tk := w.dispatch(job.ID)
	if err := p.Handle(t.Context(), tk); err != nil {
		t.Fatal(err)
	}
	done := w.job(job.ID)
	if done.State != ledger.Done || worker.PackageState(done) != "ready" || !strings.Contains(done.Error, "package of 3 captures") || !strings.Contains(done.Error, "1 warnings: no PDF") {
		t.Errorf("the job is %s and says %q", done.State, done.Error)
	}
	r, info, err := w.vault.Get(t.Context(), vault.ExportKey(job.ID), "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r); err != nil || string(b) != "the package of 2026-017 for Counsel LLP" || info.SHA256 != capture.Sum(b) {
		t.Errorf("the vault has %q, %v", b, err)
	}
	if err := p.Handle(t.Context(), tk); err != nil || packed != 1 {
		t.Errorf("a ticket that came twice packed %d times, %v", packed, err)
	}
}

func TestAPackageThatIsThereIsNotMadeAgain(t *testing.T) {
	w := newWorld(t)
	p := w.packager(func(context.Context, *os.File, worker.PackageOrder) (worker.Packaged, error) {
		t.Error("it was packed again")
		return worker.Packaged{}, errors.New("no")
	})
	job := w.order(worker.PackageOrder{Case: "k", By: "person:ann"})
	text := []byte("made by one that died")
	if _, err := w.vault.Put(t.Context(), vault.Put{Key: vault.ExportKey(job.ID), Body: capture.Bytes(text), SHA256: capture.Sum(text)}); err != nil {
		t.Fatal(err)
	}
	if err := p.Handle(t.Context(), w.dispatch(job.ID)); err != nil {
		t.Fatal(err)
	}
	if j := w.job(job.ID); j.State != ledger.Done {
		t.Errorf("the job is %s", j.State)
	}
}

func TestAPackageThatFailsIsTriedAgainOrGivenUp(t *testing.T) {
	w := newWorld(t)
	fault := vault.ErrUnavailable
	p := w.packager(func(context.Context, *os.File, worker.PackageOrder) (worker.Packaged, error) {
		return worker.Packaged{}, fault
	})
	job := w.order(worker.PackageOrder{Captures: []capture.ID{w.ids.New()}, By: "person:ann"})
	if err := p.Handle(t.Context(), w.dispatch(job.ID)); err != nil {
		t.Fatal(err)
	}
	if j := w.job(job.ID); j.State != ledger.Planned || j.Attempts[ledger.Storage] != 1 {
		t.Errorf("after the storage was away the job is %s, %v", j.State, j.Attempts)
	}
	if _, err := (worker.PackageOrder{By: "person:ann"}).Work(); !errors.Is(err, ledger.ErrInvalid) {
		t.Errorf("an order of nothing: %v", err)
	}
	if _, err := worker.OrderOf(ledger.Job{Work: ledger.Work{Kind: ledger.Visit}}); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("a visit is no package: %v", err)
	}
}
