package seal

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/seal/stamp"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// extList is the list that a renewal is a stamp of.
const extList = "list"

// The errors of renewing.
var (
	// ErrTooLate: the certificates of the newest stamps have ended already.
	ErrTooLate = errors.New("it is too late to renew: the newest chain ended")
	// ErrNoLonger: no authority's certificates last longer than those that are
	// to be renewed.
	ErrNoLonger = errors.New("no time stamp authority has certificates that last longer; add another one to seal.tsas")
)

// The bounds of one Renew.
const (
	lookedAt   = 5000 // stamped checkpoints
	walksASpan = 8    // walks over the whole log in RenewBefore
)

// Renewal is a stamp over a list of old stamps: while its chain holds, these
// are known to be from before theirs ended (archive/seal/SPEC.md, "Renewal").
type Renewal struct {
	Stamp
	From, To int64 // sizes of the first and the last checkpoint on the list
	Name     string
	List     []byte
	Lines    []stamp.Renewed
}

// Key gives the key of one of its files: "list", "tsq", "tsr" or "pem".
func (r Renewal) Key(ext string) string { return vault.RenewalKey(r.From, r.To, r.Name, ext) }

// File is how the lists of later renewals name it.
func (r Renewal) File() string { return strings.TrimPrefix(r.Key(extReply), vault.RenewalsPrefix) }

// walk is how far Renew got.
type walk struct {
	next    int64     // the size to go on behind; meaningful while going
	going   bool      // a walk is under way
	done    time.Time // when the last one ended
	late    int
	renewed map[int64]time.Time
}

// Renewing is what one call of Renew did.
type Renewing struct {
	Kept     []Renewal // one for each authority that was asked
	Stamped  int       // checkpoints that were renewed
	Late     int       // checkpoints whose stamps had ended before anybody renewed them
	More     bool      // call again: there are more
	Until    time.Time // when the first chain ends that was to be renewed
	Overview string    // a sentence; "" when nothing was due

	walked    bool // this call ended a walk over all
	lateInAll int  // of that walk
}

// Renew has stamps whose chains end within Config.RenewBefore, or rest on an
// algorithm of Config.Weak, stamped once more: up to stamp.MaxRenewed
// checkpoints by one stamp of each of Want authorities. Call it every hour or
// so, and again at once while More: where nothing is due it costs one listing.
// Doing it twice is harmless: what is renewed is not due.
//
// ErrNoLonger: it is due, and nobody can; that answer is remembered for a day,
// or until there is another chain, and costs one listing. ErrTooFew: fewer stamps than wanted;
// what came is kept and counts. ErrTooLate: some ended unrenewed.
func (s *Sealer) Renew(ctx context.Context) (Renewing, error) {
	s.renewing.Lock()
	defer s.renewing.Unlock()
	r, err := s.renewDue(ctx)
	if ctx.Err() == nil {
		s.noteRenewing(r, err)
	}
	return r, err
}

func (s *Sealer) renewDue(ctx context.Context) (Renewing, error) {
	var r Renewing
	due, err := s.anyDue(ctx)
	if err != nil || !due {
		return r, err
	}
	if err := s.remembered(); err != nil {
		r.Until = s.stuck.until
		return r, err
	}
	if err := s.begin(ctx); err != nil {
		return r, err
	}
	b, err := s.batch(ctx)
	if err != nil {
		return r, err
	}
	r.Late, r.Until, r.More = b.late, b.until, !b.end
	if len(b.lines) > 0 {
		if r.Kept, err = s.renew(ctx, b); len(r.Kept) == 0 {
			s.walk.going, r.More = false, false // from the start, the next time
			return r, err
		}
		r.Stamped = len(b.lines)
		r.Overview = fmt.Sprintf("the stamps of %d checkpoints (sizes %d to %d) were renewed, the first of them %s before their certificates end",
			r.Stamped, b.lines[0].Size, b.lines[len(b.lines)-1].Size, b.until.Sub(s.cfg.Now()).Round(time.Hour))
		s.cfg.Log.Warn("time stamps were renewed", "checkpoints", r.Stamped, "from", b.lines[0].Size, "to", b.lines[len(b.lines)-1].Size, "ended", b.until)
	}
	s.walk.next = b.last
	s.walk.late += b.late
	if b.end {
		r.walked, r.lateInAll = true, s.walk.late
		s.walk = walk{done: s.cfg.Now()}
	}
	if b.late > 0 {
		err = errors.Join(err, fmt.Errorf("%d checkpoints: %w", b.late, ErrTooLate))
	}
	return r, err
}

// anyDue looks at the chains: they are few.
func (s *Sealer) anyDue(ctx context.Context) (bool, error) {
	now := s.cfg.Now()
	if s.walk.going {
		return true, nil
	}
	if !s.walk.done.IsZero() && now.Sub(s.walk.done) < s.cfg.RenewBefore/walksASpan {
		return false, nil
	}
	chains, err := s.Chains(ctx)
	if err != nil {
		return false, err
	}
	s.chains = chainKeys(chains)
	return slices.ContainsFunc(chains, func(c Chain) bool {
		return c.End.Before(now.Add(s.cfg.RenewBefore)) || s.weakChain(c.Certs)
	}), nil
}

func (s *Sealer) weakChain(certs []*x509.Certificate) bool {
	return slices.ContainsFunc(certs[:max(0, len(certs)-1)], func(c *x509.Certificate) bool {
		return slices.Contains(s.cfg.Weak, c.SignatureAlgorithm.String())
	})
}

// lasting is how long a stamp is to be relied on: not at all when it is weak.
func (s *Sealer) lasting(t stamp.Time) stamp.Time {
	if now := s.cfg.Now(); t.NotAfter.After(now) && (slices.Contains(s.cfg.Weak, t.Signed.String()) || s.weakChain(t.Chain)) {
		t.NotAfter = now
	}
	return t
}

// begin starts a walk: what lasting renewals there are already is known.
func (s *Sealer) begin(ctx context.Context) error {
	if s.walk.going {
		return nil
	}
	w := walk{going: true, next: -1, renewed: map[int64]time.Time{}}
	err := s.eachRenewal(ctx, func(int64, int64) bool { return true }, func(r Renewal) {
		end := s.lasting(r.Time).NotAfter
		if !end.After(s.cfg.Now().Add(s.cfg.RenewBefore)) {
			return
		}
		for _, l := range r.Lines {
			w.renewed[l.Size] = end
		}
	})
	if err == nil {
		s.walk = w
	}
	return err
}

// batch is what one renewal is to be over.
type batch struct {
	lines []stamp.Renewed
	until time.Time // when the first of them ends
	ends  time.Time // and the last: a renewal must last longer
	last  int64     // size that was looked at last
	late  int
	end   bool // there is none behind it
}

// batch goes on from where the walk is.
func (s *Sealer) batch(ctx context.Context) (batch, error) {
	b := batch{last: s.walk.next}
	now := s.cfg.Now()
	for range lookedAt {
		size, found, err := s.next(ctx, b.last)
		if err != nil {
			return b, err
		}
		if !found {
			b.end = true
			return b, nil
		}
		b.last = size
		if !s.walk.renewed[size].IsZero() {
			continue
		}
		line, until, err := s.holding(ctx, size)
		switch {
		case errors.Is(err, ErrNone):
			continue // what does not hold cannot be renewed; it was told to the log
		case err != nil:
			return b, err
		case until.Before(now):
			b.late++
			continue
		case until.After(now.Add(s.cfg.RenewBefore)):
			continue
		}
		b.lines = append(b.lines, line)
		if b.until.IsZero() || until.Before(b.until) {
			b.until = until
		}
		if until.After(b.ends) {
			b.ends = until
		}
		if len(b.lines) == s.perList {
			return b, nil
		}
	}
	return b, nil
}

// renew has a batch stamped. A stamp that does not last longer is not kept: it
// would have to be renewed with the rest.
func (s *Sealer) renew(ctx context.Context, b batch) ([]Renewal, error) {
	list := stamp.RenewalList(b.lines)
	longer := func(ctx context.Context, st Stamp) error {
		if !s.lasting(st.Time).NotAfter.After(b.ends) {
			return ErrNoLonger
		}
		return s.accept(ctx, st)
	}
	want := s.cfg.Client.want()
	stamps, failed := s.cfg.Client.stamp(ctx, list, s.cfg.Client.TSAs, want, longer)
	var kept []Renewal
	for _, st := range stamps {
		r := Renewal{
			Stamp: st, From: b.lines[0].Size, To: b.lines[len(b.lines)-1].Size, Name: stampName(st.TSA, st.Time.At, st.Response),
			List: list, Lines: b.lines,
		}
		err := s.put(ctx, r.Key(extList), "text/plain; charset=utf-8", r.List)
		if err == nil {
			err = s.storeAs(ctx, st, r.Key)
		}
		if err != nil {
			return kept, fmt.Errorf("a renewal by %s could not be kept: %w", st.TSA, err)
		}
		kept = append(kept, r)
	}
	if len(kept) < want {
		err := tooFew(len(kept), want, failed)
		if len(kept) == 0 {
			s.nobodyLasts(b, err, failed)
		}
		return kept, err
	}
	return kept, nil
}

// holding gives the line by which a checkpoint's stamps are to be renewed, its
// renewals so far included, and how long they last.
func (s *Sealer) holding(ctx context.Context, size int64) (stamp.Renewed, time.Time, error) {
	line := stamp.Renewed{Size: size}
	c, err := s.checkpoint(ctx, size)
	if err != nil {
		return line, time.Time{}, err
	}
	good, err := s.stampsOf(ctx, c, first)
	if err != nil {
		return line, time.Time{}, err
	}
	if len(good) == 0 {
		return line, time.Time{}, fmt.Errorf("size %d: %w", size, ErrNone)
	}
	renewals, err := s.renewals(ctx, c)
	if err != nil {
		return line, time.Time{}, err
	}
	stamps := map[string]stamp.Time{}
	var bytes [][]byte
	for _, st := range good {
		file := st.Name + "." + extReply
		stamps[file] = s.lasting(st.Time)
		line.Over, bytes = append(line.Over, file), append(bytes, st.Response)
	}
	var links []stamp.Link
	for _, r := range renewals {
		links = append(links, stamp.Link{File: r.File(), Time: s.lasting(r.Time), Over: r.over(size)})
		line.Over, bytes = append(line.Over, r.File()), append(bytes, r.Response)
	}
	line.Digest = stamp.RenewalDigest(bytes, c.Signed)
	return line, stamp.Until(stamps, links), nil
}

// over gives the files that a renewal is over, of one checkpoint.
func (r Renewal) over(size int64) []string {
	for _, l := range r.Lines {
		if l.Size == size {
			return l.Over
		}
	}
	return nil
}

// Until tells how long the stamps of a checkpoint, renewals included, can be
// believed by their certificates.
func (s *Sealer) Until(ctx context.Context, size int64) (time.Time, error) {
	_, until, err := s.holding(ctx, size)
	return until, err
}

// Renewals gives the renewals of a checkpoint that hold, oldest first: their
// lists name it, with the hash of its stamps. What goes into a package beside
// the stamps, with all files that Lines[...].Over names for this size.
func (s *Sealer) Renewals(ctx context.Context, size int64) ([]Renewal, error) {
	c, err := s.checkpoint(ctx, size)
	if err != nil {
		return nil, err
	}
	return s.renewals(ctx, c)
}

func (s *Sealer) renewals(ctx context.Context, c custody.Checkpoint) ([]Renewal, error) {
	var all []Renewal
	var trouble error
	err := s.eachRenewal(ctx, func(from, to int64) bool { return from <= c.Size && c.Size <= to }, func(r Renewal) {
		if r.over(c.Size) == nil || trouble != nil {
			return
		}
		_, err := stamp.RenewalOf(r.Lines, c.Size, c.Signed, func(file string) ([]byte, error) {
			key := vault.StampsOf(c.Size) + file
			if strings.Contains(file, "/") {
				key = vault.RenewalsPrefix + file
			}
			return s.get(ctx, key, stamp.MaxResponse)
		})
		switch {
		case err == nil:
			all = append(all, r)
		case errors.Is(err, vault.ErrUnavailable) || ctx.Err() != nil:
			trouble = err
		default:
			s.cfg.Log.Error("a stored renewal does not hold", "size", c.Size, "renewal", r.Key(extReply), "err", err)
		}
	})
	slices.SortStableFunc(all, func(a, b Renewal) int {
		return cmp.Or(a.Time.At.Compare(b.Time.At), cmp.Compare(a.Name, b.Name))
	})
	return all, cmp.Or(err, trouble)
}

// eachRenewal calls f for the renewals whose stamp holds and whose sizes are
// wanted. Others are told to the log.
func (s *Sealer) eachRenewal(ctx context.Context, want func(from, to int64) bool, f func(Renewal)) error {
	for info, err := range s.cfg.Vault.List(ctx, vault.RenewalsPrefix, "") {
		if err != nil {
			return err
		}
		r, ok := parseRenewalKey(info.Key)
		if !ok || !want(r.From, r.To) {
			continue
		}
		err := s.loadRenewal(ctx, &r)
		if errors.Is(err, vault.ErrUnavailable) || ctx.Err() != nil {
			return err
		}
		if err != nil {
			s.cfg.Log.Error("a stored renewal does not hold", "renewal", info.Key, "err", err)
			continue
		}
		f(r)
	}
	return nil
}

func (s *Sealer) loadRenewal(ctx context.Context, r *Renewal) (err error) {
	if r.List, err = s.get(ctx, r.Key(extList), stamp.MaxRenewalList); err != nil {
		return err
	}
	if r.Lines, err = stamp.ParseRenewalList(r.List); err != nil {
		return err
	}
	if r.Lines[0].Size != r.From || r.Lines[len(r.Lines)-1].Size != r.To {
		return fmt.Errorf("its list is not of the sizes its name says")
	}
	r.Stamp, err = s.loadOver(ctx, r.Name, r.Key, r.List)
	return err
}

// parseRenewalKey takes the key of a renewal's .tsr apart.
func parseRenewalKey(key string) (r Renewal, ok bool) {
	rest, ok := strings.CutPrefix(key, vault.RenewalsPrefix)
	dir, file, ok2 := strings.Cut(rest, "/")
	from, to, ok3 := strings.Cut(dir, "-")
	name, ok4 := strings.CutSuffix(file, "."+extReply)
	var err1, err2 error
	r.From, err1 = strconv.ParseInt(from, 10, 64)
	r.To, err2 = strconv.ParseInt(to, 10, 64)
	r.Name = name
	return r, ok && ok2 && ok3 && ok4 && err1 == nil && err2 == nil && r.From >= 0 && r.From <= r.To && r.Key(extReply) == key
}
