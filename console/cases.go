package console

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

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
	all, err := s.Cases.Cases(ctx)
	return casesModel{append([]catalog.Case{}, all...)}, err
}

// openCase opens a case.
func (s *Server) openCase(ctx context.Context, _ *http.Request, in url.Values, who Person) (any, string, error) {
	k := catalog.Case{Name: strings.TrimSpace(in.Get("name")), Note: strings.TrimSpace(in.Get("note")), Created: s.Now().UTC(), CreatedBy: who.Actor()}
	if k.Name == "" || len(k.Name) > 200 || len(k.Note) > 4000 {
		return nil, "", bad("A case has a name of 1 to 200 bytes and a note of up to 4,000.")
	}
	id := s.IDs.New()
	k.ID = "case-" + hex.EncodeToString(id[10:]) // 48 random bits: short enough to say on the telephone
	if err := s.Cases.OpenCase(ctx, k); err != nil {
		return nil, "", err
	}
	if c := in.Get("capture"); c != "" {
		cid, err := capture.ParseID(c)
		if err != nil {
			return nil, "", err
		}
		if err := s.put(ctx, k.ID, cid, who); err != nil {
			return nil, "", err
		}
	}
	return k, "/cases/" + k.ID, nil
}

type caseModel struct {
	Case     catalog.Case    `json:"case"`
	Captures []catalog.Entry `json:"captures"`
	Next     string          `json:"next,omitempty"`
	Custody  []custodyLine   `json:"custody"`
	Older    int             `json:"older_events,omitempty"`
}

func (s *Server) casePage(ctx context.Context, r *http.Request, _ Person) (any, error) {
	id := r.PathValue("case")
	m := caseModel{Captures: []catalog.Entry{}, Custody: []custodyLine{}}
	var err error
	if m.Case, err = s.Cases.Case(ctx, id); err != nil {
		return nil, err
	}
	q := catalog.Query{Case: id, Limit: findingsOnPage, After: r.URL.Query().Get("cursor")}
	p, err := s.Index.Search(ctx, q)
	if err != nil {
		return nil, searchError(err, q)
	}
	m.Captures, m.Next = append(m.Captures, p.Entries...), p.Next
	m.Custody, m.Older, err = s.events(ctx, custody.Subject{Case: id})
	return m, err
}

// put puts a capture into a case and records it: that somebody decided these
// belong together can matter later.
func (s *Server) put(ctx context.Context, caseID string, id capture.ID, who Person) error {
	if err := s.Cases.AddToCase(ctx, caseID, id, who.Actor(), s.Now()); err != nil {
		return err
	}
	return s.Evidence.Note(ctx, custody.Decided, who.Actor(), custody.Subject{Capture: id, Case: caseID}, map[string]string{"what": "added to the case"})
}

// addToCase puts captures into a case, by their ids.
func (s *Server) addToCase(ctx context.Context, r *http.Request, in url.Values, who Person) (any, string, error) {
	id := r.PathValue("case")
	ids, err := idsOf(in["captures"])
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
		if err := s.put(ctx, id, c, who); err != nil {
			return nil, "", err
		}
	}
	return map[string]any{"case": id, "captures": ids}, "/cases/" + id, nil
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
	if err := s.put(ctx, in.Get("case"), id, who); err != nil {
		return nil, "", err
	}
	return nil, "/cases/" + url.PathEscape(in.Get("case")), nil
}

// holdCase sets or lifts the hold of every capture of a case.
func (s *Server) holdCase(ctx context.Context, r *http.Request, in url.Values, who Person) (any, string, error) {
	k, err := s.Cases.Case(ctx, r.PathValue("case"))
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
