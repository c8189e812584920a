package configs

import (
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Secret is text that never prints.
type Secret string

// String, GoString, LogValue and the marshallers hide it.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "<secret>"
}

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return s.String() }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reveal gives the text itself, to whoever must send it.
func (s Secret) Reveal() string { return string(s) }

// Duration is a time.Duration written 500ms, 90s, 15m, 12h or 30d.
type Duration time.Duration

// D is the duration for the rest of the program.
func (d Duration) D() time.Duration { return time.Duration(d) }

// ParseDuration reads what time.ParseDuration reads, and whole days.
func ParseDuration(s string) (time.Duration, error) {
	if n, ok := strings.CutSuffix(strings.TrimSpace(s), "d"); ok {
		days, err := strconv.ParseUint(n, 10, 32)
		if err != nil || days > 365*200 {
			return 0, fmt.Errorf("%q is not a duration: write 500ms, 90s, 15m, 12h or 30d", s)
		}
		return time.Duration(days) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(strings.TrimSpace(s))
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration: write 500ms, 90s, 15m, 12h or 30d", s)
	}
	return d, nil
}

// UnmarshalYAML implements yaml.NodeUnmarshaler.
func (d *Duration) UnmarshalYAML(n ast.Node) error {
	v, err := ParseDuration(n.GetToken().Value)
	*d = Duration(v)
	return at(n, err)
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// Size is a number of bytes written 512KiB, 10MiB, 2GiB or plain.
type Size int64

var units = []struct {
	suffix string
	bytes  float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"B", 1}, {"", 1}}

// ParseSize reads a size.
func ParseSize(s string) (int64, error) {
	t := strings.TrimSpace(s)
	for _, u := range units {
		num, ok := strings.CutSuffix(t, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(num), 64)
		if err != nil || n < 0 || math.IsNaN(n) || n*u.bytes > 1<<50 {
			break
		}
		return int64(n * u.bytes), nil
	}
	return 0, fmt.Errorf("%q is not a size: write 512KiB, 10MiB or 2GiB", s)
}

// UnmarshalYAML implements yaml.NodeUnmarshaler.
func (z *Size) UnmarshalYAML(n ast.Node) error {
	v, err := ParseSize(n.GetToken().Value)
	*z = Size(v)
	return at(n, err)
}

// valueError is a value that cannot be read, and the line it stands on: the
// YAML library loses the position of errors of our own types.
type valueError struct {
	line int
	err  error
}

func (e *valueError) Error() string { return e.err.Error() }

func at(n ast.Node, err error) error {
	if err == nil {
		return nil
	}
	return &valueError{n.GetToken().Position.Line, err}
}

// MarshalText implements encoding.TextMarshaler.
func (z Size) MarshalText() ([]byte, error) { return []byte(strconv.FormatInt(int64(z), 10)), nil }

// envName makes a TSA's name part of an environment variable's.
func envName(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 32
		}
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, s)
}
