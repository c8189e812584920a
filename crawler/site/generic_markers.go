package site

import "github.com/trawlmark/trawlmark/crawler/listing"

// Titles of pages that ask for proof of being human. Anchored: the words also
// stand in the scripts of pages that are not blocked.
const challengeTitle = `^\W*(?:just a moment|attention required|one moment,? please|please wait\.{3}|checking (?:your|if the) |ddos-guard|ddos protection|access to this page has been denied|pardon our interruption|robot or human|robot check|are you (?:a )?(?:human|robot)|human verification|security (?:check|challenge|measure|verification|checkpoint)|(?:re)?captcha|bot (?:verification|check)|verify (?:you|your|that|to)|verifying (?:you|that)|verification required|access (?:to .{3,60} )?(?:was |has been |is )?(?:denied|blocked)|request (?:blocked|rejected|could not be satisfied)|you have been blocked|blocked$|unusual traffic|vercel security checkpoint|client challenge|radware|are you human|please verify|let'?s confirm you are human|sicherheits(?:überprüfung|check)|vérification de sécurité|verificaci[oó]n de seguridad|verificação de segurança|验证码|安全验证|滑动验证|人机验证|访问验证|身份验证|亲，访问被拒绝|访问被拒绝|アクセス(?:が)?(?:拒否|集中)|ロボットではない|проверка (?:браузера|безопасности)|доступ (?:ограничен|запрещ))|(?:captcha interception|验证码拦截|bot manager captcha|\brecaptcha|hcaptcha|- security check)\W*$`

// challengeText are the sentences of challenges, only believed on a page that
// says little else.
const challengeText = `^\W*(?:sorry, we (?:just need to make sure|have detected unusual)|(?:we have|our systems have) detected unusual traffic|enter the characters you see|type the characters you see|press (?:&|and) hold|(?:please )?(?:verify|confirm|prove)(?: that)? you(?:'re| are)(?: a)? (?:not a robot|human)|please (?:complete|solve) the (?:captcha|security check|puzzle)|checking your browser|to continue, please (?:type|solve|verify)|click the button below to continue shopping|geben sie die (?:angezeigten )?zeichen|bitte bestätigen sie, dass sie kein roboter|introduce los caracteres|saisissez les caractères|inserisci i caratteri|confirma que (?:no )?eres (?:un )?(?:robot|humano)|digite os caracteres|休息会呗|亲，访问被拒绝|请(?:按住滑块|拖动下方滑块|完成(?:安全)?验证)|画像に表示されている文字|ロボットではないことを|ขออภัยเราตรวจพบ|rất tiếc, hệ thống của chúng tôi đã phát hiện|подтвердите, что вы не робот|(?:der )?zugriff auf diese seite wurde (?:blockiert|gesperrt))`

// Titles of login pages, at the beginning or as the last part.
const loginTitle = `^\W*(?:log[ -]?in|sign[ -]?in|anmelden|einloggen|anmeldung|iniciar sesi[oó]n|inicia sesi[oó]n|ingresa|identif[ií]cate|connexion|se connecter|identifiez-vous|accedi|iniciar sessão|entrar|fazer login|inloggen|zaloguj|logowanie|登录|登錄|登入|会员登录|ログイン|サインイン|로그인|đăng nhập|เข้าสู่ระบบ|masuk|log masuk|вход|войти|giriş|تسجيل الدخول)(?:$|[^\p{L}])|[|·–—-]\s*(?:log ?in|sign ?in|anmelden|登录|登入|ログイン|login)\W*$|^(?:.{0,20})(?:登录|登錄|ログイン)$`

const loginURL = `^https?://(?:login|signin|passport|auth|accounts?|member1?)\.[^?]*(?:login|signin|mini|auth|jump|havana)|^https?://[^/?]+(?:/[^?]*)?/(?:login|signin|sign[-_]in|log[-_]in|logon|member/login|ap/signin|user/login)(?:[./?]|$)|^https?://login\.`

// genericMarkers apply to every site. A marker here must be right on every
// page of the world: titles, forms, elements; never a word in a script.
func genericMarkers() Markers {
	return Markers{
		Challenge: []Marker{
			{Title: challengeTitle},
			{Form: `validateCaptcha|/cdn-cgi/(?:l/chk|challenge)|__cf_chl|/splashui/|distil_r_|/punish\b|_Incapsula_`},
			{CSS: `#challenge-form, #challenge-running, #cf-challenge-running, #cf-please-wait, #px-captcha, #baxia-punish, #sec-if-cpt-container, #challenge-container[class], #ddg-captcha, #nc_1_wrapper, iframe[src*="_Incapsula_Resource"], iframe[src*="captcha-delivery.com"], iframe[src*="geo.captcha"], #cmsg + script, meta[name="captcha-bypass"], #recaptcha-form`},
			{CSS: `script[src*="captcha-delivery.com/c.js"], script[src*="captcha-delivery.com/i.js"], script[src*="/149e9513-01fa-4fb0-aad4-566afd725d1b/"], script[src*="token.awswaf.com"]`, Text: shortPage},
			{Short: true, CSS: `h1, h2, h3, h4, p, div, span, strong`, Text: challengeText},
			{Script: `_____tmd_____|/punish\?x5secdata|window\.gokuProps|window\.KPSDK|__cf_chl_opt|_cf_chl_opt|/px-captcha|_Incapsula_Resource|captcha-delivery\.com|var dd=\{`},
			{URL: `/(?:punish|_____tmd_____|splashui/(?:challenge|captcha)|cdn-cgi/challenge|verify/(?:traffic|captcha)|errors/validatecaptcha|px/captcha|account-verification|blocked\?|bgn_verification|captcha)(?:[/?.]|$)|^https?://(?:validate|captcha)\.|x5secdata=`},
		},
		Login: []Marker{
			{Short: true, CSS: `h1, h2`, Text: `^\W*(?:log ?in|sign ?in|anmelden|einloggen|inicia(?:r)? sesi[oó]n|connectez-vous|se connecter|accedi|登录|ログイン|đăng nhập|войти)`, Form: `(?i)log[-_]?in|sign[-_]?in|session|passport`},
			{Title: loginTitle},
			{URL: loginURL},
		},
		Consent: []Marker{
			{URL: `^https?://consent\.`},
			{Title: `^(?:before you continue|bevor sie (?:fortfahren|weiter)|avant de continuer|antes de continuar|cookie(?:s)? (?:consent|wall|einstellungen))`},
		},
		Removed: []Marker{
			{Title: `^\W*(?:(?:error )?404\b|page (?:not found|doesn'?t exist)|not found|seite nicht gefunden|página no encontrada|page (?:introuvable|non trouvée)|pagina non trovata|página não encontrada|404 not found|商品不存在|宝贝不存在|页面不存在|お探しのページ|ページが見つかりません|страница не найдена|nie znaleziono|không tìm thấy)`},
			{CSS: `h1, h2, h3, [role=alert], [class*="not-found"], [class*="notFound"], [class*="error"]`, Text: `^\W*(?:this (?:listing|item|product|ad|page|auction) (?:is no longer (?:available|active)|has (?:been removed|ended|expired|been deleted)|was (?:removed|deleted|ended)|(?:is not|isn'?t) available anymore|no longer exists|could(?: not|n'?t) be found|doesn'?t exist)|we (?:couldn'?t|could not|can'?t) find (?:this|that|the) (?:page|listing|item|product)|sorry,? (?:this|the) (?:item|listing|product|page)[^.]{0,40}(?:no longer|not) (?:available|exist|found)|(?:diese|die) (?:anzeige|angebot|seite|artikel)[^.]{0,40}nicht mehr (?:verfügbar|vorhanden|online)|esta (?:publicación|anuncio|página)[^.]{0,40}(?:finaliz|no existe|no está disponible|ya no)|parece que esta página no existe|cette (?:annonce|page|article)[^.]{0,30}(?:n'existe|n'est) plus|questo (?:annuncio|articolo|prodotto)[^.]{0,30}non (?:è più|esiste)|该商品已下架|商品已下架|此宝贝已下架|很抱歉，您查看的(?:宝贝|商品)不存在|該当する商品(?:は)?(?:ありません|見つかりません)|この商品は(?:削除|存在)|ページが見つかりません|이 상품은 (?:판매가|존재하지))`},
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
			{CSS: `h1, h2, h3, h4, p, div[class*="empty"], div[class*="no-result"], div[class*="noResult"], [class*="NoResult"], [class*="nullsearch"], [class*="no_result"], span`, Text: emptyText},
		},
	}
}

// shortPage fits a text of at most 600 characters: what a challenge shows.
const shortPage = `^.{0,600}$`

// emptyText are the sentences of searches that found nothing.
const emptyText = `^\W*(?:(?:sorry,? |oops,? |uh oh,? )?(?:we )?(?:couldn'?t|could not|did not|didn'?t|can'?t) find (?:any|what)\b.{0,80}|(?:sorry,? )?no (?:exact )?(?:results|items|products|listings|matches|matching products|search results)(?: were| was)? ?(?:found|available|match\w*|for)?\b.{0,80}|(?:your search .{0,60} )?(?:did not match any|returned no|has no results?|yielded no results).{0,60}|0 (?:results|items|products|listings) ?(?:found|for)?\b.{0,60}|nothing (?:found|here|matches|to see).{0,60}|leider (?:keine|nichts).{0,80}|(?:es wurden )?keine (?:ergebnisse|anzeigen|treffer|artikel|produkte).{0,80}|no (?:hay|se encontraron|encontramos|hemos encontrado|se han encontrado) .{0,80}|aucun (?:résultat|article|produit).{0,80}|nessun (?:risultato|prodotto|articolo).{0,80}|(?:nenhum|não encontramos|não há) .{0,80}|geen (?:resultaten|producten).{0,80}|brak wyników.{0,60}|(?:ничего не найдено|по вашему запросу ничего).{0,60}|(?:没有找到|沒有找到|抱歉，没有|非常抱歉，没有找到|找不到).{0,60}|該当する(?:商品|検索結果)は?(?:ありません|見つかりません).{0,40}|一致する商品は.{0,40}|(?:検索結果|出品された商品)(?:は|が)(?:ありません|0).{0,40}|không tìm thấy.{0,60}|ไม่พบ.{0,60}|(?:tidak ada|hasil tidak).{0,60}|검색 ?결과가 없.{0,40}|there (?:are|were) no (?:results|items|products|listings|more).{0,80}|you'?ve reached the end.{0,60}|end of results.{0,40})$`

func genericRules() listing.Rules {
	return listing.Rules{Fields: map[listing.FieldName][]listing.Source{
		listing.Price: {
			{CSS: `.woocommerce div.product p.price > ins .woocommerce-Price-amount, .woocommerce div.product .summary p.price ins bdi`},
			{CSS: `.woocommerce div.product .summary p.price > .woocommerce-Price-amount`},
		},
		listing.StrikePrice: {{CSS: `.woocommerce div.product .summary p.price del .woocommerce-Price-amount`}},
	}}
}
