package custody

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// ErrProof is returned for bytes that are not a proof, and for proofs that do
// not prove.
var ErrProof = errors.New("not a proof")

const (
	proofLabel = "c2sp.org/tlog-proof@v1"
	maxHashes  = 64 // more than any tree of 2^63 leaves needs
)

// Proof is a .tlog-proof: this entry is in that checkpoint
// (c2sp.org/tlog-proof@v1, without the optional "extra" line).
type Proof struct {
	Index      int64 // of the entry, from 0
	Hashes     []tlog.Hash
	Checkpoint []byte // the signed checkpoint, verbatim
}

// Marshal gives the file.
func (p Proof) Marshal() []byte {
	b := fmt.Appendf(nil, "%s\nindex %d\n", proofLabel, p.Index)
	return append(appendHashes(b, p.Hashes), p.Checkpoint...)
}

// ParseProof accepts exactly what Marshal writes. It checks form, not truth:
// the checkpoint inside is not even parsed. Use VerifyProof.
func ParseProof(b []byte) (Proof, error) {
	rest, ok := strings.CutPrefix(string(b), proofLabel+"\n")
	if !ok {
		return Proof{}, fmt.Errorf("%w: it does not begin with %q", ErrProof, proofLabel)
	}
	var p Proof
	var err error
	p.Index, p.Hashes, p.Checkpoint, err = parseHashes(rest, "index ")
	return p, err
}

// VerifyProof checks that an entry is in the log that the verifiers know.
func VerifyProof(proof []byte, entry Entry, known note.Verifiers) error {
	_, err := Verified(proof, entry, known)
	return err
}

// Verified is VerifyProof, and gives the checkpoint that covers the entry.
func Verified(proof []byte, entry Entry, known note.Verifiers) (Checkpoint, error) {
	p, err := ParseProof(proof)
	if err != nil {
		return Checkpoint{}, err
	}
	c, err := ParseCheckpoint(p.Checkpoint, known)
	if err != nil {
		return Checkpoint{}, err
	}
	if p.Index >= c.Size {
		return Checkpoint{}, fmt.Errorf("%w: index %d is outside of a log of %d entries", ErrProof, p.Index, c.Size)
	}
	if err := tlog.CheckRecord(p.Hashes, c.Size, c.Root, p.Index, entry.LeafHash()); err != nil {
		return Checkpoint{}, fmt.Errorf("%w: entry %d does not lead to the root of the checkpoint", ErrProof, p.Index)
	}
	return c, nil
}

// Consistency proves that a checkpoint's log is an earlier one's log with
// entries added. The form is a witness' add-checkpoint request
// (c2sp.org/tlog-witness): "old <size>", hashes, an empty line, the checkpoint.
type Consistency struct {
	Old        int64
	Hashes     []tlog.Hash
	Checkpoint []byte
}

// Marshal gives the file.
func (p Consistency) Marshal() []byte {
	return append(appendHashes(fmt.Appendf(nil, "old %d\n", p.Old), p.Hashes), p.Checkpoint...)
}

// ParseConsistency accepts exactly what Marshal writes.
func ParseConsistency(b []byte) (Consistency, error) {
	var p Consistency
	var err error
	p.Old, p.Hashes, p.Checkpoint, err = parseHashes(string(b), "old ")
	return p, err
}

// VerifyConsistency checks a consistency proof against a checkpoint that is
// known already, and gives the newer one.
func VerifyConsistency(proof []byte, old Checkpoint, known note.Verifiers) (Checkpoint, error) {
	p, err := ParseConsistency(proof)
	if err != nil {
		return Checkpoint{}, err
	}
	c, err := ParseCheckpoint(p.Checkpoint, known)
	if err != nil {
		return Checkpoint{}, err
	}
	if c.Origin != old.Origin || p.Old != old.Size || c.Size < old.Size {
		return Checkpoint{}, fmt.Errorf("%w: it is from %d to %d of %q, wanted from %d of %q", ErrProof, p.Old, c.Size, c.Origin, old.Size, old.Origin)
	}
	if old.Size == 0 {
		// Every log extends the empty one; x/mod has no proof for it.
		if len(p.Hashes) != 0 {
			return Checkpoint{}, fmt.Errorf("%w: a proof from the empty log has no hashes", ErrProof)
		}
		return c, nil
	}
	if err := tlog.CheckTree(p.Hashes, c.Size, c.Root, old.Size, old.Root); err != nil {
		return Checkpoint{}, fmt.Errorf("%w: the log of size %d does not extend the one of size %d", ErrProof, c.Size, old.Size)
	}
	return c, nil
}

func appendHashes(b []byte, hs []tlog.Hash) []byte {
	for _, h := range hs {
		b = append(append(b, h.String()...), '\n')
	}
	return append(b, '\n')
}

// parseHashes reads "<word><number>", hashes, an empty line, a checkpoint.
func parseHashes(s, word string) (n int64, hs []tlog.Hash, checkpoint []byte, err error) {
	head, rest, ok := strings.Cut(s, "\n\n")
	lines := strings.Split(head, "\n")
	number, ok2 := strings.CutPrefix(lines[0], word)
	if !ok || !ok2 || len(lines)-1 > maxHashes || len(rest) > MaxCheckpoint {
		return 0, nil, nil, fmt.Errorf("%w: want %q and a number, at most %d hashes, an empty line, a checkpoint", ErrProof, strings.TrimSpace(word), maxHashes)
	}
	n, err = strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != number {
		return 0, nil, nil, fmt.Errorf("%w: %q is no number", ErrProof, clip([]byte(number)))
	}
	for _, l := range lines[1:] {
		h, err := parseHash(l)
		if err != nil {
			return 0, nil, nil, fmt.Errorf("%w: %w", ErrProof, err)
		}
		hs = append(hs, h)
	}
	return n, hs, []byte(rest), nil
}
