package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"
)

// ChromeEnv names the browser to use, before any that is found.
const ChromeEnv = "TRAWLMARK_CHROME"

// chromes are where the programs themselves lie, the best first. What lies in
// /usr/bin under these names is a script that starts them: killing the script
// leaves the browser.
var chromes = []string{
	"/usr/lib/chromium/chromium-headless-shell", // Debian: starts in 0.13 s, half the memory
	"/headless-shell/headless-shell",            // container image chromedp/headless-shell
	"/usr/lib/chromium/chromium",                // Debian
	"/usr/lib64/chromium-browser/chromium-browser",
	"/usr/lib/chromium-browser/chromium-browser",
	"/opt/google/chrome/chrome",
	"/opt/google/chrome-beta/chrome",
	"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
	"/Applications/Chromium.app/Contents/MacOS/Chromium",
}

// ErrNoChrome: there is no browser that can be used.
var ErrNoChrome = errors.New("no Chrome was found: install one (Debian: apt install chromium-headless-shell), or name its program in " + ChromeEnv)

// FindChrome gives the program of a Chrome and its version, "156.0.8078.79":
// the one named by ChromeEnv, or the first that is there and runs.
func FindChrome(ctx context.Context) (path, version string, err error) {
	return findChrome(ctx, os.Getenv(ChromeEnv), chromes)
}

func findChrome(ctx context.Context, named string, candidates []string) (path, version string, err error) {
	if named != "" {
		version, err := chromeVersion(ctx, named)
		if err != nil {
			return "", "", fmt.Errorf("%s: %w", ChromeEnv, err)
		}
		return named, version, nil
	}
	errs := []error{ErrNoChrome}
	for _, path := range candidates {
		version, err := chromeVersion(ctx, path)
		if err == nil {
			return path, version, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return "", "", errors.Join(errs...)
}

var versionText = regexp.MustCompile(`\b(\d+\.\d+\.\d+\.\d+)\b`)

// chromeVersion runs a program once to see whether it is a Chrome that starts.
func chromeVersion(ctx context.Context, path string) (string, error) {
	if err := noScript(path); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	v := versionText.FindString(out.String())
	if err != nil || v == "" {
		said := bytes.TrimSpace(out.Bytes())
		return "", fmt.Errorf("%s does not say its version like a Chrome (%v): %.200s", path, err, said)
	}
	return v, nil
}

// noScript refuses a script, which would start the browser as a child of its own.
func noScript(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var head [2]byte
	if _, err := io.ReadFull(f, head[:]); err != nil {
		return fmt.Errorf("%s is no program: %w", path, err)
	}
	if string(head[:]) == "#!" {
		return fmt.Errorf("%s is a script that starts a browser; name the browser's own program, which the script names (%s, for one)", path, filepath.Join("/usr/lib/chromium", filepath.Base(path)))
	}
	return nil
}
