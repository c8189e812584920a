package custody

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/trawlmark/trawlmark/archive/vault"
)

const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
	maxEntry   = 255 // bytes of an entry; ours are at most 103
)

// ErrCorrupt: the vault holds something else than the log says.
var ErrCorrupt = errors.New("the custody log in the vault is damaged")

// tiles reads the log's tiles from the vault (tlog.TileReader). The interface
// has no context, so it carries that of the one call it is made for.
type tiles struct {
	ctx context.Context
	log *Log
	err error // what reading ended with, apart from what checking says
}

func (t *tiles) Height() int                         { return tileHeight }
func (t *tiles) SaveTiles(_ []tlog.Tile, _ [][]byte) {}

func (t *tiles) ReadTiles(want []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(want))
	for i, tile := range want {
		b, err := t.log.readTile(t.ctx, tile)
		if err != nil {
			t.err = err
			return nil, err
		}
		data[i] = b
	}
	return data, nil
}

// hashes reads tiles of a checkpoint and checks every one against its root:
// use gets the reader. That hashes do not fit is ErrCorrupt.
func (l *Log) hashes(ctx context.Context, c Checkpoint, use func(tlog.HashReader) error) error {
	t := &tiles{ctx: ctx, log: l}
	err := use(tlog.TileHashReader(c.Tree(), t))
	if t.err != nil {
		return t.err
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return nil
}

// readTile reads a tile. Where a partial one is gone (they may be deleted once
// the full one is there, C2SP tlog-tiles), its full tile begins with it.
func (l *Log) readTile(ctx context.Context, t tlog.Tile) ([]byte, error) {
	size := t.W * tlog.HashSize
	b, err := l.get(ctx, vault.TileKey(t.L, t.N, t.W), tileWidth*tlog.HashSize)
	if errors.Is(err, vault.ErrNotFound) && t.W < tileWidth {
		full, err2 := l.get(ctx, vault.TileKey(t.L, t.N, tileWidth), tileWidth*tlog.HashSize)
		if err2 == nil && len(full) == tileWidth*tlog.HashSize {
			return full[:size], nil
		}
	}
	if err != nil {
		return nil, err
	}
	if len(b) != size {
		return nil, fmt.Errorf("%w: %s has %d bytes, want %d", ErrCorrupt, vault.TileKey(t.L, t.N, t.W), len(b), size)
	}
	return b, nil
}

// readEntries reads the first width entries of a bundle.
func (l *Log) readEntries(ctx context.Context, n int64, width int) ([]Entry, error) {
	key := vault.EntriesKey(n, width)
	b, err := l.get(ctx, key, tileWidth*(2+maxEntry))
	if errors.Is(err, vault.ErrNotFound) && width < tileWidth {
		key = vault.EntriesKey(n, tileWidth)
		if full, err2 := l.get(ctx, key, tileWidth*(2+maxEntry)); err2 == nil {
			b, err = full, nil
		}
	}
	if err != nil {
		return nil, err
	}
	entries, err := parseBundle(b)
	if err == nil && len(entries) < width {
		err = fmt.Errorf("it has %d entries, want %d", len(entries), width)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrCorrupt, key, err)
	}
	return entries[:width], nil
}

// appendBundle writes entries as C2SP tlog-tiles bundles them: each behind its
// length, big-endian uint16.
func appendBundle(b []byte, entries []Entry) []byte {
	for _, e := range entries {
		m := e.Marshal()
		b = binary.BigEndian.AppendUint16(b, uint16(len(m)))
		b = append(b, m...)
	}
	return b
}

// parseBundle accepts exactly what appendBundle writes, up to 256 entries.
func parseBundle(b []byte) ([]Entry, error) {
	var entries []Entry
	for len(b) > 0 {
		if len(b) < 2 || len(entries) == tileWidth {
			return nil, fmt.Errorf("%w: the bundle is cut or too long", ErrEntry)
		}
		n := int(binary.BigEndian.Uint16(b))
		if len(b) < 2+n {
			return nil, fmt.Errorf("%w: the bundle is cut", ErrEntry)
		}
		e, err := ParseEntry(b[2 : 2+n])
		if err != nil {
			return nil, err
		}
		entries, b = append(entries, e), b[2+n:]
	}
	return entries, nil
}

// edge is the right edge of a tree: the partial tile of each level. It holds
// every old hash that is needed to add leaves.
type edge struct {
	tree    tlog.Tree
	tiles   map[[2]int64][]byte // {level, n} -> hashes
	entries []Entry             // of the partial bundle
	added   map[int64]tlog.Hash // new hashes by stored index
	fresh   []Entry             // new entries
}

// loadEdge reads the right edge of a tree and checks it against the root.
func (l *Log) loadEdge(ctx context.Context, tree tlog.Tree) (*edge, error) {
	e := &edge{tree: tree, tiles: map[[2]int64][]byte{}, added: map[int64]tlog.Hash{}}
	for level := 0; tree.N>>(level*tileHeight) > 0; level++ {
		count := tree.N >> (level * tileHeight)
		n, w := count/tileWidth, int(count%tileWidth)
		if w == 0 {
			continue
		}
		b, err := l.readTile(ctx, tlog.Tile{H: tileHeight, L: level, N: n, W: w})
		if err != nil {
			return nil, err
		}
		e.tiles[[2]int64{int64(level), n}] = b
	}
	if root, err := tlog.TreeHash(tree.N, e); err != nil || root != tree.Hash {
		return nil, fmt.Errorf("%w: the tiles of size %d do not lead to its root", ErrCorrupt, tree.N)
	}
	w := int(tree.N % tileWidth)
	if w == 0 {
		return e, nil
	}
	var err error
	if e.entries, err = l.readEntries(ctx, tree.N/tileWidth, w); err != nil {
		return nil, err
	}
	leaves := e.tiles[[2]int64{0, tree.N / tileWidth}]
	for i, entry := range e.entries {
		if h := entry.LeafHash(); string(h[:]) != string(leaves[i*tlog.HashSize:(i+1)*tlog.HashSize]) {
			return nil, fmt.Errorf("%w: entry %d is not the one in the tree", ErrCorrupt, tree.N-int64(w-i))
		}
	}
	return e, nil
}

// ReadHashes implements tlog.HashReader.
func (e *edge) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if h, ok := e.added[x]; ok {
			out[i] = h
			continue
		}
		t := tlog.TileForIndex(tileHeight, x)
		data := e.tiles[[2]int64{int64(t.L), t.N}]
		t.W = max(t.W, len(data)/tlog.HashSize)
		h, err := tlog.HashFromTile(t, data, x)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		out[i] = h
	}
	return out, nil
}

// object is one thing to be published.
type object struct {
	key, mediaType string
	bytes          []byte
}

// extend adds entries and gives the new tree and the objects that show it:
// bundles first, then tiles.
func (e *edge) extend(entries []Entry) (tlog.Tree, []object, error) {
	from := e.tree.N
	for i, entry := range entries {
		n := from + int64(i)
		hashes, err := tlog.StoredHashesForRecordHash(n, entry.LeafHash(), e)
		if err != nil {
			return tlog.Tree{}, nil, err
		}
		at := tlog.StoredHashIndex(0, n)
		for j, h := range hashes {
			e.added[at+int64(j)] = h
		}
	}
	e.fresh = append(e.fresh, entries...)
	to := from + int64(len(entries))
	root, err := tlog.TreeHash(to, e)
	if err != nil {
		return tlog.Tree{}, nil, err
	}
	objects := e.bundles(entries)
	for _, t := range tlog.NewTiles(tileHeight, from, to) {
		data, err := tlog.ReadTileData(t, e)
		if err != nil {
			return tlog.Tree{}, nil, err
		}
		objects = append(objects, object{vault.TileKey(t.L, t.N, t.W), "application/octet-stream", data})
	}
	return tlog.Tree{N: to, Hash: root}, objects, nil
}

// at gives the right edge of the tree that extend led to.
func (e *edge) at(to tlog.Tree) (*edge, error) {
	next := newEdge()
	next.tree = to
	for level := 0; to.N>>(level*tileHeight) > 0; level++ {
		count := to.N >> (level * tileHeight)
		t := tlog.Tile{H: tileHeight, L: level, N: count / tileWidth, W: int(count % tileWidth)}
		if t.W == 0 {
			continue
		}
		data, err := tlog.ReadTileData(t, e)
		if err != nil {
			return nil, err
		}
		next.tiles[[2]int64{int64(level), t.N}] = data
	}
	all := append(append([]Entry(nil), e.entries...), e.fresh...)
	next.entries = all[len(all)-int(to.N%tileWidth):]
	return next, nil
}

func (e *edge) bundles(entries []Entry) []object {
	var objects []object
	n := e.tree.N / tileWidth
	all := append(append([]Entry(nil), e.entries...), entries...)
	if len(entries) == 0 {
		return nil
	}
	for ; len(all) > 0; n++ {
		w := min(len(all), tileWidth)
		objects = append(objects, object{vault.EntriesKey(n, w), "application/octet-stream", appendBundle(nil, all[:w])})
		all = all[w:]
	}
	return objects
}
