package render

import (
	"strings"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/inspector"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
)

// attached sets up a new page, frame or worker before it does anything: it is
// halted until runIfWaitingForDebugger.
func (v *visit) attached(ev *target.EventAttachedToTarget) {
	t := ev.TargetInfo
	s := session{c: v.ch.conn, id: ev.SessionID, in: v.in}
	if _, again := v.known[t.TargetID]; again {
		// A service worker is announced by the browser and by its page. The
		// second session stays, idle: detaching it loses bodies of the first.
		post(s, runtime.RunIfWaitingForDebugger, cdp.Empty{}, nil)
		return
	}
	v.known[t.TargetID] = ev.SessionID
	v.kinds[ev.SessionID] = t.Type
	switch {
	case t.Type == "page" && v.pageID == "":
		v.page, v.pageID = s, t.TargetID
		v.rec.mainFrame = cdp.FrameID(t.TargetID)
		v.setUpPage(s)
	case t.Type == "page" && t.Subtype == "":
		if t.URL != "" && t.URL != "about:blank" && len(v.res.Popups) == 0 {
			note(&v.res.Popups, t.URL)
		}
		post(session{c: v.ch.conn}, target.CloseTarget, target.CloseTargetParams{TargetID: t.TargetID}, nil)
		if t.CanAccessOpener {
			// A halted popup would halt its opener, whose process it shares.
			post(s, runtime.RunIfWaitingForDebugger, cdp.Empty{}, nil)
		}
	case t.Type == "page", t.Type == "iframe":
		v.enable(s, nil)
		post(s, page.Enable, page.EnableParams{}, nil)
		v.emulate(s, false)
		post(s, runtime.RunIfWaitingForDebugger, cdp.Empty{}, nil)
	case strings.HasSuffix(t.Type, "worker"):
		v.enable(s, nil)
		if v.res.UserAgent != v.ch.userAgent || v.req.AcceptLanguage != "" {
			post(s, emulation.SetUserAgentOverride, v.userAgent(), nil)
		}
		post(s, runtime.RunIfWaitingForDebugger, cdp.Empty{}, nil)
	default:
		post(s, runtime.RunIfWaitingForDebugger, cdp.Empty{}, nil)
	}
}

// enable asks a session for its traffic and for what it starts itself. Nobody
// waits for the replies.
func (v *visit) enable(s session, durable func(cdp.Empty, error)) {
	yes, total, one, postMax := true, v.req.MaxTotalBytes, v.req.MaxBodyBytes, int64(1<<20)
	post(s, network.Enable, network.EnableParams{
		MaxTotalBufferSize: &total, MaxResourceBufferSize: &one, MaxPostDataSize: &postMax,
	}, nil)
	// Without this, bodies of text come decoded by their charset, not as bytes.
	post(s, network.ConfigureDurableMessages, network.ConfigureDurableMessagesParams{
		MaxTotalBufferSize: &total, MaxResourceBufferSize: &one,
	}, durable)
	if v.ch.full {
		v.guardAuth(s)
	}
	post(s, inspector.Enable, cdp.Empty{}, nil)
	post(s, log.Enable, cdp.Empty{}, nil)
	post(s, target.SetAutoAttach, target.SetAutoAttachParams{
		AutoAttach: true, WaitForDebuggerOnStart: true, Flatten: &yes,
	}, nil)
}

// guardAuth makes the full browser ask us where it would ask a person for a
// password, and wait. The headless shell cancels by itself. Only documents are
// paused for it: each costs a round trip.
func (v *visit) guardAuth(s session) {
	yes := true
	post(s, fetch.Enable, fetch.EnableParams{
		HandleAuthRequests: &yes,
		Patterns:           []*fetch.RequestPattern{{URLPattern: "*", ResourceType: network.ResourceTypeDocument}},
	}, nil)
}

func (v *visit) userAgent() emulation.SetUserAgentOverrideParams {
	return emulation.SetUserAgentOverrideParams{UserAgent: v.res.UserAgent, AcceptLanguage: languages(v.req.AcceptLanguage)}
}

// languages takes the weights out of an Accept-Language value: Chrome wants
// the list alone and makes the weights itself.
func languages(accept string) string {
	var out []string
	for l := range strings.SplitSeq(accept, ",") {
		l, _, _ = strings.Cut(l, ";")
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, l)
		}
	}
	return strings.Join(out, ",")
}

func (v *visit) emulate(s session, main bool) {
	if v.res.UserAgent != v.ch.userAgent || v.req.AcceptLanguage != "" {
		post(s, emulation.SetUserAgentOverride, v.userAgent(), nil)
	}
	if v.req.TimeZone != "" {
		post(s, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: v.req.TimeZone}, v.emulated("time zone", main))
	}
	if v.req.Locale != "" {
		post(s, emulation.SetLocaleOverride, emulation.SetLocaleOverrideParams{Locale: v.req.Locale}, v.emulated("locale", main))
	}
	if main {
		v.setMetrics(s, v.req.Height)
	}
}

// emulated lists a setting that Chrome did not take. A frame in the page's own
// process refuses what the page has set already.
func (v *visit) emulated(what string, main bool) func(cdp.Empty, error) {
	return func(_ cdp.Empty, err error) {
		if err != nil && main {
			v.rec.miss("emulation", "", "the "+what+" was not taken: "+err.Error())
		}
	}
}

// setUpPage prepares the main page. The navigation (see ask) waits for
// two replies. Until the page's process has confirmed what was enabled (the
// last command stands for all), a navigation into a new process starts there
// without it, and the first requests are lost; and until the network process
// keeps bodies, the document's comes as recoded text.
func (v *visit) setUpPage(s session) {
	waiting := 2
	ready := func() {
		waiting--
		v.ready = waiting == 0 && v.crashed == ""
	}
	v.enable(s, func(_ cdp.Empty, err error) {
		if err != nil {
			v.rec.miss("bytes", "", "this Chrome cannot keep bodies as bytes; text may come recoded: "+err.Error())
		}
		ready()
	})
	post(s, page.Enable, page.EnableParams{}, nil)
	post(s, runtime.Enable, cdp.Empty{}, nil)
	v.emulate(s, true)
	post(s, runtime.RunIfWaitingForDebugger, cdp.Empty{}, nil)
	post(s, page.SetLifecycleEventsEnabled, page.SetLifecycleEventsEnabledParams{Enabled: true}, func(_ cdp.Empty, err error) {
		if err != nil {
			v.crashed = "the page could not be set up: " + err.Error()
		}
		ready()
	})
}
