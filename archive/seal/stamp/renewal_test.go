package stamp

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

var errNoFile = errors.New("no such file")

func TestRenewalList(t *testing.T) {
	files := map[string][]byte{"a-1.tsr": []byte("A"), "1-9/b-2.tsr": []byte("B")}
	read := func(name string) ([]byte, error) {
		b, ok := files[name]
		if !ok {
			return nil, errNoFile
		}
		return b, nil
	}
	checkpoint := []byte("checkpoint")
	lines := []Renewed{
		{Size: 3, Digest: RenewalDigest([][]byte{[]byte("A")}, checkpoint), Over: []string{"a-1.tsr"}},
		{Size: 7, Digest: RenewalDigest([][]byte{[]byte("A"), []byte("B")}, checkpoint), Over: []string{"a-1.tsr", "1-9/b-2.tsr"}},
		{Size: 9, Digest: RenewalDigest(nil, checkpoint), Over: []string{"gone.tsr"}},
	}
	back, err := ParseRenewalList(RenewalList(lines))
	if err != nil || fmt.Sprint(back) != fmt.Sprint(lines) {
		t.Fatalf("%v, %v", back, err)
	}
	for size, want := range map[int64]error{3: nil, 7: nil, 9: errNoFile, 4: ErrRenewal, 1: ErrRenewal, 100: ErrRenewal} {
		if _, err := RenewalOf(back, size, checkpoint, read); !errors.Is(err, want) {
			t.Errorf("size %d: %v", size, err)
		}
	}
	if _, err := RenewalOf(back, 7, []byte("another"), read); !errors.Is(err, ErrRenewal) {
		t.Errorf("another checkpoint: %v", err)
	}
	files["a-1.tsr"] = []byte("C")
	if _, err := RenewalOf(back, 7, checkpoint, read); !errors.Is(err, ErrRenewal) {
		t.Errorf("another stamp: %v", err)
	}
	good := string(RenewalList(lines))
	zero := strings.Repeat("0", 64)
	for name, bad := range map[string]string{
		"empty": "", "no lines": renewalLabel + "\n", "cut": good[:len(good)-1], "not in order": renewalLabel + "\n5 " + zero + " a.tsr\n5 " + zero + " a.tsr\n",
		"negative": renewalLabel + "\n-5 " + zero + " a.tsr\n", "upper case": strings.ToUpper(good), "no files": renewalLabel + "\n5 " + zero + "\n",
		"a way out": renewalLabel + "\n5 " + zero + " ../../a.tsr\n", "absolute": renewalLabel + "\n5 " + zero + " /a.tsr\n",
		"another file": renewalLabel + "\n5 " + zero + " a.pem\n", "plus": renewalLabel + "\n+5 " + zero + " a.tsr\n",
		"too many files": renewalLabel + "\n5 " + zero + strings.Repeat(" a.tsr", maxOver+1) + "\n",
		"too many lines": string(RenewalList(make([]Renewed, MaxRenewed+1))), "too large": strings.Repeat("x", MaxRenewalList+1),
	} {
		if _, err := ParseRenewalList([]byte(bad)); !errors.Is(err, ErrRenewal) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUntil(t *testing.T) {
	year := func(n int) time.Time { return time.Date(2000+n, 1, 1, 0, 0, 0, 0, time.UTC) }
	stamped := func(at, end int) Time { return Time{At: year(at), NotAfter: year(end)} }
	stamps := map[string]Time{"a": stamped(0, 10), "b": stamped(0, 12)}
	for name, c := range map[string]struct {
		links []Link
		want  int
	}{
		"none":                        {nil, 12},
		"in time":                     {[]Link{{"r", stamped(9, 20), []string{"a", "b"}}}, 20},
		"in time for one":             {[]Link{{"r", stamped(11, 20), []string{"a", "b"}}}, 20},
		"too late":                    {[]Link{{"r", stamped(13, 20), []string{"a", "b"}}}, 12},
		"too late for its own":        {[]Link{{"r", stamped(11, 20), []string{"a"}}}, 12},
		"two, not in order":           {[]Link{{"s", stamped(19, 30), []string{"a", "b", "r"}}, {"r", stamped(9, 20), []string{"a", "b"}}}, 30},
		"the second rests on nothing": {[]Link{{"s", stamped(19, 30), []string{"a", "b", "r"}}, {"r", stamped(13, 20), []string{"a", "b"}}}, 12},
		"over what is unknown":        {[]Link{{"r", stamped(9, 20), []string{"x"}}}, 12},
		"shorter":                     {[]Link{{"r", stamped(9, 11), []string{"a", "b"}}}, 12},
	} {
		if got := Until(stamps, c.links); !got.Equal(year(c.want)) {
			t.Errorf("%s: until %s, want %s", name, got, year(c.want))
		}
	}
}

func FuzzRenewalList(f *testing.F) {
	f.Add([]byte(RenewalList([]Renewed{{Size: 3, Over: []string{"a-1.tsr", "1-9/b.tsr"}}, {Size: 4, Over: []string{"b.tsr"}}})))
	f.Fuzz(func(t *testing.T, b []byte) {
		lines, err := ParseRenewalList(b)
		if err == nil && string(RenewalList(lines)) != string(b) {
			t.Error("it is read and written differently")
		}
	})
}
