package vault_test

import (
	"errors"
	"path"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/vault"
)

func TestCheckKey(t *testing.T) {
	seg := strings.Repeat("s", 255)
	for _, key := range []string{"a", "a/b", "a b+c%20d/ü/日本", seg, seg + "/" + seg, strings.Repeat("a/", 511) + "ab", "..a/b..", ".a"} {
		if err := vault.CheckKey(key); err != nil {
			t.Errorf("CheckKey(%.40q): %v", key, err)
		}
	}
	for _, key := range []string{
		"", "/a", "a/", "a//b", ".", "a/../b", "a/.", seg + "s", strings.Repeat("a/", 512) + "a",
		"a\xff", "a\x00", "a\nb", "a\u0085", "a\u007f", `a\b`, "a\ufffe", ".sgwtmp/x",
	} {
		if err := vault.CheckKey(key); !errors.Is(err, vault.ErrBadKey) {
			t.Errorf("CheckKey(%.40q): %v, want ErrBadKey", key, err)
		}
	}
}

func FuzzCheckKey(f *testing.F) {
	for _, s := range []string{"a/b", "a//b", "../a", "a/./b", "ü", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if vault.CheckKey(key) != nil {
			return
		}
		if len(key) > vault.MaxKey || path.Clean("/"+key) != "/"+key || !utf8.ValidString(key) || strings.ContainsAny(key, "\x00\n\r\\") {
			t.Errorf("%q was accepted", key)
		}
	})
}

func TestLayout(t *testing.T) {
	id, err := capture.ParseID("0196f5f0-3c00-7000-8000-000000000001") // 2025-05-22
	if err != nil {
		t.Fatal(err)
	}
	dir := "captures/2025/05/22/0196f5f0-3c00-7000-8000-000000000001/"
	tile, err := vault.ArtifactKey(id, capture.RoleFullPage, 1)
	if err != nil {
		t.Fatal(err)
	}
	for got, want := range map[string]string{
		vault.WARCKey(id):                             dir + "capture.warc.gz",
		vault.ManifestKey(id):                         dir + "manifest.json",
		vault.CaptureFolder(id):                       dir,
		tile:                                          dir + "fullpage-001.png",
		vault.CheckpointKey(42):                       "log/checkpoints/00000000000000000042",
		vault.StampKey(42, "demo", "tsr"):             "log/stamps/00000000000000000042/demo.tsr",
		vault.TileKey(0, 1234067, 8):                  "log/tile/0/x001/x234/067.p/8",
		vault.TileKey(1, 0, 256):                      "log/tile/1/000",
		vault.EntriesKey(1000, 256):                   "log/tile/entries/x001/000",
		vault.CustodyEventKey(id):                     "custody/events/2025/05/22/" + id.String() + ".json",
		vault.ExportKey(id):                           "exports/2025/05/22/" + id.String() + ".zip",
		vault.ProbeKey("x"):                           "probe/x",
		vault.BlobKey(capture.Sum(nil)):               "blobs/sha256/e3/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		vault.SharedKey(capture.Sum(nil), "dom.html"): "blobs/sha256/e3/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855/dom.html",
		vault.CapturesOfDay(time.Date(2025, 5, 23, 1, 0, 0, 0, time.FixedZone("", 2*3600))): "captures/2025/05/22/",
	} {
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if !strings.HasSuffix(got, "/") && vault.CheckKey(got) != nil {
			t.Errorf("%s is no key: %v", got, vault.CheckKey(got))
		}
	}
	if _, err := vault.ArtifactKey(id, "unknown", 0); err == nil {
		t.Error("an unknown role got a key")
	}
	for _, r := range []capture.Role{capture.RoleDOM, capture.RoleHTML, capture.RoleViewport, capture.RoleText, capture.RolePageInfo, capture.RoleBefore} {
		if _, err := vault.ArtifactKey(id, r, 0); err != nil {
			t.Error(err)
		}
	}
}

func FuzzParseCaptureKey(f *testing.F) {
	f.Add("captures/2025/05/22/0196f5f0-3c00-7000-8000-000000000001/manifest.json")
	f.Add("captures/2025/05/21/0196f5f0-3c00-7000-8000-000000000001/manifest.json")
	f.Add("captures/2025/05/22/x/y")
	f.Fuzz(func(t *testing.T, key string) {
		id, file, ok := vault.ParseCaptureKey(key)
		if ok && vault.CaptureKey(id, file) != key {
			t.Errorf("%q is not what CaptureKey writes for %v, %q", key, id, file)
		}
	})
}

func TestParseCaptureKey(t *testing.T) {
	id := capture.NewIDSource(time.Now, strings.NewReader("12345678")).New()
	if got, file, ok := vault.ParseCaptureKey(vault.ManifestKey(id)); !ok || got != id || file != vault.FileManifest {
		t.Errorf("got %v %q %v", got, file, ok)
	}
	for _, bad := range []string{
		"", "captures/", vault.CaptureFolder(id), "x" + vault.ManifestKey(id), strings.ToUpper(vault.ManifestKey(id)),
		"captures/1999/01/01/" + id.String() + "/manifest.json",
	} {
		if _, _, ok := vault.ParseCaptureKey(bad); ok {
			t.Errorf("parsed %q", bad)
		}
	}
}

func TestLockTimeRoundsUp(t *testing.T) {
	at := time.Date(2025, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	if got := vault.LockTime(at); !got.Equal(at) || got.Location() != time.UTC {
		t.Errorf("%v", got)
	}
	if got := vault.LockTime(at.Add(time.Nanosecond)); !got.Equal(at.Add(time.Second)) {
		t.Errorf("%v ends before the instant asked for", got)
	}
	if !vault.LockTime(time.Time{}).IsZero() {
		t.Error("zero does not stay zero")
	}
}

func TestCheckExtend(t *testing.T) {
	now := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	old := now.Add(time.Hour)
	for name, c := range map[string]struct {
		mode  vault.Mode
		want  vault.Mode
		until time.Time
		to    vault.Mode
		done  bool
		err   error
	}{
		"later":                  {vault.Governance, vault.Governance, old.Add(time.Hour), "", false, nil},
		"earlier":                {vault.Governance, "", old.Add(-time.Second), "", false, vault.ErrShorter},
		"same":                   {vault.Governance, vault.Governance, old, vault.Governance, true, nil},
		"stronger":               {vault.Governance, vault.Compliance, old, vault.Compliance, false, nil},
		"weaker":                 {vault.Compliance, "", old.Add(time.Hour), vault.Governance, false, vault.ErrLocked},
		"compliance stays":       {vault.Compliance, vault.Compliance, old.Add(time.Hour), "", false, nil},
		"zero":                   {vault.Governance, "", time.Time{}, "", false, vault.ErrShorter},
		"half a second too soon": {vault.Governance, vault.Governance, old.Add(-time.Second / 2), "", true, nil},
	} {
		got, done, err := vault.CheckExtend(vault.Info{Mode: c.mode, RetainUntil: old}, c.to, c.until, now)
		if got != c.want || done != c.done || !errors.Is(err, c.err) {
			t.Errorf("%s: %v %v %v", name, got, done, err)
		}
	}
	if _, _, err := vault.CheckExtend(vault.Info{}, "", now, now); err == nil {
		t.Error("a new lock that ends now was accepted")
	}
	if m, _, err := vault.CheckExtend(vault.Info{}, "", old, now); m != vault.Governance || err != nil {
		t.Errorf("a new lock: %v %v", m, err)
	}
	if _, _, err := vault.CheckExtend(vault.Info{}, "FOREVER", old, now); err == nil {
		t.Error("an unknown mode was accepted")
	}
}

func FuzzParseSharedKey(f *testing.F) {
	f.Add(vault.SharedKey(capture.Sum(nil), "viewport.png"))
	f.Add("blobs/sha256/e4/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855/viewport.png")
	f.Add(vault.BlobKey(capture.Sum(nil)))
	f.Add("e3/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855/x")
	f.Fuzz(func(t *testing.T, key string) {
		sum, file, ok := vault.ParseSharedKey(key)
		if ok && vault.SharedKey(sum, file) != key {
			t.Errorf("%q is not what SharedKey writes for %v, %q", key, sum, file)
		}
	})
}
