package triage

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/currency"
)

// check makes a profile whole and refuses what cannot be meant.
func (p *profile) check(b *Brand) error {
	if err := p.checkNames(b); err != nil {
		return err
	}
	if err := p.checkMoney(b); err != nil {
		return err
	}
	t := b.Thresholds.withDefaults()
	if t.Review < 1 || t.Review >= t.Suspicious || t.Suspicious > 100 {
		return p.fault("thresholds", "review (%g) must be at least 1 and below suspicious (%g), and that at most 100", t.Review, t.Suspicious)
	}
	for i, a := range b.Authorised {
		if strings.TrimSpace(a.ID) == "" && strings.TrimSpace(a.Name) == "" {
			return p.fault(fmt.Sprintf("authorised[%d]", i), "needs an id or a name")
		}
	}
	for _, k := range []struct {
		key  string
		list []string
	}{{"high_risk", b.HighRisk}, {"protected", b.Protected}} {
		for i, c := range k.list {
			if len(c) != 2 || strings.Trim(c, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
				return p.fault(fmt.Sprintf("%s[%d]", k.key, i), "%q is not a country of ISO 3166 like CN", c)
			}
		}
	}
	for i, g := range b.GTINPrefixes {
		if len(g) < 4 || len(g) > 12 || strings.Trim(g, "0123456789") != "" {
			return p.fault(fmt.Sprintf("gtin_prefixes[%d]", i), "%q is not a GS1 company prefix: 4 to 12 digits, in quotes", g)
		}
	}
	for _, k := range []struct {
		key     string
		n, most int
	}{{"authorised", len(b.Authorised), 50_000}, {"rates", len(b.Rates), 20_000}, {"high_risk", len(b.HighRisk), 300}, {"protected", len(b.Protected), 300}, {"gtin_prefixes", len(b.GTINPrefixes), maxNames}} {
		if k.n > k.most {
			return p.fault(k.key, "has %d entries; at most %d are read", k.n, k.most)
		}
	}
	for i, o := range b.Official {
		if strings.TrimSpace(o.URL) == "" || len(o.Variants) > 64 {
			return p.fault(fmt.Sprintf("official[%d]", i), "needs a url, and at most 64 variants")
		}
	}
	if len(b.Official) > maxOfficial {
		return p.fault("official", "has %d photos; at most %d are compared", len(b.Official), maxOfficial)
	}
	return nil
}

func (p *profile) checkNames(b *Brand) error {
	if strings.TrimSpace(b.Name) == "" {
		return p.fault("name", "is missing; say what the brand is called")
	}
	if len(b.Name) > maxText {
		return p.fault("name", "must have 1 to %d bytes", maxText)
	}
	for _, k := range []struct {
		key  string
		list []string
	}{{"names", b.Names}, {"homonyms", b.Homonyms}, {"other_brands", b.OtherBrands}} {
		if len(k.list) > maxNames {
			return p.fault(k.key, "has %d entries; at most %d are read", len(k.list), maxNames)
		}
		for i, n := range k.list {
			if strings.TrimSpace(n) == "" || len(n) > maxText {
				return p.fault(fmt.Sprintf("%s[%d]", k.key, i), "must have 1 to %d bytes", maxText)
			}
		}
	}
	for i, n := range append([]string{b.Name}, b.Names...) {
		if letters(n) < 2 {
			key := "name"
			if i > 0 {
				key = fmt.Sprintf("names[%d]", i-1)
			}
			return p.fault(key, "%q is too short to be looked for: two letters or digits at least", n)
		}
	}
	for i, h := range b.Homonyms {
		if slices.ContainsFunc(append([]string{b.Name}, b.Names...), func(n string) bool { return compact(n) == compact(h) }) {
			return p.fault(fmt.Sprintf("homonyms[%d]", i), "%q is a name of the brand: it would hide every listing; write the phrase around it", h)
		}
	}
	if len(b.Models) > maxModels {
		return p.fault("models", "has %d entries; at most %d are read", len(b.Models), maxModels)
	}
	for i, m := range b.Models {
		key := fmt.Sprintf("models[%d]", i)
		if strings.TrimSpace(m.Name) == "" || len(m.Name) > maxText {
			return p.fault(key+".name", "must have 1 to %d bytes", maxText)
		}
		for _, c := range m.codes() {
			if letters(c) < 3 || len(c) > maxText {
				return p.fault(key+".code", "%q is not a code: three letters or digits at least", c)
			}
		}
	}
	return nil
}

func (p *profile) checkMoney(b *Brand) error {
	if b.Currency != "" && !isCurrency(b.Currency) {
		return p.fault("currency", "%q is not a currency of ISO 4217 like EUR", b.Currency)
	}
	for i, m := range b.Models {
		key := fmt.Sprintf("models[%d]", i)
		if m.Currency != "" && !isCurrency(m.Currency) {
			return p.fault(key+".currency", "%q is not a currency of ISO 4217 like EUR", m.Currency)
		}
		if m.Price == nil {
			continue
		}
		if !m.Price.IsPositive() {
			return p.fault(key+".price", "must be more than 0; leave it out when there is none")
		}
		if m.Currency == "" && b.Currency == "" {
			return p.fault(key+".currency", "is missing, and the profile has no currency either")
		}
	}
	for i, r := range b.Rates {
		key := fmt.Sprintf("rates[%d]", i)
		switch {
		case b.Currency == "":
			return p.fault("currency", "is missing: rates are of it")
		case !isCurrency(r.Currency):
			return p.fault(key+".currency", "%q is not a currency of ISO 4217 like USD", r.Currency)
		case !r.Rate.IsPositive():
			return p.fault(key+".rate", "must be more than 0: what one %s is worth in %s", r.Currency, b.Currency)
		}
		if _, err := time.Parse(time.DateOnly, r.Date); err != nil {
			return p.fault(key+".date", "%q is not a day like 2026-01-31", r.Date)
		}
	}
	return nil
}

func isCurrency(c string) bool {
	u, err := currency.ParseISO(c)
	return err == nil && u.String() == c
}
