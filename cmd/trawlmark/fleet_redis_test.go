package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/crawler/markettest"
	"github.com/trawlmark/trawlmark/worker/ledger"
	"github.com/trawlmark/trawlmark/worker/task/redistest"
)

// A dispatcher and a worker do thirty visits over every kind of Redis that can
// be configured, politely, and each once: a cluster of three, sentinels whose
// master is killed in the middle, and TLS with a password.
func TestFleetOnEveryKindOfRedis(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: three small fleets take a minute")
	}
	t.Run("cluster", func(t *testing.T) {
		f := redisFleet(t, fmt.Sprintf("redis: {addresses: [%s]}", quoted(redistest.ClusterOfThree(t))))
		f.settle(5 * time.Minute)
		f.checkThirty()
	})
	t.Run("sentinels", func(t *testing.T) {
		g := redistest.Sentinels(t)
		f := redisFleet(t, fmt.Sprintf("redis: {addresses: [%s], sentinel_master: %s}", quoted(g.Sentinels), g.Master),
			"TRAWLMARK_REDIS_PASSWORD="+g.Password, "TRAWLMARK_REDIS_SENTINEL_PASSWORD="+g.SentinelPassword)
		waitFor(t, 5*time.Minute, "some visits", func() (bool, string) { f.alive(); return f.states()[ledger.Done] >= 5, fmt.Sprint(f.states()) })
		before := f.states()[ledger.Done]
		g.FailOver()
		f.settle(5 * time.Minute)
		if before == 30 {
			t.Error("all visits had ended before the master was killed: this saw no failover")
		}
		f.checkThirty()
	})
	t.Run("TLS", func(t *testing.T) {
		addr, ca, password := redistest.TLS(t)
		f := redisFleet(t, fmt.Sprintf("redis: {addresses: [%q], tls: true, ca_file: %q}", addr, ca), "TRAWLMARK_REDIS_PASSWORD="+password)
		f.settle(5 * time.Minute)
		f.checkThirty()
		for name, p := range f.procs {
			if strings.Contains(p.out.String(), password) {
				t.Errorf("%s prints the password", name)
			}
		}
	})
}

// manyKinds is the lane of these fleets.
var manyKinds = lanePlan{"polite", 300 * time.Millisecond}

func redisFleet(t *testing.T, redis string, env ...string) *testFleet {
	t.Helper()
	f := newFleet(t, fleetOptions{lanes: []lanePlan{manyKinds}, redis: redis, env: env})
	f.add(f.visits(manyKinds, 30)...)
	f.dispatcher("d1")
	f.worker("w1", "http")
	return f
}

// checkThirty: every visit was made once, none sooner than the delay allows,
// and everything stops when it is told to.
func (f *testFleet) checkThirty() {
	f.t.Helper()
	if s := f.states(); s[ledger.Done] != 30 {
		f.t.Errorf("of 30 visits: %v", s)
	}
	log := f.pages(manyKinds)
	pages, short := 0, 0
	for _, a := range log {
		if a.Item != "" {
			pages++
		}
	}
	for _, g := range markettest.Gaps(log) {
		if g < manyKinds.delay-manyKinds.delay/20 { // when the log got a core, see checkGaps
			short++
		}
	}
	if pages < 30 || pages > 33 || short > 0 {
		f.t.Errorf("the site was asked for %d pages, %d times sooner than after %s", pages, short, manyKinds.delay)
	}
	f.terminate(3 * time.Minute)
}

func quoted(addrs []string) string {
	var q []string
	for _, a := range addrs {
		q = append(q, fmt.Sprintf("%q", a))
	}
	return strings.Join(q, ", ")
}
