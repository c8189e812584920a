package console

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/trawlmark/trawlmark/console/session"
)

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

// accountMark says which account began a session: another password is another
// account. Neither the password nor its hash can be checked against it.
func accountMark(a Account) string {
	sum := sha256.Sum256([]byte("trawlmark session\x00" + a.Name + "\x00" + string(a.Hash)))
	return hex.EncodeToString(sum[:])
}

// sessions is who is signed in. What it keeps are digests of tokens: reading
// that gives no session.
type sessions struct {
	idle, longest time.Duration
	now           func() time.Time
	rand          io.Reader
	kept          Sessions
}

func (s *sessions) begin(ctx context.Context, x session.Session) (token, error) {
	t, err := newToken(s.rand)
	if err != nil {
		return "", err
	}
	now := s.now()
	x.Began, x.Used = now, now
	return t, s.kept.Add(ctx, session.KeyOf(string(t)), x, now.Add(-s.idle), now.Add(-s.longest))
}

// useSteps is into how many steps the time is divided after which a session that
// is not used ends: it is written once in each, not at every request.
const useSteps = 60

// find gives the session of a token and counts it as used.
func (s *sessions) find(ctx context.Context, t token) (session.Session, bool, error) {
	if t == "" {
		return session.Session{}, false, nil
	}
	key := session.KeyOf(string(t))
	x, ok, err := s.kept.Get(ctx, key)
	if err != nil || !ok {
		return session.Session{}, false, err
	}
	now := s.now()
	if now.Sub(x.Used) > s.idle || now.Sub(x.Began) > s.longest {
		return session.Session{}, false, s.kept.End(ctx, key)
	}
	if now.Sub(x.Used) >= s.idle/useSteps {
		err = s.kept.Use(ctx, key, now)
	}
	return x, err == nil, err
}

func (s *sessions) end(ctx context.Context, t token) error {
	return s.kept.End(ctx, session.KeyOf(string(t)))
}
