package triage

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/gif" // first picture only
	_ "image/jpeg"
	_ "image/png"
	"io"

	_ "golang.org/x/image/webp"
)

// Why a picture has no hash.
var (
	ErrNotImage   = errors.New("not a picture that can be read (PNG, JPEG, GIF, WebP)")
	ErrTooLarge   = errors.New("the picture is too large to be compared")
	ErrTooSmall   = errors.New("the picture is smaller than 200 pixels: an icon or a thumbnail")
	ErrNoFeatures = errors.New("the picture is of one colour: nothing in it can be compared")
)

// Bounds of a picture.
const (
	maxImageBytes  = 32 << 20
	maxImageMemory = 128 << 20 // of its decoded pixels
	minImageSide   = 200       // pixels
)

// HashImage gives the perceptual hashes of a picture: upright (EXIF), on white
// where it is transparent, the first of an animation. The URL of the result is
// empty. Errors wrap ErrNotImage, ErrTooLarge, ErrTooSmall or ErrNoFeatures.
func HashImage(r io.Reader) (PhotoHash, error) {
	p, err := readPlane(r)
	if err != nil {
		return PhotoHash{}, err
	}
	d, h := p.hashes(p.whole(), false)
	return PhotoHash{DHash: d, PHash: h}, nil
}

// AddOfficial adds one of the brand's own photos with the variants that copies
// of it are found by: mirrored, cropped, framed, padded to a square. Errors
// are those of HashImage.
func (b *Brand) AddOfficial(url string, image []byte) error {
	p, err := readPlane(bytes.NewReader(image))
	if err != nil {
		return fmt.Errorf("official photo %s: %w", url, err)
	}
	o := Official{URL: url}
	for _, v := range variants {
		for _, mirrored := range []bool{false, true} {
			d, h := p.hashes(v.frame(p), mirrored)
			as := v.as
			if mirrored && v.square {
				continue
			}
			if mirrored {
				as = "mirrored, " + as
			}
			o.Variants = append(o.Variants, Variant{as, Hash(d), Hash(h)})
		}
	}
	for i := range b.Official {
		if b.Official[i].URL == url {
			b.Official[i] = o
			return nil
		}
	}
	b.Official = append(b.Official, o)
	return nil
}

// variant is a frame around a photo: what part of it is seen, or how much
// white stands around it, as a share of its sides.
type variant struct {
	as     string
	inset  float64 // of each side; negative is a border
	square bool
}

// A border of 5 % of the photo's side, 10 %, 15 %: measured on the photo, as
// image editors do.
var variants = []variant{
	{as: "as it is"},
	{as: "cropped by 5 %", inset: .05},
	{as: "cropped by 10 %", inset: .10},
	{as: "cropped by 15 %", inset: .15},
	{as: "with a border of 5 %", inset: -.05},
	{as: "with a border of 10 %", inset: -.10},
	{as: "with a border of 15 %", inset: -.15},
	{as: "padded to a square", square: true},
}

func (v variant) frame(p *plane) frame {
	w, h := float64(p.w), float64(p.h)
	if v.square {
		s := max(w, h)
		return frame{(w - s) / 2, (h - s) / 2, (w + s) / 2, (h + s) / 2}
	}
	return frame{w * v.inset, h * v.inset, w * (1 - v.inset), h * (1 - v.inset)}
}

// readPlane decodes a picture within the bounds.
func readPlane(r io.Reader) (*plane, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxImageBytes+1))
	if err != nil {
		return nil, fmt.Errorf("the picture cannot be read: %w", err)
	}
	if len(text) > maxImageBytes {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, maxImageBytes)
	}
	cfg, kind, err := image.DecodeConfig(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrNotImage, err)
	}
	if cfg.Width < minImageSide || cfg.Height < minImageSide {
		return nil, fmt.Errorf("%w (%d x %d)", ErrTooSmall, cfg.Width, cfg.Height)
	}
	if cfg.Width > 1<<16 || cfg.Height > 1<<16 || cfg.Width*cfg.Height*pixelBytes(cfg.ColorModel) > maxImageMemory {
		return nil, fmt.Errorf("%w (%d x %d)", ErrTooLarge, cfg.Width, cfg.Height)
	}
	img, err := decode(text)
	if err != nil {
		return nil, err
	}
	p := newPlane(img)
	if kind == "jpeg" {
		p = p.upright(orientation(text))
	}
	if p.flat() {
		return nil, ErrNoFeatures
	}
	p.integrate()
	return p, nil
}

// decode keeps a decoder that panics on a damaged picture from ending the
// program.
func decode(text []byte) (img image.Image, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrNotImage, r)
		}
	}()
	img, _, err = image.Decode(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrNotImage, err)
	}
	return img, nil
}

func pixelBytes(m color.Model) int {
	switch m {
	case color.RGBA64Model, color.NRGBA64Model:
		return 8
	case color.YCbCrModel:
		return 3
	case color.Gray16Model:
		return 2
	case color.GrayModel, color.AlphaModel:
		return 1
	}
	if _, ok := m.(color.Palette); ok {
		return 1
	}
	return 4
}
