package task

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// Secret is text that does not print. Reveal gives it.
type Secret string

const hidden = "<secret>"

// Reveal gives the secret itself.
func (s Secret) Reveal() string { return string(s) }

func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// Format hides the secret under every verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// MarshalText hides the secret from JSON, YAML and the like.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue hides the secret from the log.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Redis says where the queue's Redis is. Exactly one of Addr, Sentinels (with
// Master) and Cluster is set.
type Redis struct {
	// Addr is host:port, or unix:/path/to/socket.
	Addr string
	// Sentinels are host:port of the sentinels that know the master of that
	// name.
	Sentinels        []string
	Master           string
	SentinelPassword Secret
	// Cluster are host:port of some nodes of a cluster.
	Cluster []string

	Username string
	Password Secret
	DB       int // 0 to 15; not with Cluster

	// TLS encrypts the connection. CAFile holds certificates to trust instead
	// of the system's; CertFile and KeyFile are what we show; ServerName
	// overrides the host's name.
	TLS                       bool
	CAFile, CertFile, KeyFile string
	ServerName                string

	// Timeout of connecting, and of one answer. Default 3 s.
	Timeout time.Duration
	// PoolSize bounds the connections. Default 10 per CPU.
	PoolSize int
}

func (r Redis) withDefaults() Redis {
	if r.Timeout == 0 {
		r.Timeout = 3 * time.Second
	}
	return r
}

// Validate reports the first setting that cannot be used, by its key.
func (r Redis) Validate() error {
	ways := 0
	for _, set := range []bool{r.Addr != "", len(r.Sentinels) > 0, len(r.Cluster) > 0} {
		if set {
			ways++
		}
	}
	switch {
	case ways != 1:
		return errors.New("set exactly one of addr, sentinels and cluster")
	case strings.Contains(r.Addr, "://") || strings.Contains(r.Addr, "@"):
		return errors.New("addr is host:port or unix:/path; username, password and db have keys of their own")
	case (r.Master != "") != (len(r.Sentinels) > 0):
		return errors.New("sentinels and master belong together")
	case len(r.Cluster) > 0 && r.DB != 0:
		return errors.New("db must be 0 in a cluster")
	case r.DB < 0 || r.DB > 15:
		return errors.New("db must be 0 to 15")
	case r.Timeout < 0 || r.PoolSize < 0:
		return errors.New("timeout and pool_size must not be negative")
	case !r.TLS && (r.CAFile != "" || r.CertFile != "" || r.KeyFile != "" || r.ServerName != ""):
		return errors.New("ca_file, cert_file, key_file and server_name need tls: true")
	case (r.CertFile == "") != (r.KeyFile == ""):
		return errors.New("cert_file and key_file belong together")
	case strings.HasPrefix(r.Addr, "unix:"):
		if r.Addr == "unix:" || r.TLS {
			return errors.New("addr unix:/path needs a path, and takes no tls")
		}
		return nil
	}
	for _, a := range append(append([]string{}, r.Sentinels...), r.Cluster...) {
		if _, _, err := net.SplitHostPort(a); err != nil {
			return fmt.Errorf("sentinels and cluster are host:port, not %q", a)
		}
	}
	if r.Addr != "" {
		if _, _, err := net.SplitHostPort(r.Addr); err != nil {
			return fmt.Errorf("addr is host:port or unix:/path, not %q", r.Addr)
		}
	}
	return nil
}

// String says where it is, without secrets.
func (r Redis) String() string {
	switch {
	case len(r.Sentinels) > 0:
		return "sentinels " + strings.Join(r.Sentinels, ", ") + " for " + r.Master
	case len(r.Cluster) > 0:
		return "cluster " + strings.Join(r.Cluster, ", ")
	}
	return r.Addr
}

// Open gives a client. It connects when it is first used, so a Redis that is
// away is no error here.
func (r Redis) Open() (redis.UniversalClient, error) {
	if err := r.Validate(); err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	r = r.withDefaults()
	conf, err := r.tls()
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	o := &redis.UniversalOptions{
		Addrs: []string{r.Addr}, Username: r.Username, Password: r.Password.Reveal(), DB: r.DB, TLSConfig: conf,
		SentinelPassword: r.SentinelPassword.Reveal(), DialTimeout: r.Timeout, ReadTimeout: r.Timeout, WriteTimeout: r.Timeout,
		PoolSize: r.PoolSize, ContextTimeoutEnabled: true, DisableIdentity: true,
		// One quick second try over a fresh connection: whoever asks has a
		// retry of its own, and the limiter must say "unreachable" soon.
		MaxRetries: 1, MinRetryBackoff: 5 * time.Millisecond, MaxRetryBackoff: 50 * time.Millisecond, DialerRetries: 1,
	}
	switch {
	case len(r.Sentinels) > 0:
		o.Addrs, o.MasterName = r.Sentinels, r.Master
	case len(r.Cluster) > 0:
		o.Addrs, o.IsClusterMode = r.Cluster, true
		o.MaxRetries = 0 // as MaxRedirects: the default
	case strings.HasPrefix(r.Addr, "unix:"):
		simple := o.Simple()
		simple.Network, simple.Addr = "unix", strings.TrimPrefix(r.Addr, "unix:")
		return redis.NewClient(simple), nil
	}
	return redis.NewUniversalClient(o), nil
}

func (r Redis) tls() (*tls.Config, error) {
	if !r.TLS {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: r.ServerName}
	if r.CAFile != "" {
		pem, err := os.ReadFile(r.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file: %s holds no certificate", r.CAFile)
		}
	}
	if r.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(r.CertFile, r.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("cert_file, key_file: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// Log sends what the Redis client library says of its own accord (it has one
// log for the whole process, standard error by default) to log at debug level:
// whoever uses a client gets an error anyway. A program calls it once.
func Log(log *slog.Logger) { redis.SetLogger(library{log}) }

type library struct{ log *slog.Logger }

func (l library) Printf(ctx context.Context, format string, v ...any) {
	l.log.DebugContext(ctx, "redis: "+fmt.Sprintf(format, v...))
}

// connOpt lets asynq's own tools (asynqmon) use the same settings.
type connOpt struct{ client redis.UniversalClient }

func (c connOpt) MakeRedisClient() any { return c.client }

// ConnOpt gives the same as asynq wants it.
func (r Redis) ConnOpt() (asynq.RedisConnOpt, error) {
	c, err := r.Open()
	if err != nil {
		return nil, err
	}
	return connOpt{c}, nil
}
