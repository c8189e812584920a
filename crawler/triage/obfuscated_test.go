package triage_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/crawler/listing"
	"github.com/trawlmark/trawlmark/crawler/triage"
)

// titled is a listing with a title and nothing else.
func titled(title string) *listing.Listing {
	l := &listing.Listing{Fields: map[listing.FieldName]listing.Choice{}}
	field(l, listing.Title, title)
	return l
}

func brand(t testing.TB, yaml string) *triage.Brand {
	t.Helper()
	b, err := triage.ParseBrand("test", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func signal(a triage.Assessment, name string) (triage.Signal, bool) {
	for _, s := range a.Signals {
		if s.Name == name {
			return s, true
		}
	}
	return triage.Signal{}, false
}

// Ways in which sellers write a name so that a search for it finds nothing and
// a person still reads it.
var disguises = []struct{ what, as string }{
	{"Cyrillic с", "Guссi"},
	{"Komi Sje and Cyrillic", "Ԍuссі"},
	{"zero-width space", "Gu\u200bcci"},
	{"soft hyphen", "Guc\u00adci"},
	{"word joiner", "G\u2060ucci"},
	{"stroke letter", "Ǥucci"},
	{"small capitals", "ɢᴜᴄᴄɪ"},
	{"spaces", "G u c c i"},
	{"dots", "G.u.c.c.i"},
	{"hyphens", "G-U-C-C-I"},
	{"cent sign", "Gu¢¢i"},
	{"6 for G", "6ucci"},
	{"1 for i", "Gucc1"},
	{"negative squared", "🅶🆄🅲🅲🅸"},
	{"regional indicators", "🇬 🇺 🇨 🇨 🇮"},
	{"keycaps", "G\u20e3u\u20e3c\u20e3c\u20e3i\u20e3"},
	{"breve", "Ğucci"},
	{"l for I", "GUCCl"},
	{"full width digit", "Gucc１"},
	{"transposed", "Guuci"},
	{"Cherokee", "Ꮆucci"},
	{"mathematical bold", "𝐆𝐮𝐜𝐜𝐢"},
	{"circled", "Ⓖⓤⓒⓒⓘ"},
	{"Greek iota", "Guccι"},
	{"dot below", "Gụcci"},
	{"stacked marks", "G\u0336u\u0336c\u0336c\u0336i\u0336"},
	{"middle dots", "G·u·c·c·i"},
	{"broken in two", "Gu.cci"},
	{"exclamation mark for i", "Gucc!"},
	{"tag characters", "Guc\U000E0063ci"},
}

func TestDisguisedNamesAreFound(t *testing.T) {
	b := brand(t, `{name: Gucci}`)
	caught := 0
	for _, d := range disguises {
		title := "New " + d.as + " leather bag 2026"
		l := titled(title)
		a := b.Assess(triage.Subject{Listing: l})
		checkAssessment(t, triage.Subject{Listing: l}, a)
		s, ok := signal(a, "obfuscated_brand")
		if !ok || s.Points < 20 {
			t.Logf("%s: %q was not caught: %s", d.what, d.as, explain(a))
			continue
		}
		caught++
		if part := title[s.Span[0]:s.Span[1]]; !strings.Contains(part, firstRune(d.as)) {
			t.Errorf("%s: the span says %q", d.what, part)
		}
	}
	t.Logf("%d of %d disguises caught", caught, len(disguises))
	if caught*26 < 24*len(disguises) {
		t.Errorf("%d of %d disguises caught, at least 24 of 26 should be", caught, len(disguises))
	}
}

func firstRune(s string) string { return string([]rune(s)[:1]) }

// Names of other shapes, each with a disguise of another kind.
func TestDisguisesOfOtherNames(t *testing.T) {
	for _, c := range []struct{ names, title string }{
		{"Prada", "Pradda nylon bag"},
		{"Prada", "Pr4da nylon bag"},
		{"Maison Aurelle", "Mаison Аurelle tote"},
		{"Louis Vuitton", "L0uis Vuitt0n wallet"},
		{"Louis Vuitton", "LouisVuittоn wallet"}, // the o is Cyrillic
		{"Aurelle", "Aure11e Belvo1r mini"},
		{"Aurelle", "Au\u200brel\u200ble Promenade tote"},
		{"Chloé", "Ch|oe bag"},
		{"adidas", "ad1das samba"},
		{"Rolex", "R0lex Submariner"},
		{"Rolex", "RОLEX Submariner"},
		{"Coach", "СОАСН bag"}, // all Cyrillic, in a Latin title
		{"Armani", "Arrnani jeans"},
		{"Hermès", "H3rmes belt"},
		{"Samsung", "Samsnug Galaxy"},
	} {
		b := brand(t, fmt.Sprintf("{name: %q}", c.names))
		a := b.Assess(triage.Subject{Listing: titled(c.title)})
		if _, ok := signal(a, "obfuscated_brand"); !ok {
			t.Errorf("%s in %q was not found: %s", c.names, c.title, explain(a))
		}
	}
}

// Ordinary text of many languages, and ordinary ways to write a name: nobody
// hides anything here.
func TestOrdinaryTextIsNotDisguise(t *testing.T) {
	names := []string{"Gucci", "Prada", "Chanel", "Coach", "Armani", "Rolex", "Hermès", "Chloé", "Puma", "Fila", "Dior", "Casio", "Boss", "Omega", "Louis Vuitton", "Aurelle", "Canon", "Supreme", "Target", "Apple"}
	for _, title := range []string{
		// Russian, Ukrainian, Bulgarian
		"Женская сумка из натуральной кожи, чёрная, новая", "Кроссовки мужские беговые, размер 43, доставка по Москве", "Наручные часы механические с автоподзаводом", "Сумка жіноча шкіряна коричнева", "Дамска чанта от естествена кожа", "Рубашка мужская хлопок, сорочка СССР, РОССИЯ", "Пуховик женский зимний NEW 2025 размер XL", "Кошелек РОСС кожаный",
		// Greek
		"Γυναικεία δερμάτινη τσάντα ώμου μαύρη", "Ανδρικά παπούτσια για τρέξιμο", "Ρολόι χειρός με δερμάτινο λουράκι", "Νέα συλλογή άνοιξη καλοκαίρι",
		// Thai, Turkish, Vietnamese, Polish, Czech, German, French, Spanish
		"กระเป๋าสะพายหนังแท้ สีดำ พร้อมส่ง", "นาฬิกาข้อมือผู้ชาย สายหนัง", "Kadın deri çanta siyah, ücretsiz kargo", "İndirimli kışlık mont, gümüş düğmeli, ığdır", "Túi xách nữ da bò thật màu đen", "Torebka damska skórzana czarna, łódź", "Dámská kožená kabelka, čokoládová", "Damenhandtasche aus Leder, größere Maße", "Sac à main femme en cuir, très élégant", "Bolso de piel para señora, cañón",
		// words that are near a name
		"Universal TV remote with 100 channels", "Couch cover for the living room", "Channel lock pliers 10 in", "Pump for garden hose", "File folder A4", "Relax massage chair", "Hermit crab toy", "Panel heater 2000 W", "Armada of toy ships", "Cannon ball marble", "Casino chips 500 pcs", "Bass guitar strings", "Cross stitch kit",
		// digits and units
		"Battery AAA 1.5 V 10 pcs", "USB-C cable 6A 100W 2m", "Model 6060 drill 18V", "Size 36-46 EU, 4XL 5XL", "12 x 330 ml", "T-shirt S M L X L", "A B C D E F alphabet blocks", "RTX 4060 8GB i7-1165G7",
		// Japanese, Chinese, Korean, Arabic
		"レディース バッグ 本革 黒", "女士真皮单肩包 黑色 新款", "여성 가죽 숄더백 블랙", "حقيبة يد نسائية جلد طبيعي",
	} {
		for _, n := range names {
			b := brand(t, fmt.Sprintf("{name: %q}", n))
			a := b.Assess(triage.Subject{Listing: titled(title)})
			if s, ok := signal(a, "obfuscated_brand"); ok {
				t.Errorf("%q is ordinary, and %s is seen in it: %s", title, n, s.Sentence)
			}
		}
	}
	for _, c := range []struct{ name, title string }{
		{"Chloé", "Chloé bag"},
		{"Chloé", "CHLOE bag"},
		{"Chloé", "Chloe\u0301 bag"},
		{"Hermès", "Hermes belt"},
		{"Hermès", "HERMÈS belt"},
		{"Gucci", "GUCCI bag"},
		{"Gucci", "gucci's bag"},
		{"Gucci", "ＧＵＣＣＩ バッグ"},
		{"Gucci", "#gucci bag"},
		{"Gucci", "Gucci™ bag"},
		{"Gucci", "GUCCI® №5"},
		{"Gucci", "กระเป๋าGucciแท้"},
		{"Louis Vuitton", "LOUIS  VUITTON bag"},
		{"Louis Vuitton", "Louis-Vuitton bag"},
		{"Louis Vuitton", "louisvuitton bag"},
		{"L'Oréal", "L’Oreal cream"},
		{"Ray-Ban", "RayBan Aviator"},
		{"Ørsted", "ØRSTED lamp"},
	} {
		a := brand(t, fmt.Sprintf("{name: %q}", c.name)).Assess(triage.Subject{Listing: titled(c.title)})
		if s, ok := signal(a, "obfuscated_brand"); ok {
			t.Errorf("%q is how %s is written: %s", c.title, c.name, s.Sentence)
		}
		if _, ok := signal(a, "brand_present"); !ok {
			t.Errorf("%q names %s, and it was not seen", c.title, c.name)
		}
	}
}
