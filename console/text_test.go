package console

import (
	"bytes"
	"image"
	"image/png"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                      "plain",
		"two\nlines\tand tab":        "two\nlines\tand tab",
		"a\u202eb":                   "a[U+202E]b",
		"a\u200bb\ufeff":             "a[U+200B]b[U+FEFF]",
		"\u0000\u001b[31m":           "[U+0000][U+001B][31m",
		"\U000e0041tag":              "[U+E0041]tag",
		"نمی\u200cخواهم":             "نمی\u200cخواهم",
		"👩\u200d🔬":                   "👩\u200d🔬",
		"e\u0301":                    "e\u0301",
		strings.Repeat("\u0301", 12): strings.Repeat("\u0301", 8) + "[+4 marks]",
		"\u3164invisible":            "[U+3164]invisible",
	} {
		if got := visible(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func FuzzVisible(f *testing.F) {
	f.Add("a\u202eb")
	f.Add(strings.Repeat("\u0301", 40))
	f.Fuzz(func(t *testing.T, s string) {
		got := visible(s)
		if !utf8.ValidString(s) {
			return
		}
		for _, r := range got {
			if hidden(r) {
				t.Fatalf("U+%04X is left in %q", r, got)
			}
		}
		if again := visible(got); again != got {
			t.Fatalf("%q changes again to %q", got, again)
		}
	})
}

func FuzzLocal(f *testing.F) {
	f.Add("//evil.example")
	f.Add("/findings?x=/\\")
	f.Fuzz(func(t *testing.T, s string) {
		got := local(s)
		if !strings.HasPrefix(got, "/") || strings.HasPrefix(got, "//") || strings.HasPrefix(got, "/\\") || strings.ContainsAny(got, "\r\n") {
			t.Fatalf("%q leads to %q", s, got)
		}
	})
}

func TestWordsForPeople(t *testing.T) {
	for got, want := range map[string]string{
		money("1234567.5", "EUR"): "1\u202f234\u202f567.50 EUR", money("12", ""): "12", money("", "EUR"): "", money("-1234", "USD"): "-1\u202f234 USD",
		ratio("0.08"): "8 %", ratio("0.004"): "under 1 %", ratio("x"): "", bytesText(3 << 20): "3.0 MiB", bytesText(12): "12 B",
		span(90 * time.Second): "90 s", span(3 * time.Hour): "3 h", ago(noon, noon.Add(-time.Minute)): "60 s ago", ago(noon, noon.Add(time.Hour)): "in 60 min",
		referenceOf("2450.00 EUR (Belvoir bag)").Price: "2\u202f450 EUR", referenceOf("odd").Price: "odd", count(1, "look"): "1 look", count(3, "look"): "3 looks",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestShrinkIsBounded(t *testing.T) {
	small := must(shrink(picturePNG(t), "image/png"))(t)
	c, _, err := image.DecodeConfig(bytes.NewReader(small))
	if err != nil || c.Width != thumbWidth || c.Height != thumbHeight {
		t.Errorf("the thumbnail is %v, %v", c, err)
	}
	// A picture that says it is enormous is not decoded.
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		t.Fatal(err)
	}
	huge := b.Bytes()
	copy(huge[16:24], []byte{0, 1, 0, 0, 0, 1, 0, 0}) // 65,536 x 65,536
	for name, in := range map[string][]byte{"enormous": huge, "cut": picturePNG(t)[:500], "none": []byte("x")} {
		if _, err := shrink(in, "image/png"); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// TestMarksSurviveWhatSignalsPointAt: spans come from a scorer.
func TestMarksSurviveWhatSignalsPointAt(t *testing.T) {
	v := value{Value: "best replica ever", marks: [][2]int{{5, 12}, {6, 9}, {-1, 2}, {13, 99}, {12, 12}}}
	var all, marked string
	for _, p := range v.Parts() {
		all += p.Text
		if p.Mark {
			marked += p.Text
		}
	}
	if all != v.Value || marked != "replica" {
		t.Errorf("the parts are %q, marked %q", all, marked)
	}
}
