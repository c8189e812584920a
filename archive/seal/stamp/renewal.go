package stamp

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A renewal is a stamp over a list: a line for each checkpoint, with the hash
// of its old stamps and of itself. While the renewal's own chain holds, the old
// stamps are known to be from before theirs ended. One stamp renews a thousand
// checkpoints, and each can be shown alone: the list, the old stamps, the
// checkpoint. See SPEC.md, "Renewal".

const (
	renewalLabel = "trawlmark.renewal/v1"
	// MaxRenewed bounds the lines of a list.
	MaxRenewed = 1000
	// MaxRenewalList bounds a list, in bytes.
	MaxRenewalList = 4 << 20
	maxOver        = 64 // files on one line
)

// ErrRenewal is returned for a list that is none, or is of other stamps.
var ErrRenewal = errors.New("not a renewal of these stamps")

// Renewed is one line of a list.
type Renewed struct {
	Size   int64 // of the checkpoint
	Digest [sha256.Size]byte
	// Over are the files whose bytes were hashed, in order, the checkpoint's
	// behind them: "<name>.tsr" of the checkpoint's stamps, "<from>-<to>/<name>.tsr"
	// of earlier renewals.
	Over []string
}

// RenewalDigest is what a line holds: SHA-256 of the stamps' bytes, one after
// the other, and the checkpoint's.
func RenewalDigest(tsrs [][]byte, checkpoint []byte) [sha256.Size]byte {
	h := sha256.New()
	for _, b := range tsrs {
		h.Write(b)
	}
	h.Write(checkpoint)
	return [sha256.Size]byte(h.Sum(nil))
}

// RenewalList writes a list.
func RenewalList(lines []Renewed) []byte {
	b := []byte(renewalLabel + "\n")
	for _, l := range lines {
		b = fmt.Appendf(b, "%d %x %s\n", l.Size, l.Digest, strings.Join(l.Over, " "))
	}
	return b
}

// ParseRenewalList accepts exactly what RenewalList writes, of 1 to MaxRenewed
// lines in order of size.
func ParseRenewalList(b []byte) ([]Renewed, error) {
	if len(b) > MaxRenewalList {
		return nil, fmt.Errorf("%w: it has %d bytes, the limit is %d", ErrRenewal, len(b), MaxRenewalList)
	}
	text, ok := strings.CutPrefix(string(b), renewalLabel+"\n")
	if !ok {
		return nil, fmt.Errorf("%w: it does not begin as a list", ErrRenewal)
	}
	var lines []Renewed
	for line := range strings.Lines(text) {
		words := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		if len(words) < 3 || len(words) > 2+maxOver || len(lines) == MaxRenewed {
			return nil, fmt.Errorf("%w: line %d is cut or too long", ErrRenewal, len(lines)+2)
		}
		l := Renewed{Over: words[2:]}
		var err error
		if l.Size, err = strconv.ParseInt(words[0], 10, 64); err != nil || l.Size < 0 || len(lines) > 0 && l.Size <= lines[len(lines)-1].Size {
			return nil, fmt.Errorf("%w: the sizes are not in order", ErrRenewal)
		}
		d, err := hex.DecodeString(words[1])
		if err != nil || len(d) != len(l.Digest) || slices.ContainsFunc(l.Over, badFile) {
			return nil, fmt.Errorf("%w: line %d is broken", ErrRenewal, len(lines)+2)
		}
		copy(l.Digest[:], d)
		lines = append(lines, l)
	}
	if len(lines) == 0 || !bytes.Equal(RenewalList(lines), b) {
		return nil, fmt.Errorf("%w: it is empty or not in the form we write", ErrRenewal)
	}
	return lines, nil
}

// badFile: whatever could lead out of the folders of stamps and renewals.
func badFile(name string) bool {
	stem, ok := strings.CutSuffix(name, ".tsr")
	dir, file, deep := strings.Cut(stem, "/")
	if !deep {
		dir, file = "0", stem
	}
	return !ok || file == "" || dir == "" || strings.Trim(dir, "0123456789-") != "" || strings.Trim(file, "abcdefghijklmnopqrstuvwxyz0123456789-") != ""
}

// RenewalOf finds the line of one checkpoint and checks that it is of these
// stamps: bytes gives a file's bytes by its name in the line.
func RenewalOf(lines []Renewed, size int64, checkpoint []byte, read func(file string) ([]byte, error)) (Renewed, error) {
	i, ok := slices.BinarySearchFunc(lines, size, func(l Renewed, n int64) int { return int(min(1, max(-1, l.Size-n))) })
	if !ok {
		return Renewed{}, fmt.Errorf("%w: it does not name the checkpoint of size %d", ErrRenewal, size)
	}
	var tsrs [][]byte
	for _, file := range lines[i].Over {
		b, err := read(file)
		if err != nil {
			return Renewed{}, fmt.Errorf("%s: %w", file, err)
		}
		tsrs = append(tsrs, b)
	}
	if RenewalDigest(tsrs, checkpoint) != lines[i].Digest {
		return Renewed{}, fmt.Errorf("%w: its hash for size %d is of other bytes", ErrRenewal, size)
	}
	return lines[i], nil
}

// Link is a renewal as Until counts it.
type Link struct {
	File string // its own name in the Over of later ones
	Time Time
	Over []string
}

// Until tells how long the stamps of one checkpoint can be believed by their
// certificates, renewals included: stamps are those of the checkpoint, by file
// name. A renewal counts if it was made before all ended that it is over.
func Until(stamps map[string]Time, renewals []Link) time.Time {
	ends := map[string]time.Time{}
	var until time.Time
	add := func(file string, end time.Time) {
		ends[file] = end
		if end.After(until) {
			until = end
		}
	}
	for file, t := range stamps {
		add(file, t.NotAfter)
	}
	byTime := slices.SortedFunc(slices.Values(renewals), func(a, b Link) int { return a.Time.At.Compare(b.Time.At) })
	for _, r := range byTime {
		if slices.ContainsFunc(r.Over, func(f string) bool { return r.Time.Latest().Before(ends[f]) }) {
			add(r.File, r.Time.NotAfter)
		}
	}
	return until
}
