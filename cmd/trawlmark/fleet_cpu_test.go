package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// cpuUse is processor time by who used it: this process (trawlmark and the
// marketplace it visits), its S3 server, its Redis, and Chrome.
type cpuUse map[string]time.Duration

// cpuNow reads what this process and its descendants have used so far. Where
// there is no /proc only this process is known.
func cpuNow(tb testing.TB) cpuUse {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	use := cpuUse{"own": time.Duration(u.Utime.Nano() + u.Stime.Nano())}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	type proc struct {
		parent int
		ticks  time.Duration
	}
	all := map[int]proc{}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// pid (comm) state ppid ... utime is field 14, stime 15, and 16 and 17 the
		// same of children that have ended, as a page's process does (proc(5)).
		_, rest, _ := strings.Cut(string(b), ") ")
		f := strings.Fields(rest)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if len(f) < 15 {
			continue
		}
		parent, _ := strconv.Atoi(f[1])
		ticks := 0
		for _, x := range f[11:15] {
			n, _ := strconv.Atoi(x)
			ticks += n
		}
		all[pid] = proc{parent, time.Duration(ticks) * 10 * time.Millisecond} // USER_HZ is 100 on Linux
	}
	for pid, p := range all {
		above := p.parent
		for above > 1 && above != os.Getpid() {
			above = all[above].parent
		}
		if above != os.Getpid() {
			continue
		}
		b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
		switch line := string(b); {
		case strings.Contains(line, hiddenS3):
			use["s3"] += p.ticks
		case strings.Contains(line, "redis"):
			use["redis"] += p.ticks
		default:
			use["chrome"] += p.ticks
		}
	}
	return use
}

// since is what was used after before.
func (u cpuUse) since(before cpuUse) cpuUse {
	d := cpuUse{}
	for who, t := range u {
		if t -= before[who]; t > 0 {
			d[who] = t
		}
	}
	return d
}

func (u cpuUse) sum() time.Duration {
	var all time.Duration
	for _, t := range u {
		all += t
	}
	return all
}

// report prints milliseconds of processor time for each of n things, as one
// metric for the whole and one line for the shares.
func (u cpuUse) report(b *testing.B, name string, n int) {
	b.Helper()
	ms := func(t time.Duration) float64 { return t.Seconds() * 1000 / float64(n) }
	b.ReportMetric(ms(u.sum()), name+"-cpu-ms")
	for _, who := range []string{"own", "s3", "redis", "chrome"} {
		if t := u[who]; t > 0 {
			b.Logf("%-10s processor time of %-7s %7.2f ms each  %5.1f %%", name, who, ms(t), 100*float64(t)/float64(u.sum()))
		}
	}
}
