package egress_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"github.com/trawlmark/trawlmark/crawler/egress"
)

func startProxy(t *testing.T, cfg egress.Config) (*egress.Session, string) {
	t.Helper()
	s := newSession(t, cfg)
	addr, err := s.Proxy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s, addr
}

func throughProxy(addr string, roots *x509.CertPool) *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy:              http.ProxyURL(&url.URL{Scheme: "http", Host: addr}),
		TLSClientConfig:    &tls.Config{RootCAs: roots},
		DisableCompression: true,
	}}
}

// say opens a connection to the proxy, writes text and gives a reader of what
// comes back.
func say(t *testing.T, proxy, text string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", proxy)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(2 * time.Minute))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

func TestProxyPassesHTTPAndHTTPS(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name := range r.Header {
			if strings.HasPrefix(name, "Proxy-") || name == "Via" || name == "X-Forwarded-For" {
				t.Errorf("the site saw %s", name)
			}
		}
		if !strings.HasPrefix(r.RequestURI, "/") {
			t.Errorf("the site was asked for %q", r.RequestURI)
		}
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %d", r.Method, r.Host, r.RequestURI, len(body))
	})
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer secure.Close()
	s, proxy := startProxy(t, egress.Config{Allow: outside})
	pool := x509.NewCertPool()
	pool.AddCert(secure.Certificate())
	client := throughProxy(proxy, pool)
	defer client.CloseIdleConnections()
	for _, base := range []string{plain.URL, secure.URL} {
		host := base[strings.Index(base, "//")+2:]
		for range 3 { // the connection is used again
			resp, err := client.Post(base+"/a%20b?q=%2F#f", "text/plain", strings.NewReader(strings.Repeat("x", 70_000)))
			if err != nil {
				t.Fatal(err)
			}
			got, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if want := "POST " + host + " /a%20b?q=%2F 70000"; string(got) != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	}
	if n := len(s.Connections()); n != 2 {
		t.Errorf("%d connections for two sites: %+v", n, s.Connections())
	}
	if r := s.Refusals(); len(r) != 0 {
		t.Errorf("refusals: %+v", r)
	}
	if again, err := s.Proxy(t.Context()); again != proxy || err != nil {
		t.Errorf("a second Proxy call gave %q, %v", again, err)
	}
}

func TestProxyPassesWebSockets(t *testing.T) {
	echo := websocket.Handler(func(c *websocket.Conn) { io.Copy(c, c) })
	plain, secure := httptest.NewServer(echo), httptest.NewTLSServer(echo)
	defer plain.Close()
	defer secure.Close()
	_, proxy := startProxy(t, egress.Config{Allow: outside})

	chat := func(name, host string, rw net.Conn) {
		cfg, err := websocket.NewConfig("ws://"+host+"/", "http://"+host+"/")
		if err != nil {
			t.Fatal(err)
		}
		ws, err := websocket.NewClient(cfg, rw)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		var got string
		for _, msg := range []string{"hello", "again"} {
			if err := websocket.Message.Send(ws, msg); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := websocket.Message.Receive(ws, &got); err != nil || got != msg {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
		ws.Close()
	}
	// As Chrome does it: a tunnel for ws too.
	host := plain.Listener.Addr().String()
	c, r := say(t, proxy, "CONNECT "+host+" HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
	mustTunnel(t, r)
	chat("ws by CONNECT", host, c)
	// As others do it: an Upgrade of an absolute-URI request.
	c, _ = say(t, proxy, "")
	chat("ws by Upgrade", host, &absoluteForm{Conn: c, host: host})
	// wss.
	host = secure.Listener.Addr().String()
	c, r = say(t, proxy, "CONNECT "+host+" HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
	mustTunnel(t, r)
	chat("wss", host, tls.Client(c, &tls.Config{InsecureSkipVerify: true}))
}

func mustTunnel(t *testing.T, r *bufio.Reader) {
	t.Helper()
	resp, err := http.ReadResponse(r, &http.Request{Method: "CONNECT"})
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("CONNECT: %v, %v", resp, err)
	}
}

// absoluteForm rewrites the first request line into the form for proxies.
type absoluteForm struct {
	net.Conn
	host string
	done bool
}

func (a *absoluteForm) Write(b []byte) (int, error) {
	if a.done {
		return a.Conn.Write(b)
	}
	a.done = true
	_, err := io.WriteString(a.Conn, strings.Replace(string(b), "GET /", "GET http://"+a.host+"/", 1))
	return len(b), err
}

func TestProxyRefusesTheInside(t *testing.T) {
	in := listenInside(t)
	port := fmt.Sprint(in.addr.Port())
	dns := table("inside.example", "127.0.0.2", "shop.example", "127.0.0.1")
	var requests []string
	for _, host := range []string{
		"127.0.0.2", "2130706434", "0x7f000002", "0177.0.0.2", "127.2", "[::ffff:127.0.0.2]", "[::ffff:7f00:2]", "inside.example",
		"INSIDE.EXAMPLE.", "shop.example@127.0.0.2", "user:pass@127.0.0.2", "127.0.0.2%2f", "１２７.０.０.２", "169.254.169.254", "[::]",
	} {
		target := host + ":" + port
		requests = append(requests,
			"CONNECT "+target+" HTTP/1.1\r\nHost: "+target+"\r\n\r\n",
			"GET http://"+target+"/ HTTP/1.1\r\nHost: "+target+"\r\n\r\n",
			"GET http://"+target+"/ HTTP/1.1\r\nHost: "+target+"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
	}
	requests = append(requests,
		// the Host field must not choose the way
		"GET http://shop.example/ HTTP/1.1\r\nHost: 127.0.0.2:"+port+"\r\n\r\n",
		"GET http://127.0.0.2:"+port+"/ HTTP/1.1\r\nHost: shop.example\r\n\r\n",
		"GET https://127.0.0.2:"+port+"/ HTTP/1.1\r\nHost: 127.0.0.2\r\n\r\n",
		"GET ftp://127.0.0.2:"+port+"/ HTTP/1.1\r\nHost: 127.0.0.2\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: 127.0.0.2:"+port+"\r\n\r\n",
		"CONNECT 127.0.0.1:25 HTTP/1.1\r\nHost: 127.0.0.1:25\r\n\r\n",
		"CONNECT /etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
	)
	for _, req := range requests {
		s, proxy := startProxy(t, egress.Config{Allow: outside, Resolver: dns})
		_, r := say(t, proxy, req)
		answer, _ := io.ReadAll(r)
		line, _, _ := strings.Cut(string(answer), "\r\n")
		if strings.HasPrefix(req, "GET http:") && line != "" {
			t.Errorf("%q: a site's answer was made up: %q", req, answer)
		}
		if strings.HasPrefix(req, "CONNECT") && line != "HTTP/1.1 403 Forbidden" {
			t.Errorf("%q: answered %q", req, answer)
		}
		if n := len(s.Refusals()); n != 1 {
			t.Errorf("%q: %d refusals recorded, want 1", req, n)
		}
		for _, ref := range s.Refusals() {
			if strings.Contains(ref.Target, "pass@") {
				t.Errorf("a password was recorded: %q", ref.Target)
			}
		}
		s.Close()
	}
	in.mustBeUntouched(t)
}

// rawServer answers each connection's requests with the given bytes, one answer
// for each request head it reads.
func rawServer(t *testing.T, answers ...string) (addr string, heads func() []string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var seen []string
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				r := bufio.NewReader(c)
				for _, a := range answers {
					var head strings.Builder
					for {
						line, err := r.ReadString('\n')
						if err != nil {
							return
						}
						head.WriteString(line)
						if line == "\r\n" {
							break
						}
					}
					mu.Lock()
					seen = append(seen, head.String())
					mu.Unlock()
					io.WriteString(c, a)
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String(), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), seen...)
	}
}

func TestProxyPassesAnswersByteForByte(t *testing.T) {
	for name, answers := range map[string][]string{
		"odd case and order": {"HTTP/1.1 200 Fine, thanks\r\nx-LOWER: 1\r\nA: 2\r\na: 3\r\nX-Fold: a\r\n b\r\nContent-Length: 3\r\n\r\nabc"},
		"no date is added":   {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		"bare newlines":      {"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi"},
		"chunked":            {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n0\r\nTrailer: x\r\n\r\n"},
		"interim":            {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 404 Gone Fishing\r\nContent-Length: 1\r\n\r\nx"},
		"three in a row": {
			"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1", "HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		},
		"until close":       {"HTTP/1.1 200 OK\r\n\r\nno length"},
		"old":               {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi"},
		"two lengths":       {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 4\r\n\r\nabcd"},
		"length and chunks": {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		"cut chunk":         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc"},
		"cut length":        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"},
	} {
		t.Run(name, func(t *testing.T) {
			site, heads := rawServer(t, answers...)
			_, proxy := startProxy(t, egress.Config{Allow: outside})
			one := "GET http://" + site + "/x HTTP/1.1\r\nHost: " + site + "\r\nx-Odd: Case\r\nProxy-Connection: keep-alive\r\n\r\n"
			c, r := say(t, proxy, strings.Repeat(one, len(answers)))
			c.(*net.TCPConn).CloseWrite()
			got, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.Join(answers, ""); string(got) != want {
				t.Errorf("got\n%q\nwant\n%q", got, want)
			}
			for _, h := range heads() {
				if want := "GET /x HTTP/1.1\r\nHost: " + site + "\r\nx-Odd: Case\r\n\r\n"; h != want {
					t.Errorf("the site was sent\n%q\nwant\n%q", h, want)
				}
			}
		})
	}
}

func TestProxyWaitsForContinue(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body) // sends 100 Continue
		w.Write(b)
	}))
	defer srv.Close()
	_, proxy := startProxy(t, egress.Config{Allow: outside})
	host := srv.Listener.Addr().String()
	c, r := say(t, proxy, "POST http://"+host+"/ HTTP/1.1\r\nHost: "+host+"\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	line, err := r.ReadString('\n')
	if err != nil || !strings.Contains(line, "100") {
		t.Fatalf("got %q, %v", line, err)
	}
	r.ReadString('\n')
	io.WriteString(c, "hello")
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(resp.Body); string(b) != "hello" {
		t.Errorf("got %q", b)
	}
}

func TestProxyDoesNotWaitForAnUnwantedBody(t *testing.T) {
	site, _ := rawServer(t, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
	_, proxy := startProxy(t, egress.Config{Allow: outside})
	_, r := say(t, proxy, "POST http://"+site+"/ HTTP/1.1\r\nHost: "+site+"\r\nContent-Length: 1000000\r\n\r\nonly this")
	b, err := io.ReadAll(r)
	if !strings.HasSuffix(string(b), "no") || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%q, %v", b, err)
	}
}

func TestProxyNotesWhyThereIsNoAnswer(t *testing.T) {
	for answer, want := range map[string]string{
		"SSH-2.0-x\r\n\r\n": "not an HTTP message", "": "without an answer", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab": "in the middle",
		"HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", 300<<10): "larger than the limit",
	} {
		site, _ := rawServer(t, answer)
		s, proxy := startProxy(t, egress.Config{Allow: outside})
		_, r := say(t, proxy, "GET http://"+site+"/ HTTP/1.1\r\nHost: "+site+"\r\n\r\n")
		io.ReadAll(r)
		s.Close()
		if c := s.Connections(); len(c) != 1 || c[0].Failure == nil || !strings.Contains(c[0].Failure.Text, want) {
			t.Errorf("%.20q: %+v, want %q", answer, c[0].Failure, want)
		}
	}
}

func TestProxiesAreNotReachableFromPages(t *testing.T) {
	s, proxy := startProxy(t, egress.Config{Allow: outside})
	_, r := say(t, proxy, "CONNECT "+proxy+" HTTP/1.1\r\nHost: x\r\n\r\n")
	if b, _ := io.ReadAll(r); !strings.HasPrefix(string(b), "HTTP/1.1 403") {
		t.Errorf("answered %q", b)
	}
	if refs := s.Refusals(); len(refs) != 1 || refs[0].Reason != "the crawler's own proxy" {
		t.Errorf("refusals %+v", refs)
	}
	// What else of the crawler listens is as out of reach, while it does.
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	at := srv.Listener.Addr().(*net.TCPAddr).AddrPort()
	for _, own := range []bool{true, false} {
		s.Guard().OwnPort(at.Port(), own)
		c, err := s.DialContext(t.Context(), "tcp", at.String())
		if refused := errors.Is(err, egress.ErrRefused); refused != own {
			t.Errorf("own %v: %v", own, err)
		}
		if err == nil {
			c.Close()
		}
	}
}

func TestProxyRefusesRequestsWithoutClearEnd(t *testing.T) {
	for _, fields := range []string{
		"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 1\r\nContent-Length: 2\r\n",
		"Content-Length: -1\r\n", "Transfer-Encoding: gzip, chunked\r\n", "Content-Length: 99999999999999999999\r\n",
	} {
		site, heads := rawServer(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		s, proxy := startProxy(t, egress.Config{Allow: outside})
		_, r := say(t, proxy, "POST http://"+site+"/ HTTP/1.1\r\nHost: "+site+"\r\n"+fields+"\r\nx")
		if b, _ := io.ReadAll(r); len(b) != 0 || len(heads()) != 0 || len(s.Refusals()) != 1 {
			t.Errorf("%q: answer %q, sent %q, refusals %v", fields, b, heads(), s.Refusals())
		}
	}
}

func TestProxyEndsIdleTunnels(t *testing.T) {
	site, _ := rawServer(t, "", "")
	s, proxy := startProxy(t, egress.Config{Allow: outside, IdleTimeout: 100 * time.Millisecond})
	_, r := say(t, proxy, "CONNECT "+site+" HTTP/1.1\r\nHost: "+site+"\r\n\r\n")
	mustTunnel(t, r)
	if _, err := r.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("an idle tunnel gave %v, want its end", err)
	}
	if c := s.Connections(); len(c) != 1 {
		t.Errorf("connections: %+v", c)
	}
}

func TestProxyLimitsTunnels(t *testing.T) {
	site, _ := rawServer(t, "", "")
	s, proxy := startProxy(t, egress.Config{Allow: outside, MaxTunnels: 2, DialTimeout: 3 * time.Second})
	ask := "CONNECT " + site + " HTTP/1.1\r\nHost: " + site + "\r\n\r\n"
	first, r := say(t, proxy, ask)
	mustTunnel(t, r)
	_, r = say(t, proxy, ask)
	mustTunnel(t, r)
	_, r = say(t, proxy, ask)
	if b, _ := io.ReadAll(r); !strings.HasPrefix(string(b), "HTTP/1.1 504") {
		t.Errorf("a third tunnel was answered %q", b)
	}
	if c := s.Cuts(); len(c) != 1 || c[0].What != "connection" || c[0].URL != site {
		t.Errorf("cuts: %+v", c)
	}
	first.Close() // makes room
	for deadline := time.Now().Add(2 * time.Minute); ; {
		_, r = say(t, proxy, ask)
		if b, err := r.ReadString('\n'); err == nil && strings.Contains(b, "200") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a closed tunnel made no room")
		}
	}
}

func TestProxyEndsWithItsSession(t *testing.T) {
	site, _ := rawServer(t, "", "")
	s, proxy := startProxy(t, egress.Config{Allow: outside})
	_, r := say(t, proxy, "CONNECT "+site+" HTTP/1.1\r\nHost: "+site+"\r\n\r\n")
	mustTunnel(t, r)
	_, idle := say(t, proxy, "") // a preconnected socket
	_, half := say(t, proxy, "GET http://"+site+"/ HTT")
	_, waiting := say(t, proxy, "GET http://"+site+"/ HTTP/1.1\r\nHost: "+site+"\r\n\r\n")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*bufio.Reader{"tunnel": r, "idle": idle, "half": half, "waiting": waiting} {
		if _, err := r.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v, want the end", name, err)
		}
	}
	if c, err := net.Dial("tcp", proxy); err == nil {
		c.Close()
		t.Error("the proxy still listens")
	}
	for _, c := range s.Connections() {
		if c.Closed.IsZero() {
			t.Errorf("still open: %+v", c)
		}
	}
}

func TestProxySurvivesNonsense(t *testing.T) {
	_, proxy := startProxy(t, egress.Config{Allow: outside})
	for _, text := range []string{
		"\r\n\r\n\r\n\r\n\r\n\r\n", "\x16\x03\x01\x02\x00\x01\r\n\r\n", "GET\r\n\r\n", "GET  http://a/ HTTP/1.1\r\n\r\n",
		"GET http://a/ HTTP/2.0\r\n\r\n", "GET " + strings.Repeat("a", 300<<10),
	} {
		c, err := net.Dial("tcp", proxy)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(2 * time.Minute))
		go io.WriteString(c, text)
		b, err := io.ReadAll(c)
		if len(b) > 0 && !strings.HasPrefix(string(b), "HTTP/1.1 400") || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%.40q: %q, %v", text, b, err)
		}
		c.Close()
	}
}
