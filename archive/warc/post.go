package warc

import "github.com/trawlmark/trawlmark/archive/capture"

// lookup sets what replay looks a response up by when its request was no GET.
func (x *writer) lookup(entry *Entry, e *capture.Exchange) error {
	if e.Method != "GET" && e.Method != "" {
		entry.Method = tokenOf(e.Method)
	}
	return nil
}
