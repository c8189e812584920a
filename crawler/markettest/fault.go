package markettest

import "github.com/trawlmark/trawlmark/archive/capture"

// Fault is what is wrong with a listing's page. "" is nothing.
type Fault string

// The faults. Each is on at least one listing of the catalogue.
const (
	// The listing is gone.
	FaultRemoved     Fault = "removed"      // 404
	FaultGone        Fault = "gone"         // 410
	FaultSoftRemoved Fault = "soft_removed" // 200 that says it no longer exists
	FaultSoldOut     Fault = "sold_out"     // 200 that shows it and says sold
	FaultUnavailable Fault = "unavailable"  // 200, cannot be bought now, no price
	FaultWrongItem   Fault = "wrong_item"   // redirects to another listing
	FaultToHome      Fault = "to_home"      // redirects to the front page

	// The site does not want to show it.
	FaultChallenge     Fault = "challenge"      // 403 with a captcha form
	FaultChallenge404  Fault = "challenge_404"  // the same wall with status 404: not a removal
	FaultLoginRedirect Fault = "login_redirect" // 302 to /login
	FaultLoginInPlace  Fault = "login_in_place" // 200 with a login form
	FaultConsent       Fault = "consent"        // redirect to a consent page
	FaultGeo           Fault = "geo"            // another country's shop
	FaultRobots        Fault = "robots"         // robots.txt disallows it
	FaultThrottled     Fault = "throttled"      // 429 with Retry-After, per client, then well
	FaultBusyDate      Fault = "busy_date"      // 503 with Retry-After as a date, then well

	// The network and the server.
	FaultSlowFirstByte Fault = "slow_first_byte"
	FaultTrickle       Fault = "trickle" // a few bytes at a time
	FaultStall         Fault = "stall"   // half a page, then nothing, for ever
	FaultCut           Fault = "cut"     // the connection is cut in the middle
	FaultBadChunk      Fault = "bad_chunk"
	FaultBadGzip       Fault = "bad_gzip"
	FaultHuge          Fault = "huge"
	FaultGzipBomb      Fault = "gzip_bomb"
	FaultEndless       Fault = "endless"
	FaultError500      Fault = "error_500"
	FaultEmpty         Fault = "empty"
	FaultPDF           Fault = "pdf"
	FaultImage         Fault = "image"
	FaultWrongCharset  Fault = "wrong_charset"
	FaultMetaRefresh   Fault = "meta_refresh"
	FaultChain         Fault = "redirect_chain"
	FaultLoop          Fault = "redirect_loop"
	FaultPrivate       Fault = "redirect_private"
	FaultDownload      Fault = "download" // Content-Disposition: attachment

	// The page, in a browser.
	FaultAPIBroken      Fault = "api_broken" // a Script page whose API answers 500
	FaultThrows         Fault = "script_throws"
	FaultDialogs        Fault = "dialogs"
	FaultPopups         Fault = "popups"
	FaultBeforeUnload   Fault = "beforeunload"
	FaultAutoDownload   Fault = "auto_download" // a script starts a download
	FaultTall           Fault = "tall"          // 40,000 px
	FaultInfiniteScroll Fault = "infinite_scroll"
	FaultHang           Fault = "hang" // a script that never ends
	FaultIframes        Fault = "iframes"
	FaultWebSocket      Fault = "websocket"
	FaultServiceWorker  Fault = "service_worker"
	FaultBusyNetwork    Fault = "busy_network" // never idle: polls for ever
	FaultBrokenImages   Fault = "broken_images"
)

// faultInfo is what a fault leads to.
type faultInfo struct {
	outcome capture.Outcome
	plain   capture.Outcome // without a browser, when it differs
	shows   bool            // the listing can be read from the page
	lab     bool            // not among the usual search results: costs much
	what    string
}

const (
	seen  = capture.Captured
	noDif = capture.Outcome("")
)

// faults is the one table of what each fault leads to.
func faults() map[Fault]faultInfo {
	return map[Fault]faultInfo{
		FaultRemoved:     {capture.Removed, noDif, false, false, "answers 404"},
		FaultGone:        {capture.Removed, noDif, false, false, "answers 410"},
		FaultSoftRemoved: {capture.RemovedSoft, noDif, false, false, "200 that says the listing no longer exists"},
		FaultSoldOut:     {capture.Sold, noDif, true, false, "200 that shows the listing and says it is sold"},
		FaultUnavailable: {capture.Unavailable, noDif, false, false, "200, currently unavailable, without a price"},
		FaultWrongItem:   {capture.WrongItem, noDif, false, false, "redirects to another listing"},
		FaultToHome:      {capture.RemovedSoft, noDif, false, false, "redirects to the front page"},

		FaultChallenge:     {capture.Challenge, noDif, false, false, "403 with a captcha form"},
		FaultChallenge404:  {capture.Challenge, noDif, false, false, "404 with a robot check: not a removal"},
		FaultLoginRedirect: {capture.LoginWall, noDif, false, false, "redirects to /login"},
		FaultLoginInPlace:  {capture.LoginWall, noDif, false, false, "200 with a login form in place of the listing"},
		FaultConsent:       {capture.ConsentWall, noDif, false, false, "redirects to a consent page"},
		FaultGeo:           {capture.GeoVariant, noDif, false, false, "redirects to another country's shop"},
		FaultRobots:        {capture.RobotsDenied, noDif, false, false, "robots.txt disallows it"},
		FaultThrottled:     {capture.Throttled, noDif, false, false, "429 with Retry-After in seconds, then well"},
		FaultBusyDate:      {capture.Throttled, noDif, false, true, "503 with Retry-After as a date, then well"},

		FaultSlowFirstByte: {seen, noDif, true, false, "the first byte comes late"},
		FaultTrickle:       {seen, noDif, true, true, "a few bytes at a time"},
		FaultStall:         {capture.Timeout, noDif, false, true, "half a page, then nothing, for ever"},
		FaultCut:           {capture.Partial, noDif, false, true, "the connection is cut in the middle of the page"},
		FaultBadChunk:      {capture.Partial, noDif, false, true, "a chunk header that is not one"},
		FaultBadGzip:       {capture.Partial, noDif, false, true, "gzip that breaks in the middle"},
		FaultHuge:          {capture.TooLarge, noDif, false, true, "a page of 30 MB"},
		FaultGzipBomb:      {capture.TooLarge, noDif, false, true, "gzip that grows a thousandfold"},
		FaultEndless:       {capture.TooLarge, noDif, false, true, "a page without end"},
		FaultError500:      {capture.HTTPError, noDif, false, false, "answers 500"},
		FaultEmpty:         {capture.Empty, noDif, false, true, "200 without a body"},
		FaultPDF:           {capture.NotHTML, noDif, false, true, "a PDF"},
		FaultImage:         {capture.NotHTML, noDif, false, true, "a picture"},
		FaultWrongCharset:  {seen, noDif, true, false, "says ISO-8859-1 and is UTF-8"},
		FaultMetaRefresh:   {seen, capture.Shell, true, true, "meta refresh to the real page"},
		FaultChain:         {seen, noDif, true, false, "five redirects, then the page"},
		FaultLoop:          {capture.HTTPError, noDif, false, true, "redirects in a circle"},
		FaultPrivate:       {capture.BlockedAddr, noDif, false, true, "redirects to a private address"},
		FaultDownload:      {capture.NotHTML, noDif, false, true, "an attachment"},

		FaultAPIBroken:      {capture.Partial, capture.Shell, false, false, "the script's request is answered 500"},
		FaultThrows:         {seen, noDif, true, false, "scripts throw"},
		FaultDialogs:        {seen, noDif, true, true, "alert, confirm and prompt"},
		FaultPopups:         {seen, noDif, true, true, "opens windows"},
		FaultBeforeUnload:   {seen, noDif, true, true, "asks before it is left"},
		FaultAutoDownload:   {seen, noDif, true, true, "a script starts a download"},
		FaultTall:           {seen, noDif, true, true, "40,000 px high"},
		FaultInfiniteScroll: {seen, noDif, true, true, "grows when it is scrolled"},
		FaultHang:           {capture.RenderCrash, seen, true, true, "a script that never ends"},
		FaultIframes:        {seen, noDif, true, false, "frames of another origin"},
		FaultWebSocket:      {seen, noDif, true, false, "a WebSocket that keeps talking"},
		FaultServiceWorker:  {seen, noDif, true, true, "a service worker"},
		FaultBusyNetwork:    {seen, noDif, true, true, "polls for ever, the network is never idle"},
		FaultBrokenImages:   {seen, noDif, true, true, "pictures that are 404, cut or never come"},
	}
}
