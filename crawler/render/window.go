package render

import (
	"context"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/target"
)

// A headless browser draws each frame into a window that nobody sees, besides
// drawing what a picture is copied from. From when a page has loaded its window
// is one row high, so that only pictures are drawn. The page does not notice: its
// size is emulated, and no event tells of the window's. Only outerHeight, asked
// again after the load event, is another one.
const windowRow = 1

// windowOf gives the window of a target; 0 when it is not its alone, as in the
// full browser, or not known.
func (ch *chrome) windowOf(ctx context.Context, id target.ID) browser.WindowID {
	if ch.full {
		return 0
	}
	w, err := call(ctx, session{c: ch.conn}, browser.GetWindowForTarget, browser.GetWindowForTargetParams{TargetID: id})
	if err != nil {
		return 0 // it is only not as cheap then
	}
	return w.WindowID
}

// lower makes the window as low as it can be.
func (v *visit) lower() {
	if v.window != 0 && !v.lowered {
		v.lowered = true
		v.setWindow(windowRow)
	}
}

// raise gives the window its height back: a click goes nowhere outside of it.
func (v *visit) raise() {
	if v.lowered {
		v.lowered = false
		v.setWindow(v.req.Height)
		v.setMetrics(v.page, v.req.Height)
	}
}

func (v *visit) setWindow(height int) {
	post(session{c: v.ch.conn}, browser.SetWindowBounds, browser.SetWindowBoundsParams{
		WindowID: v.window, Bounds: &browser.Bounds{Width: int64(v.req.Width), Height: int64(height)},
	}, nil)
}

// setMetrics sets the size that the page has for itself, in CSS pixels.
func (v *visit) setMetrics(s session, height int) {
	post(s, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: int64(v.req.Width), Height: int64(height), DeviceScaleFactor: v.req.Scale,
	}, nil)
}
