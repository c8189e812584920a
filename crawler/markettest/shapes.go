package markettest

import "image/color"

// shape is a kind of goods that can be drawn.
type shape string

const (
	bag        shape = "bag"
	tote       shape = "tote"
	wallet     shape = "wallet"
	watch      shape = "watch"
	sneaker    shape = "sneaker"
	loafer     shape = "loafer"
	belt       shape = "belt"
	perfume    shape = "perfume"
	sunglasses shape = "sunglasses"
	scarf      shape = "scarf"
	strap      shape = "strap"
	carton     shape = "carton"
	wine       shape = "wine"
	book       shape = "book"
	mug        shape = "mug"
	phoneCase  shape = "case"
)

var (
	gold   = color.RGBA{201, 162, 75, 255}
	silver = color.RGBA{190, 195, 202, 255}
	cream  = color.RGBA{244, 236, 220, 255}
)

// monogram is the mark of Maison Aurelle: an A without a bar, in a lozenge.
func (c *canvas) monogram(cx, cy, r float64, col color.RGBA) {
	p := flat(col)
	c.stroke(pathf("M %g %g L %g %g L %g %g L %g %g Z", cx, cy-r, cx+r*.8, cy, cx, cy+r, cx-r*.8, cy), r*.13, p)
	c.stroke(pathf("M %g %g L %g %g L %g %g", cx-r*.36, cy+r*.42, cx, cy-r*.52, cx+r*.36, cy+r*.42), r*.15, p)
	c.fill(ellipse(cx, cy+r*.24, r*.11, r*.11), p)
}

// allOver strews small monograms over a shape's face.
func (c *canvas) allOver(x0, y0, x1, y1, step float64, col color.RGBA) {
	row := 0
	for y := y0; y <= y1; y += step {
		off := 0.0
		if row%2 == 1 {
			off = step / 2
		}
		for x := x0 + off; x <= x1; x += step {
			c.stroke(pathf("M %g %g L %g %g L %g %g", x-1.1, y+1.2, x, y-1.4, x+1.1, y+1.2), .45, flat(col))
		}
		row++
	}
}

// object draws one piece of goods in a colour, around the middle of 0..100.
// plain leaves the brand's mark away, as sellers of copies do to stay unseen.
func (c *canvas) object(s shape, col color.RGBA, plain bool) {
	metal := gold
	if col == colours["ivoire"] || col == colours["ciel"] {
		metal = silver
	}
	mark := func(cx, cy, r float64) {
		if !plain {
			c.monogram(cx, cy, r, metal)
		}
	}
	switch s {
	case bag, tote:
		c.handbag(s, col, metal, plain)
		mark(50, 66, 6)
	case wallet:
		c.fill(box(20, 34, 60, 38, 4), shade(col))
		c.fill("M 20 38 Q 20 34 24 34 L 76 34 Q 80 34 80 38 L 80 52 Q 50 64 20 52 Z", shade(mix(col, white, .1)))
		c.stitch("M 22 51 Q 50 62 78 51", .5, 1, flat(mix(col, cream, .55)))
		c.stitch("M 23 69.5 L 77 69.5", .5, 1, flat(mix(col, cream, .55)))
		mark(50, 47, 6)
	case watch:
		c.wristwatch(col, metal)
		mark(50, 41, 3)
	case sneaker, loafer:
		c.shoe(s, col)
		mark(46, 51, 4)
	case belt:
		c.belt(col, metal, plain)
	case perfume:
		c.flacon(col, metal)
		mark(50, 58, 6.5)
	case sunglasses:
		c.glasses(col, metal)
	case scarf:
		c.carre(col, plain)
		mark(50, 50, 9)
	case strap:
		c.fill("M 38 12 L 62 12 L 60 44 L 40 44 Z", shade(col))
		c.fill("M 40 54 L 60 54 L 58 84 Q 50 92 42 84 Z", shade(col))
		for y := 60.0; y < 84; y += 5 {
			c.fill(ellipse(50, y, .9, 1.2), flat(mix(col, black, .6)))
		}
		c.stroke("M 36 12 L 64 12 L 64 6 L 36 6 Z", 1.6, flat(silver))
	default:
		c.household(s, col)
	}
}

func (c *canvas) handbag(s shape, col, metal color.RGBA, plain bool) {
	if s == tote {
		c.stroke("M 36 42 C 36 8 64 8 64 42", 2.6, flat(mix(col, black, .3)))
		c.fill("M 18 40 L 82 40 L 76 86 L 24 86 Z", shade(col))
		c.fill("M 18 40 L 82 40 L 81 46 L 19 46 Z", flat(mix(col, black, .25)))
		if !plain {
			c.allOver(26, 52, 74, 82, 6.5, mix(col, cream, .4))
		}
		c.fill(box(42, 57, 16, 18, 2), flat(mix(col, black, .12)))
		return
	}
	c.stroke("M 34 44 C 30 6 70 6 66 44", 3, flat(mix(col, black, .35)))
	c.stroke("M 34 43 C 30 6 70 6 66 43", 1, flat(mix(col, white, .15)))
	c.fill("M 18 46 Q 18 42 22 42 L 78 42 Q 82 42 82 46 L 86 80 Q 86 86 80 86 L 20 86 Q 14 86 14 80 Z", shade(col))
	if !plain {
		c.allOver(20, 70, 80, 83, 6.5, mix(col, cream, .35))
	}
	c.fill("M 18 46 Q 18 42 22 42 L 78 42 Q 82 42 82 46 L 83 58 Q 50 74 17 58 Z", shade(mix(col, white, .09)))
	c.stitch("M 18.5 57 Q 50 72 81.5 57", .5, 1, flat(mix(col, cream, .6)))
	c.fill(ellipse(34, 44, 2, 2), flat(metal))
	c.fill(ellipse(66, 44, 2, 2), flat(metal))
	c.fill(box(42.5, 59, 15, 14, 3), flat(mix(col, black, .15)))
}

func (c *canvas) wristwatch(col, metal color.RGBA) {
	c.fill("M 39 4 L 61 4 L 63 32 L 37 32 Z", shade(col))
	c.fill("M 37 68 L 63 68 L 61 96 L 39 96 Z", shade(col))
	c.stitch("M 41 5 L 39.5 30", .5, 1, flat(mix(col, cream, .6)))
	c.stitch("M 59 5 L 60.5 30", .5, 1, flat(mix(col, cream, .6)))
	c.fill(box(73, 47, 5, 6, 1), shade(metal))
	c.fill(ellipse(50, 50, 25, 25), shade(metal))
	c.fill(ellipse(50, 50, 22, 22), shade(mix(metal, black, .45)))
	c.fill(ellipse(50, 50, 20.5, 20.5), paint{mix(cream, white, .5), cream, 1})
	for i := range 12 {
		m := place(100, float64(i)*30, 1, 50, 50, false)
		x0, y0 := m.at(50, 32)
		x1, y1 := m.at(50, 35.5)
		c.segment([2]float64{float64(x0), float64(y0)}, [2]float64{float64(x1), float64(y1)}, 1.1, flat(mix(metal, black, .5)))
	}
	c.stroke(ellipse(50, 60, 5, 5), .5, flat(mix(metal, black, .3)))
	c.segment([2]float64{50, 60}, [2]float64{52.5, 57.5}, .5, flat(black))
	c.segment([2]float64{50, 50}, [2]float64{40.5, 44}, 1.5, flat(black))
	c.segment([2]float64{50, 50}, [2]float64{62, 40}, 1.1, flat(black))
	c.fill(ellipse(50, 50, 1.4, 1.4), flat(metal))
}

func (c *canvas) shoe(s shape, col color.RGBA) {
	if s == loafer {
		c.fill("M 12 42 Q 20 36 27 42 Q 34 54 50 50 Q 74 48 88 62 Q 92 68 90 72 L 14 72 Q 9 56 12 42 Z", shade(col))
		c.fill("M 12 42 Q 20 37 27 42 Q 34 54 46 51 Q 30 56 18 50 Z", flat(mix(col, black, .55)))
		c.fill(box(36, 47, 20, 7, 2), shade(mix(col, black, .2)))
		c.fill("M 12 71 L 91 71 Q 92 76 88 76 L 34 76 L 33 80 L 13 80 Z", flat(mix(black, col, .2)))
		return
	}
	c.fill("M 12 40 Q 20 32 28 38 L 46 46 Q 60 58 80 60 Q 92 62 92 72 L 12 72 Q 8 56 12 40 Z", shade(mix(white, col, .12)))
	c.fill("M 11 46 Q 18 44 24 52 L 26 72 L 12 72 Q 9 58 11 46 Z", shade(col))
	c.fill("M 72 60 Q 92 60 92 72 L 66 72 Q 66 62 72 60 Z", shade(col))
	c.fill("M 32 58 L 58 56 L 64 72 L 34 72 Z", shade(mix(col, white, .12)))
	for i := range 4 {
		x := 33 + float64(i)*5
		y := 42 + float64(i)*3.4
		c.segment([2]float64{x, y + 3}, [2]float64{x + 4.5, y - 2}, 1.4, flat(mix(white, col, .25)))
	}
	c.fill("M 9 71 L 94 71 Q 95 81 88 81 L 14 81 Q 8 80 9 71 Z", paint{white, color.RGBA{214, 212, 206, 255}, 1})
	c.stroke("M 10 76 L 93 76", .6, flat(col))
}

func (c *canvas) belt(col, metal color.RGBA, plain bool) {
	c.stroke(ellipse(50, 48, 33, 24), 9.5, flat(mix(col, black, .28)))
	c.stroke(ellipse(50, 47, 33, 24), 7.5, flat(col))
	c.fill("M 46 66 L 92 72 Q 95 76 92 80 L 46 77 Z", shade(col))
	c.stitch("M 58 69.5 L 90 74", .5, 1, flat(mix(col, cream, .6)))
	for i := range 4 {
		c.fill(ellipse(72+float64(i)*5, 74.6+float64(i)*.5, .9, .9), flat(mix(col, black, .7)))
	}
	c.stroke(box(38, 61, 20, 20, 3), 2.6, shade(metal))
	if !plain {
		c.monogram(48, 71, 7, metal)
	}
}

func (c *canvas) flacon(col, metal color.RGBA) {
	c.fill(box(41, 10, 18, 15, 2), shade(metal))
	c.fill(box(44, 24, 12, 5, .5), flat(mix(metal, black, .3)))
	c.fill(box(26, 28, 48, 60, 7), paint{mix(col, white, .72), mix(col, white, .35), 1})
	c.fill(box(30, 38, 40, 46, 4), paint{mix(col, white, .38), mix(col, white, .05), 1})
	c.fill(box(36, 46, 28, 28, 1), flat(cream))
	c.fill("M 28 34 L 33 32 L 33 82 L 29 80 Z", faint(white, .45))
}

func (c *canvas) glasses(col, metal color.RGBA) {
	for _, x := range []float64{30, 70} {
		c.fill(ellipse(x, 52, 17.5, 15), shade(mix(col, black, .3)))
		c.fill(ellipse(x, 52, 14.5, 12), paint{mix(col, black, .55), mix(col, white, .4), 1})
		c.fill(ellipse(x-5, 46, 4, 2), faint(white, .35))
	}
	c.stroke("M 45 47 Q 50 43 55 47", 2, flat(metal))
	c.stroke("M 13 48 L 6 42", 2.4, flat(metal))
	c.stroke("M 87 48 L 94 42", 2.4, flat(metal))
	c.fill(ellipse(16, 47, 1.2, 1.2), flat(metal))
	c.fill(ellipse(84, 47, 1.2, 1.2), flat(metal))
}

func (c *canvas) carre(col color.RGBA, plain bool) {
	c.fill("M 16 18 Q 50 12 86 16 Q 82 50 87 84 Q 50 90 15 85 Q 20 50 16 18 Z", shade(col))
	c.stroke("M 21 23 Q 50 18 81 21 Q 78 50 82 79 Q 50 84 20 80 Q 25 50 21 23 Z", 1.2, flat(cream))
	if !plain {
		c.allOver(29, 30, 73, 74, 8, mix(col, cream, .5))
	}
	c.fill(ellipse(50, 50, 14, 14), flat(mix(col, black, .3)))
	c.fill("M 60 15 Q 66 50 62 86 L 66 86 Q 70 50 64 15 Z", faint(black, .1))
}

// household draws what has nothing to do with the brand.
func (c *canvas) household(s shape, col color.RGBA) {
	switch s {
	case wine:
		c.fill("M 45 8 L 55 8 L 55 32 Q 64 38 64 48 L 64 90 Q 64 93 60 93 L 40 93 Q 36 93 36 90 L 36 48 Q 36 38 45 32 Z", shade(mix(col, black, .5)))
		c.fill(box(44, 6, 12, 14, 1), shade(col))
		c.fill(box(36, 54, 28, 26, 0), flat(cream))
		c.stroke("M 40 62 L 60 62", 1.2, flat(col))
		c.stroke("M 43 67 L 57 67", .7, flat(black))
	case book:
		c.fill("M 26 12 L 76 16 L 76 88 L 26 86 Z", shade(col))
		c.fill("M 22 14 L 26 12 L 26 86 L 22 84 Z", flat(mix(col, black, .4)))
		c.fill("M 34 28 L 68 30 L 68 44 L 34 43 Z", flat(cream))
		c.fill(ellipse(51, 64, 9, 9), flat(mix(col, white, .4)))
	case mug:
		c.stroke(ellipse(72, 54, 11, 13), 4, flat(mix(col, black, .12)))
		c.fill("M 24 30 L 72 30 L 69 82 Q 48 88 27 82 Z", shade(col))
		c.fill(ellipse(48, 30, 24, 5), flat(mix(col, black, .35)))
	case phoneCase:
		c.fill(box(31, 8, 38, 84, 7), shade(col))
		c.fill(box(35, 13, 16, 18, 4), flat(mix(col, black, .5)))
		c.fill(ellipse(40, 18, 3, 3), flat(black))
		c.fill(ellipse(40, 26, 3, 3), flat(black))
		c.fill(ellipse(47, 22, 2.2, 2.2), flat(mix(white, black, .4)))
	default: // carton
		c.fill("M 18 40 L 50 30 L 82 40 L 50 51 Z", flat(mix(col, white, .25)))
		c.fill("M 18 40 L 50 51 L 50 86 L 18 74 Z", shade(col))
		c.fill("M 82 40 L 50 51 L 50 86 L 82 74 Z", shade(mix(col, black, .22)))
		c.fill("M 30 36.3 L 36 34.4 L 67 45 L 61 47 Z", flat(cream))
	}
}
