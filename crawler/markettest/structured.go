package markettest

import (
	"encoding/json"
	"html/template"
	"strings"
)

type node = map[string]any

// structured gives the JSON-LD of a listing in the shape of its page; "" for
// pages that have none.
func structured(l Listing, base string, images []string) template.JS {
	p := node{"@type": "Product", "name": l.Title, "sku": l.ID, "description": l.Text, "url": base + l.Path, "image": images}
	if l.BrandAttr != "" {
		p["brand"] = node{"@type": "Brand", "name": l.BrandAttr}
	}
	if l.Model != "" {
		p["mpn"] = l.Model
	}
	avail := "https://schema.org/InStock"
	if l.Fault == FaultSoldOut {
		avail = "http://schema.org/SoldOut"
	}
	cond := "https://schema.org/NewCondition"
	if l.Condition == "used" {
		cond = "https://schema.org/UsedCondition"
	}
	offer := node{
		"@type": "Offer", "price": l.Price, "priceCurrency": l.Currency, "availability": avail, "itemCondition": cond,
		"url": base + l.Path, "seller": node{"@type": "Organization", "name": l.Shop.Name, "url": base + "/shop/" + l.Shop.ID},
	}
	p["offers"] = offer
	crumbs := node{"@type": "BreadcrumbList", "itemListElement": []node{
		{"@type": "ListItem", "position": 1, "name": "Pellamart", "item": base + "/"},
		{"@type": "ListItem", "position": 2, "name": l.Category},
	}}

	var root any
	switch l.Page {
	case JSONLD:
		p["@context"] = "https://schema.org"
		p["image"] = images[0]
		root = p
	case JSONLDNum:
		p["@context"] = "http://schema.org/"
		p["@type"] = []string{"Product"}
		offer["price"] = json.Number(l.Price)
		offer["availability"] = strings.TrimPrefix(strings.TrimPrefix(avail, "https://schema.org/"), "http://schema.org/")
		root = p
	case Graph:
		root = node{"@context": "https://schema.org", "@graph": []node{{"@type": "WebSite", "name": "Pellamart", "url": base + "/"}, crumbs, p}}
	case Array:
		crumbs["@context"], p["@context"] = "https://schema.org", "https://schema.org"
		root = []node{crumbs, p}
	case Aggregate:
		p["@context"] = "https://schema.org"
		p["offers"] = node{
			"@type": "AggregateOffer", "lowPrice": l.Price, "highPrice": scale(l.Price, "1.15"), "offerCount": 1, "priceCurrency": l.Currency,
			"availability": avail, "offers": []node{offer},
		}
		root = p
	case Nested:
		p["offers"] = []node{offer}
		root = node{"@context": "https://schema.org", "@type": "ItemPage", "name": l.Title + " | Pellamart", "mainEntity": p}
	case Converted:
		p["@context"] = "https://schema.org"
		offer["price"], offer["priceCurrency"] = toUSD(l.Price, l.Currency), "USD"
		root = p
	default:
		return ""
	}
	return jsonText(root)
}

// jsonText is safe inside <script>: encoding/json escapes <, > and &.
func jsonText(v any) template.JS {
	b, err := json.Marshal(v)
	if err != nil {
		panic("markettest: " + err.Error()) // only maps and strings come here
	}
	return template.JS(b)
}

// itemData is what the API says of a listing, and what State pages embed.
func itemData(l Listing, cdn string, t words) node {
	var images []string
	for i := range l.Pictures {
		images = append(images, cdn+l.PicturePath(i))
	}
	return node{
		"item_id": l.ID, "title": l.Title, "description": l.Text,
		"price":  node{"amount": l.Price, "currency": l.Currency, "display": show(l.Price, l.Currency, l.Lang)},
		"strike": strike(l), "condition": l.Condition, "brand": l.BrandAttr, "model": l.Model, "category": l.Category,
		"stock": l.Stock, "sold": l.Sold, "ships_from": l.ShipsFrom, "minimum_order": l.MinimumOrder,
		"seller":   node{"id": l.Shop.ID, "name": l.Shop.Name, "url": "/shop/" + l.Shop.ID, "positive": l.Shop.Positive, "feedback": l.Shop.Feedback, "age_days": l.Shop.AgeDays},
		"images":   images,
		"sold_out": l.Fault == FaultSoldOut, "words": t,
	}
}

func strike(l Listing) string {
	if l.Strike == "" {
		return ""
	}
	return show(l.Strike, l.Currency, l.Lang)
}
