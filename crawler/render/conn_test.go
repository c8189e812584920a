package render

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// fakeChrome is a pipe whose other end the test is.
type fakeChrome struct {
	say *io.PipeWriter // what Chrome says, each message ended by a zero byte
	got chan []byte
}

type toChan struct{ got chan []byte }

func (c toChan) Write(b []byte) (int, error) { c.got <- bytes.Clone(b); return len(b), nil }
func (c toChan) Close() error                { return nil }

func newFakeChrome(t *testing.T) (*fakeChrome, *conn) {
	r, w := io.Pipe()
	f := &fakeChrome{say: w, got: make(chan []byte, 100)}
	c := newConn(chromedp.NewPipeConn(r, toChan{f.got}), slog.New(slog.DiscardHandler))
	t.Cleanup(func() { c.lose(errors.New("test ended")) })
	return f, c
}

func (f *fakeChrome) send(t *testing.T, msgs ...string) {
	t.Helper()
	for _, m := range msgs {
		if _, err := io.WriteString(f.say, m+"\x00"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestConnGoesOnAfterWhatItCannotRead(t *testing.T) {
	f, c := newFakeChrome(t)
	go func() {
		<-f.got
		f.send(t, `{"id":1,`, `not json`, `{"method":"Target.attachedToTarget","params":{"sessionId":7}}`,
			`{"method":"Target.detachedFromTarget","params":[]}`, `{"id":99,"result":{}}`, `{"id":1,"result":{"product":"X/1"}}`)
	}()
	v, err := call(context.Background(), session{c: c}, browser.GetVersion, cdp.Empty{})
	if err != nil || v.Product != "X/1" {
		t.Fatalf("%+v, %v", v, err)
	}
	if n := c.undecodable.Load(); n != 4 {
		t.Errorf("%d messages counted as unreadable, want 4", n)
	}
}

func TestConnEndsCallsOfWhatIsGone(t *testing.T) {
	f, c := newFakeChrome(t)
	in := newInbox(0)
	c.own("ctx", in)
	f.send(t, `{"method":"Target.attachedToTarget","params":{"sessionId":"s","targetInfo":{"targetId":"t","type":"page","title":"","url":"","attached":true,"canAccessOpener":false,"browserContextId":"ctx"},"waitingForDebugger":true}}`)
	go func() {
		<-f.got
		f.send(t, `{"method":"Target.detachedFromTarget","params":{"sessionId":"s"}}`)
	}()
	if _, err := call(context.Background(), session{c: c, id: "s"}, browser.GetVersion, cdp.Empty{}); !errors.Is(err, errDetached) {
		t.Errorf("after a detach: %v", err)
	}
	if items := in.take(); len(items) != 2 {
		t.Errorf("the owner got %d items, want the attach and the detach", len(items))
	}
	go func() {
		<-f.got
		f.say.Close()
	}()
	if _, err := call(context.Background(), session{c: c}, browser.GetVersion, cdp.Empty{}); !errors.Is(err, errConnLost) {
		t.Errorf("after the loss: %v", err)
	}
	if _, err := call(context.Background(), session{c: c}, browser.GetVersion, cdp.Empty{}); !errors.Is(err, errConnLost) {
		t.Errorf("long after the loss: %v", err)
	}
}

func TestConnResumesWhatBelongsToNobody(t *testing.T) {
	f, _ := newFakeChrome(t)
	f.send(t, `{"method":"Target.attachedToTarget","params":{"sessionId":"s","targetInfo":{"targetId":"t","type":"page","title":"","url":"","attached":true,"canAccessOpener":false,"browserContextId":"other"},"waitingForDebugger":true}}`)
	if got := string(<-f.got); !strings.Contains(got, "Runtime.runIfWaitingForDebugger") || !strings.Contains(got, `"s"`) {
		t.Errorf("sent %s", got)
	}
}

func TestUnreadableEventsAreListed(t *testing.T) {
	v := &visit{rec: newRecorder(Request{}, nil), ch: &chrome{}}
	v.handle(&cdproto.Message{Method: cdproto.EventNetworkResponseReceived, SessionID: target.SessionID("s"), Params: []byte(`{"requestId":{}}`)})
	if len(v.rec.misses) != 1 || !strings.Contains(v.rec.misses[0].Reason, "Network.responseReceived") {
		t.Errorf("missing %+v", v.rec.misses)
	}
}

func TestInboxDropsOnlyWhatNobodyKeeps(t *testing.T) {
	q := newInbox(100)
	big := bytes.Repeat([]byte("x"), 200)
	for range 3 {
		q.put(item{msg: &cdproto.Message{Method: cdproto.EventRuntimeConsoleAPICalled, Params: big}})
		q.put(item{msg: &cdproto.Message{Method: cdproto.EventNetworkRequestWillBeSent, Params: big}})
	}
	if got := len(q.take()); got != 4 || q.lost() != 2 {
		t.Errorf("kept %d, dropped %d; want 4 and 2", got, q.lost())
	}
	q.put(item{msg: &cdproto.Message{Method: cdproto.EventRuntimeConsoleAPICalled, Params: big}})
	if len(q.take()) != 1 {
		t.Error("an emptied inbox takes nothing")
	}
}

func TestNotesAreBounded(t *testing.T) {
	var list []string
	for range 1000 {
		note(&list, strings.Repeat("€", 1000))
	}
	if len(list) != 101 || len(list[0]) > 510 || !strings.HasPrefix(list[100], "... more") {
		t.Errorf("%d notes, the first of %d bytes, the last %q", len(list), len(list[0]), list[len(list)-1])
	}
}

func TestNetworkErrorsHaveOutcomes(t *testing.T) {
	for text, want := range map[string]capture.Outcome{
		"net::ERR_NAME_NOT_RESOLVED":        capture.DNSFailed,
		"net::ERR_CERT_AUTHORITY_INVALID":   capture.TLSFailed,
		"net::ERR_SSL_PROTOCOL_ERROR":       capture.TLSFailed,
		"net::ERR_TIMED_OUT":                capture.Timeout,
		"net::ERR_TUNNEL_CONNECTION_FAILED": capture.ConnectFailed,
		"net::ERR_PROXY_CONNECTION_FAILED":  capture.ConnectFailed,
		"net::ERR_UNSAFE_REDIRECT":          capture.BlockedAddr,
		"net::ERR_SOMETHING_NEW":            capture.ConnectFailed,
	} {
		if got := outcomeOf(text); got != want || !got.Valid() {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestHeaderOf(t *testing.T) {
	got := headerOf(map[string]any{":authority": "shop.test", ":path": "/", "b": "1\n2", "a": "x", "Proxy-Authorization": "secret"})
	want := capture.Header{{Name: "Host", Value: "shop.test"}, {Name: "a", Value: "x"}, {Name: "b", Value: "1"}, {Name: "b", Value: "2"}}
	if len(got) != len(want) {
		t.Fatalf("%v", got)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

func TestLanguages(t *testing.T) {
	for in, want := range map[string]string{"": "", "de-DE,de;q=0.9, en ;q=0.1": "de-DE,de,en", " , ;q=1": ""} {
		if got := languages(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
