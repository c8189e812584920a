package egress

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"
)

// Whatever arrives, what is passed on is a prefix of it: nothing is added,
// reordered or left out.
func FuzzPassAnswer(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nrest",
		"HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.0 304 x\n\nbody", "\r\nHTTP/1.1 200\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\nabc",
	} {
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, in []byte, get bool) {
		method := "HEAD"
		if get {
			method = "GET"
		}
		r := bufio.NewReaderSize(bytes.NewReader(in), 16)
		var out bytes.Buffer
		for range 10 {
			h, err := readHead(r, 1000)
			if err != nil {
				break
			}
			status, err := h.status()
			if err != nil {
				break
			}
			out.Write(h.raw)
			if h.responseFraming(method, status).pass(&out, r) != nil {
				break
			}
		}
		if !bytes.HasPrefix(in, out.Bytes()) {
			t.Fatalf("%q was passed on as %q", in, out.Bytes())
		}
	})
}

func TestReadHeadIsBounded(t *testing.T) {
	endless := io.MultiReader(strings.NewReader("GET / HTTP/1.1\r\n"), &repeat{"A: b\r\n"})
	if _, err := readHead(bufio.NewReader(endless), 10_000); err != errHeadBig {
		t.Errorf("an endless head gives %v", err)
	}
	if _, err := readHead(bufio.NewReader(&repeat{"x"}), 10_000); err != errHeadBig {
		t.Errorf("an endless line gives %v", err)
	}
	if _, err := readHead(bufio.NewReader(strings.NewReader("")), 10); err != io.EOF {
		t.Errorf("nothing gives %v", err)
	}
	if _, err := readHead(bufio.NewReader(strings.NewReader("GET")), 10); err != io.ErrUnexpectedEOF {
		t.Errorf("half a head gives %v", err)
	}
}

type repeat struct{ s string }

func (r *repeat) Read(b []byte) (int, error) { return copy(b, r.s), nil }
