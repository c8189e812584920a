package configs

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// KeyError is a mistake in the configuration: where, which key, and what to
// write instead.
type KeyError struct {
	File string // "" for a value that no file set
	Line int    // 0 when unknown
	Key  string // "worker.pools.http"
	Text string
}

func (e *KeyError) Error() string {
	where := e.File
	if where == "" {
		where = "configuration"
	}
	if e.Line > 0 {
		where = fmt.Sprintf("%s:%d", where, e.Line)
	}
	if e.Key == "" {
		return where + ": " + e.Text
	}
	return where + ": " + e.Key + ": " + e.Text
}

func decode(file string, text []byte, into *Config) error {
	err := yaml.UnmarshalWithOptions(text, into, yaml.Strict())
	if err == nil {
		return nil
	}
	ke := &KeyError{File: file, Text: err.Error()}
	var ye yaml.Error
	if ve, ok := errors.AsType[*valueError](err); ok {
		ke.Line, ke.Key, ke.Text = ve.line, keyAt(text, ve.line), ve.Error()
	} else if errors.As(err, &ye) {
		ke.Text = ye.GetMessage()
		if tk := ye.GetToken(); tk != nil {
			ke.Line = tk.Position.Line
			ke.Key = keyAt(text, tk.Position.Line)
		}
	}
	ke.Text = strings.TrimSpace(strings.SplitN(ke.Text, "\n", 2)[0])
	return ke
}

// keyAt finds the dotted key that stands on a line.
func keyAt(text []byte, line int) string {
	f, err := parser.ParseBytes(text, 0)
	if err != nil {
		return ""
	}
	found := ""
	walk(f, func(path string, n *ast.MappingValueNode) {
		if n.Key.GetToken().Position.Line == line {
			found = path
		}
	})
	return found
}

// lineOf finds the line of a dotted key; 0 when the file does not set it.
func lineOf(text []byte, key string) int {
	f, err := parser.ParseBytes(text, 0)
	if err != nil {
		return 0
	}
	line := 0
	walk(f, func(path string, n *ast.MappingValueNode) {
		if path == key || line == 0 && strings.HasPrefix(path, key+".") {
			line = n.Key.GetToken().Position.Line
		}
	})
	return line
}

func walk(f *ast.File, visit func(path string, n *ast.MappingValueNode)) {
	var rec func(prefix string, n ast.Node)
	rec = func(prefix string, n ast.Node) {
		switch n := n.(type) {
		case *ast.MappingNode:
			for _, v := range n.Values {
				rec(prefix, v)
			}
		case *ast.MappingValueNode:
			path := prefix + n.Key.String()
			visit(path, n)
			rec(path+".", n.Value)
		}
	}
	for _, d := range f.Docs {
		rec("", d.Body)
	}
}

// fault makes a KeyError for a key of the file this configuration came from.
func (c *Config) fault(key, format string, args ...any) error {
	e := &KeyError{File: c.file, Key: key, Text: fmt.Sprintf(format, args...)}
	if c.file != "" {
		if text, err := os.ReadFile(c.file); err == nil {
			e.Line = lineOf(text, key)
		}
	}
	return e
}
