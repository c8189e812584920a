package site

// The HTTP statuses that mean something here (RFC 9110 section 15, RFC 6585,
// RFC 7725). This package reads pages and links no HTTP client.
const (
	statusGone                       = 410
	statusNotFound                   = 404
	statusNotModified                = 304
	statusOK                         = 200
	statusServiceUnavailable         = 503
	statusTooManyRequests            = 429
	statusUnauthorized               = 401
	statusUnavailableForLegalReasons = 451
)
