package warc

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// WriteArtifacts writes the resource records of c's artifacts, as WriteCapture
// writes them, to the end of a WARC of the same capture that was written
// without them. info is the id of that file's warcinfo record.
func WriteArtifacts(ctx context.Context, w io.Writer, c *capture.Capture, info capture.ID, opt Options) error {
	if err := opt.validate(); err != nil {
		return err
	}
	if c.ID.IsZero() || c.Started.IsZero() || c.URL == "" || info.IsZero() {
		return errors.New("warc: artifacts need the capture's id, URL and start, and the id of the warcinfo record")
	}
	x := &writer{members: newMembers(w), c: c, opt: opt, info: info, payload: map[capture.Digest]int{}}
	defer x.end()
	if err := x.artifacts(ctx); err != nil {
		return fmt.Errorf("warc: capture %s: %w", c.ID, err)
	}
	return nil
}
