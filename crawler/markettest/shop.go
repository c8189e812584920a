package markettest

// Shop is a seller on the marketplace.
type Shop struct {
	ID       string // in the URL, /shop/<id>
	Name     string
	Country  string // ISO 3166
	City     string
	AgeDays  int     // on day 0
	Positive float64 // percent of feedback
	Feedback int     // how many gave any
	Badge    string  // "Gold Seller": proves nothing
	About    string
}

// Keys of the shops, for the catalogue.
const (
	official    = "maison-aurelle-official"
	vauban      = "galerie-vauban"
	secondLife  = "secondlife-luxe"
	emma        = "emma.wardrobe"
	shinHua     = "shinhua-leather-factory"
	luxDeals    = "lux_deals_4u"
	mirrorHouse = "mirrorhouse"
	putian      = "putian-shoes-788"
	bkkBrand    = "bkk-brandname"
	modaSP      = "moda-importada-sp"
	hanoiSF     = "hanoi-superfake"
	gulfLuxury  = "gulf-luxury-99"
	strapWorld  = "strapworld"
	caseHub     = "casehub"
	cellar      = "cave-du-quercy"
	bookshelf   = "papier-et-plume"
	tokyoVint   = "tokyo-vintage-ginza"
	homeStuff   = "everyday-goods"
	freshShop   = "user_88213407"
	outletKing  = "outletking-store"
)

func shops() []Shop {
	return []Shop{
		{official, "Maison Aurelle Official", "FR", "Paris", 2410, 99.6, 18240, "Brand store", "The house's own shop on Pellamart. Every piece comes with its certificate and two years of guarantee."},
		{vauban, "Galerie Vauban", "BE", "Brussels", 1822, 99.1, 4310, "Authorised retailer", "Family-run boutique since 1974, authorised retailer of Maison Aurelle."},
		{secondLife, "SecondLife Luxe", "DE", "Hamburg", 1490, 98.7, 2765, "Top rated", "Pre-owned designer pieces, checked by our own experts. 14 days return."},
		{emma, "emma.wardrobe", "GB", "Bristol", 803, 100, 61, "", "Clearing out my wardrobe. Smoke-free home, posted next day."},
		{shinHua, "ShinHua Leather Factory", "CN", "Guangzhou", 341, 94.2, 1203, "Gold Seller", "Factory direct, OEM and ODM welcome. Minimum order applies."},
		{luxDeals, "lux_deals_4u", "CN", "Shenzhen", 12, 71.4, 7, "", "Best price best quality! Message us for more models."},
		{mirrorHouse, "Mirror House", "HK", "Kowloon", 58, 88.9, 214, "Gold Seller", "Top grade only. QC photos before shipping."},
		{putian, "莆田鞋业788", "CN", "莆田", 96, 91.3, 540, "", "工厂直销，一件代发，支持验货。"},
		{bkkBrand, "BKK Brandname", "TH", "Bangkok", 204, 95.5, 388, "", "แบรนด์เนมราคาโรงงาน ส่งไวทั่วไทย"},
		{modaSP, "Moda Importada SP", "BR", "São Paulo", 131, 90.8, 460, "", "Importados com o melhor preço do Brasil."},
		{hanoiSF, "Hà Nội Luxury Store", "VN", "Hà Nội", 77, 93.0, 151, "", "Hàng siêu cấp, kiểm tra hàng trước khi thanh toán."},
		{gulfLuxury, "Gulf Luxury 99", "AE", "Sharjah", 24, 80.0, 15, "", "ساعات وحقائب بأفضل الأسعار"},
		{strapWorld, "StrapWorld", "NL", "Utrecht", 2033, 99.4, 22190, "Top rated", "Straps, tools and care for every watch. Not affiliated with any watch house."},
		{caseHub, "CaseHub", "PL", "Kraków", 911, 97.9, 8120, "", "Cases, inserts and organisers."},
		{cellar, "Cave du Quercy", "FR", "Cahors", 1212, 99.0, 940, "", "Vins du Sud-Ouest, directement du producteur."},
		{bookshelf, "Papier & Plume", "FR", "Lyon", 2890, 99.8, 5120, "", "Livres anciens et modernes."},
		{tokyoVint, "ギンザ・ヴィンテージ", "JP", "東京", 1660, 99.5, 3480, "Top rated", "古物商許可取得済み。すべて鑑定済みの中古品です。"},
		{homeStuff, "Everyday Goods", "IE", "Cork", 1101, 96.4, 3022, "", "Things you use every day."},
		{freshShop, "user_88213407", "TR", "Istanbul", 3, 0, 0, "", ""},
		{outletKing, "OutletKing Store", "US", "Los Angeles", 44, 85.1, 94, "", "Overstock and outlet, limited time only."},
	}
}
