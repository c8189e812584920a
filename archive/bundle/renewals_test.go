package bundle

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/seal/stamp"
)

// sizes are those of the checkpoints that the captures' seals rest on.
func (w *world) sizes(in Input) []int64 {
	var all []int64
	add := func(proof []byte) {
		p, err := custody.ParseProof(proof)
		if err != nil {
			return // the test wants it so
		}
		if h, err := readHead(p.Checkpoint); err == nil {
			all = append(all, h.size)
		}
	}
	for _, c := range in.Captures {
		add(c.Proof)
		if c.Original != nil {
			add(c.Original.Event.Proof)
		}
	}
	return all
}

// renewals of all stamps in a package.
func (w *world) renewals(in Input) []Renewal {
	w.t.Helper()
	var all []Renewal
	seen := map[string]bool{}
	for _, size := range w.sizes(in) {
		rs, err := w.sealer.Renewals(w.t.Context(), size)
		if err != nil {
			continue // of a checkpoint that a test made up
		}
		for _, r := range rs {
			if seen[r.File()] {
				continue
			}
			seen[r.File()] = true
			all = append(all, Renewal{From: r.From, To: r.To, List: r.List, Stamp: Stamp{
				Name: r.Name, Query: w.read(r.Key("tsq")), Response: w.read(r.Key("tsr")), Chain: w.read(r.Key("pem")),
			}})
		}
	}
	return all
}

// ends is when the first of the stamps of a package ends, renewals counted.
func (w *world) ends(in Input) time.Time {
	w.t.Helper()
	var first time.Time
	for _, size := range w.sizes(in) {
		end, err := w.sealer.Until(w.t.Context(), size)
		if err != nil {
			w.t.Fatal(err)
		}
		if first.IsZero() || end.Before(first) {
			first = end
		}
	}
	return first
}

// renew goes to just before the stamps end and has them renewed by authorities
// with new certificates, and then to just after.
func (w *world) renew(in Input) {
	w.t.Helper()
	end := w.ends(in)
	w.now = end.Add(-time.Hour)
	w.certify()
	for more := true; more; {
		r, err := w.sealer.Renew(w.t.Context())
		if err != nil || r.Late != 0 {
			w.t.Fatalf("%+v, %v", r, err)
		}
		more = r.More
	}
	w.now = end.Add(24 * time.Hour)
}

func notes(r *Report) string {
	var all []string
	for _, c := range r.Checks {
		if c.Layer == LayerStamps {
			all = append(all, string(c.Status)+" "+c.File+": "+c.Note)
		}
	}
	return strings.Join(all, "\n")
}

// What was sealed passes after its certificates ended if it was renewed before,
// for generations; without that nobody is told that it would.
func TestRenewedStampsPassAfterTheirCertificatesEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := w.input(2)
	b, _ := w.write(in)
	trust := w.trust()
	fresh := verifyBytes(t, b, trust)
	if fresh.Status() != Pass || strings.Contains(notes(fresh), "ended") {
		t.Fatalf("%s\n%s", fresh.Status(), notes(fresh))
	}
	end := w.ends(in)
	trust.At = end
	if r := verifyBytes(t, b, trust); r.Status() != Pass {
		t.Errorf("in the last second: %s\n%s", r.Status(), notes(r))
	}
	trust.At = end.AddDate(0, 1, 0)
	r := verifyBytes(t, b, trust)
	if r.Status() != NotChecked || r.Layer(LayerStamps) != NotChecked || !strings.Contains(notes(r), "no renewal shows that it is from before that") {
		t.Errorf("ended: %s\n%s", r.Status(), notes(r))
	}
	for _, l := range Layers() {
		if l != LayerStamps && r.Layer(l) != Pass {
			t.Errorf("ended: %s is %s", l, r.Layer(l))
		}
	}
	for _, c := range r.Captures {
		if !c.NotAfter.IsZero() || !c.NotBefore.IsZero() || c.StampedBy != nil {
			t.Errorf("times of stamps that ended: %+v", c)
		}
	}
	var first []Renewal
	for generation := range 2 {
		w.renew(in)
		b, _ := w.write(in)
		if first == nil {
			first = w.renewals(in)
		}
		r := verifyBytes(t, b, w.trust())
		if r.Status() != Pass || !strings.Contains(notes(r), "it was renewed before, and that holds until") ||
			!strings.Contains(notes(r), "and the manifest that names it was stamped before") {
			t.Fatalf("generation %d: %s %+v\n%s", generation, r.Status(), r.Failed(), notes(r))
		}
		for i, c := range r.Captures {
			was := fresh.Captures[i]
			if !c.NotAfter.Equal(was.NotAfter) || !c.NotBefore.Equal(was.NotBefore) || len(c.StampedBy) != 2 {
				t.Errorf("generation %d: %+v, was %+v", generation, c, was)
			}
		}
	}
	// A chain of which the newer half is not there is known to have ended.
	in.Renewals = first
	b, _ = w.write(in)
	if r := verifyBytes(t, b, w.trust()); r.Status() != NotChecked || !strings.Contains(notes(r), "and those of its renewals") {
		t.Errorf("the first generation only: %s\n%s", r.Status(), notes(r))
	}
	// Renewals of other stamps help nobody.
	in.Renewals = []Renewal{}
	b, _ = w.write(in)
	if r := verifyBytes(t, b, w.trust()); r.Status() != NotChecked || r.Layer(LayerStamps) != NotChecked {
		t.Errorf("no renewals: %s\n%s", r.Status(), notes(r))
	}
}

// A renewal that is wrong fails, whoever wrote the package.
func TestWrongRenewalsFail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := w.input(1)
	w.renew(in)
	good := w.renewals(in)
	stranger := newWorld(t)
	theirs := stranger.input(1)
	stranger.renew(theirs)
	for name, spoil := range map[string]func(r *Renewal){
		"another list": func(r *Renewal) {
			lines, err := stamp.ParseRenewalList(r.List)
			if err != nil {
				t.Fatal(err)
			}
			lines[0].Digest[0] ^= 1
			r.List = stamp.RenewalList(lines)
		},
		"no list":              func(r *Renewal) { r.List = []byte("x") },
		"sizes of another":     func(r *Renewal) { r.To++ },
		"a stamp of another":   func(r *Renewal) { r.Stamp.Response = good[1].Stamp.Response },
		"a stranger's renewal": func(r *Renewal) { *r = stranger.renewals(theirs)[0] },
	} {
		rs := append([]Renewal(nil), good...)
		spoil(&rs[0])
		in.Renewals = rs
		b, _ := w.write(in)
		if r := verifyBytes(t, b, w.trust()); r.Layer(LayerStamps) != Fail {
			t.Errorf("%s: %s\n%s", name, r.Status(), notes(r))
		}
	}
	// Signed by those who are trusted, over a list that is of other bytes.
	lines, err := stamp.ParseRenewalList(good[0].List)
	if err != nil {
		t.Fatal(err)
	}
	for i := range lines {
		lines[i].Digest[0] ^= 1
	}
	in.Renewals = []Renewal{w.stamped(good[0], stamp.RenewalList(lines))}
	b, _ := w.write(in)
	if r := verifyBytes(t, b, w.trust()); r.Layer(LayerStamps) != Fail || !strings.Contains(notes(r), "is of other bytes") {
		t.Errorf("of other bytes: %s\n%s", r.Status(), notes(r))
	}
}

// The script says the same, by the clock of the machine.
func TestTheScriptFollowsRenewals(t *testing.T) {
	t.Parallel()
	sh, path := bareShell(t)
	w := newWorldAt(t, time.Now().AddDate(-21, 0, 0).UTC().Truncate(time.Second))
	w.archive(w.visit(9))
	w.seal() // so that the next visit has a stamp that it names as known
	in := w.input(1)
	for range 2 { // stamps of before 21 years end 11 years ago, their renewals one year ago
		w.renew(in)
	}
	all := w.renewals(in)
	sums := map[string]int{}
	for name, c := range map[string]struct {
		renewals []Renewal
		code     int
		says     string
	}{
		"all":                  {all, 0, "PASS         time stamps           seal/" + in.Captures[0].ID.String()},
		"the first generation": {all[:2], 7, "NOT-CHECKED  time stamps"},
	} {
		in.Renewals = c.renewals
		b, _ := w.write(in)
		out, code := runScript(t, sh, path, unpack(t, b), trustFile(t, w.trust()))
		if code != c.code || !strings.Contains(out, c.says) || strings.Contains(out, "not found") || strings.Contains(out, "FAIL") {
			t.Errorf("%s: exit %d, want %d\n%s", name, code, c.code, out)
		}
		if as := strings.Contains(out, "\nthis is what verify/expected.txt has\n"); as != (c.code == 0) {
			t.Errorf("%s: as expected: %v\n%s", name, as, out)
		}
		sums[name] = strings.Count(out, "it was renewed before, and that holds") + 10*strings.Count(out, "was stamped before")
	}
	if sums["all"] != 12 || sums["the first generation"] != 0 {
		t.Errorf("what is told: %v", sums)
	}
	// A list that somebody with a new stamp made of other bytes.
	lines, err := stamp.ParseRenewalList(all[0].List)
	if err != nil {
		t.Fatal(err)
	}
	for i := range lines {
		lines[i].Digest[0] ^= 1
	}
	in.Renewals = append([]Renewal{w.stamped(all[0], stamp.RenewalList(lines))}, all[1:]...)
	b, _ := w.write(in)
	if out, code := runScript(t, sh, path, unpack(t, b), trustFile(t, w.trust())); code != 6 || !strings.Contains(out, "is of other bytes") {
		t.Errorf("of other bytes: exit %d\n%s", code, out)
	}
}

// stamped is a renewal over another list, by who is trusted.
func (w *world) stamped(r Renewal, list []byte) Renewal {
	w.t.Helper()
	got, err := w.client.Stamp(w.t.Context(), list)
	if err != nil {
		w.t.Fatal(err)
	}
	return Renewal{From: r.From, To: r.To, List: list, Stamp: Stamp{
		Name: r.Stamp.Name, Query: got[0].Query, Response: got[0].Response, Chain: stamp.PEM(got[0].Time.Chain),
	}}
}

// One stamp that ended beside one that stands takes nothing from it, and its
// own time does not count.
func TestAStampThatEndedBesideOneThatStands(t *testing.T) {
	t.Parallel()
	year := func(n int) time.Time { return time.Date(2000+n, 1, 1, 0, 0, 0, 0, time.UTC) }
	at := func(made, ends int) stamp.Time { return stamp.Time{At: year(made), NotAfter: year(ends)} }
	a, b := held{stem: "x/stamps/a", t: at(0, 10)}, held{stem: "x/stamps/b", t: at(0, 14)}
	for name, c := range map[string]struct {
		now    int
		links  []stamp.Link
		status Status
		count  int
	}{
		"both":                       {9, nil, Pass, 2},
		"one ended":                  {12, nil, Pass, 1},
		"both ended":                 {15, nil, NotChecked, 0},
		"renewed":                    {15, []stamp.Link{{File: "r", Time: at(9, 20), Over: []string{"a.tsr", "b.tsr"}}}, Pass, 2},
		"renewed when one had ended": {15, []stamp.Link{{File: "r", Time: at(12, 20), Over: []string{"a.tsr", "b.tsr"}}}, Pass, 1},
		"renewed too late":           {16, []stamp.Link{{File: "r", Time: at(15, 20), Over: []string{"a.tsr", "b.tsr"}}}, NotChecked, 0},
		"the renewal ended":          {21, []stamp.Link{{File: "r", Time: at(9, 20), Over: []string{"a.tsr", "b.tsr"}}}, NotChecked, 0},
	} {
		v := &verification{Report: &Report{}, trust: Trust{At: year(c.now).Add(time.Hour)}}
		if got := v.worth(capture.ID{}, []held{a, b}, c.links); len(got) != c.count || v.Layer(LayerStamps) != c.status {
			t.Errorf("%s: %d count, %s\n%s", name, len(got), v.Layer(LayerStamps), notes(v.Report))
		}
	}
}

// README and exhibits tell people of renewals and of what was kept about
// revoked certificates, and do not tell of what is not there.
func TestThePagesTellWhatTheTimeRestsOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := w.input(1)
	exhibit := exhibitName(in.Captures[0].ID, ".html")
	tells := func(what string, in Input, readme, page []string, not ...string) {
		t.Helper()
		b, _ := w.write(in)
		all := readAll(t, b)
		for _, x := range readme {
			if !bytes.Contains(all[nameReadme], []byte(x)) {
				t.Errorf("%s: the README does not say %q", what, x)
			}
		}
		for _, x := range page {
			if !bytes.Contains(all[exhibit], []byte(x)) {
				t.Errorf("%s: the exhibit does not say %q", what, x)
			}
		}
		for _, x := range not {
			if bytes.Contains(all[nameReadme], []byte(x)) || bytes.Contains(all[exhibit], []byte(x)) {
				t.Errorf("%s: %q is said", what, x)
			}
		}
	}
	end := w.ends(in).UTC()
	tells("fresh", in, []string{"There are 2 time stamps", "Not renewed.", "checked until <strong>" + end.Format("2 January 2006"), "For none of the stamps anything was kept", "1 proof(s) in <code>seal/log/</code>", "verify/expected.txt"},
		[]string{"nothing was kept about revoked certificates", "not renewed", "its certificates end " + end.Format("2 January 2006")}, "seal/renewals/", "files <code>.rev</code>")
	in.Captures[0].Stamps[0].Revocation = w.list(w.tsaOf(in.Captures[0].Stamps[0])).PEM()
	tells("one list", in, []string{"For 1 of the 2 stamps", "For the others nothing was kept", "files <code>.rev</code>"}, []string{in.Captures[0].Stamps[0].Name + ".rev", "nothing was kept"})
	w.renew(in)
	tells("renewed", in, []string{"<strong>Renewed.</strong> 2 of them", "by 2 later stamp(s)", "<code>seal/renewals/</code>: later time stamps"}, []string{"<br>renewed 20", ", which lasts until "}, "Not renewed", "not renewed", end.Format("2 January 2006")+"</strong>")
	in.Captures[0].Stamps, in.Renewals = nil, []Renewal{}
	tells("no stamps", in, []string{"None. No independent authority says"}, []string{"not stamped"})
}
