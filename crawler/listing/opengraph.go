package listing

import "strings"

// addMeta adds the candidates of OpenGraph and its relatives. Their prices are
// often written for the reader's place ("48,00") and in another currency than
// the page asks for: low confidence, and they are checked against the text.
func (e *extraction) addMeta() {
	d := e.doc
	const src = "opengraph"
	put := func(f FieldName, key string, conf float64) {
		if v := d.Meta(key); v != "" {
			e.add(Candidate{Field: f, Raw: v, Source: src, Path: key, Confidence: conf})
		}
	}
	put(Title, "og:title", .6)
	put(Title, "twitter:title", .55)
	put(Description, "og:description", .5)
	put(Description, "description", .4)
	for _, m := range d.metas {
		if m.key == "og:image" || m.key == "og:image:url" || m.key == "og:image:secure_url" || m.key == "twitter:image" {
			e.add(Candidate{Field: Image, Raw: m.content, Source: src, Path: m.key, Confidence: .6})
		}
	}
	put(Brand, "product:brand", .7)
	put(Brand, "og:brand", .7)
	put(Availability, "product:availability", .6)
	put(Availability, "og:availability", .6)
	put(Condition, "product:condition", .6)
	put(ItemID, "product:retailer_item_id", .45)
	put(Category, "product:category", .5)
	put(GTIN, "product:ean", .7)
	put(GTIN, "product:upc", .7)
	for _, m := range d.metas {
		name, ok := strings.CutSuffix(m.key, ":amount")
		if !ok {
			name, ok = strings.CutSuffix(m.key, "_amount")
		}
		if !ok && strings.HasSuffix(m.key, ":price_value") {
			name, ok = strings.TrimSuffix(m.key, ":price_value"), true
		}
		if !ok || !strings.Contains(m.key, "price") || strings.Contains(m.key, "shipping") {
			continue
		}
		cur := d.Meta(name + ":currency")
		if cur == "" {
			cur = d.Meta(name + ":currency_code")
		}
		if cur == "" {
			cur = d.Meta("og:price:currency")
		}
		field, conf := Price, .6
		switch {
		case strings.Contains(m.key, "original") || strings.Contains(m.key, "standard") || strings.Contains(m.key, "regular"):
			field = StrikePrice
		case strings.Contains(m.key, "pretax"): // what nobody pays
			continue
		case strings.Contains(m.key, "sale_price"):
			conf = .65
		}
		e.addPrice(field, m.content, "", cur, src, m.key, conf)
		if CurrencyCode(cur) != "" {
			e.add(Candidate{Field: Currency, Raw: cur, Source: src, Path: m.key, Confidence: .6})
		}
	}
	if cur := d.Meta("og:price:currency"); cur != "" {
		e.add(Candidate{Field: Currency, Raw: cur, Source: src, Path: "og:price:currency", Confidence: .55})
	}
}
