package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const cliPage = "../../docs/cli.md"

// docs/cli.md is made from the commands themselves:
// go test ./cmd/trawlmark -run CLIDoc -update writes it.
func TestCLIDoc(t *testing.T) {
	want := cliDoc(t)
	if *update {
		if err := os.WriteFile(cliPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	page, err := os.ReadFile(cliPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != want {
		t.Errorf("docs/cli.md is not what the commands say; run go test ./cmd/trawlmark -run CLIDoc -update\n%s", firstDifference(string(page), want))
	}
}

// Every command says what it does and shows itself at work; every flag says
// what it is.
func TestCommandsExplainThemselves(t *testing.T) {
	eachCommand(quietRoot(), func(c *cobra.Command) {
		if c.Short == "" {
			t.Errorf("%s does not say what it does", c.CommandPath())
		}
		if c.Runnable() && c.Example == "" && c.HasParent() {
			t.Errorf("%s has no example", c.CommandPath())
		}
		for line := range strings.Lines(c.Example) {
			if args := exampleArgs(line); args != nil {
				if err := parses(args); err != nil {
					t.Errorf("the example %q does not parse: %v", strings.TrimSpace(line), err)
				}
			}
		}
		c.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s --%s says nothing", c.CommandPath(), f.Name)
			}
		})
	})
}

// exampleArgs gives the arguments of an example line that runs trawlmark; nil
// for a line that does not.
func exampleArgs(line string) []string {
	line, _, _ = strings.Cut(strings.TrimSpace(line), " | ")
	line, _, _ = strings.Cut(line, " > ")
	line, _, _ = strings.Cut(line, "   #")
	line, ok := strings.CutPrefix(line, "trawlmark ")
	if !ok {
		return nil
	}
	var args []string
	var word strings.Builder
	quote, in := rune(0), false
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, in = r, true
		case quote == 0 && r == ' ':
			if in {
				args = append(args, word.String())
			}
			word.Reset()
			in = false
		default:
			word.WriteRune(r)
			in = true
		}
	}
	if in {
		args = append(args, word.String())
	}
	return args
}

// What the pages for operators tell people to type can be typed.
func TestPagesNameCommandsThatExist(t *testing.T) {
	n := 0
	for _, page := range []string{"../../docs/operating.md", "../../docs/scoring.md", "../../docs/walk.md", "../../README.md", "../../deploy/compose/compose.yaml", "../../deploy/kubernetes/base/console.yaml"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("(?m)(?:`|^|-- )(?:bin/)?(trawlmark [a-z][^`\n#]*)").FindAllStringSubmatch(string(text), -1) {
			args := exampleArgs(strings.TrimSpace(m[1]))
			n++
			c, _, err := quietRoot().Find(args)
			if err != nil || c.Parent() == nil {
				t.Errorf("%s: there is no %q", page, m[1])
				continue
			}
			for _, a := range args {
				if name, ok := strings.CutPrefix(a, "--"); ok && c.Flag(strings.SplitN(name, "=", 2)[0]) == nil && c.InheritedFlags().Lookup(name) == nil && name != "help" {
					t.Errorf("%s: %q has no flag %s", page, m[1], a)
				}
			}
		}
	}
	if n < 25 {
		t.Errorf("only %d commands were found", n)
	}
}

func quietRoot() *cobra.Command {
	root := rootCommand(streams{getenv: func(string) string { return "" }})
	root.InitDefaultHelpFlag()
	root.InitDefaultVersionFlag()
	return root
}

// eachCommand visits the commands that users see, parents first.
func eachCommand(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" && sub.Name() != "completion" {
			eachCommand(sub, visit)
		}
	}
}

func cliDoc(t *testing.T) string {
	root := quietRoot()
	var b strings.Builder
	fmt.Fprintf(&b, `# The command line

Made from the commands themselves; a test holds it. Results go to standard
output, everything else to standard error, so that output can be piped; tables
are for people, %[1]s--json%[1]s for programs.

`, "`")
	b.WriteString("| command | what it does |\n|---|---|\n")
	eachCommand(root, func(c *cobra.Command) {
		if c.Runnable() && c != root {
			fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", c.CommandPath(), anchor(c), cell(c.Short))
		}
	})
	b.WriteString("\n## Flags of every command\n\n")
	flagTable(&b, root.PersistentFlags())
	b.WriteString("\n## Exit codes\n\nThey are an API: a number never gets another meaning.\n\n| code | name in the source | meaning |\n|---|---|---|\n")
	for _, c := range exitCodes(t) {
		fmt.Fprintf(&b, "| %d | `%s` | %s |\n", c.code, c.name, cell(c.means))
	}
	eachCommand(root, func(c *cobra.Command) {
		if c == root {
			return
		}
		commandDoc(&b, c)
	})
	return b.String()
}

func commandDoc(b *strings.Builder, c *cobra.Command) {
	level := "##"
	if c.Parent().HasParent() {
		level = "###"
	}
	fmt.Fprintf(b, "\n%s %s\n\n", level, c.CommandPath())
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	fmt.Fprintf(b, "%s\n", strings.TrimSpace(text))
	if !c.Runnable() {
		return
	}
	fmt.Fprintf(b, "\n```text\n%s\n```\n", strings.TrimSuffix(c.UseLine(), " [flags]"))
	if c.LocalNonPersistentFlags().HasAvailableFlags() {
		b.WriteString("\n")
		flagTable(b, c.LocalNonPersistentFlags())
	}
	if c.Example != "" {
		b.WriteString("\n```sh\n")
		for line := range strings.Lines(c.Example) {
			b.WriteString(strings.TrimRight(strings.TrimPrefix(line, "  "), "\n") + "\n")
		}
		b.WriteString("```\n")
	}
}

func flagTable(b *strings.Builder, flags *pflag.FlagSet) {
	b.WriteString("| flag | default | what it does |\n|---|---|---|\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		name := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			name = "`-" + f.Shorthand + "`, " + name
		}
		value, usage := pflag.UnquoteUsage(f)
		if value != "" {
			name += " " + value
		}
		def := f.DefValue
		if def == "[]" || def == "false" {
			def = ""
		}
		if def != "" {
			def = "`" + def + "`"
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", name, def, cell(usage))
	})
}

func anchor(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

func cell(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
}

type exitConst struct {
	name, means string
	code        int64
}

// exitCodes reads the constants of exit.go, with what stands beside them.
func exitCodes(t *testing.T) []exitConst {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "exit.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	std := map[string]string{"exitOK": "done", "exitInterrupted": "interrupted (Ctrl-C, SIGTERM); what was begun is put back or finished by the next start"}
	var out []exitConst
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			name := v.Names[0].Name
			if !strings.HasPrefix(name, "exit") {
				continue
			}
			n, ok := constant.Int64Val(constant.MakeFromLiteral(v.Values[0].(*ast.BasicLit).Value, token.INT, 0))
			means := strings.TrimSpace(v.Comment.Text())
			if means == "" {
				means = std[name]
			}
			if !ok || means == "" {
				t.Fatalf("exit.go does not say what %s means", name)
			}
			out = append(out, exitConst{name, means, n})
		}
	}
	if len(out) < 9 {
		t.Fatalf("only %d exit codes were found", len(out))
	}
	return out
}

// The table is read from the source; this holds it against the values that are
// compiled, and against what --help says.
func TestExitCodesAreAnAPI(t *testing.T) {
	want := map[string]int64{
		"exitOK": exitOK, "exitFailed": exitFailed, "exitUsage": exitUsage, "exitConfig": exitConfig, "exitUnavailable": exitUnavailable,
		"exitNotFound": exitNotFound, "exitNotVerified": exitNotVerified, "exitPartly": exitPartly, "exitInterrupted": exitInterrupted,
	}
	got := exitCodes(t)
	if len(got) != len(want) {
		t.Errorf("exit.go has %d codes, this test knows %d", len(got), len(want))
	}
	help := strings.Join(strings.Fields(quietRoot().Long), " ")
	for _, c := range got {
		if want[c.name] != c.code {
			t.Errorf("%s is %d, the page would say %d", c.name, want[c.name], c.code)
		}
		if !strings.Contains(help, fmt.Sprintf(" %d ", c.code)) {
			t.Errorf("--help does not speak of exit code %d", c.code)
		}
	}
	// As published: a change here breaks somebody's script.
	for name, code := range map[string]int64{
		"exitOK": 0, "exitFailed": 1, "exitUsage": 2, "exitConfig": 3, "exitUnavailable": 4, "exitNotFound": 5, "exitNotVerified": 6, "exitPartly": 7, "exitInterrupted": 130,
	} {
		if want[name] != code {
			t.Errorf("%s has become %d", name, want[name])
		}
	}
}
