package main

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/trawlmark/trawlmark/cmd/internal/embedded"
	"github.com/trawlmark/trawlmark/crawler/markettest"
)

// replayPage shows one page of a WACZ, as a web page that embeds
// ReplayWeb.page does.
const replayPage = `<!DOCTYPE html><html><body style="height:900px"><script src="/ui.js"></script>
<replay-web-page style="height:880px" source="/capture.wacz" url="%URL%" replayBase="/replay/"></replay-web-page></body></html>`

// seenText gives all text that is shown, in shadow roots and frames too.
const seenText = `(() => {
  const text = (root) => {
    let out = root.body ? root.body.innerText : "";
    for (const e of root.querySelectorAll("*")) {
      if (e.shadowRoot) out += "\n" + text(e.shadowRoot);
      if (e.tagName === "IFRAME") { try { if (e.contentDocument) out += "\n" + text(e.contentDocument); } catch {} }
    }
    return out;
  };
  return text(document);
})()`

// A captured page opens in ReplayWeb.page, a program that is not ours, and
// shows its seller and its price, without the site.
func TestReplayWebPageShowsTheListing(t *testing.T) {
	ui := filepath.Join(os.Getenv("TRAWLMARK_NPM"), "node_modules", "replaywebpage")
	if _, err := os.Stat(filepath.Join(ui, "ui.js")); err != nil || os.Getenv("TRAWLMARK_NPM") == "" {
		const why = "TRAWLMARK_NPM is not set to a folder in which `npm i replaywebpage` was run"
		if os.Getenv("CI") == "true" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	s := seeOnePage(t, markettest.Script)
	file := filepath.Join(s.dir, "out.zip")
	if out, errs, code := s.do(exportCommand, s.id.String(), "-o", file); code != exitOK {
		t.Fatalf("export: exit code %d\n%s%s", code, out, errs)
	}
	wacz := memberOf(t, file, "native/"+s.id.String()+"/"+s.id.String()+".wacz")
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			io.WriteString(w, strings.Replace(replayPage, "%URL%", s.url, 1))
		case "/ui.js":
			http.ServeFile(w, r, filepath.Join(ui, "ui.js"))
		case "/replay/sw.js":
			http.ServeFile(w, r, filepath.Join(ui, "sw.js"))
		case "/capture.wacz":
			http.ServeContent(w, r, "capture.wacz", time.Time{}, bytes.NewReader(wacz))
		default:
			http.NotFound(w, r)
		}
	}))
	defer srv.Close()
	tab := bareTab(t)
	if err := chromedp.Do(tab, chromedp.Navigate(srv.URL+"/")); err != nil {
		t.Fatal(err)
	}
	price := strings.TrimRight(strings.TrimRight(s.page.Price, "0"), ".")
	loaded, patience := time.Now(), 20*time.Second
	waitFor(t, 6*time.Minute, "the page in ReplayWeb.page", func() (bool, string) {
		// Its service worker is sometimes late on a busy machine; then it wants
		// the page loaded again, as a person would.
		if time.Since(loaded) > patience {
			loaded, patience = time.Now(), 2*patience
			if err := chromedp.Do(tab, chromedp.Navigate(srv.URL+"/")); err != nil {
				return false, err.Error()
			}
		}
		text, err := chromedp.Run(tab, chromedp.Evaluate[string](seenText))
		if err != nil {
			return false, err.Error()
		}
		return strings.Contains(text, s.page.Shop.Name) && strings.Contains(text, price), text
	})
}

func memberOf(t *testing.T, file, name string) []byte {
	t.Helper()
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	f, err := z.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// bareTab is a tab of a Chrome of its own, which reaches this machine only.
func bareTab(t *testing.T) context.Context {
	t.Helper()
	path, _, err := embedded.FindChrome(t.Context())
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	tab, cancel2 := chromedp.NewContext(ctx)
	t.Cleanup(cancel2)
	return tab
}
