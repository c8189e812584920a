package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/sqldb"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/configs"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// The exit codes. They are an API: docs/cli.md lists them, a test holds it.
const (
	exitOK          = 0
	exitFailed      = 1 // what was asked did not work out
	exitUsage       = 2 // the command line cannot be understood
	exitConfig      = 3 // the configuration is wrong
	exitUnavailable = 4 // a part (database, queue, storage, Chrome) does not answer
	exitNotFound    = 5 // no such watch, finding, capture, case
	exitNotVerified = 6 // evidence does not verify
	exitPartly      = 7 // some of several things failed; the output says which
	exitInterrupted = 130
)

// Errors that commands give to choose an exit code.
type (
	usageError   struct{ error }
	partlyError  struct{ error }
	tamperError  struct{ error }
	missingPart  struct{ error }
	silentlyExit struct{ code int }
)

// What they wrap can be told by errors.Is.
func (e usageError) Unwrap() error  { return e.error }
func (e partlyError) Unwrap() error { return e.error }
func (e tamperError) Unwrap() error { return e.error }
func (e missingPart) Unwrap() error { return e.error }

func (silentlyExit) Error() string { return "" }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// exitCode prints an error as one sentence and gives the code for it.
func exitCode(s streams, err error) int {
	if err == nil {
		return exitOK
	}
	if q, ok := errors.AsType[silentlyExit](err); ok {
		return q.code
	}
	code := classify(err)
	if code == exitInterrupted {
		fmt.Fprintln(s.err, "trawlmark: interrupted; what was begun is put back or finished by the next start")
		return code
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintln(s.err, "trawlmark: "+strings.TrimRight(line, "\n"))
	}
	if code == exitUsage {
		fmt.Fprintln(s.err, "trawlmark: see `trawlmark --help`, or --help after the command")
	}
	return code
}

// classify is the one table from errors to exit codes.
func classify(err error) int {
	var key *configs.KeyError
	switch {
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case as[usageError](err):
		return exitUsage
	case as[tamperError](err):
		return exitNotVerified
	case as[partlyError](err):
		return exitPartly
	case errors.As(err, &key):
		return exitConfig
	case errors.Is(err, catalog.ErrNotFound), errors.Is(err, vault.ErrNotFound), errors.Is(err, ledger.ErrNotFound), errors.Is(err, archive.ErrGone):
		return exitNotFound
	case as[missingPart](err), errors.Is(err, vault.ErrUnavailable), errors.Is(err, sqldb.ErrUnavailable):
		return exitUnavailable
	case strings.HasPrefix(err.Error(), "unknown command"), strings.HasPrefix(err.Error(), "unknown flag"),
		strings.HasPrefix(err.Error(), "unknown shorthand"), strings.Contains(err.Error(), "arg(s)"),
		strings.HasPrefix(err.Error(), "invalid argument"), strings.HasPrefix(err.Error(), "required flag"),
		strings.HasPrefix(err.Error(), "flag needs an argument"):
		return exitUsage // cobra's own errors have no type
	}
	return exitFailed
}

func as[T error](err error) bool { _, ok := errors.AsType[T](err); return ok }
