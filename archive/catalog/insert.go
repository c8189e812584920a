package catalog

import (
	"context"
	"database/sql"
	"fmt"
	"math/bits"
	"strings"
)

// maxRows is how many rows go into one statement.
const maxRows = 32

// insertRows inserts many rows with few statements: 32 rows at a time, then 16, 8
// and so on, so that there are no more texts of a statement than the database
// keeps ready. head is "INSERT INTO table (columns)".
func insertRows(ctx context.Context, tx *sql.Tx, head string, rows [][]any) error {
	for len(rows) > 0 {
		n := min(maxRows, 1<<(bits.Len(uint(len(rows)))-1))
		var args []any
		for _, r := range rows[:n] {
			args = append(args, r...)
		}
		if _, err := tx.ExecContext(ctx, head+values(n, len(rows[0])), args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// values is " VALUES ($1,$2), ($3,$4)" for two rows of two columns.
func values(rows, columns int) string {
	var b strings.Builder
	b.WriteString(" VALUES ")
	for i := range rows * columns {
		switch {
		case i%columns != 0:
			b.WriteByte(',')
		case i > 0:
			b.WriteString("), (")
		default:
			b.WriteByte('(')
		}
		fmt.Fprintf(&b, "$%d", i+1)
	}
	b.WriteByte(')')
	return b.String()
}
