package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/bundle"
)

func call(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, &o, &e)
	return o.String(), e.String(), code
}

// testdata/example.zip and trust.txt are made by archive/bundle's golden test:
// a package of last year must verify for ever.
const (
	example = "testdata/example.zip"
	trusted = "testdata/trust.txt"
)

func TestExitCodesAndLayers(t *testing.T) {
	b, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	broken, other := filepath.Join(dir, "broken.zip"), filepath.Join(dir, "trust.json")
	b[len(b)/2] ^= 1
	if err := os.WriteFile(broken, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other, []byte(`{"log_keys":["log.example.org/trawlmark+d5bb4e5c+AUOHYBBkVgLtwhfn/NOuR8NFhbQ6yzUhX2Iu4vAMoaF6"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		want string // of the output
	}{
		{"all passes", []string{"--trust", trusted, example}, exitPass, "time stamps           PASS"},
		{"every check", []string{"--trust", trusted, "--all", example}, exitPass, "captured by worker:test"},
		{"nobody is trusted", []string{example}, exitNotChecked, "NOT-CHECKED seal/"},
		{"something fails", []string{"--trust", trusted, broken}, exitFail, "FAIL"},
		{"the worst counts", []string{"--trust", trusted, example, broken}, exitFail, "PASS"},
		{"not there", []string{"--trust", trusted, "nosuch.zip", example}, exitUnreadable, "could not be read"},
		{"a folder", []string{"--trust", trusted, dir}, exitUnreadable, "name the package itself"},
		{"no package", []string{"--trust", trusted}, exitUsage, ""},
		{"unknown flag", []string{"--believe", example}, exitUsage, ""},
		{"no trust file", []string{"--trust", "nosuch.txt", example}, exitUnreadable, ""},
		{"trust of nonsense", []string{"--trust", example, example}, exitUsage, ""},
		{"trust with a wrong key", []string{"--trust", other, example}, exitUsage, ""},
		{"no original", []string{"--trust", trusted, "--original", "nosuch.zip", example}, exitUnreadable, ""},
		{"an original of nonsense", []string{"--trust", trusted, "--original", trusted, example}, exitUnreadable, ""},
		{"nothing is redacted", []string{"--trust", trusted, "--original", example, example}, exitPass, "as verify/expected.txt has it"},
		{"help", []string{"--help"}, exitPass, "Exit codes: 0 everything passed"},
	} {
		out, errs, code := call(t, c.args...)
		if code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%s: exit code %d, want %d\n%s%s", c.name, code, c.code, out, errs)
		}
		if code == exitUsage && !strings.HasPrefix(errs, "trawlmark-verify: ") {
			t.Errorf("%s: it does not say what is wrong: %q", c.name, errs)
		}
	}
}

func TestJSONIsForPrograms(t *testing.T) {
	out, _, code := call(t, "--json", "--trust", trusted, example, "nosuch.zip")
	var got []result
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != exitUnreadable || len(got) != 2 {
		t.Fatalf("exit code %d, %v\n%s", code, err, out)
	}
	if got[0].Status != bundle.Pass || len(got[0].Layers) != len(bundle.Layers()) || got[0].Report == nil || got[1].Status != bundle.NotChecked || got[1].Error == "" {
		t.Errorf("%+v", got)
	}
}

func TestProgressIsToldNowAndThen(t *testing.T) {
	var b bytes.Buffer
	now := time.Unix(0, 0)
	tell := progress(&b, "a\x1b.zip", func() time.Time { return now })
	for i := 1; i <= 10; i++ {
		now = now.Add(2 * time.Second)
		tell(i, 10)
	}
	if want := "trawlmark-verify: a?.zip: 3 of 10 captures\ntrawlmark-verify: a?.zip: 6 of 10 captures\ntrawlmark-verify: a?.zip: 9 of 10 captures\n"; b.String() != want {
		t.Errorf("%q", b.String())
	}
}

// The program is small and cannot phone anybody.
func TestDependencyBudget(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	const module = "github.com/trawlmark/trawlmark/"
	allowed := []string{
		// ours
		module + "archive/bundle", module + "archive/capture", module + "archive/custody", module + "archive/manifest",
		module + "archive/seal/internal/cms", module + "archive/seal/stamp", module + "archive/vault", module + "archive/warc", module + "cmd/trawlmark-verify",
		// others'
		"github.com/klauspost/compress/flate", "github.com/klauspost/compress/gzip",
		"github.com/klauspost/compress/internal/le", "github.com/klauspost/compress/internal/regmask",
		"golang.org/x/crypto/ocsp", "golang.org/x/mod/sumdb/note", "golang.org/x/mod/sumdb/tlog", "golang.org/x/sync/errgroup",
		"golang.org/x/net/html", "golang.org/x/net/html/atom", // HTML of a redaction against its original (decision 0035)
	}
	forbidden := []string{"net/http", "database/sql", "os/exec", "plugin", "net/rpc", "net/smtp", "crypto/tls"}
	for _, p := range strings.Fields(string(out)) {
		if slices.Contains(forbidden, p) {
			t.Errorf("it reaches %s", p)
		}
		if first, _, _ := strings.Cut(p, "/"); strings.Contains(first, ".") && !slices.Contains(allowed, p) {
			t.Errorf("it reaches %s, which is not in its budget: is it worth what an expert has to read more?", p)
		}
	}
}
