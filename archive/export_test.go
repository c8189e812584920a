package archive

import "testing"

// HideCheck hides a needle in a text and looks for it again.
func HideCheck(t *testing.T, needle, text string) {
	t.Helper()
	var n needles
	if n.add(needle) < 0 || n.in(mark) {
		return
	}
	had := n.in(text)
	out, changed := n.hide(text)
	if changed != had {
		t.Fatalf("%q in %q: found %v, changed %v", needle, text, had, changed)
	}
	if !changed && out != text {
		t.Fatalf("%q was changed without a reason", text)
	}
}
