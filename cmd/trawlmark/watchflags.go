package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/trawlmark/trawlmark/crawler/triage"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// watchFlags are what a person may say of a watch; `watch add` and `watch set`
// have the same. Only flags that were given change anything.
type watchFlags struct {
	w             ledger.Watch
	brand, missed string
	jitter        string
	every         time.Duration
	keep          [2]string // untriaged, findings
}

func (x *watchFlags) bind(f *pflag.FlagSet) {
	f.StringVar(&x.brand, "brand", "", "brand profile, a YAML file (docs/brands.md)")
	f.StringSliceVar(&x.w.Sites, "site", nil, `site to search, by the name of its file; repeat for several ("trawlmark site list")`)
	f.StringArrayVar(&x.w.Terms, "term", nil, "what to search for; repeat for several")
	f.StringArrayVar(&x.w.Seeds, "seed", nil, "URL to begin at besides the searches; repeat for several")
	f.StringVar(&x.w.Schedule.Cron, "cron", "", `when: five cron fields or @daily, @hourly; empty: only by "watch run"`)
	f.StringVar(&x.w.Schedule.Zone, "zone", "UTC", "time zone of --cron")
	f.DurationVar(&x.every, "every", 0, "shorthand for --cron '@every ...'")
	f.StringVar(&x.missed, "missed", "catch_up", "what to do about times that nobody was there for: catch_up or skip")
	f.StringVar(&x.jitter, "jitter", string(ledger.DefaultJitter), "how much later than its time a run may begin, so that watches do not all begin at once: 5m, 10% of the time between runs, or 0; never more than half of that time")
	f.IntVar(&x.w.MaxPages, "max-pages", 50, "search pages of one run")
	f.IntVar(&x.w.MaxListings, "max-listings", 2000, "listings of one run")
	f.IntVar(&x.w.Depth, "depth", 3, "links away from a seed that a listing may be")
	f.StringArrayVar(&x.w.Rules.Hosts, "host", nil, "follow links to this host only, *.shop.example for all below it; repeat for several")
	f.StringArrayVar(&x.w.Rules.Include, "include", nil, "visit only listings whose path fits this `PATTERN`, written as in robots.txt: /itm/*; repeat for several")
	f.StringArrayVar(&x.w.Rules.Exclude, "exclude", nil, "visit no page whose path fits this `PATTERN`; wins over --include; repeat for several")
	f.StringVar(&x.keep[0], "keep", "", "how long its captures are locked: 30d, 2160h; empty: retention.untriaged of the configuration")
	f.StringVar(&x.keep[1], "keep-findings", "", "how long those of suspicious listings are locked; empty: retention.finding")
	f.IntVar(&x.w.Priority, "priority", 0, "-100 to 100; higher goes first")
}

// apply puts what was given into a watch.
func (x *watchFlags) apply(f *pflag.FlagSet, w *ledger.Watch) error {
	if x.every > 0 {
		if f.Changed("cron") && x.w.Schedule.Cron != "" {
			return usagef("give --cron or --every, not both")
		}
		x.w.Schedule.Cron = "@every " + x.every.String()
	}
	for _, name := range []string{"max-pages", "max-listings", "depth"} {
		if n, err := f.GetInt(name); err == nil && n < 1 {
			return usagef("--%s is %d, want at least 1", name, n)
		}
	}
	lists := map[string][2]*[]string{
		"site": {&x.w.Sites, &w.Sites}, "term": {&x.w.Terms, &w.Terms}, "seed": {&x.w.Seeds, &w.Seeds},
		"host": {&x.w.Rules.Hosts, &w.Rules.Hosts}, "include": {&x.w.Rules.Include, &w.Rules.Include}, "exclude": {&x.w.Rules.Exclude, &w.Rules.Exclude},
	}
	for name, l := range lists {
		if !f.Changed(name) {
			continue
		}
		given := *l[0]
		if len(given) == 1 && strings.TrimSpace(given[0]) == "" {
			given = nil // --exclude "" takes all patterns away
		}
		*l[1] = given
	}
	for name, set := range map[string]func(){
		"cron": func() { w.Schedule.Cron = x.w.Schedule.Cron }, "every": func() { w.Schedule.Cron = x.w.Schedule.Cron },
		"zone":   func() { w.Schedule.Zone = x.w.Schedule.Zone },
		"jitter": func() { w.Jitter = ledger.Jitter(x.jitter) },
		"missed": func() { w.Missed = ledger.MissedPolicy(x.missed) }, "max-pages": func() { w.MaxPages = x.w.MaxPages },
		"max-listings": func() { w.MaxListings = x.w.MaxListings }, "depth": func() { w.Depth = x.w.Depth },
		"priority": func() { w.Priority = x.w.Priority },
	} {
		if f.Changed(name) {
			set()
		}
	}
	if err := x.retention(f, &w.Retention); err != nil {
		return err
	}
	if f.Changed("brand") {
		return loadBrand(w, x.brand)
	}
	return nil
}

// loadBrand reads and checks a brand profile; it is kept as JSON.
func loadBrand(w *ledger.Watch, path string) error {
	if path == "" {
		w.Brand = nil
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("the brand profile cannot be read: %w", err)
	}
	b, err := triage.ParseBrand(path, text)
	if err != nil {
		return err
	}
	w.Brand, err = json.Marshal(b)
	return err
}

// refusedWatch is a watch that makes no sense, in its own words.
func refusedWatch(err error) error {
	if errors.Is(err, ledger.ErrInvalid) {
		return usageError{errors.New(strings.TrimPrefix(err.Error(), ledger.ErrInvalid.Error()+": "))}
	}
	return err
}
