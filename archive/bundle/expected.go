package bundle

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/manifest"
	"github.com/trawlmark/trawlmark/archive/seal/stamp"
)

// nameExpected is what the two verifiers say of a package when all is well.
const nameExpected = "verify/expected.txt"

const (
	expectedHead = `# What the two checks of this package said when it was made, with the log's keys
# and the authorities' roots in the trust file: which files they look at, and how
# that ends. It is for comparing, and proves nothing: it is the sender's. Left out
# is what is only known after the export (export/), and what depends on the trust
# file (seal/log/*.json). Certificates that ended since make a line differ.

$ sh verify/verify.sh TRUST.txt     # up to the first colon, sorted
`
	expectedSection = "\n$ trawlmark-verify --trust TRUST.txt PACKAGE     # but for the digest of the package\n"
	maxExpected     = 64 << 20
)

// expect makes verify/expected.txt: all that proves the captures is verified as
// a receiver will, by a trust file with the keys of the log and the roots that
// the stamps lead to. The artifacts were measured against their manifests.
func expect(ctx context.Context, in Input, files []file, views []*view) ([]byte, error) {
	o := sealOf(ctx, files)
	v := &verification{Report: &Report{}, o: o, trust: Trust{Keys: in.Log.Keys, Roots: rootsIn(o), At: in.At}, files: map[capture.ID][]int{}, sealOnly: true}
	var err error
	if v.known, err = v.trust.verifiers(); err != nil {
		return nil, err
	}
	for _, w := range views {
		v.files[w.C.ID] = nil
	}
	for i, m := range o.members {
		if p := placeOf(m.name); !p.capture.IsZero() {
			v.files[p.capture] = append(v.files[p.capture], i)
		}
	}
	v.rotations()
	v.consistent()
	if in.Commit == nil {
		v.exported()
	} else {
		v.add(LayerPackage, Pass, capture.ID{}, nameSums, "")
	}
	v.renewals()
	for _, id := range v.captures() {
		v.capture(ctx, id)
	}
	v.events(dirCase, capture.ID{}, capture.ID{})
	var b bytes.Buffer
	b.WriteString(expectedHead)
	for _, l := range scriptLines(v.Report, views) {
		b.WriteString(l + "\n")
	}
	b.WriteString(expectedSection + v.expectedText())
	return b.Bytes(), ctx.Err()
}

// sealOf gives the small files that prove the others as if they were in a
// container: they are read where they are.
func sealOf(ctx context.Context, files []file) *opened {
	p := planned{ctx: ctx}
	for _, f := range files {
		if strings.HasPrefix(f.name, "seal/") || strings.HasPrefix(f.name, "custody/") {
			p.files = append(p.files, f)
		}
	}
	sortFiles(p.files)
	members, find := make([]member, len(p.files)), map[string]int{}
	for i, f := range p.files {
		members[i], find[f.name] = member{f.name, f.crc, f.size}, i
	}
	p.box = layout(members)
	return &opened{container: p.box, r: p, find: find}
}

// planned reads the data of files that are to be put into a container.
type planned struct {
	ctx   context.Context //nolint:containedctx // an io.ReaderAt takes none, and this one ends with the call
	box   *container
	files []file
}

// ReadAt reads within the data of one file.
func (p planned) ReadAt(b []byte, at int64) (int, error) {
	i, exact := slices.BinarySearch(p.box.offset, at)
	if !exact {
		i--
	}
	if i < 0 {
		return 0, io.EOF
	}
	r, err := p.files[i].src(p.ctx)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	if _, err := io.CopyN(io.Discard, r, at-p.box.offset[i]); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(r, b)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

// rootsIn gives the last certificate of each chain: the root that it leads to.
func rootsIn(o *opened) []*x509.Certificate {
	var roots []*x509.Certificate
	for _, m := range o.members {
		if !strings.HasSuffix(m.name, ".pem") {
			continue
		}
		b, _, err := o.read(m.name, 1<<20)
		if err != nil {
			continue // told by the stamp
		}
		chain, err := stamp.ParsePEM(b)
		if err != nil || len(chain) == 0 {
			continue
		}
		if r := chain[len(chain)-1]; !slices.ContainsFunc(roots, r.Equal) {
			roots = append(roots, r)
		}
	}
	return roots
}

// scriptLines are those that verify.sh says, up to the file: one for each check
// that it makes, too.
func scriptLines(r *Report, views []*view) []string {
	var lines []string
	add := func(s Status, l Layer, file string) {
		lines = append(lines, fmt.Sprintf("%-11s  %-20s  %s", s, l, file))
	}
	add(Pass, LayerPackage, nameSums)
	for _, c := range r.Checks {
		file := c.File
		switch {
		case c.Layer == LayerPackage, c.Status == Withheld, file == "", strings.HasPrefix(file, dirLog) && strings.HasSuffix(file, ".json"):
			continue
		case c.Status == Pass && (strings.HasSuffix(file, "/after/"+fileCheck) || c.Layer == LayerCustody && strings.HasSuffix(file, ".json")):
			continue // it says so only of the stamp, and of the proof
		case c.Layer == LayerCustody:
			file = strings.TrimSuffix(file, ".tlog-proof")
			file = strings.TrimSuffix(file, ".json") + ".json"
		}
		add(c.Status, c.Layer, file)
	}
	for _, v := range views {
		for _, f := range v.Files {
			name := f.Name
			if f.Role == manifest.RoleWARC {
				name, _, _ = strings.Cut(name, " : ")
			}
			add(Pass, LayerArtifacts, name)
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// expectedText is what trawlmark-verify says of a package, but for its name and
// digest.
func (r *Report) expectedText() string {
	return "PACKAGE: " + string(r.Status()) + "\n" + strings.Join(r.Lines(false), "\n") + "\n"
}

// expected compares what was found with what was expected when the package was
// made.
func (v *verification) expected() {
	b, ok, err := v.o.read(nameExpected, maxExpected)
	if !ok || err != nil || v.known == nil || len(v.trust.Roots) == 0 {
		return // nothing to compare with; a damaged one is told by its hash
	}
	_, want, _ := strings.Cut(string(b), expectedSection)
	same := want == v.expectedText()
	v.Expected = &same
}
