package egress_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails the run when a goroutine of this package outlives the tests:
// every session was closed, so nothing may be left.
func TestMain(m *testing.M) {
	code := m.Run()
	if left := leftover(); code == 0 && left != "" {
		fmt.Fprintln(os.Stderr, "goroutines that outlived their session:\n"+left)
		code = 1
	}
	os.Exit(code)
}

func leftover() string {
	var left string
	for range 6000 { // a minute
		buf := make([]byte, 1<<20)
		buf = buf[:runtime.Stack(buf, true)]
		left = ""
		for g := range strings.SplitSeq(string(buf), "\n\n") {
			if strings.Contains(g, "crawler/egress.(") {
				left += g + "\n\n"
			}
		}
		if left == "" {
			break
		}
		time.Sleep(10 * time.Millisecond) // for the scheduler, only when something is left
	}
	return left
}
