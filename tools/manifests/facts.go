package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Facts are what manifests say about the rest of the repository.
type Facts struct {
	// Variables are those that the tests read, with their prefix.
	Variables map[string]bool

	// Commands are the programs of the image, and their subcommands, with the flags of
	// each: "/scaletest cleanup" has "after-job".
	Commands map[string]map[string]bool

	// Tests are those of the root package.
	Tests map[string]bool

	// Outside are the keys of Secrets and ConfigMaps that people make themselves, as
	// "Secret/name/key".
	Outside map[string]bool
}

// ReadFacts reads them of the repository: the variables of its source, the flags of
// the tool's help, for which it builds the tool, and what the guide says to make by
// hand.
func ReadFacts(root string, testFlags map[string]bool) (Facts, error) {
	f := Facts{Variables: map[string]bool{}, Commands: map[string]map[string]bool{"/scaletest.test": testFlags}, Tests: map[string]bool{}, Outside: map[string]bool{}}
	return f, errors.Join(f.readVariables(root), f.readTests(root), f.readCommands(root), f.readGuide(root))
}

// readVariables takes the list "known" of envnames.go.
func (f Facts) readVariables(root string) error {
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "envnames.go"), nil, 0)
	if err != nil {
		return err
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 || spec.Names[0].Name != "known" {
			return true
		}
		ast.Inspect(spec.Values[0], func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if name, err := strconv.Unquote(lit.Value); err == nil {
					f.Variables["CODER_SCALETEST_"+name] = true
				}
			}
			return true
		})
		return false
	})
	if len(f.Variables) == 0 {
		return errors.New("envnames.go has no variables: want them in a list that is called known")
	}
	for _, name := range []string{"CODER_URL", "CODER_SESSION_TOKEN"} {
		f.Variables[name] = true
	}
	return nil
}

func (f Facts) readTests(root string) error {
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "loadtest_test.go"), nil, 0)
	if err != nil {
		return err
	}
	for _, d := range file.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(fn.Name.Name, "Test") {
			f.Tests[fn.Name.Name] = true
		}
	}
	return nil
}

var (
	commandLine = regexp.MustCompile(`(?m)^  ([a-z-]+) {2,}`)
	flagLine    = regexp.MustCompile(`(?m)^  -([a-z-]+)`)
)

// readCommands asks the tool for its help.
func (f Facts) readCommands(root string) error {
	dir, err := os.MkdirTemp("", "manifests-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	tool := filepath.Join(dir, "scaletest")
	build := exec.Command("go", "build", "-o", tool, "./cmd/scaletest")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the tool for its help: %w: %s", err, bytes.TrimSpace(out))
	}
	help, err := exec.Command(tool, "help").Output()
	if err != nil {
		return fmt.Errorf("ask the tool for its help: %w", err)
	}
	for _, c := range commandLine.FindAllSubmatch(help, -1) {
		name := string(c[1])
		if name == "help" {
			continue
		}
		text, err := exec.Command(tool, "help", name).Output()
		if err != nil {
			return fmt.Errorf("ask the tool for the help of %s: %w", name, err)
		}
		flags := map[string]bool{}
		for _, fl := range flagLine.FindAllSubmatch(text, -1) {
			flags[string(fl[1])] = true
		}
		f.Commands["/scaletest "+name] = flags
	}
	return nil
}

// Of a Secret the key is said by what goes into the file of variables.
var (
	byHand       = regexp.MustCompile(`create configmap ([a-z-]+) --from-literal=([A-Z_]+)=`)
	byHandSecret = regexp.MustCompile(`printf '([A-Z_]+)=%s\\n' .* \| .*create secret generic ([a-z-]+) --from-env-file=/dev/stdin`)
)

// readGuide finds what the README says to make by hand.
func (f Facts) readGuide(root string) error {
	text, err := os.ReadFile(filepath.Join(root, "deploy/kubernetes/README.md"))
	if err != nil {
		return err
	}
	for _, m := range byHand.FindAllSubmatch(text, -1) {
		f.Outside["ConfigMap/"+string(m[1])+"/"+string(m[2])] = true
	}
	for _, m := range byHandSecret.FindAllSubmatch(text, -1) {
		f.Outside["Secret/"+string(m[2])+"/"+string(m[1])] = true
	}
	return nil
}
