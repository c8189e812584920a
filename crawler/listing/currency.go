package listing

import (
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// isoCodes are the active codes of ISO 4217 (list one), without funds and
// metals, and BTC-free: what a marketplace can ask for.
const isoCodes = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD " +
	"CAD CDF CHF CLF CLP CNH CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD " +
	"HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD " +
	"MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG " +
	"QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS " +
	"UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWL ZWG LTL LVL EEK SKK"

var isoSet = func() map[string]bool {
	m := map[string]bool{}
	for _, c := range strings.Fields(isoCodes) {
		m[c] = true
	}
	return m
}()

// IsCurrency reports whether s is an ISO 4217 code that is or was in use.
func IsCurrency(s string) bool { return isoSet[s] }

// symbols gives for each way of writing a currency the codes it may stand
// for, the usual one first. Keys are lower case; sources: CLDR, and price
// strings of real shops.
var symbols = map[string]string{
	"$": "USD AUD CAD SGD HKD NZD TWD MXN ARS CLP COP UYU BBD BSD BMD BND BZD FJD JMD KYD LRD NAD SBD SRD TTD XCD ZWL",
	"＄": "USD AUD CAD SGD HKD NZD TWD MXN", "﹩": "USD",
	"us$": "USD", "us $": "USD", "u$s": "USD", "u$d": "USD", "usd$": "USD", "$us": "USD", "dollars": "USD", "dollar": "USD", "us dollar": "USD", "美元": "USD", "美金": "USD", "米ドル": "USD", "долл": "USD",
	"a$": "AUD", "au$": "AUD", "aud$": "AUD", "aud $": "AUD", "au $": "AUD",
	"c$": "CAD NIO", "ca$": "CAD", "cad$": "CAD", "cdn$": "CAD", "can$": "CAD", "$ca": "CAD", "$cad": "CAD", "c $": "CAD",
	"hk$": "HKD", "hkd$": "HKD", "港币": "HKD", "港幣": "HKD", "nt$": "TWD", "ntd": "TWD", "新台幣": "TWD", "台幣": "TWD", "s$": "SGD", "sg$": "SGD", "nz$": "NZD", "nzd$": "NZD", "mx$": "MXN", "mex$": "MXN", "mxn$": "MXN",
	"r$": "BRL", "reais": "BRL", "rd$": "DOP", "ar$": "ARS", "clp$": "CLP", "col$": "COP", "cop$": "COP", "$u": "UYU", "uy$": "UYU", "u$": "UYU", "j$": "JMD", "tt$": "TTD", "bz$": "BZD", "bds$": "BBD", "b$": "BND", "fj$": "FJD", "ec$": "XCD", "ci$": "KYD", "g$": "GYD", "l$": "LRD", "n$": "NAD", "z$": "ZWL", "bd$": "BMD", "t$": "TOP", "ws$": "WST", "si$": "SBD", "mop$": "MOP", "gy$": "GYD", "hrn": "UAH", "圆": "CNY JPY", "ரூ": "LKR", "ლარი": "GEL", "dinara": "RSD", "франк": "CHF", "franc": "CHF XOF XAF", "francs": "CHF XOF XAF", "r₣": "RWF", "₣": "CHF XPF", "sl": "SOS", "kwz": "AOA", "esc": "CVE", "sʻ": "UZS", "s'": "UZS", "c": "", "с": "KGS TJS", "$b": "BOB",
	"€": "EUR", "euro": "EUR", "euros": "EUR", "ευρώ": "EUR", "евро": "EUR", "欧元": "EUR", "歐元": "EUR", "ユーロ": "EUR",
	"£": "GBP EGP LBP GIP FKP SHP SYP SSP SDG", "₤": "GBP", "￡": "GBP", "£e": "EGP", "pounds": "GBP", "英镑": "GBP", "gb£": "GBP", "uk£": "GBP", "e£": "EGP",
	"¥": "JPY CNY", "￥": "JPY CNY", "cn¥": "CNY", "rmb¥": "CNY", "cny¥": "CNY", "jp¥": "JPY", "円": "JPY", "圓": "JPY TWD HKD", "日元": "JPY", "日圓": "JPY", "日本円": "JPY",
	"元": "CNY TWD HKD", "人民币": "CNY", "人民幣": "CNY", "rmb": "CNY", "yuan": "CNY", "yen": "JPY", "人民元": "CNY",
	"₩": "KRW KPW", "￦": "KRW", "원": "KRW", "₹": "INR", "₨": "INR PKR LKR NPR MUR", "rs": "INR PKR LKR NPR MUR SCR", "rs.": "INR PKR LKR NPR MUR SCR", "re": "INR PKR", "रु": "INR NPR", "रू": "NPR", "૱": "INR", "௹": "INR", "රු": "LKR", "৳": "BDT", "taka": "BDT", "nrs": "NPR",
	"₽": "RUB", "руб": "RUB BYN", "руб.": "RUB BYN", "рублей": "RUB", "рубля": "RUB", "рубль": "RUB", "р.": "RUB", "р": "RUB", "rub.": "RUB", "rur": "RUB", "бел. руб": "BYN", "br": "BYN ETB", "₴": "UAH", "грн": "UAH", "грн.": "UAH", "гривень": "UAH", "₸": "KZT", "тг": "KZT", "тенге": "KZT", "сом": "KGS", "сўм": "UZS", "сум": "UZS", "so'm": "UZS", "soʻm": "UZS", "so‘m": "UZS", "лв": "BGN KGS", "лв.": "BGN", "lv": "BGN", "ден": "MKD", "ден.": "MKD", "дин": "RSD", "дин.": "RSD", "din": "RSD", "din.": "RSD", "km": "BAM", "км": "BAM", "₾": "GEL", "ლ": "GEL", "֏": "AMD", "դր": "AMD", "դր.": "AMD", "₼": "AZN", "ман": "AZN TMT", "₮": "MNT", "смн": "TJS", "som": "KGS UZS",
	"zł": "PLN", "zl": "PLN", "złotych": "PLN", "pln.": "PLN", "kč": "CZK", "kc": "CZK", "kčs": "CZK", "ft": "HUF", "ft.": "HUF", "huf.": "HUF", "lei": "RON MDL", "leu": "RON MDL", "ron.": "RON", "kn": "HRK", "eek.": "EEK", "lt": "LTL", "ls": "LVL", "sk": "SKK",
	"kr": "SEK NOK DKK ISK", "kr.": "DKK SEK NOK ISK", "kr,": "", "dkr": "DKK", "skr": "SEK", "nkr": "NOK", "ikr": "ISK", "kroner": "NOK DKK", "kronor": "SEK", "íkr": "ISK",
	"fr": "CHF", "fr.": "CHF", "sfr": "CHF", "sfr.": "CHF", "chf.": "CHF",
	"₺": "TRY", "tl": "TRY", "lira": "TRY", "₪": "ILS", "ש״ח": "ILS", "ש\"ח": "ILS", "שח": "ILS", "nis": "ILS",
	"฿": "THB", "บาท": "THB", "บ.": "THB", "baht": "THB", "₫": "VND", "đ": "VND", "vnđ": "VND", "đồng": "VND", "₭": "LAK", "kip": "LAK", "៛": "KHR", "₱": "PHP", "php.": "PHP", "p": "BWP PHP", "rp": "IDR", "rp.": "IDR", "rm": "MYR", "k": "", "ks": "MMK", "mvr.": "MVR", "rf": "MVR", "rf.": "MVR", ".ރ": "MVR", "nu.": "BTN",
	"د.إ": "AED", "د.إ.": "AED", "درهم": "AED MAD", "dhs": "AED MAD", "dhs.": "AED", "dh": "MAD AED", "ر.س": "SAR", "ر.س.": "SAR", "ريال": "SAR QAR OMR YER", "ریال": "IRR", "sr": "SAR", "﷼": "SAR IRR", "ر.ق": "QAR", "qr": "QAR", "ر.ع": "OMR", "ر.ع.": "OMR", "ro": "", "د.ك": "KWD", "kd": "KWD", "دينار": "KWD BHD JOD IQD", "د.ب": "BHD", ".د.ب": "BHD", "bd": "BHD", "د.ا": "JOD", "jd": "JOD", "د.ع": "IQD", "ج.م": "EGP", "ج.م.": "EGP", "جنيه": "EGP SDG", "le": "EGP SLE", "l.e": "EGP", "l.e.": "EGP", "egp.": "EGP", "ل.ل": "LBP", "ل.ل.": "LBP", "l.l.": "LBP", "د.ت": "TND", "dt": "TND", "د.م.": "MAD", "د.ج": "DZD", "da": "DZD", "ل.د": "LYD", "ld": "LYD", "ر.ي": "YER", "ل.س": "SYP", "تومان": "IRR", "toman": "IRR", "؋": "AFN", "ش.ص": "ILS", "sar.": "SAR", "ج.س": "SDG", "ج.س.": "SDG", "أ.م": "MRU", "um": "MRU", "₨.": "PKR", "روپے": "PKR",
	"₦": "NGN", "₵": "GHS", "gh₵": "GHS", "gh¢": "GHS", "ksh": "KES", "kshs": "KES", "ksh.": "KES", "tsh": "TZS", "ush": "UGX", "r": "ZAR", "cfa": "XOF XAF", "fcfa": "XOF XAF", "f cfa": "XOF XAF", "frw": "RWF", "fbu": "BIF", "kz": "AOA", "mt": "MZN", "mtn": "MZN", "mk": "MWK", "zk": "ZMW", "ar": "MGA", "ariary": "MGA", "nfk": "ERN", "ብር": "ETB", "birr": "ETB", "sh": "SOS KES", "sh.so.": "SOS", "db": "STN", "fdj": "DJF", "fg": "GNF", "cf": "KMF", "e": "SZL", "m": "", "f": "",
	"₡": "CRC", "₲": "PYG", "gs": "PYG", "gs.": "PYG", "s/": "PEN", "s/.": "PEN", "s./": "PEN", "soles": "PEN", "b/.": "PAB", "bs": "BOB VES", "bs.": "BOB VES", "bs.s": "VES", "bsf": "VES", "q": "GTQ", "l": "HNL", "lps": "HNL", "lps.": "HNL", "pesos": "MXN ARS COP CLP", "peso": "MXN PHP", "afl": "AWG", "afl.": "AWG", "ƒ": "ANG AWG", "naf": "ANG", "g": "HTG", "¢": "", "xpf.": "XPF", "k.": "",
	"₿": "",
}

// weakSymbols are too short to be a currency unless they touch the number.
var weakSymbols = map[string]bool{
	"re": true, "p": true, "e": true, "с": true, "sl": true, "esc": true, "s'": true, "sʻ": true, "r": true, "q": true, "l": true, "g": true, "р": true, "le": true, "km": true, "da": true, "ar": true, "br": true, "mt": true, "mk": true,
	"sr": true, "qr": true, "kd": true, "bd": true, "jd": true, "dt": true, "ld": true, "um": true, "db": true, "cf": true, "fg": true, "sh": true, "rf": true, "zk": true, "kz": true, "ks": true, "gs": true, "bs": true, "lt": true, "ls": true, "sk": true, "fr": true, "kr": true, "rm": true, "rp": true, "rs": true, "tl": true, "ft": true, "zl": true, "kc": true, "kn": true, "lv": true, "dh": true, "din": true, "som": true, "lei": true, "nis": true, "kip": true, "sfr": true,
}

// symbolKeys are the symbols, longest first, so that "US$" is not read as "$".
var symbolKeys = func() []string {
	keys := make([]string, 0, len(symbols))
	for k, v := range symbols {
		if v != "" {
			keys = append(keys, k)
		}
	}
	sort.Slice(keys, func(i, j int) bool {
		if len(keys[i]) != len(keys[j]) {
			return len(keys[i]) > len(keys[j])
		}
		return keys[i] < keys[j]
	})
	return keys
}()

// symbolsByFirst indexes symbolKeys by their first rune.
var symbolsByFirst = func() map[rune][]string {
	m := map[rune][]string{}
	for _, k := range symbolKeys {
		r, _ := utf8.DecodeRuneInString(k)
		m[r] = append(m[r], k)
	}
	return m
}()

// currencyAt reads a currency that begins at text[i:]. It gives the text as
// written, the codes it may stand for and whether it is too short to stand
// alone; "" when there is none.
func currencyAt(text string, i int) (as, codes string, weak bool) {
	r, _ := utf8.DecodeRuneInString(text[i:])
	if !unicode.IsLetter(r) && symbolsByFirst[unicode.ToLower(r)] == nil {
		return "", "", false
	}
	startsWord := wordBoundary(text, i)
	if startsWord && len(text) >= i+3 {
		if c := text[i : i+3]; isoSet[strings.ToUpper(c)] && wordBoundary(text, i+3) {
			if strings.HasPrefix(text[i+3:], "$") { // "SGD$4.90"
				return text[i : i+4], strings.ToUpper(c), false
			}
			return c, strings.ToUpper(c), c != strings.ToUpper(c)
		}
	}
	for _, k := range symbolsByFirst[unicode.ToLower(r)] {
		n, ok := foldPrefix(text[i:], k)
		if !ok {
			continue
		}
		last, _ := utf8.DecodeLastRuneInString(k)
		if isWordRune(r) && !startsWord || isWordRune(last) && !wordBoundary(text, i+n) {
			continue
		}
		return text[i : i+n], symbols[k], weakSymbols[k]
	}
	return "", "", false
}

// foldPrefix reports whether s begins with the lower-case key, whatever s's
// case, and how many bytes of s that is.
func foldPrefix(s, key string) (int, bool) {
	n := 0
	for _, k := range key {
		r, size := utf8.DecodeRuneInString(s[n:])
		if size == 0 || unicode.ToLower(r) != k {
			return 0, false
		}
		n += size
	}
	return n, true
}

func isWordRune(r rune) bool {
	// CJK is written without spaces: 円, 元 and 원 touch other characters.
	return unicode.IsLetter(r) && !unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana, unicode.Thai)
}

// wordBoundary reports whether position i is not inside a word of letters.
func wordBoundary(s string, i int) bool {
	if i <= 0 || i >= len(s) {
		return true
	}
	before, _ := utf8.DecodeLastRuneInString(s[:i])
	after, _ := utf8.DecodeRuneInString(s[i:])
	return !isWordRune(before) || !isWordRune(after)
}

// pick chooses one of the codes a symbol may stand for: a hinted one when it
// is among them, else the usual one; sure is false for a guess among several.
func pick(codes string, hints []string) (code string, sure bool) {
	all := strings.Fields(codes)
	if len(all) == 0 {
		return "", false
	}
	for _, h := range hints {
		for _, c := range all {
			if h != "" && c == h {
				return c, true
			}
		}
	}
	return all[0], len(all) == 1
}

// CurrencyCode reads a currency that stands alone ("EUR", "US$", "円") and
// gives its ISO code; hints decide between several. "" when it is none.
func CurrencyCode(text string, hints ...string) string {
	text = strings.TrimSpace(text)
	if c := strings.ToUpper(text); isoSet[c] {
		if c == "CNH" {
			return "CNY"
		}
		return c
	}
	if text == "" || len(text) > 16 {
		return ""
	}
	as, codes, _ := currencyAt(text, 0)
	if as == "" || len(as) != len(text) {
		return ""
	}
	code, _ := pick(codes, hints)
	return code
}
