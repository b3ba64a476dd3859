// Protogen compiles the .proto files that it is given to Go, each beside its
// source: protoc and protoc-gen-go in one, pinned in this module.
//
//	go run -modfile=tools/go.mod ./tools/protogen coder/internal/tailnetpb/tailnet.proto …
//
// Paths are those of imports, from the root of the repository.
package main

import (
	"context"
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/cmd/protoc-gen-go/internal_gengo"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

func main() {
	if err := generate(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "protogen:", err)
		os.Exit(1)
	}
}

func generate(files []string) error {
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	compiled, err := compiler.Compile(context.Background(), files...)
	if err != nil {
		return err
	}
	req := &pluginpb.CodeGeneratorRequest{FileToGenerate: files}
	seen := map[string]bool{}
	var add func(f protoreflect.FileDescriptor) error
	add = func(f protoreflect.FileDescriptor) error { // what is imported comes first
		if seen[f.Path()] {
			return nil
		}
		seen[f.Path()] = true
		for i := range f.Imports().Len() {
			if err := add(f.Imports().Get(i).FileDescriptor); err != nil {
				return err
			}
		}
		// Extensions of options are of no use here, so a round trip drops them.
		raw, err := proto.Marshal(protodesc.ToFileDescriptorProto(f))
		if err != nil {
			return err
		}
		d := &descriptorpb.FileDescriptorProto{}
		req.ProtoFile = append(req.ProtoFile, d)
		return proto.Unmarshal(raw, d)
	}
	for _, f := range compiled {
		if err := add(f); err != nil {
			return err
		}
	}
	plugin, err := protogen.Options{}.New(req)
	if err != nil {
		return err
	}
	var sources []string // in their order, which is not that of the arguments: what is imported comes first
	for _, f := range plugin.Files {
		if f.Generate {
			internal_gengo.GenerateFile(plugin, f)
			sources = append(sources, f.Desc.Path())
		}
	}
	resp := plugin.Response()
	if resp.Error != nil {
		return fmt.Errorf("%s", resp.GetError())
	}
	for i, f := range resp.File {
		name := strings.TrimSuffix(sources[i], ".proto") + ".pb.go"
		if path.Base(name) != path.Base(f.GetName()) {
			return fmt.Errorf("%s became %s", sources[i], f.GetName())
		}
		if err := os.WriteFile(name, []byte(f.GetContent()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
