package console

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"sync"
	"time"
)

// maxSessions bounds the memory of sessions; the one used longest ago goes.
const maxSessions = 10_000

// token is 256 random bits, the secret that a browser has.
type token string

// String implements fmt.Stringer: a token never prints.
func (token) String() string { return "<secret>" }

func newToken(rand io.Reader) (token, error) {
	var b [32]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return "", fmt.Errorf("no random bytes for a session: %w", err)
	}
	return token(base64.RawURLEncoding.EncodeToString(b[:])), nil
}

type session struct {
	person Person
	hash   hash // the account's when it began: another one ends the session
	local  bool // by the sign-in link: there is no account
	began  time.Time
	used   time.Time
}

// sessions is who is signed in. It knows only digests of tokens: reading its
// memory gives no session.
type sessions struct {
	idle, longest time.Duration
	now           func() time.Time
	rand          io.Reader

	mu  sync.Mutex
	all map[[32]byte]*session
}

func (s *sessions) begin(x session) (token, error) {
	t, err := newToken(s.rand)
	if err != nil {
		return "", err
	}
	x.began, x.used = s.now(), s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[[32]byte]*session{}
	}
	if len(s.all) >= maxSessions {
		s.evict()
	}
	s.all[sha256.Sum256([]byte(t))] = &x
	return t, nil
}

// evict drops what has expired, else the session used longest ago.
func (s *sessions) evict() {
	var oldest [32]byte
	var at time.Time
	for k, x := range s.all {
		if s.over(x) {
			delete(s.all, k)
			continue
		}
		if at.IsZero() || x.used.Before(at) {
			oldest, at = k, x.used
		}
	}
	if len(s.all) >= maxSessions {
		delete(s.all, oldest)
	}
}

func (s *sessions) over(x *session) bool {
	now := s.now()
	return now.Sub(x.used) > s.idle || now.Sub(x.began) > s.longest
}

// find gives the session of a token and counts it as used.
func (s *sessions) find(t token) (session, bool) {
	if t == "" {
		return session{}, false
	}
	key := sha256.Sum256([]byte(t))
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.all[key]
	if !ok {
		return session{}, false
	}
	if s.over(x) {
		delete(s.all, key)
		return session{}, false
	}
	x.used = s.now()
	return *x, true
}

func (s *sessions) end(t token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, sha256.Sum256([]byte(t)))
}
