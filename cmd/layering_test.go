package cmd_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/trawlmark/trawlmark/"

// law forbids packages that match who (all of them when except is empty) to
// reach what, directly or through others.
type law struct {
	name   string
	who    string   // regular expression on the package path inside the module
	except string   // those of who that may
	what   []string // import path prefixes; our own ones start without the module
	but    []string // parts of what that may be reached
	direct bool     // only a direct import counts
	reason string
}

var laws = []law{
	{
		name: "crawler knows no storage and no queue", who: `^crawler(/|$)`,
		what:   []string{"archive/", "worker", "console", "configs", "github.com/hibiken/asynq", "github.com/redis/", "github.com/minio/", "database/sql"},
		but:    []string{"archive/capture"},
		reason: "a visit can be made, tested and trusted without the machine around it",
	},
	{
		name: "archive knows no crawling", who: `^archive(/|$)`,
		what:   []string{"crawler", "worker", "console", "configs", "github.com/gocolly/", "github.com/chromedp/"},
		reason: "evidence must not depend on how it was fetched, and an expert reads less",
	},
	{
		name: "asynq stays behind worker/task", who: `.`, except: `^(worker|worker/task)$`, direct: true,
		what:   []string{"github.com/hibiken/asynq"},
		reason: "the queue is disposable: only the code that treats it so may touch it",
	},
	{
		name: "minio-go stays behind archive/s3vault", who: `.`, except: `^archive/s3vault$`, direct: true,
		what:   []string{"github.com/minio/"},
		reason: "one place knows what S3 servers do differently",
	},
	{
		name: "asking for work needs no crawler", who: `^worker/task$`,
		what:   []string{"crawler", "github.com/gocolly/", "github.com/chromedp/"},
		reason: "whoever queues work must not link a browser",
	},
	{
		name: "console renders nothing and queues nothing by itself", who: `^console(/|$)`,
		what:   []string{"crawler/render", "github.com/gocolly/", "github.com/chromedp/", "github.com/hibiken/asynq"},
		reason: "pages for people go through the ledger and the archive, like everybody else",
	},
	{
		name: "the verifier is small and offline", who: `^cmd/trawlmark-verify$`,
		what:   []string{"net/http", "github.com/minio/", "database/sql", "crawler", "worker", "console", "configs"},
		reason: "the other side's expert reads and builds it, and it must not be able to phone anybody",
	},
	{
		name: "configs is read by commands only", who: `.`, except: `^(cmd|configs)(/|$)`,
		what:   []string{"configs"},
		reason: "packages get their Config handed; they do not look for it",
	},
	{
		name: "the demo marketplace stays out of the product", who: `.`, except: `^(crawler/markettest|cmd/demomarket|cmd/trawlmark)$`,
		what:   []string{"crawler/markettest"},
		reason: "fakes are for tests and the demo command",
	},
	{
		name: "the pure leaves stay pure", who: `^archive/(capture|warc|manifest|seal/stamp)$`,
		what:   []string{"net/http", "database/sql", "os/exec"},
		reason: "bytes in, values out: they can be fuzzed, read in an afternoon, and linked by the verifier",
	},
	{
		// Direct only: goquery, which reads the HTML, links net/http for a function that is not used.
		name: "reading a page asks nobody", who: `^crawler/(scope|site|listing|triage)$`, direct: true,
		what:   []string{"net/http", "database/sql", "os/exec"},
		reason: "the same page gives the same reading, wherever and whenever",
	},
}

type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

// violations gives one line for each law broken in pkgs.
func violations(pkgs []pkg) []string {
	var out []string
	for _, l := range laws {
		who := regexp.MustCompile(l.who)
		for _, p := range pkgs {
			rel, ours := strings.CutPrefix(p.ImportPath, module)
			if !ours || !who.MatchString(rel) || l.except != "" && regexp.MustCompile(l.except).MatchString(rel) {
				continue
			}
			reached := p.Deps
			if l.direct {
				reached = p.Imports
			}
			for _, dep := range reached {
				if l.forbids(dep) {
					out = append(out, fmt.Sprintf("%s reaches %s; the law %q forbids it: %s", rel, strings.TrimPrefix(dep, module), l.name, l.reason))
				}
			}
		}
	}
	return out
}

func (l law) forbids(dep string) bool {
	rel, ours := strings.CutPrefix(dep, module)
	for _, b := range l.but {
		if ours && (rel == b || strings.HasPrefix(rel, b+"/")) {
			return false
		}
	}
	for _, w := range l.what {
		external := strings.Contains(w, ".") || w == "net/http" || w == "database/sql" || w == "os/exec"
		if external && !ours && (dep == strings.TrimSuffix(w, "/") || strings.HasPrefix(dep, strings.TrimSuffix(w, "/")+"/")) && dep != "database/sql/driver" { // what decimals implement, no database
			return true
		}
		if !external && ours && (rel == strings.TrimSuffix(w, "/") || strings.HasPrefix(rel, strings.TrimSuffix(w, "/")+"/")) {
			return true
		}
	}
	return false
}

func TestLayers(t *testing.T) {
	for _, v := range violations(load(t)) {
		t.Error(v)
	}
}

func TestAPlantedViolationIsReportedByName(t *testing.T) {
	for _, planted := range []struct{ who, dep, law string }{
		{"crawler/fetch", module + "archive/warc", "crawler knows no storage and no queue"},
		{"crawler", "database/sql", "crawler knows no storage and no queue"},
		{"archive/bundle", "github.com/chromedp/chromedp", "archive knows no crawling"},
		{"console", "github.com/hibiken/asynq", "asynq stays behind worker/task"},
		{"archive/bundle", "github.com/minio/minio-go/v7", "minio-go stays behind archive/s3vault"},
		{"worker/task", module + "crawler/site", "asking for work needs no crawler"},
		{"console", module + "crawler/render", "console renders nothing and queues nothing by itself"},
		{"cmd/trawlmark-verify", "net/http", "the verifier is small and offline"},
		{"worker", module + "configs", "configs is read by commands only"},
		{"worker", module + "crawler/markettest", "the demo marketplace stays out of the product"},
		{"archive/warc", "net/http", "the pure leaves stay pure"},
	} {
		got := violations([]pkg{{ImportPath: module + planted.who, Imports: []string{planted.dep}, Deps: []string{planted.dep}}})
		if !slices.ContainsFunc(got, func(v string) bool {
			return strings.Contains(v, planted.who) && strings.Contains(v, planted.law)
		}) {
			t.Errorf("%s importing %s was not reported under %q: %q", planted.who, planted.dep, planted.law, got)
		}
	}
	if got := violations([]pkg{{ImportPath: module + "crawler", Deps: []string{module + "archive/capture", "io"}}}); len(got) != 0 {
		t.Errorf("what is allowed was reported: %q", got)
	}
}

// Names that say nothing about what a package is, or hide the standard library's.
func TestPackageNames(t *testing.T) {
	std := map[string]bool{}
	out, err := exec.Command("go", "list", "std").Output()
	if err != nil {
		t.Fatalf("go list std: %v", err)
	}
	for p := range strings.FieldsSeq(string(out)) {
		std[filepath.Base(p)] = true
	}
	for _, p := range load(t) {
		base := filepath.Base(p.ImportPath)
		if slices.Contains([]string{"util", "utils", "common", "helpers", "types", "misc", "base"}, base) {
			t.Errorf("%s: the name %q says nothing; name it after the noun it holds", p.ImportPath, base)
		}
		if std[base] {
			t.Errorf("%s hides the standard library's %q", p.ImportPath, base)
		}
	}
}

// Every package says what it is.
func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range load(t) {
		rel := strings.TrimPrefix(p.ImportPath, module)
		if rel == "cmd" || strings.HasPrefix(rel, "cmd/") || strings.HasSuffix(rel, "test") {
			continue
		}
		files, err := filepath.Glob(filepath.Join("..", rel, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		said := false
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			said = said || !strings.HasSuffix(f, "_test.go") && strings.Contains(string(b), "// Package ")
		}
		if !said {
			t.Errorf("%s does not say what the package is", rel)
		}
	}
}

func load(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", "../...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p pkg
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 5 {
		t.Fatalf("only %d packages were found", len(all))
	}
	return all
}
