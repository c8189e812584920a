# Two commands: `make demo` shows what trawlmark does, `make test` proves it.
SHELL := /bin/sh
GO ?= go
BIN := bin
export CGO_ENABLED ?= 0
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)
export TRAWLMARK_NPM := $(CURDIR)/.npm

.PHONY: help demo build test check bench chaos soak leak fuzz lint e2e truth clean setup

help: ## what can be made
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' Makefile

demo: ## the main job on this machine, everything real; on a terminal it stays up until Ctrl-C
	@deploy/setup.sh run
	@$(MAKE) --no-print-directory build
	@if [ -t 0 ] && [ -t 1 ]; then exec $(BIN)/trawlmark demo $(DEMO); \
	else echo "no terminal: running the demo once"; exec $(BIN)/trawlmark demo --once $(DEMO); fi

build: ## the binaries, into bin/
	@echo "build: trawlmark, trawlmark-verify, demomarket (the first build takes some minutes)"
	@mkdir -p $(BIN)
	@$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/trawlmark ./cmd/trawlmark-verify ./cmd/demomarket

test: ## every test, with real Chrome, Redis, PostgreSQL and S3 (installs what they need)
	@deploy/setup.sh test
	@$(MAKE) --no-print-directory check
	$(GO) test -count=1 -p 2 -timeout 40m $$($(GO) list ./... | grep -v '/cmd/trawlmark$$')
	$(GO) test -count=1 -timeout 40m ./cmd/trawlmark

check: ## formatting and vet
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "gofmt these files: $$out"; exit 1; }
	$(GO) vet ./...

bench: ## benchmarks; each prints ratios against a floor measured in the same run
	@deploy/setup.sh run
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 30m ./...

chaos: ## 10,000 visits and 500 captures while everything dies (TRAWLMARK_CHAOS_SEED=n repeats a run); hours
	@deploy/setup.sh test
	TRAWLMARK_CHAOS=full $(GO) test -count=1 -v -timeout 4h -run 'TestFleetLosesNothingWhateverDies' ./cmd/trawlmark

SOAK ?= 1h
soak: ## a fleet at work for SOAK (1h): visits get no slower, nothing grows or piles up
	@deploy/setup.sh test
	TRAWLMARK_SOAK=$(SOAK) $(GO) test -count=1 -v -timeout 48h -run 'TestFleetSoak' ./cmd/trawlmark

LEAK ?= 1000
leak: ## LEAK (1000) captures by Chrome: no process, profile, descriptor or temporary file is left
	@deploy/setup.sh test
	TRAWLMARK_LEAK=$(LEAK) $(GO) test -count=1 -v -timeout 2h -run 'TestManyCapturesLeaveNothing' ./crawler/render

truth: ## reading of real saved pages against their truth, a table per site and field (PAGES=folder: of your own)
	TRAWLMARK_PAGES=$(PAGES) $(GO) test -count=1 -v -run 'TestTruth' ./crawler/site ./crawler/listing

FUZZTIME ?= 30s
fuzz: ## every fuzz test for FUZZTIME (30s) each
	@set -e; for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg 2>/dev/null | grep '^Fuzz' || true); do \
	    echo "fuzz: $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$pkg; done; done

lint: ## staticcheck, gofumpt and govulncheck (fetched by go, versions pinned here)
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.7.0 ./...
	@out=$$($(GO) run mvdan.cc/gofumpt@v0.9.2 -l .); [ -z "$$out" ] || { echo "gofumpt these files: $$out"; exit 1; }

e2e: ## the end-to-end tests alone: the demo, killed and started again; the real pages
	@deploy/setup.sh test
	$(GO) test -count=1 -v -timeout 20m ./cmd/trawlmark

clean: ## what was built and what the demo left
	rm -rf $(BIN) demo-data
