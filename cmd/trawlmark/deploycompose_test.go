package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/configs"
)

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
