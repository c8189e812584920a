package markettest

import "strings"

// Brand is what the owner of the brand knows and a watch is made of.
type Brand struct {
	Name     string   // "Maison Aurelle"
	Names    []string // every spelling that is the brand, other scripts too
	Homonyms []string // phrases that hold the name and are not the brand
	Models   []Model
	// Authorised are names of shops that may sell the brand.
	Authorised []string
	// Official are the brand's own photos.
	Official []OfficialImage
}

// Model is one model of the brand.
type Model struct {
	Code      string // "AU-1101"
	Name      string // "Belvoir bag"
	Category  string
	Reference string // price in the brand's own shops, plain decimal
	Currency  string // EUR

	shape  shape
	colour string
}

// OfficialImage is one of the brand's own photos.
type OfficialImage struct {
	Model string // its code
	Path  string // "/official/au-1101.jpg", served on every host
	Bytes []byte
}

// models are the brand's catalogue; prices are in EUR.
func models() []Model {
	return []Model{
		{"AU-1101", "Belvoir bag", "Bags", "1450.00", "EUR", bag, "cognac"},
		{"AU-1102", "Belvoir mini bag", "Bags", "980.00", "EUR", bag, "rose"},
		{"AU-1150", "Promenade tote", "Bags", "1180.00", "EUR", tote, "noir"},
		{"AU-1210", "Lune wallet", "Small leather goods", "420.00", "EUR", wallet, "bordeaux"},
		{"AU-2040", "Corsaire watch", "Watches", "3900.00", "EUR", watch, "noir"},
		{"AU-2055", "Minuit watch", "Watches", "5200.00", "EUR", watch, "nuit"},
		{"AU-3310", "Étoile sneaker", "Shoes", "620.00", "EUR", sneaker, "sapin"},
		{"AU-3320", "Rivage loafer", "Shoes", "690.00", "EUR", loafer, "bordeaux"},
		{"AU-4105", "Dauphine belt", "Belts", "350.00", "EUR", belt, "cognac"},
		{"AU-5001", "Nuit d'Ambre eau de parfum", "Fragrance", "185.00", "EUR", perfume, "ambre"},
		{"AU-5002", "Eau de Lune eau de toilette", "Fragrance", "135.00", "EUR", perfume, "ciel"},
		{"AU-6001", "Sirocco sunglasses", "Eyewear", "310.00", "EUR", sunglasses, "noir"},
		{"AU-7001", "Plume scarf", "Scarves", "280.00", "EUR", scarf, "nuit"},
	}
}

func modelByCode(code string) Model {
	for _, m := range models() {
		if m.Code == code {
			return m
		}
	}
	panic("markettest: no model " + code)
}

func (m Model) officialPath() string   { return "/official/" + strings.ToLower(m.Code) + ".jpg" }
func (m Model) officialPhoto() Picture { return studioOf(m.shape, m.colour) }

// Brand gives the brand's own view. The pictures are drawn at the first call.
func (m *Market) Brand() Brand {
	b := Brand{
		Name:  "Maison Aurelle",
		Names: []string{"Maison Aurelle", "Aurelle", "欧瑞尔", "オーレル", "ออเรลล์", "أوريل"},
		Homonyms: []string{
			"Aurelle Martin", "Aurélie", "Château Aurelle", "Domaine d'Aurelle", "Aurelle-sur-Lot", "Laurelle",
		},
		Models:     models(),
		Authorised: []string{"Maison Aurelle Official", "Galerie Vauban"},
	}
	for _, md := range b.Models {
		b.Official = append(b.Official, OfficialImage{md.Code, md.officialPath(), m.gallery.bytes(md.officialPhoto())})
	}
	return b
}

// SearchTerms are the terms of a good watch for the brand; what a copy is
// called in other languages is among them.
func (m *Market) SearchTerms() []string {
	return []string{
		"aurelle", "maison aurelle bag", "aurelle corsaire watch", "aurelle lune wallet",
		"etoile sneaker", "nuit d'ambre", "欧瑞尔", "オーレル", "aurelle replica",
	}
}
