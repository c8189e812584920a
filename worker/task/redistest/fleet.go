package redistest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Cluster starts a cluster of one node that holds all slots, and gives its
// address: enough for the client to speak the cluster's protocol and for keys
// of one command to be refused when their slots differ.
func Cluster(t testing.TB) (addr string) {
	t.Helper()
	dir := t.TempDir()
	port, bus := freePort(t), freePort(t)
	t.Cleanup(run(t, program(t), dir, "--port", port, "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--cluster-port", bus,
		"--save", "", "--appendonly", "no"))
	addr = "127.0.0.1:" + port
	c := redis.NewClient(&redis.Options{Addr: addr, DialerRetries: 1, DisableIdentity: true})
	defer c.Close()
	await(t, "a Redis cluster", func(ctx context.Context) bool {
		c.ClusterAddSlotsRange(ctx, 0, 16383)
		info, err := c.ClusterInfo(ctx).Result()
		return err == nil && strings.Contains(info, "cluster_state:ok")
	})
	return addr
}

// Sentinel starts a master and a sentinel that watches it, and gives the
// sentinel's address and the master's name.
func Sentinel(t testing.TB) (addr, master string) {
	t.Helper()
	dir := t.TempDir()
	mport, sport := freePort(t), freePort(t)
	t.Cleanup(run(t, program(t), dir, "--port", mport, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"))
	conf := filepath.Join(dir, "sentinel.conf")
	text := fmt.Sprintf("port %s\nbind 127.0.0.1\nsentinel monitor trawl 127.0.0.1 %s 1\n", sport, mport)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(run(t, program(t), dir, conf, "--sentinel"))
	addr = "127.0.0.1:" + sport
	c := redis.NewSentinelClient(&redis.Options{Addr: addr, DialerRetries: 1, DisableIdentity: true})
	defer c.Close()
	m := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + mport, DialerRetries: 1, DisableIdentity: true})
	defer m.Close()
	await(t, "a Redis sentinel", func(ctx context.Context) bool {
		at, err := c.GetMasterAddrByName(ctx, "trawl").Result()
		return err == nil && len(at) == 2 && at[1] == mport && m.Ping(ctx).Err() == nil
	})
	return addr, "trawl"
}

// freePort gives a port that nobody has, and that nobody gets before its server
// does: it lies below those that systems give to whoever asks for any.
func freePort(t testing.TB) string {
	t.Helper()
	for range 1000 {
		port := strconv.Itoa(20000 + rand.N(12000))
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free between 20000 and 32000")
	return ""
}
