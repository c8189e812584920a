package markettest

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"html/template"
	"net/http"
	"strconv"
	"time"
)

// serveFault answers for a listing with a fault.
func (m *Market) serveFault(w http.ResponseWriter, r *http.Request, wd *world, l Listing) {
	switch l.Fault {
	case FaultRemoved, FaultGone, FaultSoftRemoved, FaultUnavailable, FaultWrongItem, FaultToHome:
		m.serveGone(w, r, wd, l)
	case FaultChallenge, FaultChallenge404, FaultLoginRedirect, FaultLoginInPlace, FaultConsent, FaultGeo:
		m.serveRefusal(w, r, l)
	case FaultThrottled, FaultBusyDate:
		m.serveThrottled(w, r, wd, l)
	case FaultChain:
		if r.URL.Query().Get("hop") == "5" {
			m.serveListing(w, r, wd, l)
			return
		}
		http.Redirect(w, r, "/hop/"+l.ID+"/1", http.StatusFound)
	case FaultLoop:
		http.Redirect(w, r, "/loop/0", http.StatusFound)
	case FaultPrivate:
		http.Redirect(w, r, m.cfg.PrivateTarget, http.StatusFound)
	case FaultError500:
		m.message(w, r, http.StatusInternalServerError, "Error | Pellamart", "Something went wrong", "Please try again later.", "")
	case FaultEmpty:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Length", "0")
	case FaultPDF, FaultImage, FaultDownload:
		m.serveOtherType(w, r, l)
	case FaultMetaRefresh:
		if r.URL.Query().Get("r") == "1" {
			m.serveListing(w, r, wd, l)
			return
		}
		p := m.site(r, "en")
		p.HeadExtra = template.HTML(`<meta http-equiv="refresh" content="0; url=` + l.Path + `?r=1">`)
		m.html(w, r, http.StatusOK, "bare", p)
	case FaultWrongCharset:
		m.send(w, r, http.StatusOK, "text/html; charset=iso-8859-1", m.listingBytes(m.itemPage(r, wd, l)))
	case FaultSlowFirstByte:
		if m.pause(r, m.cfg.FirstByte) {
			m.serveListing(w, r, wd, l)
		}
	case FaultTrickle, FaultStall, FaultCut, FaultBadChunk, FaultBadGzip, FaultHuge, FaultGzipBomb, FaultEndless:
		m.serveBroken(w, r, l, m.listingBytes(m.itemPage(r, wd, l)))
	default:
		m.serveListingWith(w, r, wd, l)
	}
}

// pause waits, unless the client goes or the market closes; then it is false.
func (m *Market) pause(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
	case <-m.stop.Done():
	}
	return false
}

// serveOtherType answers with something that is no page.
func (m *Market) serveOtherType(w http.ResponseWriter, r *http.Request, l Listing) {
	switch l.Fault {
	case FaultPDF:
		m.send(w, r, http.StatusOK, "application/pdf", []byte("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj 3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"))
	case FaultImage:
		m.picture(w, r, l.Pictures[0])
	default:
		w.Header().Set("Content-Disposition", `attachment; filename="catalogue.zip"`)
		m.send(w, r, http.StatusOK, "application/zip", []byte("PK\x05\x06"+string(make([]byte, 18))))
	}
}

func (m *Market) serveDownload(w http.ResponseWriter, r *http.Request) {
	m.serveOtherType(w, r, Listing{Fault: FaultDownload})
}

// serveBroken sends a page in a way that breaks or does not end.
func (m *Market) serveBroken(w http.ResponseWriter, r *http.Request, l Listing, page []byte) {
	half := page[:len(page)/2]
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	switch l.Fault {
	case FaultTrickle:
		w.Header().Set("Content-Length", strconv.Itoa(len(page)))
		for i := range 40 {
			if !m.pause(r, m.cfg.TrickleGap) || !push(w, page[i*len(page)/40:(i+1)*len(page)/40]) {
				return
			}
		}
	case FaultStall:
		push(w, half)
		select {
		case <-r.Context().Done():
		case <-m.stop.Done():
		}
		// Returning would send the end of the body, and a market that closes
		// would have finished a page that has no end.
		panic(http.ErrAbortHandler)
	case FaultCut:
		// More is promised than comes: net/http then cuts the connection.
		w.Header().Set("Content-Length", strconv.Itoa(len(page)))
		push(w, half)
		panic(http.ErrAbortHandler)
	case FaultBadChunk:
		m.badChunk(w, half)
	case FaultBadGzip:
		z := m.zip(page)
		copy(z[len(z)/2:], bytes.Repeat([]byte{0xff}, len(z)/4))
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Length", strconv.Itoa(len(z)))
		push(w, z)
	case FaultHuge:
		m.huge(w, page, m.cfg.HugeBytes)
	case FaultGzipBomb:
		m.bomb(w, half)
	case FaultEndless:
		push(w, half)
		for i := 0; push(w, fmt.Appendf(nil, "<p>And one more thing, number %d.</p>%s\n", i, pad)); i++ {
			if !m.pause(r, 5*time.Millisecond) {
				panic(http.ErrAbortHandler) // as above: it has no end
			}
		}
	}
}

// pad makes each piece of an endless page 8 KB.
var pad = "<!-- " + string(bytes.Repeat([]byte("."), 8000)) + " -->"

// push writes and flushes; false when the client is gone.
func push(w http.ResponseWriter, b []byte) bool {
	_, err := w.Write(b)
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
	return err == nil
}

func (m *Market) badChunk(w http.ResponseWriter, half []byte) {
	h, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	conn, buf, err := h.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(buf, "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\nNOT-A-SIZE\r\n", len(half), half)
	_ = buf.Flush() // the client may be gone, which is as good
}

// huge sends the page and then comments until size bytes are sent.
func (m *Market) huge(w http.ResponseWriter, page []byte, size int64) {
	size = max(size, int64(len(page)))
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	filler := bytes.Repeat([]byte("<!-- filler filler filler filler filler filler filler filler -->"), 1024)
	if _, err := w.Write(page); err != nil {
		return
	}
	for left := size - int64(len(page)); left > 0; {
		n := min(left, int64(len(filler)))
		if _, err := w.Write(filler[:n]); err != nil {
			return
		}
		left -= n
	}
}

// bomb sends a valid gzip body that grows to Config.BombBytes: a megabyte of
// spaces is compressed once and its block is sent again and again, which is
// right because a block only refers to spaces before it.
func (m *Market) bomb(w http.ResponseWriter, head []byte) {
	const unit = 1 << 20
	spaces := bytes.Repeat([]byte(" "), unit)
	var out bytes.Buffer
	fw, _ := flate.NewWriter(&out, flate.BestCompression) // the level is a valid one
	block := func(b []byte) []byte {
		out.Reset()
		_, _ = fw.Write(b)
		_ = fw.Flush()
		return bytes.Clone(out.Bytes())
	}
	first, lead, again := block(head), block(spaces), block(spaces)
	w.Header().Set("Content-Encoding", "gzip")
	sum, size := crc32.ChecksumIEEE(head), int64(len(head))
	if !push(w, append([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255}, first...)) {
		return
	}
	for i := int64(0); i < max(1, m.cfg.BombBytes/unit); i++ {
		b := again
		if i == 0 {
			b = lead
		}
		if _, err := w.Write(b); err != nil || m.stop.Err() != nil {
			return
		}
		sum, size = crc32.Update(sum, crc32.IEEETable, spaces), size+unit
	}
	end := []byte{1, 0, 0, 0xff, 0xff} // an empty last block, stored
	end = binary.LittleEndian.AppendUint32(end, sum)
	push(w, binary.LittleEndian.AppendUint32(end, uint32(size)))
}
