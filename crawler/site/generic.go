package site

// genericSite reads shops that have no file: schema.org, OpenGraph and the
// shapes of addresses that shop software has in common (Shopify, WooCommerce,
// Magento, PrestaShop, Shopware and their like).
func genericSite() *Site {
	s := &Site{
		Name: "generic", Title: "Any shop", Generic: true,
		Pages: []PageRule{
			{Kind: KindSearch, Path: `(?i)/(?:search|suche|buscar|busca|busqueda|recherche|ricerca|zoeken|szukaj|arama|sok|s|sr|sch|catalogsearch|search[-_]?(?:page|results?)|search\.\w+|searchpage\.\w+)(?:/|$)`},
			{Kind: KindSearch, Query: map[string]string{"q": `.`}},
			{Kind: KindSearch, Query: map[string]string{"s": `.`, "post_type": `^product$`}},
			{Kind: KindListing, Path: `^(?:/[a-z]{2}(?:-[a-zA-Z]{2})?)?(?:/collections/[^/]+)?/products/(?P<id>[^/]+)/?$`},
			{Kind: KindSearch, Path: `^(?:/[a-z]{2}(?:-[a-zA-Z]{2})?)?/collections(?:/[^/]+)?/?$`},
			{Kind: KindOther, Query: map[string]string{"Item": `^(?P<id>[A-Za-z0-9-]{4,30})$`}},
			{Kind: KindOther, Query: map[string]string{"skuId": `^(?P<id>\d{4,14})$`}},
			{Kind: KindOther, Query: map[string]string{"productId": `^(?P<id>[A-Za-z0-9]{4,24})$`}},
			{Kind: KindListing, Path: `(?i)/(?:product|produkt|producto|produit|prodotto|produto|item|listing|itm|artikel|dp|p|pd|ip)/(?:[^/]+/)*(?P<id>[^/]+?)(?:\.html?)?/?$`},
			{Kind: KindListing, Path: `^(?:/[a-z]{2})?/pr/(?P<id>\d{5,14})(?:/|$)`},
			{Kind: KindOther, Path: `/R-(?P<id>[A-Za-z0-9_]{4,30})/?$`},
			{Kind: KindOther, Path: `[./](?P<id>\d{5,14})(?:/product)?(?:\.html?)?/?$`},
			{Kind: KindOther, Path: `[-_](?P<id>\d{5,14})(?:\.html?|\.aspx|\.php)?/?$`},
			{Kind: KindOther, Query: map[string]string{"id": `^(?P<id>\d{4,20})$`}},
			{Kind: KindSearch, Query: map[string]string{"keyword": `.`}},
			{Kind: KindSearch, Query: map[string]string{"keywords": `.`}},
			{Kind: KindSearch, Query: map[string]string{"search": `.`}},
			{Kind: KindSearch, Query: map[string]string{"query": `.`}},
			{Kind: KindSearch, Query: map[string]string{"searchTerm": `.`}},
			{Kind: KindSearch, Query: map[string]string{"search_query": `.`}},
			{Kind: KindSearch, Query: map[string]string{"Ntt": `.`}},
			{Kind: KindSearch, Query: map[string]string{"kwd": `.`}},
			{Kind: KindSearch, Path: `(?i)/(?:category|categories|product-category|shop|c|kategorie|categoria)(?:/|$)`},
		},
		Links: LinkRules{Next: []string{
			`a.next.page-numbers, li.next > a, a.next, a.next-page, a.pagination-next, a.pagination__next, .pagination-next a, .pages-item-next a, .next-page > a`,
			`nav a[aria-label^="next" i], .pagination a[aria-label^="next" i], [class*="pagination"] a[aria-label*="next" i], a[data-testid*="pagination-forward"]`,
			`.pagination a[aria-label*="suivant" i], .pagination a[aria-label*="siguiente" i], .pagination a[aria-label*="nächste" i], .pagination a[title*="next" i]`,
		}},
		Markers: genericMarkers(),
		Listing: genericRules(),
	}
	c := &checker{file: "generic"}
	s.compile(c)
	if len(c.errs) > 0 {
		panic("site: the generic site is wrong: " + c.errs[0].Error()) // held by every test
	}
	return s
}
