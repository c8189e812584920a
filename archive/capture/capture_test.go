package capture_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("no entropy") }

func frozen() time.Time { return time.UnixMilli(1_700_000_000_000) }

func TestIDsOfOneSourceRiseWhileTheClockStandsStill(t *testing.T) {
	src := capture.NewIDSource(frozen, zeros{})
	var texts []string
	for range 10_000 { // more than the 4,096 the counter of one millisecond holds
		texts = append(texts, src.New().String())
	}
	if !sort.StringsAreSorted(texts) {
		t.Error("the ids do not sort in the order they were made")
	}
	for i := 1; i < len(texts); i++ {
		if texts[i] == texts[i-1] {
			t.Fatalf("id %d was made twice: %s", i, texts[i])
		}
	}
}

func TestIDsRiseWhenTheClockGoesBack(t *testing.T) {
	now := frozen()
	src := capture.NewIDSource(func() time.Time { return now }, zeros{})
	a := src.New()
	now = now.Add(-time.Hour)
	if b := src.New(); b.String() <= a.String() {
		t.Errorf("%s follows %s", b, a)
	}
}

func TestIDIsAVersion7UUID(t *testing.T) {
	id := capture.NewIDSource(frozen, zeros{}).New()
	if got, want := id.String(), "018bcfe5-6800-7000-8000-000000000000"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := id.URN(), "urn:uuid:018bcfe5-6800-7000-8000-000000000000"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestIDSourceIsSafeForManyGoroutines(t *testing.T) {
	src := capture.NewIDSource(frozen, zeros{})
	var mu sync.Mutex
	seen := map[capture.ID]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				id := src.New()
				mu.Lock()
				seen[id] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != 4000 {
		t.Errorf("8 goroutines made %d different ids of 4000", len(seen))
	}
}

func TestIDSourceRefusesToGoOnWithoutEntropy(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("an id was made without entropy")
		}
	}()
	capture.NewIDSource(frozen, broken{}).New()
}

func TestParseIDAcceptsOnlyTheCanonicalText(t *testing.T) {
	for _, s := range []string{
		"", "x", "018BCFE5-6800-7000-8000-000000000000", "{018bcfe5-6800-7000-8000-000000000000}",
		"018bcfe568007000800000000000000000", "018bcfe5-6800-7000-8000-00000000000g", "018bcfe5-6800-7000-8000-0000000000000",
	} {
		if _, err := capture.ParseID(s); !errors.Is(err, capture.ErrBadID) {
			t.Errorf("ParseID(%q) gave %v", s, err)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("018bcfe5-6800-7000-8000-000000000000")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := capture.ParseID(s)
		if err == nil && id.String() != s {
			t.Errorf("%q was taken and is written %q", s, id)
		}
	})
}

func FuzzParseDigest(f *testing.F) {
	f.Add(capture.Sum(nil).String())
	f.Fuzz(func(t *testing.T, s string) {
		d, err := capture.ParseDigest(s)
		if err == nil && d.String() != s {
			t.Errorf("%q was taken and is written %q", s, d)
		}
	})
}

func TestFingerprintKnownAnswers(t *testing.T) {
	// FIPS 180-4 example "abc".
	f, err := capture.FingerprintOf(capture.Bytes("abc"))
	if err != nil {
		t.Fatal(err)
	}
	if f.Size != 3 ||
		f.SHA256.Labelled() != "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" ||
		!strings.HasPrefix(f.SHA512.String(), "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a") {
		t.Errorf("got %+v", f)
	}
}

func TestFileBodyReadsTwiceAndNoticesAChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(path, []byte("seen"), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := capture.File(path)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r, err := b.Open()
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(r)
		r.Close()
		if !bytes.Equal(got, []byte("seen")) {
			t.Errorf("got %q", got)
		}
	}
	if err := os.WriteFile(path, []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Open(); err == nil {
		t.Error("a body that changed on disk was read without a word")
	}
}

func TestReadAllRefusesRatherThanCuts(t *testing.T) {
	if _, err := capture.ReadAll(capture.Bytes("12345"), 4); err == nil {
		t.Error("5 bytes were read with a limit of 4")
	}
	if b, err := capture.ReadAll(capture.Bytes("1234"), 4); err != nil || string(b) != "1234" {
		t.Errorf("got %q, %v", b, err)
	}
}

func TestEveryOutcomeSaysWhatItMeans(t *testing.T) {
	if len(capture.Outcomes()) != 27 {
		t.Errorf("%d outcomes; docs/glossary.md and this test know of 27", len(capture.Outcomes()))
	}
	for _, o := range capture.Outcomes() {
		if o.Class() == 0 || o.Sentence() == "" {
			t.Errorf("%s has no class or no sentence", o)
		}
		if got, err := capture.ParseOutcome(string(o)); err != nil || got != o {
			t.Errorf("ParseOutcome(%q) = %v, %v", o, got, err)
		}
		if o.Class() == capture.Gone && o.Retry() {
			t.Errorf("%s: a page that is gone is not asked for again at once", o)
		}
	}
	if _, err := capture.ParseOutcome("fine"); err == nil {
		t.Error(`"fine" was taken as an outcome`)
	}
}

func TestMainPrefersTheLastAnsweredExchange(t *testing.T) {
	c := &capture.Capture{Exchanges: []*capture.Exchange{
		{URL: "a", Main: true, Status: 301}, {URL: "b", Main: true, Status: 200}, {URL: "img", Status: 200}, {URL: "c", Main: true},
	}}
	if got := c.Main().URL; got != "b" {
		t.Errorf("got %s", got)
	}
	if (&capture.Capture{}).Main() != nil {
		t.Error("a capture without exchanges has no main one")
	}
}
