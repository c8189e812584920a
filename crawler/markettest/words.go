package markettest

// words are the marketplace's own texts in one language.
type words struct {
	Search, Placeholder, SoldBy, Condition, New, Used, ShipsFrom, AddToCart, BuyNow string
	Description, Details, AlsoBought, Available, Sold, ItemNo, Brand, Model         string
	Positive, Feedback, DaysHere, Shipping, Results, Sponsored, Next, Previous      string
	Cookies, Accept, SoldOut, MinimumOrder, Reviews, VisitShop, Instalments         string
}

// language gives the texts for a page language; English when there are none.
func language(lang string) words {
	switch lang {
	case "zh":
		return words{"搜索", "搜索商品", "卖家", "成色", "全新", "二手", "发货地", "加入购物车", "立即购买", "商品描述", "商品信息", "买了该商品的人还买了", "库存 %d 件", "已售 %d", "商品编号", "品牌", "型号", "好评", "%d 条评价", "开店 %d 天", "运费", "件商品", "广告", "下一页", "上一页", "我们使用 Cookie 来改善您的购物体验。", "全部接受", "此商品已售出", "起订量", "评价", "进入店铺", "或分 4 期，每期"}
	case "ja":
		return words{"検索", "何をお探しですか", "出品者", "状態", "新品", "中古", "発送元", "カートに入れる", "今すぐ買う", "商品の説明", "商品の情報", "この商品を買った人はこんな商品も", "在庫 %d 点", "%d 点販売済み", "商品番号", "ブランド", "型番", "高評価", "評価 %d 件", "出店 %d 日", "送料", "件", "広告", "次へ", "前へ", "当サイトはクッキーを使用します。", "すべて同意", "この商品は売り切れました", "最小注文数", "レビュー", "ショップを見る", "または4回払い"}
	case "th":
		return words{"ค้นหา", "ค้นหาสินค้า", "ขายโดย", "สภาพ", "ใหม่", "มือสอง", "ส่งจาก", "เพิ่มลงรถเข็น", "ซื้อเลย", "รายละเอียดสินค้า", "ข้อมูลสินค้า", "ลูกค้าที่ซื้อสินค้านี้ยังซื้อ", "มีสินค้า %d ชิ้น", "ขายแล้ว %d", "รหัสสินค้า", "แบรนด์", "รุ่น", "คะแนนบวก", "%d รีวิว", "เปิดร้าน %d วัน", "ค่าส่ง", "รายการ", "โฆษณา", "ถัดไป", "ก่อนหน้า", "เราใช้คุกกี้เพื่อปรับปรุงประสบการณ์ของคุณ", "ยอมรับทั้งหมด", "สินค้านี้ขายแล้ว", "สั่งขั้นต่ำ", "รีวิว", "ไปที่ร้าน", "หรือผ่อน 4 งวด งวดละ"}
	case "de":
		return words{"Suchen", "Wonach suchst du?", "Verkauft von", "Zustand", "Neu", "Gebraucht", "Versand aus", "In den Warenkorb", "Sofort kaufen", "Beschreibung", "Artikelmerkmale", "Kunden kauften auch", "%d verfügbar", "%d verkauft", "Artikelnummer", "Marke", "Modell", "positiv", "%d Bewertungen", "seit %d Tagen dabei", "Versand", "Artikel", "Anzeige", "Weiter", "Zurück", "Wir verwenden Cookies, um das Einkaufen zu verbessern.", "Alle akzeptieren", "Dieser Artikel wurde verkauft", "Mindestmenge", "Bewertungen", "Zum Shop", "oder 4 Raten zu je"}
	case "fr":
		return words{"Rechercher", "Que cherchez-vous ?", "Vendu par", "État", "Neuf", "Occasion", "Expédié depuis", "Ajouter au panier", "Acheter", "Description", "Caractéristiques", "Les clients ont aussi acheté", "%d disponibles", "%d vendus", "Nº d’article", "Marque", "Modèle", "positifs", "%d avis", "inscrit depuis %d jours", "Livraison", "articles", "Sponsorisé", "Suivant", "Précédent", "Nous utilisons des cookies pour améliorer votre visite.", "Tout accepter", "Cet article est vendu", "Commande minimale", "Avis", "Voir la boutique", "ou 4 paiements de"}
	case "es":
		return words{"Buscar", "¿Qué buscas?", "Vendido por", "Estado", "Nuevo", "De segunda mano", "Enviado desde", "Añadir al carrito", "Comprar ya", "Descripción", "Características", "Otros clientes también compraron", "%d disponibles", "%d vendidos", "Nº de artículo", "Marca", "Modelo", "positivos", "%d valoraciones", "desde hace %d días", "Envío", "artículos", "Patrocinado", "Siguiente", "Anterior", "Usamos cookies para mejorar tu visita.", "Aceptar todo", "Este artículo se ha vendido", "Pedido mínimo", "Opiniones", "Ver tienda", "o 4 plazos de"}
	case "pt":
		return words{"Buscar", "O que você procura?", "Vendido por", "Condição", "Novo", "Usado", "Enviado de", "Adicionar ao carrinho", "Comprar agora", "Descrição", "Características", "Quem comprou também levou", "%d disponíveis", "%d vendidos", "Nº do anúncio", "Marca", "Modelo", "positivas", "%d avaliações", "há %d dias na plataforma", "Frete", "produtos", "Patrocinado", "Próxima", "Anterior", "Usamos cookies para melhorar sua visita.", "Aceitar tudo", "Este produto foi vendido", "Pedido mínimo", "Avaliações", "Ver loja", "ou 4x de"}
	case "ar":
		return words{"بحث", "عمّ تبحث؟", "البائع", "الحالة", "جديد", "مستعمل", "يُشحن من", "أضف إلى السلة", "اشترِ الآن", "الوصف", "تفاصيل المنتج", "اشترى العملاء أيضًا", "متوفر: %d", "بيع: %d", "رقم المنتج", "العلامة", "الطراز", "تقييم إيجابي", "%d تقييم", "على المنصة منذ %d يومًا", "الشحن", "منتج", "إعلان", "التالي", "السابق", "نستخدم ملفات تعريف الارتباط لتحسين تجربتك.", "قبول الكل", "تم بيع هذا المنتج", "الحد الأدنى للطلب", "التقييمات", "زيارة المتجر", "أو 4 دفعات"}
	case "vi":
		return words{"Tìm", "Bạn tìm gì?", "Người bán", "Tình trạng", "Mới", "Đã qua sử dụng", "Gửi từ", "Thêm vào giỏ", "Mua ngay", "Mô tả sản phẩm", "Chi tiết sản phẩm", "Khách cũng mua", "Còn %d sản phẩm", "Đã bán %d", "Mã sản phẩm", "Thương hiệu", "Mẫu", "đánh giá tốt", "%d đánh giá", "tham gia %d ngày", "Phí vận chuyển", "sản phẩm", "Tài trợ", "Trang sau", "Trang trước", "Chúng tôi dùng cookie để cải thiện trải nghiệm.", "Đồng ý tất cả", "Sản phẩm này đã bán", "Đặt tối thiểu", "Đánh giá", "Xem shop", "hoặc trả góp 4 kỳ"}
	}
	return words{"Search", "What are you looking for?", "Sold by", "Condition", "New", "Used", "Ships from", "Add to cart", "Buy now", "Description", "Item details", "Customers also bought", "%d available", "%d sold", "Item number", "Brand", "Model", "positive", "%d ratings", "on Pellamart for %d days", "Shipping", "items", "Sponsored", "Next", "Previous", "We use cookies to make shopping better.", "Accept all", "This item is sold", "Minimum order", "Reviews", "Visit shop", "or 4 payments of"}
}
