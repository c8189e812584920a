package render

import "strings"

// deadProxy is where the browser itself would send what does not belong to a
// capture: nowhere. Captures bring their own proxy with their context.
const deadProxy = "http://127.0.0.1:1"

// flags is Chrome's command line for a profile folder, without what the
// environment decides (sandbox, /dev/shm).
func (c Config) flags(profile string) []string {
	f := []string{
		"--headless",
		"--remote-debugging-pipe",
		"--user-data-dir=" + profile,
		"--no-first-run",
		"--no-default-browser-check",
		"--hide-scrollbars",
		"--mute-audio",
		"--disable-gpu",
		"--force-color-profile=srgb",
		"--password-store=basic",
		"--use-mock-keychain",
		// Nothing leaves but through the proxy of a capture's context.
		"--proxy-server=" + deadProxy,
		"--proxy-bypass-list=<-loopback>",
		"--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
		"--disable-quic",
		"--disable-background-networking",
		"--disable-component-update",
		"--disable-component-extensions-with-background-pages",
		"--disable-domain-reliability",
		"--disable-client-side-phishing-detection",
		"--disable-default-apps",
		"--disable-extensions",
		"--disable-sync",
		"--metrics-recording-only",
		"--no-pings",
		"--dns-prefetch-disable",
		// A capture is not a window in the background.
		"--disable-background-timer-throttling",
		"--disable-backgrounding-occluded-windows",
		"--disable-renderer-backgrounding",
		// An image is in the first frame that has its place, and not in a later
		// one: no picture shows a page without those that it has.
		"--disable-checker-imaging",
		"--disable-hang-monitor",
		"--disable-prompt-on-repost",
		"--disable-popup-blocking", // popups are recorded and closed by us
		"--disable-breakpad",
		"--disable-crash-reporter",
		"--disable-search-engine-choice-screen",
		"--disable-features=" + strings.Join([]string{
			"Translate", "MediaRouter", "OptimizationHints", "OptimizationGuideModelDownloading",
			"InterestFeedContentSuggestions", "CalculateNativeWinOcclusion", "DialMediaRouteProvider",
			"AcceptCHFrame", "AutofillServerCommunication", "CertificateTransparencyComponentUpdater",
			// A capture's https page is fetched as asked: no silent upgrade.
			"HttpsUpgrades", "HttpsFirstBalancedModeAutoEnable",
			// Pages nobody asked for are not fetched.
			"Prerender2",
		}, ","),
	}
	if len(c.ExtraSPKI) > 0 {
		f = append(f, "--ignore-certificate-errors-spki-list="+strings.Join(c.ExtraSPKI, ","))
	}
	return append(f, c.ExtraFlags...)
}

// recorded is the command line as the environment record keeps it: without
// the names of folders of this machine.
func recorded(flags []string) []string {
	out := make([]string, 0, len(flags))
	for _, f := range flags {
		if strings.HasPrefix(f, "--user-data-dir=") {
			f = "--user-data-dir=<fresh>"
		}
		out = append(out, f)
	}
	return out
}
