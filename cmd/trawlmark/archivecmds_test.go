package main

import (
	"regexp"

	"github.com/rogpeppe/go-internal/testscript"
)

var captureID = regexp.MustCompile(`"capture": "([0-9a-f-]{36})"`)

// idCmd takes the first capture's id out of a JSON document: `id CAPTURE FILE`.
func idCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: id VARIABLE FILE")
	}
	m := captureID.FindStringSubmatch(ts.ReadFile(args[1]))
	if m == nil {
		ts.Fatalf("%s has no capture", args[1])
	}
	ts.Setenv(args[0], m[1])
}
