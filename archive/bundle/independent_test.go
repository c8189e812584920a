package bundle

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Programs that are not ours must read what we hand over, and find the same.
// TRAWLMARK_NPM names a folder with node_modules (npm i warcio
// @harvard-lil/js-wacz replaywebpage).

func npm(t *testing.T, module string) (folder string) {
	t.Helper()
	why := ""
	folder = os.Getenv("TRAWLMARK_NPM")
	if folder == "" {
		why = "TRAWLMARK_NPM is not set to a folder in which `npm i warcio @harvard-lil/js-wacz replaywebpage` was run"
	} else if _, err := os.Stat(filepath.Join(folder, "node_modules", module, "package.json")); err != nil {
		why = err.Error()
	} else if _, err := exec.LookPath("node"); err != nil {
		why = err.Error()
	}
	if why != "" {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the independent check cannot be made: %s", why)
		}
		t.Skipf("the independent check cannot be made: %s", why)
	}
	return folder
}

func node(t *testing.T, folder string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), "node", args...)
	c.Dir = folder
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		t.Fatalf("node %v: %v\n%s%s", args, err, out.String(), errs.String())
	}
	return out.String()
}

// theWACZ writes the WACZ of a package, and the files in it, to a folder.
func theWACZ(t *testing.T, redacted bool) (file string, inside map[string]string) {
	t.Helper()
	w := newWorld(t)
	in := w.input(1)
	if redacted {
		in = w.redactedInput(1, true)
	}
	b, _ := w.write(in)
	file = filepath.Join(t.TempDir(), "capture.wacz")
	if err := os.WriteFile(file, readAll(t, b)[waczName(in.Captures[0].ID)], 0o600); err != nil {
		t.Fatal(err)
	}
	return file, unzipped(t, file)
}

func unzipped(t *testing.T, file string) map[string]string {
	t.Helper()
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	all := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all[f.Name] = string(b)
	}
	return all
}

// lookup is what of an index line has to agree.
type lookup struct{ Key, URL, Offset, Length, Digest, Status, MIME string }

func lookups(t *testing.T, cdx string) []lookup {
	t.Helper()
	var all []lookup
	for line := range strings.Lines(cdx) {
		parts := strings.SplitN(strings.TrimSpace(line), " ", 3)
		if len(parts) != 3 || strings.HasPrefix(line, "!meta") {
			continue
		}
		var j struct {
			URL, Digest, MIME      string
			Offset, Length, Status any
		}
		if err := json.Unmarshal([]byte(parts[2]), &j); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		text := func(v any) string { b, _ := json.Marshal(v); return strings.Trim(string(b), `"`) }
		all = append(all, lookup{parts[0] + " " + parts[1], j.URL, text(j.Offset), text(j.Length), strings.TrimPrefix(j.Digest, "sha256:"), // some programs leave out the label
			text(j.Status), j.MIME})
	}
	slices.SortFunc(all, func(a, b lookup) int { return strings.Compare(a.Key+a.Offset, b.Key+b.Offset) })
	return all
}

func TestWarcioMakesTheSameIndex(t *testing.T) {
	for name, redacted := range map[string]bool{"whole": false, "redacted": true} {
		t.Run(name, func(t *testing.T) { warcioIndex(t, redacted) })
	}
}

func warcioIndex(t *testing.T, redacted bool) {
	folder := npm(t, "warcio")
	_, inside := theWACZ(t, redacted)
	file := filepath.Join(t.TempDir(), "capture.warc.gz")
	if err := os.WriteFile(file, []byte(inside[waczWARC]), 0o600); err != nil {
		t.Fatal(err)
	}
	theirs := lookups(t, node(t, folder, "node_modules/.bin/warcio", "cdx-index", file))
	ours := lookups(t, inside[waczIndex])
	if len(ours) < 4 || !slices.Equal(ours, theirs) {
		t.Errorf("ours:\n%+v\nwarcio's:\n%+v", ours, theirs)
	}
}

func TestJSWACZMakesTheSamePagesAndIndex(t *testing.T) {
	folder := npm(t, "@harvard-lil/js-wacz")
	_, inside := theWACZ(t, false)
	dir := t.TempDir()
	file, made := filepath.Join(dir, "capture.warc.gz"), filepath.Join(dir, "theirs.wacz")
	if err := os.WriteFile(file, []byte(inside[waczWARC]), 0o600); err != nil {
		t.Fatal(err)
	}
	node(t, folder, "node_modules/.bin/js-wacz", "create", "--file", file, "--output", made)
	theirs := unzipped(t, made)
	if theirs[waczWARC] != inside[waczWARC] {
		t.Error("it packed another WARC")
	}
	type line struct{ URL, TS, Title string }
	pages := func(text string) []line {
		var all []line
		s := bufio.NewScanner(strings.NewReader(text))
		for n := 0; s.Scan(); n++ {
			var l line
			if err := json.Unmarshal(s.Bytes(), &l); err != nil {
				t.Fatal(err)
			}
			if n > 0 {
				all = append(all, l)
			}
		}
		return all
	}
	ours, got := pages(inside[waczPages]), pages(theirs[waczPages])
	if len(ours) != 1 || len(got) != 1 || ours[0].URL != got[0].URL || ours[0].TS[:19] != got[0].TS[:19] {
		t.Errorf("our page is %+v, js-wacz's %+v", ours, got)
	}
	var cdx string
	for name, b := range theirs {
		switch {
		case strings.HasSuffix(name, ".cdx.gz"):
			z, err := gzip.NewReader(strings.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(z)
			if err != nil {
				t.Fatal(err)
			}
			cdx = string(text)
		case strings.HasSuffix(name, ".cdx") || strings.HasSuffix(name, ".cdxj"):
			cdx = b
		}
	}
	a, b := lookups(t, inside[waczIndex]), lookups(t, cdx)
	where := func(l lookup) string { return l.URL + " " + l.Offset + " " + l.Length + " " + l.Digest }
	ours2, theirs2 := []string{}, []string{}
	for _, l := range a {
		ours2 = append(ours2, where(l))
	}
	for _, l := range b {
		theirs2 = append(theirs2, where(l))
	}
	slices.Sort(ours2)
	slices.Sort(theirs2)
	if !slices.Equal(ours2, theirs2) {
		t.Errorf("ours:\n%s\njs-wacz's:\n%s", strings.Join(ours2, "\n"), strings.Join(theirs2, "\n"))
	}
}
