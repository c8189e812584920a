package render

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
)

// The bounds of printing one document.
const (
	pdfTimeout = 2 * time.Minute
	maxPDFHTML = 96 << 20 // bytes; CDP carries it in one message
)

// PDF prints a document of our own that needs nothing else (images as data:
// URLs) on A4. It has no network: its browser context's proxy is a dead one.
// The same document gives the same bytes with the same Chrome: the dates that
// Chrome writes into the file are taken out.
func (r *Renderer) PDF(ctx context.Context, html []byte) ([]byte, error) {
	if len(html) > maxPDFHTML {
		return nil, fmt.Errorf("a document of %d bytes is too large to print; the limit is %d", len(html), maxPDFHTML)
	}
	ctx, cancel := context.WithTimeout(ctx, pdfTimeout)
	defer cancel()
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ch, err := r.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer r.release(ch)
	pdf, err := printIn(ctx, ch, string(html))
	if err != nil {
		return nil, fmt.Errorf("printing to PDF: %w", err)
	}
	if len(pdf) == 0 {
		return nil, errors.New("printing to PDF: Chrome gave an empty file")
	}
	return undated(pdf), nil
}

func printIn(ctx context.Context, ch *chrome, html string) ([]byte, error) {
	b := session{c: ch.conn}
	bc, err := call(ctx, b, target.CreateBrowserContext, target.CreateBrowserContextParams{
		ProxyServer: "http://127.0.0.1:9", ProxyBypassList: "<-loopback>",
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), disposeTimeout)
		defer cancel()
		if _, err := call(end, b, target.DisposeBrowserContext, target.DisposeBrowserContextParams(bc)); err != nil {
			ch.sick.Store(true)
		}
	}()
	t, err := call(ctx, b, target.CreateTarget, target.CreateTargetParams{URL: "about:blank", BrowserContextID: bc.BrowserContextID})
	if err != nil {
		return nil, err
	}
	yes := true
	at, err := call(ctx, b, target.AttachToTarget, target.AttachToTargetParams{TargetID: t.TargetID, Flatten: &yes})
	if err != nil {
		return nil, err
	}
	p := session{c: ch.conn, id: at.SessionID}
	if _, err := call(ctx, p, page.SetDocumentContent, page.SetDocumentContentParams{FrameID: cdp.FrameID(t.TargetID), HTML: html}); err != nil {
		return nil, err
	}
	// Printed is what is decoded: a picture that is not is a white hole.
	ready, err := call(ctx, p, runtime.Evaluate, runtime.EvaluateParams{
		Expression:   `Promise.all([document.fonts.ready, ...[...document.images].map(i => i.decode())]).then(() => document.images.length)`,
		AwaitPromise: &yes, ReturnByValue: &yes,
	})
	if err != nil {
		return nil, err
	}
	if ready.ExceptionDetails != nil {
		return nil, fmt.Errorf("an image of the document cannot be decoded: %s", ready.ExceptionDetails.Text)
	}
	out, err := call(ctx, p, page.PrintToPDF, page.PrintToPDFParams{PrintBackground: &yes, PaperWidth: 8.27, PaperHeight: 11.69, PreferCSSPageSize: &yes})
	return out.Data, err
}

var pdfDate = regexp.MustCompile(`/(Creation|Mod)Date \(D:\d{14}`)

// undated sets the dates in a PDF to the first second of 1970: the same length,
// so that no offset in the file changes.
func undated(pdf []byte) []byte {
	return pdfDate.ReplaceAllFunc(pdf, func(m []byte) []byte {
		return append(m[:len(m)-14:len(m)-14], "19700101000000"...)
	})
}
