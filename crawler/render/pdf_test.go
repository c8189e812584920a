package render

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const printable = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Exhibit</title>
<h1>Exhibit 1</h1><p>欧瑞尔 高仿 — オーレル — กระเป๋า</p><p dir="rtl">حقيبة أوريل</p>
<img src="data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==" width="50" height="50">
<p style="page-break-before: always">page two</p></html>`

func TestPDFIsTheDocumentAndAlwaysTheSame(t *testing.T) {
	r := newRenderer(t)
	first, err := r.PDF(t.Context(), []byte(printable))
	if err != nil {
		t.Fatal(err)
	}
	second, err := r.PDF(t.Context(), []byte(printable))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(first, []byte("%PDF-")) || !bytes.Equal(first, second) {
		t.Errorf("two prints of %d and %d bytes differ, or are no PDF", len(first), len(second))
	}
	if _, err := exec.LookPath("pdftotext"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("pdftotext must be there in CI: apt-get install poppler-utils")
		}
		t.Skip("no pdftotext: the text was not read back")
	}
	name := filepath.Join(t.TempDir(), "x.pdf")
	if err := os.WriteFile(name, first, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("pdftotext", "-layout", name, "-").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text := string(out)
	for _, want := range []string{"Exhibit 1", "欧瑞尔 高仿", "オーレル", "page two"} {
		if !strings.Contains(text, want) {
			t.Errorf("the PDF has no %q:\n%s", want, text)
		}
	}
	if strings.Count(text, "\f") != 2 {
		t.Errorf("the PDF has %d pages, want 2", strings.Count(text, "\f"))
	}
}

func TestPDFRefusesWhatItCannotPrint(t *testing.T) {
	r := newRenderer(t)
	if _, err := r.PDF(t.Context(), []byte(`<img src="data:image/png;base64,AAAA">`)); err == nil {
		t.Error("a broken picture was printed as a hole")
	}
	if _, err := r.PDF(t.Context(), make([]byte, maxPDFHTML+1)); err == nil {
		t.Error("a document of any size was taken")
	}
}
