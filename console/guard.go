package console

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/console/session"
)

// maxForm bounds what a form or a JSON body may have.
const maxForm = 256 << 10

// policy is the content security policy of every answer. Nothing is inline, so
// text that escapes its place still runs nothing.
const policy = "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// guard is what every request passes first: the security headers, the name it
// was made to, that no other site made it, and its size.
func (s *Server) guard(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	if s.cfg.URL != "" {
		if u, err := url.Parse(s.cfg.URL); err == nil {
			_ = cross.AddTrustedOrigin(u.Scheme + "://" + u.Host) // checked by Validate
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), clipboard-read=()")
		h.Set("Cache-Control", "no-store")
		if s.cfg.tls() {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if !s.answersTo(r.Host) {
			s.fail(w, r, Person{}, answer{http.StatusMisdirectedRequest, "This console is not reached by that name. Set console.url to the address that people use."})
			return
		}
		if err := cross.Check(r); err != nil {
			s.fail(w, r, Person{}, answer{http.StatusForbidden, "Another site sent this request, so nothing was done. Go to the console itself and repeat it there."})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next.ServeHTTP(w, r)
	})
}

// answersTo reports whether requests to that host name are for us. A page of
// another site whose name was rebound to our address sends its own name. An
// address as host cannot be rebound, so on a network every address will do.
func (s *Server) answersTo(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if u, err := url.Parse(s.cfg.URL); err == nil && s.cfg.URL != "" && strings.EqualFold(u.Host, hostport) {
		return true
	}
	a, err := netip.ParseAddr(host)
	if s.cfg.loopback() {
		return host == "localhost" || err == nil && a.Unmap().IsLoopback()
	}
	if listen, _, _ := net.SplitHostPort(s.cfg.Listen); listen != "" && strings.EqualFold(listen, host) {
		return true
	}
	return err == nil && a.Zone() == ""
}

// cookieName has the prefix that makes browsers insist on TLS and on this very
// host, where there is TLS.
func (s *Server) cookieName() string {
	if s.cfg.tls() {
		return "__Host-trawlmark"
	}
	return "trawlmark"
}

func (s *Server) setCookie(w http.ResponseWriter, t token, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: s.cookieName(), Value: string(t), Path: "/", HttpOnly: true, Secure: s.cfg.tls(), SameSite: http.SameSiteStrictMode, MaxAge: maxAge,
	})
}

// tokenOf reads the session's token: from the cookie, or, for programs, from
// the Authorization header.
func (s *Server) tokenOf(r *http.Request) token {
	if t, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return token(strings.TrimSpace(t))
	}
	if c, err := r.Cookie(s.cookieName()); err == nil {
		return token(c.Value)
	}
	return ""
}

// who gives the person that a request is by. The account is looked at again
// each time: one that was removed, or has another password, has no sessions,
// and another role counts at once.
func (s *Server) who(r *http.Request) (Person, bool, error) {
	t := s.tokenOf(r)
	x, ok, err := s.sessions.find(r.Context(), t)
	if err != nil || !ok {
		return Person{}, false, err
	}
	if x.Local { // it ends with the first account
		all, err := s.accounts.List()
		if err == nil && len(all) > 0 {
			err = s.sessions.end(r.Context(), t)
			return Person{}, false, err
		}
		return Person{x.Person, Role(x.Role)}, err == nil, err
	}
	a, err := s.accounts.Get(x.Person)
	if errors.Is(err, ErrNoAccount) || err == nil && accountMark(a) != x.Account {
		return Person{}, false, s.sessions.end(r.Context(), t)
	}
	if err != nil {
		return Person{}, false, err
	}
	return Person{a.Name, a.Role}, true, nil
}

// client is what failures to sign in are counted on, besides the name.
func client(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if a = a.Unmap(); a.Is6() { // a client has a whole network of these
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

// signIn checks a name and password and begins a session.
func (s *Server) signIn(r *http.Request, name, password string) (Person, token, error) {
	from := client(r)
	if d := max(s.byName.wait(clip(name, 64)), s.byClient.wait(from)); d > 0 {
		return Person{}, "", waitError{d}
	}
	a, err := s.accounts.Check(r.Context(), name, password)
	if errors.Is(err, ErrSignIn) {
		s.byName.failed(clip(name, 64))
		s.byClient.failed(from)
		s.Log.Warn("a sign-in failed", "name", visible(clip(name, 64)), "client", from)
		return Person{}, "", err
	}
	if err != nil {
		return Person{}, "", err
	}
	s.byName.succeeded(name)
	p := Person{a.Name, a.Role}
	t, err := s.sessions.begin(r.Context(), session.Session{Person: p.Name, Role: string(p.Role), Account: accountMark(a)})
	if err == nil {
		s.Log.Info("signed in", "name", p.Name, "role", string(p.Role), "client", from)
	}
	return p, t, err
}

// waitError: too many failures to sign in.
type waitError struct{ d time.Duration }

func (e waitError) Error() string {
	return "Too many attempts failed. Try again in " + e.d.Round(time.Second).String() + "."
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
