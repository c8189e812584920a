package console

import (
	"bytes"
	"container/list"
	"context"
	"encoding/base64"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/image/draw"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
)

// picture is one screenshot of a capture.
type picture struct {
	Role          string
	Tile          int
	Width, Height int
	URL           string
	SHA256        capture.Digest
}

// Alt says what the picture is to who cannot see it.
func (p picture) Alt() string {
	switch {
	case p.Role == string(capture.RoleViewport):
		return "Screenshot of the first screen of the page"
	case p.Role == string(capture.RoleBefore):
		return "Screenshot before the cookie banner was dismissed"
	case p.Tile > 0:
		return fmt.Sprintf("Screenshot of the whole page, part %d", p.Tile)
	}
	return "Screenshot of the whole page"
}

// pictureTypes are what may be shown, with how such a file begins. The type
// that is sent is from here, never from the evidence.
var pictureTypes = map[string]string{"image/png": "\x89PNG\r\n\x1a\n", "image/jpeg": "\xff\xd8\xff"}

// pictureRoles in the order in which they are shown.
var pictureRoles = []string{string(capture.RoleViewport), string(capture.RoleFullPage), string(capture.RoleBefore)}

func picturesOf(id capture.ID, arts []catalog.Artifact) []picture {
	var out []picture
	for _, role := range pictureRoles {
		for _, a := range arts {
			if a.Role == role && pictureTypes[a.MediaType] != "" {
				out = append(out, picture{
					a.Role, a.Tile, a.Width, a.Height,
					"/captures/" + id.String() + "/image/" + a.Role + "/" + strconv.Itoa(a.Tile), a.SHA256,
				})
			}
		}
	}
	return out
}

// pictureOf is what a capture is recognised by in a list.
func pictureOf(arts []catalog.Artifact) (catalog.Artifact, bool) {
	for _, role := range pictureRoles {
		if i := slices.IndexFunc(arts, func(a catalog.Artifact) bool { return a.Role == role && pictureTypes[a.MediaType] != "" }); i >= 0 {
			return arts[i], true
		}
	}
	return catalog.Artifact{}, false
}

// artifact finds one file of a capture by the role and tile of a request.
func (s *Server) artifact(ctx context.Context, r *http.Request) (capture.ID, catalog.Artifact, error) {
	id, err := s.pathID(r)
	if err != nil {
		return id, catalog.Artifact{}, err
	}
	tile := 0
	if t := r.PathValue("tile"); t != "" {
		if tile, err = strconv.Atoi(t); err != nil {
			return id, catalog.Artifact{}, catalog.ErrNotFound
		}
	}
	arts, err := s.Index.Artifacts(ctx, id)
	if err != nil {
		return id, catalog.Artifact{}, err
	}
	i := slices.IndexFunc(arts, func(a catalog.Artifact) bool { return a.Role == r.PathValue("role") && a.Tile == tile })
	if i < 0 {
		return id, catalog.Artifact{}, catalog.ErrNotFound
	}
	return id, arts[i], nil
}

// whole reads a small file, and is sure of it: its custody event is kept and
// its digest is right before the first byte is used.
func (s *Server) whole(ctx context.Context, who Person, id capture.ID, a catalog.Artifact, how custody.Type, limit int64) ([]byte, error) {
	if a.Bytes > limit {
		return nil, tooBig{sentence(fmt.Sprintf("This file has %s, more than the %s that are shown here. Download it.", bytesText(a.Bytes), bytesText(limit)))}
	}
	rc, _, err := s.Evidence.Open(ctx, id, a.Role, a.Tile, who.Actor(), how)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	b, err := io.ReadAll(io.LimitReader(rc, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, tooBig{sentence("The stored file is larger than the catalogue says.")}
	}
	return b, nil
}

// image gives one screenshot, its digest checked. A browser that has it
// already asks with the digest and is given nothing again.
func (s *Server) image(w http.ResponseWriter, r *http.Request, who Person) error {
	ctx, cancel := context.WithTimeout(r.Context(), pageTime)
	defer cancel()
	id, a, err := s.artifact(ctx, r)
	if err != nil {
		return err
	}
	magic := pictureTypes[a.MediaType]
	if magic == "" {
		return catalog.ErrNotFound
	}
	h := w.Header()
	h.Set("ETag", `"`+a.SHA256.String()+`"`)
	h.Set("Cache-Control", "private, max-age=900")
	if r.Header.Get("If-None-Match") == h.Get("ETag") {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	b, err := s.whole(ctx, who, id, a, custody.Viewed, s.cfg.MaxImage)
	if err == nil && !strings.HasPrefix(string(b[:min(len(b), len(magic))]), magic) {
		err = tooBig{sentence("This file says it is a picture, but is none. Download it to look at it.")}
	}
	if err != nil {
		h.Del("ETag")
		h.Set("Cache-Control", "no-store")
		return err
	}
	h.Set("Content-Type", a.MediaType)
	h.Set("Content-Length", strconv.Itoa(len(b)))
	h.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(a.SHA256[:])+":") // RFC 9530
	_, _ = w.Write(b)
	return nil
}

// The size of a thumbnail, and the most pixels of what one is made of.
const (
	thumbWidth, thumbHeight = 288, 192
	maxThumbPixels          = 64 << 20
	maxThumbs               = 2000
)

// thumbnail gives a small picture of a capture. It is made of checked bytes
// and kept in memory; each time it is given out is a view all the same.
func (s *Server) thumbnail(w http.ResponseWriter, r *http.Request, who Person) error {
	ctx, cancel := context.WithTimeout(r.Context(), pageTime)
	defer cancel()
	id, err := s.pathID(r)
	if err != nil {
		return err
	}
	arts, err := s.Index.Artifacts(ctx, id)
	if err != nil {
		return err
	}
	a, ok := pictureOf(arts)
	if !ok {
		return catalog.ErrNotFound
	}
	etag := `"t-` + a.SHA256.String() + `"`
	h := w.Header()
	if r.Header.Get("If-None-Match") == etag {
		h.Set("ETag", etag)
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	small, ok := s.thumbs.get(a.SHA256)
	if ok {
		err = s.Evidence.Note(ctx, custody.Viewed, who.Actor(), custody.Subject{Capture: id},
			map[string]string{"role": a.Role, "tile": strconv.Itoa(a.Tile), "as": "thumbnail"})
	} else {
		small, err = s.makeThumb(ctx, who, id, a)
	}
	if err != nil {
		return err
	}
	h.Set("ETag", etag)
	h.Set("Cache-Control", "private, max-age="+strconv.Itoa(int(s.cfg.SessionLongest.Seconds())))
	h.Set("Content-Type", "image/jpeg")
	h.Set("Content-Length", strconv.Itoa(len(small)))
	_, _ = w.Write(small)
	return nil
}

func (s *Server) makeThumb(ctx context.Context, who Person, id capture.ID, a catalog.Artifact) ([]byte, error) {
	release, err := s.thumbs.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	b, err := s.whole(ctx, who, id, a, custody.Viewed, s.cfg.MaxImage)
	if err != nil {
		return nil, err
	}
	small, err := shrink(b, a.MediaType)
	if err != nil {
		return nil, tooBig{sentence("No small picture can be made of this screenshot: " + err.Error())}
	}
	s.thumbs.put(a.SHA256, small)
	return small, nil
}

// shrink cuts the top of a screenshot to the shape of a thumbnail.
func shrink(b []byte, mediaType string) ([]byte, error) {
	config, decode := png.DecodeConfig, png.Decode
	if mediaType == "image/jpeg" {
		config, decode = jpeg.DecodeConfig, jpeg.Decode
	}
	c, err := config(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	if c.Width < 1 || c.Height < 1 || c.Width > maxThumbPixels/c.Height {
		return nil, fmt.Errorf("it has %d x %d pixels", c.Width, c.Height)
	}
	src, err := decode(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	cut := src.Bounds()
	if h := cut.Dx() * thumbHeight / thumbWidth; cut.Dy() > h {
		cut.Max.Y = cut.Min.Y + h
	}
	dst := image.NewRGBA(image.Rect(0, 0, thumbWidth, max(1, min(thumbHeight, (cut.Dy()*thumbWidth+cut.Dx()/2)/cut.Dx()))))
	draw.ApproxBiLinear.Scale(dst, dst.Bounds(), src, cut, draw.Src, nil)
	var out bytes.Buffer
	err = jpeg.Encode(&out, dst, &jpeg.Options{Quality: 78})
	return out.Bytes(), err
}

// thumbs keeps small pictures by the digest of what they show, those used last.
type thumbs struct {
	slots chan struct{} // decoding takes memory: a few at once

	mu    sync.Mutex
	order *list.List
	all   map[capture.Digest]*list.Element
}

type thumb struct {
	of    capture.Digest
	bytes []byte
}

func newThumbs() *thumbs {
	return &thumbs{slots: make(chan struct{}, 2), order: list.New(), all: map[capture.Digest]*list.Element{}}
}

func (t *thumbs) turn(ctx context.Context) (release func(), err error) {
	select {
	case t.slots <- struct{}{}:
		return func() { <-t.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (t *thumbs) get(d capture.Digest) ([]byte, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.all[d]
	if !ok {
		return nil, false
	}
	t.order.MoveToFront(e)
	return e.Value.(thumb).bytes, true
}

func (t *thumbs) put(d capture.Digest, b []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.all[d]; ok {
		return
	}
	t.all[d] = t.order.PushFront(thumb{d, b})
	for t.order.Len() > maxThumbs {
		last := t.order.Back()
		delete(t.all, last.Value.(thumb).of)
		t.order.Remove(last)
	}
}
