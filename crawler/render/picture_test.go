package render

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

func picture(t testing.TB, a *capture.Artifact) image.Image {
	t.Helper()
	if a == nil {
		t.Fatal("no picture")
		return nil
	}
	b, err := capture.ReadAll(a.Body, 1<<28)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if img.Bounds().Dx() != a.Width || img.Bounds().Dy() != a.Height {
		t.Errorf("the picture is %v, the artifact says %dx%d", img.Bounds(), a.Width, a.Height)
	}
	return img
}

func red(img image.Image, x, y int) bool {
	r, g, b, _ := img.At(x, y).RGBA()
	return r > 0xf000 && g < 0x1000 && b < 0x1000
}

// solid is a PNG of one colour.
func solid(c color.Color, w, h int) string {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err)
	}
	return b.String()
}

func TestLazyImagesAreInTheFullPicture(t *testing.T) {
	w := newWorld(t)
	var page strings.Builder
	page.WriteString(`<!doctype html><body style="margin:0"><style>img,div{display:block;width:100px;height:100px;margin-bottom:900px}</style>`)
	for i := range 8 {
		fmt.Fprintf(&page, `<img loading=lazy src="/red.png?%d">`, i)
	}
	// What scripts load when it comes into view counts too.
	page.WriteString(`<div id=d></div><script>new IntersectionObserver(e => { if (e[0].isIntersecting) {
		const i = new Image(); i.src = '/red.png?script'; i.style.margin = 0; d.append(i) } }).observe(d)</script>`)
	mux := http.NewServeMux()
	mux.HandleFunc("/", html(page.String()))
	mux.HandleFunc("/red.png", content("image/png", solid(color.RGBA{255, 0, 0, 255}, 100, 100)))
	w.site("shop.test", mux)
	q := w.ask("http://shop.test/")
	q.Screenshots, q.Width = true, 200
	res := newRenderer(t).Render(context.Background(), q)
	mustBeFine(t, res)
	full := picture(t, res.artifact(capture.RoleFullPage))
	if full.Bounds().Dy() != 9000 {
		t.Fatalf("the page is %d high", full.Bounds().Dy())
	}
	for i := range 9 {
		if !red(full, 50, i*1000+50) {
			t.Errorf("image %d is not in the picture", i)
		}
		if red(full, 50, i*1000+500) {
			t.Errorf("there is red below image %d", i)
		}
	}
}

func TestTallPagesAreTiled(t *testing.T) {
	w := newWorld(t)
	var page strings.Builder
	page.WriteString(`<!doctype html><body style="margin:0">`)
	for i := range 40 {
		fmt.Fprintf(&page, `<div style="height:500px;background:rgb(%d,100,200)"></div>`, i*5)
	}
	w.site("shop.test", html(page.String()))
	r := newRenderer(t)
	for _, scale := range []float64{1, 2} {
		q := w.ask("http://shop.test/")
		q.Screenshots, q.Width, q.Height, q.Scale = true, 60, 300, scale
		q.SpoolDir = t.TempDir()
		res := r.Render(context.Background(), q)
		mustBeFine(t, res)
		y, tile := 0, 0
		for _, a := range res.Artifacts {
			if a.Role != capture.RoleFullPage {
				continue
			}
			if tile++; a.Tile != tile {
				t.Errorf("tile %d is numbered %d", tile, a.Tile)
			}
			img := picture(t, a)
			if img.Bounds().Dy() > maxPixels {
				t.Errorf("tile %d is %d high", tile, img.Bounds().Dy())
			}
			for dy := 0; dy < img.Bounds().Dy(); dy++ {
				want := uint32(int(float64(y)/scale)/500*5) * 0x101
				if got, _, _, _ := img.At(30, dy).RGBA(); got != want {
					t.Fatalf("scale %g row %d (tile %d row %d): red %x, want %x", scale, y, tile, dy, got, want)
				}
				y++
			}
		}
		if want := int(20_000 * scale); y != want || tile != int(scale)+1 {
			t.Errorf("scale %g: %d rows in %d tiles, want %d", scale, y, tile, want)
		}
	}
	q := w.ask("http://shop.test/")
	q.Screenshots, q.Width, q.Height, q.MaxHeight = true, 200, 300, 5000
	res := r.Render(context.Background(), q)
	if a := res.artifact(capture.RoleFullPage); a == nil || a.Height != 5000 {
		t.Errorf("picture %+v", a)
	}
	if !strings.Contains(fmt.Sprint(res.Missing), "20000 pixels high") {
		t.Errorf("missing %v", res.Missing)
	}
}

func TestBrokenImagesDoNotHoldUpThePage(t *testing.T) {
	w := newWorld(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", html(`<p>page</p><img src=/404.png><img src=/broken.png><img src=http://nowhere.test/x.png>`))
	mux.HandleFunc("/broken.png", content("image/png", solid(color.Black, 50, 50)[:60]))
	w.site("shop.test", mux)
	q := w.ask("http://shop.test/")
	q.Screenshots = true
	res := newRenderer(t).Render(context.Background(), q)
	mustBeFine(t, res)
	if e := find(t, res, "http://shop.test/404.png"); e.Status != 404 {
		t.Errorf("404: %+v", e)
	}
	if e := find(t, res, "http://shop.test/broken.png"); len(body(t, e)) != 60 {
		t.Errorf("broken: %+v", e)
	}
}

// Item descriptions are often frames of another site, far down the page.
func TestFramesBelowTheFirstScreenAreInThePicture(t *testing.T) {
	w := newWorld(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", html(`<!doctype html><body style="margin:0"><style>iframe{display:block;border:0;width:200px;height:100px;margin-bottom:900px}</style>
		<iframe src="http://other.test/"></iframe><iframe src="http://other.test/"></iframe><iframe src="http://frames.shop.test/"></iframe><iframe src="/frame"></iframe>`))
	mux.HandleFunc("/vh", html(`<!doctype html><body style="margin:0"><div style="height:200vh"></div><iframe src="http://other.test/"></iframe>`))
	frame := html(`<!doctype html><body style="margin:0;background:red">frame`)
	mux.HandleFunc("/frame", frame)
	w.site("shop.test", mux)
	w.site("other.test", frame)
	w.site("frames.shop.test", frame)
	r := newRenderer(t, func(c *Config) { c.StepTimeout = 5 * time.Minute })

	// What a frame has drawn may come into sight a frame later.
	var blank []int
	for range 10 {
		q := w.ask("http://shop.test/")
		q.Screenshots, q.Width, q.Height = true, 300, 400
		res := r.Render(context.Background(), q)
		mustBeFine(t, res)
		if first := picture(t, res.artifact(capture.RoleViewport)); first.Bounds().Dy() != 400 || !red(first, 100, 80) || red(first, 100, 200) {
			t.Fatalf("the first screen is %v", first.Bounds())
		}
		full := picture(t, res.artifact(capture.RoleFullPage))
		if full.Bounds().Dy() != 4000 {
			t.Fatalf("the page is %d high", full.Bounds().Dy())
		}
		if blank = nil; red(full, 100, 500) {
			t.Fatal("there is red between the frames")
		}
		for i := range 4 {
			if !red(full, 100, i*1000+80) {
				blank = append(blank, i)
			}
		}
		if len(blank) == 0 {
			break
		}
	}
	if len(blank) > 0 {
		t.Errorf("frames %v are blank", blank)
	}

	q := w.ask("http://shop.test/vh")
	q.Screenshots, q.Width, q.Height = true, 300, 400
	res := r.Render(context.Background(), q)
	if got := fmt.Sprint(res.Missing); res.Outcome != "" || !strings.Contains(got, "depends on its window's") {
		t.Errorf("%q, missing %s", res.Outcome, got)
	}
	if full := picture(t, res.artifact(capture.RoleFullPage)); full.Bounds().Dy() > 1000 {
		t.Errorf("the picture is %v: the window was left high", full.Bounds())
	}
}

// Images that styles bring are waited for by nobody but the drawing.
func TestBackgroundsAreInThePictures(t *testing.T) {
	w := newWorld(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", html(`<!doctype html><body style="margin:0"><style>div{width:200px;height:600px;background:url(/red.png);background-size:cover}</style>
		<div></div><img decoding=async src=/red.png width=200 height=600 style="display:block"><div></div>`))
	mux.HandleFunc("/red.png", content("image/png", solid(color.RGBA{255, 0, 0, 255}, 2000, 1500)))
	w.site("shop.test", mux)
	q := w.ask("http://shop.test/")
	q.Screenshots = true
	res := newRenderer(t).Render(context.Background(), q)
	mustBeFine(t, res)
	if !red(picture(t, res.artifact(capture.RoleViewport)), 100, 300) {
		t.Error("the first screen lacks its background")
	}
	full := picture(t, res.artifact(capture.RoleFullPage))
	for y := 100; y < 1800; y += 300 {
		if !red(full, 100, y) {
			t.Errorf("it is not red at %d", y)
		}
	}
}
