package bundle

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/manifest"
	"github.com/trawlmark/trawlmark/archive/seal/stamp"
)

// proved checks that a proof leads from an entry to the root of the checkpoint
// in it, and gives that checkpoint, of which nothing is believed yet.
func proved(proof []byte, entry custody.Entry) ([]byte, error) {
	p, err := custody.ParseProof(proof)
	if err != nil {
		return nil, err
	}
	head, err := readHead(p.Checkpoint)
	if err != nil {
		return nil, err
	}
	if p.Index >= head.size {
		return nil, fmt.Errorf("index %d is outside of a log of %d entries", p.Index, head.size)
	}
	if err := tlog.CheckRecord(p.Hashes, head.size, head.root, p.Index, entry.LeafHash()); err != nil {
		return nil, fmt.Errorf("entry %d does not lead to the root of the checkpoint", p.Index)
	}
	return p.Checkpoint, nil
}

// head is what a checkpoint says before anybody believes it.
type head struct {
	origin string
	size   int64
	root   tlog.Hash
}

func readHead(checkpoint []byte) (head, error) {
	bad := errors.New("the checkpoint is not in its form: origin, size, root, an empty line, signatures")
	lines := strings.SplitN(string(checkpoint), "\n", 5)
	if len(checkpoint) > custody.MaxCheckpoint || len(lines) != 5 || lines[3] != "" {
		return head{}, bad
	}
	tree, err := tlog.ParseTree([]byte("go.sum database tree\n" + lines[1] + "\n" + lines[2] + "\n"))
	if err != nil || tree.N < 0 {
		return head{}, bad
	}
	return head{lines[0], tree.N, tree.Hash}, nil
}

// signed checks the signature of a checkpoint, and that all of the package is
// of one log.
func (v *verification) signed(checkpoint []byte) error {
	c, err := custody.ParseCheckpoint(checkpoint, v.known)
	if err != nil {
		return err
	}
	if v.Log == "" {
		v.Log = c.Origin
	}
	if v.Log != c.Origin {
		return fmt.Errorf("it is of the log %s, others in this package are of %s", c.Origin, v.Log)
	}
	return nil
}

// strangers gives a signature in a checkpoint that no trusted key made. Where
// nothing else covers the bytes of a checkpoint, these could be anything.
func (v *verification) strangers(checkpoint []byte) string {
	n, err := note.Open(checkpoint, v.known)
	if err != nil || len(n.UnverifiedSigs) == 0 {
		return ""
	}
	return fmt.Sprintf("%s+%08x", n.UnverifiedSigs[0].Name, n.UnverifiedSigs[0].Hash)
}

// rotations follows the history of the log's keys from those that are trusted
// to those that they handed over to.
func (v *verification) rotations() {
	type step struct{ doc, proof []byte }
	left := map[string]step{}
	for _, m := range v.o.members {
		stem, ok := strings.CutSuffix(m.name, ".json")
		if !ok || !strings.HasPrefix(m.name, dirLog) {
			continue
		}
		doc, _, err1 := v.o.read(m.name, custody.MaxEvent)
		proof, there, err2 := v.o.read(stem+".tlog-proof", maxProof)
		if err := errors.Join(err1, err2, missing(there)); err != nil {
			v.add(LayerCheckpoint, Fail, capture.ID{}, m.name, err.Error())
			continue
		}
		left[m.name] = step{doc, proof}
	}
	keys := append([]string(nil), v.trust.Keys...)
	for moved := true; moved && v.known != nil; {
		moved = false
		for name, s := range left {
			key, err := custody.VerifyRotation(s.doc, s.proof, v.known)
			if err != nil {
				continue
			}
			keys = append(keys, key)
			known, err := custody.VerifierList(keys...)
			if err != nil {
				continue
			}
			v.known, moved = known, true
			delete(left, name)
			v.add(LayerCheckpoint, Pass, capture.ID{}, name, "a trusted key handed over to "+key)
		}
	}
	for name := range left {
		v.add(LayerCheckpoint, NotChecked, capture.ID{}, name, "no trusted key leads to this change of keys")
	}
}

// proof checks the layers log proof and checkpoint signature of a capture, and
// gives the checkpoint; nil when it is of no use.
func (v *verification) proof(id capture.ID, dir string, e custody.Event, known bool) []byte {
	check, ok, err := v.o.read(dir+fileCheck, custody.MaxCheckpoint)
	if err = errors.Join(err, missing(ok)); err != nil {
		v.result(LayerCheckpoint, id, dir+fileCheck, err, "")
		v.add(LayerProof, NotChecked, id, "", "there is no checkpoint that it could lead to")
		return nil
	}
	v.leads(id, dir, e, known, check)
	if v.known == nil {
		v.add(LayerCheckpoint, NotChecked, id, dir+fileCheck, "no log key is trusted")
		return check
	}
	v.result(LayerCheckpoint, id, dir+fileCheck, v.signed(check), "signed by a trusted key of "+v.Log)
	return check
}

func (v *verification) leads(id capture.ID, dir string, e custody.Event, known bool, check []byte) {
	name := dir + fileProof
	proof, ok, err := v.o.read(name, maxProof)
	if err = errors.Join(err, missing(ok)); err != nil {
		v.result(LayerProof, id, name, err, "")
		return
	}
	if !known {
		v.add(LayerProof, NotChecked, id, name, "there is no captured event whose place in the log it could show")
		return
	}
	entry, err := e.Entry()
	if err == nil {
		var in []byte
		if in, err = proved(proof, entry); err == nil && !bytes.Equal(in, check) {
			err = errors.New("it leads to another checkpoint than the one that is stamped")
		}
	}
	v.result(LayerProof, id, name, err, "the captured event leads to the root of the checkpoint")
}

// order: what was known before is not later than what came after.
func (v *verification) order(c *CaptureReport) {
	if !c.NotBefore.IsZero() && !c.NotAfter.IsZero() && c.NotBefore.After(c.NotAfter) {
		v.add(LayerStamps, Fail, c.ID, "", "the stamp that was known before is later than the one after")
	}
}

// before checks the time stamps over a capture's checkpoint.
func (v *verification) before(c *CaptureReport, dir string, check []byte) {
	names := v.stampNames(dir + "stamps/")
	if len(names) == 0 {
		v.add(LayerStamps, NotChecked, c.ID, strings.TrimSuffix(dir, "/"), "no stamp says until when the capture was made")
	}
	var all []held
	for _, stem := range names {
		if t, good, ok := v.stamped(c.ID, stem, check); ok {
			all = append(all, held{stem: stem, good: good, t: t})
		}
	}
	if len(all) == 0 {
		return
	}
	for _, s := range v.worth(c.ID, all, v.links(c.ID, dir+"stamps/", check)) {
		c.StampedBy = append(c.StampedBy, s.t.TSA)
		if c.NotAfter.IsZero() || s.t.Latest().Before(c.NotAfter) {
			c.NotAfter = s.t.Latest()
		}
	}
}

func (v *verification) after(c *CaptureReport, m *manifest.Manifest) {
	name := sealName(c.ID, "after/"+fileCheck)
	check, ok, err := v.o.read(name, custody.MaxCheckpoint)
	names := v.stampNames(sealName(c.ID, "after/"))
	switch {
	case m == nil:
		v.add(LayerStamps, NotChecked, c.ID, name, "there is no manifest that names it")
		return
	case m.After == nil && (ok || len(names) > 0):
		v.add(LayerStamps, Fail, c.ID, name, "the manifest names no checkpoint that was known before")
		return
	case m.After == nil:
		return // it has no lower bound, and claims none
	case !ok || len(names) != 1:
		v.add(LayerStamps, NotChecked, c.ID, name, "the checkpoint and the one stamp that the manifest names as known before are not both there")
		return
	}
	if err == nil && capture.Sum(check) != m.After.Checkpoint {
		err = errors.New("it is not the checkpoint that the manifest names as known before")
	}
	if err == nil && v.known != nil {
		err = v.signed(check)
	}
	if !v.result(LayerStamps, c.ID, name, err, "the checkpoint that was known before") {
		return
	}
	reply, _, _ := v.o.read(names[0]+".tsr", stamp.MaxResponse)
	if capture.Sum(reply) != m.After.Stamp {
		v.add(LayerStamps, Fail, c.ID, names[0]+".tsr", "it is not the stamp that the manifest names as known before")
		return
	}
	t, good, ok := v.stamped(c.ID, names[0], check)
	if !ok {
		return
	}
	status := Pass
	switch {
	case !t.At.Equal(m.After.StampedAt.Time):
		status, good = Fail, "its time is not the one in the manifest"
	case !v.ended(t.NotAfter):
	case !c.NotAfter.IsZero() && c.NotAfter.Before(t.NotAfter):
		good += "; its certificates ended " + day(t.NotAfter) + ", and the manifest that names it was stamped before"
	default:
		status, good = NotChecked, good+"; it held then, but its certificates ended "+day(t.NotAfter)+" and no stamp shows that it is from before that"
	}
	v.add(LayerStamps, status, c.ID, names[0]+".tsr", good)
	if status == Pass {
		c.NotBefore = t.Earliest()
	}
}

// stampNames lists the stamps of a folder, without their endings.
func (v *verification) stampNames(dir string) []string {
	var names []string
	seen := map[string]bool{}
	for _, m := range v.o.members {
		rest, ok := strings.CutPrefix(m.name, dir)
		stem, _, dotted := strings.Cut(rest, ".")
		if ok && dotted && !seen[stem] && !strings.Contains(rest, "/") {
			seen[stem] = true
			names = append(names, dir+stem)
		}
	}
	return names
}

// revocation holds a stamp against what was kept about its certificates: one
// that was revoked is no good. Nothing kept is no failure, and is said.
func (v *verification) revocation(stem string, t stamp.Time) (string, error) {
	b, ok, err := v.o.read(stem+".rev", stamp.MaxRevocation)
	var said stamp.Statements
	if err == nil && ok {
		said, err = stamp.ParseRevocation(b)
	}
	if err != nil {
		return "", err
	}
	r := t.Revocation(said)
	return r.What, r.Err()
}

// stamped checks the three files of one stamp over a message, as things were
// at its time. What is wrong is told; of a good one there is what to say of it.
func (v *verification) stamped(id capture.ID, stem string, message []byte) (t stamp.Time, good string, ok bool) {
	query, ok1, err1 := v.o.read(stem+".tsq", stamp.MaxResponse)
	reply, ok2, err2 := v.o.read(stem+".tsr", stamp.MaxResponse)
	chain, ok3, err3 := v.o.read(stem+".pem", 1<<20)
	err := errors.Join(err1, err2, err3)
	if err == nil && !(ok1 && ok2 && ok3) {
		err = errors.New("one of the three files of the stamp is not there")
	}
	var between []*x509.Certificate
	if err == nil {
		between, err = stamp.ParsePEM(chain)
	}
	var q stamp.Request
	if err == nil {
		q, err = stamp.ParseRequest(query)
	}
	if err != nil {
		return t, "", v.result(LayerStamps, id, stem+".tsr", err, "")
	}
	if len(v.trust.Roots) == 0 {
		v.add(LayerStamps, NotChecked, id, stem+".tsr", "no root of a time stamp authority is trusted")
		return t, "", false
	}
	if message == nil {
		v.add(LayerStamps, NotChecked, id, stem+".tsr", "there is no checkpoint that it could be of")
		return t, "", false
	}
	t, err = q.Verify(reply, stamp.Trust{Roots: v.trust.Roots, Untrusted: between})
	if err == nil && capture.Digest(q.Imprint) != capture.Sum(message) {
		err = stamp.ErrImprint
	}
	if err == nil {
		good = t.At.UTC().Format(time.RFC3339) + " by " + t.TSA
		var said string
		if said, err = v.revocation(stem, t); said != "" {
			good += "; " + said
		}
	}
	if err != nil {
		return t, "", v.result(LayerStamps, id, stem+".tsr", err, "")
	}
	return t, good, true
}
