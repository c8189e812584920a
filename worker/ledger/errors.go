package ledger

import "errors"

// The errors; test with errors.Is. Besides these come sqldb's (ErrUnavailable
// and so on) and the context's.
var (
	// ErrStale: the fence is not the job's any more. The holder drops its work:
	// somebody else has it, or it ended.
	ErrStale = errors.New("the job has moved on: this ticket or result is stale")
	// ErrNotFound: there is no such row.
	ErrNotFound = errors.New("the ledger has no such entry")
	// ErrFired: the watch was fired for this instant already.
	ErrFired = errors.New("the watch has fired for this time already")
	// ErrPaused: the watch is paused.
	ErrPaused = errors.New("the watch is paused; resume it first")
	// ErrExists: there is a watch of this name.
	ErrExists = errors.New("there is a watch of this name already")
	// ErrChanged: somebody else changed it since it was read.
	ErrChanged = errors.New("somebody else changed it meanwhile; look again and repeat")
	// ErrEnded: the job has ended, so it cannot be cancelled.
	ErrEnded = errors.New("the job has ended already")
	// ErrInvalid: what was asked makes no sense; the text says which field.
	ErrInvalid = errors.New("invalid")
)
