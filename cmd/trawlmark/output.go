package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/width"
)

// printJSON writes one JSON document for programs.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// table is a table for eyes: columns as wide as their content, wide (CJK)
// characters counted as two, nothing cut unless the column says so.
type table struct {
	heads []string
	max   []int // 0: unbounded
	right []bool
	rows  [][]string
}

// column: "name", "name:20" at most 20 wide, "name>" aligned right.
func newTable(columns ...string) *table {
	t := &table{}
	for _, c := range columns {
		name, limit, _ := strings.Cut(c, ":")
		n := 0
		fmt.Sscanf(limit, "%d", &n)
		right := strings.HasSuffix(name, ">")
		t.heads = append(t.heads, strings.TrimSuffix(name, ">"))
		t.max = append(t.max, n)
		t.right = append(t.right, right)
	}
	return t
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) print(w io.Writer) {
	widths := make([]int, len(t.heads))
	rows := append([][]string{upper(t.heads)}, t.rows...)
	for _, r := range rows {
		for i, c := range r {
			r[i] = shorten(printableLine(c), t.max[i])
			widths[i] = max(widths[i], cells(r[i]))
		}
	}
	for _, r := range rows {
		var b strings.Builder
		for i, c := range r {
			pad := strings.Repeat(" ", widths[i]-cells(c))
			if t.right[i] {
				b.WriteString(pad + c + "  ")
			} else {
				b.WriteString(c + pad + "  ")
			}
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}

func upper(in []string) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = strings.ToUpper(s)
	}
	return out
}

// printableLine keeps page text from moving the cursor or changing direction:
// what a hostile title can do to a terminal.
func printableLine(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return '·'
		}
		return r
	}, s)
}

// cells is how many columns a terminal gives a string.
func cells(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Mn, r):
		case width.LookupRune(r).Kind() == width.EastAsianWide || width.LookupRune(r).Kind() == width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
}

func shorten(s string, limit int) string {
	if limit == 0 || cells(s) <= limit {
		return s
	}
	n := 0
	for i, r := range s {
		w := cells(string(r))
		if n+w > limit-1 {
			return s[:i] + "…"
		}
		n += w
	}
	return s
}

func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// counted is a number with what is counted, in the right number: "1 capture".
func counted[N int | int64](n N, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n) + " " + one + "s"
}
