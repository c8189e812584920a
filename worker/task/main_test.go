package task_test

import (
	"io"
	"log/slog"
	"os"
	"testing"

	"github.com/trawlmark/trawlmark/worker/task"
)

func TestMain(m *testing.M) {
	task.Log(slog.New(slog.NewTextHandler(io.Discard, nil))) // Redis goes away on purpose
	os.Exit(m.Run())
}
