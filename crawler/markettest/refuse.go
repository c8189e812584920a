package markettest

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// visits remembers what each client was told.
type visits struct {
	mu      sync.Mutex
	refused map[string]int       // client and listing: how often
	last    map[string]time.Time // client: its last page
}

// refuse reports whether a client is to be refused once more; after n times
// it no longer is.
func (v *visits) refuse(key string, n int) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.refused == nil {
		v.refused = map[string]int{}
	}
	if v.refused[key] >= n {
		return false
	}
	v.refused[key]++
	return true
}

// Forget makes every client a stranger again: throttled pages throttle anew.
func (m *Market) Forget() {
	m.visits.mu.Lock()
	defer m.visits.mu.Unlock()
	m.visits.refused, m.visits.last = nil, nil
}

// tooFast judges a client by Config.MinGap. Each request counts, the refused
// ones too: a client that does not wait is refused for ever.
func (m *Market) tooFast(r *http.Request) bool {
	if m.cfg.MinGap <= 0 || !(Access{Path: r.URL.Path}).Page() || r.URL.Path == "/robots.txt" {
		return false
	}
	client, now := hostOnly(r.RemoteAddr), m.cfg.Now()
	m.visits.mu.Lock()
	defer m.visits.mu.Unlock()
	if m.visits.last == nil {
		m.visits.last = map[string]time.Time{}
	}
	before, known := m.visits.last[client]
	m.visits.last[client] = now
	return known && now.Sub(before) < m.cfg.MinGap
}

func (m *Market) throttle(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int(m.cfg.RetryAfter.Seconds()))))
	m.message(w, r, http.StatusTooManyRequests, "Too many requests | Pellamart", "Slow down, please", "You have sent too many requests.", "")
}

func (m *Market) serveRefusal(w http.ResponseWriter, r *http.Request, l Listing) {
	switch l.Fault {
	case FaultChallenge, FaultChallenge404:
		status := http.StatusForbidden
		if l.Fault == FaultChallenge404 {
			status = http.StatusNotFound
		}
		p := m.site(r, "en")
		p.CDN, p.HeadTitle = "", "Robot Check"
		p.Body = `<section class="message"><h1>Are you human?</h1><p>Our systems have detected unusual traffic from your network. Type the characters you see to continue.</p>` +
			`<form id="captcha-form" method="post" action="/captcha/verify"><div class="captcha" aria-hidden="true">k 7 R x 2</div><input name="captcha" autocomplete="off"><button class="btn btn--main">Continue</button></form></section>`
		w.Header().Set("Cache-Control", "no-store")
		m.html(w, r, status, "bare", p)
	case FaultLoginRedirect:
		http.Redirect(w, r, "/login?return="+url.QueryEscape(l.Path), http.StatusFound)
	case FaultLoginInPlace:
		m.serveLogin(w, r)
	case FaultConsent:
		http.Redirect(w, r, "/consent?return="+url.QueryEscape(l.Path), http.StatusFound)
	case FaultGeo:
		http.Redirect(w, r, "/intl/"+l.Shop.Country+"?from="+l.ID, http.StatusFound)
	}
}

func (m *Market) serveLogin(w http.ResponseWriter, r *http.Request) {
	m.message(w, r, http.StatusOK, "Sign in | Pellamart", "Sign in to see this page", "Members see prices, sellers and pictures.",
		`<form id="login-form" method="post" action="/login"><label>E-mail <input type="email" name="email" autocomplete="username"></label><label>Password <input type="password" name="password" autocomplete="current-password"></label><button class="btn btn--main">Sign in</button></form>`)
}

func (m *Market) serveConsent(w http.ResponseWriter, r *http.Request) {
	m.message(w, r, http.StatusOK, "Before you continue | Pellamart", "Before you continue to Pellamart", "We and our 843 partners store cookies on your device.",
		`<form id="consent-form" method="post" action="/consent"><button class="btn btn--main" name="consent" value="all">Accept all</button> <button class="btn" name="consent" value="none">Reject all</button></form>`)
}

func (m *Market) serveGeo(w http.ResponseWriter, r *http.Request) {
	p := messagePage{site: m.site(r, "pt"), Head: "Pellamart Brasil", Say: "Você foi redirecionado para a loja do seu país. Este anúncio não está disponível na sua região."}
	p.HeadTitle = "Pellamart Brasil"
	w.Header().Set("Content-Language", "pt-BR")
	m.html(w, r, http.StatusOK, "message", p)
}

// serveThrottled refuses each client a few times, then serves the page.
func (m *Market) serveThrottled(w http.ResponseWriter, r *http.Request, wd *world, l Listing) {
	if !m.visits.refuse(hostOnly(r.RemoteAddr)+" "+l.ID, m.cfg.Throttles) {
		m.serveListing(w, r, wd, l)
		return
	}
	if l.Fault == FaultThrottled {
		m.throttle(w, r)
		return
	}
	w.Header().Set("Retry-After", m.cfg.Now().Add(m.cfg.RetryAfter).UTC().Format(http.TimeFormat))
	m.message(w, r, http.StatusServiceUnavailable, "Maintenance | Pellamart", "We will be right back", "Pellamart is being maintained.", "")
}

// serveGone answers for what is no longer there.
func (m *Market) serveGone(w http.ResponseWriter, r *http.Request, wd *world, l Listing) {
	switch l.Fault {
	case FaultRemoved:
		m.serveNothing(w, r)
	case FaultGone:
		m.message(w, r, http.StatusGone, "Page removed | Pellamart", "This listing was removed", "It is gone for good.", "")
	case FaultSoftRemoved, FaultUnavailable:
		p := messagePage{site: m.site(r, l.Lang), Head: "This listing is no longer available", Say: "The seller has ended it, or it was removed. Have a look at these:"}
		p.HeadTitle, p.Also = "Pellamart", m.alsoBought(r, wd, l.Key)
		p.Body = `<div id="item-removed" data-state="ended"></div>`
		if l.Fault == FaultUnavailable {
			p.HeadTitle, p.Head, p.Say = l.Title+" | Pellamart", l.Title, "Currently unavailable. We do not know when or if this item will be back in stock."
			p.Body = `<div id="item-unavailable"></div>`
		}
		m.html(w, r, http.StatusOK, "message", p)
	case FaultWrongItem:
		http.Redirect(w, r, wd.listings[wd.byKey["plain-shoes"]].Path, http.StatusFound)
	case FaultToHome:
		http.Redirect(w, r, "/?from="+l.ID, http.StatusFound)
	}
}

func (m *Market) serveLoop(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.PathValue("n")) // anything else is step 0
	http.Redirect(w, r, fmt.Sprintf("/loop/%d", (n+1)%3), http.StatusFound)
}

// serveHop is a step of a chain: five redirects with five statuses, the last
// to the listing.
func (m *Market) serveHop(w http.ResponseWriter, r *http.Request) {
	l, ok := m.Listing(r.PathValue("id"))
	n, err := strconv.Atoi(r.PathValue("n"))
	if !ok || err != nil || n < 1 || n > 4 {
		m.serveNothing(w, r)
		return
	}
	if n == 4 {
		http.Redirect(w, r, l.Path+"?hop=5", http.StatusSeeOther)
		return
	}
	http.Redirect(w, r, fmt.Sprintf("/hop/%s/%d", l.ID, n+1), []int{0, http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusPermanentRedirect}[n])
}
