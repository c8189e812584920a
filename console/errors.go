package console

import (
	"context"
	"errors"
	"net/http"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/bundle"
	"github.com/trawlmark/trawlmark/archive/bundle/export"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/sqldb"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// badRequest is an error of the one who asked: its text goes back as it is.
type badRequest struct{ error }

func bad(text string) error { return badRequest{sentence(text)} }

// sentence is an error that is shown to people as it is: a whole sentence.
type sentence string

func (s sentence) Error() string { return string(s) }

// unrecorded: something was done, and the custody log did not take it.
type unrecorded struct {
	what string
	err  error
}

func (u unrecorded) Error() string { return u.what + ": " + u.err.Error() }
func (u unrecorded) Unwrap() error { return u.err }

// conflict is something that cannot be done as things are.
type conflict struct{ error }

// tooBig is evidence that is too large to be looked at here.
type tooBig struct{ error }

// answer is what an error looks like from outside.
type answer struct {
	status int
	text   string
}

// Status, Text and Headline are for the page of an error.
func (a answer) Status() int  { return a.status }
func (a answer) Text() string { return a.text }

// Headline says the kind of error in words.
func (a answer) Headline() string {
	switch a.status {
	case http.StatusNotFound:
		return "Not found"
	case http.StatusForbidden:
		return "Not allowed"
	case http.StatusUnauthorized:
		return "Not signed in"
	case http.StatusConflict:
		return "Not as things are now"
	case http.StatusGone:
		return "Gone"
	case http.StatusTooManyRequests:
		return "Too many attempts"
	case http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return "Not available now"
	case http.StatusBadGateway:
		return "The evidence does not verify"
	}
	if a.status >= 500 {
		return "Something broke"
	}
	return "That does not work"
}

// answerTo is the one table from errors to answers. What is not in it is a
// fault of ours: it is logged, and the text says only that.
func answerTo(err error) answer {
	_, isBad := errors.AsType[badRequest](err)
	_, isConflict := errors.AsType[conflict](err)
	_, isBig := errors.AsType[tooBig](err)
	if u, ok := errors.AsType[unrecorded](err); ok {
		return answer{http.StatusServiceUnavailable, u.what + ", but the custody log did not take it on record. Tell whoever runs Trawlmark: the log of the console has what is missing."}
	}
	switch {
	case isBad:
		return answer{http.StatusBadRequest, err.Error()}
	case isConflict:
		return answer{http.StatusConflict, err.Error()}
	case isBig:
		return answer{http.StatusRequestEntityTooLarge, err.Error()}
	case errors.Is(err, capture.ErrBadID):
		return answer{http.StatusNotFound, "There is nothing of this id."}
	case errors.Is(err, ledger.ErrInvalid):
		return answer{http.StatusBadRequest, err.Error()}
	case errors.Is(err, ledger.ErrChanged):
		return answer{http.StatusConflict, "Somebody else decided meanwhile. Look again, then repeat if you still want it."}
	case errors.Is(err, ledger.ErrPaused), errors.Is(err, ledger.ErrFired):
		return answer{http.StatusConflict, err.Error()}
	case errors.Is(err, export.ErrNoRedaction):
		return answer{http.StatusConflict, "Nothing was made: " + err.Error() + "."}
	case errors.Is(err, archive.ErrGone):
		return answer{http.StatusGone, "The capture is gone: it was erased, or its retention ended. That it was there, and what was done with it, stays on record."}
	case errors.Is(err, archive.ErrTampered), errors.Is(err, bundle.ErrTampered), errors.Is(err, bundle.ErrChanged), errors.Is(err, vault.ErrDigest):
		return answer{http.StatusBadGateway, "The stored bytes are not those of the manifest, so they are not shown. This is serious: tell whoever keeps the archive, and run `trawlmark archive audit`."}
	case errors.Is(err, catalog.ErrNotFound), errors.Is(err, ledger.ErrNotFound), errors.Is(err, vault.ErrNotFound):
		return answer{http.StatusNotFound, "There is no such thing here. It may have been removed, or the address is mistyped."}
	case errors.Is(err, vault.ErrUnavailable):
		return answer{http.StatusServiceUnavailable, "The evidence storage does not answer. Nothing is lost; try again in a moment."}
	case errors.Is(err, sqldb.ErrUnavailable):
		return answer{http.StatusServiceUnavailable, "The database does not answer. Try again in a moment."}
	case errors.Is(err, vault.ErrUnsupported):
		return answer{http.StatusConflict, "This storage has no legal holds."}
	case errors.Is(err, catalog.ErrTooBroad):
		return answer{http.StatusUnprocessableEntity, upperFirst(catalog.ErrTooBroad.Error()) + "."}
	case errors.Is(err, context.DeadlineExceeded):
		return answer{http.StatusGatewayTimeout, "This took too long and was given up."}
	}
	return answer{http.StatusInternalServerError, "Something broke here. It is in the log of the console."}
}
