package main

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/trawlmark/trawlmark/cmd/internal/embedded"
	"github.com/trawlmark/trawlmark/configs"
	"github.com/trawlmark/trawlmark/worker/task"
)

// What deploy/ says is held against the program: commands, flags,
// configuration, environment, ports, probes and metrics that do not exist are
// found here and not at three in the morning.

const deployDir = "../../deploy"

// deployFiles gives the files of deploy/ with one of these endings.
func deployFiles(t *testing.T, endings ...string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(deployDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		for _, e := range endings {
			if strings.HasSuffix(path, e) {
				b, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				rel, err := filepath.Rel(deployDir, path)
				out[filepath.ToSlash(rel)] = string(b)
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) == 0 {
		t.Fatalf("deploy/ has no file that ends in %v", endings)
	}
	return out
}

// documents parses all YAML documents of a file.
func documents(t *testing.T, name, text string) []map[string]any {
	t.Helper()
	var out []map[string]any
	dec := yaml.NewDecoder(strings.NewReader(text))
	for {
		var doc map[string]any
		err := dec.Decode(&doc)
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if doc != nil {
			out = append(out, doc)
		}
	}
}

// at walks into nested maps and lists: at(x, "spec", "containers", 0, "args").
func at(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

func words(v any) []string {
	var out []string
	list, _ := v.([]any)
	for _, x := range list {
		out = append(out, fmt.Sprint(x))
	}
	return out
}

func TestDeployFilesParse(t *testing.T) {
	for name, text := range deployFiles(t, ".yaml") {
		if len(documents(t, name, text)) == 0 {
			t.Errorf("%s is empty", name)
		}
	}
	for name, text := range deployFiles(t, ".json") {
		if !json.Valid([]byte(text)) {
			t.Errorf("%s is not JSON", name)
		}
	}
}

// invocations are the command lines of trawlmark in deploy/, by where.
func invocations(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for name, text := range deployFiles(t, "compose.yaml") {
		for service, v := range at(documents(t, name, text)[0], "services").(map[string]any) {
			if image, _ := at(v, "image").(string); strings.HasPrefix(image, "trawlmark:") {
				out[name+" "+service] = words(at(v, "command"))
			}
		}
	}
	for where, c := range containers(t) {
		out[where] = words(at(c.main, "args"))
	}
	for name, text := range deployFiles(t, ".service") {
		m := regexp.MustCompile(`(?m)^ExecStart=/usr/local/bin/trawlmark (.*)$`).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("%s starts no trawlmark", name)
		}
		// What systemd fills in: the instance and the host.
		out[name] = strings.Fields(strings.NewReplacer("%i", task.Browser, "%H", "host-1").Replace(m[1]))
	}
	m := regexp.MustCompile(`(?m)^CMD \["(.*)"\]$`).FindStringSubmatch(deployFiles(t, "Dockerfile")["Dockerfile"])
	if m == nil {
		t.Fatal("the Dockerfile has no CMD")
	}
	out["Dockerfile"] = strings.Split(m[1], `", "`)
	return out
}

func TestDeployStartsCommandsThatExist(t *testing.T) {
	all := invocations(t)
	if len(all) < 14 {
		t.Fatalf("only %d command lines were found", len(all))
	}
	for where, args := range all {
		if err := parses(args); err != nil {
			t.Errorf("%s: trawlmark %s: %v", where, strings.Join(args, " "), err)
		}
	}
	// The check itself can fail.
	for _, bad := range [][]string{{"wrker"}, {"worker", "--pool", "http"}, {"worker", "--pools", "nowhere"}, {"dispatcher", "x"}, {}} {
		if parses(bad) == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}

// parses tells whether a command line would get as far as running.
func parses(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("no command")
	}
	root := rootCommand(streams{in: strings.NewReader(""), out: io.Discard, err: io.Discard, getenv: func(string) string { return "" }})
	c, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	if c == root {
		return fmt.Errorf("no command")
	}
	if err := c.ParseFlags(rest); err != nil {
		return err
	}
	if err := c.ValidateArgs(c.Flags().Args()); err != nil {
		return err
	}
	if f := c.Flags().Lookup("pools"); f != nil {
		pools, err := c.Flags().GetStringSlice("pools")
		if err != nil {
			return err
		}
		for _, p := range pools {
			if !slices.Contains(task.Pools(), p) {
				return fmt.Errorf("there is no pool %q", p)
			}
		}
	}
	return nil
}

// deployConfig loads a configuration of deploy/ as the roles would.
func deployConfig(t *testing.T, name, text string) *configs.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "trawlmark.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := configs.Load(path, func(string) string { return "https://given.example" })
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return c
}

var commentedSeal = regexp.MustCompile(`(?m)^# seal:\n(# .*\n)+`)

func TestDeployConfigurations(t *testing.T) {
	n := 0
	for name, text := range deployFiles(t, "trawlmark.yaml") {
		n++
		c := deployConfig(t, name, text)
		if c.Custody.Origin == "" {
			t.Errorf("%s: custody.origin is empty: each process of a fleet would name the log differently", name)
		}
		if c.DataDir != "/var/lib/trawlmark" || !strings.HasSuffix(c.Metrics.Listen, ":9464") || !strings.HasSuffix(c.Console.Listen, ":8480") {
			t.Errorf("%s: data_dir, metrics.listen or console.listen are not what the other files say: %s, %s, %s", name, c.DataDir, c.Metrics.Listen, c.Console.Listen)
		}
		if len(c.Redis.Addresses) == 0 || c.Storage.Endpoint == "" {
			t.Errorf("%s: a fleet cannot share embedded parts", name)
		}
		// What is shown as a comment works when it is taken in.
		with := commentedSeal.ReplaceAllStringFunc(text, func(s string) string { return strings.ReplaceAll(strings.TrimPrefix(s, "# "), "\n# ", "\n") })
		if c := deployConfig(t, name, with); with == text || len(c.Seal.TSAs) == 0 {
			t.Errorf("%s: the example of seal.tsas gives %d authorities", name, len(c.Seal.TSAs))
		}
	}
	if n != 2 {
		t.Errorf("%d configurations were found, want 2", n)
	}
}

// environment is every variable that the program asks for.
func environment(t *testing.T) func(name string) bool {
	t.Helper()
	asked := map[string]bool{embedded.ChromeEnv: true}
	getenv := func(name string) string { asked[name] = true; return "" }
	if _, err := configs.Load("", getenv); err != nil {
		t.Fatal(err)
	}
	root := rootCommand(streams{in: strings.NewReader(""), out: io.Discard, err: io.Discard, getenv: getenv})
	if root == nil {
		t.Fatal("no command")
	}
	(&globals{s: streams{getenv: getenv}}).actor()
	named := regexp.MustCompile(`^TRAWLMARK_(TSA_([A-Z0-9_]+_|<NAME>_)?PASSWORD|PROXY_<NAME>_URL)$`)
	return func(name string) bool { return asked[name] || named.MatchString(name) }
}

var envName = regexp.MustCompile(`TRAWLMARK_(?:TSA_<NAME>_PASSWORD|PROXY_<NAME>_URL|[A-Z0-9_]*[A-Z0-9])`)

func TestDeployNamesVariablesThatExist(t *testing.T) {
	known := environment(t)
	if known("TRAWLMARK_DATABASE") || !known("TRAWLMARK_DATABASE_URL") || !known("TRAWLMARK_CONFIG") {
		t.Fatal("the set of known variables is wrong")
	}
	texts := deployFiles(t, ".yaml", ".service", ".example", "Dockerfile", ".sh")
	for _, doc := range []string{"operating.md", "cli.md", "scoring.md"} {
		b, err := os.ReadFile("../../docs/" + doc)
		if err != nil {
			t.Fatal(err)
		}
		texts["docs/"+doc] = string(b)
	}
	for name, text := range texts {
		for _, v := range envName.FindAllString(text, -1) {
			if !known(v) {
				t.Errorf("%s names %s, which nothing reads", name, v)
			}
		}
	}
}
