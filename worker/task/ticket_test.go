package task_test

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/worker/task"
)

func id(n byte) capture.ID { return capture.ID{0: 1, 6: 0x70, 8: 0x80, 15: n} }

func TestTicketIsSmallAndExact(t *testing.T) {
	for _, k := range []task.Ticket{{Job: id(1), Epoch: 1}, {Job: capture.ID(bytes.Repeat([]byte{0xff}, 16)), Epoch: math.MaxInt64}} {
		b := k.Payload()
		if len(b) >= task.MaxPayload {
			t.Errorf("%d bytes: %s", len(b), b)
		}
		back, err := task.ParseTicket(b)
		if err != nil || back != k {
			t.Errorf("%s came back as %+v, %v", b, back, err)
		}
	}
	if a, b := (task.Ticket{Job: id(1), Epoch: 1}), (task.Ticket{Job: id(1), Epoch: 11}); a.TaskID() == b.TaskID() {
		t.Errorf("two epochs have one name: %s", a.TaskID())
	}
	for _, s := range []string{
		"", "{}", "null", `{"job":"x","epoch":1}`, `{"job":"01000000-0000-7000-8000-000000000001","epoch":0}`,
		`{"job":"01000000-0000-7000-8000-000000000001","epoch":-1}`, `{"job":"01000000-0000-7000-8000-000000000001"}`,
		`{"job":"01000000-0000-7000-8000-000000000001","epoch":1}{}`, `[{"job":"01000000-0000-7000-8000-000000000001","epoch":1}]`,
		`{"job":"01000000-0000-7000-8000-000000000001","epoch":1,"x":"` + strings.Repeat("x", 1<<10) + `"}`,
		`{"job":"00000000-0000-0000-0000-000000000000","epoch":1}`,
	} {
		if k, err := task.ParseTicket([]byte(s)); !errors.Is(err, task.ErrBadTicket) {
			t.Errorf("%q is read as %+v, %v", s, k, err)
		}
	}
}

// A newer dispatcher may say more, in another order.
func TestTicketsOfANewerVersion(t *testing.T) {
	want := task.Ticket{Job: id(1), Epoch: 3}
	for _, s := range []string{
		`{"job":"` + want.Job.String() + `","epoch":3,"pool":"browser","trace":{"parent":"00-abc"}}`,
		`{"epoch":3,"v":2,"job":"` + want.Job.String() + `"} `,
	} {
		if k, err := task.ParseTicket([]byte(s)); err != nil || k != want {
			t.Errorf("%s is read as %+v, %v", s, k, err)
		}
	}
}

func FuzzParseTicket(f *testing.F) {
	f.Add(task.Ticket{Job: id(1), Epoch: 7}.Payload())
	f.Add([]byte(`{"job":"01000000-0000-7000-8000-000000000001","epoch":1e0}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := task.ParseTicket(b)
		if err != nil {
			return
		}
		if again, err := task.ParseTicket(k.Payload()); err != nil || again != k {
			t.Errorf("%q is read as %+v, which comes back as %+v, %v", b, k, again, err)
		}
	})
}
