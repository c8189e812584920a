package ledger

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/sqldb"
)

// How values become columns and come back. No id and no digest are "".

func idText(id capture.ID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

func digestText(d capture.Digest) string {
	if d.IsZero() {
		return ""
	}
	return d.String()
}

// unpack reads id and digest columns back into their values.
func unpack(pairs ...any) error {
	for i := 0; i < len(pairs); i += 2 {
		s := pairs[i].(string)
		if s == "" {
			continue
		}
		var err error
		switch v := pairs[i+1].(type) {
		case *capture.ID:
			*v, err = capture.ParseID(s)
		case *capture.Digest:
			*v, err = capture.ParseDigest(s)
		}
		if err != nil {
			return fmt.Errorf("the ledger is damaged: %w", err)
		}
	}
	return nil
}

// shown makes text from a page fit for a list: storable, and not longer than
// 500 characters, with a mark where it was shortened.
func shown(s string) string {
	s = sqldb.Text(s)
	const limit = 500
	if len(s) <= limit || utf8.RuneCountInString(s) <= limit {
		return s
	}
	n := 0
	for i := range s {
		if n++; n == limit {
			return s[:i] + "…"
		}
	}
	return s
}

// rawText stores JSON that was checked to be valid.
func rawText(r json.RawMessage) string { return sqldb.Text(string(r)) }

func raw(s string) json.RawMessage {
	if s == "" {
		return nil
	}
	return json.RawMessage(s)
}

// list stores strings as a JSON array.
func list(all []string) string {
	if all == nil {
		all = []string{}
	}
	b, _ := json.Marshal(all) // strings always marshal; bad UTF-8 is replaced
	return sqldb.Text(string(b))
}

// placeholders gives "$from, ..., $(from+n-1)".
func placeholders(from, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", from+i)
	}
	return b.String()
}
