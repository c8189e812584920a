package custody

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// ErrKeyFile is returned for a key file that cannot be used.
var ErrKeyFile = errors.New("not a usable key file of the custody log")

const keyFileHead = "# Private keys of a Trawlmark custody log. The first signs, the second co-signs after a rotation.\n"

// Keys are the private keys of a log: a text file of mode 0600 with one or two
// signed-note keys ("PRIVATE+KEY+<origin>+<id>+<base64>"), a line each. They
// print as <secret>.
type Keys struct {
	skeys []string // current first
}

// NewKeys makes a fresh key for a log. rand is crypto/rand.Reader in
// production.
func NewKeys(origin string, rand io.Reader) (Keys, error) {
	if !validOrigin(origin) {
		return Keys{}, fmt.Errorf("origin: %q cannot name a log", origin)
	}
	skey, _, err := note.GenerateKey(rand, origin)
	if err != nil {
		return Keys{}, fmt.Errorf("make a key for the log: %w", err)
	}
	return Keys{[]string{skey}}, nil
}

// Rotate gives keys where a fresh key signs and the current one co-signs.
// While an older one still co-signs, Retire it first.
func (k Keys) Rotate(rand io.Reader) (Keys, error) {
	if len(k.skeys) != 1 {
		return Keys{}, fmt.Errorf("%w: there are %d keys in it; a rotation begins with one", ErrKeyFile, len(k.skeys))
	}
	fresh, err := NewKeys(k.Origin(), rand)
	if err != nil {
		return Keys{}, err
	}
	return Keys{append(fresh.skeys, k.skeys[0])}, nil
}

// Retire gives keys without the old one.
func (k Keys) Retire() Keys { return Keys{k.skeys[:min(len(k.skeys), 1)]} }

// Origin is the name of the log.
func (k Keys) Origin() string {
	if len(k.skeys) == 0 {
		return ""
	}
	return strings.Split(k.skeys[0], "+")[2]
}

// Signer gives what Config wants: the current key, and those that co-sign.
func (k Keys) Signer() (current note.Signer, co []note.Signer, err error) {
	for i, s := range k.skeys {
		signer, err := note.NewSigner(s)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: key %d is damaged", ErrKeyFile, i+1)
		}
		if i == 0 {
			current = signer
		} else {
			co = append(co, signer)
		}
	}
	if current == nil {
		return nil, nil, fmt.Errorf("%w: it is empty", ErrKeyFile)
	}
	return current, co, nil
}

// Public gives the verifier keys ("<origin>+<id>+<base64>"), current first:
// what goes into a trust file.
func (k Keys) Public() ([]string, error) {
	var all []string
	for i, s := range k.skeys {
		// The base64 may hold plus signs itself: only the first four separate.
		parts := strings.SplitN(s, "+", 5)
		raw, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
		if err != nil || len(raw) != 1+ed25519.SeedSize {
			return nil, fmt.Errorf("%w: key %d is damaged", ErrKeyFile, i+1)
		}
		pub := ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey)
		vkey, err := note.NewEd25519VerifierKey(k.Origin(), pub)
		if err != nil {
			return nil, err
		}
		all = append(all, vkey)
	}
	return all, nil
}

// String, GoString and LogValue keep keys out of logs.
func (k Keys) String() string       { return "<secret>" }
func (k Keys) GoString() string     { return "custody.Keys{<secret>}" }
func (k Keys) LogValue() slog.Value { return slog.StringValue("<secret>") }

// VerifierList makes verifiers of verifier keys, of this and earlier times.
func VerifierList(vkeys ...string) (note.Verifiers, error) {
	var list []note.Verifier
	for _, s := range vkeys {
		v, err := note.NewVerifier(strings.TrimSpace(s))
		if err != nil {
			return nil, fmt.Errorf("%q is no public key of a log (want <origin>+<id>+<base64>)", clip([]byte(s)))
		}
		list = append(list, v)
	}
	return note.VerifierList(list...), nil
}

// ParseKeys reads a key file. It accepts exactly what Save writes.
func ParseKeys(b []byte) (Keys, error) {
	var k Keys
	s := bufio.NewScanner(bytes.NewReader(b))
	for s.Scan() {
		if line := s.Text(); !strings.HasPrefix(line, "#") {
			if strings.Count(line, "+") < 4 {
				return Keys{}, fmt.Errorf("%w: a line is no private key", ErrKeyFile)
			}
			k.skeys = append(k.skeys, line)
		}
	}
	signer, co, err := k.Signer()
	if err != nil {
		return Keys{}, err
	}
	if len(co) > 1 || len(co) == 1 && (co[0].Name() != signer.Name() || co[0].KeyHash() == signer.KeyHash()) {
		return Keys{}, fmt.Errorf("%w: want one key, or two different ones of one name", ErrKeyFile)
	}
	if !bytes.Equal(k.marshal(), b) {
		return Keys{}, fmt.Errorf("%w: it is not in the form we write", ErrKeyFile)
	}
	return k, nil
}

func (k Keys) marshal() []byte {
	return []byte(keyFileHead + strings.Join(k.skeys, "\n") + "\n")
}

// LoadKeys reads a key file, and refuses one that others may read.
func LoadKeys(path string) (Keys, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return Keys{}, err
	}
	if fi.Mode().Perm()&0o077 != 0 {
		return Keys{}, fmt.Errorf("%s: %w: others may read it (mode %04o); chmod 600 it, and rotate the key if anybody did", path, ErrKeyFile, fi.Mode().Perm())
	}
	if fi.Size() > 64<<10 {
		return Keys{}, fmt.Errorf("%s: %w: it is too large", path, ErrKeyFile)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return Keys{}, err
	}
	k, err := ParseKeys(b)
	if err != nil {
		return Keys{}, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

// Create writes the key file with mode 0600; it fails with fs.ErrExist rather
// than replace a key.
func (k Keys) Create(path string) error {
	return k.write(path, func(tmp string) error { return os.Link(tmp, path) })
}

// Replace writes the key file over an older one, whole or not at all.
func (k Keys) Replace(path string) error {
	return k.write(path, func(tmp string) error { return os.Rename(tmp, path) })
}

func (k Keys) write(path string, place func(tmp string) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".log-key-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(k.marshal())
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the key file %s: %w", path, err)
	}
	return place(f.Name())
}
