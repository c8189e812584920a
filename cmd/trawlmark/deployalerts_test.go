package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

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
