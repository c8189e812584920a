// Command torchwood reads a custody log as a stranger would, with nothing of
// Trawlmark: torchwood's tile fetcher and client, x/mod's notes. It prints what
// it accepted, for a test to compare; anything it does not accept ends it.
//
//	torchwood <base URL of the log> <verifier key> <size> [<size> ...]
//
// Each size is a published checkpoint, served below checkpoints/. It is a module
// of its own so that Trawlmark needs none of what it needs.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// accepted is one checkpoint and all entries below it.
type accepted struct {
	Origin      string     `json:"origin"`
	Size        int64      `json:"size"`
	Entries     []string   `json:"entries"`     // SHA-256, hex
	Proofs      [][]string `json:"proofs"`      // of each entry, base64
	Consistency []string   `json:"consistency"` // from the size before, base64
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: torchwood BASE KEY SIZE...")
		os.Exit(2)
	}
	all, err := read(context.Background(), os.Args[1], os.Args[2], os.Args[3:])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(all)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "REFUSED:", err)
		os.Exit(1)
	}
}

func read(ctx context.Context, base, key string, sizes []string) ([]accepted, error) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return nil, err
	}
	fetcher, err := torchwood.NewTileFetcher(base)
	if err != nil {
		return nil, err
	}
	client, err := torchwood.NewClient(fetcher, torchwood.WithTimeout(time.Minute))
	if err != nil {
		return nil, err
	}
	var all []accepted
	var before tlog.Tree
	for _, size := range sizes {
		signed, err := get(base + "/checkpoints/" + size)
		if err != nil {
			return nil, err
		}
		n, err := note.Open(signed, note.VerifierList(verifier))
		if err != nil {
			return nil, fmt.Errorf("checkpoint %s: %w", size, err)
		}
		c, err := torchwood.ParseCheckpoint(n.Text)
		if err != nil {
			return nil, fmt.Errorf("checkpoint %s: %w", size, err)
		}
		if c.Origin != verifier.Name() || c.String() != n.Text {
			return nil, fmt.Errorf("checkpoint %s is of %q", size, c.Origin)
		}
		one := accepted{Origin: c.Origin, Size: c.N}
		for i, entry := range client.Entries(ctx, c.Tree, 0) {
			if i != int64(len(one.Entries)) {
				return nil, fmt.Errorf("entry %d comes as number %d", i, len(one.Entries))
			}
			one.Entries = append(one.Entries, fmt.Sprintf("%x", sha256.Sum256(entry)))
		}
		if err := client.Err(); err != nil {
			return nil, err
		}
		// Entries leaves the partial tile at the end to the next checkpoint.
		for i := range c.N {
			entry, proof, err := client.Entry(ctx, c.Tree, i)
			if err != nil {
				return nil, err
			}
			if sum := fmt.Sprintf("%x", sha256.Sum256(entry)); i < int64(len(one.Entries)) && one.Entries[i] != sum {
				return nil, fmt.Errorf("entry %d is two things", i)
			} else if i >= int64(len(one.Entries)) {
				one.Entries = append(one.Entries, sum)
			}
			one.Proofs = append(one.Proofs, texts(proof))
		}
		if before.N > 0 {
			p, err := tlog.ProveTree(c.N, before.N, torchwood.TileHashReaderWithContext(ctx, c.Tree, fetcher))
			if err != nil {
				return nil, err
			}
			if err := tlog.CheckTree(p, c.N, c.Hash, before.N, before.Hash); err != nil {
				return nil, err
			}
			one.Consistency = texts(p)
		}
		before = c.Tree
		all = append(all, one)
	}
	return all, nil
}

func texts[P ~[]tlog.Hash](hashes P) []string {
	all := []string{}
	for _, h := range hashes {
		all = append(all, h.String())
	}
	return all
}

func get(url string) ([]byte, error) {
	resp, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, 1<<20))
}
