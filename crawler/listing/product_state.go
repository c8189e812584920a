package listing

import "strings"

// Names under which programs keep the parts of a product, the usual first.
var (
	stateTitle    = []string{"title", "name", "productName", "product_name", "itemName", "productTitle", "item_name", "subject", "goodsName", "goods_name"}
	statePrice    = []string{"salePrice", "sale_price", "currentPrice", "current_price", "finalPrice", "final_price", "sellingPrice", "price", "priceValue", "price_amount", "amount"}
	stateCurrency = []string{"currency", "currencyCode", "priceCurrency", "currency_code", "currencyId", "currency_id", "currencyIsoCode"}
	stateID       = []string{"itemId", "item_id", "productId", "product_id", "listingId", "listing_id", "id", "sku"}
	stateBrand    = []string{"brand", "brandName", "brand_name", "manufacturer"}
	stateSeller   = []string{"sellerName", "seller_name", "shopName", "shop_name", "storeName", "store_name", "sellerNick", "vendor"}
	stateSellerID = []string{"sellerId", "seller_id", "shopId", "shop_id", "storeId", "userId"}
	stateSellerIn = []string{"seller", "shop", "merchant", "user", "owner"}
	stateStrike   = []string{"originalPrice", "original_price", "listPrice", "list_price", "compareAtPrice", "compare_at_price", "regularPrice", "wasPrice", "strikePrice"}
	stateStock    = []string{"stock", "stockQuantity", "availableQuantity", "available_quantity", "inventory", "quantityAvailable"}
	stateSold     = []string{"soldCount", "sold_count", "sold", "historicalSold", "historical_sold", "sold_quantity", "orderCount"}
	stateStatus   = []string{"availability", "stockStatus", "availabilityStatus"}
	stateCond     = []string{"condition", "itemCondition", "conditionName", "item_condition"}
	stateAbout    = []string{"description", "productDescription", "item_description"}
)

// addState reads the product object of the embedded state: the one that is
// called what the page is called. Without that tie nothing is taken, because
// state is full of other products.
func (e *extraction) addState() {
	best, bestScore, bestName := (*Tree)(nil), 0, ""
	refs := references{doc: e.doc}
	seen := 0
	for _, s := range e.doc.allStates() {
		s.tree.walk(func(o *Tree, _ int) bool {
			seen++
			title := o.first(stateTitle...).scalar()
			if len(title) < 6 || !e.doc.isTitle(title) {
				return seen < 200_000
			}
			score := 1
			for _, group := range [][]string{statePrice, stateCurrency, stateBrand, stateSeller, stateSellerIn, stateAbout, stateCond, {"images", "photos", "image"}} {
				if refs.first(o, group...) != nil {
					score++
				}
			}
			if refs.first(o, statePrice...) != nil {
				score += 2
			}
			if score > bestScore {
				best, bestScore, bestName = o, score, s.name
			}
			return seen < 200_000
		})
	}
	if best != nil && bestScore >= 3 {
		e.addStateProduct(refs.resolved(best), bestName)
	}
}

func (e *extraction) addStateProduct(o *Tree, name string) {
	const src, conf = "state", .7
	put := func(f FieldName, keys []string, c float64) {
		for _, k := range keys {
			v := o.get(k)
			if v == nil {
				continue
			}
			if v.kind == objectTree {
				v = v.first("name", "value", "displayName", "title", "text")
			}
			e.addText(f, v, src, name+".."+k, c)
		}
	}
	put(Title, stateTitle, conf)
	put(Description, stateAbout, conf)
	put(Brand, stateBrand, conf)
	put(SellerName, stateSeller, conf-.05)
	put(SellerID, stateSellerID[:5], conf-.1)
	put(Stock, stateStock, conf)
	put(SoldCount, stateSold, conf)
	put(Availability, stateStatus, conf)
	put(Condition, stateCond, conf)
	put(ItemID, stateID, .45)
	for _, k := range stateSellerIn {
		s := o.get(k)
		if s == nil || s.kind != objectTree {
			continue
		}
		e.addText(SellerName, s.first("name", "username", "login", "nickname", "displayName", "shopName", "storeName", "screenName"), src, name+".."+k+".name", conf)
		e.addText(SellerID, s.first("id", "sellerId", "userId", "shopId", "storeId"), src, name+".."+k+".id", conf)
		e.addText(SellerURL, s.first("url", "profileUrl", "profile_url", "shopUrl", "link"), src, name+".."+k+".url", conf)
	}
	for _, k := range []string{"images", "photos", "image", "media"} {
		for i, img := range o.get(k).items() {
			if i >= 30 {
				break
			}
			if img.kind == objectTree {
				img = img.first("url", "src", "full_size_url", "original", "contentUrl")
			}
			if u := img.scalar(); strings.Contains(u, "/") {
				e.addText(Image, img, src, name+".."+k, conf-.05)
			}
		}
	}
	e.addStatePrice(o, name, Price, statePrice, conf)
	e.addStatePrice(o, name, StrikePrice, stateStrike, conf)
}

// addStatePrice reads a price that is a number, a text, or an object of amount
// and currency.
func (e *extraction) addStatePrice(o *Tree, name string, f FieldName, keys []string, conf float64) {
	cur := o.first(stateCurrency...).scalar()
	for _, k := range keys {
		v := o.get(k)
		if v == nil || v.kind == nullTree {
			continue
		}
		code := cur
		if v.kind == objectTree {
			if c := v.first(stateCurrency...).scalar(); c != "" {
				code = c
			}
			if minor := v.first("centAmount"); minor != nil {
				continue // commercetools and its like: minor units, and no fraction digits here
			}
			v = v.first("amount", "value", "price", "current", "salePrice", "min", "formatted", "text")
			if v != nil && v.kind == objectTree {
				v = v.first("amount", "value", "price")
			}
		}
		if v.scalar() == "" || v.kind == boolTree {
			continue
		}
		if v.kind == numberTree && v == o.get(k) && o.get("handle") != nil && o.get("variants") != nil && (o.get("price_min") != nil || o.get("compare_at_price") != nil) {
			continue // Shopify's product as JSON is in cents; other sources say how many there are
		}
		e.addPrice(f, v.scalar(), "", code, "state", name+".."+k, conf)
		if f == Price && CurrencyCode(code) != "" {
			e.add(Candidate{Field: Currency, Raw: code, Source: "state", Path: name + "..currency", Confidence: conf})
		}
	}
}
