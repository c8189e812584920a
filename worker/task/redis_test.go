package task_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/trawlmark/trawlmark/worker/task"
	"github.com/trawlmark/trawlmark/worker/task/redistest"
)

func TestRedisValidate(t *testing.T) {
	for _, c := range []struct {
		r    task.Redis
		want string
	}{
		{task.Redis{Addr: "localhost:6379"}, ""},
		{task.Redis{Addr: "unix:/run/redis.sock", DB: 3}, ""},
		{task.Redis{Sentinels: []string{"a:1", "b:2"}, Master: "m", SentinelPassword: "x"}, ""},
		{task.Redis{Cluster: []string{"a:1"}, TLS: true}, ""},
		{task.Redis{}, "exactly one"},
		{task.Redis{Addr: "a:1", Cluster: []string{"a:1"}}, "exactly one"},
		{task.Redis{Addr: "redis://u:p@a:1"}, "keys of their own"},
		{task.Redis{Addr: "a"}, "host:port"},
		{task.Redis{Addr: "unix:"}, "path"},
		{task.Redis{Addr: "unix:/x", TLS: true}, "tls"},
		{task.Redis{Sentinels: []string{"a:1"}}, "master"},
		{task.Redis{Addr: "a:1", Master: "m"}, "master"},
		{task.Redis{Sentinels: []string{"a"}, Master: "m"}, "host:port"},
		{task.Redis{Cluster: []string{"a:1"}, DB: 1}, "cluster"},
		{task.Redis{Addr: "a:1", DB: 16}, "db"},
		{task.Redis{Addr: "a:1", CAFile: "x"}, "tls"},
		{task.Redis{Addr: "a:1", TLS: true, CertFile: "x"}, "belong together"},
		{task.Redis{Addr: "a:1", Timeout: -1}, "negative"},
	} {
		err := c.r.Validate()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.r, err, c.want)
		}
	}
	for _, r := range []task.Redis{
		{Addr: "a:1", TLS: true, CAFile: "/no/such/file"},
		{Addr: "a:1", TLS: true, CAFile: "redis.go"},
		{Addr: "a:1", TLS: true, CertFile: "redis.go", KeyFile: "redis.go"},
		{},
	} {
		if _, err := r.Open(); err == nil {
			t.Errorf("%+v was opened", r)
		}
	}
}

func TestRedisOpensWhatItIsTold(t *testing.T) {
	for _, c := range []struct {
		r    task.Redis
		want string
	}{
		{task.Redis{Addr: "h:1"}, "*redis.Client"},
		{task.Redis{Sentinels: []string{"a:1"}, Master: "m"}, "*redis.Client"},
		{task.Redis{Cluster: []string{"a:1"}}, "*redis.ClusterClient"},
	} {
		cl, err := c.r.Open()
		if err != nil {
			t.Fatal(err)
		}
		cl.Close()
		if got := fmt.Sprintf("%T", cl); got != c.want {
			t.Errorf("%s: %s, want %s", c.r, got, c.want)
		}
	}
	srv := redistest.Start(t)
	o, err := task.Redis{Addr: "unix:" + srv.Socket, DB: 5}.ConnOpt()
	if err != nil {
		t.Fatal(err)
	}
	cl := o.MakeRedisClient().(redis.UniversalClient)
	defer cl.Close()
	if err := cl.Set(context.Background(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n := srv.Client().DBSize(context.Background()).Val(); n != 0 {
		t.Errorf("db 5 was not used: db 0 has %d keys", n)
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	r := task.Redis{Addr: "a:1", Password: "hunter2", SentinelPassword: "hunter2"}
	j, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "redis", r, "password", r.Password)
	all := fmt.Sprintf("%v %+v %#v %s %q %x %d %s %s", r, r, r, r.Password, r.Password, r.Password, r.Password, j, log.String())
	if strings.Contains(all, "hunter2") || strings.Contains(all, "68756e746572") {
		t.Errorf("the secret is in %s", all)
	}
	if r.Password.Reveal() != "hunter2" || task.Secret("").String() != "" {
		t.Error("Reveal or the empty secret")
	}
}
