package custody_test

import (
	"testing"

	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/custody/storetest"
)

func TestMem(t *testing.T) {
	storetest.Run(t, func(*testing.T) func() custody.Store {
		m := &custody.Mem{}
		return func() custody.Store { return m }
	})
}
