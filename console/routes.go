package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// pageTime bounds the work for one page; downloads have their own bound.
const pageTime = 30 * time.Second

// route is one line of the table.
type route struct {
	pattern string
	may     allowed
	do      func(s *Server, w http.ResponseWriter, r *http.Request, who Person) error
}

// routes is the table: every address of the console, and who may use it. Each
// page has a twin under /api/v1 that gives the same as JSON.
func routes() []route {
	return []route{
		{"GET /static/{name}", public, (*Server).static},
		{"GET /healthz", public, (*Server).health},
		{"GET /signin", public, (*Server).signInPage},
		{"POST /signin", public, (*Server).signInForm},
		{"POST /api/v1/session", public, (*Server).signInAPI},
		{"POST /signout", everybody, (*Server).signOut},
		{"DELETE /api/v1/session", everybody, (*Server).signOut},
		{"GET /{$}", everybody, (*Server).home},
		{"GET /help", everybody, view("help", (*Server).help)},
		{"GET /api/v1/me", everybody, data((*Server).me)},

		{"GET /findings", readers, view("findings", (*Server).findingsPage)},
		{"GET /api/v1/findings", readers, data((*Server).findingsPage)},
		{"POST /findings/decide", deciders, act((*Server).decideMany)},
		{"POST /api/v1/findings/decide", deciders, act((*Server).decideMany)},
		{"POST /findings/undo", deciders, act((*Server).undoMany)},
		{"POST /api/v1/findings/undo", deciders, act((*Server).undoMany)},
		{"GET /findings/{id}", readers, view("finding", (*Server).findingPage)},
		{"GET /api/v1/findings/{id}", readers, data((*Server).findingPage)},
		{"POST /findings/{id}/decision", deciders, act((*Server).decide)},
		{"POST /api/v1/findings/{id}/decision", deciders, act((*Server).decide)},
		{"POST /findings/{id}/undo", deciders, act((*Server).undo)},
		{"POST /api/v1/findings/{id}/undo", deciders, act((*Server).undo)},

		{"GET /watches", everybody, view("watches", (*Server).watchesPage)},
		{"GET /api/v1/watches", everybody, data((*Server).watchesPage)},
		{"GET /watches/new", watchers, view("watchform", (*Server).newWatchForm)},
		{"POST /watches", watchers, (*Server).saveWatch},
		{"POST /api/v1/watches", watchers, (*Server).saveWatch},
		{"GET /watches/{id}/edit", watchers, view("watchform", (*Server).editWatchForm)},
		{"POST /watches/{id}/change", watchers, (*Server).saveWatch},
		{"POST /api/v1/watches/{id}/change", watchers, (*Server).saveWatch},
		{"GET /watches/{id}", everybody, view("watch", (*Server).watchPage)},
		{"GET /api/v1/watches/{id}", everybody, data((*Server).watchPage)},
		{"POST /watches/{id}/{action}", runners, act((*Server).watchAct)},
		{"POST /api/v1/watches/{id}/{action}", runners, act((*Server).watchAct)},

		{"GET /evidence", readers, view("evidence", (*Server).evidencePage)},
		{"GET /api/v1/captures", readers, data((*Server).evidencePage)},
		{"GET /captures/{id}", readers, view("capture", (*Server).capturePage)},
		{"GET /api/v1/captures/{id}", readers, data((*Server).capturePage)},
		{"GET /captures/{id}/thumbnail", readers, (*Server).thumbnail},
		{"GET /captures/{id}/image/{role}/{tile}", readers, (*Server).image},
		{"GET /captures/{id}/source/{role}", readers, view("source", (*Server).sourcePage)},
		{"GET /captures/{id}/file/{role}/{tile}", deciders, (*Server).download},
		{"GET /captures/{id}/manifest", deciders, (*Server).manifestFile},
		{"POST /captures/{id}/hold", holders, act((*Server).hold)},
		{"POST /api/v1/captures/{id}/hold", holders, act((*Server).hold)},
		{"POST /captures/{id}/case", deciders, act((*Server).captureToCase)},

		{"GET /cases", readers, view("cases", (*Server).casesPage)},
		{"GET /api/v1/cases", readers, data((*Server).casesPage)},
		{"POST /cases", deciders, act((*Server).openCase)},
		{"POST /api/v1/cases", deciders, act((*Server).openCase)},
		{"GET /cases/{case}", readers, view("case", (*Server).casePage)},
		{"GET /api/v1/cases/{case}", readers, data((*Server).casePage)},
		{"POST /cases/{case}/captures", deciders, act((*Server).addToCase)},
		{"POST /api/v1/cases/{case}/captures", deciders, act((*Server).addToCase)},
		{"POST /cases/{case}/hold", holders, act((*Server).holdCase)},
		{"POST /api/v1/cases/{case}/hold", holders, act((*Server).holdCase)},
		{"POST /cases/{case}/close", holders, act((*Server).closeCase)},
		{"POST /api/v1/cases/{case}/close", holders, act((*Server).closeCase)},
		{"POST /cases/{case}/package", holders, (*Server).packageFile},
		{"POST /api/v1/cases/{case}/package", holders, (*Server).packageFile},

		{"POST /cases/{case}/order", holders, act((*Server).orderPackage)},
		{"POST /api/v1/cases/{case}/order", holders, act((*Server).orderPackage)},
		{"GET /packages/{id}", holders, (*Server).orderedFile},

		{"GET /status", operators, view("status", (*Server).statusPage)},
		{"GET /api/v1/status", operators, data((*Server).statusPage)},
		{"POST /lanes", operators, act((*Server).laneAct)},
		{"POST /api/v1/lanes", operators, act((*Server).laneAct)},
	}
}

// serve puts the rules of a route before it: who it is, whether they may, and
// what an error looks like.
func (s *Server) serve(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var who Person
		if len(rt.may) > 0 {
			p, ok, err := s.who(r)
			switch {
			case err != nil:
				s.fault(w, r, p, err)
				return
			case !ok:
				s.stranger(w, r)
				return
			case !rt.may.has(p.Role):
				s.fail(w, r, p, answer{http.StatusForbidden, "The role " + string(p.Role) + " does not include this. An admin can give you another."})
				return
			}
			who = p
		}
		if err := rt.do(s, w, r, who); err != nil {
			s.fault(w, r, who, err)
		}
	})
}

// stranger is a request of nobody: people are sent to sign in and back,
// programs are told.
func (s *Server) stranger(w http.ResponseWriter, r *http.Request) {
	switch {
	case isAPI(r) || r.Method != http.MethodGet:
		w.Header().Set("WWW-Authenticate", `Bearer realm="trawlmark"`)
		s.fail(w, r, Person{}, answer{http.StatusUnauthorized, "Sign in first."})
	case r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") == "navigate":
		// A link in a mail or a chat: browsers do not send our cookie along
		// with it. The same page asked for by ourselves has it.
		s.render(w, r, Person{}, http.StatusOK, "again", nil)
	case r.Header.Get("Sec-Fetch-Dest") != "" && r.Header.Get("Sec-Fetch-Dest") != "document":
		s.fail(w, r, Person{}, answer{http.StatusUnauthorized, "Sign in first."})
	default:
		http.Redirect(w, r, "/signin?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
	}
}

// model is what a page shows, and what its twin gives as JSON.
type model func(s *Server, ctx context.Context, r *http.Request, who Person) (any, error)

func view(page string, load model) func(*Server, http.ResponseWriter, *http.Request, Person) error {
	return func(s *Server, w http.ResponseWriter, r *http.Request, who Person) error {
		ctx, cancel := context.WithTimeout(r.Context(), pageTime)
		defer cancel()
		m, err := load(s, ctx, r, who)
		if err != nil {
			return err
		}
		s.render(w, r, who, http.StatusOK, page, m)
		return nil
	}
}

func data(load model) func(*Server, http.ResponseWriter, *http.Request, Person) error {
	return func(s *Server, w http.ResponseWriter, r *http.Request, who Person) error {
		ctx, cancel := context.WithTimeout(r.Context(), pageTime)
		defer cancel()
		m, err := load(s, ctx, r, who)
		if err != nil {
			return err
		}
		return writeJSON(w, http.StatusOK, m)
	}
}

// action does something and says what became of it: result for programs, next
// is where people go.
type action func(s *Server, ctx context.Context, r *http.Request, in url.Values, who Person) (result any, next string, err error)

func act(do action) func(*Server, http.ResponseWriter, *http.Request, Person) error {
	return func(s *Server, w http.ResponseWriter, r *http.Request, who Person) error {
		in, err := input(r)
		if err != nil {
			return err
		}
		// What was begun is finished although the browser has gone: half a hold
		// is worse than none.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 2*time.Minute)
		defer cancel()
		result, next, err := do(s, ctx, r, in, who)
		if err != nil {
			return err
		}
		if isAPI(r) {
			return writeJSON(w, http.StatusOK, result)
		}
		http.Redirect(w, r, local(next), http.StatusSeeOther)
		return nil
	}
}

// input reads a form, or for programs a JSON object, into the same values.
func input(r *http.Request) (url.Values, error) {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if media != "application/json" {
		if isAPI(r) && media != "application/x-www-form-urlencoded" && r.ContentLength != 0 {
			return nil, bad("Send application/json.")
		}
		if err := r.ParseForm(); err != nil {
			return nil, badRequest{sentence("The form could not be read; it may be too long.")}
		}
		return r.PostForm, nil
	}
	var obj map[string]any
	dec := json.NewDecoder(r.Body)
	dec.UseNumber()
	if err := dec.Decode(&obj); err != nil {
		return nil, bad("The body is not one JSON object of at most 256 KiB.")
	}
	in := url.Values{}
	for k, v := range obj {
		list, ok := v.([]any)
		if !ok {
			list = []any{v}
		}
		for _, x := range list {
			switch x := x.(type) {
			case string:
				in.Add(k, x)
			case bool, json.Number:
				in.Add(k, fmt.Sprint(x))
			default:
				return nil, bad(fmt.Sprintf("%q must be a text, a number, true or false, or a list of those.", clip(k, 80)))
			}
		}
	}
	return in, nil
}

// local keeps a way back within the console: a path of ours, or the first page.
func local(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") ||
		strings.ContainsAny(next, "\\\r\n") || strings.HasPrefix(u.Path, "/signin") || strings.HasPrefix(u.Path, "//") {
		return "/"
	}
	return next
}

func isAPI(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/api/") }

func writeJSON(w http.ResponseWriter, status int, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // the reader has gone: nobody to tell
	return nil
}

// fault answers an error by the table, and logs what is not in it.
func (s *Server) fault(w http.ResponseWriter, r *http.Request, who Person, err error) {
	if r.Context().Err() != nil {
		return // nobody listens any more
	}
	if e, ok := errors.AsType[waitError](err); ok {
		w.Header().Set("Retry-After", strconv.Itoa(int(e.d/time.Second)+1))
		s.fail(w, r, who, answer{http.StatusTooManyRequests, e.Error()})
		return
	}
	a := answerTo(err)
	if a.status >= 500 {
		s.Log.Error("a page could not be served", "path", visible(r.URL.Path), "status", a.status, "error", err)
	}
	s.fail(w, r, who, a)
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, who Person, a answer) {
	if isAPI(r) {
		_ = writeJSON(w, a.status, map[string]any{"error": a.text, "status": a.status})
		return
	}
	s.render(w, r, who, a.status, "error", a)
}

func (s *Server) pathID(r *http.Request) (capture.ID, error) {
	return capture.ParseID(r.PathValue("id"))
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request, _ Person) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, "ok")
	return nil
}

func (s *Server) home(w http.ResponseWriter, r *http.Request, who Person) error {
	to := "/findings"
	switch who.Role {
	case Legal:
		to = "/evidence"
	case Operator:
		to = "/status"
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

func (s *Server) me(_ context.Context, _ *http.Request, who Person) (any, error) { return who, nil }

func (s *Server) help(context.Context, *http.Request, Person) (any, error) { return choices(), nil }
