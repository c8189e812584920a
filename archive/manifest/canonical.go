package manifest

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf16"
)

// member is one exported field of a struct that stands in a manifest.
type member struct {
	index     int
	name      string
	quoted    string // "name":
	omitEmpty bool
}

var memberLists sync.Map // []member by reflect.Type

// membersOf gives the members of a struct in the order of RFC 8785. Their names
// are ASCII, so that this is the order of their bytes.
func membersOf(t reflect.Type) []member {
	if have, ok := memberLists.Load(t); ok {
		return have.([]member)
	}
	var all []member
	for i := range t.NumField() {
		f := t.Field(i)
		name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.IsExported() && name != "" {
			all = append(all, member{i, name, `"` + name + `":`, option == "omitempty"})
		}
	}
	slices.SortFunc(all, func(a, b member) int { return strings.Compare(a.name, b.name) })
	memberLists.Store(t, all)
	return all
}

// canonical gives the bytes, without asking whether what they say can be.
func (m *Manifest) canonical() ([]byte, error) {
	return appendCanonical(make([]byte, 0, 8<<10), reflect.ValueOf(m.normal()).Elem())
}

// appendCanonical writes a value of a manifest as RFC 8785 wants it. The
// manifest was validated: its strings are UTF-8 and its integers are such that
// their decimal form is theirs as doubles.
func appendCanonical(b []byte, v reflect.Value) ([]byte, error) {
	if v.Kind() != reflect.Pointer { // a nil one is null, whatever it points to
		if m, ok := v.Interface().(encoding.TextMarshaler); ok {
			text, err := m.MarshalText()
			return appendString(b, string(text)), err
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return append(b, "null"...), nil
		}
		return appendCanonical(b, v.Elem())
	case reflect.String:
		return appendString(b, v.String()), nil
	case reflect.Int64:
		return strconv.AppendInt(b, v.Int(), 10), nil
	case reflect.Bool:
		return strconv.AppendBool(b, v.Bool()), nil
	case reflect.Slice:
		return appendList(b, v)
	case reflect.Map:
		return appendMap(b, v)
	case reflect.Struct:
		return appendStruct(b, v)
	}
	return nil, fmt.Errorf("a manifest cannot hold a %s", v.Type())
}

func appendStruct(b []byte, v reflect.Value) (_ []byte, err error) {
	b = append(b, '{')
	first := true
	for _, m := range membersOf(v.Type()) {
		f := v.Field(m.index)
		if m.omitEmpty && f.IsZero() {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		if b, err = appendCanonical(append(b, m.quoted...), f); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func appendList(b []byte, v reflect.Value) (_ []byte, err error) {
	b = append(b, '[')
	for i := range v.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendCanonical(b, v.Index(i)); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

// appendMap writes an object with names in the order of their UTF-16 units
// (RFC 8785, section 3.2.3).
func appendMap(b []byte, v reflect.Value) (_ []byte, err error) {
	names := make([]string, 0, v.Len())
	for _, k := range v.MapKeys() {
		names = append(names, k.String())
	}
	slices.SortFunc(names, func(x, y string) int {
		return slices.Compare(utf16.Encode([]rune(x)), utf16.Encode([]rune(y)))
	})
	b = append(b, '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, name), ':')
		if b, err = appendCanonical(b, v.MapIndex(reflect.ValueOf(name))); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// appendString writes a string as RFC 8785, section 3.2.2.2, wants it.
func appendString(b []byte, s string) []byte {
	const short, letters, hex = "\b\t\n\f\r\"\\", `btnfr"\`, "0123456789abcdef"
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		if at := strings.IndexByte(short, c); at >= 0 {
			b = append(b, '\\', letters[at])
		} else {
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		from = i + 1
	}
	return append(append(b, s[from:]...), '"')
}
