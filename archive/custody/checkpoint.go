package custody

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// ErrCheckpoint is returned for bytes that are not a checkpoint, or are not
// signed by a key that is trusted for their origin.
var ErrCheckpoint = errors.New("not a checkpoint of this log")

// MaxCheckpoint bounds a signed checkpoint, in bytes.
const MaxCheckpoint = 16 << 10

// Checkpoint is the head of the log at one size (c2sp.org/tlog-checkpoint).
type Checkpoint struct {
	Origin string
	Size   int64
	Root   tlog.Hash
	// Signed is the note as it is published and stamped, signatures and all.
	Signed []byte
}

// Tree gives size and root as x/mod wants them.
func (c Checkpoint) Tree() tlog.Tree { return tlog.Tree{N: c.Size, Hash: c.Root} }

// text is what is signed: origin, size, root, a line each.
func (c Checkpoint) text() string {
	return c.Origin + "\n" + strconv.FormatInt(c.Size, 10) + "\n" + c.Root.String() + "\n"
}

// sign fills in Signed.
func (c Checkpoint) sign(signers ...note.Signer) (Checkpoint, error) {
	signed, err := note.Sign(&note.Note{Text: c.text()}, signers...)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("the checkpoint of size %d could not be signed: %w", c.Size, err)
	}
	c.Signed = signed
	return c, nil
}

// ParseCheckpoint opens a signed checkpoint. It accepts exactly what the log
// writes: three lines, no extension lines, no repeated or sloppily encoded
// signatures. At least one signature must be by a known verifier whose name is
// the origin; signatures by unknown keys are carried along (key rotation,
// witnesses), a wrong signature by a known key is refused.
func ParseCheckpoint(signed []byte, known note.Verifiers) (Checkpoint, error) {
	if len(signed) > MaxCheckpoint {
		return Checkpoint{}, fmt.Errorf("%w: %d bytes, the limit is %d", ErrCheckpoint, len(signed), MaxCheckpoint)
	}
	n, err := note.Open(signed, known)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	c, err := parseText(n.Text)
	if err != nil {
		return Checkpoint{}, err
	}
	if err := strictSignatures(signed[len(n.Text):], n); err != nil {
		return Checkpoint{}, err
	}
	for _, s := range n.Sigs {
		if s.Name == c.Origin {
			c.Signed = append([]byte(nil), signed...)
			return c, nil
		}
	}
	return Checkpoint{}, fmt.Errorf("%w: no trusted key of the name %q signed it", ErrCheckpoint, c.Origin)
}

// parseText reads the signed text and accepts exactly what text writes.
func parseText(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" || !validOrigin(lines[0]) {
		return Checkpoint{}, fmt.Errorf("%w: want three lines: origin, size, root", ErrCheckpoint)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 {
		return Checkpoint{}, fmt.Errorf("%w: %q is no size", ErrCheckpoint, clip([]byte(lines[1])))
	}
	root, err := parseHash(lines[2])
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: root: %w", ErrCheckpoint, err)
	}
	c := Checkpoint{Origin: lines[0], Size: size, Root: root}
	if c.text() != text {
		return Checkpoint{}, fmt.Errorf("%w: its text is not in the one form we write", ErrCheckpoint)
	}
	return c, nil
}

// strictSignatures refuses what note.Open forgives: repeated lines and base64
// with stray bits, both of which give one note several spellings.
func strictSignatures(tail []byte, n *note.Note) error {
	b := strings.Builder{}
	b.WriteByte('\n')
	count := 0
	for line := range strings.Lines(string(tail[1:])) {
		count++
		name, b64, _ := strings.Cut(strings.TrimPrefix(line, "— "), " ")
		raw, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(b64, "\n"))
		if err != nil {
			return fmt.Errorf("%w: a signature is not base64", ErrCheckpoint)
		}
		fmt.Fprintf(&b, "— %s %s\n", name, base64.StdEncoding.EncodeToString(raw))
	}
	if b.String() != string(tail) || count != len(n.Sigs)+len(n.UnverifiedSigs) {
		return fmt.Errorf("%w: its signatures are repeated or not in the one form we write", ErrCheckpoint)
	}
	return nil
}

// validOrigin: what may name a log and its keys (signed-note names).
func validOrigin(s string) bool {
	return s != "" && len(s) <= 200 && utf8.ValidString(s) && printable(s) &&
		strings.IndexFunc(s, unicode.IsSpace) < 0 && !strings.Contains(s, "+")
}

// parseHash accepts exactly what tlog.Hash.String writes.
func parseHash(s string) (tlog.Hash, error) {
	h, err := tlog.ParseHash(s)
	if err != nil || h.String() != s {
		return tlog.Hash{}, fmt.Errorf("%q is no base64 SHA-256", clip([]byte(s)))
	}
	return h, nil
}
