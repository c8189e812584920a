package render

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// ports is who must be told of them.
type ports struct {
	mu   sync.Mutex
	open map[uint16]bool
	all  int
}

func (p *ports) own(port uint16, open bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all++; open {
		p.open[port] = true
	} else {
		delete(p.open, port)
	}
}

// Contexts that were opened ahead are as fresh as others, their traffic goes to
// the proxy of their capture alone, and their ports are known and closed again.
func TestContextsOpenedAheadAreFreshAndOfOneCapture(t *testing.T) {
	known := &ports{open: map[uint16]bool{}}
	r := newRenderer(t, func(c *Config) { c.OwnPort, c.MaxContexts = known.own, 2 })
	visitor := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Cookie") != "" {
			t.Errorf("%s came with %s", r.URL, r.Header.Get("Cookie"))
		}
		w.Header().Set("Set-Cookie", "seen=1; Max-Age=9999")
		html(`<p>page of `+r.Host+`</p><script>document.title = localStorage.n || 'new'; localStorage.n = 'old'</script>`)(w, r)
	}
	one, two := newWorld(t), newWorld(t)
	one.site("shop.test", http.HandlerFunc(visitor))
	two.site("shop.test", http.HandlerFunc(visitor))
	ahead := 0
	for i := range 6 {
		w := []*world{one, two}[i%2]
		r.ending.Wait()
		r.mu.Lock()
		ahead += len(r.spares)
		r.mu.Unlock()
		asked := len(w.requests())
		res := r.Render(context.Background(), w.ask("http://shop.test/"))
		mustBeFine(t, res)
		if res.Title != "new" {
			t.Errorf("capture %d saw what another left: %q", i, res.Title)
		}
		if got := find(t, res, "http://shop.test/").Remote.String(); got != "192.0.2.7:8080" {
			t.Errorf("capture %d: remote %s is not whom the proxy connected to", i, got)
		}
		if len(w.requests()) == asked {
			t.Errorf("capture %d did not go through its own proxy", i)
		}
	}
	if ahead == 0 {
		t.Error("no context was opened ahead")
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	known.mu.Lock()
	defer known.mu.Unlock()
	if known.all < 4 || len(known.open) != 0 {
		t.Errorf("told of ports %d times, and %d are still open", known.all, len(known.open))
	}
}

// A spare context that dies with its Chrome costs a capture nothing.
func TestKilledChromeTakesItsSparesAlong(t *testing.T) {
	w := newWorld(t)
	w.site("shop.test", html(`<p>page</p>`))
	r := newRenderer(t)
	mustBeFine(t, r.Render(context.Background(), w.ask("http://shop.test/")))
	r.ending.Wait()
	r.mu.Lock()
	killGroup(r.cur.cmd.Process.Pid)
	ch := r.cur
	r.mu.Unlock()
	<-ch.conn.done
	res := r.Render(context.Background(), w.ask("http://shop.test/"))
	if res.Outcome != "" || !strings.Contains(string(res.DOM), "page") {
		t.Errorf("outcome %q %q", res.Outcome, res.Evidence)
	}
	r.ending.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range r.spares {
		if o.ch == ch {
			t.Error("a spare of the dead browser is kept")
		}
	}
}

func TestRelayPassesNothingUntilBoundNorAfterClose(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				b, _ := io.ReadAll(c)
				c.Write([]byte("got " + string(b)))
				c.Close()
			}()
		}
	}()
	re, err := newRelay()
	if err != nil {
		t.Fatal(err)
	}
	say := func() string {
		c, err := net.Dial("tcp", re.addr())
		if err != nil {
			return ""
		}
		defer c.Close()
		io.WriteString(c, "hello")
		c.(*net.TCPConn).CloseWrite()
		b, _ := io.ReadAll(c)
		return string(b)
	}
	if got := say(); got != "" {
		t.Errorf("before it is bound: %q", got)
	}
	re.bind(ln.Addr().String())
	if got := say(); got != "got hello" {
		t.Errorf("bound: %q", got)
	}
	re.close()
	if got := say(); got != "" {
		t.Errorf("after close: %q", got)
	}
}
