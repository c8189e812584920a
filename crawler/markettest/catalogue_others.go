package markettest

// others are what a search for the brand also finds: things made for its
// goods, things that only share the name, and things that share nothing.
func others() []good {
	ac, ho, un := Accessory, Homonym, Unrelated
	return []good{
		{key: "strap-corsaire", shop: strapWorld, title: "Leather watch strap 20 mm for Aurelle Corsaire", text: "Fits Aurelle Corsaire and other watches with 20 mm lugs. Not an Aurelle product.", price: "29.95", cur: "EUR", cat: "Watch straps", label: ac, brand: "StrapWorld", stock: 300, sold: 2100, pics: thing(strap, "cognac", studio, angled)},
		{key: "strap-minuit-de", shop: strapWorld, lang: "de", title: "Uhrenarmband passend für Aurelle Minuit, Leder blau", text: "Kompatibel mit Aurelle Minuit. Kein Originalprodukt.", price: "34.50", cur: "EUR", cat: "Watch straps", label: ac, brand: "StrapWorld", page: Graph, stock: 120, sold: 340, pics: thing(strap, "nuit", studio)},
		{key: "insert-belvoir", shop: caseHub, title: "Felt organiser insert compatible with Aurelle Belvoir bag", text: "Keeps the shape of your bag. Bag not included.", price: "19.90", cur: "EUR", cat: "Organisers", label: ac, brand: "CaseHub", page: Microdata, stock: 640, sold: 1980, pics: thing(carton, "taupe", angled, table)},
		{key: "insert-pt", shop: caseHub, lang: "pt", title: "Organizador de feltro para bolsa Aurelle Promenade", text: "Compatível com a bolsa Promenade. Bolsa não incluída.", price: "79.90", cur: "BRL", cat: "Organisers", label: ac, page: OpenGraph, stock: 75, sold: 84, pics: thing(carton, "rose", angled)},
		{key: "care-kit", shop: strapWorld, title: "Cleaning kit suitable for Aurelle sneakers", text: "Brush, foam and cloth.", price: "12.95", cur: "EUR", cat: "Care", label: ac, brand: "StrapWorld", page: DOM, stock: 900, sold: 4100, pics: thing(carton, "sapin", studio)},
		{key: "case-zh", shop: caseHub, lang: "zh", title: "适用 Aurelle 欧瑞尔 Belvoir 包包 收纳内胆", text: "适用于 Belvoir 手袋的内胆，不含包。", price: "59.00", cur: "CNY", cat: "Organisers", label: ac, page: State, stock: 410, sold: 770, pics: thing(carton, "ivoire", angled)},
		{key: "strap-th", shop: strapWorld, lang: "th", title: "สายนาฬิกาหนัง สำหรับ Aurelle Corsaire 20 มม.", text: "ใช้ได้กับนาฬิกา Corsaire ไม่ใช่สินค้าของแบรนด์", price: "690.00", cur: "THB", cat: "Watch straps", label: ac, page: JSONLD, stock: 55, sold: 91, pics: thing(strap, "bordeaux", studio)},
		{key: "bottle-refill", shop: homeStuff, title: "Travel atomiser for eau de parfum, fits Nuit d'Ambre 100 ml", text: "Empty atomiser, 5 ml.", price: "7.50", cur: "EUR", cat: "Care", label: ac, page: Script, stock: 1500, sold: 3200, pics: thing(perfume, "taupe", angled)},

		{key: "wine", shop: cellar, lang: "fr", title: "Château Aurelle 2018, Cahors AOC, 75 cl", text: "Malbec, fût de chêne.", price: "14.90", cur: "EUR", cat: "Wine", label: ho, brand: "Château Aurelle", stock: 600, sold: 1430, pics: thing(wine, "bordeaux", studio, table)},
		{key: "wine-rose", shop: cellar, lang: "fr", title: "Domaine d'Aurelle rosé 2024, carton de 6", text: "Rosé sec.", price: "53.40", cur: "EUR", cat: "Wine", label: ho, page: Microdata, stock: 80, sold: 210, pics: thing(wine, "rose", table)},
		{key: "book-martin", shop: bookshelf, lang: "fr", title: "Aurelle Martin, Les jardins de brume, roman", text: "Édition originale, 312 pages.", price: "21.00", cur: "EUR", cat: "Books", label: ho, page: Graph, stock: 12, sold: 88, pics: thing(book, "sapin", studio)},
		{key: "book-signed", shop: bookshelf, title: "Poems by Aurelle Martin, signed paperback", text: "Signed by the author.", price: "9.80", cur: "GBP", cat: "Books", label: ho, page: DOM, stock: 1, sold: 0, pics: thing(book, "nuit", table)},
		{key: "mug-aurelie", shop: homeStuff, title: "Personalised mug with name Aurelle, birthday gift", text: "Any name printed. Dishwasher safe.", price: "11.99", cur: "USD", cat: "Kitchen", label: ho, page: JSONLDNum, stock: 500, sold: 640, pics: thing(mug, "ciel", studio, table)},
		{key: "postcard", shop: bookshelf, lang: "fr", title: "Carte postale ancienne Aurelle-sur-Lot, le pont, 1908", text: "Bon état, voyagée.", price: "4.50", cur: "EUR", cat: "Collectables", label: ho, page: OpenGraph, stock: 1, pics: thing(book, "ivoire", table)},

		{key: "plain-tote", shop: homeStuff, title: "Canvas shopping bag, natural", text: "Organic cotton.", price: "8.90", cur: "EUR", cat: "Bags", label: un, page: JSONLD, words: "bag", stock: 900, sold: 2800, pics: thing(tote, "ivoire", studio)},
		{key: "plain-watch", shop: homeStuff, title: "Simple quartz watch with leather band", text: "Splash proof.", price: "39.00", cur: "USD", cat: "Watches", label: un, page: Aggregate, words: "watch", stock: 140, sold: 610, pics: thing(watch, "taupe", studio)},
		{key: "plain-belt", shop: homeStuff, title: "Brown leather belt 35 mm, solid buckle", text: "Vegetable tanned.", price: "32.00", cur: "GBP", cat: "Belts", label: un, page: Microdata, stock: 200, sold: 430, pics: thing(belt, "cognac", studio)},
		{key: "plain-case", shop: caseHub, title: "Silicone phone case, rose, 1:1 scale fit", text: "Soft touch.", price: "6.99", cur: "EUR", cat: "Phone cases", label: un, page: State, words: "case", stock: 3000, sold: 8800, pics: thing(phoneCase, "rose", studio, angled)},
		{key: "plain-wallet", shop: homeStuff, title: "Slim card holder, black", text: "Holds eight cards.", price: "15.50", cur: "USD", cat: "Wallets", label: un, page: Script, words: "wallet", stock: 500, sold: 940, pics: thing(wallet, "noir", studio)},
		{key: "plain-shoes", shop: homeStuff, lang: "de", title: "Freizeitschuhe Herren, grün, Größe 42", text: "Kunstleder (faux leather).", price: "44.95", cur: "EUR", cat: "Shoes", label: un, page: RDFa, words: "sneaker", stock: 60, sold: 210, pics: thing(sneaker, "sapin", studio)},
		{key: "plain-mug", shop: homeStuff, title: "Stoneware mug 300 ml", text: "Hand glazed.", price: "12.50", cur: "EUR", cat: "Kitchen", label: un, page: Nested, stock: 80, sold: 320, pics: thing(mug, "taupe", table)},
		{key: "plain-perfume", shop: homeStuff, title: "Vanilla body mist 200 ml", text: "Light and sweet.", price: "9.99", cur: "USD", cat: "Fragrance", label: un, page: JSONLD, words: "perfume", stock: 400, sold: 1800, pics: thing(perfume, "rose", studio)},
	}
}
