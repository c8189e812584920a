package lane

import (
	"errors"
	"fmt"
	"time"
)

// Params are a lane's politeness, as the site's file and its robots.txt say.
type Params struct {
	// Min is the site's shortest delay between requests. Required.
	Min time.Duration
	// CrawlDelay is what robots.txt asks for; 0 when it asks for nothing.
	CrawlDelay time.Duration
	// Max bounds what slow answers can make of the delay. Default 60 s. The
	// floor, the larger of Min and CrawlDelay, holds even above it.
	Max time.Duration
	// Factor k: the delay is k times the response time. Default 2.
	Factor float64
	// Burst is how many slots may be taken at once after a pause. Default 1:
	// never two within the delay.
	Burst int
	// MaxWait is how far ahead a slot may be taken: a slot that comes later is
	// not taken (ErrNotYet). 0 takes only one that is due now.
	MaxWait time.Duration
}

func (p Params) withDefaults() Params {
	if p.Max == 0 {
		p.Max = time.Minute
	}
	if p.Factor == 0 {
		p.Factor = 2
	}
	if p.Burst == 0 {
		p.Burst = 1
	}
	return p
}

// Validate reports the first value that makes no sense.
func (p Params) Validate() error {
	switch {
	case p.Min <= 0:
		return fmt.Errorf("a lane's shortest delay is %s: it must be more than nothing", p.Min)
	case p.CrawlDelay < 0 || p.Max < 0 || p.MaxWait < 0 || p.Burst < 0 || !(p.Factor >= 0):
		return errors.New("a lane's crawl delay, maximum, wait, burst and factor must not be negative")
	case p.Factor > 1000 || p.Burst > 1000 || p.Floor() > 48*time.Hour || p.Max > 48*time.Hour:
		return errors.New("a lane's factor and burst go up to 1,000, its delays up to 48 h")
	}
	return nil
}

// Floor is the delay that always holds.
func (p Params) Floor() time.Duration { return max(p.Min, p.CrawlDelay) }

// Delay is the delay at a response time (0: none is known).
func (p Params) Delay(response time.Duration) time.Duration {
	p = p.withDefaults()
	return max(p.Floor(), min(time.Duration(p.Factor*float64(response)), p.Max))
}
