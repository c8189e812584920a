package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// handle takes one event. The visit's lock is held.
func (v *visit) handle(m *cdproto.Message) {
	s := session{c: v.ch.conn, id: m.SessionID, in: v.in}
	switch m.Method {
	case cdproto.EventTargetAttachedToTarget:
		on(v, m, v.attached)
	case cdproto.EventTargetDetachedFromTarget:
		on(v, m, v.detached)
	case cdproto.EventInspectorTargetCrashed:
		v.targetCrashed(s)

	case cdproto.EventNetworkRequestWillBeSent:
		on(v, m, func(ev *network.EventRequestWillBeSent) { v.rec.requestWillBeSent(s, ev) })
	case cdproto.EventNetworkRequestWillBeSentExtraInfo:
		on(v, m, func(ev *network.EventRequestWillBeSentExtraInfo) {
			t := v.rec.get(ev.RequestID)
			t.sent = append(t.sent, ev)
		})
	case cdproto.EventNetworkResponseReceivedExtraInfo:
		on(v, m, func(ev *network.EventResponseReceivedExtraInfo) {
			t := v.rec.get(ev.RequestID)
			t.got = append(t.got, ev)
		})
	case cdproto.EventNetworkRequestServedFromCache:
		on(v, m, func(ev *network.EventRequestServedFromCache) {
			if h := v.rec.get(ev.RequestID).last(); h != nil {
				h.ex.FromCache = true
			}
		})
	case cdproto.EventNetworkResponseReceived:
		on(v, m, func(ev *network.EventResponseReceived) { v.response(s, ev) })
	case cdproto.EventNetworkDataReceived:
		on(v, m, v.rec.dataReceived)
	case cdproto.EventNetworkLoadingFinished:
		on(v, m, func(ev *network.EventLoadingFinished) { v.rec.loadingFinished(s, ev) })
	case cdproto.EventNetworkLoadingFailed:
		on(v, m, func(ev *network.EventLoadingFailed) { v.rec.loadingFailed(ev) })
	case cdproto.EventNetworkWebSocketCreated:
		on(v, m, func(ev *network.EventWebSocketCreated) { v.rec.socketCreated(s, ev) })
	case cdproto.EventNetworkWebSocketWillSendHandshakeRequest:
		on(v, m, v.rec.socketAsks)
	case cdproto.EventNetworkWebSocketHandshakeResponseReceived:
		on(v, m, v.rec.socketAnswered)
	case cdproto.EventNetworkWebSocketFrameReceived:
		on(v, m, func(ev *network.EventWebSocketFrameReceived) {
			v.rec.socketFrame(ev.RequestID, 0, ev.Timestamp, ev.Response)
		})
	case cdproto.EventNetworkWebSocketFrameSent:
		on(v, m, func(ev *network.EventWebSocketFrameSent) {
			v.rec.socketFrame(ev.RequestID, 1, ev.Timestamp, ev.Response)
		})
	case cdproto.EventNetworkWebSocketFrameError:
		on(v, m, v.rec.socketError)
	case cdproto.EventNetworkWebSocketClosed:
		on(v, m, v.rec.socketClosed)

	case cdproto.EventFetchRequestPaused:
		on(v, m, func(ev *fetch.EventRequestPaused) {
			post(s, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: ev.RequestID}, nil)
		})
	case cdproto.EventFetchAuthRequired:
		on(v, m, func(ev *fetch.EventAuthRequired) {
			post(s, fetch.ContinueWithAuth, fetch.ContinueWithAuthParams{
				RequestID:             ev.RequestID,
				AuthChallengeResponse: &fetch.AuthChallengeResponse{Response: fetch.AuthChallengeResponseResponseCancelAuth},
			}, nil)
		})

	case cdproto.EventPageFrameNavigated:
		on(v, m, v.frameNavigated)
	case cdproto.EventPageNavigatedWithinDocument:
		on(v, m, func(ev *page.EventNavigatedWithinDocument) {
			if v.isMain(ev.FrameID) {
				v.docURL = ev.URL
			}
		})
	case cdproto.EventPageFrameAttached:
		on(v, m, func(ev *page.EventFrameAttached) { v.frames[ev.FrameID] = true })
	case cdproto.EventPageLifecycleEvent:
		on(v, m, func(ev *page.EventLifecycleEvent) {
			if v.isMain(ev.FrameID) && ev.Name == "load" {
				v.loaded = ev.LoaderID
			}
		})
	case cdproto.EventPageFrameStoppedLoading:
		on(v, m, func(ev *page.EventFrameStoppedLoading) {
			// A document that sends itself to an app (mailto:, an app's own
			// scheme) while it loads never has a load event, and is all there is.
			if v.isMain(ev.FrameID) && v.docs > 0 {
				v.loaded = v.loader
			}
		})
	case eventFrameScheduledNavigation:
		on(v, m, v.scheduled)
	case eventFrameClearedScheduledNavigation:
		on(v, m, func(ev *scheduledNavigation) {
			if v.isMain(ev.FrameID) {
				v.redirect = pendingRedirect{}
			}
		})
	case cdproto.EventPageJavascriptDialogOpening:
		on(v, m, func(ev *page.EventJavascriptDialogOpening) { v.dialog(s, ev) })
	case cdproto.EventPageWindowOpen:
		on(v, m, func(ev *page.EventWindowOpen) { note(&v.res.Popups, ev.URL) })
	case cdproto.EventBrowserDownloadWillBegin:
		on(v, m, v.downloads)

	case cdproto.EventRuntimeConsoleAPICalled:
		on(v, m, v.console)
	case cdproto.EventRuntimeExceptionThrown:
		on(v, m, func(ev *runtime.EventExceptionThrown) {
			if d := ev.ExceptionDetails; d != nil {
				text := d.Text
				if d.Exception != nil {
					text += " " + d.Exception.Description
				}
				note(&v.res.Console, "exception: "+text)
			}
		})
	case cdproto.EventLogEntryAdded:
		on(v, m, func(ev *log.EventEntryAdded) {
			if ev.Entry != nil && (ev.Entry.Level == log.EntryLevelError || ev.Entry.Level == log.EntryLevelWarning) {
				note(&v.res.Console, string(ev.Entry.Level)+": "+ev.Entry.Text+" "+ev.Entry.URL)
			}
		})
	}
}

// The two events are gone from the newest protocol description, but the
// browsers in use still send them.
const (
	eventFrameScheduledNavigation        = cdproto.MethodType("Page.frameScheduledNavigation")
	eventFrameClearedScheduledNavigation = cdproto.MethodType("Page.frameClearedScheduledNavigation")
)

type scheduledNavigation struct {
	FrameID cdp.FrameID `json:"frameId"`
	Delay   float64     `json:"delay"` // seconds
	Reason  string      `json:"reason"`
	URL     string      `json:"url"`
}

// on decodes an event and hands it on. One that cannot be decoded is a hole in
// the capture, and is listed as one.
func on[E any](v *visit, m *cdproto.Message, do func(*E)) {
	ev := new(E)
	if err := decode(m.Params, ev); err != nil {
		v.rec.miss("event", "", fmt.Sprintf("%s could not be read: %v", m.Method, err))
		return
	}
	do(ev)
}

// note appends to a list that a hostile page may want to be endless.
func note(list *[]string, s string) {
	const most, longest = 100, 500
	s = strings.TrimSpace(s)
	switch {
	case len(*list) > most:
		return
	case len(*list) == most:
		s = fmt.Sprintf("... more than %d", most)
	case len(s) > longest:
		s = strings.ToValidUTF8(s[:longest], "") + "..."
	}
	*list = append(*list, s)
}

func (v *visit) isMain(f cdp.FrameID) bool { return f != "" && string(f) == string(v.pageID) }

func (v *visit) navigated(r page.NavigateResult, err error) {
	v.navDone = true
	if v.arrived != nil {
		v.arrived()
	}
	v.download = v.download || r.IsDownload
	switch {
	case err != nil:
		v.navErr = err.Error()
	case r.ErrorText != "":
		v.navErr = r.ErrorText
	}
}

func (v *visit) detached(ev *target.EventDetachedFromTarget) {
	delete(v.kinds, ev.SessionID)
	for id, s := range v.known {
		if s == ev.SessionID {
			delete(v.known, id)
		}
	}
	if ev.SessionID == v.page.id && v.crashed == "" {
		v.crashed = "the page closed itself"
	}
}

func (v *visit) targetCrashed(s session) {
	if s.id == v.page.id {
		v.crashed = "the page's process crashed"
		return
	}
	v.rec.miss("frame", "", "the process of a frame or worker crashed")
}

func (v *visit) response(s session, ev *network.EventResponseReceived) {
	h := v.rec.responseReceived(s, ev)
	if h == nil {
		return
	}
	if h.isMain {
		v.mime = ev.Response.MimeType
	}
	if ev.Response.SecurityDetails == nil {
		return
	}
	o := originOf(h.ex.URL)
	if _, asked := v.rec.chains[o]; asked || o == "" {
		return
	}
	v.rec.chains[o] = nil
	post(s, network.GetCertificate, network.GetCertificateParams{Origin: o}, func(r network.GetCertificateResult, err error) {
		v.rec.chain(o, r.TableNames, err)
	})
}

func (v *visit) frameNavigated(ev *page.EventFrameNavigated) {
	f := ev.Frame
	if f == nil {
		return
	}
	v.frames[f.ID] = true
	if !v.isMain(f.ID) || f.URL == "about:blank" && !v.asked {
		return
	}
	v.loader = f.LoaderID
	v.redirect = pendingRedirect{}
	v.errPage = f.UnreachableURL != ""
	v.docURL = f.URL + f.URLFragment
	if v.errPage {
		v.docURL = f.UnreachableURL
		return
	}
	v.docs++
	v.mime = f.MimeType
	v.rec.movedOn(f.LoaderID)
}

// maxRefreshDelay is how long a meta refresh may say it waits and still be
// waited for; people have left the page by then.
const maxRefreshDelay = 10 * time.Second

func (v *visit) scheduled(ev *scheduledNavigation) {
	if !v.isMain(ev.FrameID) {
		return
	}
	if u := strings.ToLower(ev.URL); !recordedURL(u) && !strings.HasPrefix(u, "javascript:") && !strings.HasPrefix(u, "about:") {
		if len(v.apps) < 10 {
			note(&v.apps, ev.URL)
		}
		return
	}
	if d := time.Duration(ev.Delay * float64(time.Second)); d <= maxRefreshDelay {
		v.redirect = pendingRedirect{ev.URL, time.Now().Add(d + time.Second)}
	}
}

// dialog answers at once: until then the page's scripts stand still.
func (v *visit) dialog(s session, ev *page.EventJavascriptDialogOpening) {
	if ev.Type == page.DialogTypeBeforeunload {
		post(s, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true}, nil)
	} else {
		post(s, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{}, nil)
	}
	note(&v.res.Dialogs, string(ev.Type)+": "+ev.Message)
}

func (v *visit) downloads(ev *browser.EventDownloadWillBegin) {
	if !v.isMain(ev.FrameID) && !v.frames[ev.FrameID] {
		return
	}
	note(&v.res.Downloads, ev.URL)
	if v.isMain(ev.FrameID) && v.docs == 0 {
		v.download = true
	}
}

func (v *visit) console(ev *runtime.EventConsoleAPICalled) {
	switch ev.Type {
	case runtime.ConsoleAPICalledTypeError, runtime.ConsoleAPICalledTypeWarning, runtime.ConsoleAPICalledTypeAssert:
	default:
		return
	}
	var parts []string
	for _, a := range ev.Args {
		switch {
		case len(a.Value) > 0:
			parts = append(parts, string(a.Value))
		case a.Description != "":
			parts = append(parts, a.Description)
		}
	}
	note(&v.res.Console, string(ev.Type)+": "+strings.Join(parts, " "))
}

// ended says why the page did not get to where it was sent; "" when it did or
// still may.
func (v *visit) ended() (capture.Outcome, string) {
	switch {
	case v.crashed != "":
		return capture.RenderCrash, v.crashed
	case v.download:
		return capture.NotHTML, "the page is a download, which was refused"
	case v.navErr != "" && v.docs == 0:
		if v.navErr == "net::ERR_ABORTED" {
			return capture.Empty, "the server answered without a page (" + v.navErr + ")"
		}
		return outcomeOf(v.navErr), "the page could not be loaded: " + v.navErr
	}
	return "", ""
}
