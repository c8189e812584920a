// Command demomarket serves the demo marketplace of crawler/markettest on a
// local port: shops, listings, copies of an invented brand, and pages that
// misbehave on purpose.
//
//	demomarket --addr 127.0.0.1:8095 [--tls] [--day N] [--seed N] [--domain demo.test] [--min-gap 1s]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/trawlmark/trawlmark/crawler/markettest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := run(ctx, os.Args[1:], os.Stdout); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "demomarket:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, out io.Writer) error {
	var cfg markettest.Config
	fs := flag.NewFlagSet("demomarket", flag.ContinueOnError)
	fs.SetOutput(out)
	addr := fs.String("addr", "127.0.0.1:8095", "`address` to serve on; port 0 takes a free one")
	useTLS := fs.Bool("tls", false, "serve https with an authority made at start")
	caFile := fs.String("ca", "demomarket-ca.pem", "`file` the authority is written to with --tls")
	every := fs.Duration("every", 0, "go to the next day each time this passes; 0 never does")
	fs.IntVar(&cfg.Day, "day", 0, "day to begin with: prices change and listings move from day to day")
	fs.Int64Var(&cfg.Seed, "seed", 1, "seed of ids, ranks and changes")
	fs.StringVar(&cfg.Domain, "domain", "demo.test", "zone of the host names market., cdn., frame. and evil.")
	fs.DurationVar(&cfg.MinGap, "min-gap", 0, "answer 429 to a client whose pages come faster than this")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 || cfg.Day < 0 || cfg.Day > 3650 {
		return errors.New("no arguments are taken, and --day is 0 to 3650; see --help")
	}
	srv, err := start(*addr, *useTLS, cfg)
	if err != nil {
		return err
	}
	defer srv.Close()
	if *useTLS {
		if err := os.WriteFile(*caFile, srv.CA, 0o644); err != nil {
			return fmt.Errorf("writing the authority: %w; name a writable file with --ca", err)
		}
	}
	announce(out, srv, *useTLS, *caFile)
	live(ctx, out, srv, *every)
	fmt.Fprintf(out, "stopped after %d requests\n", len(srv.Log())+srv.LogDropped())
	return nil
}

func start(addr string, useTLS bool, cfg markettest.Config) (*markettest.Server, error) {
	if useTLS {
		return markettest.ListenTLS(addr, markettest.New(cfg))
	}
	return markettest.Listen(addr, markettest.New(cfg))
}

func announce(out io.Writer, srv *markettest.Server, useTLS bool, caFile string) {
	fmt.Fprintf(out, "Pellamart, day %d, %d listings\n", srv.Day(), len(srv.Listings()))
	for _, p := range []string{"/", markettest.SearchPath(srv.SearchTerms()[0], 1), "/shops", "/faults"} {
		fmt.Fprintf(out, "  open %s%s\n", srv.URL, p)
	}
	fmt.Fprintf(out, "  host names, to be mapped to %s: %s\n", srv.Addr, strings.Join(srv.Hosts(), " "))
	if useTLS {
		fmt.Fprintf(out, "  authority to trust: %s\n", caFile)
	}
	fmt.Fprintln(out, "  stop with Ctrl-C")
}

// live lets days pass until ctx ends.
func live(ctx context.Context, out io.Writer, srv *markettest.Server, every time.Duration) {
	if every <= 0 {
		<-ctx.Done()
		return
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			for _, c := range srv.Advance() {
				fmt.Fprintf(out, "day %d: %s %s: %q -> %q\n", c.Day, c.Kind, c.Key, c.Before, c.After)
			}
		}
	}
}
