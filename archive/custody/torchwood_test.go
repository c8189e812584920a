package custody

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/archive/vault"
)

// torchwood builds the reader of testdata/torchwood, which shares no code with
// us: the tile client of the people who wrote the formats.
func torchwood(t *testing.T) string {
	t.Helper()
	exe := filepath.Join(t.TempDir(), "torchwood")
	cmd := exec.Command("go", "build", "-o", exe, ".")
	cmd.Dir = "testdata/torchwood"
	out, err := cmd.CombinedOutput()
	if err == nil {
		return exe
	}
	for _, away := range []string{"dial tcp", "no such host", "module lookup disabled", "connection refused", "i/o timeout", "executable file not found"} {
		if strings.Contains(string(out)+err.Error(), away) {
			why := fmt.Sprintf("filippo.io/torchwood is not in the module cache and cannot be had; run 'go mod download' in archive/custody/testdata/torchwood where there is a network (%v: %s)", err, out)
			if os.Getenv("CI") == "true" {
				t.Fatalf("CI must have the log read by a program that is not ours: %s", why)
			}
			t.Skip(why)
		}
	}
	t.Fatalf("%v: %s", err, out)
	return ""
}

// serve shows the public part of a vault by HTTP.
func (w *world) serve() string {
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _, err := w.vault.Get(r.Context(), strings.TrimPrefix(r.URL.Path, "/"), "")
		switch {
		case errors.Is(err, vault.ErrNotFound):
			http.NotFound(rw, r)
		case err != nil:
			http.Error(rw, err.Error(), http.StatusInternalServerError)
		default:
			defer body.Close()
			_, _ = io.Copy(rw, body)
		}
	}))
	w.t.Cleanup(srv.Close)
	return srv.URL + "/log"
}

// TestTorchwood has the whole log read and proved by torchwood, and its hashes
// compared with ours, one by one; then by a hand with the storage's own
// credentials something is changed, and torchwood has to refuse it.
func TestTorchwood(t *testing.T) {
	exe := torchwood(t)
	ctx := context.Background()
	w := newWorld(t)
	rotated, err := w.keys.Rotate(w.rand)
	if err != nil {
		t.Fatal(err)
	}
	w.use(rotated) // checkpoints of two signatures
	public, err := rotated.Public()
	if err != nil {
		t.Fatal(err)
	}
	l := w.open()
	var receipts []Receipt
	var points []Checkpoint
	var sizes []string
	for _, n := range []int{1, 6, 249, 30, 240} { // a full tile to the brim, and beyond two
		receipts = append(receipts, w.append(l, n)...)
		points = append(points, w.sequence(l))
		sizes = append(sizes, strings.TrimPrefix(vault.CheckpointKey(points[len(points)-1].Size), vault.CheckpointsPrefix))
	}
	base := w.serve()
	ask := func(key string, sizes ...string) ([]byte, error) {
		return exec.Command(exe, append([]string{base, key}, sizes...)...).CombinedOutput()
	}
	for _, key := range public {
		out, err := ask(key, sizes...)
		if err != nil {
			t.Fatalf("torchwood says %s", out)
		}
		var got []struct {
			Origin      string
			Size        int64
			Entries     []string
			Proofs      [][]string
			Consistency []string
		}
		if err := json.Unmarshal(out, &got); err != nil || len(got) != len(points) {
			t.Fatalf("%d checkpoints, %v", len(got), err)
		}
		for i, g := range got {
			if g.Origin != testOrigin || g.Size != points[i].Size || int64(len(g.Entries)) != g.Size || int64(len(g.Proofs)) != g.Size {
				t.Fatalf("%s, size %d with %d entries and %d proofs; want %d", g.Origin, g.Size, len(g.Entries), len(g.Proofs), points[i].Size)
			}
			for n := range g.Size {
				proof, err := l.ProofAt(ctx, n, g.Size)
				if err != nil {
					t.Fatal(err)
				}
				p, err := ParseProof(proof)
				if err != nil {
					t.Fatal(err)
				}
				if want := fmt.Sprintf("%x", sha256.Sum256(receipts[n].Entry.Marshal())); g.Entries[n] != want {
					t.Fatalf("entry %d of %d is another one", n, g.Size)
				}
				if !slices.Equal(g.Proofs[n], hashTexts(p.Hashes)) {
					t.Fatalf("entry %d of %d: torchwood proves it by %v, we by %v", n, g.Size, g.Proofs[n], p.Hashes)
				}
			}
			if i == 0 {
				continue
			}
			raw, err := l.Consistency(ctx, points[i-1].Size, g.Size)
			if err != nil {
				t.Fatal(err)
			}
			ours, err := ParseConsistency(raw)
			if err != nil || !slices.Equal(g.Consistency, hashTexts(ours.Hashes)) {
				t.Fatalf("from %d to %d torchwood has %v, we have %v, %v", points[i-1].Size, g.Size, g.Consistency, ours.Hashes, err)
			}
		}
	}
	last := sizes[len(sizes)-1]
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	stranger, _ := NewKeys(testOrigin, w.rand)
	theirs, _ := stranger.Public()
	if out, err := ask(theirs[0], last); err == nil || !strings.Contains(string(out), "REFUSED") {
		t.Errorf("a stranger's key: %s", out)
	}
	for _, key := range []string{vault.EntriesKey(1, 256), vault.TileKey(0, 0, 256), vault.TileKey(1, 0, 2), vault.CheckpointKey(points[4].Size)} {
		w.vault.Corrupt(key, flip)
		if out, err := ask(public[0], last); err == nil || !strings.Contains(string(out), "REFUSED") {
			t.Errorf("%s is altered, and torchwood says %.200s", key, out)
		}
		w.vault.Corrupt(key, flip)
	}
	if out, err := ask(public[0], last); err != nil {
		t.Errorf("mended, and torchwood says %.200s", out)
	}
}

func hashTexts[H fmt.Stringer](hashes []H) []string {
	all := []string{}
	for _, h := range hashes {
		all = append(all, h.String())
	}
	return all
}
