package bundle

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Layer is what is checked.
type Layer string

// The layers, in the order of SPEC.md.
const (
	LayerPackage    Layer = "package"
	LayerManifest   Layer = "manifest"
	LayerProof      Layer = "log proof"
	LayerCheckpoint Layer = "checkpoint signature"
	LayerStamps     Layer = "time stamps"
	LayerCustody    Layer = "custody events"
	LayerArtifacts  Layer = "artifacts"
	LayerWACZ       Layer = "WACZ"
	// LayerStorage is of captures in the store only: lock, legal hold, version.
	LayerStorage Layer = "storage lock"
)

// Layers lists them.
func Layers() []Layer {
	return []Layer{LayerPackage, LayerManifest, LayerProof, LayerCheckpoint, LayerStamps, LayerCustody, LayerArtifacts, LayerWACZ}
}

// Status is how a check ended.
type Status string

// The ways a check ends. Only Pass is good. Withheld is no judgement: what a
// redaction left out is told with its digest, and a layer is not the worse for it.
const (
	Pass       Status = "PASS"
	Fail       Status = "FAIL"
	NotChecked Status = "NOT-CHECKED"
	Withheld   Status = "WITHHELD"
)

// Check is one thing that was looked at.
type Check struct {
	Layer   Layer       `json:"layer"`
	Status  Status      `json:"status"`
	Capture *capture.ID `json:"capture,omitempty"`
	File    string      `json:"file,omitempty"`
	Note    string      `json:"note,omitempty"` // what is wrong, or what it shows
}

// CaptureReport is what holds of one capture, as far as it passed.
type CaptureReport struct {
	ID       capture.ID      `json:"capture"`
	URL      string          `json:"url,omitempty"`
	Outcome  capture.Outcome `json:"outcome,omitempty"`
	Manifest capture.Digest  `json:"manifest_sha256"`
	// NotBefore and NotAfter are stamped times that were verified; zero: there
	// is none.
	NotBefore time.Time `json:"not_before,omitzero"`
	NotAfter  time.Time `json:"not_after,omitzero"`
	StampedBy []string  `json:"stamped_by,omitempty"`
	// Redaction is set when parts were withheld.
	Redaction *RedactionReport `json:"redaction,omitempty"`
}

// RedactionReport says of what a capture is a redaction.
type RedactionReport struct {
	Original capture.ID     `json:"original"`
	Manifest capture.Digest `json:"original_manifest_sha256"`
	At       time.Time      `json:"at"`
	By       string         `json:"by"`
	Reason   string         `json:"reason"`
	NotAfter time.Time      `json:"not_after,omitzero"` // the redaction was made before this
}

// Report is what Verify found.
type Report struct {
	SHA256   capture.Digest  `json:"sha256"`   // of the whole file
	Contents capture.Digest  `json:"contents"` // of its list of files
	Log      string          `json:"log,omitempty"`
	Captures []CaptureReport `json:"captures"`
	Checks   []Check         `json:"checks"`
	// Expected says whether this is what the package's verify/expected.txt has;
	// nil: nothing to compare with. It is no judgement.
	Expected *bool `json:"as_expected,omitempty"`
}

// Lines tells the report in lines of text: the captures with the times that
// are proved, and the layers with the checks that did not pass, or with all.
// What came out of a package is made harmless for a terminal.
func (r *Report) Lines(all bool) []string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, safe(fmt.Sprintf(format, args...))) }
	for _, c := range r.Captures {
		add("  capture %s  %s  %s", c.ID, c.Outcome, c.URL)
		const form = "2006-01-02 15:04:05 UTC"
		switch {
		case c.NotAfter.IsZero():
			add("    no time of it is proved")
		case c.NotBefore.IsZero():
			add("    before %s", c.NotAfter.UTC().Format(form))
		default:
			add("    between %s and %s", c.NotBefore.UTC().Format(form), c.NotAfter.UTC().Format(form))
		}
	}
	for _, c := range r.Captures {
		if x := c.Redaction; x != nil {
			add("  %s is a redaction of %s, made by %s: %s", c.ID, x.Original, x.By, x.Reason)
		}
	}
	for _, l := range Layers() {
		add("  %-21s %s", l, r.Layer(l))
		for _, c := range r.Checks {
			if c.Layer == l && (all || c.Status != Pass) {
				add("    %-11s %s", c.Status, strings.TrimPrefix(c.File+": "+c.Note, ": "))
			}
		}
	}
	return lines
}

// safe keeps what a package says from moving the cursor of a terminal.
func safe(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return '?'
		}
		return r
	}, s)
}

// Layer gives the status of one layer: FAIL if one check is, else NOT-CHECKED
// if one is or there was none.
func (r *Report) Layer(l Layer) Status {
	s, any := Pass, false
	for _, c := range r.Checks {
		if c.Layer != l {
			continue
		}
		if c.Status == Withheld {
			continue
		}
		any = true
		if c.Status == Fail {
			return Fail
		}
		if c.Status != Pass {
			s = NotChecked
		}
	}
	if !any {
		return NotChecked
	}
	return s
}

// Status is that of the whole.
func (r *Report) Status() Status {
	s := Pass
	for _, l := range Layers() {
		switch r.Layer(l) {
		case Fail:
			return Fail
		case NotChecked:
			s = NotChecked
		case Pass:
		}
	}
	return s
}

// Failed lists the checks that failed.
func (r *Report) Failed() []Check {
	var all []Check
	for _, c := range r.Checks {
		if c.Status == Fail {
			all = append(all, c)
		}
	}
	return all
}

// Add adds a check that somebody else made.
func (r *Report) Add(l Layer, s Status, id capture.ID, file, note string) {
	r.add(l, s, id, file, note)
}

func (r *Report) add(l Layer, s Status, id capture.ID, file, note string) {
	c := Check{Layer: l, Status: s, File: file, Note: note}
	if !id.IsZero() {
		c.Capture = &id
	}
	r.Checks = append(r.Checks, c)
}

// result adds a check that passed when err is nil.
func (r *Report) result(l Layer, id capture.ID, file string, err error, good string) bool {
	if err != nil {
		r.add(l, Fail, id, file, err.Error())
		return false
	}
	r.add(l, Pass, id, file, good)
	return true
}
