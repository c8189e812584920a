package bundle

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/seal/demotsa"
	"github.com/trawlmark/trawlmark/archive/seal/stamp"
)

// tsaOf is the authority of a stamp.
func (w *world) tsaOf(s Stamp) *demotsa.TSA {
	name, _, _ := strings.Cut(s.Name, "-")
	return w.tsas[name+".invalid"]
}

// list is what an authority says of its certificates now, as a CRL.
func (w *world) list(tsa *demotsa.TSA) stamp.Statements {
	w.t.Helper()
	der, err := tsa.RevocationList()
	if err != nil {
		w.t.Fatal(err)
	}
	l, err := x509.ParseRevocationList(der)
	if err != nil {
		w.t.Fatal(err)
	}
	return stamp.Statements{CRLs: []*x509.RevocationList{l}}
}

// answer is the same as an OCSP response about the signer of a stamp.
func (w *world) answer(tsa *demotsa.TSA, s Stamp) stamp.Statements {
	w.t.Helper()
	chain, err := stamp.ParsePEM(s.Chain)
	if err != nil || len(chain) < 2 {
		w.t.Fatalf("%d certificates, %v", len(chain), err)
	}
	q, err := stamp.OCSPRequest(chain[0], chain[1])
	if err != nil {
		w.t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	tsa.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/ocsp", bytes.NewReader(q)))
	if rec.Code != http.StatusOK {
		w.t.Fatalf("the authority answered %d: %s", rec.Code, rec.Body)
	}
	return stamp.Statements{OCSP: [][]byte{rec.Body.Bytes()}}
}

// What was kept about revoked certificates is judged alike by the program and
// by the script, which has openssl only.
func TestTheScriptJudgesRevocationAsTheProgramDoes(t *testing.T) {
	t.Parallel()
	sh, path := bareShell(t)
	const none, compromised, superseded, unspecified = -1, 1, 4, 0
	cases := []struct {
		name                string
		list, answer, other bool
		reason              int           // none: not revoked
		after               time.Duration // the stamp
		status              Status
		note                string
	}{
		{"nothing kept", false, false, false, none, 0, Pass, "no revocation data kept"},
		{"a list", true, false, false, none, 0, Pass, "not revoked as of 2026-03-14T16:"},
		{"an answer", false, true, false, none, 0, Pass, "not revoked as of 2026-03-14T16:"},
		{"both", true, true, false, none, 0, Pass, "not revoked as of 2026-03-14T16:"},
		{"another's list", true, false, true, none, 0, Pass, ""},
		{"a list, revoked before", true, false, false, superseded, -time.Hour, Fail, "revoked on 2026-03-14T14:"},
		{"an answer, revoked before", false, true, false, superseded, -time.Hour, Fail, "revoked on 2026-03-14T14:"},
		{"a list, compromised later", true, false, false, compromised, 30 * time.Minute, Fail, "revoked on 2026-03-14T15:"},
		{"an answer, compromised later", false, true, false, compromised, 30 * time.Minute, Fail, "revoked on 2026-03-14T15:"},
		{"a list, superseded later", true, false, false, superseded, 30 * time.Minute, Pass, "not revoked as of 2026-03-14T16:"},
		{"an answer, superseded later", false, true, false, superseded, 30 * time.Minute, Pass, "not revoked as of 2026-03-14T16:"},
		{"an answer without a reason", false, true, false, unspecified, 30 * time.Minute, Fail, "no reason given"},
	}
	w := newWorld(t)
	in := w.input(len(cases) / 2)
	w.now = w.now.Add(time.Hour)
	stem := func(i int) (*Stamp, string) {
		c := in.Captures[i/2]
		s := &c.Stamps[i%2]
		return s, sealName(c.ID, "stamps/"+s.Name)
	}
	for i, c := range cases {
		s, _ := stem(i)
		tsa := w.tsaOf(*s)
		if c.other {
			beside, _ := stem(i ^ 1)
			tsa = w.tsaOf(*beside)
		}
		if c.reason != none {
			at := w.now.Add(-time.Hour - time.Duration(len(cases)/2-i/2)*time.Minute) // of the stamp, nearly
			tsa.Revoke(at.Add(c.after).Truncate(time.Second), c.reason)
		}
		var all stamp.Statements
		if c.list {
			all.CRLs = w.list(tsa).CRLs
		}
		if c.answer {
			all.OCSP = w.answer(tsa, *s).OCSP
		}
		if !all.Empty() {
			s.Revocation = all.PEM()
		}
	}
	b, _ := w.write(in)
	r := verifyBytes(t, b, w.trust())
	out, code := runScript(t, sh, path, unpack(t, b), trustFile(t, w.trust()))
	if code != 6 || strings.Contains(out, "not found") || strings.Contains(out, "rror") {
		t.Fatalf("the script: exit %d\n%s", code, out)
	}
	line := func(text, prefix string) string {
		for l := range strings.Lines(text) {
			if strings.HasPrefix(l, prefix) {
				return l
			}
		}
		return ""
	}
	for i, c := range cases {
		_, name := stem(i)
		if l := line(notes(r), string(c.status)+" "+name+".tsr"); l == "" || !strings.Contains(l, c.note) {
			t.Errorf("%s: the program: %q\n%s", c.name, l, notes(r))
		}
		if l := line(out, fmt.Sprintf("%-11s  %-20s  %s.tsr", c.status, LayerStamps, name)); l == "" || !strings.Contains(l, c.note) {
			t.Errorf("%s: the script: %q\n%s", c.name, l, out)
		}
		if unjudged := line(out, "NOT-JUDGED   time stamps           "+name+".rev"); c.other != (unjudged != "") {
			t.Errorf("%s: what is not judged: %q", c.name, unjudged)
		}
	}
}
