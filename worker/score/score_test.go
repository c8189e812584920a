package score_test

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/crawler/triage"
	"github.com/trawlmark/trawlmark/worker/score"
)

func assessed() triage.Assessment {
	return triage.Assessment{
		Version: "rules/7", Level: triage.Suspicious, Points: 90,
		Signals: []triage.Signal{
			{Name: "words", Points: 35, Sentence: "The title says replica."},
			{Name: "price_ratio", Points: 70, Sentence: "It costs 8 % of the reference price."},
			{Name: "used", Points: -5, Sentence: "It is sold as used."},
		},
		Caps: []string{"words and price alone give at most 90"},
	}
}

func TestBuiltinSharesAddUpToTheScore(t *testing.T) {
	r, err := score.Builtin{}.Score(t.Context(), score.Request{Assessment: assessed()})
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	for _, x := range r.Reasons {
		sum += x.Share
		if x.Sentence == "" {
			t.Errorf("%s has no sentence", x.Name)
		}
	}
	if r.Score != 0.9 || math.Abs(sum-r.Score) > 1e-6 {
		t.Errorf("score %v, shares add up to %v", r.Score, sum)
	}
	if r.Reasons[0].Name != "price_ratio" {
		t.Errorf("the heaviest reason comes first, not %s", r.Reasons[0].Name)
	}
	if !strings.Contains(r.Scorer, "rules/7") {
		t.Errorf("the scorer %q does not name the version of the rules", r.Scorer)
	}
}

func remote(t *testing.T, h http.HandlerFunc, timeout time.Duration) *score.Remote {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	r, err := score.NewRemote(score.RemoteConfig{URL: srv.URL, Token: "hush", Timeout: timeout}, srv.Client())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRemoteAsksAndBelievesAGoodAnswer(t *testing.T) {
	var got score.Request
	var auth string
	r := remote(t, func(w http.ResponseWriter, q *http.Request) {
		auth = q.Header.Get("Authorization")
		b, _ := io.ReadAll(q.Body)
		_ = json.Unmarshal(b, &got)
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		io.WriteString(w, `{"score":0.75,"scorer":"acme/3","reasons":[{"name":"logo","share":0.75,"sentence":"The logo is crooked."}]}`)
	}, 0)
	res, err := r.Score(t.Context(), score.Request{URL: "https://x.example/1", Assessment: assessed()})
	if err != nil || res.Score != 0.75 || res.Reasons[0].Name != "logo" {
		t.Errorf("got %+v, %v", res, err)
	}
	if got.URL != "https://x.example/1" || got.Assessment.Points != 90 || auth != "Bearer hush" {
		t.Errorf("the scorer was asked %+v with %q", got, auth)
	}
}

func TestRemoteBelievesNothingElse(t *testing.T) {
	answer := func(status int, ct, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", ct)
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	ok := `"scorer":"a/1","reasons":[{"name":"n","share":0,"sentence":"s"}]`
	for name, h := range map[string]http.HandlerFunc{
		"status":     answer(500, "application/json", `{"score":0.5,`+ok+`}`),
		"type":       answer(200, "text/html", `{"score":0.5,`+ok+`}`),
		"no json":    answer(200, "application/json", `score 0.5`),
		"no score":   answer(200, "application/json", `{`+ok+`}`),
		"too high":   answer(200, "application/json", `{"score":1.01,`+ok+`}`),
		"negative":   answer(200, "application/json", `{"score":-0.1,`+ok+`}`),
		"no reasons": answer(200, "application/json", `{"score":0.5,"scorer":"a/1","reasons":[]}`),
		"no name":    answer(200, "application/json", `{"score":0.5,"reasons":[{"name":"n","share":0,"sentence":"s"}]}`),
		"huge":       answer(200, "application/json", `{"score":0.5,`+ok+`}`+strings.Repeat(" ", 2<<20)),
		"hangs": func(_ http.ResponseWriter, q *http.Request) {
			io.Copy(io.Discard, q.Body) // a server notices that the client left only when it has read the question
			<-q.Context().Done()
		},
	} {
		r := remote(t, h, 200*time.Millisecond)
		if res, err := r.Score(t.Context(), score.Request{}); !errors.Is(err, score.ErrUnavailable) {
			t.Errorf("%s: %+v, %v", name, res, err)
		} else if strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: the token stands in %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"score":0.5,"scorer":"a/1","reasons":[{"name":"n","share":0,"sentence":"s"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := score.Parse(b)
		if err == nil && (!(r.Score >= 0 && r.Score <= 1) || len(r.Reasons) == 0 || r.Scorer == "") {
			t.Errorf("%q was believed: %+v", b, r)
		}
	})
}
