# Every target is one command, the same as in CI.
GO ?= go
FUZZTIME ?= 10s
OUT ?= bin

.PHONY: help test scaletest bench lint race fuzz serve templates generate image-binaries rehearse

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

test: ## the tests
	$(GO) test ./...

scaletest: ## the main job, embedded or against CODER_URL
	$(GO) test -tags scaletest -v .

bench: ## benchmark lines for benchstat
	$(GO) test -tags scaletest -run '^$$' -bench . -benchtime=1x -count=6 .

lint: ## format, vet and staticcheck, with and without the tag
	.ci/lint

race: ## the tests under the race detector
	$(GO) test -race ./...

fuzz: ## every fuzz target for FUZZTIME
	.ci/fuzz $(FUZZTIME)

serve: ## the embedded deployment as a process of its own
	$(GO) run ./cmd/scaletest serve

templates: ## the workspace templates, with Terraform and mocked providers
	.ci/terraform

generate: ## the Go of the .proto files, the schemas of the result files, and the dashboards
	$(GO) -C tools build -o ../.protogen ./protogen
	./.protogen $$(git ls-files '*.proto'); status=$$?; rm -f .protogen; exit $$status
	$(GO) -C tools build -o ../.schema ./schema
	./.schema harness Result=result.schema.json StreamRecord=stream.schema.json; status=$$?; rm -f .schema; exit $$status
	$(GO) -C tools run ./dashboards ../deploy/grafana

# Without a whole .git, as in a worktree, there is no version to read.
vcs = $(if $(wildcard .git/HEAD),,-buildvcs=false)

image-binaries: ## what deploy/kubernetes/Dockerfile puts into the image, static, into OUT
	mkdir -p $(OUT)
	CGO_ENABLED=0 $(GO) build $(vcs) -trimpath -ldflags='-s -w' -o $(OUT)/ ./cmd/...
	CGO_ENABLED=0 $(GO) test -c $(vcs) -trimpath -ldflags='-s -w' -tags scaletest -o $(OUT)/scaletest.test .

rehearse: ## the manifests without a cluster: their commands and environments, as processes
	$(GO) -C tools run ./rehearse ..
