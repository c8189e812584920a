package sqldb

import (
	"context"
	"errors"
)

// What went wrong, in words that do not depend on the database; test with
// errors.Is. The database's own error stays reachable by errors.As.
var (
	// ErrUnavailable: the database did not answer, or answered that it cannot
	// now. Nothing is wrong with what was asked: try again later.
	ErrUnavailable = errors.New("the database is not available; it is tried again when it is back")
	// ErrBusy: others held the rows (or SQLite's file) through every attempt.
	ErrBusy = errors.New("the database is busy: other writers held it through every attempt")
	// ErrConflict: a unique key has such a row already.
	ErrConflict = errors.New("there is a row with this key already")
	// ErrTooLong: a ReadFor was ended by its limit.
	ErrTooLong = errors.New("the database took longer than it was given, and was stopped")
	// ErrUncertain: the connection broke during COMMIT, so the transaction may
	// have happened or not: look before doing it again. Is ErrUnavailable too.
	ErrUncertain = errors.New("the connection broke while committing, so it may have been done or not")
)

// Error is a database error with what it means.
type Error struct {
	Kind  error // one of the package's errors
	Cause error
	spent bool // every attempt was made: not tried again by who called
}

func (e *Error) Error() string { return e.Kind.Error() + " (" + e.Cause.Error() + ")" }

// Unwrap gives the meaning and the cause.
func (e *Error) Unwrap() []error {
	if e.Kind == ErrUncertain {
		return []error{e.Kind, ErrUnavailable, e.Cause}
	}
	return []error{e.Kind, e.Cause}
}

// Err translates what database/sql or a driver returned. An error that means
// none of the package's, a context's end and sql.ErrNoRows stay as they are.
// It is for reads done on the embedded *sql.DB: DB.Tx translates by itself.
func Err(err error) error {
	if err == nil {
		return nil
	}
	var done *Error
	if errors.As(err, &done) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if k := kind(err); k != nil {
		return &Error{Kind: k, Cause: err}
	}
	return err
}
