package manifest

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/gowebpki/jcs"
)

// canonicalBySomebodyElse is what an independent program makes of a manifest.
func canonicalBySomebodyElse(t testing.TB, m *Manifest) []byte {
	t.Helper()
	raw, err := json.Marshal(m.normal())
	if err != nil {
		t.Fatal(err)
	}
	b, err := jcs.Transform(raw)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCanonicalAsOthersWriteIt(t *testing.T) {
	for name, change := range map[string]func(*Manifest){
		"as it is":       func(*Manifest) {},
		"control":        func(m *Manifest) { m.URL += "\x00\x01\b\t\n\v\f\r\x1f\x7f\u0080" },
		"quotes":         func(m *Manifest) { m.FinalURL = `"\/'<>&` + "\u2028\u2029" },
		"beyond a plane": func(m *Manifest) { m.Asked.By = "\U0001F600 \uFFFD \uFFFF é" },
		"integers":       func(m *Manifest) { m.Clock.Offset, m.Clock.Error = -maxInteger, maxInteger },
		"names that sort by UTF-16 unlike by byte": func(m *Manifest) {
			m.Exchanges = Counts{Total: 6, Kinds: map[string]int64{"\uFB33": 1, "\U0001F600": 1, "é": 1, "a\"b": 1, "1": 1, "\r": 1}}
			m.Failures = nil
		},
		"a redaction": func(m *Manifest) {
			m.Format = FormatRedaction
			m.Redaction = &Redaction{Reason: "a <name>"}
		},
		"lists that are nil": func(m *Manifest) { m.DNS, m.Failures, m.Environment.Flags = nil, nil, nil },
	} {
		for _, make := range []func(testing.TB) (*Manifest, []byte){everyManifest, leastManifest} {
			m, _ := make(t)
			change(m)
			want := canonicalBySomebodyElse(t, m)
			got, err := m.canonical()
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %v\n%s\nothers write\n%s", name, err, got, want)
			}
		}
	}
}

func BenchmarkMarshal(b *testing.B) {
	m, _ := everyManifest(b)
	for b.Loop() {
		if _, err := m.Marshal(); err != nil {
			b.Fatal(err)
		}
	}
}
