package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// machine is a system that deploy/setup.sh looks at: files, programs, and what
// apt's lists have. Programs write down what they were asked for and do nothing.
type machine struct {
	files    []string
	programs []string
	lists    map[string]string // package -> what apt-cache shows of it
	arch     string
	env      []string
	breaks   string // what apt-get and curl fail at when it is among their arguments
}

// setUp runs deploy/setup.sh run on it, and gives what it asked for and said.
func (m machine) setUp(t *testing.T) (did []string, said string, err error) {
	t.Helper()
	root, bin := t.TempDir(), t.TempDir()
	log := filepath.Join(bin, "did")
	for _, f := range m.files {
		path := filepath.Join(root, f)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		writeProgram(t, path, "")
	}
	for _, name := range []string{"sh", "dirname", "grep", "ls", "head", "rm", "mktemp", "chmod", "cat", "env"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Skipf("%s is not here", name)
		}
		if err := os.Symlink(path, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	note := `echo "${0##*/} $*" >>'` + log + "'\n"
	fails := ""
	if m.breaks != "" {
		fails = `case "$*" in *` + m.breaks + `*) exit 1;; esac` + "\n"
	}
	for _, name := range m.programs {
		script := note
		switch name {
		case "apt-get", "curl":
			script += fails
		case "fc-list":
			script = "echo font\n"
		}
		writeProgram(t, filepath.Join(bin, name), script)
	}
	writeProgram(t, filepath.Join(bin, "id"), "echo 0\n")
	writeProgram(t, filepath.Join(bin, "dpkg"), "echo "+m.arch+"\n")
	shows := "for p; do :; done\ncase \"$p\" in\n"
	for name, text := range m.lists {
		shows += name + ") cat <<'END'\nPackage: " + name + "\n" + text + "\nEND\n;;\n"
	}
	writeProgram(t, filepath.Join(bin, "apt-cache"), shows+"*) exit 100;;\nesac\n")
	c := exec.Command(filepath.Join(bin, "sh"), filepath.Join(deployDir, "setup.sh"), "run")
	c.Env = append([]string{"PATH=" + bin, "SETUP_ROOT=" + root, "TMPDIR=" + t.TempDir()}, m.env...)
	out, err := c.CombinedOutput()
	b, _ := os.ReadFile(log) // nothing was asked for
	for line := range strings.Lines(string(b)) {
		did = append(did, strings.TrimSpace(line))
	}
	return did, string(out), err
}

func writeProgram(t *testing.T, path, script string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
}

// What setup.sh installs on systems that it was never tried on.
func TestSetupDecidesBySystem(t *testing.T) {
	const snap = "Version: 2:1snap1-0ubuntu2\nPre-Depends: debconf, snapd\nDescription-en: Transitional package - chromium-browser -> chromium snap"
	apt := []string{"apt-get", "redis-server", "fc-list"}
	certs := []string{"/etc/ssl/certs/ca-certificates.crt"}
	for name, x := range map[string]struct {
		machine
		want, not string // in what it did
		says      string
		fails     bool
	}{
		"Debian 13": {
			machine: machine{files: certs, programs: apt, arch: "amd64", lists: map[string]string{"chromium-headless-shell": "Depends: libc6", "chromium": "Depends: libc6"}},
			want:    "apt-get install -y -qq --no-install-recommends chromium-headless-shell", not: "curl",
		},
		"Debian 11, without the shell": {
			machine: machine{files: certs, programs: apt, arch: "arm64", lists: map[string]string{"chromium": "Depends: libc6\nDescription-en: web browser"}},
			want:    "--no-install-recommends chromium", not: "curl",
		},
		"Ubuntu, chromium is a snap": {
			machine: machine{files: certs, programs: append(apt, "curl"), arch: "amd64", lists: map[string]string{"chromium-browser": snap}},
			want:    "https://dl.google.com/linux/direct/google-chrome-stable_current_amd64.deb", not: "recommends",
		},
		"Ubuntu with a chromium that is a stub": {
			machine: machine{files: certs, programs: append(apt, "curl"), arch: "amd64", lists: map[string]string{"chromium": snap}},
			want:    "google-chrome-stable", not: "recommends chromium",
		},
		"Ubuntu with the snap installed": { // the program does not run it
			machine: machine{files: append(certs, "/snap/chromium/current/usr/lib/chromium-browser/chrome"), programs: append(apt, "curl"), arch: "amd64"},
			want:    "google-chrome-stable",
		},
		"Ubuntu with somebody's archive": {
			machine: machine{files: certs, programs: apt, arch: "arm64", lists: map[string]string{"chromium": "Depends: libc6"}},
			want:    "--no-install-recommends chromium",
		},
		"Ubuntu without certificates and curl": {
			machine: machine{programs: apt, arch: "amd64"},
			want:    "apt-get install -y -qq curl", says: "installing ca-certificates\nsetup: installing google-chrome",
			fails: true, // there is no curl after it either
		},
		"Ubuntu on arm64": {
			machine: machine{files: certs, programs: append(apt, "curl"), arch: "arm64", lists: map[string]string{"chromium-browser": snap}},
			not:     "install", says: "Google has no Chrome for arm64", fails: true,
		},
		"Ubuntu whose Chrome is there": {
			machine: machine{files: append(certs, "/opt/google/chrome/chrome"), programs: apt, arch: "amd64"},
			not:     "apt-get", says: "everything is there",
		},
		"Chrome is named": {
			machine: machine{files: certs, programs: apt, arch: "arm64", env: []string{"TRAWLMARK_CHROME=/opt/mine"}},
			not:     "apt-get", says: "everything is there",
		},
		"a download that fails": {
			machine: machine{files: certs, programs: append(apt, "curl"), arch: "amd64", breaks: "dl.google.com"},
			not:     "apt-get install", says: "set TRAWLMARK_CHROME", fails: true,
		},
		"a system without apt": {
			machine: machine{files: certs, programs: []string{"redis-server"}, arch: "amd64"},
			says:    "not Debian or Ubuntu", fails: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			did, said, err := x.setUp(t)
			all := strings.Join(did, "\n")
			if (err != nil) != x.fails || !strings.Contains(all, x.want) || x.not != "" && strings.Contains(all, x.not) || !strings.Contains(said, x.says) {
				t.Errorf("%v; it asked for\n%s\nand said\n%s", err, all, said)
			}
		})
	}
}

// What setup.sh takes for a Chrome is one that the program finds.
func TestSetupLooksWhereTheProgramLooks(t *testing.T) {
	finds, err := os.ReadFile("../internal/embedded/chrome.go")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(deployFiles(t, "setup.sh")["setup.sh"], "have_chrome() {")
	text, _, _ = strings.Cut(text, "return 1")
	all := regexp.MustCompile(`/(?:usr|opt|headless-shell|snap)/[a-z0-9_/-]+`).FindAllString(text, -1)
	if len(all) < 5 {
		t.Fatalf("setup.sh looks at %v", all)
	}
	for _, path := range all {
		if !strings.Contains(string(finds), `"`+path+`"`) {
			t.Errorf("setup.sh takes %s for a Chrome, and the program does not look there", path)
		}
	}
}
