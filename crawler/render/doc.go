// Package render looks at one URL with headless Chrome and gives back all it
// saw: the document, pictures of it, and every HTTP exchange behind it.
//
// Invariants:
//   - Render always returns a Result, within its deadline plus a bounded time
//     for reading the page out. A page that crashes, hangs or never ends is a
//     Result with an outcome, not an error.
//   - Nothing is missing silently: each body, picture or event that was not
//     had is in Result.Missing with the reason.
//   - Each capture has a fresh browser context, and all its traffic goes to the
//     proxy of its request. The browser's own proxy leads nowhere, so that what
//     escapes a context fails. Contexts are opened ahead, for the next capture
//     and no other; their proxy leads nowhere either until that one names its.
//   - A page is read out during the time for which it must be quiet; that stands
//     only if nothing moved until that time was over (early.go).
//   - The picture of the first screen is taken before anything is done to the
//     page for the picture of the whole page. In that one no frame is white
//     because it was out of sight, or that is listed (frames.go).
//   - Chrome runs in its own process group, not as root, in its sandbox where
//     the system allows that, and with a profile folder of its own. After Close
//     no process and no folder is left; what a killed Renderer left is swept by
//     the next one.
//   - A page cannot see or change the scripts that read it out: they run in a
//     world of their own.
//
// Chrome is spoken to with chromedp's transport and protocol types; conn.go
// says why not with chromedp.Browser.
package render
