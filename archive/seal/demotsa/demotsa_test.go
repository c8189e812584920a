package demotsa

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/seal/stamp"
)

var now = time.Date(2026, 3, 14, 15, 9, 26, 535e6, time.UTC)

func open(t *testing.T, dir string) *TSA {
	t.Helper()
	tsa, err := Open(dir, func() time.Time { return now }, rand.Reader, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return tsa
}

func TestStaysItself(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tsa")
	a := open(t, dir)
	for _, name := range []string{"ca.key", "tsa.key"} {
		if fi, err := os.Stat(filepath.Join(dir, name)); err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, fi.Mode(), err)
		}
	}
	b := open(t, dir)
	if !a.ca.Equal(b.ca) || !a.leaf.Equal(b.leaf) {
		t.Error("opened again it is another authority")
	}
	for _, c := range []*x509.Certificate{a.ca, a.leaf} {
		if !strings.Contains(c.Subject.String(), Warning) {
			t.Errorf("%s does not say what it is", c.Subject)
		}
	}
	// A folder that was cut short while it was made is made again.
	if err := os.Remove(filepath.Join(dir, "tsa.pem")); err != nil {
		t.Fatal(err)
	}
	if c := open(t, dir); c.leaf.Equal(a.leaf) {
		t.Error("the old certificate came back")
	}
	for _, name := range []string{"tsa.pem", "ca.pem", "tsa.key"} {
		d := filepath.Join(t.TempDir(), "tsa")
		open(t, d)
		if err := os.WriteFile(filepath.Join(d, name), []byte("damaged"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(d, time.Now, rand.Reader, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("a damaged %s is accepted", name)
		}
	}
}

func TestHTTP(t *testing.T) {
	tsa := open(t, t.TempDir())
	message := []byte("message")
	q, err := stamp.NewRequest(message, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	post := func(kind string, body []byte) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		r.Header.Set("Content-Type", kind)
		rec := httptest.NewRecorder()
		tsa.ServeHTTP(rec, r)
		return rec
	}
	const kind = "application/timestamp-query"
	good := post(kind, q.DER)
	got, err := q.Verify(good.Body.Bytes(), stamp.Trust{Roots: tsa.Roots()})
	if err != nil || !got.At.Equal(now) || !strings.Contains(got.TSA, Warning) || got.Accuracy != time.Second {
		t.Fatalf("%+v, %v", got, err)
	}
	if rec := post("text/plain", q.DER); rec.Code != 400 {
		t.Errorf("text/plain: %d", rec.Code)
	}
	if rec := post(kind, make([]byte, maxQuery+1)); rec.Code != 400 {
		t.Errorf("too large: %d", rec.Code)
	}
	rec := httptest.NewRecorder()
	tsa.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/", nil))
	if rec.Code != 400 || !strings.Contains(rec.Body.String(), Warning) {
		t.Errorf("GET: %d %s", rec.Code, rec.Body)
	}
	// RFC 3161: what it does not understand gets a rejection, not an error.
	sha384 := bytes.Replace(q.DER, []byte{0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1}, []byte{0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2}, 1)
	for name, body := range map[string][]byte{"garbage": []byte("garbage"), "empty": nil, "sha-384": sha384} {
		rec := post(kind, body)
		if _, err := q.Verify(rec.Body.Bytes(), stamp.Trust{Roots: tsa.Roots()}); rec.Code != 200 || !errors.Is(err, stamp.ErrStatus) {
			t.Errorf("%s: %d, %v", name, rec.Code, err)
		}
	}
}
