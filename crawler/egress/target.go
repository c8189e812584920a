package egress

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// target is a checked "host:port" as it was asked for.
type target struct {
	host string     // lower case, ASCII, no trailing dot, no brackets
	addr netip.Addr // valid when host is an address
	port uint16
}

func (t target) String() string { return net.JoinHostPort(t.host, strconv.Itoa(int(t.port))) }

// parseTarget accepts a DNS name or a canonical IP address with a decimal port,
// and nothing else: no userinfo, zone, percent sign, service name, or address
// in a spelling that only some parsers understand (octal, hex, one number).
func parseTarget(hostport string) (target, error) {
	refuse := func(reason string) (target, error) {
		return target{}, &Refused{Target: printable(hostport), Reason: reason}
	}
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return refuse("not a host with a port")
	}
	if strings.ContainsAny(host, "@/\\?#%") {
		return refuse("more than a host with a port")
	}
	p, err := strconv.ParseUint(port, 10, 16)
	if err != nil || p == 0 || port[0] < '0' || port[0] > '9' {
		return refuse("not a port number")
	}
	t := target{port: uint16(p)}
	if strings.Contains(host, ":") {
		if t.addr, err = netip.ParseAddr(host); err != nil {
			return refuse("not an IPv6 address")
		}
		t.host = t.addr.String()
		return t, nil
	}
	if t.host, err = normalHost(host); err != nil {
		return refuse(err.Error())
	}
	if endsInNumber(t.host) {
		if t.addr, err = netip.ParseAddr(t.host); err != nil {
			return refuse("an address in an unusual spelling")
		}
	}
	return t, nil
}

type hostError string

func (e hostError) Error() string { return string(e) }

// hostProfile maps as browsers do (UTS #46, non-transitional): full-width digits and
// dots must become ASCII before anything is decided.
var hostProfile = idna.New(idna.MapForLookup(), idna.Transitional(false),
	idna.StrictDomainName(false), idna.CheckHyphens(false), idna.BidiRule())

func normalHost(host string) (string, error) {
	ascii, err := hostProfile.ToASCII(host)
	if err != nil || !utf8.ValidString(host) {
		return "", hostError("not a host name")
	}
	// Whoever parses it again must get the same.
	if again, err := hostProfile.ToASCII(ascii); err != nil || again != ascii {
		return "", hostError("not a host name")
	}
	ascii = strings.TrimSuffix(strings.ToLower(ascii), ".")
	if ascii == "" || len(ascii) > 253 {
		return "", hostError("not a host name")
	}
	for label := range strings.SplitSeq(ascii, ".") {
		if label == "" || len(label) > 63 {
			return "", hostError("not a host name")
		}
		for i := range len(label) {
			switch c := label[i]; {
			case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_':
			default:
				return "", hostError("not a host name")
			}
		}
	}
	return ascii, nil
}

// endsInNumber is the "ends in a number checker" of the WHATWG URL standard:
// such a host is an IPv4 address to browsers, so it is never a name.
func endsInNumber(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}

// badPorts are the blocked ports of the Fetch standard (section "port
// blocking"), and the ports of databases and machine management that a web
// shop has no reason to use but an attacker has.
var badPorts = map[uint16]bool{
	// Fetch standard
	1: true, 7: true, 9: true, 11: true, 13: true, 15: true, 17: true, 19: true, 20: true,
	21: true, 22: true, 23: true, 25: true, 37: true, 42: true, 43: true, 53: true, 69: true,
	77: true, 79: true, 87: true, 95: true, 101: true, 102: true, 103: true, 104: true, 109: true,
	110: true, 111: true, 113: true, 115: true, 117: true, 119: true, 123: true, 135: true,
	137: true, 139: true, 143: true, 161: true, 179: true, 389: true, 427: true, 465: true,
	512: true, 513: true, 514: true, 515: true, 526: true, 530: true, 531: true, 532: true,
	540: true, 548: true, 554: true, 556: true, 563: true, 587: true, 601: true, 636: true,
	989: true, 990: true, 993: true, 995: true, 1719: true, 1720: true, 1723: true, 2049: true,
	3659: true, 4045: true, 4190: true, 5060: true, 5061: true, 6000: true, 6566: true, 6665: true,
	6666: true, 6667: true, 6668: true, 6669: true, 6679: true, 6697: true, 10080: true,
	// databases, queues, management
	445: true, 873: true, 1433: true, 1521: true, 2375: true, 2376: true, 2379: true, 2380: true,
	3306: true, 3389: true, 4369: true, 5432: true, 5672: true, 5900: true, 5984: true, 5985: true,
	5986: true, 6379: true, 6443: true, 8086: true, 8500: true, 9042: true, 9092: true, 9200: true,
	9300: true, 10250: true, 10255: true, 11211: true, 26379: true, 27017: true,
}

// printable makes what was asked for fit for a log and a record: one line,
// bounded, without a user name or password.
func printable(s string) string {
	if len(s) > 300 {
		s = s[:300] + "..."
	}
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		scheme := ""
		if j := strings.Index(s, "://"); j >= 0 && j < i {
			scheme = s[:j+3]
		}
		s = scheme + "<secret>@" + s[i+1:]
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r == 0xfffd || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
