package triage

import (
	"cmp"
	"image"
	"math"
	"math/bits"
	"slices"
)

// plane is a picture in shades of grey, at most planeSide a side.
type plane struct {
	w, h int
	pix  []float32 // 0 black to 255 white
	sum  []float64 // summed areas, (w+1) x (h+1)
}

// planeSide is enough for hashes of 32 x 32, and for crops of them.
const planeSide = 512

// frame is the part of a plane that is seen; what is outside is white.
type frame struct{ x0, y0, x1, y1 float64 }

func (p *plane) whole() frame { return frame{0, 0, float64(p.w), float64(p.h)} }

// newPlane makes a picture grey and small, averaging whole areas.
func newPlane(img image.Image) *plane {
	b := img.Bounds()
	sw, sh := b.Dx(), b.Dy()
	k := max(1, (max(sw, sh)+planeSide-1)/planeSide)
	p := &plane{w: max(1, sw/k), h: max(1, sh/k)}
	p.pix = make([]float32, p.w*p.h)
	at := greyAt(img)
	// With large pictures every second pixel of an area tells enough.
	step := max(1, k/4)
	for y := range p.h {
		for x := range p.w {
			var sum float32
			n := 0
			for dy := 0; dy < k; dy += step {
				for dx := 0; dx < k; dx += step {
					sum += at(b.Min.X+x*k+dx, b.Min.Y+y*k+dy)
					n++
				}
			}
			p.pix[y*p.w+x] = sum / float32(n)
		}
	}
	return p
}

// greyAt gives the luma (Rec. 601) of a pixel on white.
func greyAt(img image.Image) func(x, y int) float32 {
	switch m := img.(type) {
	case *image.YCbCr:
		return func(x, y int) float32 { return float32(m.Y[m.YOffset(x, y)]) }
	case *image.Gray:
		return func(x, y int) float32 { return float32(m.Pix[m.PixOffset(x, y)]) }
	case *image.RGBA:
		return func(x, y int) float32 {
			p := m.Pix[m.PixOffset(x, y):]
			return luma(float32(p[0]), float32(p[1]), float32(p[2])) + 255 - float32(p[3])
		}
	case *image.NRGBA:
		return func(x, y int) float32 {
			p := m.Pix[m.PixOffset(x, y):]
			a := float32(p[3]) / 255
			return luma(float32(p[0]), float32(p[1]), float32(p[2]))*a + 255*(1-a)
		}
	}
	return func(x, y int) float32 {
		r, g, b, a := img.At(x, y).RGBA()
		return luma(float32(r), float32(g), float32(b))/257 + 255 - float32(a)/257
	}
}

func luma(r, g, b float32) float32 { return .299*r + .587*g + .114*b }

// upright undoes an EXIF orientation, 1 to 8.
func (p *plane) upright(o int) *plane {
	if o < 2 || o > 8 {
		return p
	}
	q := &plane{w: p.w, h: p.h, pix: make([]float32, len(p.pix))}
	if o >= 5 {
		q.w, q.h = p.h, p.w
	}
	for y := range q.h {
		for x := range q.w {
			sx, sy := x, y
			switch o {
			case 2:
				sx = p.w - 1 - x
			case 3:
				sx, sy = p.w-1-x, p.h-1-y
			case 4:
				sy = p.h - 1 - y
			case 5:
				sx, sy = y, x
			case 6:
				sx, sy = y, p.h-1-x
			case 7:
				sx, sy = p.w-1-y, p.h-1-x
			case 8:
				sx, sy = p.w-1-y, x
			}
			q.pix[y*q.w+x] = p.pix[sy*p.w+sx]
		}
	}
	return q
}

// flat reports a picture without anything in it: its standard deviation is
// below two shades.
func (p *plane) flat() bool {
	var sum, sq float64
	for _, v := range p.pix {
		sum += float64(v)
		sq += float64(v) * float64(v)
	}
	n := float64(len(p.pix))
	mean := sum / n
	return sq/n-mean*mean < 4
}

func (p *plane) integrate() {
	p.sum = make([]float64, (p.w+1)*(p.h+1))
	for y := range p.h {
		row := 0.0
		for x := range p.w {
			row += float64(p.pix[y*p.w+x])
			p.sum[(y+1)*(p.w+1)+x+1] = p.sum[y*(p.w+1)+x+1] + row
		}
	}
}

// area is the sum of shades left of x and above y, between pixels too.
func (p *plane) area(x, y float64) float64 {
	xi, yi := int(x), int(y)
	fx, fy := x-float64(xi), y-float64(yi)
	at := func(x, y int) float64 { return p.sum[min(y, p.h)*(p.w+1)+min(x, p.w)] }
	return at(xi, yi)*(1-fx)*(1-fy) + at(xi+1, yi)*fx*(1-fy) + at(xi, yi+1)*(1-fx)*fy + at(xi+1, yi+1)*fx*fy
}

// mean is the average shade of a rectangle; outside the picture it is white.
func (p *plane) mean(f frame) float64 {
	x0, y0 := max(0, min(f.x0, float64(p.w))), max(0, min(f.y0, float64(p.h)))
	x1, y1 := max(0, min(f.x1, float64(p.w))), max(0, min(f.y1, float64(p.h)))
	all := (f.x1 - f.x0) * (f.y1 - f.y0)
	in := max(0, x1-x0) * max(0, y1-y0)
	sum := p.area(x1, y1) - p.area(x0, y1) - p.area(x1, y0) + p.area(x0, y0)
	return (sum + (all-in)*255) / all
}

// grid averages a frame into w x h cells.
func (p *plane) grid(f frame, w, h int, mirrored bool) []float64 {
	out := make([]float64, w*h)
	cw, ch := (f.x1-f.x0)/float64(w), (f.y1-f.y0)/float64(h)
	for y := range h {
		for x := range w {
			v := p.mean(frame{f.x0 + cw*float64(x), f.y0 + ch*float64(y), f.x0 + cw*float64(x+1), f.y0 + ch*float64(y+1)})
			at := x
			if mirrored {
				at = w - 1 - x
			}
			out[y*w+at] = v
		}
	}
	return out
}

// edge is how many shades a difference of neighbours must have: without it the
// noise of a white background fills the hash.
const edge = .5

// hashes gives dHash (8 x 8 differences of neighbours) and pHash (signs of the
// 64 lowest frequencies of 32 x 32 against their median).
func (p *plane) hashes(f frame, mirrored bool) (d, ph uint64) {
	g := p.grid(f, 9, 8, mirrored)
	for y := range 8 {
		for x := range 8 {
			d <<= 1
			if g[y*9+x+1]-g[y*9+x] > edge {
				d |= 1
			}
		}
	}
	low := lowFrequencies(p.grid(f, 32, 32, mirrored))
	sorted := slices.Clone(low[:])
	slices.SortFunc(sorted, cmp.Compare[float64])
	median := (sorted[31] + sorted[32]) / 2
	for _, v := range low {
		ph <<= 1
		if v > median {
			ph |= 1
		}
	}
	return d, ph
}

// lowFrequencies is the upper left 8 x 8 of the DCT-II of 32 x 32 values.
func lowFrequencies(v []float64) (out [64]float64) {
	var rows [32][8]float64
	for y := range 32 {
		for u := range 8 {
			var s float64
			for x := range 32 {
				s += v[y*32+x] * cosines[u][x]
			}
			rows[y][u] = s
		}
	}
	for w := range 8 {
		for u := range 8 {
			var s float64
			for y := range 32 {
				s += rows[y][u] * cosines[w][y]
			}
			out[w*8+u] = s
		}
	}
	return out
}

var cosines = func() (c [8][32]float64) {
	for u := range 8 {
		for x := range 32 {
			c[u][x] = math.Cos(math.Pi * float64(u) * (2*float64(x) + 1) / 64)
		}
	}
	return c
}()

func distance(a, b uint64) int { return bits.OnesCount64(a ^ b) }

// orientation reads the EXIF orientation of a JPEG (CIPA DC-008, tag 0x0112);
// 1 when there is none.
func orientation(b []byte) int {
	if len(b) < 4 || b[0] != 0xFF || b[1] != 0xD8 {
		return 1
	}
	for i := 2; i+4 <= len(b) && b[i] == 0xFF; {
		marker, n := b[i+1], int(b[i+2])<<8|int(b[i+3])
		if marker == 0xDA || n < 2 || i+2+n > len(b) {
			return 1
		}
		if seg := b[i+4 : i+2+n]; marker == 0xE1 && len(seg) > 14 && string(seg[:6]) == "Exif\x00\x00" {
			return tiffOrientation(seg[6:])
		}
		i += 2 + n
	}
	return 1
}

func tiffOrientation(t []byte) int {
	u16 := func(i int) int { return int(t[i]) | int(t[i+1])<<8 }
	if t[0] == 'M' {
		u16 = func(i int) int { return int(t[i])<<8 | int(t[i+1]) }
	}
	u32 := func(i int) int {
		if t[0] == 'M' {
			return u16(i)<<16 | u16(i+2)
		}
		return u16(i) | u16(i+2)<<16
	}
	at := u32(4)
	if at < 8 || at+2 > len(t) {
		return 1
	}
	for i, n := at+2, u16(at); n > 0 && i+12 <= len(t); i, n = i+12, n-1 {
		if u16(i) == 0x0112 {
			if o := u16(i + 8); o >= 1 && o <= 8 {
				return o
			}
			return 1
		}
	}
	return 1
}
