// Package image holds the Dockerfile of deploy/kubernetes to rules, with BuildKit's own
// parser and what linter comes with it.
package image

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// Check returns what is wrong with a Dockerfile whose context is the folder root.
func Check(text []byte, root string) ([]string, error) {
	tree, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	c := &checking{root: root}
	// Of BuildKit's own rules those of its parser; the others come with a builder.
	lint := linter.New(&linter.Config{Warn: func(rule, _, _, message string, _ []parser.Range) { c.fault("%s: %s", rule, message) }})
	stages, _, err := instructions.Parse(tree.AST, lint)
	if err != nil {
		return nil, err
	}
	c.stages(stages)
	slices.Sort(c.faults)
	return c.faults, nil
}

type checking struct {
	root   string
	faults []string
}

func (c *checking) fault(format string, args ...any) {
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

// pinned is a tag that says a version to its last number, or a digest.
var pinned = regexp.MustCompile(`:[^/@]*\d+\.\d+\.\d+[^/@]*$|@sha256:[0-9a-f]{64}$`)

func (c *checking) stages(stages []instructions.Stage) {
	known := map[string]bool{}
	for i, s := range stages {
		base := s.BaseName
		switch {
		case base == "scratch", known[base]:
		case !pinned.MatchString(base):
			c.fault("FROM %s: want a tag that says the whole version, or a digest", base)
		}
		if repo, tag, ok := strings.Cut(base, ":"); ok && repo == "golang" {
			c.goVersion(tag)
		}
		for _, cmd := range s.Commands {
			switch cmd := cmd.(type) {
			case *instructions.AddCommand:
				c.fault("ADD: want COPY, which fetches and unpacks nothing")
			case *instructions.CopyCommand:
				c.copies(cmd, known)
			case *instructions.RunCommand:
				c.runs(strings.Join(cmd.CmdLine, " "))
			}
		}
		known[s.Name] = s.Name != ""
		known[strconv.Itoa(i)] = true
	}
	c.last(stages[len(stages)-1])
}

func (c *checking) copies(cmd *instructions.CopyCommand, known map[string]bool) {
	if cmd.From != "" {
		if !known[cmd.From] {
			c.fault("COPY --from=%s: there is no such stage above", cmd.From)
		}
		return
	}
	for _, path := range cmd.SourcePaths {
		if found, err := filepath.Glob(filepath.Join(c.root, path)); err != nil || len(found) == 0 {
			c.fault("COPY %s: it is not in the tree", path)
		}
	}
}

var makeTarget = regexp.MustCompile(`\bmake ([a-z-]+)`)

// runs holds "make" to a target that there is.
func (c *checking) runs(line string) {
	for _, m := range makeTarget.FindAllStringSubmatch(line, -1) {
		text, err := os.ReadFile(filepath.Join(c.root, "Makefile"))
		if err != nil || !strings.Contains(string(text), "\n"+m[1]+":") {
			c.fault("RUN make %s: the Makefile has no such target", m[1])
		}
	}
	if strings.Contains(line, "go build") || strings.Contains(line, "go test") {
		c.fault("RUN %s: want a target of the Makefile, which the tests can run too", line)
	}
}

var goLine = regexp.MustCompile(`(?m)^go (\d+\.\d+)(?:\.(\d+))?$`)

// goVersion holds the tag of golang to go.mod: the same language, and no older patch.
func (c *checking) goVersion(tag string) {
	text, err := os.ReadFile(filepath.Join(c.root, "go.mod"))
	m := goLine.FindSubmatch(text)
	if err != nil || m == nil {
		c.fault("golang:%s: go.mod says no version to hold it to", tag)
		return
	}
	version, _, _ := strings.Cut(tag, "-")
	patch, ok := strings.CutPrefix(version, string(m[1])+".")
	has, err := strconv.Atoi(patch)
	least, _ := strconv.Atoi(string(m[2])) // "" is 0
	if !ok || err != nil || has < least {
		c.fault("golang:%s: go.mod says %s", tag, m[0])
	}
}

// last holds the image itself to running as nobody in particular.
func (c *checking) last(s instructions.Stage) {
	user, entry := "", ""
	env := map[string]string{}
	for _, cmd := range s.Commands {
		switch cmd := cmd.(type) {
		case *instructions.UserCommand:
			user = cmd.User
		case *instructions.EntrypointCommand:
			entry = strings.Join(cmd.CmdLine, " ")
			if cmd.PrependShell {
				c.fault("ENTRYPOINT %s: there is no shell in the image, want a list", entry)
			}
		case *instructions.EnvCommand:
			for _, kv := range cmd.Env {
				env[kv.Key] = kv.Value
			}
		}
	}
	uid, _, _ := strings.Cut(user, ":")
	if n, err := strconv.Atoi(uid); err != nil || n == 0 {
		c.fault("USER %q: want a number that is not 0, which Kubernetes can tell from root", user)
	}
	if entry == "" {
		c.fault("there is no ENTRYPOINT")
	}
	for name := range maps.Keys(env) {
		if strings.HasPrefix(name, "CODER_") {
			c.fault("ENV %s: what is for one deployment is no part of the image", name)
		}
	}
}
