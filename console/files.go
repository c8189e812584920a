package console

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
)

// downloadTime bounds one download, slow readers included.
const downloadTime = 30 * time.Minute

// inMemory is how many bytes of a download wait in memory for their digest;
// larger files wait on disk.
const inMemory = 8 << 20

// download gives a file of a capture away, on record and as what it cannot be
// run as: text as plain text, everything else as bytes, always as attachment.
func (s *Server) download(w http.ResponseWriter, r *http.Request, who Person) error {
	ctx, cancel := context.WithTimeout(r.Context(), downloadTime)
	defer cancel()
	id, a, err := s.artifact(ctx, r)
	if err != nil {
		return err
	}
	rc, _, err := s.Evidence.Open(ctx, id, a.Role, a.Tile, who.Actor(), custody.Downloaded)
	if err != nil {
		return err
	}
	defer rc.Close()
	body, size, drop, err := s.checked(rc)
	if err != nil {
		return err
	}
	defer drop()
	attachment(w.Header(), id.String()+"-"+path.Base(a.Key), mediaTypeOf(a), a.SHA256)
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	// The socket's clock is the real one, whatever ours is. Not every writer has deadlines.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(downloadTime))
	_, _ = io.Copy(w, body)
	return nil
}

// checked reads all of it before any of it is given away.
func (s *Server) checked(r io.Reader) (body io.Reader, size int64, drop func(), err error) {
	var mem bytes.Buffer
	n, err := io.Copy(&mem, io.LimitReader(r, inMemory))
	if err != nil {
		return nil, 0, nil, err
	}
	if n < inMemory {
		// LimitReader stopped at the end of r, where the digest was checked.
		return &mem, n, func() {}, nil
	}
	f, err := os.CreateTemp(s.cfg.TempDir, "download-*")
	if err != nil {
		return nil, 0, nil, fmt.Errorf("there is no place for the download to wait: %w", err)
	}
	drop = func() { f.Close(); os.Remove(f.Name()) }
	n, err = io.Copy(f, io.MultiReader(&mem, r))
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		drop()
		return nil, 0, nil, err
	}
	return f, n, drop, nil
}

// manifestFile gives the manifest's own bytes away.
func (s *Server) manifestFile(w http.ResponseWriter, r *http.Request, who Person) error {
	ctx, cancel := context.WithTimeout(r.Context(), pageTime)
	defer cancel()
	id, err := s.pathID(r)
	if err != nil {
		return err
	}
	_, b, err := s.Evidence.Manifest(ctx, id)
	if err != nil {
		return err
	}
	if err := s.Evidence.Note(ctx, custody.Downloaded, who.Actor(), custody.Subject{Capture: id}, map[string]string{"role": "manifest"}); err != nil {
		return err
	}
	attachment(w.Header(), id.String()+"-manifest.json", "application/json", capture.Sum(b))
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b)
	return nil
}

// attachment makes an answer a file that is saved, and that a browser which
// opens it anyway runs nothing of.
func attachment(h http.Header, name, mediaType string, d capture.Digest) {
	h.Set("Content-Type", mediaType)
	h.Set("Content-Disposition", `attachment; filename="`+fileName(name)+`"`)
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; frame-ancestors 'none'")
	h.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(d[:])+":") // RFC 9530
}

func mediaTypeOf(a catalog.Artifact) string {
	t, _, _ := strings.Cut(a.MediaType, ";")
	switch t = strings.TrimSpace(strings.ToLower(t)); {
	case pictureTypes[t] != "", t == "application/json", t == "application/warc":
		return t
	case strings.HasPrefix(t, "text/"), strings.Contains(t, "html"):
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}

func fileName(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return '_'
	}, s)
}

// sourceModel is a text of a capture, as text.
type sourceModel struct {
	Entry    catalog.Entry
	Artifact catalog.Artifact
	Text     string
	Lines    int
	// Cut is how many bytes are not shown; 0 when all are.
	Cut int64
}

// sourceRoles are what can be read as text.
var sourceRoles = map[string]bool{
	string(capture.RoleDOM): true, string(capture.RoleHTML): true, string(capture.RoleText): true,
	string(capture.RolePageInfo): true, string(capture.RoleReading): true,
}

// maxSourceFile is the largest file whose beginning is shown: all of it is
// read, since its digest is of all of it.
const maxSourceFile = 64 << 20

func (s *Server) sourcePage(ctx context.Context, r *http.Request, who Person) (any, error) {
	if !sourceRoles[r.PathValue("role")] {
		return nil, catalog.ErrNotFound
	}
	id, a, err := s.artifact(ctx, r)
	if err != nil {
		return nil, err
	}
	m := sourceModel{Artifact: a}
	if m.Entry, err = s.Index.Get(ctx, id); err != nil {
		return nil, err
	}
	b, err := s.whole(ctx, who, id, a, custody.Viewed, maxSourceFile)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(b, []byte{0x1f, 0x8b}) || bytes.HasPrefix(b, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
		return nil, tooBig{sentence("This text is stored compressed and cannot be shown here. Download it.")}
	}
	if int64(len(b)) > s.cfg.MaxSource {
		m.Cut = int64(len(b)) - s.cfg.MaxSource
		b = b[:s.cfg.MaxSource]
		for len(b) > 0 && !utf8.RuneStart(b[len(b)-1]) {
			b = b[:len(b)-1]
		}
	}
	m.Text = strings.ToValidUTF8(string(b), "\ufffd")
	m.Lines = strings.Count(m.Text, "\n") + 1
	return m, nil
}
