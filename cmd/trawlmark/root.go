package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/trawlmark/trawlmark/cmd/internal/embedded"
	"github.com/trawlmark/trawlmark/configs"
)

// globals are the flags of every command.
type globals struct {
	config, data string
	json         bool
	verbose      bool
	s            streams
}

func rootCommand(s streams) *cobra.Command {
	g := &globals{s: s}
	root := &cobra.Command{
		Use:   "trawlmark",
		Short: "Watch marketplaces for a brand, keep what was seen as evidence, find what is suspicious",
		Long: `Trawlmark crawls marketplace listings, archives what it saw as evidence
(WARC, HTML, screenshots, an append-only log, trusted time, S3 Object Lock) and
queues suspicious listings for the people who act on them.

First minutes:
  trawlmark demo                                   the whole of it on this machine
  trawlmark capture https://example.com/item/1     one page, archived
  trawlmark evidence search belvoir                what is archived
  trawlmark finding list                           what looks suspicious
  trawlmark up                                     run it: all roles in one process

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 wrong configuration, 4 a part
does not answer, 5 not found, 6 evidence does not verify, 7 partly done,
130 interrupted.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version,
	}
	f := root.PersistentFlags()
	f.StringVarP(&g.config, "config", "c", s.getenv("TRAWLMARK_CONFIG"), "configuration `FILE` (or TRAWLMARK_CONFIG); trawlmark config example prints one")
	f.StringVar(&g.data, "data", "", "data `FOLDER`, over data_dir of the configuration")
	f.BoolVar(&g.json, "json", false, "print JSON for programs instead of tables")
	f.BoolVarP(&g.verbose, "verbose", "v", false, "log what happens, in detail")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(
		demoCommand(g), upCommand(g), workerCommand(g), dispatcherCommand(g), consoleCommand(g),
		captureCommand(g), watchCommand(g), findingCommand(g), evidenceCommand(g), archiveCommand(g), caseCommand(g), packageCommand(g),
		jobCommand(g), laneCommand(g), queueCommand(g), custodyCommand(g), siteCommand(g), doctorCommand(g), configCommand(g), hiddenS3Command(),
	)
	return root
}

// open loads the configuration and makes the app of a command.
func (g *globals) open() (*app, error) {
	cfg, err := configs.Load(g.config, g.s.getenv)
	if err != nil {
		return nil, err
	}
	if g.data != "" {
		cfg.DataDir = g.data
	}
	if g.verbose {
		cfg.Log.Level = "debug"
	}
	return newApp(cfg, g.s), nil
}

// with runs a command's work on a fresh app and closes it afterwards.
func (g *globals) with(work func(a *app) error) error {
	a, err := g.open()
	if err != nil {
		return err
	}
	return errors.Join(work(a), a.close())
}

func hiddenS3Command() *cobra.Command {
	return &cobra.Command{
		Use: hiddenS3, Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, args []string) error { return embedded.ServeS3(c.Context(), args) },
	}
}

func configCommand(g *globals) *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Show the configuration"}
	c.AddCommand(&cobra.Command{
		Use: "example", Short: "Print every key with its default and meaning", Args: cobra.NoArgs,
		Example: "  trawlmark config example > trawlmark.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := c.OutOrStdout().Write(configs.Example())
			return err
		},
	}, &cobra.Command{
		Use: "check", Short: "Check a configuration file and the environment", Args: cobra.NoArgs,
		Example: "  trawlmark config check --config trawlmark.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			if _, err := configs.Load(g.config, g.s.getenv); err != nil {
				return err
			}
			name := g.config
			if name == "" {
				name = "the default configuration"
			}
			fmt.Fprintf(c.OutOrStdout(), "%s is good\n", name)
			return nil
		},
	})
	return c
}

// actor names the person who runs a command in custody events.
func (g *globals) actor() string {
	for _, name := range []string{"TRAWLMARK_ACTOR", "SUDO_USER", "USER", "LOGNAME"} {
		if v := g.s.getenv(name); v != "" {
			return "person:" + v
		}
	}
	return fmt.Sprintf("person:uid-%d", os.Getuid())
}
