package bundle

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// loose is a package taken apart, to be put together otherwise.
type loose struct {
	members []member
	data    map[string][]byte
}

func takeApart(t *testing.T, b []byte) loose {
	t.Helper()
	o, err := open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return loose{o.members, readAll(t, b)}
}

func (l loose) clone() loose {
	c := loose{slices.Clone(l.members), map[string][]byte{}}
	for k, v := range l.data {
		c.data[k] = v
	}
	return c
}

// names of the members, without those given.
func (l loose) pick(r *rand.Rand, not ...string) string {
	for {
		n := l.members[r.IntN(len(l.members))].name
		if !slices.Contains(not, n) && len(l.data[n]) > 0 {
			return n
		}
	}
}

func (l *loose) set(name string, b []byte) {
	if _, ok := l.data[name]; !ok {
		l.members = append(l.members, member{name: name})
	}
	l.data[name] = b
}

func (l *loose) remove(name string) {
	delete(l.data, name)
	l.members = slices.DeleteFunc(l.members, func(m member) bool { return m.name == name })
}

// resum makes SHA256SUMS right again, as somebody who knows the format would.
func (l *loose) resum() {
	var files []file
	for name, b := range l.data {
		if name != nameSums && !strings.HasPrefix(name, dirExport) {
			f := file{name: name, src: inMemory(b)}
			if err := f.measure(context.Background()); err != nil {
				panic(err)
			}
			files = append(files, f)
		}
	}
	sortFiles(files)
	l.set(nameSums, sumsFile(files))
}

// bytes puts it together in the one form.
func (l loose) bytes(sorted bool) []byte {
	ms := slices.Clone(l.members)
	for i := range ms {
		ms[i].crc, ms[i].size = crc32.ChecksumIEEE(l.data[ms[i].name]), int64(len(l.data[ms[i].name]))
	}
	if sorted {
		slices.SortFunc(ms, func(a, b member) int { return strings.Compare(a.name, b.name) })
	}
	var out bytes.Buffer
	if err := layout(ms).copyInto(context.Background(), &out, func(i int) Source { return inMemory(l.data[ms[i].name]) }); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// mutant is a changed package, and the layers of which one must be named.
type mutant struct {
	what   string
	b      []byte
	layers []Layer
}

// layersOf are those that may be named when bytes of a member change: of a
// WACZ also the artifacts, for the WARC is one.
func layersOf(name string) []Layer {
	l := placeOf(name).layer
	if l == LayerWACZ {
		return []Layer{LayerWACZ, LayerArtifacts}
	}
	return []Layer{l}
}

// flip changes one byte somewhere: of a member, or of the container.
func flip(r *rand.Rand, b []byte, o *opened) mutant {
	at := r.IntN(len(b))
	if i := r.IntN(len(o.members) + 8); i < len(o.members) && o.members[i].size > 0 {
		at = int(o.offset[i]) + r.IntN(int(o.members[i].size))
	}
	m := mutant{fmt.Sprintf("byte %d", at), slices.Clone(b), []Layer{LayerPackage}}
	m.b[at] ^= byte(1 + r.IntN(255))
	for i, x := range o.members {
		if d := int64(at) - o.offset[i]; d >= 0 && d < x.size {
			m.what += fmt.Sprintf(", byte %d of %s", d, x.name)
			m.layers = layersOf(x.name)
		}
	}
	return m
}

// structural changes more than a byte, often as somebody who knows the format.
func structural(r *rand.Rand, b []byte, l loose) mutant {
	pkg := []Layer{LayerPackage}
	c := l.clone()
	name := l.pick(r, nameSums)
	changed := slices.Clone(l.data[name])
	changed[r.IntN(len(changed))] ^= byte(1 + r.IntN(255))
	switch r.IntN(14) {
	case 0:
		return mutant{"cut", b[:r.IntN(len(b))], pkg}
	case 1:
		return mutant{"longer", append(slices.Clone(b), make([]byte, 1+r.IntN(40))...), pkg}
	case 2:
		at := r.IntN(len(b))
		return mutant{"a byte more", slices.Insert(slices.Clone(b), at, byte(r.IntN(256))), pkg}
	case 3:
		at, n := r.IntN(len(b)-100), 1+r.IntN(90)
		return mutant{"bytes less", slices.Delete(slices.Clone(b), at, at+n), pkg}
	case 4:
		c.remove(name)
		return mutant{"without " + name, c.bytes(true), pkg}
	case 5:
		c.remove(name)
		c.resum()
		return mutant{"without " + name + ", listed so", c.bytes(true), pkg}
	case 6:
		c.set(name, changed)
		return mutant{name + " changed, with its CRC", c.bytes(true), layersOf(name)}
	case 7:
		c.set(name, changed)
		c.resum()
		return mutant{name + " changed, with its CRC and SHA256SUMS", c.bytes(true), pkg}
	case 8:
		extra := []string{"extra.txt", "native/x.exe", "seal/log/x.json", name + "x", "zz/.hidden", "../up", "/root", "a\\b", "verify/trust.txt"}[r.IntN(9)]
		c.set(extra, []byte("added"))
		if r.IntN(2) == 0 {
			c.resum()
		}
		return mutant{"with " + extra, c.bytes(true), pkg}
	case 9:
		other := l.pick(r, name, nameSums)
		if bytes.Equal(c.data[name], c.data[other]) {
			return mutant{"cut", b[:len(b)-1], pkg}
		}
		c.data[name], c.data[other] = c.data[other], c.data[name]
		return mutant{name + " and " + other + " exchanged", c.bytes(true), append(layersOf(name), layersOf(other)...)}
	case 10:
		i := r.IntN(len(c.members) - 1)
		c.members[i], c.members[i+1] = c.members[i+1], c.members[i]
		return mutant{"in another order", c.bytes(false), pkg}
	case 11:
		i := r.IntN(len(c.members))
		c.members = slices.Insert(c.members, i, c.members[i])
		return mutant{"twice " + c.members[i].name, c.bytes(true), pkg}
	case 12:
		c.remove(name)
		c.set(strings.ToUpper(name), l.data[name])
		if r.IntN(2) == 0 {
			c.resum()
		}
		return mutant{name + " renamed", c.bytes(true), pkg}
	}
	c.set(name, changed[:r.IntN(len(changed))])
	return mutant{name + " cut", c.bytes(true), layersOf(name)}
}

// No mutant passes, and the layer that is named is the one that was hit.
func TestMutantsAreRefusedByTheLayerThatWasHit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// A redaction has everything that a capture has, and its original; and the
	// stamps rest on renewals.
	in := w.redactedInput(1, true)
	w.renew(in)
	b, _ := w.write(in)
	trust, l := w.trust(), takeApart(t, b)
	o, err := open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	const mutants = 2400
	if r := verifyBytes(t, b, trust); r.Status() != Pass || !strings.Contains(notes(r), "it was renewed before") || len(w.renewals(in)) < 2 {
		t.Fatalf("%s\n%s", r.Status(), notes(r))
	}
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	accepted, named := 0, 0
	hit := map[Layer]int{}
	for i := range mutants {
		m := mutant{}
		if i%3 == 0 {
			m = structural(r, b, l)
		} else {
			m = flip(r, b, o)
		}
		if bytes.Equal(m.b, b) {
			t.Fatalf("seed %d: %s is no change", seed, m.what)
		}
		report := verifyBytes(t, m.b, trust)
		if report.Status() == Pass {
			accepted++
			t.Errorf("seed %d: accepted: %s", seed, m.what)
		}
		if report.Status() != Fail {
			t.Errorf("seed %d: %s: %s is no FAIL", seed, m.what, report.Status())
		}
		hit[m.layers[0]]++
		if slices.ContainsFunc(m.layers, func(l Layer) bool { return report.Layer(l) == Fail }) {
			named++
		} else if testing.Verbose() {
			t.Logf("%s: want %v, got %+v", m.what, m.layers, report.Failed())
		}
	}
	t.Logf("%d mutants, %d accepted, the layer named in %.2f %%; hit: %v", mutants, accepted, 100*float64(named)/mutants, hit)
	fmt.Printf("mutation: %d mutants, %d accepted, layer named in %.2f %%\n", mutants, accepted, 100*float64(named)/mutants)
	if named < mutants*95/100 {
		t.Errorf("seed %d: the layer was named for %d of %d only", seed, named, mutants)
	}
	for _, layer := range Layers() {
		if hit[layer] < 10 {
			t.Errorf("seed %d: %s was hit %d times only", seed, layer, hit[layer])
		}
	}
}
