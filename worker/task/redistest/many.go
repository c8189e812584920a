package redistest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// ClusterOfThree starts a cluster of three masters that share the slots, and
// gives their addresses.
func ClusterOfThree(t testing.TB) (addrs []string) {
	t.Helper()
	const slots, nodes = 16384, 3
	var clients []*redis.Client
	var bus []string
	for range nodes {
		port, busPort := freePort(t), freePort(t)
		t.Cleanup(run(t, program(t), t.TempDir(), "--port", port, "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--cluster-port", busPort,
			"--cluster-node-timeout", "15000", "--save", "", "--appendonly", "no"))
		addr := "127.0.0.1:" + port
		c := redis.NewClient(&redis.Options{Addr: addr, DialerRetries: 1, DisableIdentity: true})
		t.Cleanup(func() { c.Close() })
		addrs, bus, clients = append(addrs, addr), append(bus, busPort), append(clients, c)
	}
	for i, c := range clients {
		await(t, "a node of a Redis cluster", func(ctx context.Context) bool {
			c.ClusterAddSlotsRange(ctx, i*slots/nodes, (i+1)*slots/nodes-1)
			n, err := c.ClusterInfo(ctx).Result()
			return err == nil && !strings.Contains(n, "cluster_slots_assigned:0\r")
		})
	}
	for i := range clients {
		_, port, _ := net.SplitHostPort(addrs[i])
		if err := clients[0].Do(context.Background(), "CLUSTER", "MEET", "127.0.0.1", port, bus[i]).Err(); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "a Redis cluster of three", func(ctx context.Context) bool {
		for _, c := range clients {
			info, err := c.ClusterInfo(ctx).Result()
			if err != nil || !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, fmt.Sprint("cluster_slots_assigned:", slots)) ||
				!strings.Contains(info, fmt.Sprint("cluster_known_nodes:", nodes)) {
				return false
			}
		}
		return true
	})
	return addrs
}

// Guarded is a master with a replica and three sentinels, all with a password.
type Guarded struct {
	Sentinels        []string
	Master           string // its name
	Password         string
	SentinelPassword string

	t      testing.TB
	killed func() // ends the first master, as kill -9 does
	first  string
}

// Sentinels starts a master, its replica, and three sentinels that let the
// replica take over a second after the master is gone.
func Sentinels(t testing.TB) *Guarded {
	t.Helper()
	g := &Guarded{Master: "trawl", Password: "of-the-test", SentinelPassword: "of-the-sentinels", t: t}
	mport, rport := freePort(t), freePort(t)
	g.first = "127.0.0.1:" + mport
	common := []string{
		"--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--requirepass", g.Password, "--masterauth", g.Password,
		"--repl-diskless-sync-delay", "0",
	}
	ended := false
	kill := run(t, program(t), t.TempDir(), append([]string{"--port", mport}, common...)...)
	g.killed = func() {
		if !ended {
			ended = true
			kill()
		}
	}
	t.Cleanup(g.killed)
	t.Cleanup(run(t, program(t), t.TempDir(), append([]string{"--port", rport, "--replicaof", "127.0.0.1 " + mport}, common...)...))
	replica := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + rport, Password: g.Password, DialerRetries: 1, DisableIdentity: true})
	defer replica.Close()
	await(t, "a Redis replica", func(ctx context.Context) bool {
		info, err := replica.Info(ctx, "replication").Result()
		return err == nil && strings.Contains(info, "master_link_status:up")
	})
	for range 3 {
		dir, port := t.TempDir(), freePort(t)
		conf := filepath.Join(dir, "sentinel.conf")
		text := fmt.Sprintf("port %s\nbind 127.0.0.1\nrequirepass %s\nsentinel monitor %s 127.0.0.1 %s 2\nsentinel auth-pass %s %s\n"+
			"sentinel down-after-milliseconds %s 1000\nsentinel failover-timeout %s 5000\n",
			port, g.SentinelPassword, g.Master, mport, g.Master, g.Password, g.Master, g.Master)
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(run(t, program(t), dir, conf, "--sentinel"))
		g.Sentinels = append(g.Sentinels, "127.0.0.1:"+port)
	}
	for _, addr := range g.Sentinels {
		c := redis.NewSentinelClient(&redis.Options{Addr: addr, Password: g.SentinelPassword, DialerRetries: 1, DisableIdentity: true})
		defer c.Close()
		await(t, "a Redis sentinel", func(ctx context.Context) bool {
			others, err := c.Sentinels(ctx, g.Master).Result()
			replicas, err2 := c.Replicas(ctx, g.Master).Result()
			return err == nil && err2 == nil && len(others) == 2 && len(replicas) == 1
		})
	}
	return g
}

// FailOver kills the master and waits until the sentinels name another.
func (g *Guarded) FailOver() {
	g.t.Helper()
	g.killed()
	c := redis.NewSentinelClient(&redis.Options{Addr: g.Sentinels[0], Password: g.SentinelPassword, DialerRetries: 1, DisableIdentity: true})
	defer c.Close()
	await(g.t, "the failover", func(ctx context.Context) bool {
		at, err := c.GetMasterAddrByName(ctx, g.Master).Result()
		return err == nil && len(at) == 2 && net.JoinHostPort(at[0], at[1]) != g.first
	})
}

// TLS starts a Redis that speaks TLS alone and wants a password. caFile is the
// certificate to trust; the server's name is localhost.
func TLS(t testing.TB) (addr, caFile, password string) {
	t.Helper()
	dir, port := t.TempDir(), freePort(t)
	caFile, password = filepath.Join(dir, "cert.pem"), "of-the-test"
	keyFile := filepath.Join(dir, "key.pem")
	writeCert(t, caFile, keyFile)
	t.Cleanup(run(t, program(t), dir, "--port", "0", "--tls-port", port, "--bind", "127.0.0.1", "--tls-cert-file", caFile, "--tls-key-file", keyFile,
		"--tls-auth-clients", "no", "--requirepass", password, "--save", "", "--appendonly", "no"))
	addr = "localhost:" + port
	await(t, "a Redis with TLS", func(ctx context.Context) bool {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return addr, caFile, password
}

func writeCert(t testing.TB, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis of a test"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
