package sqldb

import (
	"container/list"
	"context"
	"database/sql/driver"
)

// Reading the text of a statement and planning it costs SQLite more than most
// of our statements cost to run, and a program says the same few hundred over
// and over. So each connection keeps those that it ran last, ready to run again.

const (
	// keptStatements is how many a connection keeps: a few kilobytes each.
	keptStatements = 200
	// maxKeptText is how long the text of a kept one is at most, in bytes: longer
	// ones are made up for one list of values, or are migrations.
	maxKeptText = 4 << 10
)

// keepingStatements opens connections that keep their statements.
type keepingStatements struct{ driver.Connector }

// Connect implements driver.Connector.
func (k keepingStatements) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := k.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	full, ok := c.(sqliteConn)
	if !ok {
		return c, nil // slower, and right
	}
	return &keepingConn{sqliteConn: full, kept: map[string]*list.Element{}}, nil
}

// sqliteConn is all that database/sql asks of a connection of this driver.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// keepingConn is a connection that keeps statements. One that is at work (whose
// rows are read) is out of the store, so the same text may run twice at a time.
// database/sql uses a connection from one goroutine at a time.
type keepingConn struct {
	sqliteConn
	kept  map[string]*list.Element // of *statement, by text
	order list.List                // the one used last in front
}

// statement is a prepared one; only those that the driver runs with contexts
// are kept.
type statement struct {
	text string
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// Unwrap gives the driver's own connection, which sqlite.Limit needs.
func (c *keepingConn) Unwrap() driver.Conn { return c.sqliteConn }

// take gives a statement of that text; nil when it is none to keep.
func (c *keepingConn) take(ctx context.Context, text string) (*statement, error) {
	if e := c.kept[text]; e != nil {
		delete(c.kept, text)
		return c.order.Remove(e).(*statement), nil
	}
	if len(text) > maxKeptText {
		return nil, nil
	}
	p, err := c.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	s := &statement{text: text, Stmt: p}
	var execs, queries bool
	s.StmtExecContext, execs = p.(driver.StmtExecContext)
	s.StmtQueryContext, queries = p.(driver.StmtQueryContext)
	if !execs || !queries {
		return nil, p.Close()
	}
	return s, nil
}

// put takes a statement back that has run. One that failed is not run again.
func (c *keepingConn) put(s *statement, failed bool) error {
	if failed || c.kept[s.text] != nil {
		return s.Close()
	}
	c.kept[s.text] = c.order.PushFront(s)
	if c.order.Len() <= keptStatements {
		return nil
	}
	last := c.order.Remove(c.order.Back()).(*statement)
	delete(c.kept, last.text)
	return last.Close()
}

// ExecContext implements driver.ExecerContext.
func (c *keepingConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.take(ctx, text)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.sqliteConn.ExecContext(ctx, text, args)
	}
	res, err := s.StmtExecContext.ExecContext(ctx, args)
	if cerr := c.put(s, err != nil); err == nil && cerr != nil {
		return nil, cerr
	}
	return res, err
}

// QueryContext implements driver.QueryerContext.
func (c *keepingConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.take(ctx, text)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.sqliteConn.QueryContext(ctx, text, args)
	}
	rows, err := s.StmtQueryContext.QueryContext(ctx, args)
	if err != nil {
		c.put(s, true)
		return nil, err
	}
	return &keptRows{Rows: rows, conn: c, of: s}, nil
}

// BeginTx implements driver.ConnBeginTx. What it says is what the driver says
// for the options that openSQLite gives it.
func (c *keepingConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	begin := "begin immediate"
	if o.ReadOnly {
		begin = "begin"
	}
	if _, err := c.ExecContext(ctx, begin, nil); err != nil {
		// It may have begun all the same, when the context ended meanwhile.
		_ = keptTx{c}.Rollback()
		return nil, err
	}
	return keptTx{c}, nil
}

// keptTx ends a transaction. Neither way watches the context that it was begun
// with: what took effect must not be told as a failure, and SQLite's busy
// timeout bounds what a commit may wait for.
type keptTx struct{ c *keepingConn }

// Commit implements driver.Tx.
func (t keptTx) Commit() error {
	_, err := t.c.ExecContext(context.Background(), "commit", nil)
	if err != nil {
		_ = t.Rollback() // database/sql expects no transaction after it
	}
	return err
}

// Rollback implements driver.Tx.
func (t keptTx) Rollback() error {
	_, err := t.c.ExecContext(context.Background(), "rollback", nil)
	return err
}

// Close implements driver.Conn.
func (c *keepingConn) Close() error {
	for e := c.order.Front(); e != nil; e = e.Next() {
		e.Value.(*statement).Close() // what it says, closing the connection says too
	}
	c.order.Init()
	clear(c.kept)
	return c.sqliteConn.Close()
}

// keptRows gives its statement back when it is closed.
type keptRows struct {
	driver.Rows
	conn *keepingConn
	of   *statement
}

// Close implements driver.Rows.
func (r *keptRows) Close() error {
	if r.of == nil {
		return nil
	}
	err := r.Rows.Close()
	cerr := r.conn.put(r.of, err != nil)
	r.of = nil
	if err == nil {
		err = cerr
	}
	return err
}
