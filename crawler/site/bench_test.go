package site

import (
	"bytes"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// BenchmarkRead reads real pages and, in the same run, only parses them: the
// ratio is what reading costs, whatever the machine does at the moment.
func BenchmarkRead(b *testing.B) {
	set := configs(b)
	var pages []Page
	size := 0
	for _, row := range truth(b) {
		pages = append(pages, Page{URL: row.address(set), Status: 200, Body: row.body})
		size += len(row.body)
	}
	b.SetBytes(int64(size))
	var reading, parsing time.Duration
	for b.Loop() {
		start := time.Now()
		for _, p := range pages {
			if _, err := html.Parse(bytes.NewReader(p.Body)); err != nil {
				b.Log(err)
			}
		}
		parsed := time.Now()
		for _, p := range pages {
			set.Read(p)
		}
		parsing += parsed.Sub(start)
		reading += time.Since(parsed)
	}
	mb := float64(size) * float64(b.N) / 1e6
	b.ReportMetric(mb/reading.Seconds(), "read-MB/s")
	b.ReportMetric(mb/parsing.Seconds(), "parse-MB/s")
	b.ReportMetric(reading.Seconds()/parsing.Seconds(), "x-html.Parse")
}
