package bundle

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/manifest"
)

// The names of SPEC.md, "The members".
const (
	nameReadme   = "00-README.html"
	nameReadPDF  = "00-README.pdf"
	nameVerifier = "verify/trawlmark-verify"
	nameKeys     = "seal/log/keys.txt"
	nameSystem   = "system/description.html"
	nameConfig   = "system/configuration.txt"
	name90213    = "certificates/902-13.html"
	name90214    = "certificates/902-14.html"
	nameScript   = "verify/verify.sh"
	nameSums     = "verify/SHA256SUMS"
	fileManifest = "manifest.json"
	fileProof    = "capture.tlog-proof"
	fileHeaders  = "headers.txt"
	fileWARC     = "capture.warc.gz"
	fileCheck    = "checkpoint"
	dirCase      = "custody/case/"
	dirLog       = "seal/log/"
	dirExport    = "export/"
)

func exhibitName(id capture.ID, ext string) string { return "exhibits/" + id.String() + ext }
func nativeName(id capture.ID, file string) string { return "native/" + id.String() + "/" + file }
func waczName(id capture.ID) string                { return nativeName(id, id.String()+".wacz") }
func sealName(id capture.ID, file string) string   { return "seal/" + id.String() + "/" + file }
func custodyDir(id capture.ID) string              { return "custody/" + id.String() + "/" }
func comparisonName(id capture.ID) string          { return "comparison/" + id.String() + ".html" }
func exportName(id capture.ID, ext string) string  { return dirExport + id.String() + ext }

// artifactFile is the file of an artifact in native/: the last part of its key.
func artifactFile(a manifest.Artifact) (string, error) {
	f := path.Base(a.Key)
	if err := checkName(f); err != nil || f == fileHeaders || strings.HasSuffix(f, ".wacz") || strings.HasSuffix(f, ".warc.gz") {
		return "", fmt.Errorf("the artifact %s has a key that gives no name for a file: %q", a.Role, a.Key)
	}
	return f, nil
}

// place is where a member stands.
type place struct {
	layer   Layer
	capture capture.ID // zero: it is of the package
	ok      bool       // the table of SPEC.md has it
}

// placeOf says what a name means.
func placeOf(name string) place {
	of := func(l Layer, id capture.ID, ok bool) place { return place{l, id, ok} }
	parts := strings.Split(name, "/")
	var id capture.ID
	if len(parts) > 1 {
		stem, _, _ := strings.Cut(parts[1], ".")
		id, _ = capture.ParseID(stem) // zero: no capture's
	}
	last := parts[len(parts)-1]
	switch {
	case slices.Contains([]string{nameReadme, nameReadPDF, nameVerifier, nameSystem, nameConfig, name90213, name90214, nameScript, nameSums, nameExpected}, name):
		return of(LayerPackage, id, true)
	case parts[0] == "exhibits" && !id.IsZero():
		return of(LayerPackage, id, name == exhibitName(id, ".html") || name == exhibitName(id, ".pdf"))
	case parts[0] == "comparison" && !id.IsZero():
		return of(LayerPackage, id, name == comparisonName(id))
	case parts[0] == "export" && !id.IsZero():
		return of(LayerPackage, id, name == exportName(id, ".json") || name == exportName(id, ".tlog-proof"))
	case parts[0] == "native" && !id.IsZero() && name == waczName(id):
		return of(LayerWACZ, id, true)
	case parts[0] == "native" && !id.IsZero():
		return of(LayerArtifacts, id, len(parts) == 3)
	case parts[0] == "custody" && len(parts) == 3:
		return of(LayerCustody, id, eventFile(last) && (parts[1] == "case" || parts[1] == id.String()))
	case name == nameKeys:
		return of(LayerCheckpoint, id, true)
	case strings.HasPrefix(name, dirRenewals):
		return of(LayerStamps, capture.ID{}, renewalFile(name))
	case strings.HasPrefix(name, dirLog):
		return of(LayerCheckpoint, id, len(parts) == 3 && (eventFile(last) || consistencyFile(last)))
	case parts[0] == "seal" && !id.IsZero() && parts[1] == id.String():
		l, ok := sealPlace(strings.Join(parts[2:], "/"))
		return of(l, id, ok)
	}
	return of(LayerPackage, id, false)
}

func sealPlace(file string) (Layer, bool) {
	if rest, ok := strings.CutPrefix(file, dirOriginal); ok {
		if rest == fileCaptured {
			return LayerManifest, true
		}
		if strings.HasPrefix(rest, dirOriginal) || strings.HasPrefix(rest, "after/") {
			return LayerPackage, false
		}
		return sealPlace(rest)
	}
	switch file {
	case fileManifest:
		return LayerManifest, true
	case fileProof:
		return LayerProof, true
	case fileCheck:
		return LayerCheckpoint, true
	case "after/" + fileCheck:
		return LayerStamps, true
	}
	dir, f, _ := strings.Cut(file, "/")
	stem, ext, _ := strings.Cut(f, ".")
	return LayerStamps, (dir == "stamps" || dir == "after") && stem != "" && slices.Contains([]string{"tsq", "tsr", "pem", "rev"}, ext)
}

// consistencyFile reports whether a file is named as a proof of consistency.
func consistencyFile(f string) bool {
	var from, to int64
	n, err := fmt.Sscanf(f, "%d-%d"+extConsistency, &from, &to)
	return err == nil && n == 2 && dirLog+f == consistencyName(from, to)
}

// eventFile reports whether a file is an event or its proof.
func eventFile(f string) bool {
	stem, ext, _ := strings.Cut(f, ".")
	_, err := capture.ParseID(stem)
	return err == nil && (ext == "json" || ext == "tlog-proof")
}
