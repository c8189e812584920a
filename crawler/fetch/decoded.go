package fetch

import (
	"errors"
	"fmt"
	"io"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Decoded gives an exchange's body with its content-coding undone, within the
// limits that a fetch has. A body that does not decode whole, or is longer than
// limit bytes, is an error.
func Decoded(e *capture.Exchange, limit int64) ([]byte, error) {
	if e.Body == nil {
		return nil, nil
	}
	if e.Decoded {
		return capture.ReadAll(e.Body, limit)
	}
	cfg := Config{MaxDecoded: limit}.withDefaults()
	d := newDecoder(e, cfg)
	b, err := io.ReadAll(io.LimitReader(d, limit+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(b)) > limit:
		return nil, fmt.Errorf("the body decompresses to more than %d bytes", limit)
	case d.problem != "":
		return nil, errors.New(d.problem)
	}
	return b, nil
}
