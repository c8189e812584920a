package cmd_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Every type that the glossary names is there.
func TestGlossaryNamesTypesThatExist(t *testing.T) {
	rows := regexp.MustCompile("(?m)^\\| ([a-z ]+) \\| [^|]+ \\| `([a-z0-9/]+)\\.([A-Za-z]+)` \\|$").FindAllStringSubmatch(read(t, "docs/glossary.md"), -1)
	if len(rows) < 25 {
		t.Fatalf("only %d words were found in docs/glossary.md", len(rows))
	}
	seen := map[string]bool{}
	for _, r := range rows {
		word, dir, name := r[1], r[2], r[3]
		if seen[word] {
			t.Errorf("%q stands twice: a word has one meaning", word)
		}
		seen[word] = true
		files, err := filepath.Glob(filepath.Join("..", dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Errorf("%q: there is no package %s", word, dir)
			continue
		}
		found := false
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			found = found || regexp.MustCompile(`(?m)^type `+name+`\b`).Match(b)
		}
		if !found {
			t.Errorf("%q: there is no type %s in %s", word, name, dir)
		}
	}
}

func TestGlossaryExplainsEveryOutcome(t *testing.T) {
	text := read(t, "docs/glossary.md")
	for _, o := range capture.Outcomes() {
		if !strings.Contains(text, "| `"+string(o)+"` |") || !strings.Contains(text, "| "+o.Sentence()+" |") {
			t.Errorf("docs/glossary.md does not say that %s means: %s", o, o.Sentence())
		}
	}
}

var links = regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)

// What README and docs point at is there.
func TestDocumentsPointAtWhatExists(t *testing.T) {
	docs, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../docs/decisions/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range append(append(docs, more...), "../README.md") {
		b, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range links.FindAllStringSubmatch(string(b), -1) {
			if strings.Contains(l[1], "://") || strings.HasPrefix(l[1], "mailto:") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(doc), filepath.FromSlash(l[1]))); err != nil {
				t.Errorf("%s points at %s, which is not there", filepath.Base(doc), l[1])
			}
		}
	}
}

// Packages that README names exist.
func TestReadmeNamesPackagesThatExist(t *testing.T) {
	for _, m := range regexp.MustCompile("`((?:archive|crawler|worker|console|configs|cmd|deploy|docs)(?:/[a-z0-9.-]+)*)`").FindAllStringSubmatch(read(t, "README.md"), -1) {
		if _, err := os.Stat(filepath.Join("..", m[1])); err != nil {
			t.Errorf("README.md names %s, which is not there", m[1])
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
