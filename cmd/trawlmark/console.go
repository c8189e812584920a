package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/bundle/export"
	"github.com/trawlmark/trawlmark/configs"
	"github.com/trawlmark/trawlmark/console"
	"github.com/trawlmark/trawlmark/console/session"
	"github.com/trawlmark/trawlmark/worker"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

func consoleCommand(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use: "console", Short: "Run the console alone: web pages and JSON API for analysts, legal teams and operators", Args: cobra.NoArgs,
		Long: `The console serves its pages at console.listen of the configuration. While there
is no account and it listens on this machine alone, it prints a link that signs
in once as admin. console.url (or ` + configs.ConsoleURLVariable + `) is the address that people
use when that is another one: https://console.example.org behind a proxy that
ends TLS, say.`,
		Example: "  trawlmark console\n  trawlmark console user add ann --role analyst",
		RunE: func(c *cobra.Command, _ []string) error {
			return g.with(func(a *app) error { return a.runConsole(c.Context()) })
		},
	}
	c.AddCommand(consoleUserCommand(g))
	return c
}

// runConsole serves the console until ctx ends.
func (a *app) runConsole(ctx context.Context) error {
	if a.cfg.Console.Listen == "" {
		return usagef("console.listen is empty, so the console is off")
	}
	g, gctx := errgroup.WithContext(ctx)
	if err := a.goConsole(gctx, g); err != nil {
		return err
	}
	if a.cfg.Metrics.Listen != "" {
		a.goServe(gctx, g, a.cfg.Metrics.Listen, a.metricsHandler(roles{console: true}, nil))
	}
	return g.Wait()
}

// goConsole serves the console at its address until ctx ends. Whether the
// address is free is known when it returns.
func (a *app) goConsole(ctx context.Context, g *errgroup.Group) error {
	l, err := net.Listen("tcp", a.cfg.Console.Listen)
	if err != nil {
		return fmt.Errorf("the console cannot listen: %w; choose another address with console.listen", err)
	}
	a.cfg.Console.Listen = l.Addr().String() // port 0 is any that is free
	h, err := a.consoleHandler(ctx)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 3 * time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
	g.Go(func() error {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("the console stopped: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := srv.Shutdown(sctx); errors.Is(err, context.DeadlineExceeded) {
			return srv.Close() // a download that takes longer is begun again
		} else if err != nil {
			return err
		}
		return nil
	})
	return nil
}

// consoleHandler makes the console of this process and says where it is.
func (a *app) consoleHandler(ctx context.Context) (http.Handler, error) {
	led, err := a.openLedger(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := a.openSites(); err != nil {
		return nil, err
	}
	workers := a.archive
	arch, tmp, err := a.consoleArchive(ctx)
	if err != nil {
		return nil, err
	}
	sessions, err := session.Open(ctx, a.db)
	if err != nil {
		return nil, err
	}
	deps := console.Deps{
		Sessions: sessions,
		Findings: a.decider(led, arch), Listings: led, Watches: led, Work: led, Lanes: led, Index: a.catalog, Matters: a.catalog,
		Cases: arch, Evidence: arch, Custody: a.custody, Times: a.notary,
		Fire:       func(ctx context.Context, w ledger.Watch, by string) (int, error) { return fireNow(ctx, a, led, w, by) },
		CheckWatch: func(w ledger.Watch) error { return worker.CheckWatch(a.sites, w) },
		Orders:     packageDesk{a},
		IDs:        a.ids, Now: a.now, Rand: rand.Reader, Log: a.log,
	}
	for _, x := range a.sites.Sites() {
		deps.Sites = append(deps.Sites, x.Name)
	}
	if deps.Package, err = a.packager(ctx, arch, tmp); err != nil {
		return nil, err
	}
	if workers != nil {
		deps.Backlog = workers.Backlog
	}
	local := (&globals{s: a.s}).actor()
	srv, err := console.New(console.Config{
		Listen: a.cfg.Console.Listen, URL: a.cfg.Console.URL, AccountsFile: a.accountsFile(),
		LocalActor: strings.TrimPrefix(local, "person:"), Build: software(), TempDir: tmp,
	}, deps)
	if err != nil {
		return nil, err
	}
	link, err := srv.SignInLink()
	if err != nil {
		return nil, err
	}
	at := a.cfg.Console.URL
	if at == "" {
		at = "http://" + a.cfg.Console.Listen + "/"
	}
	fmt.Fprintf(a.s.out, "console: %s\n", at)
	if link != "" {
		fmt.Fprintf(a.s.out, "  sign in once as admin: %s\n", link)
	} else if all, err := console.OpenAccounts(a.accountsFile(), rand.Reader, a.now).List(); err == nil && len(all) == 0 {
		fmt.Fprintln(a.s.out, "  there is no account yet: trawlmark console user add NAME --role admin")
	}
	return srv.Handler(), nil
}

// packager makes packages for the console as `trawlmark evidence export` does.
func (a *app) packager(ctx context.Context, arch *archive.Archive, tmp string) (console.Package, error) {
	pack, err := a.packing(ctx, arch, tmp)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, f *os.File, q console.PackageRequest) (console.Packaged, error) {
		s, err := pack(ctx, f, export.Request{Case: q.Case, By: q.By, To: q.To, Purpose: q.Purpose, Redacted: q.Redacted, RestWhole: q.RestWhole})
		return console.Packaged{Name: s.Name, SHA256: s.SHA256, Warnings: s.Warnings}, err
	}, nil
}

// consoleArchive is the worker's archive where one is open, else one with a
// workspace of its own: a worker that is opened later must still get its own
// spool, where captures wait that an earlier run left.
func (a *app) consoleArchive(ctx context.Context) (arch *archive.Archive, tmp string, err error) {
	if a.archive != nil {
		return a.archive, a.tmp, nil
	}
	spool, before := a.spool, a.tmp
	a.spool, a.tmp = "", ""
	arch, err = a.openArchive(ctx, commandSpace("console"))
	tmp = a.tmp
	a.archive, a.spool, a.tmp = nil, spool, before
	return arch, tmp, err
}

func (a *app) accountsFile() string { return filepath.Join(a.cfg.DataDir, "accounts.jsonl") }

func consoleUserCommand(g *globals) *cobra.Command {
	c := &cobra.Command{Use: "user", Short: "Local accounts of the console"}
	var role, newRole string
	add := &cobra.Command{
		Use: "add NAME", Short: "Add an account; the password is asked for, or read from standard input", Args: cobra.ExactArgs(1),
		Example: "  trawlmark console user add ann --role analyst\n  pass show trawlmark/ann | trawlmark console user add ann --role legal",
		RunE: func(c *cobra.Command, args []string) error {
			return g.withAccounts(func(acc *console.Accounts) error {
				r, err := console.ParseRole(role)
				if err != nil {
					return usageError{err}
				}
				pw, err := g.password()
				if err != nil {
					return err
				}
				if err := acc.Add(args[0], r, pw); err != nil {
					return err
				}
				return g.saidAccount(args[0], "added as "+role)
			})
		},
	}
	add.Flags().StringVar(&role, "role", "viewer", "viewer, analyst, legal, operator or admin")
	setRole := &cobra.Command{
		Use: "role NAME", Short: "Give an account another role; open sessions have it at once", Args: cobra.ExactArgs(1),
		Example: "  trawlmark console user role ann --role legal",
		RunE: func(c *cobra.Command, args []string) error {
			return g.withAccounts(func(acc *console.Accounts) error {
				r, err := console.ParseRole(newRole)
				if err != nil {
					return usageError{err}
				}
				if err := acc.SetRole(args[0], r); err != nil {
					return err
				}
				return g.saidAccount(args[0], "is "+newRole+" now")
			})
		},
	}
	setRole.Flags().StringVar(&newRole, "role", "", "viewer, analyst, legal, operator or admin")
	_ = setRole.MarkFlagRequired("role")
	c.AddCommand(add, setRole, &cobra.Command{
		Use: "password NAME", Short: "Set another password; open sessions end", Args: cobra.ExactArgs(1),
		Example: "  trawlmark console user password ann",
		RunE: func(c *cobra.Command, args []string) error {
			return g.withAccounts(func(acc *console.Accounts) error {
				pw, err := g.password()
				if err != nil {
					return err
				}
				if err := acc.SetPassword(args[0], pw); err != nil {
					return err
				}
				return g.saidAccount(args[0], "has another password")
			})
		},
	}, &cobra.Command{
		Use: "remove NAME", Short: "Remove an account; its sessions end, what it did stays on record", Args: cobra.ExactArgs(1),
		Example: "  trawlmark console user remove ann",
		RunE: func(c *cobra.Command, args []string) error {
			return g.withAccounts(func(acc *console.Accounts) error {
				if err := acc.Remove(args[0]); err != nil {
					return err
				}
				return g.saidAccount(args[0], "removed")
			})
		},
	}, &cobra.Command{
		Use: "list", Short: "List the accounts", Args: cobra.NoArgs,
		Example: "  trawlmark console user list",
		RunE: func(c *cobra.Command, _ []string) error {
			return g.withAccounts(func(acc *console.Accounts) error {
				all, err := acc.List()
				if err != nil {
					return err
				}
				if g.json {
					type row struct {
						Name    string       `json:"name"`
						Role    console.Role `json:"role"`
						Created time.Time    `json:"created"`
					}
					rows := []row{}
					for _, x := range all {
						rows = append(rows, row{x.Name, x.Role, x.Created})
					}
					return printJSON(g.s.out, rows)
				}
				if len(all) == 0 {
					fmt.Fprintln(g.s.out, "There is no account yet; see `trawlmark console user add --help`.")
					return nil
				}
				t := newTable("name", "role", "created")
				for _, x := range all {
					t.add(x.Name, string(x.Role), timeText(x.Created))
				}
				t.print(g.s.out)
				return nil
			})
		},
	})
	return c
}

func (g *globals) withAccounts(work func(*console.Accounts) error) error {
	return g.with(func(a *app) error {
		if _, err := a.dir("."); err != nil {
			return err
		}
		return work(console.OpenAccounts(a.accountsFile(), rand.Reader, a.now))
	})
}

func (g *globals) saidAccount(name, what string) error {
	if g.json {
		return printJSON(g.s.out, map[string]string{"name": name, "done": what})
	}
	fmt.Fprintf(g.s.out, "account %s %s\n", name, what)
	return nil
}

// password asks for a password twice, or reads one line when nobody sits there.
func (g *globals) password() (string, error) {
	f, ok := g.s.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		if g.s.in == nil {
			return "", usagef("give the password on standard input")
		}
		line, err := bufio.NewReader(io.LimitReader(g.s.in, 4096)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("the password could not be read: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	ask := func(prompt string) (string, error) {
		fmt.Fprint(g.s.err, prompt)
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(g.s.err)
		return string(b), err
	}
	first, err := ask("Password: ")
	if err != nil {
		return "", err
	}
	again, err := ask("Again: ")
	if err != nil {
		return "", err
	}
	if first != again {
		return "", usagef("the two passwords differ")
	}
	return first, nil
}
