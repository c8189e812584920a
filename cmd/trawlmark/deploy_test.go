package main

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus"

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

func TestComposeHoldsTogether(t *testing.T) {
	text := deployFiles(t, "compose.yaml")["compose/compose.yaml"]
	doc := documents(t, "compose.yaml", text)[0]
	declared, _ := at(doc, "volumes").(map[string]any)
	env := deployFiles(t, "env.example")["compose/env.example"]
	for _, m := range regexp.MustCompile(`\$\{([A-Z0-9_]+)(:\?[^}]*)?\}`).FindAllStringSubmatch(text, -1) {
		if !regexp.MustCompile(`(?m)^` + m[1] + `=$`).MatchString(env) {
			t.Errorf("%s is not in env.example, or has a value there", m[1])
		}
		if m[2] == "" {
			t.Errorf("%s may be empty: compose should refuse to start", m[1])
		}
	}
	services := at(doc, "services").(map[string]any)
	for name, s := range services {
		for _, v := range words(at(s, "volumes")) {
			from, _, ok := strings.Cut(v, ":")
			if !ok || strings.HasPrefix(from, "/") {
				continue
			}
			if strings.HasPrefix(from, ".") {
				if _, err := os.Stat(filepath.Join(deployDir, "compose", from)); err != nil {
					t.Errorf("%s mounts %s, which is not there", name, from)
				}
			} else if _, ok := declared[from]; !ok {
				t.Errorf("%s mounts the volume %s, which is not declared", name, from)
			}
		}
		for _, o := range words(at(s, "security_opt")) {
			if file, ok := strings.CutPrefix(o, "seccomp="); ok {
				if _, err := os.Stat(filepath.Join(deployDir, "compose", file)); err != nil {
					t.Errorf("%s uses the profile %s, which is not there", name, file)
				}
			}
		}
		for _, p := range words(at(s, "ports")) {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s opens %s to the world", name, p)
			}
		}
	}
	c := deployConfig(t, "compose", deployFiles(t, "compose/trawlmark.yaml")["compose/trawlmark.yaml"])
	for _, address := range append([]string{c.Storage.Endpoint}, c.Redis.Addresses...) {
		host, _, _ := strings.Cut(address, ":")
		if services[host] == nil {
			t.Errorf("the configuration names %s, and no service is called so", host)
		}
	}
	grace, err := configs.ParseDuration(fmt.Sprint(at(doc, "x-trawlmark", "stop_grace_period")))
	if err != nil || grace <= c.Worker.Drain.D() {
		t.Errorf("stop_grace_period %s, %v: must be longer than worker.drain %s", grace, err, c.Worker.Drain.D())
	}
	targets := deployFiles(t, "prometheus.yaml")["prometheus/prometheus.yaml"]
	for name, s := range services {
		if image, _ := at(s, "image").(string); strings.HasPrefix(image, "trawlmark:") && !strings.Contains(targets, name) {
			t.Errorf("prometheus.yaml does not scrape %s", name)
		}
	}
}

func TestUnitsAreWhatSystemdTakes(t *testing.T) {
	units := deployFiles(t, ".service")
	for name, text := range units {
		m := regexp.MustCompile(`(?m)^TimeoutStopSec=(.*)$`).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("%s has no TimeoutStopSec", name)
		}
		if d, err := configs.ParseDuration(m[1]); err != nil || d <= configs.Default().Worker.Drain.D() {
			t.Errorf("%s: TimeoutStopSec=%s is not longer than worker.drain", name, m[1])
		}
		browser := strings.Contains(text, "trawlmark up") || strings.Contains(text, "trawlmark worker")
		for _, forbids := range []string{"\nMemoryDenyWriteExecute=yes", "\nRestrictNamespaces=yes"} {
			if strings.Contains(text, forbids) == browser {
				t.Errorf("%s: %s in a unit with Chrome, or missing in one without", name, strings.TrimSpace(forbids))
			}
		}
	}
	t.Run("analyze", func(t *testing.T) {
		analyze, err := exec.LookPath("systemd-analyze")
		if err != nil {
			t.Skip("systemd-analyze is not here; the units were read by this test alone")
		}
		dir := t.TempDir()
		var files []string
		for name, text := range units {
			// It wants the program to be there.
			f := filepath.Join(dir, filepath.Base(name))
			if err := os.WriteFile(f, []byte(strings.ReplaceAll(text, "/usr/local/bin/trawlmark", "/bin/true")), 0o600); err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
		if out, err := exec.Command(analyze, append([]string{"verify"}, files...)...).CombinedOutput(); err != nil || strings.Contains(string(out), dir) {
			t.Errorf("systemd-analyze verify: %v\n%s", err, out)
		}
	})
}

// Chrome's sandbox needs what it needs, whatever is added to the list.
func TestSeccompProfileLetsChromeUseItsSandbox(t *testing.T) {
	var p struct {
		Default  string `json:"defaultAction"`
		Syscalls []struct {
			Names  []string `json:"names"`
			Action string   `json:"action"`
		} `json:"syscalls"`
	}
	if err := json.Unmarshal([]byte(deployFiles(t, "seccomp-chrome.json")["seccomp-chrome.json"]), &p); err != nil {
		t.Fatal(err)
	}
	if p.Default != "SCMP_ACT_ALLOW" || len(p.Syscalls) != 1 || p.Syscalls[0].Action != "SCMP_ACT_ERRNO" {
		t.Fatalf("not the shape this test knows: %+v", p)
	}
	names := p.Syscalls[0].Names
	for _, needs := range []string{"clone", "clone3", "unshare", "chroot", "seccomp", "prctl", "memfd_create", "execve"} {
		if slices.Contains(names, needs) {
			t.Errorf("%s is refused, and Chrome's sandbox needs it", needs)
		}
	}
	for _, never := range []string{"mount", "bpf", "init_module", "kexec_load", "keyctl", "ptrace", "process_vm_readv", "perf_event_open", "setns"} {
		if !slices.Contains(names, never) {
			t.Errorf("%s is allowed", never)
		}
	}
	if !slices.IsSorted(names) {
		t.Error("keep the names sorted, so that a change can be read")
	}
}

func TestImageIsBuiltWithOurGo(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(mod))
	got := regexp.MustCompile(`(?m)^FROM golang:(\d+\.\d+)-`).FindStringSubmatch(deployFiles(t, "Dockerfile")["Dockerfile"])
	if want == nil || got == nil || want[1] != got[1] {
		t.Errorf("go.mod wants %v, the image is built with %v", want, got)
	}
}

var (
	metricInExpr = regexp.MustCompile(`\b((?:trawlmark|process|go)_[a-z0-9_]+)\b(\{[^}]*\})?`)
	labelInExpr  = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"`)
	aggregation  = regexp.MustCompile(`\b(?:by|on|without|ignoring)\s*\(([^)]*)\)`)
)

// checkExpr holds an expression against the metrics there are. It is no parser
// of PromQL: names, labels, brackets.
func checkExpr(all map[string][]string, expr string) error {
	if strings.TrimSpace(expr) == "" {
		return fmt.Errorf("empty")
	}
	depth := []rune{}
	for _, r := range regexp.MustCompile(`"[^"]*"`).ReplaceAllString(expr, "") {
		switch r {
		case '(', '[', '{':
			depth = append(depth, r)
		case ')', ']', '}':
			want := map[rune]rune{')': '(', ']': '[', '}': '{'}[r]
			if len(depth) == 0 || depth[len(depth)-1] != want {
				return fmt.Errorf("brackets do not match")
			}
			depth = depth[:len(depth)-1]
		}
	}
	if len(depth) > 0 {
		return fmt.Errorf("brackets do not match")
	}
	outside := []string{"instance", "job", "le"}
	var labels []string
	names := metricInExpr.FindAllStringSubmatch(expr, -1)
	if len(names) == 0 {
		return fmt.Errorf("it names no metric")
	}
	for _, m := range names {
		base := m[1]
		for _, part := range []string{"_bucket", "_sum", "_count"} {
			if b, ok := strings.CutSuffix(base, part); ok && all[b] != nil {
				base = b
			}
		}
		own, ok := all[base]
		if !ok {
			return fmt.Errorf("there is no metric %s", m[1])
		}
		labels = append(labels, own...)
		for _, l := range labelInExpr.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(own, l[1]) && !slices.Contains(outside, l[1]) {
				return fmt.Errorf("%s has no label %s", m[1], l[1])
			}
		}
	}
	for _, m := range aggregation.FindAllStringSubmatch(expr, -1) {
		for l := range strings.SplitSeq(m[1], ",") {
			if l = strings.TrimSpace(l); l != "" && !slices.Contains(labels, l) && !slices.Contains(outside, l) {
				return fmt.Errorf("no metric in it has the label %s", l)
			}
		}
	}
	return nil
}

// metricLabels are all metrics with their labels.
func metricLabels() map[string][]string {
	ch := make(chan *prometheus.Desc, 400)
	newFleetCollector(fleet{}).Describe(ch)
	newSpoolCollector(nil, nil).Describe(ch)
	newChromeCollector(nil).Describe(ch)
	newKeeperCollector(nil, nil).Describe(ch)
	newMeters().reg.Describe(ch)
	close(ch)
	out := map[string][]string{}
	desc := regexp.MustCompile(`fqName: "([a-z0-9_]+)".*constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}`)
	for d := range ch {
		m := desc.FindStringSubmatch(d.String())
		if m == nil {
			continue
		}
		labels := []string{}
		for _, l := range regexp.MustCompile(`([a-z]+)=`).FindAllStringSubmatch(m[2], -1) {
			labels = append(labels, l[1])
		}
		for l := range strings.SplitSeq(m[3], ",") {
			if l != "" {
				labels = append(labels, l)
			}
		}
		out[m[1]] = labels
	}
	return out
}

func TestAlertsUseWhatThereIs(t *testing.T) {
	all := metricLabels()
	page, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	anchors := headings(string(page))
	seen := map[string]bool{}
	doc := documents(t, "alerts.yaml", deployFiles(t, "alerts.yaml")["prometheus/alerts.yaml"])[0]
	for _, g := range at(doc, "groups").([]any) {
		for _, r := range at(g, "rules").([]any) {
			name, _ := at(r, "alert").(string)
			if name == "" || seen[name] {
				t.Errorf("an alert without a name, or a second %q", name)
			}
			seen[name] = true
			if err := checkExpr(all, fmt.Sprint(at(r, "expr"))); err != nil {
				t.Errorf("%s: %v: %v", name, err, at(r, "expr"))
			}
			if s := at(r, "labels", "severity"); s != "page" && s != "ticket" {
				t.Errorf("%s: severity %v", name, s)
			}
			if at(r, "annotations", "summary") == nil {
				t.Errorf("%s does not say what is wrong", name)
			}
			book, _ := at(r, "annotations", "runbook").(string)
			if anchor, ok := strings.CutPrefix(book, "docs/operating.md#"); !ok || !anchors[anchor] {
				t.Errorf("%s: docs/operating.md has no section %q", name, book)
			}
		}
	}
	if len(seen) < 12 {
		t.Errorf("only %d alerts were found", len(seen))
	}
	for _, bad := range []string{"", "1 > 0", "trawlmark_nothing > 0", `trawlmark_jobs{pool="http"}`, "sum by (host) (trawlmark_jobs)", "sum(trawlmark_jobs"} {
		if checkExpr(all, bad) == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// headings gives the anchors of a page as GitHub makes them.
func headings(page string) map[string]bool {
	out := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(page, -1) {
		a := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(m[1]), "")
		out[strings.ReplaceAll(a, " ", "-")] = true
	}
	return out
}

func TestDashboardUsesWhatThereIs(t *testing.T) {
	all := metricLabels()
	var d struct {
		Panels []struct {
			ID      int    `json:"id"`
			Type    string `json:"type"`
			Title   string `json:"title"`
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
			GridPos struct{ X, W int } `json:"gridPos"`
		} `json:"panels"`
	}
	if err := json.Unmarshal([]byte(deployFiles(t, "grafana/trawlmark.json")["grafana/trawlmark.json"]), &d); err != nil {
		t.Fatal(err)
	}
	ids, shown := map[int]bool{}, map[string]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %d, %q: its id is there twice, it has no title, or it does not fit", p.ID, p.Title)
		}
		ids[p.ID] = true
		if (p.Type == "row") != (len(p.Targets) == 0) {
			t.Errorf("panel %q is a %s with %d queries", p.Title, p.Type, len(p.Targets))
		}
		for _, q := range p.Targets {
			if err := checkExpr(all, q.Expr); err != nil {
				t.Errorf("panel %q: %v: %s", p.Title, err, q.Expr)
			}
			for _, m := range metricInExpr.FindAllStringSubmatch(q.Expr, -1) {
				shown[m[1]] = true
			}
		}
	}
	for name := range all {
		if strings.HasPrefix(name, "trawlmark_") && !shown[name] && !shown[name+"_bucket"] &&
			!slices.Contains([]string{"trawlmark_spool_limit_bytes", "trawlmark_spool_refused", "trawlmark_queue_given_up", "trawlmark_queue_paused"}, name) {
			t.Errorf("no panel shows %s", name)
		}
	}
}
