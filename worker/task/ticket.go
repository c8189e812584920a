package task

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// The pools: each is a queue with workers of its own, so that long work does
// not hold up short work.
const (
	HTTP    = "http"
	Browser = "browser"
	Score   = "score"
	Export  = "export"
)

// Pools lists them.
func Pools() []string { return []string{HTTP, Browser, Score, Export} }

// typeName is the one asynq task type there is; the job's row says what to do.
const typeName = "job"

// Ticket says that a job is to be done. It is all that goes through the queue.
type Ticket struct {
	Job   capture.ID
	Epoch int64
}

// MaxPayload bounds the payload that we write, in bytes.
const MaxPayload = 100

// ErrBadTicket: a payload that no Client of ours wrote.
var ErrBadTicket = errors.New("not a ticket")

type payload struct {
	Job   capture.ID `json:"job"`
	Epoch int64      `json:"epoch"`
}

// Payload is the ticket's form in the queue: {"job":"<id>","epoch":<n>}.
func (t Ticket) Payload() []byte {
	b, err := json.Marshal(payload(t))
	if err != nil {
		panic("task: an id and a number did not marshal: " + err.Error())
	}
	return b
}

// TaskID names the ticket in the queue.
func (t Ticket) TaskID() string { return t.Job.String() + "." + strconv.FormatInt(t.Epoch, 10) }

// maxRead bounds a payload that is read: one of a newer program may have more
// in it than ours.
const maxRead = 1 << 10

// ParseTicket reads what Payload writes. Fields that it does not know are passed
// over: during an upgrade a newer dispatcher may send them.
func ParseTicket(b []byte) (Ticket, error) {
	var p payload
	if len(b) > maxRead {
		return Ticket{}, fmt.Errorf("a payload of %d bytes is %w", len(b), ErrBadTicket)
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return Ticket{}, fmt.Errorf("%q is %w", b, ErrBadTicket)
	}
	t := Ticket(p)
	if t.Job.IsZero() || t.Epoch < 1 {
		return Ticket{}, fmt.Errorf("%q is %w", b, ErrBadTicket)
	}
	return t, nil
}
