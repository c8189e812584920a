package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/worker/task"
)

// check is one part that was looked at.
type check struct {
	Part   string `json:"part"`
	State  string `json:"state"` // good, note, bad
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
}

func doctorCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Check every part and say how to mend what is wrong", Args: cobra.NoArgs,
		Long:    "Doctor opens each part the way the roles do (it starts the embedded ones), tries it, and stops it again. The exit code is 4 when a part is bad.",
		Example: "  trawlmark doctor\n  trawlmark doctor --config /etc/trawlmark.yaml --json",
		RunE: func(c *cobra.Command, _ []string) error {
			return g.with(func(a *app) error {
				a.log = a.quiet()
				all := diagnose(c.Context(), a)
				bad := 0
				for _, x := range all {
					if x.State == "bad" {
						bad++
					}
				}
				if g.json {
					if err := printJSON(g.s.out, all); err != nil {
						return err
					}
				} else {
					printChecks(g, all)
				}
				if bad > 0 {
					return missingPart{fmt.Errorf("%d of %d parts are bad; what to do stands behind each", bad, len(all))}
				}
				return nil
			})
		},
	}
}

func printChecks(g *globals, all []check) {
	t := newTable("part", "state", "detail:100")
	for _, x := range all {
		t.add(x.Part, x.State, x.Detail)
	}
	t.print(g.s.out)
	for _, x := range all {
		if x.Remedy != "" {
			fmt.Fprintf(g.s.out, "\n%s: %s\n", x.Part, x.Remedy)
		}
	}
}

// diagnose tries every part; one that is bad does not keep the others from
// being tried.
func diagnose(ctx context.Context, a *app) []check {
	var all []check
	try := func(part, remedy string, f func() (string, error)) {
		detail, err := f()
		c := check{Part: part, State: "good", Detail: detail}
		if err != nil {
			c.State, c.Detail, c.Remedy = "bad", err.Error(), remedy
		}
		all = append(all, c)
	}
	try("data folder", "free some space, or choose another folder with --data or data_dir", func() (string, error) { return diskSpace(a) })
	try("sites", "mend the file that the message names, or leave out crawler.sites_dir", func() (string, error) {
		set, err := a.openSites()
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%d site files", len(set.Sites())), nil
	})
	try("database", "start PostgreSQL and check TRAWLMARK_DATABASE_URL, or leave it empty for SQLite", func() (string, error) {
		if _, err := a.openLedger(ctx); err != nil {
			return "", err
		}
		return a.db.String(), nil
	})
	try("queue", "start Redis and check redis.addresses and TRAWLMARK_REDIS_PASSWORD, or leave the addresses empty for an embedded one", func() (string, error) {
		return tryQueue(ctx, a)
	})
	try("storage", "check storage.endpoint and the keys; evidence needs a bucket with Object Lock (docs/operating.md)", func() (string, error) {
		if err := a.proveLocks(ctx); err != nil {
			return "", err
		}
		return "a locked object was put and its deletion was refused", nil
	})
	try("custody log", "restore the log's key (keys/custody.key, or where custody.key says) from its backup, or read docs/evidence.md on lost keys", func() (string, error) {
		n, err := a.openNotary(ctx)
		if err != nil {
			return "", err
		}
		c, err := n.Seal(ctx)
		if err != nil {
			return "", err
		}
		if n.Look != nil {
			if r, err := n.Look(ctx); err == nil { // without it there is a reading less
				a.sealer.Observe(r)
			}
		}
		return fmt.Sprintf("%s, %d entries, stamped now", a.custody.Origin(), c.Size), nil
	})
	try("Chrome", "install it (deploy/setup.sh run, or apt-get install chromium) or set TRAWLMARK_CHROME to its binary", func() (string, error) {
		_, err := a.openRenderer(ctx)
		if err != nil {
			return "", err
		}
		return a.chrome, nil
	})
	all = append(all, spools(a), fonts(), authorities(a), clocks(a))
	return all
}

// spools tells of captures that can never be stored and were put aside, in the
// spools of all workers on this data folder.
func spools(a *app) check {
	c := check{Part: "spool", State: "good", Detail: "no capture was put aside"}
	dirs, err := filepath.Glob(filepath.Join(a.cfg.DataDir, "spool", "*", archive.RefusedDir))
	if err == nil {
		var found []string
		for _, dir := range dirs {
			n, cerr := archive.CountRefused(filepath.Dir(dir))
			if err = errors.Join(err, cerr); n > 0 {
				found = append(found, fmt.Sprintf("%d in %s", n, dir))
			}
		}
		if len(found) > 0 {
			c.State, c.Detail = "note", "captures that can never be stored: "+strings.Join(found, ", ")
			c.Remedy = "read the .why.txt beside each and check this disk; docs/operating.md says what to do (Captures were put aside)"
		}
	}
	if err != nil {
		c.State, c.Detail, c.Remedy = "bad", err.Error(), "make the spool readable for the user that runs this"
	}
	return c
}

func diskSpace(a *app) (string, error) {
	dir, err := a.dir(".")
	if err != nil {
		return "", err
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return "", err
	}
	free := int64(fs.Bavail) * int64(fs.Bsize)
	if free < 2<<30 {
		return "", fmt.Errorf("%s has only %s free; captures need room in the spool", dir, bytesText(free))
	}
	return fmt.Sprintf("%s, %s free", dir, bytesText(free)), nil
}

func tryQueue(ctx context.Context, a *app) (string, error) {
	q, err := a.queue(ctx)
	if err != nil {
		return "", err
	}
	rdb, err := q.Open()
	if err != nil {
		return "", err
	}
	defer rdb.Close()
	if err := rdb.Ping(ctx).Err(); err != nil {
		return "", fmt.Errorf("the queue at %s does not answer: %w", q, err)
	}
	depth, err := task.NewClient(rdb, 0).Depth(ctx, task.HTTP)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, %d tickets wait", q, depth.Waiting), nil
}

// fonts looks for what screenshots of Chinese, Japanese and Arabic pages need.
func fonts() check {
	c := check{Part: "fonts", State: "good", Detail: "Latin, Chinese, Japanese, Thai and Arabic"}
	var missing []string
	for lang, name := range map[string]string{"zh": "Chinese", "ja": "Japanese", "th": "Thai", "ar": "Arabic"} {
		out, err := exec.Command("fc-list", ":lang="+lang, "file").Output()
		if err != nil || len(strings.TrimSpace(string(out))) == 0 {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		c.State, c.Detail = "note", "no font for "+strings.Join(missing, ", ")+": screenshots show boxes there"
		c.Remedy = "apt-get install fonts-noto-core fonts-noto-cjk"
	}
	return c
}

func authorities(a *app) check {
	if len(a.cfg.Seal.TSAs) == 0 {
		return check{
			"time stamps", "note", "two local demonstration authorities: they prove nothing",
			"configure two real RFC 3161 authorities under seal.tsas before anything counts (docs/evidence.md)",
		}
	}
	if len(a.cfg.Seal.TSAs) < 2 {
		return check{"time stamps", "note", "one authority", "configure a second one under seal.tsas, of another organisation"}
	}
	return check{Part: "time stamps", State: "good", Detail: fmt.Sprintf("%d authorities", len(a.cfg.Seal.TSAs))}
}
