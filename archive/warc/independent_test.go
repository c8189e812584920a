package warc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// A program that is not ours must find the same records with the same digests
// in what we write. Here it is warcio.js, which ReplayWeb.page stands on:
// TRAWLMARK_NPM names a folder whose node_modules has it (npm i warcio).

func warcio(t *testing.T) (folder string) {
	t.Helper()
	missing := func(why string) {
		if os.Getenv("CI") == "true" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	folder = os.Getenv("TRAWLMARK_NPM")
	if folder == "" {
		missing("the independent check needs warcio: TRAWLMARK_NPM is not set to a folder in which `npm i warcio` was run")
	}
	if _, err := os.Stat(filepath.Join(folder, "node_modules", "warcio", "package.json")); err != nil {
		missing("the independent check needs warcio: " + err.Error())
	}
	if _, err := exec.LookPath("node"); err != nil {
		missing("the independent check needs node: " + err.Error())
	}
	return folder
}

func run(t *testing.T, folder, name string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = folder
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, errs.Bytes())
	}
	if errs.Len() > 0 {
		t.Errorf("%s %v complains:\n%s", name, args, errs.Bytes())
	}
	return out.Bytes()
}

// recompute prints, for each record, what warcio reads and the digests that
// node's own crypto gives for block and payload.
const recompute = `
import { createReadStream } from "node:fs";
import { createHash } from "node:crypto";
import { WARCParser } from "warcio";
const sha = (b) => "sha256:" + createHash("sha256").update(b).digest("hex");
const file = process.argv[1];
const payloads = [];
const p = new WARCParser(createReadStream(file), { keepHeadersCase: true });
for await (const r of p) payloads.push(sha(await r.readFully(false)));
let i = 0;
const q = new WARCParser(createReadStream(file), { keepHeadersCase: true, parseHttp: false });
for await (const r of q) {
  const block = await r.readFully(false);
  console.log(JSON.stringify({
    type: r.warcType, id: r.warcHeader("WARC-Record-ID"), target: r.warcTargetURI ?? "", date: r.warcDate,
    offset: q.offset, length: q.recordLength, bytes: block.length, block: sha(block), payload: payloads[i++],
    statedBlock: r.warcBlockDigest ?? "", statedPayload: r.warcPayloadDigest ?? "",
  }));
}`

type seen struct {
	Type, ID, Target, Date, Block, Payload, StatedBlock, StatedPayload string
	Offset, Length, Bytes                                              int64
}

// odd adds what is likely to be read differently.
func odd(t *testing.T) *capture.Capture {
	c := everything(t)
	ids := counter(900)
	post := func(url, kind, body string) {
		e := *c.Exchanges[3]
		e.ID, e.URL, e.RequestBody = ids(), url, capture.Bytes(body)
		e.RequestHeader = capture.Header{{Name: "Content-Type", Value: kind}}
		if kind == "" {
			e.RequestHeader = nil
		}
		c.Exchanges = append(c.Exchanges, &e)
	}
	for _, p := range posts {
		post("https://market.example/api", p.kind, p.body)
	}
	for _, u := range []string{
		"https://WWW.Market.example:443/A/../B/./c?z=1&A=2&a=1", "http://www2.market.example:8080/?", "https://user:pw@market.example/x",
		"https://market.example/a%20b{c}`d?q='x'|y", "https://[2001:db8::1]:8443/x", "https://market.example", "https://market.example/ä?ö=ü",
		"data:text/plain,hello", "https://market.example/%2e%2E/x/..", "https://market.example/a b\tc", "http://market.example:80/?b&a&&c",
	} {
		e := *c.Exchanges[2]
		e.ID, e.URL = ids(), u
		c.Exchanges = append(c.Exchanges, &e)
	}
	head, put := *c.Exchanges[2], *c.Exchanges[2]
	head.ID, head.Method, head.Body = ids(), "HEAD", nil
	put.ID, put.Method, put.RequestBody = ids(), "PUT", capture.Bytes("x")
	c.Exchanges = append(c.Exchanges, &head, &put)
	return c
}

var posts = []struct{ kind, body string }{
	{"application/x-www-form-urlencoded", "b=2&a=1&c=%C3%A4&d=%2F&e=a+b"},
	{"application/x-www-form-urlencoded; charset=UTF-8", "bad=%FF&x=#y"},
	{"application/x-www-form-urlencoded", strings.Repeat("a=ä&", 3000)},
	{"application/json", `{"b":{"c":[1,2,{"d":"x y"}],"2":true,"1":null},"e":1e21,"f":0.000001,"g":1.5e-7,"h":-0,"i":"","j":"ä*~'()!","b":3}`},
	{"application/json", `[1,1,1,{"a":12345678901234567890}]`},
	{"application/json", `not json`},
	{"application/json", `{"a":1} x`},
	{"text/plain", `{"a":"` + strings.Repeat("long", 2000) + `"}`},
	{"multipart/form-data; boundary=----WebKitFormBoundaryAbC", "------WebKitFormBoundaryAbC\r\nContent-Disposition: form-data; name=\"q\"\r\n\r\nbag & shoe\r\n------WebKitFormBoundaryAbC\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f.txt\"\r\n\r\nfile\r\n------WebKitFormBoundaryAbC--\r\n"},
	{"application/octet-stream", "\x00\xff\xfe binary"},
	{"", "no type"},
	{"application/json", ""},
}

func TestWarcioReadsTheSame(t *testing.T) {
	folder := warcio(t)
	file, index := written(t, odd(t), options())
	path := filepath.Join(t.TempDir(), "capture.warc.gz")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	out := run(t, folder, "node", "--input-type=module", "-e", recompute, path)
	d := json.NewDecoder(bytes.NewReader(out))
	n := 0
	for ; d.More(); n++ {
		var s seen
		if err := d.Decode(&s); err != nil {
			t.Fatal(err)
		}
		if n >= len(index.Records) {
			t.Fatalf("warcio finds more than the %d records written", n)
		}
		e := index.Records[n]
		want := seen{
			Type: string(e.Type), ID: "<" + e.ID.URN() + ">", Target: e.Target, Date: e.Date.UTC().Format(dateLayout),
			Offset: e.Offset, Length: e.Length, Bytes: e.Blocks, Block: e.Block.Labelled(), StatedBlock: e.Block.Labelled(),
		}
		if !e.Payload.IsZero() {
			want.Payload, want.StatedPayload = e.Payload.Labelled(), e.Payload.Labelled()
		} else {
			s.Payload = ""
		}
		if s != want {
			t.Errorf("record %d: warcio reads\n%+v\nand we wrote\n%+v", n, s, want)
		}
	}
	if n != len(index.Records) {
		t.Errorf("warcio finds %d records of %d", n, len(index.Records))
	}
}

// TestWarcioIndexesTheSame compares with both of warcio's command-line indexes.
func TestWarcioIndexesTheSame(t *testing.T) {
	folder := warcio(t)
	c, opt := odd(t), options()
	same, err := capture.FingerprintOf(c.Exchanges[1].Body)
	if err != nil {
		t.Fatal(err)
	}
	opt.Dedupe = func(target string, payload capture.Digest) (Original, bool) {
		return Original{c.ID, target, day}, payload == same.SHA256 // a revisit is among them
	}
	file, index := written(t, c, opt)
	path := filepath.Join(t.TempDir(), "capture.warc.gz")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	cli := filepath.Join("node_modules", "warcio", "dist", "cli.js")

	var offsets strings.Builder
	for _, e := range index.Records {
		target := ""
		if e.Target != "" {
			target = fmt.Sprintf(`,"warc-target-uri":%q`, e.Target)
		}
		fmt.Fprintf(&offsets, "{\"offset\":%d,\"warc-type\":%q%s}\n", e.Offset, e.Type, target)
	}
	if got := string(run(t, folder, "node", cli, "index", path)); got != offsets.String() {
		t.Errorf("warcio index gives\n%s\nand we wrote\n%s", got, offsets.String())
	}

	var ours bytes.Buffer
	if err := WriteCDXJ(&ours, index, "capture.warc.gz"); err != nil {
		t.Fatal(err)
	}
	theirs := strings.SplitAfter(string(run(t, folder, "node", cli, "cdx-index", path)), "\n")
	slices.Sort(theirs)
	compareCDXJ(t, strings.SplitAfter(ours.String(), "\n"), theirs)
}

// compareCDXJ compares lines, but for the digest's label and recordDigest,
// which warcio does not write.
func compareCDXJ(t *testing.T, ours, theirs []string) {
	t.Helper()
	parse := func(lines []string) []string {
		var out []string
		for _, l := range lines {
			if l == "" {
				continue
			}
			part := strings.SplitN(l, " ", 3)
			var m map[string]string
			if err := json.Unmarshal([]byte(part[2]), &m); err != nil {
				t.Fatalf("%v: %s", err, l)
			}
			delete(m, "recordDigest")
			m["digest"] = strings.TrimPrefix(m["digest"], "sha256:")
			b, _ := json.Marshal(m)
			out = append(out, part[0]+" "+part[1]+" "+string(b))
		}
		slices.Sort(out)
		return out
	}
	a, b := parse(ours), parse(theirs)
	if len(a) < 40 {
		t.Errorf("only %d lines were compared", len(a))
	}
	for _, l := range a {
		if !slices.Contains(b, l) {
			t.Errorf("only ours: %.600s", l)
		}
	}
	for _, l := range b {
		if !slices.Contains(a, l) {
			t.Errorf("only warcio: %.600s", l)
		}
	}
}
