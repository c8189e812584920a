package scope

import (
	"strings"
	"testing"
)

func TestTraps(t *testing.T) {
	for path, want := range map[string]string{
		"/item/123": "", "/2024/05/red-shoes": "", "/a/b/a/b": "", "/shoes/shoes": "", "/blog/2024/05/": "", "/search?q=x&page=2": "",
		"/item?date=soon": "", "/events/red-shoes": "", "/find?year=2024": "",
		"/a/a/a": "repeated", "/x/a/b/a/b/a/b": "repeated", "/1/2/3/4/1/2/3/4/1/2/3/4": "repeated",
		"/" + strings.Repeat("x/", 12) + "y": "repeated", "/" + strings.Repeat("q", 2100): "longer",
		"/calendar/2031/05": "calendar", "/events/2031/05/12/": "calendar", "/list?date=2031-05-12": "calendar", "/x?year=2031&month=5": "calendar",
		"/agenda?month=7": "calendar", "/i;jsessionid=AB": "session", "/f?" + strings.Repeat("a=1&", 30): "parameters",
	} {
		if got := (Traps{}).Check("https://shop.example" + path); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%.50s: %q, want %q", path, got, want)
		}
	}
	many := make([]string, 30)
	for i := range many {
		many[i] = string(rune('a' + i%26))
	}
	if got := (Traps{}).Check("https://shop.example/" + strings.Join(many, "/")); !strings.Contains(got, "parts") {
		t.Errorf("30 segments: %q", got)
	}
	if got := (Traps{Calendars: true}).Check("https://shop.example/calendar/2031/05"); got != "" {
		t.Errorf("calendars wanted: %q", got)
	}
}

func TestDecide(t *testing.T) {
	s, err := New(Config{
		Hosts: []string{"www.shop.example", "*.market.example"}, Include: []string{"/item/", "/search?*q="}, Exclude: []string{"/item/*/print$"},
		Limits: Limits{Depth: 2, Pages: 100, PerHost: 50, PerShape: 10},
	})
	if err != nil {
		t.Fatal(err)
	}
	ok := Count{Depth: 2, Pages: 99, PerHost: 49, PerShape: 9}
	for _, c := range []struct {
		raw   string
		count Count
		url   string
		why   string
	}{
		{"https://WWW.shop.example/item/1?utm_source=x#y", ok, "https://www.shop.example/item/1", ""},
		{"https://de.market.example/search?lang=de&q=shoe", ok, "https://de.market.example/search?lang=de&q=shoe", ""},
		{"https://a.b.market.example/item/1", ok, "https://a.b.market.example/item/1", ""},
		{"https://market.example/item/1", ok, "https://market.example/item/1", "host"},
		{"https://evilmarket.example/item/1", ok, "https://evilmarket.example/item/1", "host"},
		{"https://www.shop.example.evil.example/item/1", ok, "https://www.shop.example.evil.example/item/1", "host"},
		{"https://www.shop.example@evil.example/item/1", ok, "https://evil.example/item/1", "host"},
		{"https://www.shop.example/help", ok, "https://www.shop.example/help", "include"},
		{"https://www.shop.example/item/1/print", ok, "https://www.shop.example/item/1/print", "excluded by /item/*/print$"},
		{"https://www.shop.example/item/1/print?x", ok, "https://www.shop.example/item/1/print?x", ""},
		{"https://www.shop.example/item/a/a/a", ok, "https://www.shop.example/item/a/a/a", "repeated"},
		{"mailto:x@shop.example", ok, "", "scheme"},
		{"https://www.shop.example/item/1", Count{Depth: 3}, "https://www.shop.example/item/1", "links away"},
		{"https://www.shop.example/item/1", Count{Pages: 100}, "https://www.shop.example/item/1", "watch has"},
		{"https://www.shop.example/item/1", Count{PerHost: 50}, "https://www.shop.example/item/1", "host has"},
		{"https://www.shop.example/item/1", Count{PerShape: 10}, "https://www.shop.example/item/1", "numbers"},
	} {
		d := s.Decide(c.raw, c.count)
		if d.URL != c.url || d.In != (c.why == "") || !strings.Contains(d.Reason, c.why) || d.In != (d.Reason == "") {
			t.Errorf("%q: %+v, want %q because %q", c.raw, d, c.url, c.why)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	for key, cfg := range map[string]Config{
		"scope.hosts":   {},
		"scope.include": {Hosts: []string{"a.example"}, Include: []string{"item"}},
		"scope.exclude": {Hosts: []string{"a.example"}, Exclude: []string{""}},
		"scope.limits":  {Hosts: []string{"a.example"}, Limits: Limits{Depth: -1}},
	} {
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
	for _, host := range []string{"", "*", "*.", "https://a.example", "a b", "a.example/x", "a.example:80"} {
		if _, err := New(Config{Hosts: []string{host}}); err == nil {
			t.Errorf("host %q was accepted", host)
		}
	}
}

func TestShape(t *testing.T) {
	one := Shape("https://shop.example/item/123?id=7&color=red")
	if two := Shape("https://shop.example/item/99?color=blue&id=1&id=2"); one != two || one == "" {
		t.Errorf("%q and %q", one, two)
	}
	if a, b := Shape("https://shop.example/i/0b7e9a4c-1111-4222-8333-444455556666"), Shape("https://shop.example/i/1b7e9a4c111142228333444455556667"); a != b {
		t.Errorf("%q and %q", a, b)
	}
	if Shape("https://shop.example/a") == Shape("https://shop.example/b") {
		t.Error("different pages share a shape")
	}
}

func FuzzTraps(f *testing.F) {
	f.Add("https://shop.example/a/a/a?b&b#c")
	f.Add("https://x/2031/01/01/;sid=?date=2031-01")
	f.Fuzz(func(t *testing.T, u string) {
		(Traps{}).Check(u)
		Shape(u)
	})
}

func TestRefuses(t *testing.T) {
	s, err := New(Config{AnyHost: true, Include: []string{"/item/"}, Exclude: []string{"/item/*/print$", "/used"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		raw     string
		leadsOn bool
		why     string
	}{
		{"https://any.example/item/1", false, ""},
		{"https://any.example/item/1/print", false, "excluded by /item/*/print$"},
		{"https://any.example/search?page=2", false, "no include pattern matches"},
		{"https://any.example/search?page=2", true, ""},
		{"https://any.example/used?page=2", true, "excluded by /used"},
		{"https://any.example/item/a/a/a/a", false, ""},
		{"mailto:x@any.example", true, "not a web address"},
	} {
		if got := s.Refuses(c.raw, c.leadsOn); got != c.why {
			t.Errorf("%s: %q, want %q", c.raw, got, c.why)
		}
	}
}
