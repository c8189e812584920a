package triage_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math/bits"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/image/draw"

	"github.com/trawlmark/trawlmark/crawler/triage"
)

// scene draws a picture that is like no other of another seed: soft shapes of
// many sizes, as photos have them.
func scene(seed uint64, w, h int) *image.RGBA {
	r := rand.New(rand.NewPCG(seed, 1))
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	small := image.NewRGBA(image.Rect(0, 0, 7, 7))
	for i := range 49 {
		small.SetRGBA(i%7, i/7, color.RGBA{uint8(r.IntN(256)), uint8(r.IntN(256)), uint8(r.IntN(256)), 255})
	}
	draw.CatmullRom.Scale(img, img.Rect, small, small.Rect, draw.Src, nil)
	for range 12 {
		x, y, s := r.IntN(w), r.IntN(h), 10+r.IntN(w/5)
		c := color.RGBA{uint8(r.IntN(256)), uint8(r.IntN(256)), uint8(r.IntN(256)), 255}
		draw.Draw(img, image.Rect(x, y, x+s, y+s), image.NewUniform(c), image.Point{}, draw.Src)
	}
	return img
}

func scaled(img image.Image, w, h int, from image.Rectangle) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.ApproxBiLinear.Scale(out, out.Rect, img, from, draw.Src, nil)
	return out
}

func asJPEG(t testing.TB, img image.Image, q int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: q}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asPNG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func eachPixel(img image.Image, f func(c color.RGBA) color.RGBA) *image.RGBA {
	out := copied(img)
	for i := 0; i < len(out.Pix); i += 4 {
		c := f(color.RGBA{out.Pix[i], out.Pix[i+1], out.Pix[i+2], 255})
		out.Pix[i], out.Pix[i+1], out.Pix[i+2] = c.R, c.G, c.B
	}
	return out
}

func copied(img image.Image) *image.RGBA {
	out := image.NewRGBA(img.Bounds())
	draw.Draw(out, out.Rect, img, out.Rect.Min, draw.Src)
	return out
}

func add(v uint8, d int) uint8 { return uint8(min(255, max(0, int(v)+d))) }

func inset(img image.Image, share float64) image.Rectangle {
	b := img.Bounds()
	return image.Rect(b.Min.X+int(float64(b.Dx())*share), b.Min.Y+int(float64(b.Dy())*share), b.Max.X-int(float64(b.Dx())*share), b.Max.Y-int(float64(b.Dy())*share))
}

func onCanvas(img image.Image, w, h int) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(out, out.Rect, image.White, image.Point{}, draw.Src)
	b := img.Bounds()
	at := image.Pt((w-b.Dx())/2, (h-b.Dy())/2)
	draw.Draw(out, image.Rectangle{at, at.Add(b.Size())}, img, b.Min, draw.Src)
	return out
}

func mirrored(img image.Image) *image.RGBA {
	in := copied(img)
	out := image.NewRGBA(in.Rect)
	for y := in.Rect.Min.Y; y < in.Rect.Max.Y; y++ {
		for x := in.Rect.Min.X; x < in.Rect.Max.X; x++ {
			out.SetRGBA(in.Rect.Max.X-1-(x-in.Rect.Min.X), y, in.RGBAAt(x, y))
		}
	}
	return out
}

// attacks are what sellers do to a photo they took from the brand, and the
// share of photos that must still be recognised.
var attacks = []struct {
	name  string
	share float64
	do    func(t testing.TB, img image.Image) []byte
}{
	{"as it is", 1, func(t testing.TB, i image.Image) []byte { return asPNG(t, i) }},
	{"200 pixels", 1, func(t testing.TB, i image.Image) []byte {
		b, k := i.Bounds(), min(i.Bounds().Dx(), i.Bounds().Dy())
		return asJPEG(t, scaled(i, 200*b.Dx()/k, 200*b.Dy()/k, b), 85)
	}},
	{"JPEG quality 30", 1, func(t testing.TB, i image.Image) []byte { return asJPEG(t, i, 30) }},
	{"JPEG quality 10", .9, func(t testing.TB, i image.Image) []byte { return asJPEG(t, i, 10) }},
	{"brighter by 40", .9, func(t testing.TB, i image.Image) []byte {
		return asJPEG(t, eachPixel(i, func(c color.RGBA) color.RGBA {
			return color.RGBA{add(c.R, 40), add(c.G, 40), add(c.B, 40), 255}
		}), 85)
	}},
	{"tinted", 1, func(t testing.TB, i image.Image) []byte {
		return asJPEG(t, eachPixel(i, func(c color.RGBA) color.RGBA { return color.RGBA{add(c.R, 20), c.G, add(c.B, -20), 255} }), 85)
	}},
	{"cropped by 3 %", .9, func(t testing.TB, i image.Image) []byte { return asJPEG(t, scaled(i, 400, 400, inset(i, .03)), 85) }},
	{"cropped by 8 %", .9, func(t testing.TB, i image.Image) []byte { return asJPEG(t, scaled(i, 400, 400, inset(i, .08)), 85) }},
	{"cropped by 10 %", .95, func(t testing.TB, i image.Image) []byte { return asJPEG(t, scaled(i, 400, 400, inset(i, .10)), 85) }},
	{"cropped by 15 %", .95, func(t testing.TB, i image.Image) []byte { return asJPEG(t, scaled(i, 400, 400, inset(i, .15)), 85) }},
	{"mirrored", .95, func(t testing.TB, i image.Image) []byte { return asJPEG(t, mirrored(i), 85) }},
	{"mirrored and cropped by 5 %", .95, func(t testing.TB, i image.Image) []byte {
		return asJPEG(t, mirrored(scaled(i, 400, 400, inset(i, .05))), 85)
	}},
	{"border of 5 %", .95, func(t testing.TB, i image.Image) []byte {
		return asJPEG(t, onCanvas(i, i.Bounds().Dx()*110/100, i.Bounds().Dy()*110/100), 85)
	}},
	{"border of 12 %", .9, func(t testing.TB, i image.Image) []byte {
		return asJPEG(t, onCanvas(i, i.Bounds().Dx()*124/100, i.Bounds().Dy()*124/100), 85)
	}},
	{"border of 15 %", .95, func(t testing.TB, i image.Image) []byte {
		return asJPEG(t, onCanvas(i, i.Bounds().Dx()*130/100, i.Bounds().Dy()*130/100), 85)
	}},
	{"padded to a square", .95, func(t testing.TB, i image.Image) []byte {
		s := max(i.Bounds().Dx(), i.Bounds().Dy())
		return asJPEG(t, onCanvas(i, s, s), 85)
	}},
}

// recognise runs all attacks over photos and says how many are recognised, and
// how often a photo is taken for another.
func recognise(t *testing.T, photos []image.Image) {
	if testing.Short() {
		photos = photos[:min(len(photos), 3)]
	}
	b := brand(t, `{name: Aurelle}`)
	for i, p := range photos {
		if err := b.AddOfficial(fmt.Sprintf("photo-%03d", i), asPNG(t, p)); err != nil {
			t.Fatal(err)
		}
	}
	wrong, all := 0, 0
	for _, at := range attacks {
		found := 0
		for i, p := range photos {
			h, err := triage.HashImage(bytes.NewReader(at.do(t, p)))
			if err != nil {
				t.Fatalf("%s: %v", at.name, err)
			}
			all++
			a := b.Assess(triage.Subject{Listing: titled("Aurelle bag"), Photos: []triage.PhotoHash{h}})
			s, ok := signal(a, "official_image")
			switch {
			case ok && s.Value == fmt.Sprintf("photo-%03d", i):
				found++
			case ok:
				wrong++
			}
		}
		t.Logf("%-28s %d of %d", at.name, found, len(photos))
		if missed := len(photos) - found; missed > 0 && at.share == 1 || missed > 1 && float64(found) < at.share*float64(len(photos)) {
			t.Errorf("%s: %d of %d photos recognised, want %.0f %%", at.name, found, len(photos), at.share*100)
		}
	}
	if wrong*100 > all {
		t.Errorf("%d of %d photos were taken for another", wrong, all)
	}
	// Each photo against a profile without it.
	strangers := 0
	for i, p := range photos {
		rest := brand(t, `{name: Aurelle}`)
		rest.Official = append(rest.Official, b.Official[:i]...)
		rest.Official = append(rest.Official, b.Official[i+1:]...)
		h, err := triage.HashImage(bytes.NewReader(asJPEG(t, p, 80)))
		if err != nil {
			t.Fatal(err)
		}
		a := rest.Assess(triage.Subject{Listing: titled("Aurelle bag"), Photos: []triage.PhotoHash{h}})
		if s, ok := signal(a, "official_image"); ok {
			strangers++
			t.Logf("photo %d: %s", i, s.Sentence)
		}
	}
	t.Logf("%d of %d photos are taken for one of %d others, in %d variants each", strangers, len(photos), len(photos)-1, len(b.Official[0].Variants))
	if strangers > 0 {
		t.Errorf("%d of %d photos are taken for others", strangers, len(photos))
	}
}

func TestOfficialPhotosAreRecognised(t *testing.T) {
	var photos []image.Image
	for i := range 9 {
		w, h := 480, 480
		if i%3 == 1 {
			h = 360
		}
		photos = append(photos, scene(uint64(i), w, h))
	}
	recognise(t, photos)
}

func TestRealPhotosAreRecognised(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(shared(t, "product_photos"), "*.jpg"))
	if err != nil || len(files) == 0 {
		t.Skipf("no photos in ../shared/data/product_photos: %v", err)
	}
	var photos []image.Image
	for _, f := range files[:min(len(files), 12)] {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		img, err := jpeg.Decode(bytes.NewReader(text))
		if err != nil {
			t.Logf("%s: %v", filepath.Base(f), err)
			continue
		}
		b := img.Bounds()
		photos = append(photos, scaled(img, 400, 400*b.Dy()/b.Dx(), b))
	}
	recognise(t, photos)
}

func TestHashImageRefusals(t *testing.T) {
	flat := image.NewGray(image.Rect(0, 0, 300, 300))
	for _, c := range []struct {
		name string
		text []byte
		want error
	}{
		{"nothing", nil, triage.ErrNotImage},
		{"text", []byte("<html>not a picture</html>"), triage.ErrNotImage},
		{"half a JPEG", asJPEG(t, scene(1, 300, 300), 80)[:1000], triage.ErrNotImage},
		{"a thumbnail", asPNG(t, scene(1, 300, 199)), triage.ErrTooSmall},
		{"one colour", asPNG(t, flat), triage.ErrNoFeatures},
		{"a header of a giant", giantPNG(60000, 60000), triage.ErrTooLarge},
		{"a header of a strip", giantPNG(1<<20, 300), triage.ErrTooLarge},
	} {
		if _, err := triage.HashImage(bytes.NewReader(c.text)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if _, err := triage.HashImage(&endless{}); !errors.Is(err, triage.ErrTooLarge) {
		t.Errorf("an endless picture: %v", err)
	}
	if err := brand(t, `{name: Aurelle}`).AddOfficial("x", []byte("no")); !errors.Is(err, triage.ErrNotImage) {
		t.Errorf("AddOfficial: %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// giantPNG is a PNG header that claims a size.
func giantPNG(w, h uint32) []byte {
	b := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
	b = binary.BigEndian.AppendUint32(b, w)
	b = binary.BigEndian.AppendUint32(b, h)
	b = append(b, 8, 2, 0, 0, 0)
	return binary.BigEndian.AppendUint32(b, crc(b[12:]))
}

func crc(b []byte) uint32 {
	c := ^uint32(0)
	for _, v := range b {
		c ^= uint32(v)
		for range 8 {
			c = c>>1 ^ 0xEDB88320&-(c&1)
		}
	}
	return ^c
}

// The same picture in every form has nearly the same hash.
func TestHashImageForms(t *testing.T) {
	img := scene(7, 400, 300)
	want := hash(t, asPNG(t, img))
	near := func(name string, text []byte) {
		t.Helper()
		h := hash(t, text)
		d, p := bits.OnesCount64(h.DHash^want.DHash), bits.OnesCount64(h.PHash^want.PHash)
		if d > 4 || p > 4 {
			t.Errorf("%s: %d bits of dHash and %d of pHash differ", name, d, p)
		}
	}
	near("JPEG", asJPEG(t, img, 90))
	var g bytes.Buffer
	if err := gif.Encode(&g, img, nil); err != nil {
		t.Fatal(err)
	}
	near("GIF", g.Bytes())
	grey := image.NewGray(img.Rect)
	draw.Draw(grey, grey.Rect, img, image.Point{}, draw.Src)
	near("grey", asPNG(t, grey))
	deep := image.NewNRGBA64(img.Rect)
	draw.Draw(deep, deep.Rect, img, image.Point{}, draw.Src)
	near("16 bits", asPNG(t, deep))

	// Transparent on white is white.
	clear, white := image.NewNRGBA(img.Rect), image.NewRGBA(img.Rect)
	draw.Draw(white, white.Rect, image.White, image.Point{}, draw.Src)
	hole := image.Rect(100, 50, 300, 250)
	draw.Draw(clear, hole, img, hole.Min, draw.Src)
	draw.Draw(white, hole, img, hole.Min, draw.Src)
	if a, b := hash(t, asPNG(t, clear)), hash(t, asPNG(t, white)); a != b {
		t.Errorf("a transparent picture is not taken as on white: %v, %v", a, b)
	}
}

func hash(t testing.TB, text []byte) triage.PhotoHash {
	t.Helper()
	h, err := triage.HashImage(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// A camera that was held on its side says so in EXIF.
func TestHashImageIsUpright(t *testing.T) {
	img := scene(3, 320, 320)
	want := hash(t, asPNG(t, img))
	// turned[o] is the picture as stored when EXIF says o.
	turned := map[int]func(x, y, n int) (int, int){
		1: func(x, y, n int) (int, int) { return x, y },
		2: func(x, y, n int) (int, int) { return n - 1 - x, y },
		3: func(x, y, n int) (int, int) { return n - 1 - x, n - 1 - y },
		4: func(x, y, n int) (int, int) { return x, n - 1 - y },
		5: func(x, y, n int) (int, int) { return y, x },
		6: func(x, y, n int) (int, int) { return y, n - 1 - x },
		7: func(x, y, n int) (int, int) { return n - 1 - y, n - 1 - x },
		8: func(x, y, n int) (int, int) { return n - 1 - y, x },
	}
	for o, f := range turned {
		stored := image.NewRGBA(img.Rect)
		for y := range 320 {
			for x := range 320 {
				sx, sy := f(x, y, 320)
				stored.SetRGBA(sx, sy, img.RGBAAt(x, y))
			}
		}
		for _, order := range []binary.AppendByteOrder{binary.BigEndian, binary.LittleEndian} {
			h := hash(t, withEXIF(asJPEG(t, stored, 95), o, order))
			if d := bits.OnesCount64(h.PHash ^ want.PHash); d > 6 {
				t.Errorf("orientation %d: %d bits differ", o, d)
			}
		}
	}
}

// withEXIF puts an orientation behind the start of a JPEG.
func withEXIF(text []byte, orientation int, order binary.AppendByteOrder) []byte {
	tiff := []byte("MM")
	if order == binary.AppendByteOrder(binary.LittleEndian) {
		tiff = []byte("II")
	}
	tiff = order.AppendUint16(tiff, 42)
	tiff = order.AppendUint32(tiff, 8)
	tiff = order.AppendUint16(tiff, 1)
	tiff = order.AppendUint16(tiff, 0x0112)
	tiff = order.AppendUint16(tiff, 3)
	tiff = order.AppendUint32(tiff, 1)
	tiff = order.AppendUint16(tiff, uint16(orientation))
	tiff = order.AppendUint16(tiff, 0)
	tiff = order.AppendUint32(tiff, 0)
	seg := append([]byte("Exif\x00\x00"), tiff...)
	out := append([]byte{}, text[:2]...)
	out = append(out, 0xFF, 0xE1)
	out = binary.BigEndian.AppendUint16(out, uint16(len(seg)+2))
	return append(append(out, seg...), text[2:]...)
}

func FuzzHashImage(f *testing.F) {
	f.Add(asJPEG(f, scene(1, 210, 210), 50))
	f.Add(withEXIF(asJPEG(f, scene(1, 210, 210), 50), 6, binary.LittleEndian))
	f.Add(asPNG(f, scene(2, 210, 210)))
	f.Add(giantPNG(300, 300))
	f.Fuzz(func(t *testing.T, text []byte) {
		h, err := triage.HashImage(bytes.NewReader(text))
		if err == nil && h.URL != "" {
			t.Error("a hash has a URL")
		}
	})
}
