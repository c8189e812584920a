package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/configs"
)

// deployment is one Deployment of deploy/kubernetes.
type deployment struct {
	name            string
	spec            any // of the pod
	labels, selects map[string]any
	main            any // the container that runs trawlmark
}

func containers(t *testing.T) map[string]deployment {
	t.Helper()
	out := map[string]deployment{}
	for name, text := range deployFiles(t, ".yaml") {
		if !strings.HasPrefix(name, "kubernetes/base/") {
			continue
		}
		for _, doc := range documents(t, name, text) {
			if doc["kind"] != "Deployment" {
				continue
			}
			d := deployment{name: fmt.Sprint(at(doc, "metadata", "name")), spec: at(doc, "spec", "template", "spec")}
			d.labels, _ = at(doc, "spec", "template", "metadata", "labels").(map[string]any)
			d.selects, _ = at(doc, "spec", "selector", "matchLabels").(map[string]any)
			d.main = at(d.spec, "containers", 0)
			out["kubernetes "+d.name] = d
		}
	}
	if len(out) != 5 {
		t.Fatalf("%d Deployments were found, want 5", len(out))
	}
	return out
}

func fleetConfig(t *testing.T) *configs.Config {
	t.Helper()
	const name = "kubernetes/base/trawlmark.yaml"
	return deployConfig(t, name, deployFiles(t, name)[name])
}

func TestPodsAreConfinedAndDrain(t *testing.T) {
	cfg := fleetConfig(t)
	for where, d := range containers(t) {
		for k, v := range d.selects {
			if d.labels[k] != v {
				t.Errorf("%s selects %s=%v, its pods are %v", where, k, v, d.labels[k])
			}
		}
		if at(d.spec, "securityContext", "runAsNonRoot") != true || at(d.spec, "automountServiceAccountToken") != false ||
			at(d.main, "securityContext", "readOnlyRootFilesystem") != true || at(d.main, "securityContext", "allowPrivilegeEscalation") != false ||
			fmt.Sprint(at(d.main, "securityContext", "capabilities", "drop")) != "[ALL]" {
			t.Errorf("%s is not confined", where)
		}
		if at(d.main, "resources", "requests", "cpu") == nil || at(d.main, "resources", "limits", "memory") == nil {
			t.Errorf("%s has no requests or no limit of memory", where)
		}
		grace := fmt.Sprint(at(d.spec, "terminationGracePeriodSeconds"), "s")
		if g, err := configs.ParseDuration(strings.ReplaceAll(grace, " ", "")); err != nil || g.Seconds() < cfg.Worker.Drain.D().Seconds()+10 {
			t.Errorf("%s: a grace of %s is too short for worker.drain %s", where, grace, cfg.Worker.Drain.D())
		}
		spoolFits(t, where, d, int64(cfg.Worker.SpoolLimit))
		probesAnswer(t, where, d)
		volumesAreThere(t, where, d)
	}
}

// spoolFits: a full spool must not evict the pod that has it.
func spoolFits(t *testing.T, where string, d deployment, limit int64) {
	t.Helper()
	if !strings.HasPrefix(d.name, "worker-") {
		return
	}
	for _, v := range at(d.spec, "volumes").([]any) {
		if at(v, "name") != "data" {
			continue
		}
		size := strings.TrimSuffix(fmt.Sprint(at(v, "emptyDir", "sizeLimit")), "i") + "iB"
		if n, err := configs.ParseSize(size); err != nil || n < limit+limit/4 {
			t.Errorf("%s: the volume data of %s is too small for worker.spool_limit of %d bytes", where, size, limit)
		}
	}
}

func probesAnswer(t *testing.T, where string, d deployment) {
	t.Helper()
	ports := map[any]any{}
	for _, p := range at(d.main, "ports").([]any) {
		ports[at(p, "name")] = at(p, "containerPort")
	}
	if fmt.Sprint(ports["metrics"]) != "9464" {
		t.Errorf("%s: the port metrics is %v", where, ports["metrics"])
	}
	for probe, paths := range map[string]string{"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/healthz /readyz"} {
		path, _ := at(d.main, probe, "httpGet", "path").(string)
		if path == "" || !strings.Contains(paths, path) || ports[at(d.main, probe, "httpGet", "port")] == nil {
			t.Errorf("%s: %s asks %q at %v", where, probe, path, at(d.main, probe, "httpGet", "port"))
		}
	}
	if s := fmt.Sprint(at(d.main, "readinessProbe", "timeoutSeconds")); at(d.main, "readinessProbe", "httpGet", "path") == "/readyz" && s <= fmt.Sprint(readyPatience.Seconds()) {
		t.Errorf("%s: the probe gives up after %s s, /readyz after %s", where, s, readyPatience)
	}
}

func volumesAreThere(t *testing.T, where string, d deployment) {
	t.Helper()
	there := map[any]bool{}
	for _, v := range at(d.spec, "volumes").([]any) {
		there[at(v, "name")] = true
	}
	all := append(at(d.spec, "initContainers").([]any), d.main)
	for _, c := range all {
		for _, m := range at(c, "volumeMounts").([]any) {
			if !there[at(m, "name")] {
				t.Errorf("%s mounts %v, which is no volume of it", where, at(m, "name"))
			}
		}
	}
}

// Whatever names a Deployment names one that there is, and each has a budget.
func TestScalersAndBudgetsFit(t *testing.T) {
	cfg := fleetConfig(t)
	all := containers(t)
	slots := map[string]int{"worker-http": cfg.Worker.Pools.HTTP, "worker-browser": cfg.Worker.Pools.Browser}
	budgets, scalers, queues := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for name, text := range deployFiles(t, ".yaml") {
		if !strings.HasPrefix(name, "kubernetes/") {
			continue
		}
		for _, doc := range documents(t, name, text) {
			switch doc["kind"] {
			case "PodDisruptionBudget":
				n := fmt.Sprint(at(doc, "spec", "selector", "matchLabels", "app.kubernetes.io/component"))
				budgets[n] = true
			case "HorizontalPodAutoscaler":
				scalers[fmt.Sprint(at(doc, "spec", "scaleTargetRef", "name"))] = true
			case "ScaledObject":
				n := fmt.Sprint(at(doc, "spec", "scaleTargetRef", "name"))
				queues[n] = true
				if got := fmt.Sprint(at(doc, "spec", "triggers", 0, "metadata", "threshold")); got != fmt.Sprint(slots[n]) {
					t.Errorf("%s: a threshold of %s, and %d slots a pod", n, got, slots[n])
				}
				if err := checkExpr(metricLabels(), fmt.Sprint(at(doc, "spec", "triggers", 0, "metadata", "query"))); err != nil {
					t.Errorf("%s: %v", n, err)
				}
			}
		}
	}
	for n := range slots {
		if !scalers[n] || !queues[n] {
			t.Errorf("%s is not scaled in both ways", n)
		}
	}
	for n := range budgets {
		if _, ok := all["kubernetes "+n]; !ok {
			t.Errorf("a budget for %s, which there is not", n)
		}
	}
	for _, d := range all {
		if !budgets[d.name] {
			t.Errorf("%s has no disruption budget", d.name)
		}
	}
	// Fewer tickets than the slots of a few pods, and a fleet starves.
	if cfg.Dispatcher.MaxQueued < 8*cfg.Worker.Pools.HTTP {
		t.Errorf("dispatcher.max_queued %d is little for a fleet", cfg.Dispatcher.MaxQueued)
	}
}

func TestKustomizationsHoldTogether(t *testing.T) {
	n := 0
	for name, text := range deployFiles(t, "kustomization.yaml") {
		n++
		doc := documents(t, name, text)[0]
		files := append(words(at(doc, "resources")), words(at(doc, "configMapGenerator", 0, "files"))...)
		for _, f := range files {
			if _, err := os.Stat(filepath.Join(deployDir, filepath.Dir(name), f)); err != nil {
				t.Errorf("%s names %s, which is not there", name, f)
			}
		}
	}
	if n != 3 {
		t.Errorf("%d kustomizations were found, want 3", n)
	}
	t.Run("kubectl", func(t *testing.T) {
		kubectl, err := exec.LookPath("kubectl")
		if err != nil {
			t.Skip("kubectl is not here; the files were read by this test alone")
		}
		// An overlay that uses the component, as an operator would write it.
		dir := t.TempDir()
		base, err := filepath.Abs(deployDir)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(filepath.Join(dir, "k"), os.DirFS(filepath.Join(base, "kubernetes"))); err != nil {
			t.Fatal(err)
		}
		over := filepath.Join(dir, "k", "mine")
		if err := os.Mkdir(over, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(over, "kustomization.yaml"), []byte("resources: [../scale-on-queue]\ncomponents: [../chrome-sandbox]\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(kubectl, "kustomize", over).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for want, count := range map[string]int{"kind: Deployment\n": 5, "kind: ScaledObject\n": 2, "kind: HorizontalPodAutoscaler\n": 0, "localhostProfile: profiles/trawlmark-chrome.json\n": 2} {
			if got := strings.Count(string(out), want); got != count {
				t.Errorf("%d times %q, want %d", got, strings.TrimSpace(want), count)
			}
		}
	})
}
