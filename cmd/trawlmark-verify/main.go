// Command trawlmark-verify checks packages of evidence, offline: it opens the
// files it is told, and nothing else. `trawlmark-verify --help` teaches it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/trawlmark/trawlmark/archive/bundle"
)

// The exit codes, which --help lists.
const (
	exitPass       = 0
	exitUnreadable = 1
	exitUsage      = 2
	exitFail       = 6
	exitNotChecked = 7
)

const help = `trawlmark-verify checks packages of evidence made by Trawlmark.

  trawlmark-verify [--trust FILE] [--original PATH] [--json] [--all] PACKAGE...

It needs no network, and asks nobody. For each package it tells, layer by layer:

  package               every file is there, none was added, and the log has this very list
  manifest              the list of a capture's files is the one that the log has
  log proof             the capture is in the log: leaf, hashes, root (RFC 6962)
  checkpoint signature  the log's key signed that root (Ed25519, signed note)
  time stamps           authorities say when that root existed (RFC 3161)
  custody events        who did what with it is in the log, too
  artifacts             every file is, to the bit, the one that was recorded
  WACZ                  the file for replay programs holds that recording, and is consistent

PASS is good. FAIL is not. NOT-CHECKED means that nobody knows: it is not good.
WITHHELD lines tell what a redaction leaves out, with the digest that it had: they
are no judgement. What is there is checked as ever.

--trust FILE   whom to believe: the keys of logs and the roots of time stamp authorities. Without it nothing
               that rests on a key can pass. Lines "log <verifier key>" and PEM certificates, or JSON:
               {"log_keys": ["..."], "tsa_roots": ["-----BEGIN CERTIFICATE-----..."]}
               The operator of the log prints it by "trawlmark evidence trust". Get it, or compare it, by
               another way than the package: whoever could forge one could forge the other.
--original PATH  where the originals of redactions are: a package of them, a folder that one was unpacked into,
               or what "trawlmark evidence get" wrote; may be given several times. Each redaction is held against
               its original: what is not withheld is the same to the bit, record by record, and what is withheld
               is what the log has. A picture may differ in black pixels only, a text where [withheld] stands.
--all          list every check, not just those that did not pass
--json         one JSON document: for programs

Several captures are checked at one time, and told in their order; of what takes long it says on standard
error how far it is.

Exit codes: 0 everything passed; 6 something failed; 7 nothing failed, but something was not checked;
1 a file could not be read; 2 wrong usage. Of several packages the worst counts, in the order 1, 6, 7, 0.

What a PASS means, and what it does not, is in 00-README.html of the package.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// result is what is printed of one package.
type result struct {
	File   string                         `json:"file"`
	Status bundle.Status                  `json:"status"`
	Error  string                         `json:"error,omitempty"`
	Layers map[bundle.Layer]bundle.Status `json:"layers,omitempty"`
	Report *bundle.Report                 `json:"report,omitempty"`
}

func run(ctx context.Context, args []string, out, errs io.Writer) int {
	f := flag.NewFlagSet("trawlmark-verify", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	trustFile := f.String("trust", "", "")
	asJSON := f.Bool("json", false, "")
	all := f.Bool("all", false, "")
	var names []string
	f.Func("original", "", func(name string) error { names = append(names, name); return nil })
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(out, help)
			return exitPass
		}
		fmt.Fprintf(errs, "trawlmark-verify: %v; see --help\n", err)
		return exitUsage
	}
	if f.NArg() == 0 {
		fmt.Fprintln(errs, "trawlmark-verify: name a package; see --help")
		return exitUsage
	}
	trust, err := readTrust(*trustFile)
	if err != nil {
		fmt.Fprintln(errs, "trawlmark-verify:", err)
		if errors.Is(err, bundle.ErrTrust) {
			return exitUsage
		}
		return exitUnreadable
	}
	originals, err := openOriginals(names)
	defer func() {
		for _, o := range originals {
			_ = o.Close() // it was read only
		}
	}()
	if err != nil {
		fmt.Fprintln(errs, "trawlmark-verify:", safe(err.Error()))
		return exitUnreadable
	}
	var results []result
	for _, name := range f.Args() {
		o := bundle.Options{Originals: originals, Progress: progress(errs, name, time.Now)}
		results = append(results, verify(ctx, name, trust, o))
	}
	if *asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		if err := e.Encode(results); err != nil {
			return exitUnreadable
		}
		return code(results)
	}
	for _, r := range results {
		r.print(out, *all)
	}
	return code(results)
}

// every is how often progress is told.
const every = 5 * time.Second

// progress tells of a large package how far it is, on standard error.
func progress(errs io.Writer, name string, now func() time.Time) func(done, total int) {
	last := now()
	return func(done, total int) {
		if t := now(); t.Sub(last) >= every && done < total {
			last = t
			fmt.Fprintf(errs, "trawlmark-verify: %s: %d of %d captures\n", safe(name), done, total)
		}
	}
}

func openOriginals(names []string) ([]*bundle.Originals, error) {
	var all []*bundle.Originals
	for _, name := range names {
		o, err := bundle.OpenOriginals(name)
		if err != nil {
			return all, err
		}
		all = append(all, o)
	}
	return all, nil
}

func readTrust(name string) (bundle.Trust, error) {
	if name == "" {
		return bundle.Trust{}, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return bundle.Trust{}, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, bundle.MaxTrust+1))
	if err != nil {
		return bundle.Trust{}, err
	}
	t, err := bundle.ParseTrust(b)
	if err != nil {
		return t, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}

func verify(ctx context.Context, name string, trust bundle.Trust, o bundle.Options) result {
	r := result{File: name, Status: bundle.NotChecked}
	file, err := os.Open(name)
	if err != nil {
		r.Error = err.Error()
		return r
	}
	defer file.Close()
	fi, err := file.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = &fs.PathError{Op: "read", Path: name, Err: errors.New("it is no file; name the package itself, not what was unpacked from it")}
	}
	if err == nil {
		r.Report, err = bundle.VerifyWith(ctx, file, fi.Size(), trust, o)
	}
	if err != nil {
		r.Error = err.Error()
		return r
	}
	r.Status, r.Layers = r.Report.Status(), map[bundle.Layer]bundle.Status{}
	for _, l := range bundle.Layers() {
		r.Layers[l] = r.Report.Layer(l)
	}
	return r
}

// code is the worst of all.
func code(results []result) int {
	unreadable, failed, unchecked := false, false, false
	for _, r := range results {
		unreadable = unreadable || r.Error != ""
		failed = failed || r.Status == bundle.Fail
		unchecked = unchecked || r.Status != bundle.Pass
	}
	switch {
	case unreadable:
		return exitUnreadable
	case failed:
		return exitFail
	case unchecked:
		return exitNotChecked
	}
	return exitPass
}

func (r result) print(w io.Writer, all bool) {
	fmt.Fprintf(w, "%s: %s\n", safe(r.File), r.Status)
	if r.Error != "" {
		fmt.Fprintf(w, "  it could not be read: %s\n", safe(r.Error))
		return
	}
	fmt.Fprintf(w, "  sha256 %s\n", r.Report.SHA256)
	for _, l := range r.Report.Lines(all) {
		fmt.Fprintln(w, l)
	}
	switch same := r.Report.Expected; {
	case same == nil:
	case *same:
		fmt.Fprintln(w, "  as verify/expected.txt has it")
	default:
		fmt.Fprintln(w, "  not as verify/expected.txt has it, which the sender wrote when the package was made: a certificate may have ended since, or something is wrong")
	}
}

// safe keeps what is printed from moving the cursor of a terminal.
func safe(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return '?'
		}
		return r
	}, s)
}
