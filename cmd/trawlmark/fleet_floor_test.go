package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/trawlmark/trawlmark/cmd/internal/embedded"
)

// floor is the least that a visit's work takes on this machine at this moment,
// by the same parts and without trawlmark: what else the machine does falls on
// both alike, so the ratio of the two says something about trawlmark.
type floor struct {
	t       testing.TB
	url     string // of a listing's page
	dir     string
	http    *http.Client
	s3      *minio.Client
	db      *sql.DB
	browser context.Context
	n       int
}

const floorBucket = "floor"

func newFloor(f *testFleet) *floor {
	f.t.Helper()
	db, err := sql.Open("pgx", f.dbURL)
	f.must(err)
	f.t.Cleanup(func() { db.Close() })
	_, err = db.ExecContext(f.t.Context(), "CREATE TABLE floor (n bigint PRIMARY KEY, page bytea)")
	f.must(err)
	acc := f.s3
	s3, err := minio.New(strings.TrimPrefix(acc.Endpoint, "http://"), &minio.Options{Creds: credentials.NewStaticV4(acc.AccessKey, acc.SecretKey, "")})
	f.must(err)
	f.must(s3.MakeBucket(f.t.Context(), floorBucket, minio.MakeBucketOptions{}))
	return &floor{
		t: f.t, url: f.market.URL + f.plain()[0], dir: f.t.TempDir(), s3: s3, db: db, browser: bareBrowser(f.t, f.market.URL),
		http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute},
	}
}

// visit is a page fetched, synced to a file, put into S3, and told to the
// database in a transaction of its own.
func (f *floor) visit() time.Duration {
	f.t.Helper()
	f.n++
	ctx, began := f.t.Context(), time.Now()
	page, err := f.fetch(ctx)
	f.must(err)
	f.must(f.file(page))
	_, err = f.s3.PutObject(ctx, floorBucket, fmt.Sprint(f.n), bytes.NewReader(page), int64(len(page)), minio.PutObjectOptions{})
	f.must(err)
	_, err = f.db.ExecContext(ctx, "INSERT INTO floor (n, page) VALUES ($1, $2)", f.n, page)
	f.must(err)
	return time.Since(began)
}

func (f *floor) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatalf("the floor: %v", err)
	}
}

func (f *floor) fetch(ctx context.Context) ([]byte, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s?floor=%d", f.url, f.n), nil)
	if err != nil {
		return nil, err
	}
	r, err := f.http.Do(q)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	return io.ReadAll(r.Body)
}

func (f *floor) file(b []byte) error {
	file, err := os.Create(filepath.Join(f.dir, "page"))
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Write(b); err != nil {
		return err
	}
	return file.Sync()
}

// capture is the page in a fresh context of a browser of its own: its document
// and one picture.
func (f *floor) capture() time.Duration {
	f.t.Helper()
	f.n++
	began := time.Now()
	f.must(barePage(f.browser, fmt.Sprintf("%s?floor=%d", f.url, f.n)))
	return time.Since(began)
}

// bareBrowser starts a Chrome of the benchmark's own, which has seen a page.
func bareBrowser(tb testing.TB, first string) context.Context {
	tb.Helper()
	path, _, err := embedded.FindChrome(tb.Context())
	if err != nil {
		tb.Skip(err)
	}
	dir, err := os.MkdirTemp("", "bare")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	alloc, cancel := chromedp.NewExecAllocator(context.WithoutCancel(tb.Context()), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path),
		chromedp.NoSandbox, chromedp.UserDataDir(dir), chromedp.WindowSize(1366, 900))...)
	tb.Cleanup(cancel)
	browser, cancel := chromedp.NewContext(alloc)
	tb.Cleanup(cancel)
	if err := chromedp.Do(browser, chromedp.Navigate(first)); err != nil {
		tb.Fatal(err)
	}
	return browser
}

// barePage is the least that chromedp does for a capture: navigate in a fresh
// context, take the document and one picture, keep nothing.
func barePage(browser context.Context, url string) error {
	tab, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	defer cancel()
	if err := chromedp.Do(tab, chromedp.Navigate(url)); err != nil {
		return err
	}
	if _, err := chromedp.Run(tab, chromedp.OuterHTML("html")); err != nil {
		return err
	}
	_, err := chromedp.Run(tab, chromedp.CaptureScreenshot())
	return err
}
