package seal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// Reading is one comparison of this machine's clock with another one. The
// other clock was ahead by Offset, give or take Within: half of the way there
// and back, and the other's own accuracy.
type Reading struct {
	Source string        `json:"source"` // "tsa:<name>", "http:<name>" (its Date header), "s3"
	At     time.Time     `json:"at"`     // by this machine's clock, UTC
	Offset time.Duration `json:"offset_ns"`
	Within time.Duration `json:"within_ns"`
}

// String says it for people: "tsa:first +0.012s (within 0.080s) at ...".
func (r Reading) String() string {
	return fmt.Sprintf("%s %+.3fs (within %.3fs) at %s", r.Source, r.Offset.Seconds(), r.Within.Seconds(), r.At.UTC().Format(time.RFC3339))
}

// Compare makes a reading of a time that was told between sent and received;
// accuracy is how far that time itself may be off.
func Compare(source string, told, sent, received time.Time, accuracy time.Duration) Reading {
	trip := max(0, received.Sub(sent))
	return Reading{Source: source, At: received.UTC(), Offset: told.Sub(sent.Add(trip / 2)), Within: trip/2 + accuracy}
}

// CompareDate makes a reading of an HTTP Date header, which tells whole
// seconds: it is taken for the middle of its second.
func CompareDate(source string, date, sent, received time.Time) Reading {
	return Compare(source, date.Add(500*time.Millisecond), sent, received, 500*time.Millisecond)
}

// reading compares our clock with the stamp's.
func (s Stamp) reading() Reading {
	return Compare("tsa:"+s.TSA, s.Time.At, s.Sent, s.Received, s.Time.Accuracy)
}

// maxReadings bounds the readings in memory and in one file.
const maxReadings = 64

// keepReading adds a reading. Those of one source are kept if they are the
// newest, or worse than the newest.
func keepReading(all []Reading, r Reading) []Reading {
	all = slices.DeleteFunc(all, func(o Reading) bool { return o.Source == r.Source && o.Offset.Abs() <= r.Offset.Abs() })
	if all = append(all, r); len(all) > maxReadings {
		all = all[len(all)-maxReadings:]
	}
	return all
}

// Observe adds a reading of another source (the storage's Date header).
func (s *Sealer) Observe(r Reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock = keepReading(s.clock, r)
}

// Clock gives what this process read since RecordClock, oldest first: the
// newest reading of each source, and the worse ones before it.
func (s *Sealer) Clock() []Reading {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.clock)
}

// AskClock compares our clock with that of the first authority that answers, by
// a stamp over random bytes that is checked and thrown away: for processes that
// date captures and seal nothing.
func (s *Sealer) AskClock(ctx context.Context) (Reading, error) {
	message := make([]byte, 32)
	if _, err := io.ReadFull(s.cfg.Client.Rand, message); err != nil {
		return Reading{}, err
	}
	stamps, failed := s.cfg.Client.stamp(ctx, message, s.cfg.Client.TSAs, 1, s.accept)
	if len(stamps) == 0 {
		return Reading{}, tooFew(0, 1, failed)
	}
	r := stamps[0].reading()
	s.Observe(r)
	return r, nil
}

// clockFile is a record in the vault, JSON.
type clockFile struct {
	Version  string    `json:"version"`
	Host     string    `json:"host"`
	Readings []Reading `json:"readings"`
}

const (
	clockLabel   = "trawlmark.clock/v1"
	maxClockFile = 64 << 10
)

// RecordClock keeps the readings since the last call in the vault: what shows,
// years later, how right the clock of that day was. Without readings it does nothing.
func (s *Sealer) RecordClock(ctx context.Context) error {
	all := s.Clock()
	if len(all) == 0 {
		return nil
	}
	b, err := json.Marshal(clockFile{clockLabel, s.cfg.Host, all})
	if err != nil {
		return err
	}
	d := capture.Sum(b)
	if err := s.put(ctx, vault.ClockKey(s.cfg.Now(), fmt.Sprintf("%x", d[:4])), "application/json", b); err != nil {
		return fmt.Errorf("the readings of the clock could not be kept: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock = slices.DeleteFunc(s.clock, func(r Reading) bool { return slices.Contains(all, r) })
	return nil
}

// Clocks gives the readings that were recorded from one time to another, for
// the description of the system in a package: at most limit, the first ones.
// A record that cannot be read is part of the error and stops nothing.
func (s *Sealer) Clocks(ctx context.Context, from, to time.Time, limit int) ([]Reading, error) {
	var all []Reading
	var errs []error
	// A record is made some time after its readings.
	after, last := vault.ClockKey(from, ""), vault.ClockKey(to.Add(clockLate), "")
	for info, err := range s.cfg.Vault.List(ctx, vault.ClockPrefix, strings.TrimSuffix(after, "-.json")) {
		if err != nil {
			return all, err
		}
		if info.Key > last || len(all) >= limit {
			break
		}
		b, err := s.get(ctx, info.Key, maxClockFile)
		if errors.Is(err, vault.ErrUnavailable) || ctx.Err() != nil {
			return all, err
		}
		var f clockFile
		if err == nil {
			err = json.Unmarshal(b, &f)
		}
		if err == nil && (f.Version != clockLabel || len(f.Readings) > maxReadings) {
			err = errors.New("it is no record of clocks")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", info.Key, err))
			continue
		}
		for _, r := range f.Readings {
			if !r.At.Before(from) && !r.At.After(to) && len(all) < limit {
				all = append(all, r)
			}
		}
	}
	return all, errors.Join(errs...)
}

// clockLate is how long after a reading its record may be made.
const clockLate = 2 * time.Hour
