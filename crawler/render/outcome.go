package render

import (
	"strings"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// outcomeOf translates what Chrome's network stack says (net/base/net_error_list.h,
// with "net::" before it) into an outcome. It is the only such table.
func outcomeOf(text string) capture.Outcome {
	e := strings.TrimPrefix(text, "net::")
	for _, row := range []struct {
		prefix  string
		outcome capture.Outcome
	}{
		{"ERR_NAME_", capture.DNSFailed},
		{"ERR_DNS_", capture.DNSFailed},
		{"ERR_ICANN_", capture.DNSFailed},
		{"ERR_CERT_", capture.TLSFailed},
		{"ERR_SSL_", capture.TLSFailed},
		{"ERR_BAD_SSL_", capture.TLSFailed},
		{"ERR_ECH_", capture.TLSFailed},
		{"ERR_TIMED_OUT", capture.Timeout},
		{"ERR_CONNECTION_TIMED_OUT", capture.Timeout},
		{"ERR_UNKNOWN_URL_SCHEME", capture.BlockedAddr},
		{"ERR_DISALLOWED_URL_SCHEME", capture.BlockedAddr},
		{"ERR_UNSAFE_REDIRECT", capture.BlockedAddr},
		{"ERR_UNSAFE_PORT", capture.BlockedAddr},
		{"ERR_BLOCKED_BY_PRIVATE_NETWORK_ACCESS_CHECKS", capture.BlockedAddr},
		{"ERR_BLOCKED_BY_LOCAL_NETWORK_ACCESS_CHECKS", capture.BlockedAddr},
		{"ERR_TOO_MANY_REDIRECTS", capture.HTTPError},
		{"ERR_INVALID_REDIRECT", capture.HTTPError},
		{"ERR_INVALID_RESPONSE", capture.HTTPError},
		{"ERR_RESPONSE_HEADERS_", capture.HTTPError},
		{"ERR_CONTENT_DECODING_FAILED", capture.HTTPError},
		{"ERR_HTTP_RESPONSE_CODE_FAILURE", capture.HTTPError},
		{"ERR_EMPTY_RESPONSE", capture.Empty},
		{"ERR_OUT_OF_MEMORY", capture.RenderCrash},
		{"ERR_INSUFFICIENT_RESOURCES", capture.RenderCrash},
	} {
		if strings.HasPrefix(e, row.prefix) {
			return row.outcome
		}
	}
	return capture.ConnectFailed
}
