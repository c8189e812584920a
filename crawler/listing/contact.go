package listing

import (
	"regexp"
	"strings"
)

// contactPatterns find ways to reach a seller beside the marketplace. Each
// needs its messenger's name or form: bare numbers are not contacts.
var contactPatterns = []struct {
	name string
	need []string // one of these is in every text that has it, in lower case
	re   *regexp.Regexp
}{
	{"mail", []string{"@"}, regexp.MustCompile(`(?i)\b[a-z0-9][a-z0-9._%+-]{1,40}@(?:[a-z0-9-]{1,40}\.){1,4}[a-z]{2,10}\b`)},
	{"whatsapp", []string{"what", "wa.me", "wsp"}, regexp.MustCompile(`(?i)(?:whats?\s?app|wa\.me/|\bwsp\b|whatsap)[^\d+]{0,16}(\+?\d[\d\s().-]{6,18}\d)`)},
	{"wechat", []string{"chat", "weixin", "微信", "薇信", "威信", "wx"}, regexp.MustCompile(`(?i)(?:we\s?chat|weixin|微信|薇信|威信|\bwx)\s*(?:id|号|號)?\s*[:：]?\s*([a-z0-9][a-z0-9_-]{4,24})`)},
	{"telegram", []string{"telegram", "t.me"}, regexp.MustCompile(`(?i)(?:telegram\W{0,4}@|t\.me/)([a-z0-9_]{5,32})`)},
	{"line", []string{"line"}, regexp.MustCompile(`(?i)\bline\s*(?:id)?\s*[:：]\s*(@?[a-z0-9._-]{4,24})`)},
	{"qq", []string{"qq"}, regexp.MustCompile(`(?i)\bqq\s*(?:号)?\s*[:：]?\s*(\d{5,11})\b`)},
	{"yupoo", []string{"yupoo"}, regexp.MustCompile(`(?i)\b([a-z0-9-]{3,40}\.(?:x\.)?yupoo\.com)\b`)},
	{"weidian", []string{"weidian"}, regexp.MustCompile(`(?i)\b(weidian\.com/[^\s"'<>]{3,80})`)},
	{"instagram", []string{"ig", "instagram"}, regexp.MustCompile(`(?i)(?:instagram|\big)\s*[:：]\s*@?([a-z0-9._]{3,30})`)},
	{"phone", []string{"tel", "phone", "handy", "hotline", "zalo", "call", "hp"}, regexp.MustCompile(`(?i)(?:\btel|phone|handy|hotline|zalo|call|\bhp)\s*(?:no\.?|id)?\s*[.:：]\s*(\+?\d[\d\s().-]{6,18}\d)`)},
}

// addContacts reads contacts from the seller's own words: title and
// description. The rest of the page holds the marketplace's own.
func (e *extraction) addContacts() {
	var texts []Candidate
	for _, c := range e.cands {
		if c.Field == Title || c.Field == Description {
			texts = append(texts, c)
		}
	}
	for _, c := range texts[:min(len(texts), 12)] {
		text := clipRunes(c.Value, 16<<10)
		low := strings.ToLower(text)
		for _, p := range contactPatterns {
			if !containsAny(low, p.need) {
				continue
			}
			for _, m := range p.re.FindAllStringSubmatch(text, 8) {
				value := strings.TrimSpace(m[len(m)-1])
				e.add(Candidate{Field: Contact, Raw: m[0], Value: p.name + ":" + strings.ToLower(value), Source: c.Source, Path: string(c.Field), Confidence: .6})
			}
		}
	}
}
