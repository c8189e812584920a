package archive

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// History is what an audit asks the custody log. *custody.Log is one.
type History interface {
	Find(ctx context.Context, id capture.ID) (custody.Row, error)
	Event(ctx context.Context, id capture.ID) (custody.Event, []byte, error)
	Monitor(ctx context.Context) (custody.Report, error)
}

// Phase is a part of an audit; they follow each other in this order.
type Phase string

// The phases.
const (
	PhaseCaptures Phase = "captures" // vault, catalogue and log, by capture
	PhaseShared   Phase = "shared"   // objects that captures share
	PhaseLog      Phase = "log"      // the custody log by itself
	PhaseDone     Phase = "done"
)

// Position is how far an audit came: given to a later one, it goes on there.
type Position struct {
	Phase Phase  `json:"phase"`
	After string `json:"after,omitempty"` // the capture id or key that was looked at last
}

// AuditOptions are how an audit is made. The zero value is fine.
type AuditOptions struct {
	// From is where to go on; zero begins.
	From Position
	// Deep reads every byte again. Else digests are those that the storage
	// tells, where it does.
	Deep bool
	// Grace is how old something must be to count as forgotten rather than as
	// just being stored. Default 1 h.
	Grace time.Duration
	// Found gets each difference as it is seen; nil is fine.
	Found func(Difference)
	// Progress is told about every 500 captures or objects; nil is fine.
	Progress func(Position, AuditReport)
}

// AuditReport counts what an audit saw.
type AuditReport struct {
	Captures    int64          `json:"captures"` // whole ones
	Objects     int64          `json:"objects"`
	Bytes       int64          `json:"bytes"` // read again (Deep), and of manifests
	Gone        int64          `json:"gone"`  // expired or erased, as the log says
	Storing     int64          `json:"storing"`
	LogEntries  int64          `json:"log_entries"`
	Differences int64          `json:"differences"`
	ByKind      map[What]int64 `json:"by_kind"`
	Position    Position       `json:"position"`
}

// Audit compares vault, catalogue and custody log with each other, both ways,
// in one pass over each and in bounded memory. Every difference goes to
// AuditOptions.Found. It changes nothing. The error is that it could not look;
// the report's Position is where a later audit can go on.
func (a *Archive) Audit(ctx context.Context, h History, o AuditOptions) (AuditReport, error) {
	if o.Grace == 0 {
		o.Grace = time.Hour
	}
	if o.From.Phase == "" {
		o.From.Phase = PhaseCaptures
	}
	u := &audit{a: a, h: h, o: o, r: AuditReport{ByKind: map[What]int64{}, Position: o.From}}
	for _, p := range []struct {
		phase Phase
		next  Phase
		do    func(context.Context, string) error
	}{{PhaseCaptures, PhaseShared, u.captures}, {PhaseShared, PhaseLog, u.shared}, {PhaseLog, PhaseDone, u.log}} {
		if u.r.Position.Phase != p.phase {
			continue
		}
		if err := p.do(ctx, u.r.Position.After); err != nil {
			return u.r, fmt.Errorf("the audit got as far as %s %s: %w", p.phase, u.r.Position.After, err)
		}
		u.r.Position = Position{Phase: p.next}
		u.tell()
	}
	if u.r.Position.Phase != PhaseDone {
		return u.r, fmt.Errorf("there is no phase %q of an audit", u.r.Position.Phase)
	}
	return u.r, nil
}

type audit struct {
	a *Archive
	h History
	o AuditOptions
	r AuditReport
	n int
}

func (u *audit) add(d Difference) {
	u.r.Differences++
	u.r.ByKind[d.What]++
	if u.o.Found != nil {
		u.o.Found(d)
	}
}

func (u *audit) differ(w What, id capture.ID, key, format string, args ...any) {
	u.add(Difference{w, id, key, fmt.Sprintf(format, args...)})
}

// at notes what was looked at.
func (u *audit) at(after string) {
	u.r.Position.After = after
	if u.n++; u.n%500 == 0 {
		u.tell()
	}
}

func (u *audit) tell() {
	if u.o.Progress != nil {
		u.o.Progress(u.r.Position, u.r)
	}
}

// young reports whether something of that time may still be being stored.
func (u *audit) young(at time.Time) bool { return at.After(u.a.Now().Add(-u.o.Grace)) }

// made is the time in a version 7 id.
func made(id capture.ID) time.Time {
	return time.UnixMilli(int64(id[0])<<40 | int64(id[1])<<32 | int64(id[2])<<24 | int64(id[3])<<16 | int64(id[4])<<8 | int64(id[5])).UTC()
}

// folder is what the vault lists of one capture.
type folder struct {
	id    capture.ID
	files map[string]vault.Info
}

// maxFolder bounds the files of one capture: a folder with more is a difference.
const maxFolder = 20_000

// folders groups the listing of captures by capture, in the order of ids.
func (u *audit) folders(ctx context.Context, after capture.ID) iter.Seq2[folder, error] {
	return func(yield func(folder, error) bool) {
		var f folder
		from := ""
		if !after.IsZero() {
			// "0" follows "/": behind every file of that capture.
			key := vault.CaptureFolder(after)
			from = key[:len(key)-1] + "0"
		}
		for info, err := range u.a.Vault.List(ctx, vault.CapturesPrefix, from) {
			if err != nil {
				yield(folder{}, err)
				return
			}
			id, _, ok := vault.ParseCaptureKey(info.Key)
			if !ok {
				u.differ(NotInManifest, capture.ID{}, info.Key, "this is no key of a capture's file")
				continue
			}
			if id != f.id {
				if f.files != nil && !yield(f, nil) {
					return
				}
				f = folder{id, map[string]vault.Info{}}
			}
			if len(f.files) < maxFolder {
				f.files[info.Key] = info
			} else if len(f.files) == maxFolder {
				u.differ(NotInManifest, id, info.Key, "the capture's folder has more than %d files", maxFolder)
			}
		}
		if f.files != nil {
			yield(f, nil)
		}
	}
}

// events lists the ids of the event documents, in order.
func (u *audit) events(ctx context.Context, after capture.ID) iter.Seq2[capture.ID, error] {
	return func(yield func(capture.ID, error) bool) {
		from := ""
		if !after.IsZero() {
			from = vault.CustodyEventKey(after)
		}
		for info, err := range u.a.Vault.List(ctx, vault.CustodyEventsPrefix, from) {
			if err != nil {
				yield(capture.ID{}, err)
				return
			}
			const id = len("00000000-0000-0000-0000-000000000000")
			name := info.Key[max(0, len(info.Key)-id-len(".json")):]
			if got, err := capture.ParseID(name[:min(id, len(name))]); err == nil && vault.CustodyEventKey(got) == info.Key {
				if !yield(got, nil) {
					return
				}
			} // Monitor reports strange keys
		}
	}
}

// stream is one of the three sorted streams that are merged.
type stream[T any] struct {
	next func() (T, error, bool)
	id   func(T) capture.ID
	head T
	ok   bool
}

func (s *stream[T]) pull() error {
	v, err, ok := s.next()
	if ok && err != nil {
		return err
	}
	s.head, s.ok = v, ok
	return nil
}

// take gives the head if it is of this capture, and moves on.
func (s *stream[T]) take(id capture.ID) (v T, ok bool, err error) {
	if !s.ok || s.id(s.head) != id {
		return v, false, nil
	}
	v = s.head
	return v, true, s.pull()
}

// captures merges vault, catalogue and log by capture id.
func (u *audit) captures(ctx context.Context, from string) error {
	var after capture.ID
	if from != "" {
		var err error
		if after, err = capture.ParseID(from); err != nil {
			return err
		}
	}
	nextFolder, stop1 := iter.Pull2(u.folders(ctx, after))
	defer stop1()
	nextRow, stop2 := iter.Pull2(u.a.Catalog.Each(ctx, after))
	defer stop2()
	nextEvent, stop3 := iter.Pull2(u.events(ctx, after))
	defer stop3()
	folders := &stream[folder]{next: nextFolder, id: func(f folder) capture.ID { return f.id }}
	rows := &stream[catalog.Entry]{next: nextRow, id: func(e catalog.Entry) capture.ID { return e.ID }}
	events := &stream[capture.ID]{next: nextEvent, id: func(id capture.ID) capture.ID { return id }}
	if err := errors.Join(folders.pull(), rows.pull(), events.pull()); err != nil {
		return err
	}
	for folders.ok || rows.ok || events.ok {
		id := least(folders, rows, events)
		f, _, err1 := folders.take(id)
		e, known, err2 := rows.take(id)
		_, logged, err3 := events.take(id)
		if err := errors.Join(err1, err2, err3); err != nil {
			return err
		}
		if err := u.capture(ctx, id, f, e, known, logged); err != nil {
			return err
		}
		u.at(id.String())
	}
	return nil
}

func least(f *stream[folder], r *stream[catalog.Entry], e *stream[capture.ID]) capture.ID {
	var id capture.ID
	first := true
	see := func(v capture.ID, ok bool) {
		if ok && (first || v.String() < id.String()) {
			id, first = v, false
		}
	}
	see(f.head.id, f.ok)
	see(r.head.ID, r.ok)
	see(e.head, e.ok)
	return id
}

// shared looks for shared objects that no kept capture needs.
func (u *audit) shared(ctx context.Context, from string) error {
	for info, err := range u.a.Vault.List(ctx, vault.BlobsPrefix, from) {
		if err != nil {
			return err
		}
		if err := u.sharedObject(ctx, info); err != nil {
			return err
		}
		u.at(info.Key)
	}
	return nil
}

func (u *audit) sharedObject(ctx context.Context, info vault.Info) error {
	u.r.Objects++
	sum, file, ok := vault.ParseSharedKey(info.Key)
	if !ok {
		u.differ(NotInManifest, capture.ID{}, info.Key, "this is no key of a shared object")
		return nil
	}
	users, err := u.a.Catalog.Users(ctx, info.Key, capture.ID{})
	if err != nil || users.Users > 0 && !u.o.Deep {
		return err
	}
	full, err := u.a.Vault.Stat(ctx, info.Key, info.Version)
	if errors.Is(err, vault.ErrNotFound) {
		return nil // it went meanwhile
	}
	if err != nil {
		return err
	}
	if users.Users == 0 {
		if u.young(full.Stored) {
			u.r.Storing++
			return nil
		}
		u.differ(NotInManifest, capture.ID{}, info.Key, "no capture that is kept needs it")
	}
	if u.o.Deep && file == vault.FilePayload { // the others are read with their captures
		found, _, err := u.a.check(ctx, catalog.Entry{}, expected{info.Key, info.Version, sum, -1}, false)
		u.all(found)
		return err
	}
	if !full.SHA256.IsZero() && full.SHA256 != sum {
		u.differ(WrongBytes, capture.ID{}, info.Key, "its SHA-256 is %s, which is not its name", full.SHA256)
	}
	return nil
}

// log has the custody log checked by itself.
func (u *audit) log(ctx context.Context, _ string) error {
	r, err := u.h.Monitor(ctx)
	u.r.LogEntries = r.Entries
	for _, d := range r.Differences {
		u.differ(BadLog, capture.ID{}, d.Key, "entry %d: %s", d.Index, d.What)
	}
	if more := r.Count - int64(len(r.Differences)); more > 0 {
		u.r.Differences += more
		u.r.ByKind[BadLog] += more
	}
	return err
}
