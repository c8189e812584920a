package bundle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/trawlmark/trawlmark/archive/manifest"
	"github.com/trawlmark/trawlmark/archive/warc"
)

// mainHeads gives, as text, the request and response head of the exchange that
// served the page, as the WARC has them.
func mainHeads(ctx context.Context, src Source, m *manifest.Manifest) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Derived from the WARC of capture %s: the request and the response head of the page.\n\n", m.Capture)
	if m.Main == nil || m.Main.Status == 0 {
		b.WriteString("# No response came.\n")
		return b.Bytes(), nil
	}
	r, err := src(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	in := warc.NewReader(&cancelable{ctx, r})
	main := "<" + m.Main.Exchange.URN() + ">"
	var response []byte
	for {
		rec, err := in.Next()
		if errors.Is(err, io.EOF) && response != nil {
			b.Write(response)
			return b.Bytes(), nil
		}
		if err != nil {
			return nil, fmt.Errorf("the exchange that served the page was not found in the WARC: %w", err)
		}
		// In a redaction either may be a conversion, or a notice that it is withheld.
		message := rec.Type != warc.TypeConversion || strings.HasPrefix(rec.Get("Content-Type"), "application/http")
		switch {
		case rec.Get("WARC-Refers-To") == main && rec.Type == warc.TypeConversion && !message:
			response = []byte("# The response is withheld.\n")
		case rec.ID == m.Main.Exchange || rec.Type == warc.TypeConversion && rec.Get("WARC-Refers-To") == main:
			msg, err := rec.HTTP()
			if err != nil {
				return nil, err
			}
			response = headText(fmt.Sprintf("%s %d %s", msg.Protocol, msg.Status, msg.Reason), msg)
		case response != nil && (rec.Type == warc.TypeRequest || rec.Type == warc.TypeConversion) && rec.Get("WARC-Concurrent-To") == main:
			if !message {
				b.WriteString("# The request is withheld.\n\n")
				b.Write(response)
				return b.Bytes(), nil
			}
			msg, err := rec.HTTP()
			if err != nil {
				return nil, err
			}
			b.Write(headText(fmt.Sprintf("%s %s %s", msg.Method, msg.Target, msg.Protocol), msg))
			b.WriteString("\n")
			b.Write(response)
			return b.Bytes(), nil
		}
	}
}

func headText(line string, m *warc.Message) []byte {
	b := []byte(line + "\n")
	for _, f := range m.Header {
		b = append(b, f.Name+": "+f.Value+"\n"...)
	}
	return b
}
