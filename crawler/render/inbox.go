package render

import (
	"sync"

	"github.com/chromedp/cdproto"
)

// item is one thing for the goroutine of a capture to do: an event, or a reply
// with what to do about it.
type item struct {
	msg *cdproto.Message
	run func()
}

func (it item) size() int {
	if it.msg == nil {
		return 0
	}
	return len(it.msg.Params)
}

// inbox is an unbounded queue whose put never blocks, so that one slow capture
// cannot stop the reader that all captures share. What a hostile page can fill
// it with without end (console messages, frames of sockets) is dropped beyond
// limit bytes and counted.
type inbox struct {
	wake  chan struct{}
	limit int // bytes; 0 = none

	mu      sync.Mutex
	items   []item
	bytes   int
	dropped int
}

func newInbox(limit int) *inbox { return &inbox{wake: make(chan struct{}, 1), limit: limit} }

func (q *inbox) put(it item) {
	q.mu.Lock()
	if q.limit > 0 && q.bytes > q.limit && it.msg != nil && droppable[it.msg.Method] {
		q.dropped++
		q.mu.Unlock()
		return
	}
	q.items = append(q.items, it)
	q.bytes += it.size()
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take empties the queue.
func (q *inbox) take() []item {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items, q.bytes = nil, 0
	return items
}

// lost gives how many events were dropped.
func (q *inbox) lost() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}

// droppable are the events that carry nothing a capture keeps whole.
var droppable = map[cdproto.MethodType]bool{
	cdproto.EventRuntimeConsoleAPICalled:           true,
	cdproto.EventRuntimeExceptionThrown:            true,
	cdproto.EventLogEntryAdded:                     true,
	cdproto.EventNetworkWebSocketFrameReceived:     true,
	cdproto.EventNetworkWebSocketFrameSent:         true,
	cdproto.EventNetworkEventSourceMessageReceived: true,
}
