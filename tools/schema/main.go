// Command schema writes JSON Schemas of Go structs, from their source: names and
// types from the fields, descriptions from the comments.
//
//	schema FOLDER TYPE=FILE...
package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// base is what the schemas' identities begin with.
const base = "https://github.com/coderscale/scaletest/"

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: schema FOLDER TYPE=FILE...")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "schema:", err)
		os.Exit(1)
	}
}

func run(dir string, outputs []string) error {
	src, err := read(dir)
	if err != nil {
		return err
	}
	for _, o := range outputs {
		name, file, ok := strings.Cut(o, "=")
		if !ok {
			return fmt.Errorf("%q is not TYPE=FILE", o)
		}
		s := &schema{source: src, defs: map[string]any{}}
		root, err := s.named(name)
		if err != nil {
			return err
		}
		path := filepath.Join(dir, file)
		doc := map[string]any{
			"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": base + filepath.ToSlash(path),
			"title": name, "$ref": root["$ref"], "$defs": s.defs,
		}
		text, err := json.MarshalIndent(doc, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// source is what is declared in a package.
type source struct {
	types  map[string]*ast.TypeSpec
	docs   map[string]string
	values map[string][]any // of constants, by their type
}

func read(dir string) (*source, error) {
	src := &source{map[string]*ast.TypeSpec{}, map[string]string{}, map[string][]any{}}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, d := range file.Decls {
			if g, ok := d.(*ast.GenDecl); ok {
				src.declare(g)
			}
		}
	}
	return src, nil
}

func (src *source) declare(g *ast.GenDecl) {
	for _, spec := range g.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			src.types[s.Name.Name] = s
			doc := s.Doc.Text()
			if doc == "" {
				doc = g.Doc.Text()
			}
			src.docs[s.Name.Name] = doc
		case *ast.ValueSpec:
			of, ok := s.Type.(*ast.Ident)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, v := range s.Values {
				if lit, ok := v.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					text, _ := strconv.Unquote(lit.Value)
					src.values[of.Name] = append(src.values[of.Name], text)
				}
			}
		}
	}
}

// schema is one that is being made.
type schema struct {
	*source
	defs map[string]any
}

// named is a reference to a type of the package, which is described once.
func (s *schema) named(name string) (map[string]any, error) {
	ref := map[string]any{"$ref": "#/$defs/" + name}
	if _, done := s.defs[name]; done {
		return ref, nil
	}
	spec := s.types[name]
	if spec == nil {
		return nil, fmt.Errorf("there is no type %s", name)
	}
	s.defs[name] = nil // for types that have themselves
	var def map[string]any
	var err error
	switch t := spec.Type.(type) {
	case *ast.StructType:
		def, err = s.object(name, t)
	default:
		def, err = s.of(t)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if values := s.values[name]; len(values) > 0 {
		def["enum"] = values
	}
	if text := prose(s.docs[name]); text != "" {
		def["description"] = text
	}
	s.defs[name] = def
	return ref, nil
}

func (s *schema) object(name string, t *ast.StructType) (map[string]any, error) {
	properties, required := map[string]any{}, []string{}
	for _, f := range t.Fields.List {
		if f.Tag == nil || len(f.Names) == 0 {
			continue
		}
		tag, err := strconv.Unquote(f.Tag.Value)
		if err != nil {
			return nil, err
		}
		key, options, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
		if key == "" || key == "-" {
			continue
		}
		def, err := s.of(f.Type)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Names[0].Name, err)
		}
		if text := prose(strings.TrimSpace(f.Doc.Text() + " " + f.Comment.Text())); text != "" {
			if ref, ok := def["$ref"]; ok {
				def = map[string]any{"$ref": ref}
			}
			def["description"] = text
		}
		properties[key] = def
		if !strings.Contains(options, "omitempty") {
			required = append(required, key)
		}
	}
	return map[string]any{"type": "object", "properties": properties, "required": required}, nil
}

// foreign are types of other packages.
var foreign = map[string]map[string]any{
	"time.Time":           {"type": "string", "format": "date-time"},
	"histogram.Histogram": {"type": "string", "contentEncoding": "base64", "description": "HdrHistogram's compressed V2 encoding, of nanoseconds."},
	"histogram.Compact":   {"type": "array", "items": map[string]any{"type": "integer", "minimum": 0}, "description": "Each two numbers are a bucket: how many further it is than the one before, and its count. Package traffic/histogram says what is in a bucket."},
}

func (s *schema) of(t ast.Expr) (map[string]any, error) {
	switch t := t.(type) {
	case *ast.Ident:
		switch t.Name {
		case "string":
			return map[string]any{"type": "string"}, nil
		case "bool":
			return map[string]any{"type": "boolean"}, nil
		case "float64":
			return map[string]any{"type": "number"}, nil
		case "int", "int64":
			return map[string]any{"type": "integer"}, nil
		case "uint64":
			return map[string]any{"type": "integer", "minimum": 0}, nil
		}
		return s.named(t.Name)
	case *ast.StarExpr:
		return s.of(t.X)
	case *ast.SelectorExpr:
		name := t.X.(*ast.Ident).Name + "." + t.Sel.Name
		if def, ok := foreign[name]; ok {
			copied := map[string]any{}
			for k, v := range def {
				copied[k] = v
			}
			return copied, nil
		}
		return nil, fmt.Errorf("there is no schema of %s", name)
	case *ast.ArrayType:
		items, err := s.of(t.Elt)
		if err != nil {
			return nil, err
		}
		def := map[string]any{"type": "array", "items": items}
		if n, ok := t.Len.(*ast.BasicLit); ok {
			size, err := strconv.Atoi(n.Value)
			if err != nil {
				return nil, err
			}
			def["minItems"], def["maxItems"] = size, size
		}
		return def, nil
	case *ast.MapType:
		values, err := s.of(t.Value)
		if err != nil {
			return nil, err
		}
		return map[string]any{"type": "object", "additionalProperties": values}, nil
	}
	return nil, fmt.Errorf("there is no schema of a %T", t)
}

var links = regexp.MustCompile(`\[(\w+(?:\.\w+)*)\](\.\w+)?`)

// prose is a comment as one paragraph, without its links.
func prose(text string) string {
	return strings.Join(strings.Fields(links.ReplaceAllString(text, "$1$2")), " ")
}
