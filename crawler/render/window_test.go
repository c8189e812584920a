package render

import (
	"context"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/archive/capture"
)

func TestALowWindowIsNotNoticed(t *testing.T) {
	w := newWorld(t)
	w.site("shop.test", html(`<!doctype html><body style="margin:0"><div style="height:2000px"></div><script>
		const say = s => document.body.append(s + ' ');
		addEventListener('resize', () => say('RESIZED'));
		matchMedia('(max-height: 300px)').addEventListener('change', () => say('MEDIA'));
		let last = 0;
		addEventListener('scroll', () => { if (innerHeight !== 500 || innerWidth !== 700 || outerWidth !== 700) say('SMALL'); last = Math.max(last, scrollY); document.title = 'down to ' + last });
	</script>`))
	r := newRenderer(t)
	q := w.ask("http://shop.test/")
	q.Width, q.Height = 700, 500 // to take the picture of the whole page makes a resize event
	for range 2 {                // the second in a context that was opened ahead
		res := r.Render(context.Background(), q)
		mustBeFine(t, res)
		if !strings.HasPrefix(res.Title, "down to 15") {
			t.Errorf("title %q", res.Title)
		}
		for _, s := range []string{"RESIZED", "MEDIA", "SMALL"} {
			if strings.Contains(res.Text, s) {
				t.Errorf("the page noticed: %s", res.Text)
			}
		}
	}
	if r.cur != nil && !r.cur.full {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, o := range r.spares {
			if o.window == 0 {
				t.Error("the window of a context opened ahead is not known: nothing is saved")
			}
		}
	}
}

// A banner that comes while the pictures are taken is clicked where it is,
// whatever the window's height was meanwhile.
func TestLateBannersAreClicked(t *testing.T) {
	w := newWorld(t)
	w.site("shop.test", html(`<!doctype html><body><p style="height:2000px">page</p><script>
		addEventListener('resize', () => { const b = document.createElement('button'); b.id = 'ok'; b.textContent = 'Accept';
			b.style = 'position:fixed;bottom:20px;left:20px'; b.onclick = () => { b.remove(); document.body.append('clicked') }; document.body.append(b) }, {once: true})
	</script>`))
	q := w.ask("http://shop.test/")
	q.Screenshots, q.DismissSelectors = true, []string{"#ok"}
	res := newRenderer(t).Render(context.Background(), q)
	mustBeFine(t, res)
	if !strings.Contains(res.Text, "clicked") || res.artifact(capture.RoleBefore) == nil {
		t.Errorf("text %q, evidence %q", res.Text, res.Evidence)
	}
}
