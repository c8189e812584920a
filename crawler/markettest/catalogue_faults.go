package markettest

// faulty are the listings whose page is the point. Those whose fault costs a
// crawler much are found by searching for "faultlab" only.
func faulty() []good {
	cf, h, un := Counterfeit, Honest, Unrelated
	row := func(f Fault, shop, title, price, cur, model string, label Label, sig string) good {
		g := good{
			key: "fault-" + string(f), shop: shop, title: title, text: "See the pictures.", price: price, cur: cur, model: model,
			label: label, sig: sig, stock: 20, sold: 7, fault: f, pics: own(model, modelByCode(model).colour, market, detail),
		}
		if label == Honest {
			g.used, g.stock, g.sold, g.pics = true, 1, 0, own(model, modelByCode(model).colour, table, detail)
		}
		return g
	}
	lab := func(f Fault, model string) good {
		md := modelByCode(model)
		return good{
			key: "fault-" + string(f), shop: homeStuff, title: "Fault lab: " + string(f), text: "A page that misbehaves: " + faults()[f].what + ".",
			price: "25.00", cur: "EUR", cat: "Fault lab", label: un, stock: 5, fault: f, pics: thing(md.shape, md.colour, studio, table),
		}
	}
	tall := lab(FaultTall, "AU-7001")
	tall.lazy = true
	api := row(FaultAPIBroken, luxDeals, "Aurelle Lune wallet new hot sale", "31.00", "USD", "AU-1210", cf, "price young_shop")
	api.page = Script
	return []good{
		row(FaultRemoved, mirrorHouse, "Aurelle Belvoir 1:1 top grade noir", "129.00", "USD", "AU-1101", cf, "price words"),
		row(FaultGone, luxDeals, "Aurelle Corsaire clone watch", "99.00", "USD", "AU-2040", cf, "price words"),
		row(FaultSoftRemoved, outletKing, "Aurelle Dauphine belt outlet", "29.00", "USD", "AU-4105", cf, "price"),
		row(FaultSoldOut, emma, "Maison Aurelle Plume scarf, preloved", "110.00", "GBP", "AU-7001", h, ""),
		row(FaultUnavailable, secondLife, "Maison Aurelle Rivage loafers, pre-owned, size 43", "260.00", "EUR", "AU-3320", h, ""),
		row(FaultWrongItem, luxDeals, "Aurelle Rivage loafer new", "49.00", "EUR", "AU-3320", cf, "price"),
		row(FaultToHome, outletKing, "Aurelle Sirocco sunglasses outlet", "19.00", "USD", "AU-6001", cf, "price"),
		row(FaultChallenge, mirrorHouse, "Aurelle Minuit super clone blue", "349.00", "USD", "AU-2055", cf, "price words"),
		row(FaultChallenge404, mirrorHouse, "Aurelle Promenade tote mirror quality", "99.00", "USD", "AU-1150", cf, "price words"),
		row(FaultLoginRedirect, putian, "Aurelle Étoile batch 2026 members only", "70.00", "USD", "AU-3310", cf, "price words"),
		row(FaultLoginInPlace, hanoiSF, "Aurelle Belvoir mini super fake, log in for price", "80.00", "USD", "AU-1102", cf, "price words"),
		row(FaultConsent, secondLife, "Maison Aurelle Lune wallet, pre-owned", "170.00", "EUR", "AU-1210", h, ""),
		row(FaultGeo, modaSP, "Aurelle Rivage loafer importado", "59.00", "USD", "AU-3320", cf, "price"),
		row(FaultRobots, emma, "Maison Aurelle Eau de Lune, half full", "40.00", "GBP", "AU-5002", h, ""),
		row(FaultThrottled, bkkBrand, "Aurelle Belvoir mini mirror grade", "69.00", "USD", "AU-1102", cf, "price words"),
		row(FaultSlowFirstByte, gulfLuxury, "Aurelle Corsaire first copy watch", "120.00", "USD", "AU-2040", cf, "price words"),
		row(FaultError500, outletKing, "Aurelle Nuit d'Ambre perfume 100 ml cheap", "15.00", "USD", "AU-5001", cf, "price"),
		row(FaultWrongCharset, luxDeals, "Aurelle Dauphine belt replica black", "22.00", "EUR", "AU-4105", cf, "price words young_shop"),
		row(FaultChain, outletKing, "Aurelle Plume scarf replica silk", "16.00", "USD", "AU-7001", cf, "price words"),
		row(FaultThrows, mirrorHouse, "Aurelle Rivage loafer mirror quality", "75.00", "USD", "AU-3320", cf, "price words"),
		row(FaultIframes, secondLife, "Maison Aurelle Promenade tote, pre-owned, very good", "690.00", "EUR", "AU-1150", h, ""),
		row(FaultWebSocket, outletKing, "Aurelle Étoile sneaker replica live sale", "55.00", "USD", "AU-3310", cf, "price words"),
		api,

		lab(FaultBusyDate, "AU-1101"), lab(FaultTrickle, "AU-1102"), lab(FaultStall, "AU-1150"), lab(FaultCut, "AU-1210"),
		lab(FaultBadChunk, "AU-2040"), lab(FaultBadGzip, "AU-2055"), lab(FaultHuge, "AU-3310"), lab(FaultGzipBomb, "AU-3320"),
		lab(FaultEndless, "AU-4105"), lab(FaultEmpty, "AU-5001"), lab(FaultPDF, "AU-5002"), lab(FaultImage, "AU-6001"),
		lab(FaultMetaRefresh, "AU-7001"), lab(FaultLoop, "AU-1101"), lab(FaultPrivate, "AU-1102"), lab(FaultDownload, "AU-1150"),
		lab(FaultDialogs, "AU-1210"), lab(FaultPopups, "AU-2040"), lab(FaultBeforeUnload, "AU-2055"), lab(FaultAutoDownload, "AU-3310"),
		tall, lab(FaultInfiniteScroll, "AU-3320"), lab(FaultHang, "AU-4105"), lab(FaultServiceWorker, "AU-5001"),
		lab(FaultBusyNetwork, "AU-5002"), lab(FaultBrokenImages, "AU-6001"),
	}
}
