package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// Orders has packages made by the workers: what takes long does not keep a
// browser waiting.
type Orders interface {
	// Order plans a package of a case and gives its id.
	Order(ctx context.Context, q PackageRequest) (PackageOrder, error)
	// Orders lists those of a case, the newest first; of all when case is "".
	Orders(ctx context.Context, caseID string) ([]PackageOrder, error)
	// Ordered gives one of them.
	Ordered(ctx context.Context, id capture.ID) (PackageOrder, error)
	// Fetch writes a package that is ready, and gives the digest of what the
	// storage had.
	Fetch(ctx context.Context, id capture.ID, to io.Writer) (capture.Digest, error)
}

// PackageOrder is a package that workers make, or have made.
type PackageOrder struct {
	ID    capture.ID `json:"id"`
	State string     `json:"state"` // waiting, being made, ready, failed, cancelled
	Case  string     `json:"case"`
	To    string     `json:"to"`
	By    string     `json:"by"`
	Name  string     `json:"name"` // of its file
	Note  string     `json:"note,omitempty"`
	At    time.Time  `json:"ordered"`
}

// Ready: it can be fetched.
func (o PackageOrder) Ready() bool { return o.State == "ready" }

// Kind is how its state looks.
func (o PackageOrder) Kind() string {
	switch o.State {
	case "ready":
		return "good"
	case "failed", "cancelled":
		return "bad"
	}
	return "wait"
}

// orderPackage has a case packed by a worker.
func (s *Server) orderPackage(ctx context.Context, r *http.Request, in url.Values, who Person) (any, string, error) {
	k, err := s.Matters.Case(ctx, r.PathValue("case"))
	if err != nil {
		return nil, "", err
	}
	if s.Orders == nil {
		return nil, "", bad("This console cannot order packages. Use `trawlmark package order --case " + k.ID + "`.")
	}
	q, err := packageRequest(k, in, who)
	if err != nil {
		return nil, "", err
	}
	o, err := s.Orders.Order(ctx, q)
	if err != nil {
		return nil, "", err
	}
	s.Log.Info("a package was ordered", "case", k.ID, "job", o.ID.String(), "by", who.Actor())
	return o, "/cases/" + k.ID + "#packages", nil
}

// orderedFile gives a package away that a worker has made: its digest is
// compared, and it is on record, before the first byte of it.
func (s *Server) orderedFile(w http.ResponseWriter, r *http.Request, who Person) error {
	ctx, cancel := context.WithTimeout(r.Context(), downloadTime)
	defer cancel()
	id, err := s.pathID(r)
	if err != nil {
		return err
	}
	if s.Orders == nil {
		return bad("This console cannot fetch packages. Use `trawlmark package get " + id.String() + "`.")
	}
	o, err := s.Orders.Ordered(ctx, id)
	if err != nil {
		return err
	}
	if !o.Ready() {
		return conflict{sentence("The package is not ready: it is " + o.State + ".")}
	}
	if o.Case == "" {
		return conflict{sentence("This package is of single captures. Fetch it with `trawlmark package get " + id.String() + "`.")}
	}
	f, err := os.CreateTemp(s.cfg.TempDir, "package-*.zip")
	if err != nil {
		return fmt.Errorf("there is no place for the package: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	digest, err := s.Orders.Fetch(ctx, id, f)
	if errors.Is(err, vault.ErrNotFound) {
		return conflict{sentence("The package was made and removed since. Order it again.")}
	}
	if err != nil {
		return err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return err
	}
	if err := s.Evidence.Note(ctx, custody.Downloaded, who.Actor(), custody.Subject{Case: o.Case}, map[string]string{"package": id.String()}); err != nil {
		return err
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(downloadTime))
	attachment(w.Header(), o.Name, "application/zip", digest)
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	_, _ = io.Copy(w, f)
	return nil
}
