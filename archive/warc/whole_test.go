package warc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// TestReadIndexIsTheSame: the index that is read is the one that was written.
func TestReadIndexIsTheSame(t *testing.T) {
	opt := options()
	opt.Dedupe = func(target string, _ capture.Digest) (Original, bool) {
		return Original{capture.ID{1}, target, day}, strings.HasSuffix(target, "x=1")
	}
	file, want := written(t, odd(t), opt)
	got, err := ReadIndex(context.Background(), bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	want.Sanitized = nil
	if got.Size != want.Size || len(got.Records) != len(want.Records) {
		t.Fatalf("%d records of %d bytes, want %d of %d", len(got.Records), got.Size, len(want.Records), want.Size)
	}
	for i, e := range want.Records {
		if !reflect.DeepEqual(got.Records[i], e) {
			t.Errorf("read\n%+v\nand wrote\n%+v", got.Records[i], e)
		}
	}
}

func TestReadIndexFails(t *testing.T) {
	file, index := written(t, everything(t), options())
	e := index.Records[3]
	changed := bytes.Clone(file)
	changed[e.Offset+e.Length/2] ^= 1
	if _, err := ReadIndex(context.Background(), bytes.NewReader(changed)); !errors.Is(err, ErrFormat) && !errors.Is(err, ErrDigest) {
		t.Errorf("a changed file: %v", err)
	}
	b := plain(t, file)
	at := bytes.Index(b, []byte("Price: 42 EUR"))
	b[at] ^= 1
	if _, err := ReadIndex(context.Background(), bytes.NewReader(b)); !errors.Is(err, ErrDigest) {
		t.Errorf("a changed price: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := ReadIndex(ctx, bytes.NewReader(file)); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled context: %v", err)
	}
}

// TestMakeWhole: a file with revisits, made whole, is the file without them,
// byte for byte once unpacked.
func TestMakeWhole(t *testing.T) {
	c := everything(t)
	c.Artifacts = c.Artifacts[1:] // the page as served would be kept beside a revisit
	kept := map[capture.Digest]capture.Body{}
	for _, e := range c.Exchanges {
		if e.Body != nil {
			f, _ := capture.FingerprintOf(e.Body)
			kept[f.SHA256] = e.Body
		}
	}
	opt := options()
	opt.Dedupe = func(target string, payload capture.Digest) (Original, bool) {
		return Original{capture.ID{1}, target, day}, kept[payload] != nil
	}
	thin, _ := written(t, c, opt)
	want, _ := written(t, c, options())

	find := func(o Original, payload capture.Digest) (capture.Body, error) {
		if o.Record != (capture.ID{1}) || !o.Date.Equal(day) {
			t.Errorf("asked for %+v", o)
		}
		return kept[payload], nil
	}
	var got bytes.Buffer
	n, err := MakeWhole(context.Background(), &got, bytes.NewReader(thin), find)
	if err != nil || n != 3 {
		t.Fatalf("%d revisits, %v", n, err)
	}
	if !bytes.Equal(plain(t, got.Bytes()), plain(t, want)) {
		t.Errorf("made whole it is\n%s", plain(t, got.Bytes()))
	}
	if _, err := ReadIndex(context.Background(), bytes.NewReader(got.Bytes())); err != nil {
		t.Error(err)
	}

	for name, tc := range map[string]struct {
		find func(Original, capture.Digest) (capture.Body, error)
		want error
	}{
		"another payload": {func(Original, capture.Digest) (capture.Body, error) { return capture.Bytes("other"), nil }, ErrDigest},
		"an error":        {func(Original, capture.Digest) (capture.Body, error) { return nil, errDisk }, errDisk},
		"a changing body": {func(_ Original, d capture.Digest) (capture.Body, error) { return &fickle{}, nil }, ErrDigest},
		"an unread body":  {func(Original, capture.Digest) (capture.Body, error) { return broken{}, nil }, errDisk},
	} {
		if _, err := MakeWhole(context.Background(), io.Discard, bytes.NewReader(thin), tc.find); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	nothing := func(Original, capture.Digest) (capture.Body, error) { return nil, nil }
	if _, err := MakeWhole(context.Background(), io.Discard, bytes.NewReader(thin), nothing); err == nil {
		t.Error("a payload that was not found was made up")
	}
	for n := 0; n < got.Len(); n += 301 {
		if _, err := MakeWhole(context.Background(), &limited{n}, bytes.NewReader(thin), find); !errors.Is(err, errDisk) {
			t.Fatalf("a disk with room for %d bytes: %v", n, err)
		}
	}
}

func TestMakeWholeRefusesOtherRevisits(t *testing.T) {
	c := everything(t)
	opt := options()
	opt.Dedupe = func(target string, _ capture.Digest) (Original, bool) {
		return Original{capture.ID{1}, target, day}, true
	}
	file, _ := written(t, c, opt)
	b := string(plain(t, file))
	for name, change := range map[string][2]string{
		"another profile": {"identical-payload-digest", "server-not-modified"},
		"no date":         {"WARC-Refers-To-Date", "X-Refers-To-Date"},
		"no target":       {"WARC-Refers-To-Target-URI", "X-Refers-To-Target-URI"},
		"no id":           {"WARC-Refers-To: <urn:uuid:", "WARC-Refers-To: <urn:x:"},
		"no digest":       {"WARC-Payload-Digest: sha256", "WARC-Payload-Digest: md5"},
	} {
		changed := strings.Replace(b, change[0], change[1], -1)
		_, err := MakeWhole(context.Background(), io.Discard, strings.NewReader(changed),
			func(Original, capture.Digest) (capture.Body, error) { return capture.Bytes("x"), nil })
		if !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
