package sqldbtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sort"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/trawlmark/trawlmark/archive/sqldb"
)

// server is a running PostgreSQL. It ends when pipe is closed, by hand, by the
// end of the process, or by the garbage collector: so it is kept in shared.
type server struct {
	url  string
	pipe io.Closer
}

// shared starts the one server of this test binary, at its first use.
var shared = sync.OnceValues(start)

// guard runs the server until its standard input ends, which is when the test
// binary ends, killed or not, and then removes the folder. Arguments: folder,
// postgres program.
const guard = `
"$2" -D "$1/data" -k "$1" -c listen_addresses= -c fsync=off -c synchronous_commit=off \
	-c full_page_writes=off -c max_connections=300 -c shared_buffers=64MB \
	</dev/null >"$1/log" 2>&1 &
server=$!
cat >/dev/null
kill -INT $server
wait $server
rm -rf "$1"
`

func start() (_ *server, err error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	// Short: a unix socket's path has at most 107 bytes.
	dir, err := os.MkdirTemp("", "trawlpg")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	attr, err := owner(dir)
	if err != nil {
		return nil, err
	}
	init := exec.Command(filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "data"), "-U", "trawlmark",
		"--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
	init.SysProcAttr = attr
	init.Dir = dir
	if out, err := init.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb failed: %w: %s", err, bytes.TrimSpace(out))
	}
	run := exec.Command("/bin/sh", "-c", guard, "sh", dir, filepath.Join(bin, "postgres"))
	run.SysProcAttr = attr
	run.Dir = dir
	pipe, err := run.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := run.Start(); err != nil {
		return nil, err
	}
	rawURL := "postgres://trawlmark@/postgres?host=" + url.QueryEscape(dir)
	if err := await(rawURL); err != nil {
		pipe.Close()
		run.Wait()
		return nil, fmt.Errorf("PostgreSQL did not start: %w", err)
	}
	return &server{rawURL, pipe}, nil
}

func await(rawURL string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	for {
		db, err := sqldb.Open(ctx, sqldb.Config{URL: rawURL, MaxConns: 1})
		if err == nil {
			return db.Close()
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// programs finds the folder of the newest initdb.
func programs() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if more, err := exec.LookPath("initdb"); err == nil {
		found = append(found, more)
	}
	if len(found) == 0 {
		return "", errors.New("no PostgreSQL for this test: install it (initdb), or name a server in TRAWLMARK_TEST_POSTGRES")
	}
	sort.Slice(found, func(i, j int) bool { return version(found[i]) > version(found[j]) })
	return filepath.Dir(found[0]), nil
}

func version(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

// owner gives dir to a user who may run PostgreSQL, which refuses root.
func owner(dir string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Setpgid: true} // an interrupt of the tests is not one of the server
	if os.Getuid() != 0 {
		return attr, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		if err := os.Chown(dir, uid, gid); err != nil {
			return nil, err
		}
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return attr, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody")
}
