package scope

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

func TestCanonical(t *testing.T) {
	shop := Rules{Sort: true, Hosts: map[string]string{"m.shop.example": "www.shop.example"}, TrimSlash: true, Keep: []string{"ref"}, Drop: []string{"color_*"}}
	for _, c := range []struct {
		rules     Rules
		raw, want string
	}{
		{Rules{}, "HTTP://Shop.Example:80/a/../b/./c#frag", "http://shop.example/b/c"},
		{Rules{}, "https://shop.example:443", "https://shop.example/"},
		{Rules{}, "https://shop.example:8443/", "https://shop.example:8443/"},
		{Rules{}, "https://user:pw@shop.example./x", "https://shop.example/x"},
		{Rules{}, "  https:\\\\shop.example\\a\tb\n ", "https://shop.example/ab"},
		{Rules{}, "http://2130706433/", "http://127.0.0.1/"},
		{Rules{}, "http://0x7f.1/", "http://127.0.0.1/"},
		{Rules{}, "http://[::FFFF:127.0.0.1]/", "http://[::ffff:7f00:1]/"},
		{Rules{}, "https://münchen.example/ü?q=ü", "https://xn--mnchen-3ya.example/%C3%BC?q=%C3%BC"},
		{Rules{}, "https://shop.example/%7ea%2fb%3a?x=%7E%2f", "https://shop.example/~a%2Fb%3A?x=~%2F"},
		{Rules{}, "https://shop.example/100%?a=%4%31", "https://shop.example/100%25?a=%2541"},
		{Rules{}, "https://shop.example/i?utm_source=x&id=7&UTM_Medium=y&gclid=1&fbclid=2&spm=a.b&ref=z#a", "https://shop.example/i?id=7"},
		{Rules{}, "https://shop.example/i?utm_source=x", "https://shop.example/i"},
		{Rules{}, "https://shop.example/i?", "https://shop.example/i"},
		{Rules{}, "https://shop.example/i?b=1&a=2&&a=1", "https://shop.example/i?b=1&a=2&a=1"},
		{Rules{}, "https://shop.example/i?a&b=", "https://shop.example/i?a&b="},
		{Rules{}, "https://shop.example/i;jsessionid=A1B2?id=1&PHPSESSID=9&sid=0123456789abcdef0123456789ABCDEF", "https://shop.example/i?id=1"},
		{Rules{}, "https://shop.example/pr?sid=6bo,b5g&toolid=7&qid=8", "https://shop.example/pr?sid=6bo,b5g&toolid=7&qid=8"},
		{Rules{}, "https://shop.example/i?%75tm_source=x&id=1", "https://shop.example/i?id=1"},
		{Rules{}, "https://shop.example/i?utmost=1&reference=2", "https://shop.example/i?utmost=1&reference=2"},
		{Rules{Sort: true}, "https://shop.example/i?b=1&a=2&a=1&A=0", "https://shop.example/i?A=0&a=2&a=1&b=1"},
		{Rules{Keep: []string{"SID"}}, "https://shop.example/i?sid=0123456789abcdef0123456789ABCDEF", "https://shop.example/i?sid=0123456789abcdef0123456789ABCDEF"},
		{Rules{Only: []string{"id"}}, "https://shop.example/i?b=1&id=2&x=3", "https://shop.example/i?id=2"},
		{Rules{HTTPS: true}, "http://shop.example/", "https://shop.example/"},
		{Rules{HTTPS: true}, "http://shop.example:8080/", "http://shop.example:8080/"},
		{Rules{}, "https://shop.example/a/", "https://shop.example/a/"},
		{shop, "https://M.shop.example/i/?ref=B7&color_1=red&a=1", "https://www.shop.example/i?a=1&ref=B7"},
	} {
		got, err := Canonical(c.raw, c.rules)
		if err != nil || got != c.want {
			t.Errorf("%q: %q, %v; want %q", c.raw, got, err, c.want)
		}
	}
	for _, bad := range []string{
		"", "shop.example/x", "/x", "ftp://shop.example/", "javascript:alert(1)", "mailto:a@b.example", "data:,x", "http://", "http:///",
		"http://a b/", "http://[::1", "http://shop.example:99999/", "http://ex%41mple.com%00/", "http://a..b/", "http://1.2.3.999/",
		"https://shop.example/" + strings.Repeat("a", MaxURL),
	} {
		if got, err := Canonical(bad, Rules{}); !errors.Is(err, ErrURL) {
			t.Errorf("%.60q: %q, %v; want an error", bad, got, err)
		}
	}
}

func TestResolve(t *testing.T) {
	const base = "https://shop.example/a/b?c#d"
	for ref, want := range map[string]string{
		"e": "https://shop.example/a/e", "/e": "https://shop.example/e", "//other.example": "https://other.example/", "?q": "https://shop.example/a/b?q",
		"#x": "https://shop.example/a/b?c", "": "https://shop.example/a/b?c", "../../../e": "https://shop.example/e",
		" \t/e\n": "https://shop.example/e", "\\e": "https://shop.example/e", "https:e": "https://shop.example/a/e",
		"http://u:p@x.example/": "http://x.example/",
		"javascript:void(0)":    "", "tel:+1": "", "whatsapp://send": "",
	} {
		got, err := Resolve(base, ref)
		if want == "" {
			if err == nil {
				t.Errorf("%q: %q, want an error", ref, got)
			}
			continue
		}
		if err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", ref, got, err, want)
		}
	}
	if Host("https://A.example:8/x") != "a.example" || Host("nothing") != "" {
		t.Error("Host")
	}
}

// What Canonical gives is its own canonical form, and net/url reads the same
// host in it.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{
		"http://a/%4%31?%4%31", "https://shop.example/i;sid=1;sid=2?&a=%", "http://[::1]:80/\\..\\", "http://a/;jsessionid=;jsessionid=x",
		"http://ａ.example/？#", "http://a.example.:443//..//x//", "http://a/%2e%2E/%252e?+=%20", "https://ß.example/\u202e", "http://a/?'\"<>`{}|^",
	} {
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, raw string, odd bool) {
		r := Rules{Sort: odd, TrimSlash: odd, HTTPS: odd}
		one, err := Canonical(raw, r)
		if err != nil {
			if !errors.Is(err, ErrURL) {
				t.Fatalf("%q: untyped error %v", raw, err)
			}
			return
		}
		two, err := Canonical(one, r)
		if len(one) <= MaxURL && (err != nil || two != one) {
			t.Fatalf("%q gives %q, which gives %q, %v", raw, one, two, err)
		}
		u, err := url.Parse(one)
		if err != nil || u.Hostname() != strings.Trim(Host(one), "[]") && len(one) <= MaxURL || u.User != nil || u.Fragment != "" {
			t.Fatalf("%q gives %q, which net/url reads as %+v, %v", raw, one, u, err)
		}
	})
}
