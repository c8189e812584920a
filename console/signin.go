package console

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/trawlmark/trawlmark/console/session"
)

// signInModel is the sign-in page.
type signInModel struct {
	Next, Name, Token, Problem string
	// Local: there are no accounts yet, and the link in the terminal is the way in.
	Local bool
}

func (s *Server) signInPage(w http.ResponseWriter, r *http.Request, _ Person) error {
	next := local(r.URL.Query().Get("next"))
	if _, ok, err := s.who(r); err == nil && ok {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return nil
	}
	m := signInModel{Next: next, Token: r.URL.Query().Get("token")}
	if len(m.Token) > 100 {
		m.Token = ""
	}
	all, err := s.accounts.List()
	if err != nil {
		return err
	}
	m.Local = len(all) == 0
	s.render(w, r, Person{}, http.StatusOK, "signin", m)
	return nil
}

func (s *Server) signInForm(w http.ResponseWriter, r *http.Request, _ Person) error {
	in, err := input(r)
	if err != nil {
		return err
	}
	m := signInModel{Next: local(in.Get("next")), Name: clip(in.Get("name"), 64)}
	var t token
	if link := in.Get("token"); link != "" {
		t, err = s.useLink(r, token(link))
	} else {
		_, t, err = s.signIn(r, in.Get("name"), in.Get("password"))
	}
	wait, waits := errors.AsType[waitError](err)
	switch {
	case waits:
		m.Problem = wait.Error()
	case errors.Is(err, ErrSignIn):
		m.Problem = "The name or the password is wrong."
	case errors.Is(err, errLink):
		m.Problem = errLink.Error()
	case err != nil:
		return err
	}
	if m.Problem != "" {
		status := http.StatusUnauthorized
		if waits {
			status = http.StatusTooManyRequests
		}
		s.render(w, r, Person{}, status, "signin", m)
		return nil
	}
	s.setCookie(w, t, int(s.cfg.SessionLongest/time.Second))
	http.Redirect(w, r, m.Next, http.StatusSeeOther)
	return nil
}

func (s *Server) signInAPI(w http.ResponseWriter, r *http.Request, _ Person) error {
	in, err := input(r)
	if err != nil {
		return err
	}
	p, t, err := s.signIn(r, in.Get("name"), in.Get("password"))
	if errors.Is(err, ErrSignIn) {
		s.fail(w, r, Person{}, answer{http.StatusUnauthorized, "The name or the password is wrong."})
		return nil
	}
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{
		"token": string(t), "name": p.Name, "role": p.Role, "expires": s.Now().Add(s.cfg.SessionLongest).UTC(),
	})
}

var errLink = error(sentence("This link was used already, or the console was started again since. The terminal shows the newest one."))

// useLink takes the one-time sign-in. It is good while there are no accounts,
// from this machine alone.
func (s *Server) useLink(r *http.Request, t token) (token, error) {
	all, err := s.accounts.List()
	if err != nil {
		return "", err
	}
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	here := err == nil && addr.Addr().Unmap().IsLoopback()
	s.mu.Lock()
	good := s.link != "" && subtle.ConstantTimeCompare([]byte(s.link), []byte(t)) == 1 && len(all) == 0 && here && s.cfg.loopback()
	if good {
		s.link = ""
	}
	s.mu.Unlock()
	if !good {
		return "", errLink
	}
	s.Log.Info("signed in by the one-time link", "name", s.cfg.LocalActor)
	return s.sessions.begin(r.Context(), session.Session{Person: s.cfg.LocalActor, Role: string(Admin), Local: true})
}

// signOut ends this session, and with everywhere=true all of the person's.
func (s *Server) signOut(w http.ResponseWriter, r *http.Request, who Person) error {
	in, err := url.Values{}, error(nil)
	if r.ContentLength != 0 {
		if in, err = input(r); err != nil {
			return err
		}
	}
	ended := int64(1)
	if in.Get("everywhere") == "true" {
		ended, err = s.Sessions.EndAll(r.Context(), who.Name)
		s.Log.Info("signed out everywhere", "name", who.Name, "sessions", ended)
	} else {
		err = s.sessions.end(r.Context(), s.tokenOf(r))
	}
	if err != nil {
		return err
	}
	s.setCookie(w, "", -1)
	// Pictures of evidence lie in the browser's cache.
	w.Header().Set("Clear-Site-Data", `"cache"`)
	if isAPI(r) {
		return writeJSON(w, http.StatusOK, map[string]any{"signed_out": true, "sessions": ended})
	}
	http.Redirect(w, r, "/signin", http.StatusSeeOther)
	return nil
}
