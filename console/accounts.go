package console

import (
	"bytes"
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// The errors of accounts.
var (
	// ErrSignIn says nothing of whether the name or the password was wrong.
	ErrSignIn = errors.New("the name or the password is wrong")
	// ErrAccountExists: there is an account of this name.
	ErrAccountExists = errors.New("there is an account of this name already")
	// ErrNoAccount: there is none.
	ErrNoAccount = errors.New("there is no account of this name")
)

// Account is one person who may sign in with a password.
type Account struct {
	Name    string    `json:"name"`
	Role    Role      `json:"role"`
	Created time.Time `json:"created"`
	// Hash is the password's, in the PHC string form of argon2id (RFC 9106).
	Hash hash `json:"argon2id"`
}

// hash does not print: it is not the password, but a guess can be checked
// against it.
type hash string

// String implements fmt.Stringer.
func (hash) String() string { return "<secret>" }

// GoString implements fmt.GoStringer.
func (hash) GoString() string { return "<secret>" }

// cost of one argon2id hash.
type cost struct {
	memory uint32 // KiB
	time   uint32
	lanes  uint8
}

// RFC 9106 section 4, second recommended option, with one lane: a sign-in
// takes about a tenth of a second and 64 MiB.
var defaultCost = cost{memory: 64 << 10, time: 3, lanes: 1}

// The most that a hash in the file may cost us.
const (
	maxMemory = 1 << 20 // KiB
	maxTime   = 16
	maxLanes  = 16
)

// Accounts is the file of local accounts: JSON, one account a line, readable
// by its owner alone. A change is seen by a running console at once. Safe for
// concurrent use; two commands that change it at the same instant are not
// kept apart.
type Accounts struct {
	path string
	rand io.Reader
	now  func() time.Time
	cost cost
	// busy bounds how many hashes are computed at once, and so their memory.
	busy  chan struct{}
	dummy func() hash // what an unknown name is checked against

	mu     sync.Mutex
	seen   time.Time
	size   int64
	cached []Account
}

// OpenAccounts reads accounts from a file, which need not be there yet.
func OpenAccounts(path string, rand io.Reader, now func() time.Time) *Accounts {
	a := &Accounts{path: path, rand: rand, now: now, cost: defaultCost, busy: make(chan struct{}, 2)}
	a.dummy = sync.OnceValue(func() hash { h, _ := a.hash("not a password"); return h })
	return a
}

// List gives the accounts by name.
func (a *Accounts) List() ([]Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fi, err := os.Stat(a.path)
	if errors.Is(err, fs.ErrNotExist) {
		a.cached, a.seen, a.size = nil, time.Time{}, 0
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the accounts cannot be read: %w", err)
	}
	if fi.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("the accounts in %s can be read by others: chmod 600 it", a.path)
	}
	if fi.ModTime().Equal(a.seen) && fi.Size() == a.size {
		return slices.Clone(a.cached), nil
	}
	b, err := os.ReadFile(a.path)
	if err != nil {
		return nil, fmt.Errorf("the accounts cannot be read: %w", err)
	}
	all, err := parseAccounts(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.path, err)
	}
	a.cached, a.seen, a.size = all, fi.ModTime(), fi.Size()
	return slices.Clone(all), nil
}

func parseAccounts(b []byte) ([]Account, error) {
	var all []Account
	for i, line := range bytes.Split(b, []byte("\n")) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var x Account
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&x); err != nil {
			return nil, fmt.Errorf("line %d is no account: %w", i+1, err)
		}
		if _, err := ParseRole(string(x.Role)); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		if err := checkName(x.Name); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		if slices.ContainsFunc(all, func(y Account) bool { return y.Name == x.Name }) {
			return nil, fmt.Errorf("line %d: %q is there twice", i+1, x.Name)
		}
		all = append(all, x)
	}
	return all, nil
}

// Get gives one account.
func (a *Accounts) Get(name string) (Account, error) {
	all, err := a.List()
	if err != nil {
		return Account{}, err
	}
	if i := slices.IndexFunc(all, func(x Account) bool { return x.Name == name }); i >= 0 {
		return all[i], nil
	}
	return Account{}, fmt.Errorf("%q: %w", name, ErrNoAccount)
}

// Add makes an account.
func (a *Accounts) Add(name string, role Role, password string) error {
	if err := errors.Join(checkName(name), checkPassword(password)); err != nil {
		return err
	}
	if _, err := ParseRole(string(role)); err != nil {
		return err
	}
	h, err := a.hash(password)
	if err != nil {
		return err
	}
	return a.change(func(all []Account) ([]Account, error) {
		if slices.ContainsFunc(all, func(x Account) bool { return x.Name == name }) {
			return nil, fmt.Errorf("%q: %w", name, ErrAccountExists)
		}
		return append(all, Account{name, role, a.now().UTC().Truncate(time.Second), h}), nil
	})
}

// Remove ends an account and the sessions that it has.
func (a *Accounts) Remove(name string) error {
	return a.change(func(all []Account) ([]Account, error) {
		rest := slices.DeleteFunc(slices.Clone(all), func(x Account) bool { return x.Name == name })
		if len(rest) == len(all) {
			return nil, fmt.Errorf("%q: %w", name, ErrNoAccount)
		}
		return rest, nil
	})
}

// SetPassword replaces a password; sessions that are open end.
func (a *Accounts) SetPassword(name, password string) error {
	if err := checkPassword(password); err != nil {
		return err
	}
	h, err := a.hash(password)
	if err != nil {
		return err
	}
	return a.edit(name, func(x *Account) { x.Hash = h })
}

// SetRole gives an account another role, for open sessions too.
func (a *Accounts) SetRole(name string, role Role) error {
	if _, err := ParseRole(string(role)); err != nil {
		return err
	}
	return a.edit(name, func(x *Account) { x.Role = role })
}

func (a *Accounts) edit(name string, f func(*Account)) error {
	return a.change(func(all []Account) ([]Account, error) {
		i := slices.IndexFunc(all, func(x Account) bool { return x.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("%q: %w", name, ErrNoAccount)
		}
		f(&all[i])
		return all, nil
	})
}

func (a *Accounts) change(f func([]Account) ([]Account, error)) error {
	all, err := a.List()
	if err != nil {
		return err
	}
	if all, err = f(all); err != nil {
		return err
	}
	slices.SortFunc(all, func(x, y Account) int { return cmp.Compare(x.Name, y.Name) })
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	for _, x := range all {
		if err := enc.Encode(x); err != nil {
			return err
		}
	}
	if err := replaceFile(a.path, out.Bytes()); err != nil {
		return fmt.Errorf("the accounts could not be written: %w", err)
	}
	a.mu.Lock()
	a.seen = time.Time{} // another file of the same size and time is still another
	a.mu.Unlock()
	return nil
}

// replaceFile writes a file whole or not at all, for its owner alone.
func replaceFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".accounts-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// Check gives the account of a name and password, or ErrSignIn. It takes the
// same time whether the name is known or not.
func (a *Accounts) Check(ctx context.Context, name, password string) (Account, error) {
	x, err := a.Get(name)
	known := err == nil
	if err != nil && !errors.Is(err, ErrNoAccount) {
		return Account{}, err
	}
	if !known {
		x.Hash = a.dummy()
	}
	if len(password) > maxPassword {
		return Account{}, ErrSignIn
	}
	select {
	case a.busy <- struct{}{}:
		defer func() { <-a.busy }()
	case <-ctx.Done():
		return Account{}, ctx.Err()
	}
	ok, err := x.Hash.matches(password)
	if err != nil {
		return Account{}, fmt.Errorf("the account %q: %w", name, err)
	}
	if !ok || !known {
		return Account{}, ErrSignIn
	}
	return x, nil
}

func (a *Accounts) hash(password string) (hash, error) {
	var salt [16]byte
	if _, err := io.ReadFull(a.rand, salt[:]); err != nil {
		return "", fmt.Errorf("no random bytes for a salt: %w", err)
	}
	c := a.cost
	sum := argon2.IDKey([]byte(password), salt[:], c.time, c.memory, c.lanes, 32)
	b64 := base64.RawStdEncoding
	return hash(fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", c.memory, c.time, c.lanes, b64.EncodeToString(salt[:]), b64.EncodeToString(sum))), nil
}

var errHash = errors.New("its password hash cannot be read: set the password again with `trawlmark console user password`")

func (h hash) matches(password string) (bool, error) {
	parts := strings.Split(string(h), "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v=19" {
		return false, errHash
	}
	var c cost
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.memory, &c.time, &c.lanes); n != 3 || err != nil {
		return false, errHash
	}
	if c.memory < 8 || c.memory > maxMemory || c.time < 1 || c.time > maxTime || c.lanes < 1 || c.lanes > maxLanes {
		return false, errHash
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	want, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(salt) < 8 || len(want) < 16 || len(want) > 64 {
		return false, errHash
	}
	got := argon2.IDKey([]byte(password), salt, c.time, c.memory, c.lanes, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

const (
	minPassword = 12
	maxPassword = 256
)

func checkPassword(s string) error {
	switch {
	case !utf8.ValidString(s) || utf8.RuneCountInString(s) < minPassword:
		return fmt.Errorf("a password has at least %d characters", minPassword)
	case len(s) > maxPassword:
		return fmt.Errorf("a password has at most %d bytes", maxPassword)
	}
	return nil
}

func checkName(s string) error {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("._@-", rune(c)) {
			return fmt.Errorf("%.80q is not a name for an account: use a-z 0-9 . _ @ -", s)
		}
	}
	if s == "" || len(s) > 64 {
		return errors.New("the name of an account has 1 to 64 characters")
	}
	return nil
}
