package bundle

import (
	"fmt"
	"slices"
	"strings"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
)

// extConsistency is the ending of the proofs in seal/log/ that the log was only
// ever extended.
const extConsistency = ".consistency"

// consistencyName is the member of a proof that the log of one size is extended
// by that of another.
func consistencyName(from, to int64) string {
	return fmt.Sprintf("%s%d-%d%s", dirLog, from, to, extConsistency)
}

// consistent checks that all checkpoints in a package are states of one log
// that was only ever extended (RFC 6962 section 2.1.2): none was rewritten
// between one and the next. Where a proof is not there nobody knows.
func (v *verification) consistent() {
	if v.known == nil {
		return // every checkpoint is NOT-CHECKED already
	}
	all := v.checkpoints()
	var sizes []int64
	for n := range all {
		sizes = append(sizes, n)
	}
	slices.Sort(sizes)
	linked := map[int64]int64{}
	for _, m := range v.o.members {
		if !strings.HasPrefix(m.name, dirLog) || !strings.HasSuffix(m.name, extConsistency) {
			continue
		}
		from, to, err := v.extends(m.name, all)
		if v.result(LayerCheckpoint, capture.ID{}, m.name, err, fmt.Sprintf("the log of %d entries was extended to %d", from, to)) {
			linked[from] = to
		}
	}
	for i := 0; i+1 < len(sizes); i++ {
		if sizes[i] > 0 && linked[sizes[i]] != sizes[i+1] {
			v.add(LayerCheckpoint, NotChecked, capture.ID{}, consistencyName(sizes[i], sizes[i+1]), "nothing shows that the log of the one size was extended to the other")
		}
	}
}

// checkpoints gives the signed checkpoints in a package by size. Two of one
// size that differ are a log that was forked.
func (v *verification) checkpoints() map[int64]custody.Checkpoint {
	all := map[int64]custody.Checkpoint{}
	for _, m := range v.o.members {
		var text []byte
		switch {
		case strings.HasSuffix(m.name, "/"+fileCheck):
			b, _, err := v.o.read(m.name, custody.MaxCheckpoint)
			if err != nil {
				continue // told elsewhere
			}
			text = b
		case strings.HasSuffix(m.name, ".tlog-proof"):
			b, _, err := v.o.read(m.name, maxProof)
			if err != nil {
				continue
			}
			p, err := custody.ParseProof(b)
			if err != nil {
				continue
			}
			text = p.Checkpoint
		default:
			continue
		}
		c, err := custody.ParseCheckpoint(text, v.known)
		if err != nil {
			continue // told elsewhere
		}
		if have, ok := all[c.Size]; ok && have.Root != c.Root {
			v.add(LayerCheckpoint, Fail, capture.ID{}, m.name, fmt.Sprintf("the log has two states of %d entries", c.Size))
		}
		if !strings.HasPrefix(m.name, dirExport) { // these come after the list of files is closed
			all[c.Size] = c
		}
	}
	return all
}

func (v *verification) extends(name string, all map[int64]custody.Checkpoint) (from, to int64, err error) {
	b, _, err := v.o.read(name, maxProof)
	if err != nil {
		return 0, 0, err
	}
	p, err := custody.ParseConsistency(b)
	if err != nil {
		return 0, 0, err
	}
	old, ok := all[p.Old]
	if !ok {
		return p.Old, 0, fmt.Errorf("the package has no checkpoint of %d entries", p.Old)
	}
	c, err := custody.VerifyConsistency(b, old, v.known)
	if err != nil {
		return p.Old, 0, err
	}
	if want, ok := all[c.Size]; !ok || want.Root != c.Root || name != consistencyName(p.Old, c.Size) {
		return p.Old, c.Size, fmt.Errorf("it leads to a state of %d entries that is not the package's", c.Size)
	}
	return p.Old, c.Size, nil
}
