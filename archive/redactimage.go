package archive

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/manifest"
)

// maxPixels bounds an image that is painted: a tile has 1366 x 16384.
const maxPixels = 100 << 20

// blacken paints rectangles of a PNG black. The image is decoded, painted on a
// fresh canvas and encoded again: of the hidden pixels, and of metadata, nothing
// survives.
func blacken(png_ []byte, areas []image.Rectangle) ([]byte, error) {
	cfg, err := png.DecodeConfig(bytes.NewReader(png_))
	if err != nil {
		return nil, fmt.Errorf("it is no PNG that can be painted: %w", err)
	}
	if cfg.Width <= 0 || cfg.Height <= 0 || cfg.Width > maxPixels/cfg.Height {
		return nil, fmt.Errorf("an image of %d x %d pixels is too large to be painted", cfg.Width, cfg.Height)
	}
	src, err := png.Decode(bytes.NewReader(png_))
	if err != nil {
		return nil, fmt.Errorf("it is no PNG that can be painted: %w", err)
	}
	canvas := image.NewNRGBA(image.Rect(0, 0, cfg.Width, cfg.Height))
	draw.Draw(canvas, canvas.Bounds(), src, src.Bounds().Min, draw.Src)
	for _, a := range areas {
		draw.Draw(canvas, a.Intersect(canvas.Bounds()), image.NewUniform(color.Black), image.Point{}, draw.Src)
	}
	var out bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&out, canvas)
	return out.Bytes(), err
}

// shotKey names an image of a capture.
type shotKey struct {
	role string
	tile int64
}

// painted gives the areas to paint in each image. A box without a role is of
// the page: it is painted in every image that shows that part of the page, for
// the first screen is in two of them.
func painted(boxes []Box, shots []manifest.Artifact) (map[shotKey][]image.Rectangle, []int64, error) {
	out := map[shotKey][]image.Rectangle{}
	counts := make([]int64, len(boxes))
	for i, b := range boxes {
		hit := func(a manifest.Artifact, r image.Rectangle) {
			if r = r.Intersect(image.Rect(0, 0, int(a.Width), int(a.Height))); r.Empty() {
				return
			}
			k := shotKey{a.Role, a.Tile}
			out[k] = append(out[k], r)
			counts[i]++
		}
		top, found := pageTop(b, shots)
		if !found {
			return nil, nil, fmt.Errorf("box %s: the capture has no such image; it has %s", b, shotNames(shots))
		}
		r := image.Rect(b.X, b.Y, b.X+b.W, b.Y+b.H)
		for _, a := range shots {
			switch {
			case b.Role != "":
				if a.Role == b.Role && a.Tile == int64(b.Tile) {
					hit(a, r)
				}
			case a.Role == string(capture.RoleFullPage):
				hit(a, r.Add(image.Pt(0, top-tileTop(a, shots))))
			default: // the first screen
				hit(a, r.Add(image.Pt(0, top)))
			}
		}
		if counts[i] == 0 {
			return nil, nil, fmt.Errorf("box %s lies outside of every image; they are %s", b, shotNames(shots))
		}
	}
	return out, counts, nil
}

// pageTop gives how far below the top of the page the image begins that a box
// is measured in.
func pageTop(b Box, shots []manifest.Artifact) (int, bool) {
	if b.Role == "" && b.Tile == 0 {
		return 0, len(shots) > 0
	}
	role := b.Role
	if role == "" {
		role = string(capture.RoleFullPage)
	}
	for _, a := range shots {
		if a.Role == role && a.Tile == int64(b.Tile) {
			return tileTop(a, shots), true
		}
	}
	return 0, false
}

// tileTop gives how far below the top of the page a tile begins.
func tileTop(of manifest.Artifact, shots []manifest.Artifact) int {
	top := 0
	for _, a := range shots {
		if a.Role == of.Role && a.Tile > 0 && a.Tile < of.Tile {
			top += int(a.Height)
		}
	}
	return top
}

func shotNames(shots []manifest.Artifact) string {
	s := ""
	for i, a := range shots {
		if i > 0 {
			s += ", "
		}
		s += a.Role
		if a.Tile > 0 {
			s += fmt.Sprintf(" tile %d", a.Tile)
		}
		s += fmt.Sprintf(" (%d x %d)", a.Width, a.Height)
	}
	if s == "" {
		return "no images"
	}
	return s
}
