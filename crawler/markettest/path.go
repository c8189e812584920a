package markettest

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"strconv"
	"strings"

	"golang.org/x/image/vector"
)

// affine is a 2x3 matrix: x' = a x + c y + e, y' = b x + d y + f.
type affine struct{ a, b, c, d, e, f float64 }

func (m affine) at(x, y float64) (float32, float32) {
	return float32(m.a*x + m.c*y + m.e), float32(m.b*x + m.d*y + m.f)
}

// place maps the drawing square 0..100 to size pixels, turned by deg and
// scaled by zoom around the point (cx, cy), mirrored when asked.
func place(size int, deg, zoom, cx, cy float64, mirror bool) affine {
	s := float64(size) / 100 * zoom
	sin, cos := math.Sincos(deg * math.Pi / 180)
	m := affine{a: s * cos, b: s * sin, c: -s * sin, d: s * cos}
	if mirror {
		m.a, m.b = -m.a, -m.b
	}
	mid := float64(size) / 2
	m.e = mid - m.a*cx - m.c*cy
	m.f = mid - m.b*cx - m.d*cy
	return m
}

// canvas draws anti-aliased shapes that are written as SVG-like path text.
type canvas struct {
	img  *image.RGBA
	m    affine
	mask *image.Alpha
	ras  *vector.Rasterizer
}

func newCanvas(size int) *canvas {
	r := image.Rect(0, 0, size, size)
	return &canvas{
		img: image.NewRGBA(r), mask: image.NewAlpha(r),
		ras: vector.NewRasterizer(size, size),
		m:   place(size, 0, 1, 50, 50, false),
	}
}

// paint is a vertical gradient in the drawing's own 0..1 of the shape's
// height, with an opacity.
type paint struct {
	top, bottom color.RGBA
	alpha       float64
}

func flat(c color.RGBA) paint             { return paint{c, c, 1} }
func faint(c color.RGBA, a float64) paint { return paint{c, c, a} }
func shade(c color.RGBA) paint            { return paint{mix(c, white, .16), mix(c, black, .22), 1} }

var (
	white = color.RGBA{255, 255, 255, 255}
	black = color.RGBA{18, 16, 20, 255}
)

func mix(a, b color.RGBA, t float64) color.RGBA {
	f := func(x, y uint8) uint8 { return uint8(float64(x)*(1-t) + float64(y)*t + .5) }
	return color.RGBA{f(a.R, b.R), f(a.G, b.G), f(a.B, b.B), 255}
}

// fill paints the inside of a path: M x y, L x y, Q x y x y, C x y x y x y, Z;
// absolute coordinates in 0..100. Only the pixels around the shape are
// touched: a stitch must not cost a whole picture.
func (c *canvas) fill(path string, p paint) {
	type step struct {
		op byte
		q  [6]float32
	}
	var steps []step
	x0, y0, x1, y1 := float32(math.MaxFloat32), float32(math.MaxFloat32), float32(-math.MaxFloat32), float32(-math.MaxFloat32)
	walk(path, func(op byte, v []float64) {
		s := step{op: op}
		for i := 0; i+1 < len(v); i += 2 {
			x, y := c.m.at(v[i], v[i+1])
			s.q[i], s.q[i+1] = x, y
			x0, y0, x1, y1 = min(x0, x), min(y0, y), max(x1, x), max(y1, y)
		}
		steps = append(steps, s)
	})
	r := image.Rect(int(x0)-1, int(y0)-1, int(x1)+2, int(y1)+2).Intersect(c.img.Rect)
	if r.Empty() {
		return
	}
	dx, dy := float32(r.Min.X), float32(r.Min.Y)
	c.ras.Reset(r.Dx(), r.Dy())
	for _, s := range steps {
		q := s.q
		switch s.op {
		case 'M':
			c.ras.MoveTo(q[0]-dx, q[1]-dy)
		case 'L':
			c.ras.LineTo(q[0]-dx, q[1]-dy)
		case 'Q':
			c.ras.QuadTo(q[0]-dx, q[1]-dy, q[2]-dx, q[3]-dy)
		case 'C':
			c.ras.CubeTo(q[0]-dx, q[1]-dy, q[2]-dx, q[3]-dy, q[4]-dx, q[5]-dy)
		case 'Z':
			c.ras.ClosePath()
		}
	}
	c.ras.ClosePath()
	c.blend(p, r, float64(y0), float64(max(y1-y0, 1)))
}

// blend lays a paint over the rectangle through what was rasterised; the
// gradient runs from top over height pixels.
func (c *canvas) blend(p paint, r image.Rectangle, top, height float64) {
	mask := image.Alpha{Pix: c.mask.Pix[:r.Dx()*r.Dy()], Stride: r.Dx(), Rect: image.Rect(0, 0, r.Dx(), r.Dy())}
	clear(mask.Pix)
	c.ras.Draw(&mask, mask.Rect, image.Opaque, image.Point{})
	for y := range r.Dy() {
		col := mix(p.top, p.bottom, min(1, max(0, (float64(y+r.Min.Y)-top)/height)))
		out := c.img.Pix[c.img.PixOffset(r.Min.X, y+r.Min.Y):]
		for x, a := range mask.Pix[y*mask.Stride : (y+1)*mask.Stride] {
			if a == 0 {
				continue
			}
			k := uint32(float64(a) * p.alpha)
			o := out[x*4 : x*4+4 : x*4+4]
			o[0] = uint8((uint32(o[0])*(255-k) + uint32(col.R)*k) / 255)
			o[1] = uint8((uint32(o[1])*(255-k) + uint32(col.G)*k) / 255)
			o[2] = uint8((uint32(o[2])*(255-k) + uint32(col.B)*k) / 255)
			o[3] = 255
		}
	}
}

// stroke draws along a path of M, L, Q, C, Z. A wide line has a disc on each
// joint; a faint one has none, it would show.
func (c *canvas) stroke(path string, width float64, p paint) {
	for _, line := range flatten(path) {
		for i := 0; i+1 < len(line); i++ {
			c.segment(line[i], line[i+1], width, p)
			if i > 0 && width > 1 && p.alpha == 1 && p.top == p.bottom {
				c.fill(ellipse(line[i][0], line[i][1], width/2, width/2), p)
			}
		}
	}
}

// stitch draws a dashed line, dash and gap in drawing units.
func (c *canvas) stitch(path string, width, dash float64, p paint) {
	for _, line := range flatten(path) {
		for i := 0; i+1 < len(line); i++ {
			a, b := line[i], line[i+1]
			n := max(1, int(math.Hypot(b[0]-a[0], b[1]-a[1])/(2*dash)+.5))
			for k := range n {
				t0, t1 := float64(k)/float64(n), (float64(k)+.5)/float64(n)
				c.segment(lerp(a, b, t0), lerp(a, b, t1), width, p)
			}
		}
	}
}

func lerp(a, b [2]float64, t float64) [2]float64 {
	return [2]float64{a[0] + (b[0]-a[0])*t, a[1] + (b[1]-a[1])*t}
}

func (c *canvas) segment(a, b [2]float64, width float64, p paint) {
	dx, dy := b[0]-a[0], b[1]-a[1]
	n := math.Hypot(dx, dy)
	if n == 0 {
		return
	}
	dx, dy = dx/n*width/2, dy/n*width/2
	// The ends reach a little further, which closes the joints.
	const over = .25
	a[0], a[1], b[0], b[1] = a[0]-dx*over, a[1]-dy*over, b[0]+dx*over, b[1]+dy*over
	c.fill(fmt.Sprintf("M %g %g L %g %g L %g %g L %g %g Z",
		a[0]-dy, a[1]+dx, b[0]-dy, b[1]+dx, b[0]+dy, b[1]-dx, a[0]+dy, a[1]-dx), p)
}

// ellipse gives the path of an ellipse.
func ellipse(cx, cy, rx, ry float64) string {
	const k = .5522847
	return fmt.Sprintf("M %g %g C %g %g %g %g %g %g C %g %g %g %g %g %g C %g %g %g %g %g %g C %g %g %g %g %g %g Z",
		cx+rx, cy, cx+rx, cy+k*ry, cx+k*rx, cy+ry, cx, cy+ry,
		cx-k*rx, cy+ry, cx-rx, cy+k*ry, cx-rx, cy,
		cx-rx, cy-k*ry, cx-k*rx, cy-ry, cx, cy-ry,
		cx+k*rx, cy-ry, cx+rx, cy-k*ry, cx+rx, cy)
}

// box gives the path of a rectangle with round corners.
func box(x, y, w, h, r float64) string {
	return fmt.Sprintf("M %g %g L %g %g Q %g %g %g %g L %g %g Q %g %g %g %g L %g %g Q %g %g %g %g L %g %g Q %g %g %g %g Z",
		x+r, y, x+w-r, y, x+w, y, x+w, y+r, x+w, y+h-r, x+w, y+h, x+w-r, y+h,
		x+r, y+h, x, y+h, x, y+h-r, x, y+r, x, y, x+r, y)
}

// walk reads path text. Paths are written in this package, so a bad one is a
// programming error.
func walk(path string, f func(op byte, v []float64)) {
	var op byte
	var v []float64
	need := map[byte]int{'M': 2, 'L': 2, 'Q': 4, 'C': 6}
	for tok := range strings.FieldsSeq(path) {
		if len(tok) == 1 && strings.ContainsAny(tok, "MLQCZ") {
			op, v = tok[0], v[:0]
			if op == 'Z' {
				f(op, nil)
			}
			continue
		}
		x, err := strconv.ParseFloat(tok, 64)
		if err != nil {
			panic("markettest: bad path: " + path)
		}
		if v = append(v, x); len(v) == need[op] {
			f(op, v)
			v = v[:0]
		}
	}
}

func flatten(path string) [][][2]float64 {
	var lines [][][2]float64
	var at [2]float64
	add := func(p [2]float64) { lines[len(lines)-1] = append(lines[len(lines)-1], p); at = p }
	walk(path, func(op byte, v []float64) {
		switch op {
		case 'M':
			lines = append(lines, nil)
			add([2]float64{v[0], v[1]})
		case 'L':
			add([2]float64{v[0], v[1]})
		case 'Q':
			p0, p1, p2 := at, [2]float64{v[0], v[1]}, [2]float64{v[2], v[3]}
			for i := 1; i <= 20; i++ {
				t := float64(i) / 20
				add(lerp(lerp(p0, p1, t), lerp(p1, p2, t), t))
			}
		case 'C':
			p0, p1, p2, p3 := at, [2]float64{v[0], v[1]}, [2]float64{v[2], v[3]}, [2]float64{v[4], v[5]}
			for i := 1; i <= 40; i++ {
				t := float64(i) / 40
				a, b, d := lerp(p0, p1, t), lerp(p1, p2, t), lerp(p2, p3, t)
				add(lerp(lerp(a, b, t), lerp(b, d, t), t))
			}
		case 'Z':
			add(lines[len(lines)-1][0])
		}
	})
	return lines
}
