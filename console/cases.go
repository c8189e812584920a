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
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
)

// maxAtOnce is how many captures one request puts into a case or on hold.
const maxAtOnce = 500

type casesModel struct {
	Cases []catalog.Case `json:"cases"`
}

func (s *Server) casesPage(ctx context.Context, _ *http.Request, _ Person) (any, error) {
	all, err := s.Matters.Cases(ctx)
	return casesModel{append([]catalog.Case{}, all...)}, err
}

// openCase opens a case, with its first capture if one is named.
func (s *Server) openCase(ctx context.Context, _ *http.Request, in url.Values, who Person) (any, string, error) {
	name, note := strings.TrimSpace(in.Get("name")), strings.TrimSpace(in.Get("note"))
	if name == "" || len(name) > 200 || len(note) > 4000 {
		return nil, "", bad("A case has a name of 1 to 200 bytes and a note of up to 4,000.")
	}
	var first capture.ID
	if c := in.Get("capture"); c != "" {
		var err error
		if first, err = capture.ParseID(c); err != nil {
			return nil, "", err
		}
		if _, err := s.Index.Get(ctx, first); err != nil {
			return nil, "", err
		}
	}
	k, err := s.Cases.OpenCase(ctx, "", name, note, who.Actor())
	if err == nil && !first.IsZero() {
		err = s.Cases.AddToCase(ctx, k.ID, first, who.Actor())
	}
	return k, "/cases/" + k.ID, err
}

type caseModel struct {
	Case     catalog.Case    `json:"case"`
	Captures []catalog.Entry `json:"captures"`
	// Redactions says of which captures others on the page are redactions.
	Redactions map[capture.ID]capture.ID `json:"redactions,omitempty"`
	Next       string                    `json:"next,omitempty"`
	Custody    []custodyLine             `json:"custody"`
	Older      int                       `json:"older_events,omitempty"`
	Packages   []PackageOrder            `json:"packages,omitempty"`
	CanOrder   bool                      `json:"-"`
}

func (s *Server) casePage(ctx context.Context, r *http.Request, _ Person) (any, error) {
	id := r.PathValue("case")
	m := caseModel{Captures: []catalog.Entry{}, Custody: []custodyLine{}}
	var err error
	if m.Case, err = s.Matters.Case(ctx, id); err != nil {
		return nil, err
	}
	q := catalog.Query{Case: id, Limit: findingsOnPage, After: r.URL.Query().Get("cursor")}
	p, err := s.Index.Search(ctx, q)
	if err != nil {
		return nil, searchError(err, q)
	}
	m.Captures, m.Next = append(m.Captures, p.Entries...), p.Next
	if m.Redactions, err = s.redactionsIn(ctx, p.Entries); err != nil {
		return nil, err
	}
	if s.Orders != nil {
		m.CanOrder = true
		if m.Packages, err = s.Orders.Orders(ctx, id); err != nil {
			return nil, err
		}
	}
	m.Custody, m.Older, err = s.events(ctx, custody.Subject{Case: id})
	return m, err
}

// openNow gives a case that captures can be put into.
func (s *Server) openNow(ctx context.Context, id string) (catalog.Case, error) {
	k, err := s.Matters.Case(ctx, id)
	if err == nil && !k.Closed.IsZero() {
		err = conflict{sentence("The case is closed. Open another one.")}
	}
	return k, err
}

// addToCase puts captures into a case, by their ids.
func (s *Server) addToCase(ctx context.Context, r *http.Request, in url.Values, who Person) (any, string, error) {
	ids, err := idsOf(in["captures"])
	if err != nil {
		return nil, "", err
	}
	k, err := s.openNow(ctx, r.PathValue("case"))
	if err != nil {
		return nil, "", err
	}
	for _, c := range ids {
		// All are there before any is put in: a list is taken whole or not at all.
		if _, err := s.Index.Get(ctx, c); errors.Is(err, catalog.ErrNotFound) {
			return nil, "", bad(fmt.Sprintf("There is no capture %s, so none was added.", c))
		} else if err != nil {
			return nil, "", err
		}
	}
	for _, c := range ids {
		if err := s.Cases.AddToCase(ctx, k.ID, c, who.Actor()); err != nil {
			return nil, "", err
		}
	}
	return map[string]any{"case": k.ID, "captures": ids}, "/cases/" + k.ID, nil
}

// idsOf reads ids separated by anything that is not part of one.
func idsOf(texts []string) ([]capture.ID, error) {
	var out []capture.ID
	for _, t := range texts {
		for _, f := range strings.FieldsFunc(t, func(r rune) bool { return strings.ContainsRune(" ,;\t\r\n", r) }) {
			f = f[strings.LastIndexByte(f, '/')+1:] // the address of a capture's page is fine too
			id, err := capture.ParseID(f)
			if err != nil {
				return nil, badRequest{fmt.Errorf("%w; nothing was added", err)}
			}
			out = append(out, id)
		}
	}
	if len(out) == 0 || len(out) > maxAtOnce {
		return nil, bad(fmt.Sprintf("Give 1 to %d ids of captures.", maxAtOnce))
	}
	return out, nil
}

// captureToCase puts one capture into a case that is chosen, or into a new one.
func (s *Server) captureToCase(ctx context.Context, r *http.Request, in url.Values, who Person) (any, string, error) {
	id, err := s.pathID(r)
	if err != nil {
		return nil, "", err
	}
	if in.Get("case") == "" {
		in.Set("capture", id.String())
		return s.openCase(ctx, r, in, who)
	}
	k, err := s.openNow(ctx, in.Get("case"))
	if err == nil {
		err = s.Cases.AddToCase(ctx, k.ID, id, who.Actor())
	}
	return k, "/cases/" + k.ID, err
}

// holdCase sets or lifts the hold of every capture of a case.
func (s *Server) holdCase(ctx context.Context, r *http.Request, in url.Values, who Person) (any, string, error) {
	k, err := s.Matters.Case(ctx, r.PathValue("case"))
	if err != nil {
		return nil, "", err
	}
	on, reason, err := readHold(in)
	if err != nil {
		return nil, "", err
	}
	if k.Captures > maxAtOnce {
		return nil, "", bad(fmt.Sprintf("The case has %d captures; at most %d are held at once here. Use `trawlmark evidence hold`.", k.Captures, maxAtOnce))
	}
	p, err := s.Index.Search(ctx, catalog.Query{Case: k.ID, Limit: maxAtOnce})
	if err != nil {
		return nil, "", err
	}
	n := 0
	for _, e := range p.Entries {
		if e.Held == on {
			continue
		}
		if err := s.Evidence.Hold(ctx, e.ID, on, who.Actor(), reason); err != nil {
			return nil, "", fmt.Errorf("after %d of %d captures: %w", n, len(p.Entries), err)
		}
		n++
	}
	return map[string]any{"case": k.ID, "changed": n, "held": on}, "/cases/" + k.ID, nil
}

// closeCase closes a case; its captures stay as they are.
func (s *Server) closeCase(ctx context.Context, r *http.Request, in url.Values, who Person) (any, string, error) {
	k, err := s.Matters.Case(ctx, r.PathValue("case"))
	if err != nil {
		return nil, "", err
	}
	reason := strings.TrimSpace(in.Get("reason"))
	if reason == "" || len(reason) > 4000 {
		return nil, "", bad("Give a reason of 1 to 4,000 bytes: it goes on record.")
	}
	if err := s.Cases.CloseCase(ctx, k.ID, who.Actor(), reason); err != nil {
		return nil, "", err
	}
	return map[string]any{"case": k.ID, "closed": true}, "/cases/" + k.ID, nil
}

// packageRequest reads how a case is to be handed over.
func packageRequest(k catalog.Case, in url.Values, who Person) (PackageRequest, error) {
	q := PackageRequest{Case: k.ID, By: who.Actor(), To: strings.TrimSpace(in.Get("to")), Purpose: strings.TrimSpace(in.Get("purpose"))}
	switch in.Get("redacted") {
	case "", "false":
	case "true":
		q.Redacted = true
	case "rest":
		q.Redacted, q.RestWhole = true, true
	default:
		return q, bad("Say redacted: false, true, or rest (redacted copies where there are any, the rest whole).")
	}
	switch {
	case q.To == "" || q.Purpose == "" || len(q.To) > 1000 || len(q.Purpose) > 4000:
		return q, bad("Say for whom the package is, and why: both go on record and into it.")
	case k.Captures == 0:
		return q, conflict{sentence("The case has no captures yet.")}
	}
	return q, nil
}

// packageFile hands a case over: the package is made and verified on disk
// before the first byte of it is given away.
func (s *Server) packageFile(w http.ResponseWriter, r *http.Request, who Person) error {
	in, err := input(r)
	if err != nil {
		return err
	}
	k, err := s.Matters.Case(r.Context(), r.PathValue("case"))
	if err != nil {
		return err
	}
	if s.Package == nil {
		return bad("This console makes no packages. Use `trawlmark evidence export --case " + k.ID + "`.")
	}
	q, err := packageRequest(k, in, who)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), downloadTime)
	defer cancel()
	select {
	case s.packing <- struct{}{}:
		defer func() { <-s.packing }()
	default:
		return conflict{sentence("Another package is being made. Try again when it is done.")}
	}
	// The socket's clock is the real one, whatever ours is. Not every writer has deadlines.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(downloadTime))
	f, err := os.CreateTemp(s.cfg.TempDir, "package-*.zip")
	if err != nil {
		return fmt.Errorf("there is no place for the package: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	p, err := s.Package(ctx, f, q)
	if err != nil {
		return err
	}
	for _, text := range p.Warnings {
		s.Log.Warn("a package was made, with a warning", "case", k.ID, "warning", text)
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return err
	}
	attachment(w.Header(), p.Name, "application/zip", p.SHA256)
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	_, _ = io.Copy(w, f)
	return nil
}
