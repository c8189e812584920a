package catalog_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
)

// shelf is a catalogue with two captures that share a file, the second of
// which refers to a payload of the first.
func shelf(t *testing.T, c *catalog.Catalog) (first, second catalog.Entry, p catalog.Payload) {
	t.Helper()
	src := ids()
	first, second = entry(src.New(), 1), entry(src.New(), 2)
	shared := catalog.Artifact{Role: "dom", MediaType: "text/html", Key: "shared", Version: "v1", Bytes: 5, SHA256: capture.Sum([]byte("dom")), RetainUntil: first.RetainUntil}
	for _, e := range []catalog.Entry{first, second} {
		own := catalog.Artifact{Role: "warc", MediaType: "application/warc", Key: "warc-" + e.ID.String(), Version: "v1", Bytes: 9, SHA256: capture.Sum([]byte(e.ID.String())), RetainUntil: e.RetainUntil}
		if err := c.Add(t.Context(), e, []catalog.Artifact{shared, own}); err != nil {
			t.Fatal(err)
		}
	}
	p = catalog.Payload{
		Original: first.ID, SHA256: capture.Sum([]byte("script")), Site: "market", Record: src.New(), Target: "https://cdn.example/app.js",
		Date: first.Started.Add(123456789), Key: "warc-" + first.ID.String(), Version: "v1", Offset: 10, Length: 20, Bytes: 6000,
	}
	for range 2 {
		if err := c.AddPayloads(t.Context(), []catalog.Payload{p}); err != nil {
			t.Fatal(err)
		}
		if err := c.AddUses(t.Context(), second.ID, []catalog.Use{{SHA256: p.SHA256, Original: p.Original}}); err != nil {
			t.Fatal(err)
		}
	}
	return first, second, p
}

func TestAPayloadIsFoundWhereItMayBeReferredTo(t *testing.T) {
	each(t, func(t *testing.T, c *catalog.Catalog) {
		first, second, p := shelf(t, c)
		got, err := c.Payload(t.Context(), "market", p.SHA256, first.Started)
		if err != nil || got != p {
			t.Fatalf("got  %+v\nwant %+v, %v", got, p, err)
		}
		if got, err := c.PayloadOfRecord(t.Context(), p.Record); err != nil || got != p {
			t.Errorf("by its record: %+v, %v", got, err)
		}
		if got, err := c.PayloadOf(t.Context(), first.ID, p.SHA256); err != nil || got != p {
			t.Errorf("by its capture: %+v, %v", got, err)
		}
		for name, find := range map[string]func() (catalog.Payload, error){
			"another site": func() (catalog.Payload, error) { return c.Payload(t.Context(), "other", p.SHA256, first.Started) },
			"other bytes": func() (catalog.Payload, error) {
				return c.Payload(t.Context(), "market", capture.Sum(nil), first.Started)
			},
			"too old": func() (catalog.Payload, error) {
				return c.Payload(t.Context(), "market", p.SHA256, first.Started.Add(time.Second))
			},
			"other record":  func() (catalog.Payload, error) { return c.PayloadOfRecord(t.Context(), first.ID) },
			"other capture": func() (catalog.Payload, error) { return c.PayloadOf(t.Context(), second.ID, p.SHA256) },
		} {
			if _, err := find(); !errors.Is(err, catalog.ErrNotFound) {
				t.Errorf("%s gave %v", name, err)
			}
		}
		if err := c.OrderErasure(t.Context(), catalog.Order{Capture: first.ID, At: day, By: "person:ann", Reason: "order 1"}); err != nil {
			t.Fatal(err)
		}
		if err := c.OrderErasure(t.Context(), catalog.Order{Capture: first.ID, At: day.Add(time.Hour), By: "person:bob", Reason: "order 2"}); err != nil {
			t.Fatal(err)
		}
		if o, err := c.Ordered(t.Context(), first.ID); err != nil || o.Reason != "order 1" || !o.At.Equal(day) || o.By != "person:ann" {
			t.Errorf("the order is %+v, %v", o, err)
		}
		if _, err := c.Ordered(t.Context(), second.ID); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("no order gave %v", err)
		}
		if _, err := c.Payload(t.Context(), "market", p.SHA256, first.Started); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("of a capture that is to be erased: %v", err)
		}
	})
}

func TestUsersOfAnObject(t *testing.T) {
	each(t, func(t *testing.T, c *catalog.Catalog) {
		first, second, p := shelf(t, c)
		second.RetainUntil, second.Held = second.RetainUntil.AddDate(1, 0, 0), true
		if err := c.SetRetention(t.Context(), second); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			key    string
			except capture.ID
			want   catalog.Lock
		}{
			{"shared", capture.ID{}, catalog.Lock{Users: 2, Until: second.RetainUntil, Held: true}},
			{"shared", second.ID, catalog.Lock{Users: 1, Until: first.RetainUntil}},
			{p.Key, first.ID, catalog.Lock{Users: 1, Until: second.RetainUntil, Held: true}}, // refers to it
			{p.Key, second.ID, catalog.Lock{Users: 1, Until: first.RetainUntil}},
			{"warc-" + second.ID.String(), second.ID, catalog.Lock{}},
			{"nowhere", capture.ID{}, catalog.Lock{}},
		} {
			if got, err := c.Users(t.Context(), tt.key, tt.except); err != nil || got != tt.want {
				t.Errorf("%s but %s: %+v, %v; want %+v", tt.key, tt.except, got, err, tt.want)
			}
		}
		if until, err := c.Locked(t.Context(), "shared"); err != nil || !until.Equal(second.RetainUntil) {
			t.Errorf("the shared file is locked until %s, %v", until, err)
		}
		if err := c.SetLocked(t.Context(), p.Key, day.AddDate(5, 0, 0)); err != nil {
			t.Fatal(err)
		}
		if err := c.SetLocked(t.Context(), p.Key, day); err != nil { // never shorter
			t.Fatal(err)
		}
		if until, err := c.Locked(t.Context(), p.Key); err != nil || !until.Equal(day.AddDate(5, 0, 0)) {
			t.Errorf("it is locked until %s, %v", until, err)
		}
	})
}

func TestAForgottenCaptureLeavesThatItWasThere(t *testing.T) {
	each(t, func(t *testing.T, c *catalog.Catalog) {
		first, second, p := shelf(t, c)
		if err := c.Forget(t.Context(), first.ID, catalog.Kept); err == nil {
			t.Error("a capture was forgotten as kept")
		}
		for range 2 {
			if err := c.Forget(t.Context(), first.ID, catalog.Expired); err != nil {
				t.Fatal(err)
			}
		}
		e, err := c.Get(t.Context(), first.ID)
		want := catalog.Entry{
			ID: first.ID, Started: first.Started, Finished: first.Finished, Site: first.Site, PageKind: first.PageKind, Outcome: first.Outcome,
			Manifest: first.Manifest, ManifestKey: "k", ManifestVersion: "v", Event: "e", Bytes: first.Bytes, RetainUntil: first.RetainUntil, State: catalog.Expired,
		}
		if err != nil || e != want {
			t.Errorf("got  %+v\nwant %+v, %v", e, want, err)
		}
		if arts, err := c.Artifacts(t.Context(), first.ID); err != nil || len(arts) != 0 {
			t.Errorf("its files are still listed: %+v, %v", arts, err)
		}
		if page, err := c.Search(t.Context(), catalog.Query{Text: "etoile"}); err != nil || len(page.Entries) != 1 || page.Entries[0].ID != second.ID {
			t.Errorf("it is still found by its title: %+v, %v", page, err)
		}
		if counts, err := c.Counts(t.Context()); err != nil || counts[0].N != 1 || counts[0].Bytes != second.Bytes {
			t.Errorf("counts: %+v, %v", counts, err)
		}
		// What the second refers to stays listed, until it goes too.
		if got, err := c.Referred(t.Context(), second.ID); err != nil || len(got) != 1 || got[0] != p {
			t.Errorf("the second refers to %+v, %v", got, err)
		}
		if err := c.MovePayload(t.Context(), first.ID, p.SHA256, "alone", "v9"); err != nil {
			t.Fatal(err)
		}
		if got, err := c.Needed(t.Context(), first.ID); err != nil || len(got) != 1 || got[0].Key != "alone" || got[0].Length != 0 {
			t.Errorf("needed: %+v, %v", got, err)
		}
		if err := c.Forget(t.Context(), second.ID, catalog.Erased); err != nil {
			t.Fatal(err)
		}
		if _, err := c.PayloadOf(t.Context(), first.ID, p.SHA256); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("a payload that nobody needs is still listed: %v", err)
		}
		again := want
		again.ID, again.State = capture.ID{7}, catalog.Erased
		for range 2 {
			if err := c.AddForgotten(t.Context(), again); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := c.Get(t.Context(), again.ID); err != nil || got != again {
			t.Errorf("got  %+v\nwant %+v, %v", got, again, err)
		}
	})
}

func TestWalksGiveEveryCaptureOnce(t *testing.T) {
	each(t, func(t *testing.T, c *catalog.Catalog) {
		src := ids()
		var all []catalog.Entry
		for i := range 1203 { // more than two pages
			e := entry(src.New(), i%7)
			e.Title, e.RetainUntil = "", day.Add(time.Duration(i%3)*time.Hour)
			e.Held = i%11 == 0
			if err := c.Add(t.Context(), e, nil); err != nil {
				t.Fatal(err)
			}
			all = append(all, e)
		}
		n := 0
		for e, err := range c.Each(t.Context(), capture.ID{}) {
			if err != nil || e.ID != all[n].ID {
				t.Fatalf("%d: %s, %v", n, e.ID, err)
			}
			n++
		}
		if n != len(all) {
			t.Errorf("%d of %d captures", n, len(all))
		}
		n = 0
		for e := range c.Each(t.Context(), all[1000].ID) {
			if e.ID != all[1001+n].ID {
				t.Fatalf("%d: %s", n, e.ID)
			}
			n++
		}
		if n != 202 {
			t.Errorf("%d captures behind the first 1001", n)
		}
		seen, want := map[capture.ID]bool{}, 0
		for _, e := range all {
			if !e.Held && !e.RetainUntil.After(day.Add(time.Hour)) {
				want++
			}
		}
		var last time.Time
		for e, err := range c.Due(t.Context(), day.Add(time.Hour)) {
			if err != nil || seen[e.ID] || e.Held || e.RetainUntil.Before(last) || e.RetainUntil.After(day.Add(time.Hour)) {
				t.Fatalf("%+v, %v", e, err)
			}
			seen[e.ID], last = true, e.RetainUntil
		}
		if len(seen) != want {
			t.Errorf("%d captures are due, want %d", len(seen), want)
		}
		got, err := c.Sample(t.Context(), 5000, rand.NewChaCha8([32]byte{}))
		if err != nil || len(got) != len(all) {
			t.Errorf("a sample of everything has %d captures, %v", len(got), err)
		}
		if _, err := c.Sample(t.Context(), 1, strings.NewReader("")); err == nil {
			t.Error("a sample was drawn without randomness")
		}
	})
}

func TestCasesClose(t *testing.T) {
	each(t, func(t *testing.T, c *catalog.Catalog) {
		first, _, _ := shelf(t, c)
		if err := c.OpenCase(t.Context(), catalog.Case{ID: "c1", Name: "x", Created: day, CreatedBy: "person:ann"}); err != nil {
			t.Fatal(err)
		}
		if in, err := c.InCase(t.Context(), "c1", first.ID); err != nil || in {
			t.Error(in, err)
		}
		if err := c.AddToCase(t.Context(), "c1", first.ID, "person:ann", day); err != nil {
			t.Fatal(err)
		}
		if in, err := c.InCase(t.Context(), "c1", first.ID); err != nil || !in {
			t.Error(in, err)
		}
		for i := range 2 {
			if err := c.CloseCase(t.Context(), "c1", day.Add(time.Duration(i)*time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		if k, err := c.Case(t.Context(), "c1"); err != nil || !k.Closed.Equal(day) {
			t.Error(fmt.Sprint(k), err)
		}
	})
}
