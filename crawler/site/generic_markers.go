package site

import "github.com/trawlmark/trawlmark/crawler/listing"

// Titles of pages that ask for proof of being human. Anchored: the words also
// stand in the scripts of pages that are not blocked.
const challengeTitle = `^\W*(?:just a moment|attention required|one moment,? please|please wait\.{3}|checking (?:your|if the|device)|anti-?bot\b|prove your humanity|it needs a human touch|access (?:is )?(?:temporarily )?restricted|ddos-guard|ddos protection|access to this page has been denied|pardon our interruption|robot or human|robot check|are you (?:a )?(?:human|robot)|human verification|security (?:check|challenge|measure|verification|checkpoint)|(?:re)?captcha|bot (?:verification|check)|verify (?:you|your|that|to)|verifying (?:you|that)|verification required|access (?:to .{3,60} )?(?:was |has been |is )?(?:denied|blocked)|request (?:blocked|rejected|could not be satisfied)|the (?:url|page) you requested has been blocked|you have been blocked|blocked$|unusual traffic|vercel security checkpoint|client challenge|radware|are you human|please verify|let'?s confirm you are human|sicherheits(?:überprüfung|check)|vérification de sécurité|verificaci[oó]n de seguridad|verificação de segurança|.{0,8}(?:验证码|安全验证|滑动验证|滑块验证|人机验证|访问验证|身份验证)|京东.{0,3}验证|亲，访问被拒绝|访问被拒绝|アクセス(?:が)?(?:拒否|集中)|ロボットではない|文字認証|指定されたページを表示できません|비정상적인 접근|자동입력 방지|로봇이 아닙니다|проверка (?:браузера|безопасности)|доступ (?:временно )?(?:ограничен|запрещ)|вы не робот|почти готово)|(?:captcha interception|验证码拦截|bot manager captcha|\brecaptcha|hcaptcha|- security check|[|·–—-]\s*(?:blocked|checking device))\W*$`

// challengeText are the sentences of challenges, only believed on a page that
// says little else.
const challengeText = `^\W*(?:sorry, we (?:just need to make sure|have detected unusual)|(?:sorry,? )?we (?:guessed|think|believe|suspect)(?: that)? you(?:'re| are| were) a (?:ro)?bot\b|(?:we have|our systems have) detected unusual traffic|enter the characters you see|type the characters you see|press (?:&|and) hold|(?:please )?(?:verify|confirm|prove)(?: that)? you(?:'re| are)(?: a)? (?:not a robot|human)|please (?:complete|solve) the (?:captcha|security check|puzzle)|checking your browser|to continue, please (?:type|solve|verify)|click the button below to continue shopping|geben sie die (?:angezeigten )?zeichen|bitte bestätigen sie, dass sie kein roboter|introduce los caracteres|saisissez les caractères|inserisci i caratteri|confirma que (?:no )?eres (?:un )?(?:robot|humano)|digite os caracteres|休息会呗|亲，访问被拒绝|请(?:按住滑块|拖动下方滑块|完成(?:安全)?验证)|画像に表示されている文字|ロボットではないことを|ขออภัยเราตรวจพบ|rất tiếc, hệ thống của chúng tôi đã phát hiện|подтвердите, что вы не робот|(?:this (?:website|site) (?:is using|uses) a security service|este sitio web utiliza un servicio de seguridad|ce site (?:web )?utilise un service de sécurité|diese website (?:verwendet|nutzt) einen sicherheitsdienst|prove your humanity|why have i been blocked|you (?:have been|are) blocked|不正なアクセスを防止する機能により|不正なアクセス.{0,40}制限|.{0,30}접속이 (?:일시적으로 )?제한|비정상적인 접근|доступ к (?:сайту|странице|ресурсу|нашему сайту).{0,60}(?:запрещ|ограничен|заблокирован)|подтвердите, что запросы отправляли|нам очень жаль, но запросы|подозрительная активность|(?:您的)?访问(?:过于)?频繁|系统检测到.{0,20}异常|当前访问疑似)|(?:der )?zugriff auf diese seite wurde (?:blockiert|gesperrt))`

// Titles of login pages, at the beginning or as the last part.
const loginTitle = `^\W*(?:log[ -]?in|sign[ -]?in|anmelden|einloggen|anmeldung|iniciar sesi[oó]n|inicia sesi[oó]n|ingresa|identif[ií]cate|connexion|se connecter|identifiez-vous|accedi|iniciar sessão|entrar|fazer login|inloggen|zaloguj|logowanie|登录|登錄|登入|会员登录|ログイン|サインイン|로그인|đăng nhập|เข้าสู่ระบบ|masuk|log masuk|вход|войти|giriş|تسجيل الدخول)(?:$|[^\p{L}])|[|·–—-]\s*(?:log ?in|sign ?in|anmelden|登录|登入|ログイン|login)\W*$|^(?:.{0,20})(?:登录|登錄|ログイン)$`

// loginText are the sentences that ask for a login before anything is shown,
// only believed on a page that says little else.
const loginText = `^\W*(?:hola!?\W*|¡hola!?\W*|parece que você ainda não está logado\.?\W*|olá!?\W*)?(?:please (?:log|sign) in to (?:continue|view|access|see)|you (?:must|need to) (?:be logged in|log ?in|sign ?in)|(?:log|sign) ?in to (?:continue|view this|see this)|para continuar,? (?:ingresa|inicia sesión|entra|entre|acesse|faça login|identif)|inicia sesión para (?:continuar|ver)|faça (?:o )?login para (?:continuar|ver)|parece que você ainda não está logado|connectez-vous pour (?:continuer|voir|accéder)|bitte (?:melden sie sich an|melde dich an|einloggen)|accedi per (?:continuare|vedere)|zaloguj się,? aby|请(?:先)?登录|亲，请登录后|请登入|請先登入|ログインして(?:ください|続行)|ログインが必要です|로그인(?:이 필요|하세요|해 주세요)|đăng nhập để|vui lòng đăng nhập|กรุณาเข้าสู่ระบบ|(?:silakan|silahkan) (?:login|masuk)|войдите,? чтобы)`

const loginURL = `^https?://(?:login|signin|passport|auth|accounts?|member1?)\.[^?]*(?:login|signin|mini|auth|jump|havana)|^https?://[^/?]+(?:/[^?]*)?/(?:login|signin|sign[-_]in|log[-_]in|logon|member/login|ap/signin|user/login)(?:[./?]|$)|^https?://login\.`

// genericMarkers apply to every site. A marker here must be right on every
// page of the world: titles, forms, elements; never a word in a script.
func genericMarkers() Markers {
	return Markers{
		Challenge: []Marker{
			{Title: challengeTitle, Max: 5000},
			{Form: `validateCaptcha|/cdn-cgi/(?:l/chk|challenge)|__cf_chl|/splashui/|distil_r_|/punish\b|_Incapsula_`},
			{CSS: `#challenge-form, #challenge-running, #cf-challenge-running, #cf-please-wait, #px-captcha, #baxia-punish, #sec-if-cpt-container, #challenge-container[class], #ddg-captcha, #nc_1_wrapper, iframe[src*="_Incapsula_Resource"], iframe[src*="captcha-delivery.com"], iframe[src*="geo.captcha"], #cmsg + script, meta[name="captcha-bypass"], #recaptcha-form, punish-component, link[href*="sufei-punish"], #_chlghost, meta[http-equiv="refresh"][content*="bm-verify"], script[src*="/_sec/cp_challenge"], iframe[src*="/_sec/cp_challenge"]`},
			{CSS: `script[src*="captcha-delivery.com/c.js"], script[src*="captcha-delivery.com/i.js"], script[src*="/149e9513-01fa-4fb0-aad4-566afd725d1b/"], script[src*="token.awswaf.com"], body:not(:has(input[type="password"])) .cf-turnstile, body:not(:has(input[type="password"])) .h-captcha`, Text: shortPage},
			{Short: true, CSS: `h1, h2, h3, h4, p, div, span, strong`, Text: challengeText},
			{Script: `_____tmd_____|/punish\?x5secdata|window\.gokuProps|window\.KPSDK|__cf_chl_opt|_cf_chl_opt|/px-captcha|_Incapsula_Resource|captcha-delivery\.com|var dd=\{|get_cookie_spsc_encrypted_part`},
			{URL: `/(?:punish|_____tmd_____|splashui/(?:challenge|captcha)|cdn-cgi/challenge|verify/(?:traffic|captcha)|errors/validatecaptcha|px/captcha|blocked\?|bgn_verification|captcha|showcaptcha|privatedomain/risk_handler|risk_handler)(?:[/?.]|$)|^https?://(?:validate|captcha)\.|x5secdata=`},
		},
		Login: []Marker{
			{Short: true, CSS: `h1, h2`, Text: `^\W*(?:log ?in|sign ?in|anmelden|einloggen|inicia(?:r)? sesi[oó]n|connectez-vous|se connecter|accedi|登录|ログイン|đăng nhập|войти)`, Form: `(?i)log[-_]?in|sign[-_]?in|session|passport`},
			{Title: loginTitle, Max: 6000},
			{Short: true, CSS: `h1, h2, h3, h4, p, div, span, strong`, Text: loginText},
			{CSS: `button`, Text: `^\W*(?:获取短信验证码|获取手机验证码|发送短信验证码)\W*$`, Max: 6000}, // a login by a number sent to a phone
			{URL: loginURL},
		},
		Consent: []Marker{
			{URL: `^https?://consent\.`},
			{Title: `^(?:before you continue|bevor sie (?:fortfahren|weiter)|avant de continuer|antes de continuar|cookie(?:s)? (?:consent|wall|einstellungen))`},
		},
		Geo: []Marker{
			{Short: true, CSS: `h1, h2, h3, p, div, span`, Text: `^\W*(?:sorry,? )?(?:(?:this|our) (?:site|website|page|content|product|item|store|service)s? (?:is|are) )?(?:not|un)\W?available in your (?:country|region|location|area)`},
		},
		Failed: []Marker{
			{Title: failedTitle, Max: 3000},
			{CSS: `body.neterror, #main-frame-error`}, // a browser's own error page
			{Short: true, CSS: `h1, h2`, Text: `^\W*(?:service (?:temporarily )?unavailable|internal server error|bad gateway|gateway time-?out|50[0234]\W+(?:error|service|internal|bad|gateway|server)|something went wrong on our end)`},
		},
		Removed: []Marker{
			{Title: removedTitle},
			{CSS: `h1, h2, h3, [role=alert], [class*="not-found"], [class*="notFound"], [class*="error"], [class*="404"]`, Text: removedText},
			{Max: 3000, CSS: `h4, h5, p, div, span, strong, [class*="alert"] li`, Text: removedText},
		},
		Listing: []Marker{
			{CSS: `body.single-product, body.catalog-product-view, body#product, body.template-product, body.product-template`},
		},
		SearchPage: []Marker{
			{CSS: `body.tax-product_cat, body.post-type-archive-product, body.catalog-category-view, body.catalogsearch-result-index, body#category, body#search, body.template-collection, body.template-search`},
		},
		Sold: []Marker{
			{CSS: `[data-testid*="sold"], [class*="item-sold"], [class*="soldBadge"], [class*="sold-badge"]`, Text: `^\W*(?:sold|verkauft|vendu|venduto|vendido|売り切れ(?:ました)?|已售出|売約済)\W*$`},
		},
		Unavailable: []Marker{
			{CSS: `form[action*="cart"] button[disabled], form[action*="cart"] input[disabled], button[name="add"][disabled], #AddToCart[disabled], .product-form__submit[disabled]`, Text: `^\W*(?:sold out|out of stock|unavailable|ausverkauft|nicht verfügbar|épuisé|rupture de stock|agotado|esaurito|esgotado|uitverkocht|wyprzedane|売り切れ|품절|нет в наличии)\W*$`},
			{CSS: `.product .summary .stock.out-of-stock, p.stock.out-of-stock, .product-info-main .stock.unavailable`},
		},
		Shell: []Marker{
			{CSS: `#root:empty, #app:empty, #__next:empty, #__nuxt:empty, #__layout:empty, #react-root:empty, app-root:empty, #main:empty, #container:empty, #root > div:only-child:empty`},
			{CSS: `noscript`, Text: `(?i)(?:enable|activate|turn on|need) javascript|javascript (?:is )?(?:required|disabled)|activ(?:a|er|ar|ieren).{0,20}javascript`},
		},
		Empty: []Marker{
			{CSS: `h1, h2, h3, h4, p, div[class*="empty"], div[class*="no-result"], div[class*="noResult"], [class*="NoResult"], div[class*="no-products"], [class*="nullsearch"], [class*="no_result"], span`, Text: emptyText, Not: `\b(?:cart|basket|bag|warenkorb|panier|carrito|carrinho|carrello|wishlist|favou?rites|wish list|notifications?|recently viewed|reviews?)\b|カート|购物车`},
		},
	}
}

// Titles of pages that are not there; "404" alone may be a product's name.
const removedTitle = `^\W*(?:(?:error |http |erro |fehler |erreur )?404\s*(?:$|[-–—|:!.,]|error|not|page|file|fehler|seite|p[aá]gina|エラー)|page (?:not found|doesn't exist|does not exist)|(?:item|product|listing) not found|not found\W*$|seite (?:nicht gefunden|existiert nicht)|página (?:no encontrada|não encontrada|inexistente)|page (?:introuvable|non trouvée)|pagina (?:non trovata|niet gevonden)|商品不存在|宝贝不存在|页面不存在|お探しのページ|ページが見つかりません|指定されたページ(?:は存在|が見つかり)|страница не найдена|сторінку не знайдено|nie znaleziono|strona nie (?:istnieje|została)|không tìm thấy|sidan (?:kunde inte hittas|hittades inte|finns inte)|siden (?:findes ikke|ble ikke funnet|blev ikke fundet)|sivua ei|העמוד לא נמצא|הדף לא נמצא|페이지를 찾을 수 없|에러 ?페이지|존재하지 않는|halaman tidak ditemukan|sayfa bulunamadı|stránka nen|az oldal nem|الصفحة غير موجودة|ไม่พบหน้า)|[|:·–—-]\s*(?:page not found|404(?: not found| error)?|not found)\W*$`

// removedText are the sentences of pages that are not there or no longer.
const removedText = `^\W*(?:sorry!?,? )?(?:this (?:listing|item|product|ad|page|auction) (?:is no longer (?:available|active)|has (?:been removed|ended|expired|been deleted)|was (?:removed|deleted|ended)|(?:is not|isn'?t) available anymore|no longer exists|could(?: not|n'?t) be found|doesn'?t exist)|we (?:couldn'?t|could not|can'?t) find (?:this|that|the) (?:page|listing|item|product)|sorry,? (?:this|the) (?:item|listing|product|page)[^.]{0,40}(?:no longer|not) (?:available|exist|found)|(?:diese|die) (?:anzeige|angebot|seite|artikel)[^.]{0,40}nicht mehr (?:verfügbar|vorhanden|online)|esta (?:publicación|anuncio|página)[^.]{0,40}(?:finaliz|no existe|no está disponible|ya no)|parece que esta página no existe|cette (?:annonce|page|article)[^.]{0,30}(?:n'existe|n'est) plus|questo (?:annuncio|articolo|prodotto)[^.]{0,30}non (?:è più|esiste)|(?:oh snap ?!? ?)?(?:the|this) page (?:that )?you(?:'re| are|r)? (?:are )?(?:looking|requested|were)[^.]{0,30}(?:doesn't exist|does not exist|could(?: not|n't) be found|can ?not be found|is(?: not|n't) available|no longer)|(?:tyvärr,? )?(?:sidan (?:kunde inte hittas|finns inte|du sökte)|kunde (?:inte sidan|sidan inte) hittas)|(?:página |producto |art[ií]culo )?no encontrad[oa]\W*$|(?:тут ничего|такого товара (?:у нас )?(?:больше )?) ?нет\W*$|siden (?:findes ikke|ble ikke funnet|blev ikke fundet)|sivua ei (?:löyt|ole)|העמוד (?:לא נמצא|המבוקש)|הדף (?:לא נמצא|המבוקש)|הפריט (?:לא נמצא|אינו)|(?:ページ|頁)(?:が|は)(?:存在しません|見つかりません)|(?:페이지를|상품을) 찾을 수 없|(?:판매가 )?(?:중지|종료)된 상품|존재하지 않는 (?:상품|페이지)|ไม่พบ(?:หน้า|สินค้า)|(?:halaman|produk) (?:ini )?tidak (?:ditemukan|tersedia)|sản phẩm (?:này )?(?:không tồn tại|đã bị)|trang (?:này )?không tồn tại|(?:aradığınız )?(?:sayfa|ürün) (?:bulunamadı|yayından)|(?:ta )?(?:strona|oferta) (?:nie (?:istnieje|została)|jest niedostępna)|(?:страница|товар|объявление) не (?:найден|существует)|объявление (?:снято|удалено)|该商品已下架|商品已下架|此宝贝已下架|很抱歉，您查看的(?:宝贝|商品)不存在|該当する商品(?:は)?(?:ありません|見つかりません)|この商品は(?:削除|存在)|ページが見つかりません|이 상품은 (?:판매가|존재하지))`

// failedTitle are the titles of a site's own error pages.
const failedTitle = `^\W*(?:[\w-]+(?:\.\w+){1,2}\W+)?(?:sorry!?,? )?(?:oops!? )?(?:something went wrong|an error (?:has )?occurred|algo deu errado|algo (?:salió|ha salido|salio) mal|une erreur (?:s'est produite|est survenue)|quelque chose s'est mal passé|etwas ist schief|es ist ein fehler aufgetreten|qualcosa è andato storto|er is iets misgegaan|coś poszło nie tak|エラーが発生しました|系统繁忙|系统错误|服务器(?:错误|繁忙))|^\W*(?:error page\b|(?:http )?(?:error )?50[0234]\W+(?:error|service|internal|bad|gateway|server)|service (?:temporarily )?unavailable|internal server error|bad gateway|gateway time-?out|(?:site |website )?(?:is )?(?:under |down for |scheduled )?maintenance(?: mode)?(?:\W*$|\s*[|–—-])|メンテナンス中|ただいまメンテナンス)`

// shortPage fits a text of at most 600 characters: what a challenge shows.
const shortPage = `^.{0,600}$`

// emptyText are the sentences of searches that found nothing.
const emptyText = `^\W*(?:(?:sorry,? |oops,? |uh oh,? )?(?:we )?(?:couldn'?t|could not|did not|didn'?t|can'?t) find (?:any|what)\b.{0,80}|(?:sorry,? )?no (?:exact )?(?:results|items|products|listings|matches|matching products|search results)(?: were| was)? ?(?:found|available|match\w*|for)?\b.{0,80}|(?:your search .{0,60} )?(?:did not match any|returned no|has no results?|yielded no results).{0,60}|0 (?:results|items|products|listings) ?(?:found|for)?\b.{0,60}|nothing (?:found|here|matches|to see).{0,60}|leider (?:keine|nichts).{0,80}|(?:es wurden )?keine (?:ergebnisse|anzeigen|treffer|artikel|produkte).{0,80}|no (?:hay|se encontraron|encontramos|hemos encontrado|se han encontrado) .{0,80}|aucun (?:résultat|article|produit).{0,80}|nessun (?:risultato|prodotto|articolo).{0,80}|(?:nenhum|não encontramos|não há) .{0,80}|geen (?:resultaten|producten).{0,80}|(?:vi hittade )?(?:inga|inget) (?:träffar|resultat|produkter).{0,60}|(?:tyvärr )?gör (?:gärna )?en ny sökning.{0,260}|ingen (?:treff|resultater|produkter|varer).{0,60}|ei (?:tuloksia|osumia).{0,60}|לא נמצאו.{0,60}|لا توجد (?:نتائج|منتجات).{0,60}|sonuç bulunamadı.{0,60}|žádné (?:výsledky|produkty).{0,60}|nincs találat.{0,60}|检索不到.{0,40}|没有(?:搜索到|相关).{0,60}|brak wyników.{0,60}|(?:ничего не найдено|по вашему запросу ничего).{0,60}|(?:没有找到|沒有找到|抱歉，没有|非常抱歉，没有找到|找不到).{0,60}|該当する(?:商品|検索結果)は?(?:ありません|見つかりません).{0,40}|一致する商品は.{0,40}|(?:検索結果|出品された商品)(?:は|が)(?:ありません|0).{0,40}|không tìm thấy.{0,60}|ไม่พบ.{0,60}|(?:tidak ada|hasil tidak).{0,60}|검색 ?결과가 없.{0,40}|there (?:are|were) no (?:results|items|products|listings|more).{0,80}|you'?ve reached the end.{0,60}|end of results.{0,40})$`

func genericRules() listing.Rules {
	return listing.Rules{Fields: map[listing.FieldName][]listing.Source{
		listing.Price: {
			{CSS: `.woocommerce div.product p.price > ins .woocommerce-Price-amount, .woocommerce div.product .summary p.price ins bdi`},
			{CSS: `.woocommerce div.product .summary p.price > .woocommerce-Price-amount`},
		},
		listing.StrikePrice: {{CSS: `.woocommerce div.product .summary p.price del .woocommerce-Price-amount`}},
	}}
}
