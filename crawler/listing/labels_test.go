package listing

import "testing"

// TestLabelledNeighbours holds that a value ends where the next label begins,
// spaced or not.
func TestLabelledNeighbours(t *testing.T) {
	for page, want := range map[string]string{
		`<a href="/r"><span>Model: P5 CLEAR W/L<i></i>Size: WITHOUT BULB</span></a>`: "P5 CLEAR W/L",
		`<span>Model: P5 CLEAR W/L Size: WITHOUT BULB</span>`:                        "P5 CLEAR W/L",
		`<span>Model: <b>P5:2 W/L</b></span>`:                                        "P5:2 W/L",
		`<dl><dt>Model</dt><dd>P5 CLEAR</dd></dl>`:                                   "P5 CLEAR",
	} {
		if got := extract(t, `<h1>Lamp</h1>`+page, Context{}).Text(Model); got != want {
			t.Errorf("%s: model %q, want %q", page, got, want)
		}
	}
}
