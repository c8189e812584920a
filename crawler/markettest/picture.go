package markettest

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"strings"
	"sync"

	"golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// pictureSize is the side of a picture in pixels.
const pictureSize = 640

// The colours goods come in.
var colours = map[string]color.RGBA{
	"noir": {38, 36, 42, 255}, "cognac": {158, 92, 46, 255}, "bordeaux": {112, 28, 46, 255},
	"ivoire": {228, 219, 202, 255}, "sapin": {32, 74, 62, 255}, "ciel": {128, 168, 200, 255},
	"rose": {214, 148, 156, 255}, "nuit": {34, 46, 88, 255}, "ambre": {204, 140, 44, 255},
	"taupe": {136, 120, 106, 255},
}

// view is where and how a photo was taken.
type view string

const (
	studio view = "studio" // as the brand's own shop does
	table  view = "table"  // on somebody's kitchen table
	market view = "market" // under the lamp of a stall
	detail view = "detail" // close, on the mark
	angled view = "angled" // turned, on grey
)

// Treatment is what was done to a photo before it was put up: what sellers do
// to a photo they took from the brand.
type Treatment string

// The treatments.
const (
	Untouched    Treatment = ""
	Cropped      Treatment = "cropped"      // 10 % off each side
	Mirrored     Treatment = "mirrored"     // left and right swapped
	Bordered     Treatment = "bordered"     // a white frame of 12 %
	Recompressed Treatment = "recompressed" // JPEG quality 30 at half the size
	Watermarked  Treatment = "watermarked"  // a band with a contact over it
	Tinted       Treatment = "tinted"       // another white balance
)

// Picture says how a picture is made. Equal pictures have equal bytes.
type Picture struct {
	shape  shape
	colour string
	view   view
	plain  bool   // without the brand's mark
	note   string // text of the band of Watermarked
	png    bool
	take   int // who took it: turns, tones and distances differ by seller

	// Treatment is what was done to it after it was taken.
	Treatment Treatment
}

func (p Picture) spec() string {
	return fmt.Sprintf("%s|%s|%s|%t|%s|%t|%d|%s", p.shape, p.colour, p.view, p.plain, p.note, p.png, p.take, p.Treatment)
}

func (p Picture) ext() string {
	if p.png {
		return ".png"
	}
	return ".jpg"
}

// with gives the same picture after a treatment.
func (p Picture) with(t Treatment, note string) Picture {
	p.Treatment, p.note = t, note
	return p
}

// studioOf gives the brand's own photo of a kind of goods in a colour.
func studioOf(s shape, colour string) Picture { return Picture{shape: s, colour: colour, view: studio} }

// gallery keeps pictures that were made, so that a page costs no drawing.
type gallery struct {
	faces faces
	mu    sync.Mutex
	made  map[string]*madePicture
}

type madePicture struct {
	once  sync.Once
	bytes []byte
}

func newGallery() *gallery { return &gallery{made: map[string]*madePicture{}} }

func (g *gallery) bytes(p Picture) []byte {
	g.mu.Lock()
	m := g.made[p.spec()]
	if m == nil {
		m = &madePicture{}
		g.made[p.spec()] = m
	}
	g.mu.Unlock()
	m.once.Do(func() { m.bytes = g.make(p) })
	return m.bytes
}

func (g *gallery) make(p Picture) []byte {
	c := newCanvas(pictureSize)
	c.scene(p)
	if p.view == studio && !p.plain {
		g.faces.text(c.img, "MAISON AURELLE", pictureSize/2, pictureSize-26, 19, 7, color.RGBA{120, 110, 98, 255}, true)
	}
	img := g.treat(c.img, p)
	var b bytes.Buffer
	if p.png {
		_ = pngEncode(&b, img) // a buffer does not fail
		return b.Bytes()
	}
	q := 86
	if p.Treatment == Recompressed {
		q = 30
	}
	_ = jpeg.Encode(&b, img, &jpeg.Options{Quality: q})
	return b.Bytes()
}

// The places where photos are taken, two colours from top to bottom each.
var (
	tables = [][2]color.RGBA{{{204, 170, 130, 255}, {176, 138, 98, 255}}, {{226, 214, 196, 255}, {196, 180, 158, 255}}, {{128, 98, 76, 255}, {94, 68, 52, 255}}, {{186, 190, 186, 255}, {150, 156, 154, 255}}}
	cloths = [][2]color.RGBA{{{150, 36, 44, 255}, {96, 20, 30, 255}}, {{36, 66, 120, 255}, {22, 40, 78, 255}}, {{40, 96, 74, 255}, {22, 58, 46, 255}}, {{116, 92, 60, 255}, {74, 56, 38, 255}}}
	greys  = [][2]color.RGBA{{{226, 229, 233, 255}, {198, 203, 210, 255}}, {{236, 226, 216, 255}, {208, 194, 182, 255}}, {{214, 224, 220, 255}, {180, 194, 188, 255}}}
)

const everything = "M 0 0 L 100 0 L 100 100 L 0 100 Z"

// scene draws the place, the shadow and the goods.
func (c *canvas) scene(p Picture) {
	deg, zoom, cx, cy := 0.0, .95, 50.0, 53.0
	pick := func(from [][2]color.RGBA) paint {
		t := from[p.take%len(from)]
		return paint{t[0], t[1], 1}
	}
	// The same seller always stands a little to the same side.
	turn, near := float64(p.take%7-3)*1.6, float64(p.take%5-2)*.035
	switch p.view {
	case table:
		c.wood(pick(tables), p.take)
		deg, zoom, cx, cy = 9+turn, .88+near, 52, 50
	case market:
		c.fill(everything, paint{color.RGBA{92, 88, 96, 255}, color.RGBA{46, 44, 52, 255}, 1})
		for i := 24.0; i >= 1; i-- {
			c.fill(ellipse(34, 14, i*3.4, i*2.7), faint(color.RGBA{255, 240, 200, 255}, .014))
		}
		c.fill(pathf("M 0 74 L 100 %g L 100 100 L 0 100 Z", 68+turn), pick(cloths))
		deg, zoom, cy = -7+turn, .86+near, 50
	case detail:
		c.fill(everything, pick(greys))
		deg, zoom, cy = 4+turn, 2.1+near*4, 60
	case angled:
		c.fill(everything, pick(greys))
		deg, zoom, cy = -14+turn, .9+near, 50
	default:
		c.fill(everything, paint{color.RGBA{252, 251, 249, 255}, color.RGBA{232, 228, 222, 255}, 1})
	}
	if p.view != detail {
		for i := 16.0; i >= 1; i-- {
			c.fill(ellipse(50, 83.5, 22+i*1.1, 1.4+i*.38), faint(black, .026))
		}
	}
	c.m = place(pictureSize, deg, zoom, cx, cy, false)
	c.object(p.shape, colours[p.colour], p.plain)
	c.m = place(pictureSize, 0, 1, 50, 50, false)
}

// wood is a table of planks with a grain.
func (c *canvas) wood(p paint, seed int) {
	c.fill(everything, p)
	r := rand.New(rand.NewPCG(uint64(seed), 0x77))
	for y := 0.0; y < 100; y += 20 {
		c.stroke(pathf("M 0 %g L 100 %g", y, y+1), .5, faint(black, .35))
		for range 5 {
			g := y + 2 + r.Float64()*16
			c.stroke(pathf("M 0 %g Q 50 %g 100 %g", g, g+r.Float64()*4-2, g+1), .3, faint(black, .12))
		}
	}
}

func pathf(format string, v ...any) string { return fmt.Sprintf(format, v...) }

// treat does to the photo what the seller did.
func (g *gallery) treat(img *image.RGBA, p Picture) image.Image {
	n := pictureSize
	out := image.NewRGBA(img.Rect)
	switch p.Treatment {
	case Cropped:
		draw.CatmullRom.Scale(out, out.Rect, img, img.Rect.Inset(n/10), draw.Src, nil)
	case Mirrored:
		for y := range n {
			for x := range n {
				out.SetRGBA(x, y, img.RGBAAt(n-1-x, y))
			}
		}
	case Bordered:
		draw.Draw(out, out.Rect, image.White, image.Point{}, draw.Src)
		draw.CatmullRom.Scale(out, out.Rect.Inset(n*12/100), img, img.Rect, draw.Src, nil)
	case Recompressed:
		out = image.NewRGBA(image.Rect(0, 0, n/2, n/2))
		draw.ApproxBiLinear.Scale(out, out.Rect, img, img.Rect, draw.Src, nil)
	case Watermarked:
		draw.Draw(out, out.Rect, img, image.Point{}, draw.Src)
		band := image.Rect(0, n*72/100, n, n*84/100)
		draw.Draw(out, band, image.NewUniform(color.RGBA{18, 140, 82, 255}), image.Point{}, draw.Src)
		g.faces.text(out, p.note, n/2, n*80/100, 34, 0, white, true)
	case Tinted:
		for i := 0; i < len(img.Pix); i += 4 {
			out.Pix[i] = uint8(min(255, int(img.Pix[i])+18))
			out.Pix[i+1] = img.Pix[i+1]
			out.Pix[i+2] = uint8(max(0, int(img.Pix[i+2])-16))
			out.Pix[i+3] = 255
		}
	default:
		return img
	}
	return out
}

// faces draws text; the two Go fonts are parsed at first use.
type faces struct {
	once          sync.Once
	regular, bold *opentype.Font
}

// text writes s centred on x, with its foot at y; spacing is added after
// each letter, in pixels.
func (f *faces) text(img draw.Image, s string, x, y int, size, spacing float64, col color.Color, bold bool) {
	f.once.Do(func() {
		// Both fonts are compiled in; they parse or the build is broken.
		f.regular, _ = opentype.Parse(goregular.TTF)
		f.bold, _ = opentype.Parse(gobold.TTF)
	})
	ft := f.regular
	if bold {
		ft = f.bold
	}
	face, err := opentype.NewFace(ft, &opentype.FaceOptions{Size: size, DPI: 72})
	if err != nil {
		return
	}
	defer face.Close()
	d := font.Drawer{Dst: img, Src: image.NewUniform(col), Face: face}
	w := d.MeasureString(s) + fixed.I(int(spacing)*len(strings.Split(s, "")))
	d.Dot = fixed.Point26_6{X: fixed.I(x) - w/2, Y: fixed.I(y)}
	for _, r := range s {
		d.DrawString(string(r))
		d.Dot.X += fixed.I(int(spacing))
	}
}

func pngEncode(b *bytes.Buffer, img image.Image) error {
	return (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(b, img)
}
