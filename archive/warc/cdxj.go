package warc

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// cdx is the JSON of a line. Numbers are strings, because that is what warcio
// and pywb write and what all readers take.
type cdx struct {
	URL          string `json:"url"`
	MIME         string `json:"mime,omitempty"`
	Status       string `json:"status,omitempty"`
	Digest       string `json:"digest,omitempty"`
	Length       string `json:"length"`
	Offset       string `json:"offset"`
	Filename     string `json:"filename"`
	RecordDigest string `json:"recordDigest"`
	Method       string `json:"method,omitempty"`
	RequestBody  string `json:"requestBody,omitempty"`
}

// WriteCDXJ writes the lookup index of a WARC file for a WACZ (CDXJ): lines of
// "SURT yyyymmddhhmmss {json}", sorted bytewise. filename is that of the WARC
// inside the package, without its folder. The records in it are those that
// warcio indexes: not warcinfo, requests and application/warc-fields.
func WriteCDXJ(w io.Writer, index *Index, filename string) error {
	var lines []string
	for _, e := range index.Records {
		if !indexed(e) {
			continue
		}
		line, err := cdxLine(e, filename)
		if err != nil {
			return err
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	_, err := io.WriteString(w, strings.Join(lines, ""))
	return err
}

func indexed(e Entry) bool {
	switch e.Type {
	case TypeWarcinfo, TypeRequest:
		return false
	case TypeMetadata, TypeResource:
		return e.ContentType != "application/warc-fields"
	}
	return true
}

func cdxLine(e Entry, filename string) (string, error) {
	j := cdx{
		URL: e.Target, MIME: e.MediaType, Filename: filename, RecordDigest: e.Record.Labelled(),
		Length: strconv.FormatInt(e.Length, 10), Offset: strconv.FormatInt(e.Offset, 10),
	}
	key := e.Target
	switch e.Type {
	case TypeRevisit:
		j.MIME = "warc/revisit"
		fallthrough
	case TypeResponse:
		j.Status = strconv.Itoa(e.Status)
		j.Method, j.RequestBody = e.Method, e.RequestBody
		if e.Method != "" {
			key = postURL(e.Target, e.Method, e.RequestBody)
		}
	}
	if e.Payload != (capture.Digest{}) {
		j.Digest = e.Payload.Labelled()
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(j); err != nil {
		return "", err
	}
	return surt(key) + " " + e.Date.UTC().Format("20060102150405") + " " + b.String(), nil
}
