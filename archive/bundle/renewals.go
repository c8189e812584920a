package bundle

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/seal/stamp"
)

// Renewal is a stamp over a list of old stamps (archive/seal/SPEC.md,
// "Renewal"). One is of many checkpoints, so it is there once for all captures.
type Renewal struct {
	From, To int64 // sizes of the first and the last checkpoint on the list
	List     []byte
	Stamp    Stamp
}

const (
	dirRenewals = "seal/renewals/"
	extList     = ".list"
)

func renewalDir(from, to int64) string { return fmt.Sprintf("%s%020d-%020d/", dirRenewals, from, to) }

func (r Renewal) files() []file {
	dir := renewalDir(r.From, r.To)
	return append(r.Stamp.files(dir), file{name: dir + r.Stamp.Name + extList, src: inMemory(r.List)})
}

// renewalFile reports whether a member is named as a file of a renewal.
func renewalFile(name string) bool {
	var from, to int64
	dir, f := path.Split(name)
	n, err := fmt.Sscanf(dir, dirRenewals+"%d-%d/", &from, &to)
	stem, ext, _ := strings.Cut(f, ".")
	return err == nil && n == 2 && from >= 0 && dir == renewalDir(from, to) && stem != "" &&
		slices.Contains([]string{"list", "tsq", "tsr", "pem", "rev"}, ext)
}

// renewed is a renewal whose stamp holds.
type renewed struct {
	file  string // as lists name it
	lines []stamp.Renewed
	time  stamp.Time
}

// renewals checks the renewals of the package: list and stamp. Of what they
// are is for links to say.
func (v *verification) renewals() {
	for _, m := range v.o.members {
		if !strings.HasPrefix(m.name, dirRenewals) {
			continue
		}
		stem, is := strings.CutSuffix(m.name, extList)
		if !is {
			stem, _, _ = strings.Cut(m.name, ".")
			if _, ok := v.o.find[stem+extList]; !ok {
				v.add(LayerStamps, Fail, capture.ID{}, m.name, "there is no list that it is of")
			}
			continue
		}
		list, _, err := v.o.read(m.name, stamp.MaxRenewalList)
		var lines []stamp.Renewed
		if err == nil {
			lines, err = stamp.ParseRenewalList(list)
		}
		if err == nil && path.Dir(m.name)+"/" != renewalDir(lines[0].Size, lines[len(lines)-1].Size) {
			err = errors.New("its list is not of the sizes that its name says")
		}
		if err != nil {
			v.result(LayerStamps, capture.ID{}, m.name, err, "")
			continue
		}
		if t, good, ok := v.stamped(capture.ID{}, stem, list); ok {
			v.add(LayerStamps, Pass, capture.ID{}, stem+".tsr", fmt.Sprintf("%s; renews the stamps of %d checkpoints", good, len(lines)))
			v.renewed = append(v.renewed, renewed{strings.TrimPrefix(stem, dirRenewals) + ".tsr", lines, t})
		}
	}
}

var errGone = errors.New("it is not in the package")

// links gives the renewals of the stamps of one checkpoint, which are in dir. A
// list that has another hash of them fails; one that is over a stamp that is
// not in the package shows nothing.
func (v *verification) links(id capture.ID, dir string, check []byte) []stamp.Link {
	h, err := readHead(check)
	if err != nil {
		return nil
	}
	var links []stamp.Link
	for _, r := range v.renewed {
		if !slices.ContainsFunc(r.lines, func(l stamp.Renewed) bool { return l.Size == h.size }) {
			continue
		}
		line, err := stamp.RenewalOf(r.lines, h.size, check, func(file string) ([]byte, error) {
			name := dir + file
			if strings.Contains(file, "/") {
				name = dirRenewals + file
			}
			b, ok, err := v.o.read(name, stamp.MaxResponse)
			if err == nil && !ok {
				err = errGone
			}
			return b, err
		})
		switch {
		case err == nil:
			links = append(links, stamp.Link{File: r.file, Time: r.time, Over: line.Over})
		case !errors.Is(err, errGone):
			v.add(LayerStamps, Fail, id, dirRenewals+r.file, err.Error())
		}
	}
	return links
}

// held is a stamp that held at its time.
type held struct {
	stem, good string
	t          stamp.Time
	until      time.Time // renewals counted
}

// worth says of each stamp over a checkpoint what it is worth today, and gives
// those whose time counts. One whose certificates ended counts if it was
// renewed before, and that still holds: else whoever got the key since could
// have made it. It takes nothing from the others.
func (v *verification) worth(id capture.ID, all []held, links []stamp.Link) (count []held) {
	stands := false
	for i, s := range all {
		all[i].until = stamp.Until(map[string]stamp.Time{path.Base(s.stem) + ".tsr": s.t}, links)
		stands = stands || !v.ended(all[i].until)
	}
	for _, s := range all {
		status, note := Pass, s.good
		switch end := day(s.t.NotAfter); {
		case !v.ended(s.t.NotAfter):
			count = append(count, s)
		case !v.ended(s.until):
			note += "; its certificates ended " + end + ", it was renewed before, and that holds until " + day(s.until)
			count = append(count, s)
		case stands:
			note += "; its certificates ended " + end + " and it was not renewed: its time does not count, for another stamp stands"
		case s.until.After(s.t.NotAfter):
			status, note = NotChecked, note+"; its certificates ended "+end+", and those of its renewals "+day(s.until)
		default:
			status, note = NotChecked, note+"; it held then, but its certificates ended "+end+" and no renewal shows that it is from before that"
		}
		v.add(LayerStamps, status, id, s.stem+".tsr", note)
	}
	return count
}

// ended reports whether a chain of certificates is over at the time of checking.
func (v *verification) ended(end time.Time) bool {
	now := v.trust.At
	if now.IsZero() {
		now = time.Now()
	}
	return now.After(end)
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }
