package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trawlmark/trawlmark/archive/custody"
)

func custodyCommand(g *globals) *cobra.Command {
	c := &cobra.Command{Use: "custody", Short: "Look after the append-only log: seal, renew, monitor, rotate its key"}
	c.AddCommand(custodySeal(g), custodyRenew(g), custodyMonitor(g), custodyRotate(g), custodyRetire(g))
	return c
}

func custodySeal(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "seal", Short: "Make a checkpoint of what waits and have it stamped, now", Args: cobra.NoArgs,
		Example: "  trawlmark custody seal",
		RunE: func(c *cobra.Command, _ []string) error {
			return g.with(func(a *app) error {
				n, err := a.openNotary(c.Context())
				if err != nil {
					return err
				}
				p, err := n.Seal(c.Context())
				if err != nil {
					return err
				}
				if g.json {
					return printJSON(g.s.out, map[string]any{"origin": p.Origin, "size": p.Size, "root": p.Root.String()})
				}
				fmt.Fprintf(g.s.out, "%s: %d entries, root %s, stamped\n", p.Origin, p.Size, p.Root)
				return nil
			})
		},
	}
}

func custodyRenew(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "renew", Short: "Renew time stamps whose certificates end soon, and ask about revoked ones, now", Args: cobra.NoArgs,
		Long: `Renew has stamps stamped once more whose certificates end within seal.renew_before,
or rest on an algorithm of seal.weak; fetches what is said of the authorities'
certificates (revocation lists, OCSP); and records how far the clocks are apart.
The dispatcher does the same every hour. Doing it twice is harmless. The exit code
is 1 when something could not be done, or stamps ended before anybody renewed them.`,
		Example: "  trawlmark custody renew",
		RunE: func(c *cobra.Command, _ []string) error {
			return g.with(func(a *app) error {
				n, err := a.openNotary(c.Context())
				if err != nil {
					return err
				}
				_, clock := a.sealer.AskClock(c.Context())
				t, err := n.Tend(c.Context())
				err = errors.Join(err, clock)
				if g.json {
					return errors.Join(printJSON(g.s.out, map[string]any{"renewed": t.Renewed, "late": t.Late, "revocation_files": t.Revocation}), err)
				}
				fmt.Fprintf(g.s.out, "%d checkpoints renewed, %d ended before they were; %d new files of revocation data\n", t.Renewed, t.Late, t.Revocation)
				return err
			})
		},
	}
}

func custodyMonitor(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "monitor", Short: "Walk the whole log and hold every leaf against the vault", Args: cobra.NoArgs,
		Long: `Monitor reads the log as a stranger would: every checkpoint's signature and root,
every tile, every leaf against its event document, and every event document
against the log. It changes nothing, and tells on standard error how far it got.

The exit code is 0 when everything fits, 6 when anything differs (each difference
is printed, by its key), 4 when a part is missing (storage, database, key), and 1
when it could not look to the end: what it saw until then is printed all the same.`,
		Example: "  trawlmark custody monitor\n  trawlmark custody monitor --json",
		RunE: func(c *cobra.Command, _ []string) error {
			return g.with(func(a *app) error { return monitorLog(c.Context(), g, a) })
		},
	}
}

func monitorLog(ctx context.Context, g *globals, a *app) error {
	if _, err := a.openNotary(ctx); err != nil {
		return err
	}
	r, failed := a.custody.MonitorTelling(ctx, tellProgress(g, a.now))
	readings, clockErr := a.sealer.Clocks(ctx, a.now().Add(-24*time.Hour), a.now(), 10_000)
	if failed == nil {
		failed = clockErr
	}
	if g.json {
		err := printJSON(g.s.out, map[string]any{
			"entries": r.Entries, "checkpoints": r.Checkpoints, "events": r.Events, "erased": r.Erased, "waiting": r.Queued,
			"differences": r.Differences, "difference_count": r.Count, "clock": readings,
		})
		if err != nil {
			return err
		}
	} else {
		fmt.Fprintf(g.s.out, "%s: %d entries, %d checkpoints; %d event documents fit, %d are erased by right, %d events wait\n",
			a.custody.Origin(), r.Entries, r.Checkpoints, r.Events, r.Erased, r.Queued)
		for _, d := range r.Differences {
			fmt.Fprintf(g.s.out, "  %s  %s\n", d.Key, d.What)
		}
		if text := worstClock(readings); text != "" {
			fmt.Fprintln(g.s.out, text)
		}
	}
	if failed != nil {
		return fmt.Errorf("the log was not walked to its end: %w", failed)
	}
	if r.Count > 0 {
		return tamperError{fmt.Errorf("%d differences between the log and the vault", r.Count)}
	}
	return nil
}

// tellProgress prints how far a monitor got, every few seconds.
func tellProgress(g *globals, now func() time.Time) func(custody.Progress) {
	const every = 5 * time.Second
	last := now()
	return func(p custody.Progress) {
		if now().Sub(last) < every {
			return
		}
		last = now()
		fmt.Fprintf(g.s.err, "%d of %d entries, %d event documents, %d differences so far\n", p.Entries, p.Of, p.Documents, p.Count)
	}
}

func custodyRotate(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "rotate", Short: "Give the log a new signing key; the old one signs beside it", Args: cobra.NoArgs,
		Long: `Rotate makes a new key, records it in the log under the old one, and publishes a
checkpoint that both have signed. Stop the other processes of this log first and
start them again afterwards. When everybody has the new public key (trawlmark
evidence trust), "custody retire" ends the old one.`,
		Example: "  trawlmark custody rotate\n  trawlmark evidence trust > trust.txt\n  trawlmark custody retire",
		RunE:    func(c *cobra.Command, _ []string) error { return rotateKey(c.Context(), g) },
	}
}

func rotateKey(ctx context.Context, g *globals) error {
	if err := g.with(func(a *app) error {
		keys, err := a.logKeys()
		if err != nil {
			return err
		}
		public, err := keys.Public()
		if err != nil {
			return err
		}
		if len(public) == 2 {
			return nil // begun before: finish it below
		}
		next, err := keys.Rotate(rand.Reader)
		if err != nil {
			return err
		}
		if err := a.rememberKeys(public); err != nil {
			return err
		}
		return next.Replace(a.keyFile())
	}); err != nil {
		return err
	}
	return g.with(func(a *app) error { // opened anew, with the new key
		if _, err := a.openNotary(ctx); err != nil {
			return err
		}
		keys, err := a.logKeys()
		if err != nil {
			return err
		}
		_, c, err := a.custody.Rotated(ctx, g.actor(), keys)
		if err != nil {
			return fmt.Errorf("the new key is in place, but the log does not say so yet; run the command again: %w", err)
		}
		public, err := keys.Public()
		if err != nil {
			return err
		}
		if err := a.rememberKeys(public); err != nil {
			return err
		}
		fmt.Fprintf(g.s.out, "the log signs with a new key from size %d on:\n  %s\n", c.Size, public[0])
		return nil
	})
}

func custodyRetire(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "retire", Short: "End the old key after a rotation", Args: cobra.NoArgs,
		Example: "  trawlmark custody retire",
		RunE: func(*cobra.Command, []string) error {
			return g.with(func(a *app) error {
				keys, err := a.logKeys()
				if err != nil {
					return err
				}
				public, err := keys.Public()
				if err != nil {
					return err
				}
				if len(public) < 2 {
					return errors.New("there is no old key to retire: no rotation is under way")
				}
				if err := a.rememberKeys(public); err != nil {
					return err
				}
				if err := keys.Retire().Replace(a.keyFile()); err != nil {
					return err
				}
				fmt.Fprintln(g.s.out, "the old key signs no more; its public half stays known, so that old checkpoints verify")
				return nil
			})
		},
	}
}

// formerKeys are the public keys of the log that a rotation retired.
func (a *app) formerKeys() ([]string, error) {
	b, err := os.ReadFile(a.keyFile() + ".public")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return strings.Fields(string(b)), err
}

// rememberKeys adds public keys to those that old checkpoints are checked by.
func (a *app) rememberKeys(public []string) error {
	all, err := a.formerKeys()
	if err != nil {
		return err
	}
	for _, k := range public {
		if !slices.Contains(all, k) {
			all = append(all, k)
		}
	}
	tmp := a.keyFile() + ".public.tmp"
	if err := os.WriteFile(tmp, []byte(strings.Join(all, "\n")+"\n"), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, a.keyFile()+".public")
}

// verifierKeys are all public keys that may have signed a checkpoint, the
// current one first.
func (a *app) verifierKeys(k custody.Keys) ([]string, error) {
	public, err := k.Public()
	if err != nil {
		return nil, err
	}
	former, err := a.formerKeys()
	if err != nil {
		return nil, err
	}
	for _, f := range former {
		if !slices.Contains(public, f) {
			public = append(public, f)
		}
	}
	return public, nil
}
