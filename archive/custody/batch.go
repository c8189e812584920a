package custody

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/trawlmark/trawlmark/archive/capture"
)

const (
	batchLabel = "trawlmark.batch/v1"
	// MaxBatch bounds the entries of one batch.
	MaxBatch = 50_000
	// maxBatchBytes bounds a batch object: a line is at most 36+1+17+1+64+1.
	maxBatchBytes = 1024 + MaxBatch*120
)

// ErrBatch is returned by parseBatch.
var ErrBatch = errors.New("not a batch of log entries")

// batch is what one Sequence adds: staged in the vault before the head moves,
// so that whoever comes next can finish it. It also ties each leaf to its
// event, which the public tiles do not.
type batch struct {
	origin   string
	from, to tlog.Tree
	ids      []capture.ID
	entries  []Entry
}

// marshal gives the staged object: text, see SPEC.md, "Batch".
func (b batch) marshal() []byte {
	out := fmt.Appendf(nil, "%s\n%s\n%d %s\n%d %s\n", batchLabel, b.origin, b.from.N, b.from.Hash, b.to.N, b.to.Hash)
	for i, e := range b.entries {
		out = fmt.Appendf(out, "%s %s %s\n", b.ids[i], e.Type, e.Commitment)
	}
	return out
}

// parseBatch accepts exactly what marshal writes.
func parseBatch(in []byte) (batch, error) {
	if len(in) > maxBatchBytes {
		return batch{}, fmt.Errorf("%w: %d bytes are too many", ErrBatch, len(in))
	}
	lines := strings.Split(string(in), "\n")
	if len(lines) < 5 || lines[0] != batchLabel || !validOrigin(lines[1]) || lines[len(lines)-1] != "" {
		return batch{}, fmt.Errorf("%w: its head is wrong or it is cut", ErrBatch)
	}
	b := batch{origin: lines[1]}
	var err1, err2 error
	b.from, err1 = parseTree(lines[2])
	b.to, err2 = parseTree(lines[3])
	rows := lines[4 : len(lines)-1]
	if err := errors.Join(err1, err2); err != nil {
		return batch{}, err
	}
	if b.to.N-b.from.N != int64(len(rows)) {
		return batch{}, fmt.Errorf("%w: %d entries do not lead from %d to %d", ErrBatch, len(rows), b.from.N, b.to.N)
	}
	for _, row := range rows {
		id, rest, _ := strings.Cut(row, " ")
		v, err := capture.ParseID(id)
		if err != nil {
			return batch{}, fmt.Errorf("%w: %w", ErrBatch, err)
		}
		e, err := ParseEntry([]byte(entryLabel + " " + rest + "\n"))
		if err != nil {
			return batch{}, fmt.Errorf("%w: %w", ErrBatch, err)
		}
		b.ids, b.entries = append(b.ids, v), append(b.entries, e)
	}
	return b, nil
}

func parseTree(line string) (tlog.Tree, error) {
	size, root, _ := strings.Cut(line, " ")
	n, err := strconv.ParseInt(size, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != size {
		return tlog.Tree{}, fmt.Errorf("%w: %q is no size", ErrBatch, clip([]byte(size)))
	}
	h, err := parseHash(root)
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("%w: %w", ErrBatch, err)
	}
	return tlog.Tree{N: n, Hash: h}, nil
}

// BatchesPrefix is where batches lie in the vault.
const BatchesPrefix = "log/batches/"

// batchKey names a batch by the tree it leads to: two sequencers that race
// stage two objects, and the head says which one counts.
func batchKey(to tlog.Tree) string {
	return fmt.Sprintf("%s%020d-%s.txt", BatchesPrefix, to.N, hex.EncodeToString(to.Hash[:]))
}
