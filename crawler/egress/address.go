package egress

import (
	"encoding/binary"
	"net/netip"
)

// span is a range of addresses with the reason for keeping out of it.
type span struct {
	prefix netip.Prefix
	reason string
}

func spans(reason string, prefixes ...string) []span {
	out := make([]span, len(prefixes))
	for i, p := range prefixes {
		out[i] = span{netip.MustParsePrefix(p), reason}
	}
	return out
}

func concat(lists ...[]span) (all []span) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// forbidden4 follows the IANA IPv4 Special-Purpose Address Registry (RFC 6890
// and later), with the metadata services of clouds first: they are the prize,
// so they get their own name in the record. 168.63.129.16 looks public but is
// Azure's host agent; 192.0.0.192 is Oracle's metadata service.
var forbidden4 = concat(
	spans("a cloud metadata service", "169.254.169.254/32", "169.254.170.2/32", "169.254.170.23/32",
		"100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32"),
	spans("a loopback address", "127.0.0.0/8"),
	spans("a private address", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
	spans("a link-local address", "169.254.0.0/16"),
	spans("a carrier-grade NAT address", "100.64.0.0/10"),
	spans("an address of this network (unspecified)", "0.0.0.0/8"),
	spans("a documentation address", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),
	spans("a benchmarking address", "198.18.0.0/15"),
	spans("a protocol-assignment address", "192.0.0.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.175.48.0/24"),
	spans("a 6to4 relay address", "192.88.99.0/24"),
	spans("a multicast address", "224.0.0.0/4"),
	spans("the broadcast address", "255.255.255.255/32"),
	spans("a reserved address", "240.0.0.0/4"),
)

// forbidden6 follows the IANA IPv6 registry. Only 2000::/3 is handed out for
// the public internet, so what is outside it is refused at the end of
// forbidden() even when it is not named here.
var forbidden6 = concat(
	spans("a cloud metadata service", "fd00:ec2::254/128", "fd00:ec2::23/128", "fd20:ce::254/128"),
	spans("the unspecified address", "::/128"),
	spans("a loopback address", "::1/128"),
	spans("an IPv4-compatible address", "::/96"),
	spans("a private address", "fc00::/7", "fec0::/10"),
	spans("a link-local address", "fe80::/10"),
	spans("a multicast address", "ff00::/8"),
	spans("a local NAT64 address", "64:ff9b:1::/48"),
	spans("a discard address", "100::/64", "100:0:0:1::/64"),
	spans("a Teredo address", "2001::/32"),
	spans("a benchmarking address", "2001:2::/48"),
	spans("a documentation address", "2001:db8::/32", "3fff::/20"),
	spans("a protocol-assignment address", "2001::/23", "2620:4f:8000::/48"),
)

var (
	nat64     = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052
	sixToFour = netip.MustParsePrefix("2002::/16")    // RFC 3056
	global6   = netip.MustParsePrefix("2000::/3")
)

// Forbidden gives the reason for not connecting to an address, "" when it is an
// ordinary address of the public internet. Addresses that carry an IPv4 address
// inside (mapped, NAT64, 6to4, ISATAP) are judged by that one too.
func Forbidden(a netip.Addr) string {
	if !a.IsValid() {
		return "not an address"
	}
	if a.Zone() != "" {
		return "an address with a zone"
	}
	if a = a.Unmap(); a.Is4() {
		return match(forbidden4, a)
	}
	if r := match(forbidden6, a); r != "" {
		return r
	}
	b := a.As16()
	switch {
	case nat64.Contains(a):
		return embedded("NAT64", b[12:16])
	case !global6.Contains(a):
		return "an address outside the public IPv6 space"
	case sixToFour.Contains(a):
		return embedded("6to4", b[2:6])
	case binary.BigEndian.Uint32(b[8:12])&^0x02000000 == 0x5efe: // ISATAP, RFC 5214
		return embedded("ISATAP", b[12:16])
	}
	return ""
}

func embedded(kind string, b []byte) string {
	v4, _ := netip.AddrFromSlice(b)
	if r := match(forbidden4, v4); r != "" {
		return r + " inside a " + kind + " address"
	}
	return ""
}

func match(list []span, a netip.Addr) string {
	for _, s := range list {
		if s.prefix.Contains(a) {
			return s.reason
		}
	}
	return ""
}
