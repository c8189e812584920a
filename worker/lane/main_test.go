package lane_test

import (
	"os"
	"testing"

	"github.com/trawlmark/trawlmark/worker/task"
)

func TestMain(m *testing.M) {
	task.Log(quiet()) // Redis goes away on purpose
	os.Exit(m.Run())
}
