package configs_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/configs"
)

func noEnv(string) string { return "" }

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "trawlmark.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheExampleIsTheDefault(t *testing.T) {
	got, err := configs.Load(write(t, string(configs.Example())), noEnv)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(got)
	b, _ := json.Marshal(configs.Default())
	if string(a) != string(b) {
		t.Errorf("the example gives\n%s\nthe default is\n%s", a, b)
	}
	if configs.Default().Worker.Lease.D() != 20*time.Second {
		t.Error("the defaults were not read from the example")
	}
}

// Every key that can be set stands in the example, with a comment near it.
func TestTheExampleHasEveryKey(t *testing.T) {
	text := string(configs.Example())
	var walk func(prefix string, typ reflect.Type)
	walk = func(prefix string, typ reflect.Type) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			key := f.Tag.Get("yaml")
			if !f.IsExported() || key == "-" {
				continue
			}
			if !regexp.MustCompile(`(?m)^ *(# - |- )?`+key+`:`).MatchString(text) && !strings.Contains(text, "#   "+key+":") {
				if prefix == "seal.tsas." {
					continue // shown as a comment: the default has none
				}
				t.Errorf("%s%s is not in the example", prefix, key)
			}
			if f.Type.Kind() == reflect.Struct {
				walk(prefix+key+".", f.Type)
			}
		}
	}
	walk("", reflect.TypeFor[configs.Config]())
}

func TestAFileNeedsOnlyWhatDiffers(t *testing.T) {
	c, err := configs.Load(write(t, "worker:\n  pools:\n    browser: 7\nretention:\n  finding: 3650d\ncrawler:\n  max_body: 1.5MiB\n"), noEnv)
	if err != nil {
		t.Fatal(err)
	}
	if c.Worker.Pools.Browser != 7 || c.Worker.Pools.HTTP != 8 || c.Retention.Finding.D() != 3650*24*time.Hour || c.Crawler.MaxBody != 3<<19 {
		t.Errorf("got %+v", c)
	}
}

func TestErrorsNameFileLineAndKey(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"unknown key", "data_dir: x\nworker:\n  leese: 3s\n", `:3: worker.leese: unknown field "leese"`},
		{"not a duration", "custody:\n  every: soon\n", ":2: custody.every: "},
		{"not a number", "worker:\n  pools:\n    http: many\n", ":3: worker.pools.http: "},
		{"out of range", "# comment\nchrome:\n  contexts: 0\n", ":3: chrome.contexts: 0 is not between 1 and 64"},
		{"heartbeat", "worker:\n  lease: 10s\n  heartbeat: 9s\n", ":3: worker.heartbeat: "},
		{"mode", "retention:\n  mode: FOREVER\n", ":2: retention.mode: "},
		{"range", "egress:\n  allow: [10.0.0.1]\n", ":2: egress.allow: "},
		{"proxy", "egress:\n  proxies: ['http://u:hush@p']\n", ":2: egress.proxies: "},
		{"proxies of one variable", "egress:\n  proxies: [a-b, a-b]\n", ":2: egress.proxies: "},
		{"override", "egress:\n  override:\n    shop.example: nowhere\n", ":2: egress.override: "},
		{"sandbox", "chrome:\n  sandbox: maybe\n", ":2: chrome.sandbox: "},
		{"console url", "console:\n  url: console.example.org\n", ":2: console.url: "},
		{"console url with a path", "console:\n  url: https://example.org/console\n", ":2: console.url: "},
		{"ca without tls", "redis:\n  addresses: ['r:6379']\n  ca_file: x.pem\n", ":3: redis.ca_file: needs redis.tls: true"},
		{"ca that is not there", "redis:\n  tls: true\n  ca_file: nowhere.pem\n", ":3: redis.ca_file: cannot be read"},
		{"certificate without key", "redis:\n  tls: true\n  cert_file: nowhere.pem\n", ":3: redis.cert_file: cert_file and key_file belong together"},
		{"storage ca", "storage:\n  ca_file: nowhere.pem\n", ":2: storage.ca_file: cannot be read"},
		{"master without sentinels", "redis:\n  sentinel_master: main\n", ":2: redis.sentinel_master: needs the sentinels"},
		{"database of a cluster", "redis:\n  addresses: ['a:1', 'b:1']\n  db: 3\n", ":3: redis.db: 3 cannot be used"},
		{"endpoint without keys", "storage:\n  endpoint: s3.example:9000\n", ":2: storage.endpoint: set TRAWLMARK_S3_ACCESS_KEY"},
		{"not yaml", "worker: [\n", ":1"},
		{"tabs", "worker:\n\tlease: 3s\n", ":2"},
	} {
		path := write(t, tt.text)
		_, err := configs.Load(path, noEnv)
		var key *configs.KeyError
		if !errors.As(err, &key) {
			t.Errorf("%s: %v is no KeyError", tt.name, err)
			continue
		}
		if !strings.Contains(err.Error(), path+tt.want) {
			t.Errorf("%s: %q does not say %q", tt.name, err, "<file>"+tt.want)
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than one line: %q", tt.name, err)
		}
	}
}

func TestAllMistakesAreToldAtOnce(t *testing.T) {
	_, err := configs.Load(write(t, "chrome:\n  contexts: 0\nlog:\n  level: loud\n"), noEnv)
	if err == nil || !strings.Contains(err.Error(), "chrome.contexts") || !strings.Contains(err.Error(), "log.level") {
		t.Errorf("got %v", err)
	}
}

func TestAMissingFileSaysWhatToDo(t *testing.T) {
	_, err := configs.Load("nowhere.yaml", noEnv)
	if err == nil || !strings.Contains(err.Error(), "trawlmark config example") {
		t.Errorf("got %v", err)
	}
}

func TestSecretsComeFromTheEnvironmentAndNeverPrint(t *testing.T) {
	env := map[string]string{
		"TRAWLMARK_DATABASE_URL": "postgres://u:hush@db/x", "TRAWLMARK_REDIS_PASSWORD": "hush", "TRAWLMARK_REDIS_SENTINEL_PASSWORD": "hush", "TRAWLMARK_S3_ACCESS_KEY": "hush",
		"TRAWLMARK_S3_SECRET_KEY": "hush", "TRAWLMARK_SCORER_TOKEN": "hush", "TRAWLMARK_PROXY_URL": "http://u:hush@proxy", "TRAWLMARK_TSA_ACME_1_PASSWORD": "hush",
		"TRAWLMARK_PROXY_DE_2_URL": "http://u:hush@de",
	}
	c, err := configs.Load(write(t, "redis:\n  addresses: ['s:26379']\n  sentinel_master: main\negress:\n  proxies: [de-2]\nseal:\n  tsas:\n    - {name: acme-1, url: 'https://tsa.example', roots: r.pem}\n"), func(k string) string { return env[k] })
	if err != nil {
		t.Fatal(err)
	}
	if c.Redis.Password.Reveal() != "hush" || c.Redis.SentinelPassword.Reveal() != "hush" || c.Egress.ProxyURLs["de-2"].Reveal() != "http://u:hush@de" || c.Seal.TSAs[0].Password.Reveal() != "hush" || c.Database.URL.Reveal() == "" {
		t.Error("a secret was not taken from the environment")
	}
	j, _ := json.Marshal(c)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("config", "c", c.Redis.Password)
	for name, text := range map[string]string{
		"%v": fmt.Sprintf("%v", c), "%+v": fmt.Sprintf("%+v", c), "%#v": fmt.Sprintf("%#v", *c), "json": string(j), "slog": log.String(),
	} {
		if strings.Contains(text, "hush") {
			t.Errorf("%s prints a secret", name)
		}
	}
}

func TestTheConsolesAddressComesFromTheFileOrTheEnvironment(t *testing.T) {
	path := write(t, "console:\n  url: https://console.example.org\n")
	c, err := configs.Load(path, noEnv)
	if err != nil || c.Console.URL != "https://console.example.org" {
		t.Errorf("%q, %v", c.Console.URL, err)
	}
	env := func(k string) string {
		if k == configs.ConsoleURLVariable {
			return "https://other.example.org/"
		}
		return ""
	}
	if c, err = configs.Load(path, env); err != nil || c.Console.URL != "https://other.example.org/" {
		t.Errorf("%v", err)
	}
}

func TestSizesAndDurations(t *testing.T) {
	for s, want := range map[string]int64{"0": 0, "17": 17, "17B": 17, "1KiB": 1024, "1.5 MiB": 3 << 19, "2GiB": 2 << 30} {
		if got, err := configs.ParseSize(s); err != nil || got != want {
			t.Errorf("%q is %d, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "x", "-1", "1MB", "1e300GiB", "NaN"} {
		if got, err := configs.ParseSize(s); err == nil {
			t.Errorf("%q was taken as %d", s, got)
		}
	}
	for _, s := range []string{"", "1", "1 month", "-3d", "99999999999d"} {
		if got, err := configs.ParseDuration(s); err == nil {
			t.Errorf("%q was taken as %s", s, got)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(configs.Example())
	f.Add([]byte("worker:\n  lease: 1s\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if c, err := configs.Load(path, noEnv); err == nil && c.Worker.Heartbeat.D() > c.Worker.Lease.D()/2 {
			t.Errorf("%q gave a configuration that is not valid", b)
		}
	})
}
