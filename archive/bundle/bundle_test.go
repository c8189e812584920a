package bundle

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/manifest"
	"github.com/trawlmark/trawlmark/archive/vault"
)

func TestAPackagePassesEveryLayer(t *testing.T) {
	w := newWorld(t)
	in := w.input(2)
	b, s := w.write(in)
	r := verifyBytes(t, b, w.trust())
	for _, l := range Layers() {
		if got := r.Layer(l); got != Pass {
			t.Errorf("%s: %s", l, got)
		}
	}
	for _, c := range r.Checks {
		if c.Status != Pass {
			t.Errorf("%+v", c)
		}
	}
	if r.Status() != Pass || r.SHA256 != s.SHA256 || r.Contents != s.Contents || r.Log != origin {
		t.Errorf("%s, %s, %s, %s", r.Status(), r.SHA256, r.Contents, r.Log)
	}
	if len(r.Captures) != 2 || !r.Captures[0].NotBefore.IsZero() || r.Captures[0].NotAfter.IsZero() ||
		r.Captures[1].NotBefore.IsZero() || len(r.Captures[1].StampedBy) != 2 || !r.Captures[1].NotBefore.Before(r.Captures[1].NotAfter) {
		t.Errorf("%+v", r.Captures)
	}
}

func TestTheSameInputGivesTheSameBytesButForTheExport(t *testing.T) {
	w := newWorld(t)
	in := w.input(2)
	a, sa := w.write(in)
	b, sb := w.write(in)
	if sa.Contents != sb.Contents {
		t.Fatal("the lists of files differ")
	}
	read := func(b []byte) map[string]string {
		z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]string{}
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			c, err := io.ReadAll(r)
			if err != nil {
				t.Fatalf("%s: %v", f.Name, err)
			}
			all[f.Name] = string(c)
		}
		return all
	}
	fa, fb := read(a), read(b)
	for name := range fa {
		if fa[name] != fb[name] && !strings.HasPrefix(name, dirExport) {
			t.Errorf("%s differs", name)
		}
	}
	in.Commit = nil
	c, _ := w.write(in)
	d, _ := w.write(in)
	if !bytes.Equal(c, d) {
		t.Error("without exported events two packages of one input differ")
	}
}

// What is missing is NOT-CHECKED, and that is not good.
func TestWhatIsNotCheckedIsNotGood(t *testing.T) {
	w := newWorld(t)
	in := w.input(1)
	b, _ := w.write(in)
	whole := w.trust()
	for name, c := range map[string]struct {
		trust  Trust
		layers map[Layer]Status
	}{
		"nobody is trusted": {Trust{}, map[Layer]Status{LayerPackage: NotChecked, LayerCheckpoint: NotChecked, LayerStamps: NotChecked, LayerCustody: NotChecked, LayerProof: Pass, LayerManifest: Pass, LayerArtifacts: Pass, LayerWACZ: Pass}},
		"no roots":          {Trust{Keys: whole.Keys}, map[Layer]Status{LayerPackage: Pass, LayerCheckpoint: Pass, LayerStamps: NotChecked}},
		"no keys":           {Trust{Roots: whole.Roots}, map[Layer]Status{LayerPackage: NotChecked, LayerCheckpoint: NotChecked, LayerStamps: Pass}},
		"another's key":     {Trust{Keys: newWorld(t).public(), Roots: whole.Roots}, map[Layer]Status{LayerPackage: Fail, LayerCheckpoint: Fail, LayerCustody: Fail, LayerStamps: Pass}},
		"another's roots":   {Trust{Keys: whole.Keys, Roots: strangersRoots(t)}, map[Layer]Status{LayerPackage: Pass, LayerStamps: Fail, LayerCheckpoint: Pass}},
	} {
		r := verifyBytes(t, b, c.trust)
		if r.Status() == Pass {
			t.Errorf("%s: PASS", name)
		}
		for l, want := range c.layers {
			if got := r.Layer(l); got != want {
				t.Errorf("%s: %s is %s, want %s", name, l, got, want)
			}
		}
	}
	in.Commit = nil
	b, _ = w.write(in)
	if r := verifyBytes(t, b, whole); r.Status() != NotChecked || r.Layer(LayerPackage) != NotChecked || r.Layer(LayerStamps) != Pass {
		t.Errorf("without exported events: %s", r.Status())
	}
	in = w.input(1)
	in.Captures[0].Stamps = nil
	b, _ = w.write(in)
	if r := verifyBytes(t, b, whole); r.Status() != NotChecked || r.Layer(LayerStamps) != NotChecked {
		t.Errorf("without stamps: %s", r.Status())
	}
}

func TestTamperedEvidenceIsNotHandedOver(t *testing.T) {
	for _, file := range []string{"capture.warc.gz", "viewport.png", "page.html"} {
		w := newWorld(t)
		in := w.input(1)
		w.vault.Corrupt(vault.CaptureKey(in.Captures[0].ID, file), func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
		if _, err := Write(t.Context(), io.Discard, in); err == nil {
			t.Errorf("%s: it was handed over", file)
		}
		if w.commits != 0 {
			t.Errorf("%s: an export is on record that did not happen", file)
		}
	}
}

// Bytes that change between being hashed and being written.
func TestBytesThatChangeOnTheWayAreFound(t *testing.T) {
	w := newWorld(t)
	in := w.input(1)
	commit := in.Commit
	in.Commit = func(ctx context.Context, d capture.Digest) (map[capture.ID]Event, error) {
		w.vault.Corrupt(vault.CaptureKey(in.Captures[0].ID, "viewport.png"), func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
		return commit(ctx, d)
	}
	if _, err := Write(t.Context(), io.Discard, in); !errors.Is(err, ErrChanged) {
		t.Errorf("got %v", err)
	}
}

type failing struct{ left int }

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errInjected
	}
	return len(p), nil
}

func TestFaultsOfTheWriterAndTheSources(t *testing.T) {
	w := newWorld(t)
	in := w.input(1)
	b, _ := w.write(in)
	for _, at := range []int{0, 1, 100, len(b) / 2, len(b) * 9 / 10} {
		if _, err := Write(t.Context(), &failing{at}, in); !errors.Is(err, errInjected) {
			t.Errorf("at byte %d: %v", at, err)
		}
	}
	for n := range 12 {
		left := n
		broken := in
		broken.Captures = append([]Capture(nil), in.Captures...)
		broken.Captures[0].Open = func(ctx context.Context, a manifest.Artifact) Source {
			src := w.open(ctx, a)
			return func(ctx context.Context) (io.ReadCloser, error) {
				if left--; left < 0 {
					return nil, errInjected
				}
				return src(ctx)
			}
		}
		if _, err := Write(t.Context(), io.Discard, broken); !errors.Is(err, errInjected) {
			t.Errorf("read %d: %v", n, err)
		}
	}
	in.Commit = func(context.Context, capture.Digest) (map[capture.ID]Event, error) { return nil, errInjected }
	var out bytes.Buffer
	if _, err := Write(t.Context(), &out, in); !errors.Is(err, errInjected) || out.Len() != 0 {
		t.Errorf("the log failed: %v, %d bytes were written", err, out.Len())
	}
	in.Commit = func(context.Context, capture.Digest) (map[capture.ID]Event, error) { return nil, nil }
	if _, err := Write(t.Context(), &out, in); err == nil || out.Len() != 0 {
		t.Error("without an event on record it was handed over")
	}
}

func TestInputsThatMakeNoPackage(t *testing.T) {
	w := newWorld(t)
	good := w.input(1)
	for name, change := range map[string]func(in *Input){
		"no captures":      func(in *Input) { in.Captures = nil },
		"twice":            func(in *Input) { in.Captures = append(in.Captures, in.Captures[0]) },
		"no key":           func(in *Input) { in.Key = nil },
		"no actor":         func(in *Input) { in.By = "" },
		"no log":           func(in *Input) { in.Log.Keys = nil },
		"no files":         func(in *Input) { in.Captures[0].Open = nil },
		"bad manifest":     func(in *Input) { in.Captures[0].Manifest = []byte("{}") },
		"another's":        func(in *Input) { in.Captures[0].ID = w.ids.New() },
		"bad proof":        func(in *Input) { in.Captures[0].Proof = []byte("x") },
		"bad event":        func(in *Input) { in.Captures[0].Events[0].Doc = []byte("x") },
		"bad stamp name":   func(in *Input) { in.Captures[0].Stamps[0].Name = "../x" },
		"bad case event":   func(in *Input) { in.Case.Events[0].Doc = nil },
		"bad rotation":     func(in *Input) { in.Log.Rotations = []Event{{}} },
		"stamp name twice": func(in *Input) { in.Captures[0].Stamps[1].Name = in.Captures[0].Stamps[0].Name },
	} {
		in := good
		in.Captures = append([]Capture(nil), good.Captures...)
		in.Captures[0].Events = append([]Event(nil), good.Captures[0].Events...)
		in.Captures[0].Stamps = append([]Stamp(nil), good.Captures[0].Stamps...)
		k := *good.Case
		k.Events = append([]Event(nil), k.Events...)
		in.Case = &k
		change(&in)
		if _, err := Write(t.Context(), io.Discard, in); err == nil {
			t.Errorf("%s: it was written", name)
		}
	}
}

type printer struct {
	pages [][]byte
	err   error
}

func (p *printer) PDF(_ context.Context, html []byte) ([]byte, error) {
	p.pages = append(p.pages, html)
	return []byte("%PDF-1.7 " + string(capture.Sum(html).String())), p.err
}

func TestThePrinterGetsAPageThatNeedsNothingElse(t *testing.T) {
	w := newWorld(t)
	in := w.input(1)
	p := &printer{}
	in.Printer = p
	b, _ := w.write(in)
	if r := verifyBytes(t, b, w.trust()); r.Status() != Pass {
		t.Errorf("%+v", r.Failed())
	}
	if len(p.pages) != 2 || strings.Count(string(p.pages[1]), "data:image/png;base64,") != 3 || strings.Contains(string(p.pages[1]), "../native") || !strings.Contains(string(p.pages[0]), "does not prove") {
		t.Error("the printed page depends on files")
	}
	p.err = errInjected
	if _, err := Write(t.Context(), io.Discard, in); !errors.Is(err, errInjected) {
		t.Errorf("got %v", err)
	}
}

func TestPagesSayWhatTheyShouldAndNoMore(t *testing.T) {
	w := newWorld(t)
	in := w.input(1)
	b, _ := w.write(in)
	o, err := open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	id := in.Captures[0].ID
	page := func(name string) string {
		text, ok, err := o.read(name, 1<<20)
		if !ok || err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if strings.Contains(string(text), "<script") || strings.Contains(string(text), "ZgotmplZ") || strings.Contains(string(text), "<no value>") {
			t.Errorf("%s has something that a hostile page or a wrong template brought", name)
		}
		return string(text)
	}
	for name, wants := range map[string][]string{
		nameReadme:                  {"does not prove", "sh verify/verify.sh", "case-k-7.zip", "no printer was at hand"},
		exhibitName(id, ".html"):    {"https://market.example/item/1?ref=1", "192.0.2.1 port 443", "12.00", "derived", "Image 1 of 3", "tile 2 from the top", "Shop &lt;script&gt;", capture.Sum(in.Captures[0].Manifest).String(), "viewport.png"},
		name90213:                   {"[name]", "1746", id.String(), "Draft, not a statement"},
		name90214:                   {"[signature]", id.String()},
		comparisonName(id):          {"removed", "became", "this capture"},
		nameSystem:                  {"Known limits", "Example Ltd", "alpha"},
		nativeName(id, fileHeaders): {"GET /item/1 HTTP/1.1", "User-Agent: Trawlmark/test", "HTTP/1.1 200 OK", "Content-Type: text/html; charset=utf-8"},
	} {
		text := page(name)
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q", name, want)
			}
		}
	}
}

// How many are looked at at one time changes nothing of what is found.
func TestManyAtOneTimeFindTheSameInTheSameOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, _ := w.write(w.input(5))
	broken := bytes.Clone(b)
	l := takeApart(t, b)
	for _, name := range []string{"viewport.png", "manifest.json", "capture.tlog-proof"} {
		for _, m := range l.members {
			if strings.HasSuffix(m.name, "/"+name) {
				broken[bytes.Index(broken, l.data[m.name])+len(l.data[m.name])/2] ^= 1
			}
		}
	}
	stranger := newWorld(t)
	for name, c := range map[string]struct {
		b     []byte
		trust Trust
	}{
		"good": {b, w.trust()}, "broken": {broken, w.trust()}, "of a stranger": {b, stranger.trust()}, "nobody is trusted": {b, Trust{At: w.now}},
	} {
		var want *Report
		for _, workers := range []int{1, 2, 16} {
			said := []int{}
			r, err := VerifyWith(t.Context(), bytes.NewReader(c.b), int64(len(c.b)), c.trust, Options{Workers: workers, Progress: func(done, total int) { said = append(said, done, total) }})
			if err != nil {
				t.Fatal(err)
			}
			if want == nil {
				want = r
			}
			if !reflect.DeepEqual(r, want) {
				t.Errorf("%s: %d workers find\n%s\none finds\n%s", name, workers, strings.Join(r.Lines(true), "\n"), strings.Join(want.Lines(true), "\n"))
			}
			if !slices.Equal(said, []int{1, 5, 2, 5, 3, 5, 4, 5, 5, 5}) {
				t.Errorf("%s: %d workers tell of %v", name, workers, said)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := VerifyWith(ctx, bytes.NewReader(b), int64(len(b)), w.trust(), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
}
