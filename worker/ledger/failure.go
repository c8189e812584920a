package ledger

import (
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Class is a kind of failure: each has its own budget, so that a flaky network
// does not use up what is meant for a crashing browser.
type Class string

// The classes.
const (
	Network   Class = "network"   // dns, tls, connect
	TimedOut  Class = "timeout"   // the page did not finish
	Server    Class = "server"    // the site answered with an error, or nothing
	Throttled Class = "throttled" // 429, 503 that reached a job after all
	Browser   Class = "browser"   // Chrome crashed or hung
	Storage   Class = "storage"   // the evidence could not be stored
	Scorer    Class = "scorer"    // an external scorer did not answer
	Lost      Class = "lost"      // the worker disappeared
	Internal  Class = "internal"  // a fault of ours
)

// Budget is how often a job may fail in one class, and what it becomes after.
type Budget struct {
	Attempts int   // this many failures end the job
	Then     State // Failed or Quarantined
	// Backoff is the pause after the first failure; it doubles, up to an hour.
	Backoff time.Duration
}

// DefaultBudgets is what Config.Budgets starts from.
func DefaultBudgets() map[Class]Budget {
	return map[Class]Budget{
		Network:   {4, Failed, 30 * time.Second},
		TimedOut:  {3, Failed, time.Minute},
		Server:    {4, Failed, time.Minute},
		Throttled: {20, Failed, time.Minute},
		Browser:   {3, Quarantined, 10 * time.Second},
		Storage:   {100, Failed, 5 * time.Second},
		Scorer:    {20, Failed, 10 * time.Second},
		Lost:      {3, Quarantined, 0},
		Internal:  {2, Quarantined, time.Minute},
	}
}

// ClassOf gives the class a visit's outcome fails in; "" when the outcome is
// an answer that another attempt soon would not change.
func ClassOf(o capture.Outcome) Class {
	switch o {
	case capture.DNSFailed, capture.TLSFailed, capture.ConnectFailed:
		return Network
	case capture.Timeout:
		return TimedOut
	case capture.HTTPError, capture.Empty:
		return Server
	case capture.Throttled:
		return Throttled
	case capture.RenderCrash:
		return Browser
	case capture.StorageFailed:
		return Storage
	}
	return ""
}

// Failure is how an attempt failed.
type Failure struct {
	Class Class
	// At is when to try again; zero: after the class's backoff.
	At   time.Time
	Text string // one sentence
	// What the attempt left behind: a failed visit is evidence too.
	Outcome  capture.Outcome
	Capture  capture.ID
	Manifest capture.Digest
}
