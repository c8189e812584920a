package site

import (
	"fmt"
	"strings"
	"testing"
)

func TestNextSearchURL(t *testing.T) {
	set := configs(t)
	for u, want := range map[string]string{
		"https://search.jd.com/Search?keyword=%E6%89%8B%E6%9C%BA&enc=utf-8": "https://search.jd.com/Search?enc=utf-8&keyword=%E6%89%8B%E6%9C%BA&page=2",
		"https://search.jd.com/Search?keyword=x&page=100":                   "", // the last that is shown
		"https://s.taobao.com/search?q=ipad&s=44":                           "https://s.taobao.com/search?q=ipad&s=88",
		"https://shopee.sg/search?keyword=bag&sortBy=sales":                 "https://shopee.sg/search?keyword=bag&page=1&sortBy=sales",
		"https://jp.mercari.com/search?keyword=bag&page_token=v1:1":         "https://jp.mercari.com/search?keyword=bag&page_token=v1%3A2",
		"https://jp.mercari.com/search?keyword=bag&page_token=v2:1":         "",
		"https://www.aliexpress.com/w/wholesale-blue-bag.html":              "https://www.aliexpress.com/w/wholesale-blue-bag.html?page=2",
		"https://www.carousell.sg/search/airpods%20max?page=3#x":            "https://www.carousell.sg/search/airpods%20max?page=4",
		"https://www.carousell.sg/categories/bags-9/":                       "",
		"https://listado.mercadolibre.com.pe/blue-mouse":                    "https://listado.mercadolibre.com.pe/blue-mouse_Desde_49",
		"https://listado.mercadolibre.com.pe/blue-mouse_Desde_49":           "https://listado.mercadolibre.com.pe/blue-mouse_Desde_97",
		"https://auctions.yahoo.co.jp/search/search?p=bag&b=51&n=50":        "https://auctions.yahoo.co.jp/search/search?b=101&n=50&p=bag",
		"https://www.ebay.de/sch/i.html?_nkw=bag&_pgn=nine":                 "",
		"https://www.ebay.de/itm/226771798286":                              "",
		"https://shop.example/search?q=bag":                                 "", // an unknown shop has no template
		"::":                                                                "",
	} {
		if got := set.For(u).Site.NextSearchURL(u); got != want {
			t.Errorf("%s: %q, want %q", u, got, want)
		}
	}
	// What a template makes is what it reads, for every site there is.
	for _, s := range set.Sites() {
		if s.Search.URL == "" {
			continue
		}
		one := set.Site(s.Name)
		for page := 1; page <= 3; page++ {
			u, err := one.SearchURL("blue bag", page)
			want, err2 := one.SearchURL("blue bag", page+1)
			if err != nil || err2 != nil {
				t.Fatal(err, err2)
			}
			got := one.NextSearchURL(u)
			if set.For(got).Canonical != set.For(want).Canonical {
				t.Errorf("%s: after %s comes %q, want %q", s.Name, u, got, want)
			}
		}
	}
}

// TestPagesWithoutALink holds that a full page of results leads on by the
// template, and a short one ends the search.
func TestPagesWithoutALink(t *testing.T) {
	set := configs(t)
	for n, want := range map[int]bool{30: true, 3: false} {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `<a href="/p/bag-%d/">x</a>`, 1000000+i)
		}
		r := set.Read(Page{URL: "https://www.carousell.sg/search/bag", Body: []byte(b.String())})
		last := r.Links[len(r.Links)-1]
		if (last.Kind == KindNext) != want {
			t.Errorf("%d results end with %+v", n, last)
		}
	}
	const jd = `<div id="J_goodsList"><li class="gl-item" data-sku="1000000"><a href="//item.jd.com/1000000.html">x</a></li></div>`
	for body, want := range map[string]int{jd: 1, jd + `<a class="pn-next" href="javascript:;">next</a>`: 2} {
		if r := set.Read(Page{URL: "https://search.jd.com/Search?keyword=x", Body: []byte(body)}); len(r.Links) != want {
			t.Errorf("%s: %+v", body, r.Links)
		}
	}
}

func FuzzNextSearchURL(f *testing.F) {
	for _, u := range []string{"https://s.taobao.com/search?q=x&s=44", "https://listado.mercadolibre.com.pe/a_Desde_49", "https://jp.mercari.com/search?page_token=v1:9", "x"} {
		f.Add(u)
	}
	set := configs(f)
	f.Fuzz(func(t *testing.T, u string) {
		m := set.For(u)
		next := m.Site.NextSearchURL(u)
		if next == u && next != "" {
			t.Errorf("%q is followed by itself", u)
		}
		if next != "" && set.For(next).Site.Name != m.Site.Name {
			t.Errorf("%q leads to another site: %q", u, next)
		}
	})
}
