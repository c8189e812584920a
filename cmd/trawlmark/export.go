package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/bundle"
	"github.com/trawlmark/trawlmark/archive/bundle/export"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/seal"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/configs"
)

func exportCommand(g *globals) *cobra.Command {
	var q export.Request
	var out string
	c := &cobra.Command{
		Use: "export [CAPTURE...]", Short: "Hand over captures, or a case, as a package that anybody can verify",
		Long: `Export writes one ZIP file with the captures, what proves them, and the means to
check it without Trawlmark: verify/verify.sh needs a shell, openssl and coreutils.

Every file is hashed against its manifest before and while it is copied. That it
was exported goes on record in the custody log, before and after. The package is
verified once more before it gets its name.

Give the receiver the trust file (trawlmark evidence trust) by another way than
the package.`,
		Example: "  trawlmark evidence export 019a... --purpose \"Aurelle v. Shop X\" --to \"Counsel LLP\"\n" +
			"  trawlmark evidence export --case 2026-017 -o for-court.zip",
		RunE: func(c *cobra.Command, args []string) error {
			if (q.Case == "") == (len(args) == 0) {
				return usagef("name captures, or a case with --case")
			}
			for _, s := range args {
				id, err := parseID(s)
				if err != nil {
					return err
				}
				q.Captures = append(q.Captures, id)
			}
			q.By = g.actor()
			return g.with(func(a *app) error { return exportEvidence(c.Context(), g, a, q, out) })
		},
	}
	f := c.Flags()
	f.StringVar(&q.Case, "case", "", "all captures of this case")
	f.StringVarP(&out, "output", "o", "", "file to write; it must not exist (default case-<id>.zip or captures-<export id>.zip)")
	f.StringVar(&q.Purpose, "purpose", "", "why; it goes on record and into the package")
	f.StringVar(&q.To, "to", "", "for whom; it goes on record and into the package")
	return c
}

// exportedFile is what `evidence export` tells.
type exportedFile struct {
	File string `json:"file"`
	export.Summary
	Verified bundle.Status `json:"verified"`
}

func exportEvidence(ctx context.Context, g *globals, a *app, q export.Request, out string) error {
	x, err := a.openExporter(ctx)
	if err != nil {
		return err
	}
	// Exhibits are printed by the Chrome that is there; without one the package
	// has them as HTML only, and says so.
	if r, err := a.openRenderer(ctx); err == nil {
		x.Printer = r
	} else {
		fmt.Fprintf(g.s.err, "trawlmark: the exhibits are not printed to PDF: %v\n", err)
	}
	trust, err := a.trust(ctx)
	if err != nil {
		return err
	}
	dir := "."
	if out != "" {
		if _, err := os.Lstat(out); err == nil {
			return usagef("%s is there already; a package is not written over another file", out)
		}
		dir = filepath.Dir(out)
	}
	tmp, err := os.CreateTemp(dir, ".export-*.partial")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // it is gone after the rename
	s, err := x.Export(ctx, tmp, q)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return notVerified(err)
	}
	report, err := verifyFile(ctx, tmp.Name(), trust)
	if err != nil {
		return err
	}
	if report.SHA256 != s.SHA256 || report.Status() == bundle.Fail {
		verifiedOf(s.Name, report, bundle.Layers()).print(g.s.err, false)
		return tamperError{errors.New("what was written does not verify, so it is not handed over")}
	}
	if out == "" {
		out = s.Name
	}
	if err := place(tmp.Name(), out); err != nil {
		return fmt.Errorf("the package was made, but cannot be put in its place: %w", err)
	}
	if g.json {
		return printJSON(g.s.out, exportedFile{out, s, report.Status()})
	}
	fmt.Fprintf(g.s.out, "%s  %s, %d captures, %d files\nsha256 %s\nverified: %s\n", out, bytesText(s.Size), len(s.Captures), s.Files, s.SHA256, report.Status())
	for _, l := range bundle.Layers() {
		if st := report.Layer(l); st != bundle.Pass {
			fmt.Fprintf(g.s.out, "  %s: %s\n", l, st)
		}
	}
	for _, warning := range s.Warnings {
		fmt.Fprintln(g.s.err, "trawlmark: "+printableLine(warning))
	}
	return nil
}

// place gives a file its name, and never another file's: by a link, or where a
// file system has none, by a rename.
func place(from, to string) error {
	err := os.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := os.Lstat(to); err == nil {
		return &fs.PathError{Op: "rename", Path: to, Err: fs.ErrExist}
	}
	return os.Rename(from, to)
}

// notVerified gives evidence that differs, or is gone, the exit code for it.
func notVerified(err error) error {
	if err == nil {
		return nil
	}
	// The S3 client compares the storage's own checksum as it reads, and has no
	// type for what it finds.
	other := errors.Is(err, vault.ErrDigest) || strings.Contains(err.Error(), "checksum mismatch")
	if other || errors.Is(err, archive.ErrTampered) || errors.Is(err, bundle.ErrTampered) || errors.Is(err, bundle.ErrChanged) || errors.Is(err, vault.ErrNotFound) {
		return tamperError{fmt.Errorf("%w; nothing was handed over", err)}
	}
	return err
}

// openExporter opens what a package is made from.
func (a *app) openExporter(ctx context.Context) (*export.Exporter, error) {
	arch, err := a.openArchive(ctx, commandSpace("cli"))
	if err != nil {
		return nil, err
	}
	sealer, authorities, err := a.openStamps(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := a.logHistory(ctx)
	if err != nil {
		return nil, err
	}
	key, err := a.waczKey()
	if err != nil {
		return nil, err
	}
	config, err := maskedConfig(a.cfg)
	if err != nil {
		return nil, err
	}
	return &export.Exporter{
		Catalog: a.catalog, Vault: a.vault, Log: a.custody, Stamps: sealer, Keys: keys, Key: key, IDs: a.ids, Now: time.Now,
		Whole: func(ctx context.Context, id capture.ID, w io.Writer) error { return arch.WriteWhole(ctx, id, w, a.tmp) },
		Seal:  func(ctx context.Context) error { _, err := a.notary.Seal(ctx); return err },
		System: bundle.System{
			Software: software(), Operator: a.cfg.Operator, TSAs: authorities,
			Configuration: config,
		},
	}, nil
}

// maskedConfig is the configuration as text; secrets print as <secret>.
func maskedConfig(cfg *configs.Config) (string, error) {
	b, err := yaml.Marshal(cfg)
	return "# The configuration in force when this package was made; secrets are hidden.\n" + string(b), err
}

// openStamps gives what finds stamps, and who makes them.
func (a *app) openStamps(ctx context.Context) (*seal.Sealer, []string, error) {
	client, err := a.sealClient()
	if err != nil {
		return nil, nil, err
	}
	keys, err := a.logHistory(ctx)
	if err != nil {
		return nil, nil, err
	}
	verifiers, err := custody.VerifierList(keys...)
	if err != nil {
		return nil, nil, err
	}
	var names []string
	for _, t := range client.TSAs {
		var roots []string
		for _, r := range t.Roots {
			roots = append(roots, r.Subject.String())
		}
		names = append(names, t.Name+": "+strings.Join(roots, "; "))
	}
	s, err := seal.New(seal.Config{Client: client, Vault: a.vault, Verifiers: verifiers, Now: time.Now, Log: a.quiet()})
	return s, names, err
}

// logHistory gives all verifier keys of the log, newest first: those of the
// key file, and those that its own history names.
func (a *app) logHistory(ctx context.Context) ([]string, error) {
	if _, err := a.openNotary(ctx); err != nil {
		return nil, err
	}
	k, err := a.logKeys()
	if err != nil {
		return nil, err
	}
	keys, err := k.Public()
	if err != nil {
		return nil, err
	}
	rows, err := a.custody.About(ctx, custody.Subject{Log: k.Origin()})
	if err != nil {
		return nil, err
	}
	slices.Reverse(rows)
	for _, r := range rows {
		e, _, err := a.custody.Event(ctx, r.ID)
		if err != nil {
			return nil, fmt.Errorf("the history of the log's keys: %w", err)
		}
		for _, name := range []string{custody.DetailNewKey, custody.DetailOldKey} {
			if v := e.Details[name]; v != "" && !slices.Contains(keys, v) {
				keys = append(keys, v)
			}
		}
	}
	return keys, nil
}

// waczKey is the key of the anonymous WACZ signatures, made on first use. It
// proves nothing; it is kept so that the same capture gives the same bytes.
func (a *app) waczKey() (*ecdsa.PrivateKey, error) {
	dir, err := a.dir("keys")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "wacz.key")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if b, err = newWACZKey(path); errors.Is(err, fs.ErrExist) { // another process was first
			b, err = os.ReadFile(path)
		}
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%s is no PEM key; remove it, and a new one is made", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	k, ok := key.(*ecdsa.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%s is no P-384 key; remove it, and a new one is made", path)
	}
	return k, nil
}

func newWACZKey(path string) ([]byte, error) {
	k, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return nil, err
	}
	b := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	tmp, err := os.CreateTemp(filepath.Dir(path), ".wacz-*") // mode 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(b)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return nil, err
	}
	return b, os.Link(tmp.Name(), path)
}

// trust is what this installation's evidence is checked against.
func (a *app) trust(ctx context.Context) (bundle.Trust, error) {
	keys, err := a.logHistory(ctx)
	if err != nil {
		return bundle.Trust{}, err
	}
	client, err := a.sealClient()
	if err != nil {
		return bundle.Trust{}, err
	}
	t := bundle.Trust{Keys: keys}
	for _, tsa := range client.TSAs {
		for _, r := range tsa.Roots {
			if !slices.ContainsFunc(t.Roots, r.Equal) {
				t.Roots = append(t.Roots, r)
			}
		}
	}
	return t, nil
}

func trustCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "trust", Short: "Print the trust file: the log's keys and the authorities' roots", Args: cobra.NoArgs,
		Long: `Trust prints what packages of this installation are verified against. Publish it,
or give it to the receiver, by another way than the package: whoever could forge
one could forge the other. It is text that openssl takes as -CAfile, too.`,
		Example: "  trawlmark evidence trust > trust.txt\n  trawlmark-verify --trust trust.txt case-2026-017.zip",
		RunE: func(c *cobra.Command, _ []string) error {
			return g.with(func(a *app) error {
				t, err := a.trust(c.Context())
				if err != nil {
					return err
				}
				if !g.json {
					_, err = g.s.out.Write(t.Marshal())
					return err
				}
				roots := []string{}
				for _, r := range t.Roots {
					roots = append(roots, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Raw})))
				}
				return printJSON(g.s.out, map[string]any{"log_keys": t.Keys, "tsa_roots": roots})
			})
		},
	}
}

func verifyCommand(g *globals) *cobra.Command {
	var trustFile string
	var all bool
	c := &cobra.Command{
		Use: "verify PACKAGE|CAPTURE...", Short: "Check packages, or captures as they are in the store, layer by layer", Args: cobra.MinimumNArgs(1),
		Long: `Verify checks a package file, or captures in the store, against the log's keys and
the authorities' roots: of this installation, or of the file given by --trust.
For a package of somebody else, use --trust, or trawlmark-verify.

PASS is good. FAIL is not (exit 6). NOT-CHECKED means that nobody knows (exit 7).
Looking at captures this way is no custody event: nothing is shown of them.`,
		Example: "  trawlmark evidence verify case-2026-017.zip\n  trawlmark evidence verify 019a... --all",
		RunE: func(c *cobra.Command, args []string) error {
			return verifyEvidence(c.Context(), g, args, trustFile, all)
		},
	}
	c.Flags().StringVar(&trustFile, "trust", "", "believe this trust file instead of this installation")
	c.Flags().BoolVar(&all, "all", false, "list every check, not just those that did not pass")
	return c
}

// verified is what `evidence verify` tells of one package or capture.
type verified struct {
	Name   string                         `json:"name"`
	Status bundle.Status                  `json:"status"`
	Layers map[bundle.Layer]bundle.Status `json:"layers"`
	Report *bundle.Report                 `json:"report"`
}

func verifyEvidence(ctx context.Context, g *globals, args []string, trustFile string, all bool) error {
	var results []verified
	work := func(a *app) error {
		trust, err := a.trustOr(ctx, trustFile)
		if err != nil {
			return err
		}
		for _, arg := range args {
			r, err := a.verifyOne(ctx, arg, trust)
			if err != nil {
				return fmt.Errorf("%s: %w", arg, err)
			}
			results = append(results, r)
			if !g.json {
				r.print(g.s.out, all)
			}
		}
		return nil
	}
	if err := g.with(work); err != nil {
		return err
	}
	if g.json {
		if err := printJSON(g.s.out, results); err != nil {
			return err
		}
	}
	worst := exitOK
	for _, r := range results {
		switch {
		case r.Status == bundle.Fail:
			worst = exitNotVerified
		case r.Status != bundle.Pass && worst == exitOK:
			worst = exitPartly
		}
	}
	if worst != exitOK {
		return silentlyExit{worst}
	}
	return nil
}

func (a *app) trustOr(ctx context.Context, file string) (bundle.Trust, error) {
	if file == "" {
		return a.trust(ctx)
	}
	f, err := os.Open(file)
	if err != nil {
		return bundle.Trust{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, bundle.MaxTrust+1))
	if err != nil {
		return bundle.Trust{}, err
	}
	t, err := bundle.ParseTrust(b)
	if err != nil {
		return t, usageError{fmt.Errorf("%s: %w", file, err)}
	}
	return t, nil
}

// verifyOne checks a package, or a capture in the store: of that a package is
// made, of which nobody gets anything.
func (a *app) verifyOne(ctx context.Context, arg string, trust bundle.Trust) (verified, error) {
	id, err := capture.ParseID(arg)
	if err != nil {
		r, err := verifyFile(ctx, arg, trust)
		if err != nil {
			return verified{}, err
		}
		return verifiedOf(arg, r, bundle.Layers()), nil
	}
	x, err := a.openExporter(ctx)
	if err != nil {
		return verified{}, err
	}
	tmp, err := os.CreateTemp("", "trawlmark-verify-*")
	if err != nil {
		return verified{}, err
	}
	defer os.Remove(tmp.Name())
	_, err = x.Export(ctx, tmp, export.Request{Captures: []capture.ID{id}, By: "system:verify", Dry: true})
	if err = errors.Join(err, tmp.Close()); err != nil {
		return verified{}, notVerified(err)
	}
	r, err := verifyFile(ctx, tmp.Name(), trust)
	if err != nil {
		return verified{}, err
	}
	// There is no package that could be whole: the other layers count.
	r.Checks = slices.DeleteFunc(r.Checks, func(c bundle.Check) bool { return c.Layer == bundle.LayerPackage && c.Status != bundle.Fail })
	layers := slices.DeleteFunc(bundle.Layers(), func(l bundle.Layer) bool { return l == bundle.LayerPackage && r.Layer(l) != bundle.Fail })
	return verifiedOf(arg, r, layers), nil
}

func verifiedOf(name string, r *bundle.Report, layers []bundle.Layer) verified {
	v := verified{Name: name, Status: bundle.Pass, Layers: map[bundle.Layer]bundle.Status{}, Report: r}
	for _, l := range layers {
		s := r.Layer(l)
		v.Layers[l] = s
		if s == bundle.Fail || s != bundle.Pass && v.Status == bundle.Pass {
			v.Status = s
		}
	}
	return v
}

func verifyFile(ctx context.Context, name string, trust bundle.Trust) (*bundle.Report, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return bundle.Verify(ctx, f, fi.Size(), trust)
}

func (v verified) print(w io.Writer, all bool) {
	r := v.Report
	fmt.Fprintf(w, "%s: %s\n", printableLine(v.Name), v.Status)
	for _, c := range r.Captures {
		line := "no time of it is proved"
		if !c.NotAfter.IsZero() {
			line = "before " + timeText(c.NotAfter)
			if !c.NotBefore.IsZero() {
				line = "between " + timeText(c.NotBefore) + " and " + timeText(c.NotAfter)
			}
		}
		fmt.Fprintf(w, "  %s  %s  %s\n    %s\n", c.ID, c.Outcome, printableLine(c.URL), line)
	}
	for _, l := range bundle.Layers() {
		s, ok := v.Layers[l]
		if !ok {
			continue
		}
		fmt.Fprintf(w, "  %-21s %s\n", l, s)
		for _, c := range r.Checks {
			if c.Layer == l && (all || c.Status != bundle.Pass) {
				fmt.Fprintf(w, "    %-11s %s\n", c.Status, printableLine(strings.TrimPrefix(c.File+": "+c.Note, ": ")))
			}
		}
	}
}
