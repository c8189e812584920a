package warc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// fickle gives other bytes the second time.
type fickle struct{ opened int }

func (f *fickle) Size() int64 { return 4 }
func (f *fickle) Open() (io.ReadCloser, error) {
	f.opened++
	return io.NopCloser(strings.NewReader(fmt.Sprintf("%04d", f.opened))), nil
}

// sized says a size that is not its own; broken fails to read.
type sized struct {
	capture.Bytes
	n int64
}

func (s sized) Size() int64 { return s.n }

type broken struct{ open bool }

var errDisk = errors.New("the disk is gone")

func (broken) Size() int64 { return 10 }
func (b broken) Open() (io.ReadCloser, error) {
	if !b.open {
		return nil, errDisk
	}
	return io.NopCloser(io.MultiReader(strings.NewReader("12345"), failing{})), nil
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errDisk }

// limited takes n bytes and then fails, as a full disk does.
type limited struct{ n int }

func (l *limited) Write(p []byte) (int, error) {
	if len(p) > l.n {
		return 0, errDisk
	}
	l.n -= len(p)
	return len(p), nil
}

func TestBodiesThatLieAreErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		body capture.Body
		want error
	}{
		"changed":      {&fickle{}, errChanged},
		"shorter":      {sized{capture.Bytes("abc"), 4}, errChanged},
		"longer":       {sized{capture.Bytes("abcde"), 4}, errChanged},
		"cannot open":  {broken{false}, errDisk},
		"cannot read":  {broken{true}, errDisk},
		"endless size": {sized{capture.Bytes("abc"), 1 << 60}, errChanged},
	} {
		c := everything(t)
		c.Exchanges[2].Body = tc.body
		if _, err := WriteCapture(context.Background(), io.Discard, c, options()); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
		c = everything(t)
		c.Artifacts[1].Body = tc.body
		if _, err := WriteCapture(context.Background(), io.Discard, c, options()); !errors.Is(err, tc.want) {
			t.Errorf("%s, of an artifact: %v", name, err)
		}
	}
}

func TestWriteFailsEverywhere(t *testing.T) {
	file, _ := written(t, everything(t), options())
	for n := 0; n < len(file); n += 97 {
		if _, err := WriteCapture(context.Background(), &limited{n}, everything(t), options()); !errors.Is(err, errDisk) {
			t.Fatalf("a disk with room for %d of %d bytes gave %v", n, len(file), err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := WriteCapture(ctx, io.Discard, everything(t), options()); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled context gave %v", err)
	}
}

func TestWhatIsNoCapture(t *testing.T) {
	for name, spoil := range map[string]func(*capture.Capture, *Options){
		"no id":               func(c *capture.Capture, _ *Options) { c.ID = capture.ID{} },
		"no start":            func(c *capture.Capture, _ *Options) { c.Started = time.Time{} },
		"no url":              func(c *capture.Capture, _ *Options) { c.URL = "" },
		"no ids":              func(_ *capture.Capture, o *Options) { o.NewID = nil },
		"exchange without id": func(c *capture.Capture, _ *Options) { c.Exchanges[0].ID = capture.ID{} },
		"exchange no url":     func(c *capture.Capture, _ *Options) { c.Exchanges[0].URL = "" },
		"body, no status":     func(c *capture.Capture, _ *Options) { c.Exchanges[0].Status = 0 },
		"artifact, no body":   func(c *capture.Capture, _ *Options) { c.Artifacts[2].Body = nil },
		"a head too large": func(c *capture.Capture, _ *Options) {
			c.Exchanges[0].ResponseHeader = capture.Header{{Name: "a", Value: strings.Repeat("a", maxHead)}}
		},
	} {
		c, opt := everything(t), options()
		spoil(c, &opt)
		if _, err := WriteCapture(context.Background(), io.Discard, c, opt); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestNothingSeen: a visit that failed at once is a file too.
func TestNothingSeen(t *testing.T) {
	c := &capture.Capture{ID: counter(1)(), URL: "https://x.example/", Started: day, Outcome: capture.DNSFailed}
	_, index := written(t, c, options())
	if len(index.Records) != 2 {
		t.Errorf("%d records", len(index.Records))
	}
}
