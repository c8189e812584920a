package egress

import (
	"net/netip"
	"strings"
	"testing"
)

func TestForbidden(t *testing.T) {
	for addr, want := range map[string]string{
		"93.184.216.34": "", "8.8.8.8": "", "172.15.255.255": "", "172.32.0.0": "", "100.63.255.255": "", "100.128.0.0": "",
		"2606:4700::1111": "", "2a00:1450::1": "", "64:ff9b::8.8.8.8": "", "2002:808:808::1": "", "::ffff:8.8.8.8": "",
		"0.0.0.0": "unspecified", "0.1.2.3": "unspecified", "10.0.0.0": "private", "172.16.0.1": "private", "172.31.255.255": "private",
		"192.168.1.1": "private", "127.0.0.1": "loopback", "127.255.255.255": "loopback", "169.254.1.1": "link-local",
		"100.64.0.1": "carrier-grade", "192.0.2.1": "documentation", "198.51.100.7": "documentation", "203.0.113.9": "documentation",
		"198.18.0.1": "benchmarking", "198.19.255.255": "benchmarking", "224.0.0.1": "multicast", "239.255.255.250": "multicast",
		"255.255.255.255": "broadcast", "240.0.0.1": "reserved", "192.88.99.1": "6to4 relay", "192.0.0.8": "protocol",
		"169.254.169.254": "metadata", "169.254.170.2": "metadata", "100.100.100.200": "metadata", "168.63.129.16": "metadata", "192.0.0.192": "metadata",
		"::": "unspecified", "::1": "loopback", "fe80::1": "link-local", "fec0::1": "private", "fc00::1": "private", "fd12::1": "private",
		"ff02::1": "multicast", "fd00:ec2::254": "metadata", "fd20:ce::254": "metadata", "2001:db8::1": "documentation", "3fff::1": "documentation",
		"2001::1": "Teredo", "2001:2::1": "benchmarking", "2001:10::1": "protocol", "100::1": "discard", "64:ff9b:1::1": "NAT64",
		"4000::1": "outside the public", "5f00::1": "outside the public",
		"::ffff:127.0.0.1": "loopback", "::ffff:10.0.0.1": "private", "::127.0.0.1": "compatible", "::8.8.8.8": "compatible",
		"64:ff9b::10.0.0.1": "private address inside a NAT64", "64:ff9b::169.254.169.254": "metadata service inside a NAT64",
		"2002:7f00:1::": "loopback address inside a 6to4", "2002:a9fe:a9fe::1": "metadata service inside a 6to4",
		"2606:4700::5efe:10.0.0.1": "private address inside a ISATAP", "2606:4700::200:5efe:127.0.0.1": "loopback address inside a ISATAP",
		"2606:4700::5efe:8.8.8.8": "", "fe80::1%eth0": "zone", "2606:4700::1%eth0": "zone",
	} {
		got := Forbidden(netip.MustParseAddr(addr))
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", addr, got, want)
		}
	}
	if Forbidden(netip.Addr{}) == "" {
		t.Error("the zero address is allowed")
	}
}

// What is accepted must mean the same to everybody who parses it later.
func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{
		"shop.example:80", "127.0.0.1:80", "[::1]:443", "0x7f.1:80", "user@host:80", "a..b:1", "１２７.１:80", "xn--a:80", "ﬀ.example:80",
		"[::ffff:1.2.3.4]:80", "[fe80::1%lo]:80", ":80", "ß.example:80", "a\u00ad.example:1", "1.2.3.4.:80", "[1.2.3.4]:80",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseTarget(s)
		if err != nil {
			if r, ok := err.(*Refused); !ok || strings.ContainsAny(r.Target, "\r\n\x00\x1b") || r.Reason == "" {
				t.Fatalf("%q: bad refusal %v", s, err)
			}
			return
		}
		again, err := parseTarget(got.String())
		if err != nil || again != got {
			t.Fatalf("%q gives %v, which gives %v, %v", s, got, again, err)
		}
		if a, err := netip.ParseAddr(got.host); (err == nil) != got.addr.IsValid() || err == nil && a != got.addr {
			t.Fatalf("%q: host %q and address %v disagree", s, got.host, got.addr)
		}
		if strings.ContainsAny(got.host, "@/\\?#% \r\n\t") || got.port == 0 {
			t.Fatalf("%q was accepted as %v", s, got)
		}
	})
}
