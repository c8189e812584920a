package render

import (
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// listingPage is a page like a marketplace's: 120 KB of HTML, a style sheet,
// three scripts, an API call and twelve lazy photographs of about 60 KB.
func listingPage() http.Handler {
	rng := rand.New(rand.NewSource(1))
	img := image.NewRGBA(image.Rect(0, 0, 480, 360))
	for i := range img.Pix {
		img.Pix[i] = byte(rng.Intn(24)) + byte(i/4/480/2+i/4%480/4)
	}
	var photo strings.Builder
	if err := jpeg.Encode(&photo, img, &jpeg.Options{Quality: 92}); err != nil {
		panic(err)
	}
	var page strings.Builder
	page.WriteString(`<!doctype html><html><head><title>Handbag</title><link rel=stylesheet href=/s.css></head><body><h1>Handbag</h1><div id=price></div>`)
	for i := range 3 {
		fmt.Fprintf(&page, `<script src=/s%d.js defer></script>`, i)
	}
	for i := range 12 {
		fmt.Fprintf(&page, `<div class=card><img loading=lazy width=480 height=360 src="/photo.jpg?%d"><p>Item %d</p></div>`, i, i)
	}
	for i := range 120 {
		fmt.Fprintf(&page, "<p class=row>Row %d: a line of a description as sellers write them, with words and numbers %d.</p>\n", i, rng.Int())
	}
	page.WriteString(`<script type="application/json">[0`)
	for page.Len() < 120<<10 {
		fmt.Fprintf(&page, `,{"id":%d,"name":"a thing of the state that pages carry"}`, rng.Int())
	}
	page.WriteString(`]</script>`)
	mux := http.NewServeMux()
	mux.HandleFunc("/", html(page.String()))
	mux.HandleFunc("/s.css", content("text/css", strings.Repeat(".row{font:14px sans-serif;margin:4px} .card{display:inline-block;border:1px solid #ccc}\n", 60)))
	for i := range 3 {
		mux.HandleFunc(fmt.Sprintf("/s%d.js", i), content("text/javascript",
			strings.Repeat("/* filler */ ", 1500)+"fetch('/api').then(r => r.json()).then(j => { document.getElementById('price').textContent = j.price })"))
	}
	mux.HandleFunc("/api", content("application/json", `{"price": "129.00"}`))
	mux.HandleFunc("/photo.jpg", content("image/jpeg", photo.String()))
	return mux
}

// cpu is the processor time of a process group and of its dead children.
func cpu(pgid int) time.Duration {
	var ticks int64
	eachProcess(func(pid int) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return
		}
		f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		if len(f) < 15 || f[2] != fmt.Sprint(pgid) {
			return
		}
		for _, s := range f[11:15] {
			var n int64
			fmt.Sscan(s, &n)
			ticks += n
		}
	})
	return time.Duration(ticks) * 10 * time.Millisecond
}

// BenchmarkAgainstBareChrome prints what a capture costs beside what chromedp
// does for the same page with the least it can: navigate, the document, one
// picture, in a fresh context. Both take turns, so that what else the machine
// does falls on both alike.
//
//	go test -run xxx -bench Bare -benchtime 10x ./crawler/render
func BenchmarkAgainstBareChrome(b *testing.B) {
	for _, n := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("%d at once", n), func(b *testing.B) { againstBare(b, n) })
	}
}

func againstBare(b *testing.B, n int) {
	w := newWorld(b)
	w.site("shop.test", listingPage())
	shot, bareCPU := bareChrome(b, testConfig(b).withDefaults(), w.addr)
	r := newRenderer(b, func(c *Config) { c.MaxContexts, c.RecycleAfter = n, 1000 })
	q := w.ask("http://shop.test/")
	q.Screenshots, q.Width, q.Height = true, 1366, 900
	shot()
	r.Render(context.Background(), q)
	pgid := r.cur.cmd.Process.Pid
	var mu sync.Mutex
	phases := map[string]time.Duration{}
	var order []string
	capture := func() {
		res := r.Render(context.Background(), q)
		mu.Lock()
		defer mu.Unlock()
		if res.Outcome != "" || len(res.Missing) > 0 || len(res.Exchanges) != 20 {
			b.Errorf("%q %v %d exchanges", res.Outcome, res.Missing, len(res.Exchanges))
		}
		for _, p := range res.Phases {
			if !slices.Contains(order, p.Name) {
				order = append(order, p.Name)
			}
			phases[p.Name] += p.Took
		}
	}
	before, bareBefore := cpu(pgid), bareCPU()
	var bare, took time.Duration
	for b.Loop() {
		bare += together(n, shot)
		took += together(n, capture)
	}
	all := float64(2 * n * b.N)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(all/bare.Seconds(), "bare/s")
	b.ReportMetric(all/took.Seconds(), "captures/s")
	b.ReportMetric(took.Seconds()/bare.Seconds(), "times-bare")
	b.ReportMetric(float64((bareCPU()-bareBefore).Milliseconds())/all, "bare-cpu-ms")
	b.ReportMetric(float64((cpu(pgid)-before).Milliseconds())/all, "chrome-cpu-ms")
	for _, name := range order {
		b.Logf("%-12s %8.1f ms", name, float64(phases[name].Microseconds())/1000/all)
	}
}

// together does something n times at once, each twice.
func together(n int, do func()) time.Duration {
	began := time.Now()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() { do(); do() })
	}
	wg.Wait()
	return time.Since(began)
}

// bareChrome gives a function that does the least with chromedp, and one that
// tells the processor time of its Chrome.
func bareChrome(b *testing.B, cfg Config, proxy string) (shot func(), used func() time.Duration) {
	var started *exec.Cmd
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(cfg.ChromePath), chromedp.NoSandbox,
		chromedp.ProxyServer("http://"+proxy), chromedp.Flag("proxy-bypass-list", "<-loopback>"), chromedp.WindowSize(1366, 900),
		chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) { started = cmd; cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	b.Cleanup(cancel)
	browser, cancel2 := chromedp.NewContext(ctx)
	b.Cleanup(cancel2)
	if err := chromedp.Do(browser); err != nil {
		b.Fatal(err)
	}
	used = func() time.Duration { return cpu(started.Process.Pid) }
	return func() {
		tab, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
		defer cancel()
		if err := chromedp.Do(tab, chromedp.Navigate("http://shop.test/")); err != nil {
			b.Fatal(err)
		}
		dom, err := chromedp.Run(tab, chromedp.OuterHTML("html"))
		if err != nil {
			b.Fatal(err)
		}
		png, err := chromedp.Run(tab, chromedp.CaptureScreenshot())
		if err != nil {
			b.Fatal(err)
		}
		if len(dom) < 100<<10 || len(png) < 1000 {
			b.Fatalf("%d bytes of document, %d of picture", len(dom), len(png))
		}
	}, used
}
