package export

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/bundle"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/seal"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// consistency proves that every checkpoint in the package is a state of one log
// that was only extended from each to the next.
func (g *gathering) consistency(ctx context.Context, in bundle.Input) ([]bundle.Consistency, error) {
	var proofs, checkpoints [][]byte
	add := func(events []bundle.Event) {
		for _, e := range events {
			proofs = append(proofs, e.Proof)
		}
	}
	for _, c := range in.Captures {
		proofs = append(proofs, c.Proof)
		add(c.Events)
		if c.After != nil {
			checkpoints = append(checkpoints, c.After.Checkpoint)
		}
		if c.Original != nil {
			add([]bundle.Event{c.Original.Event})
		}
	}
	if in.Case != nil {
		add(in.Case.Events)
	}
	add(in.Log.Rotations)
	for _, b := range proofs {
		p, err := custody.ParseProof(b)
		if err != nil {
			return nil, err
		}
		checkpoints = append(checkpoints, p.Checkpoint)
	}
	sizes, err := sizesOf(checkpoints)
	if err != nil {
		return nil, err
	}
	var out []bundle.Consistency
	for i := 0; i+1 < len(sizes); i++ {
		if sizes[i] == 0 {
			continue // anything extends an empty log
		}
		p, err := g.Log.Consistency(ctx, sizes[i], sizes[i+1])
		if err != nil {
			return nil, fmt.Errorf("that the log of %d entries was extended to %d: %w", sizes[i], sizes[i+1], err)
		}
		out = append(out, bundle.Consistency{From: sizes[i], To: sizes[i+1], Proof: p})
	}
	return out, nil
}

// sizesOf reads the second line of checkpoints, in order and each once.
func sizesOf(checkpoints [][]byte) ([]int64, error) {
	var sizes []int64
	for _, b := range checkpoints {
		lines := strings.SplitN(string(b), "\n", 3)
		if len(lines) != 3 {
			return nil, errors.New("a checkpoint is not in its form")
		}
		n, err := strconv.ParseInt(lines[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("a checkpoint is not in its form: %w", err)
		}
		sizes = append(sizes, n)
	}
	slices.Sort(sizes)
	return slices.Compact(sizes), nil
}

// maxClock bounds the clock readings in one package.
const maxClock = 200

// clock tells what other clocks said from an hour before the first capture to
// an hour after the last, day by day of the captures. Records that cannot be
// read are said and stop nothing.
func (g *gathering) clock(ctx context.Context, entries []catalog.Entry) ([]string, error) {
	days := map[time.Time]bool{}
	for _, e := range entries {
		days[e.Started.UTC().Truncate(24*time.Hour)] = true
	}
	var all []seal.Reading
	for day := range days {
		got, err := g.Stamps.Clocks(ctx, day, day.Add(24*time.Hour), maxClock)
		if errors.Is(err, vault.ErrUnavailable) || ctx.Err() != nil {
			return nil, err
		}
		if err != nil {
			g.warn("a record of the machines' clocks cannot be read: %v", err)
		}
		all = append(all, got...)
	}
	slices.SortFunc(all, func(a, b seal.Reading) int { return a.At.Compare(b.At) })
	var lines []string
	for _, r := range all {
		if line := r.String(); !slices.Contains(lines, line) && len(lines) < maxClock {
			lines = append(lines, line)
		}
	}
	return lines, nil
}
