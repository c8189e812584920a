package render

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

var (
	// errConnLost is what every call gets once Chrome is gone.
	errConnLost = errors.New("the browser is gone")
	// errDetached is what a call gets when its page, frame or worker is gone.
	errDetached = errors.New("the page, frame or worker is gone")
)

// conn is one connection to one Chrome, shared by the captures in it.
//
// It is not chromedp.Browser because that one drops the messages of every
// session it did not open itself, and those of other-process frames and
// workers are such: they are announced by Target.attachedToTarget and must be
// listened to from their first message. The transport is chromedp's.
//
// One goroutine reads. It alone changes routes, so that a session has its
// owner before its first event is read.
type conn struct {
	tr  chromedp.Transport
	log *slog.Logger
	out *inbox // messages to write

	mu      sync.Mutex
	next    int64
	pending map[int64]*pendingCall
	routes  map[target.SessionID]*inbox
	owners  map[cdp.BrowserContextID]*inbox
	err     error

	done chan struct{} // closed when the connection is lost

	undecodable atomic.Int64
}

// pendingCall waits for the reply to one command.
type pendingCall struct {
	session target.SessionID
	// reply gets the message, on the reader's goroutine; nil means detached or
	// lost. It must not block.
	reply func(*cdproto.Message)
}

func newConn(tr chromedp.Transport, log *slog.Logger) *conn {
	c := &conn{
		tr: tr, log: log, out: newInbox(0),
		pending: map[int64]*pendingCall{},
		routes:  map[target.SessionID]*inbox{},
		owners:  map[cdp.BrowserContextID]*inbox{},
		done:    make(chan struct{}),
	}
	go c.read()
	go c.write()
	return c
}

func (c *conn) write() {
	for {
		for _, it := range c.out.take() {
			if err := c.tr.Write(context.Background(), it.msg); err != nil {
				c.lose(err)
				return
			}
		}
		select {
		case <-c.out.wake:
		case <-c.done:
			return
		}
	}
}

func (c *conn) read() {
	for {
		msg := new(cdproto.Message)
		if err := c.tr.Read(context.Background(), msg); err != nil {
			var syntax *jsonv2.SyntacticError
			if errors.As(err, &syntax) {
				// The message's bytes are consumed; the next one is whole.
				c.undecodable.Add(1)
				c.log.Warn("a message of the browser is not JSON", "error", err)
				continue
			}
			c.lose(err)
			return
		}
		if msg.Method == "" {
			c.answer(msg)
		} else {
			c.dispatch(msg)
		}
	}
}

func (c *conn) answer(msg *cdproto.Message) {
	c.mu.Lock()
	p := c.pending[msg.ID]
	delete(c.pending, msg.ID)
	c.mu.Unlock()
	if p != nil && p.reply != nil {
		p.reply(msg)
	}
}

// dispatch hands an event to whom it belongs.
func (c *conn) dispatch(msg *cdproto.Message) {
	switch msg.Method {
	case cdproto.EventTargetAttachedToTarget:
		c.attached(msg)
	case cdproto.EventTargetDetachedFromTarget:
		c.detached(msg)
	default:
		if msg.SessionID == "" {
			c.toAll(msg)
			return
		}
		c.mu.Lock()
		in := c.routes[msg.SessionID]
		c.mu.Unlock()
		if in != nil {
			in.put(item{msg: msg})
		}
	}
}

// toAll hands a browser-wide event (downloads, crashes) to every capture; each
// knows its own frames and targets.
func (c *conn) toAll(msg *cdproto.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, in := range c.owners {
		in.put(item{msg: msg})
	}
}

func (c *conn) attached(msg *cdproto.Message) {
	var ev target.EventAttachedToTarget
	if err := decode(msg.Params, &ev); err != nil || ev.TargetInfo == nil {
		c.undecodable.Add(1)
		c.log.Warn("the browser announced a target that could not be read", "error", err)
		return
	}
	c.mu.Lock()
	var in *inbox
	if msg.SessionID != "" {
		in = c.routes[msg.SessionID]
	} else {
		in = c.owners[ev.TargetInfo.BrowserContextID]
	}
	if in != nil {
		c.routes[ev.SessionID] = in
		in.put(item{msg: msg})
	}
	c.mu.Unlock()
	if in == nil && ev.WaitingForDebugger {
		// Nobody's: the browser's own first page, or a worker that outlives
		// its capture. It must not stay halted.
		c.send(ev.SessionID, "Runtime.runIfWaitingForDebugger", nil, nil)
	}
}

func (c *conn) detached(msg *cdproto.Message) {
	var ev target.EventDetachedFromTarget
	if err := decode(msg.Params, &ev); err != nil {
		c.undecodable.Add(1)
		return
	}
	c.mu.Lock()
	in := c.routes[ev.SessionID]
	delete(c.routes, ev.SessionID)
	var dead []*pendingCall
	for id, p := range c.pending {
		if p.session == ev.SessionID {
			dead = append(dead, p)
			delete(c.pending, id)
		}
	}
	c.mu.Unlock()
	for _, p := range dead {
		if p.reply != nil {
			p.reply(nil)
		}
	}
	if in != nil {
		in.put(item{msg: msg})
	}
}

// lose ends the connection: every waiting call fails, every capture is told.
func (c *conn) lose(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = fmt.Errorf("%w: %w", errConnLost, err)
	dead := c.pending
	c.pending = map[int64]*pendingCall{}
	c.mu.Unlock()
	close(c.done)
	c.tr.Close()
	for _, p := range dead {
		if p.reply != nil {
			p.reply(nil)
		}
	}
}

// own makes in the owner of what happens in a browser context.
func (c *conn) own(id cdp.BrowserContextID, in *inbox) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.owners[id] = in
}

// disown forgets a browser context and all its sessions.
func (c *conn) disown(id cdp.BrowserContextID, in *inbox) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.owners, id)
	for s, o := range c.routes {
		if o == in {
			delete(c.routes, s)
		}
	}
}

// send writes a command. reply may be nil; it is called once, on the reader's
// goroutine or on the caller's when the connection is lost already.
func (c *conn) send(s target.SessionID, method string, params any, reply func(*cdproto.Message)) {
	var raw jsonv2.Value
	if params != nil {
		b, err := jsonv2.Marshal(params, chromedp.DefaultMarshalOptions)
		if err != nil {
			// Only a programming error can get here: our own structs.
			panic("render: " + method + ": " + err.Error())
		}
		raw = b
	}
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		if reply != nil {
			reply(nil)
		}
		return
	}
	c.next++
	id := c.next
	c.pending[id] = &pendingCall{session: s, reply: reply}
	// Within the lock, so that commands are written in the order of their ids.
	c.out.put(item{msg: &cdproto.Message{ID: id, SessionID: s, Method: cdproto.MethodType(method), Params: raw}})
	c.mu.Unlock()
}

// lost gives why the connection ended; nil while it stands.
func (c *conn) lost() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// session is one target's end of a conn; the zero id is the browser itself.
type session struct {
	c  *conn
	id target.SessionID
	// in, when set, is where replies to post are delivered, in order with the
	// session's events.
	in *inbox
}

// call runs a command and waits for its result, the end of ctx, or the loss of
// the target or browser.
func call[P, R any](ctx context.Context, s session, cmd cdp.Command[P, R], params P) (R, error) {
	var res R
	ch := make(chan *cdproto.Message, 1)
	s.c.send(s.id, cmd.Method, params, func(m *cdproto.Message) { ch <- m })
	select {
	case m := <-ch:
		if err := s.result(m, &res); err != nil {
			return res, fmt.Errorf("%s: %w", cmd.Method, err)
		}
		return res, nil
	case <-ctx.Done():
		return res, fmt.Errorf("%s: %w", cmd.Method, ctx.Err())
	}
}

// post runs a command without waiting. done, when not nil, runs on the
// goroutine of the session's owner, in order with its events.
func post[P, R any](s session, cmd cdp.Command[P, R], params P, done func(R, error)) {
	if done == nil || s.in == nil {
		s.c.send(s.id, cmd.Method, params, nil)
		return
	}
	s.c.send(s.id, cmd.Method, params, func(m *cdproto.Message) {
		s.in.put(item{run: func() {
			var res R
			err := s.result(m, &res)
			done(res, err)
		}})
	})
}

func (s session) result(m *cdproto.Message, res any) error {
	switch {
	case m == nil:
		if err := s.c.lost(); err != nil {
			return err
		}
		return errDetached
	case m.Error != nil:
		return m.Error
	default:
		return decode(m.Result, res)
	}
}

func decode(raw jsonv2.Value, v any) error {
	if len(raw) == 0 {
		return nil
	}
	return jsonv2.Unmarshal(raw, v, chromedp.DefaultUnmarshalOptions)
}
