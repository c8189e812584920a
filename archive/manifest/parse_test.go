package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/gowebpki/jcs"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// TestEveryByte changes each byte of a manifest: in the small one in every
// bit, left out and doubled; in the large one in one of these ways, because
// each costs a parse. What Parse then takes has another digest and is itself
// canonical.
func TestEveryByte(t *testing.T) {
	_, small := leastManifest(t)
	_, large := everyManifest(t)
	taken := 0
	for i := range small {
		for way := range 10 {
			taken += takesOther(t, small, i, way)
		}
	}
	for i := range large {
		taken += takesOther(t, large, i, i%10)
	}
	if taken == 0 {
		t.Error("no change at all was taken: the test looks at nothing")
	}
}

// takesOther changes byte i in one way and reports 1 if Parse takes that.
func takesOther(t *testing.T, b []byte, i, way int) int {
	t.Helper()
	changed := bytes.Clone(b)
	switch way {
	case 8:
		changed = append(changed[:i], changed[i+1:]...)
	case 9:
		changed = append(append(changed[:i:i], b[i]), b[i:]...)
	default:
		changed[i] ^= 1 << way
	}
	if bytes.Equal(changed, b) {
		t.Fatalf("byte %d, way %d: nothing was changed", i, way)
	}
	m, err := Parse(changed)
	if err != nil {
		if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrNotCanonical) {
			t.Fatalf("byte %d, way %d: an error of no kind: %v", i, way, err)
		}
		return 0
	}
	again, err := m.Marshal()
	if err != nil || !bytes.Equal(again, changed) || capture.Sum(again) == capture.Sum(b) {
		t.Fatalf("byte %d, way %d: it was taken, and is written as other bytes: %v", i, way, err)
	}
	return 1
}

// members gives the path of every member of every object.
func members(v any, path []any, f func(path []any)) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			p := append(append([]any{}, path...), k)
			f(p)
			members(e, p, f)
		}
	case []any:
		for i, e := range v {
			members(e, append(append([]any{}, path...), i), f)
		}
	}
}

// at gives the object that has the last member of a path.
func at(v any, path []any) map[string]any {
	for _, p := range path[:len(path)-1] {
		switch k := p.(type) {
		case string:
			v = v.(map[string]any)[k]
		case int:
			v = v.([]any)[k]
		}
	}
	return v.(map[string]any)
}

// TestEveryMember takes each member away, renames it, and makes it a null, a
// number, a string and an object: canonical bytes each time, and never taken
// unless they are another, valid manifest.
func TestEveryMember(t *testing.T) {
	_, b := everyManifest(t)
	fresh := func() any {
		var v any
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	n := 0
	members(fresh(), nil, func(path []any) {
		n++
		name := path[len(path)-1].(string)
		inKinds := len(path) == 3 && path[1] == "kinds" // the one object with free names
		for what, change := range map[string]func(map[string]any){
			"taken away": func(o map[string]any) { delete(o, name) },
			"renamed":    func(o map[string]any) { o[strings.ToUpper(name)] = o[name]; delete(o, name) },
			"added":      func(o map[string]any) { o[name+"2"] = 1 },
			"a float":    func(o map[string]any) { o[name] = json.Number("0.5") },
			"an object":  func(o map[string]any) { o[name] = map[string]any{} },
			"a bad text": func(o map[string]any) { o[name] = []any{[]any{}} },
			"too large":  func(o map[string]any) { o[name] = json.Number("9007199254740993") },
		} {
			v := fresh()
			change(at(v, path))
			raw, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			changed, err := jcs.Transform(raw)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Parse(changed); err == nil && !(inKinds && what == "renamed") {
				t.Errorf("%v %s was taken", path, what)
			}
		}
	})
	if n < 100 {
		t.Errorf("only %d members were tried", n)
	}
}

func TestOtherSpellings(t *testing.T) {
	_, b := everyManifest(t)
	s := string(b)
	edit := func(from, to string) string {
		if !strings.Contains(s, from) {
			t.Fatalf("%q is not in the manifest", from)
		}
		return strings.Replace(s, from, to, 1)
	}
	for name, text := range map[string]string{
		"nothing":             "",
		"null":                "null",
		"an empty object":     "{}",
		"a list":              "[]",
		"a space before":      " " + s,
		"a line end after":    s + "\n",
		"two":                 s + s,
		"a byte order mark":   "\ufeff" + s,
		"a space inside":      edit(`"epoch":3`, `"epoch": 3`),
		"a member twice":      edit(`"epoch":3`, `"epoch":3,"epoch":3`),
		"another order":       edit(`"by":"schedule","canonical":"https://market.example/item/42"`, `"canonical":"https://market.example/item/42","by":"schedule"`),
		"an exponent":         edit(`"epoch":3`, `"epoch":3e0`),
		"a fraction":          edit(`"epoch":3`, `"epoch":3.0`),
		"minus zero":          edit(`"tile":0`, `"tile":-0`),
		"a number as text":    edit(`"epoch":3`, `"epoch":"3"`),
		"an escape":           edit(`"by":"schedule"`, `"by":"s\u0063hedule"`),
		"an escaped slash":    edit(`https://market.example/item/42"`, `https:\/\/market.example/item/42"`),
		"a lone surrogate":    edit(`"by":"schedule"`, `"by":"\ud800"`),
		"bad UTF-8":           edit(`"by":"schedule"`, "\"by\":\"\xff\""),
		"a digest in capital": edit(`"stamp":"`+capture.Sum([]byte("tsr")).String()[:8], `"stamp":"`+strings.ToUpper(capture.Sum([]byte("tsr")).String()[:8])),
		"an id in capitals":   edit(`"capture":"019c`, `"capture":"019C`),
		"a short time":        edit("08:26:53.589793238Z", "08:26:53.58979323Z"),
		"a time of a zone":    edit("08:26:53.589793238Z", "09:26:53.589793238+01:00"),
		"a small z":           edit("08:26:53.589793238Z", "08:26:53.589793238z"),
		"a comma in a time":   edit("08:26:53.589793238Z", "08:26:53,589793238Z"),
		"a null list":         edit(`"evidence":["one image is missing"]`, `"evidence":null`),
		"another format":      edit("trawlmark-manifest/1", "trawlmark-manifest/2"),
		"a mapped address":    edit(`"ip":"192.0.2.10"`, `"ip":"192.0.2.010"`),
		"a long address":      edit(`"2001:db8::10"`, `"2001:db8:0::10"`),
		"a count too many":    edit(`"total":4`, `"total":5`),
		"a kind too many":     edit(`"other":1`, `"other":2`),
		"a failure too few":   edit(`"failed":2`, `"failed":1`),
		"deep":                strings.Repeat("[", 100000),
		"deep inside":         edit(`"evidence":[`, `"evidence":[`+strings.Repeat("[", 50000)),
	} {
		if _, err := Parse([]byte(text)); !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrNotCanonical) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Parse(make([]byte, MaxSize+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	_, b := everyManifest(f)
	f.Add(b)
	_, b = leastManifest(f)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			return
		}
		again, err := m.Marshal()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("taken, and written as\n%s\n%v", again, err)
		}
		if other := canonicalBySomebodyElse(t, m); !bytes.Equal(other, b) {
			t.Fatalf("taken, and others write\n%s", other)
		}
	})
}
