package s3vault_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/s3vault"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// A storage whose disk has changed a byte gives the checksum of what was stored
// and other bytes: that is ErrDigest, and not a body that ends well.
func TestReadingOtherBytesIsErrDigest(t *testing.T) {
	stored := []byte("as it was stored")
	sum := capture.Sum(stored)
	for name, c := range map[string]struct {
		served []byte
		want   error
	}{"the same": {stored, nil}, "a byte of it changed": {[]byte("as it vas stored"), vault.ErrDigest}} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			h := w.Header()
			h.Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
			h.Set("ETag", `"e"`)
			h.Set("X-Amz-Version-Id", "v1")
			h.Set("X-Amz-Checksum-Sha256", base64.StdEncoding.EncodeToString(sum[:]))
			h.Set("X-Amz-Checksum-Type", "FULL_OBJECT")
			h.Set("Content-Length", fmt.Sprint(len(c.served)))
			w.Write(c.served)
		}))
		v, err := s3vault.Open(t.Context(), s3vault.Config{Endpoint: srv.URL, Bucket: "evidence", AccessKey: "a", SecretKey: "s"}, logTo(t))
		if err != nil {
			t.Fatal(err)
		}
		r, _, err := v.Get(t.Context(), "k", "")
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(r)
		r.Close()
		srv.Close()
		if c.want == nil && err != nil || !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}
