package seal

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/seal/stamp"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// The kinds of file a stamp has in the vault.
const (
	extQuery = "tsq"
	extReply = "tsr"
	extChain = "pem"
)

// timeForm is the stamped time within a name; fixed width, so names of one
// authority sort by time.
const timeForm = "20060102t150405.000z" // less the dot

// Stored is a stamp in the vault.
type Stored struct {
	Stamp
	Size int64  // of the checkpoint
	Name string // <tsa>-<time>-<8 hex digits of the digest>
}

// Key gives the key of one of its files: "tsq", "tsr" or "pem".
func (s Stored) Key(ext string) string { return vault.StampKey(s.Size, s.Name, ext) }

func stampName(tsa string, at time.Time, reply []byte) string {
	d := capture.Sum(reply)
	return tsa + "-" + nameTime(at) + "-" + hex.EncodeToString(d[:4])
}

func nameTime(at time.Time) string {
	return strings.Replace(at.UTC().Format(timeForm), ".", "", 1)
}

// store writes the files of a stamp, the .tsr last.
func (s *Sealer) store(ctx context.Context, c custody.Checkpoint, st Stamp) (Stored, error) {
	kept := Stored{Stamp: st, Size: c.Size, Name: stampName(st.TSA, st.Time.At, st.Response)}
	if err := s.storeAs(ctx, st, kept.Key); err != nil {
		return Stored{}, err
	}
	s.see(c, kept)
	return kept, nil
}

// storeAs writes the files of a stamp under the keys given, its chain before
// all, the .tsr last.
func (s *Sealer) storeAs(ctx context.Context, st Stamp, key func(ext string) string) error {
	if err := s.register(ctx, st); err != nil {
		return err
	}
	for _, f := range []struct {
		ext, mediaType string
		bytes          []byte
	}{
		{extQuery, "application/timestamp-query", st.Query},
		{extChain, "application/x-pem-file", stamp.PEM(st.Time.Chain)},
		{extReply, "application/timestamp-reply", st.Response},
	} {
		if err := s.put(ctx, key(f.ext), f.mediaType, f.bytes); err != nil {
			return err
		}
	}
	return nil
}

// parseStampKey takes the key of a .tsr apart; ok is false for anything else.
func parseStampKey(key string) (size int64, name string, ok bool) {
	rest, ok := strings.CutPrefix(key, vault.StampsPrefix)
	dir, file, ok2 := strings.Cut(rest, "/")
	name, ok3 := strings.CutSuffix(file, "."+extReply)
	size, err := strconv.ParseInt(dir, 10, 64)
	if !ok || !ok2 || !ok3 || err != nil || size < 0 || vault.StampKey(size, name, extReply) != key {
		return 0, "", false
	}
	return size, name, true
}

// tsaOf gives the authority of a stamp's name.
func (s *Sealer) tsaOf(name string) (TSA, bool) {
	want := authority(name)
	for _, t := range s.authorities() {
		if t.Name == want {
			return t, true
		}
	}
	return TSA{}, false
}

// authorities are those whose stamps count.
func (s *Sealer) authorities() []TSA {
	return append(append([]TSA(nil), s.cfg.Client.TSAs...), s.cfg.Former...)
}

// authority is the part of a stamp's name before time and digest.
func authority(name string) string {
	parts := strings.Split(name, "-")
	return strings.Join(parts[:max(0, len(parts)-2)], "-")
}

// load reads one stamp of a checkpoint and checks it anew.
func (s *Sealer) load(ctx context.Context, c custody.Checkpoint, name string) (Stored, error) {
	st, err := s.loadOver(ctx, name, func(ext string) string { return vault.StampKey(c.Size, name, ext) }, c.Signed)
	return Stored{Stamp: st, Size: c.Size, Name: name}, err
}

// loadOver reads a stamp over a message and checks it anew: by itself, by its
// name, and by what is kept about its certificates.
func (s *Sealer) loadOver(ctx context.Context, name string, key func(ext string) string, message []byte) (Stamp, error) {
	tsa, ok := s.tsaOf(name)
	if !ok {
		return Stamp{}, fmt.Errorf("the stamp %s is not of %w", name, ErrStranger)
	}
	st := Stamp{TSA: tsa.Name}
	var chain []byte
	for _, f := range []struct {
		ext   string
		into  *[]byte
		limit int64
	}{{extReply, &st.Response, stamp.MaxResponse}, {extQuery, &st.Query, stamp.MaxResponse}, {extChain, &chain, maxChain}} {
		var err error
		if *f.into, err = s.get(ctx, key(f.ext), f.limit); err != nil {
			return st, err
		}
	}
	trust := stamp.Trust{Roots: tsa.Roots, Untrusted: tsa.Untrusted}
	if kept, err := stamp.ParsePEM(chain); err == nil { // helps where it can; what counts is in Verify
		trust.Untrusted = append(kept, trust.Untrusted...)
	}
	var err error
	if st.Time, err = stamp.Verify(st.Response, message, trust, time.Time{}); err != nil {
		return st, err
	}
	if name != stampName(tsa.Name, st.Time.At, st.Response) {
		return st, fmt.Errorf("the stamp %s is not the one its name says", name)
	}
	rev, err := s.Revocation(ctx, st)
	if err == nil {
		err = rev.Err()
	}
	return st, err
}

// A checkpoint may have thousands of stamps of one authority, one for each
// minute in which the log did not grow. Only two of them are of interest.
const (
	first = false // bounds what the checkpoint covers from above
	last  = true  // bounds what comes after it from below
)

// stampsOf gives the first or last stamp of each authority that holds, for a
// checkpoint, renewals left out. Those that do not hold are told to the log.
func (s *Sealer) stampsOf(ctx context.Context, c custody.Checkpoint, which bool) ([]Stored, error) {
	var good []Stored
	find := s.firstOf
	if which {
		find = s.lastOf
	}
	for _, t := range s.authorities() {
		st, ok, err := find(ctx, c, t.Name)
		if err != nil {
			return nil, err
		}
		if ok {
			good = append(good, st)
		}
	}
	return good, nil
}

func (s *Sealer) firstOf(ctx context.Context, c custody.Checkpoint, tsa string) (found Stored, ok bool, err error) {
	err = s.names(ctx, c.Size, tsa, time.Time{}, func(name string) (more bool, err error) {
		found, ok, err = s.holds(ctx, c, name)
		return !ok, err
	})
	return found, ok, err
}

// lastOf looks at the newest first: names sort by time, so a listing that
// begins a while ago is short.
func (s *Sealer) lastOf(ctx context.Context, c custody.Checkpoint, tsa string) (Stored, bool, error) {
	now := s.cfg.Now()
	for _, from := range []time.Time{now.Add(-10 * time.Minute), now.Add(-24 * time.Hour), {}} {
		var names []string
		err := s.names(ctx, c.Size, tsa, from, func(name string) (bool, error) {
			names = append(names, name)
			return true, nil
		})
		if err != nil {
			return Stored{}, false, err
		}
		slices.Reverse(names)
		for _, name := range names {
			if st, ok, err := s.holds(ctx, c, name); ok || err != nil {
				return st, ok, err
			}
		}
	}
	return Stored{}, false, nil
}

// names calls f for the stamps of one authority over a size, by time, from one
// instant on, as long as f wants more.
func (s *Sealer) names(ctx context.Context, size int64, tsa string, from time.Time, f func(name string) (more bool, err error)) error {
	prefix := vault.StampsOf(size) + tsa + "-"
	after := ""
	if !from.IsZero() {
		after = prefix + nameTime(from)
	}
	for info, err := range s.cfg.Vault.List(ctx, prefix, after) {
		if err != nil {
			return err
		}
		_, name, ok := parseStampKey(info.Key)
		if !ok || authority(name) != tsa {
			continue // another file, or an authority whose name begins alike
		}
		if more, err := f(name); err != nil || !more {
			return err
		}
	}
	return nil
}

// holds reads and checks a stamp. One that does not hold is no error: it is
// told to the log and passed over.
func (s *Sealer) holds(ctx context.Context, c custody.Checkpoint, name string) (Stored, bool, error) {
	st, err := s.load(ctx, c, name)
	if err == nil {
		return st, true, nil
	}
	if errors.Is(err, vault.ErrUnavailable) || ctx.Err() != nil {
		return Stored{}, false, err
	}
	s.cfg.Log.Error("a stored time stamp does not hold", "size", c.Size, "stamp", name, "err", err)
	return Stored{}, false, nil
}
