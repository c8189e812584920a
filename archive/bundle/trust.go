package bundle

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/seal/stamp"
)

// Trust is what a verifier believes because somebody told it by another way
// than the package.
type Trust struct {
	Keys  []string            // verifier keys of logs
	Roots []*x509.Certificate // of time stamp authorities
	// At is when it is checked: stamps whose certificates ended by then need a
	// renewal. Zero: now. It is in no trust file.
	At time.Time
}

// MaxTrust bounds a trust file, in bytes.
const MaxTrust = 4 << 20

// ErrTrust is returned for a file that is no trust file.
var ErrTrust = errors.New("not a trust file (want lines `log <verifier key>` and PEM certificates, or the JSON form)")

// Marshal gives the text form: openssl takes the file as -CAfile as it is, and
// a shell reads the keys.
func (t Trust) Marshal() []byte {
	var b bytes.Buffer
	b.WriteString("# Trawlmark trust file: the keys of logs, and the roots of time stamp authorities, that evidence is checked against.\n" +
		"# Get it, or compare it, by another way than the package.\n")
	for _, k := range t.Keys {
		b.WriteString("log " + k + "\n")
	}
	for _, c := range t.Roots {
		fmt.Fprintf(&b, "# %s, until %s\n", strings.Map(oneLine, c.Subject.String()), c.NotAfter.UTC().Format("2006-01-02"))
		b.Write(stamp.PEM([]*x509.Certificate{c}))
	}
	return b.Bytes()
}

func oneLine(r rune) rune {
	if r < ' ' || r == 0x7f {
		return ' '
	}
	return r
}

// ParseTrust reads either form. An empty one is an error: with it nothing
// could pass.
func ParseTrust(b []byte) (Trust, error) {
	if len(b) > MaxTrust {
		return Trust{}, fmt.Errorf("%w: it has more than %d bytes", ErrTrust, MaxTrust)
	}
	var t Trust
	var err error
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) {
		t, err = parseJSONTrust(b)
	} else {
		t, err = parseTextTrust(string(b))
	}
	if err != nil {
		return Trust{}, fmt.Errorf("%w: %w", ErrTrust, err)
	}
	if len(t.Keys) == 0 && len(t.Roots) == 0 {
		return Trust{}, fmt.Errorf("%w: there is nothing in it", ErrTrust)
	}
	if _, err := custody.VerifierList(t.Keys...); err != nil {
		return Trust{}, fmt.Errorf("%w: %w", ErrTrust, err)
	}
	return t, nil
}

func parseTextTrust(s string) (Trust, error) {
	var t Trust
	var pem strings.Builder
	for line := range strings.Lines(s) {
		trimmed := strings.TrimSpace(line)
		key, isKey := strings.CutPrefix(trimmed, "log ")
		switch {
		case isKey:
			t.Keys = append(t.Keys, strings.TrimSpace(key))
		case trimmed == "" || strings.HasPrefix(trimmed, "#"):
		default:
			pem.WriteString(line)
		}
	}
	var err error
	if pem.Len() > 0 {
		t.Roots, err = stamp.ParsePEM([]byte(pem.String()))
	}
	return t, err
}

func parseJSONTrust(b []byte) (Trust, error) {
	var j struct {
		Keys  []string `json:"log_keys"`
		Roots []string `json:"tsa_roots"`
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&j); err != nil {
		return Trust{}, err
	}
	if _, err := d.Token(); err != io.EOF {
		return Trust{}, errors.New("something follows it")
	}
	t := Trust{Keys: j.Keys}
	for _, p := range j.Roots {
		certs, err := stamp.ParsePEM([]byte(p))
		if err != nil {
			return Trust{}, err
		}
		t.Roots = append(t.Roots, certs...)
	}
	return t, nil
}

// verifiers makes the set of keys; nil when there are none.
func (t Trust) verifiers() (note.Verifiers, error) {
	if len(t.Keys) == 0 {
		return nil, nil
	}
	return custody.VerifierList(t.Keys...)
}
