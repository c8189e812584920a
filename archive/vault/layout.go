package vault

import (
	"fmt"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Every key of the project is spelled in this file and nowhere else.
//
//	captures/<yyyy>/<mm>/<dd>/<capture id>/<file>   one visit's evidence
//	blobs/sha256/<ab>/<hex>/<file>                  bytes shared by captures
//	log/checkpoints/<size>                          signed checkpoints
//	log/tile/<level>/..., log/tile/entries/...      tiles (C2SP tlog-tiles)
//	log/stamps/<size>/<name>.<tsq|tsr|pem>          what binds a checkpoint to time
//	log/renewals/<from>-<to>/<name>.<list|tsr|...>  what binds old stamps once more
//	log/chains/<tsa>/<end>-<signer>.pem             certificates that stamps rest on
//	log/revocation/<tsa>/<signer>/<time>-<hash>.rev what was said of them (CRL, OCSP)
//	log/clock/<time>-<hash>.json                    how our clock compared with others
//	custody/events/<yyyy>/<mm>/<dd>/<event id>.json what was done to evidence
//	exports/<yyyy>/<mm>/<dd>/<export id>.zip        packages that were handed over
//	probe/<id>                                      lock probes, no evidence
//
// The day in a key is the one in the id (UTC), so whoever has an id has the
// key: nothing needs to be looked up.

// The files of a capture's folder that are no artifacts.
const (
	FileWARC     = "capture.warc.gz"
	FileManifest = "manifest.json"
)

// The prefixes to list by.
const (
	CapturesPrefix      = "captures/"
	BlobsPrefix         = "blobs/sha256/"
	CheckpointsPrefix   = "log/checkpoints/"
	TilesPrefix         = "log/tile/"
	StampsPrefix        = "log/stamps/"
	RenewalsPrefix      = "log/renewals/"
	ChainsPrefix        = "log/chains/"
	RevocationPrefix    = "log/revocation/"
	ClockPrefix         = "log/clock/"
	CustodyEventsPrefix = "custody/events/"
	ExportsPrefix       = "exports/"
	ProbesPrefix        = "probe/"
)

// day is "yyyy/mm/dd/" of the time in a version 7 id.
func day(id capture.ID) string {
	ms := int64(id[0])<<40 | int64(id[1])<<32 | int64(id[2])<<24 | int64(id[3])<<16 | int64(id[4])<<8 | int64(id[5])
	return time.UnixMilli(ms).UTC().Format("2006/01/02/")
}

// CaptureKey is a file of a capture's folder.
func CaptureKey(id capture.ID, file string) string {
	return CapturesPrefix + day(id) + id.String() + "/" + file
}

// CaptureFolder is the prefix of all files of a capture, with the final "/".
func CaptureFolder(id capture.ID) string { return CaptureKey(id, "") }

// WARCKey is a capture's WARC.
func WARCKey(id capture.ID) string { return CaptureKey(id, FileWARC) }

// ManifestKey is a capture's manifest.
func ManifestKey(id capture.ID) string { return CaptureKey(id, FileManifest) }

// CapturesOfDay is the prefix of all captures whose id was made on t's UTC day.
func CapturesOfDay(t time.Time) string {
	return CapturesPrefix + t.UTC().Format("2006/01/02/")
}

// ParseCaptureKey takes a key apart that CaptureKey wrote; ok is false for
// anything else.
func ParseCaptureKey(key string) (id capture.ID, file string, ok bool) {
	parts := strings.SplitN(key, "/", 6)
	if len(parts) != 6 {
		return capture.ID{}, "", false
	}
	id, err := capture.ParseID(parts[4])
	if err != nil || parts[5] == "" || CaptureKey(id, parts[5]) != key {
		return capture.ID{}, "", false
	}
	return id, parts[5], true
}

// artifactFile names the file of each role: stem and extension.
var artifactFile = map[capture.Role][2]string{
	capture.RoleDOM:      {"dom", ".html"},
	capture.RoleHTML:     {"page", ".html"},
	capture.RoleViewport: {"viewport", ".png"},
	capture.RoleFullPage: {"fullpage", ".png"},
	capture.RoleText:     {"text", ".txt"},
	capture.RolePageInfo: {"pageinfo", ".json"},
	capture.RoleBefore:   {"before", ".png"},
	capture.RoleReading:  {"reading", ".json"},
}

// ArtifactFile is the file name of an artifact: "viewport.png", or
// "fullpage-001.png" for the first tile. A role that is not in the table is an
// error: an artifact with no name would be lost.
func ArtifactFile(role capture.Role, tile int) (string, error) {
	f, ok := artifactFile[role]
	if !ok || tile < 0 {
		return "", fmt.Errorf("the artifact role %q, tile %d, has no file name in the vault's layout", role, tile)
	}
	if tile == 0 {
		return f[0] + f[1], nil
	}
	return fmt.Sprintf("%s-%03d%s", f[0], tile, f[1]), nil
}

// ArtifactKey is where an artifact of a capture lies.
func ArtifactKey(id capture.ID, role capture.Role, tile int) (string, error) {
	f, err := ArtifactFile(role, tile)
	if err != nil {
		return "", err
	}
	return CaptureKey(id, f), nil
}

// BlobKey is the folder of bytes that many captures share, named by what they
// are; without the final "/".
func BlobKey(d capture.Digest) string {
	h := d.String()
	return BlobsPrefix + h[:2] + "/" + h
}

// FilePayload is the file of a shared response payload that its WARC has lost.
const FilePayload = "payload"

// SharedKey is a file that many captures share: its folder is what its bytes
// are, its name what a capture calls them.
func SharedKey(d capture.Digest, file string) string { return BlobKey(d) + "/" + file }

// ParseSharedKey takes a key apart that SharedKey wrote; ok is false for
// anything else.
func ParseSharedKey(key string) (d capture.Digest, file string, ok bool) {
	parts := strings.Split(strings.TrimPrefix(key, BlobsPrefix), "/")
	if len(parts) != 3 {
		return d, "", false
	}
	d, err := capture.ParseDigest(parts[1])
	if err != nil || parts[2] == "" || SharedKey(d, parts[2]) != key {
		return capture.Digest{}, "", false
	}
	return d, parts[2], true
}

// CheckpointKey is the signed checkpoint over the first size entries of the
// log. Sizes are padded to 20 digits, so a listing is in order of size.
func CheckpointKey(size int64) string { return fmt.Sprintf("%s%020d", CheckpointsPrefix, size) }

// StampKey belongs to the checkpoint over size entries: name tells the TSA
// and the time, ext the kind: "tsq", "tsr", "pem". Both are slugs.
func StampKey(size int64, name, ext string) string {
	return fmt.Sprintf("%s%020d/%s.%s", StampsPrefix, size, name, ext)
}

// StampsOf is the prefix of all that belongs to one checkpoint's stamps.
func StampsOf(size int64) string { return fmt.Sprintf("%s%020d/", StampsPrefix, size) }

// RenewalKey belongs to a renewal of the stamps of checkpoints from one size to
// another, both included; name and ext as in StampKey, and "list".
func RenewalKey(from, to int64, name, ext string) string {
	return fmt.Sprintf("%s%020d-%020d/%s.%s", RenewalsPrefix, from, to, name, ext)
}

// ChainKey is the certificate chain of one of an authority's signers; it ends
// at that time, to the second. signer is a slug.
func ChainKey(tsa string, end time.Time, signer string) string {
	return ChainsPrefix + tsa + "/" + end.UTC().Format("20060102t150405z") + "-" + signer + ".pem"
}

// RevocationOf is the prefix of all that was said of one signer's chain.
func RevocationOf(tsa, signer string) string { return RevocationPrefix + tsa + "/" + signer + "/" }

// RevocationKey is what was said at one time; hash is a slug of its bytes.
func RevocationKey(tsa, signer string, at time.Time, hash string) string {
	return RevocationOf(tsa, signer) + at.UTC().Format("20060102t150405z") + "-" + hash + ".rev"
}

// ClockKey is a comparison of clocks made at one time; hash is a slug.
func ClockKey(at time.Time, hash string) string {
	return ClockPrefix + at.UTC().Format("20060102t150405z") + "-" + hash + ".json"
}

// TileKey is tile n of a level of the log; width is 1 to 256 hashes, 256 for a
// full tile. The path is the one of C2SP tlog-tiles: "0/x001/x234/067.p/8".
func TileKey(level int, n int64, width int) string {
	return fmt.Sprintf("%s%d/%s", TilesPrefix, level, tilePath(n, width))
}

// EntriesKey is the bundle of the entries under the level 0 tile n.
func EntriesKey(n int64, width int) string { return TilesPrefix + "entries/" + tilePath(n, width) }

func tilePath(n int64, width int) string {
	s := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		s = fmt.Sprintf("x%03d/%s", n%1000, s)
	}
	if width < 256 {
		s += fmt.Sprintf(".p/%d", width)
	}
	return s
}

// CustodyEventKey is the record of one thing done to evidence.
func CustodyEventKey(id capture.ID) string {
	return CustodyEventsPrefix + day(id) + id.String() + ".json"
}

// ExportKey is a package that was handed over.
func ExportKey(id capture.ID) string { return ExportsPrefix + day(id) + id.String() + ".zip" }

// ProbeKey is an object put to see whether a storage keeps its locks.
func ProbeKey(id string) string { return ProbesPrefix + id }
