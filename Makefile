# `make` alone lists what there is. Everything runs without a terminal and without questions.
.DEFAULT_GOAL := help
.PHONY: help setup build deploy dev serve portal ci-walkthrough federation rotate-keys test lint bench cli docs clean
SHELL := bash

SOURCES := $(shell find src templates -type f 2>/dev/null) Cargo.toml Cargo.lock
# The pinned Node comes with the npm packages (tools/setup.sh).
NODE = PATH="$(CURDIR)/node_modules/.bin:$$PATH" node

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## check prerequisites, install pinned tools (all other targets do it)
	@bash tools/setup.sh

build: setup build/index.js ## the release Worker into build/

build/index.js: $(SOURCES) | setup
	@bash tools/build.sh

dev: build ## serve on http://localhost:8787 with demo data kept in .latchkey/dev
	@STATE="$${STATE:-.latchkey/dev}" $(NODE) tools/serve.mjs --dev

serve: build ## serve the built Worker (PORT, STATE, ISSUER, SEED=<file.json>, any setting by name)
	@$(NODE) tools/serve.mjs

deploy: build ## the realm of realms/NAME.toml on the platform, or what is missing (REALM, DRY_RUN=1 to change nothing)
	@$(NODE) tools/deploy.mjs

portal: setup ## the example portal on http://localhost:4180 and its API beside `make dev` (ISSUER, PORTAL_PORT, API_PORT)
	@bash tools/portal.sh

ci-walkthrough: build ## a CI job trades its platform's token for ours, start to end (PORT, GITHUB_PORT, API_PORT)
	@bash tools/ci-walkthrough.sh

federation: build ## two realms that trust each other, and what their people may at the other one (ONCE=1 to stop then)
	@bash tools/federation.sh

rotate-keys: setup ## new signing keys for a running `make serve` or `make dev` (STATE)
	@$(NODE) tools/rotate-keys.mjs

test: ## set-up, then every test ring
	@bash tools/test.sh

lint: setup ## formatting and clippy
	@bash tools/test.sh lint

bench: build ## drive the hot paths and print ops/s, CPU and rows beside the budgets
	@$(NODE) tools/bench.mjs

cli: setup ## the command line for administrators
	@echo "latchkey: building the command line (a minute the first time)" >&2
	@cargo build --quiet --release --package latchkey-cli
	@echo "$${CARGO_TARGET_DIR:-$(CURDIR)/target}/release/latchkey"

docs: setup ## the site of docs/ into target/docs (needs mdBook)
	@$(NODE) tools/docs.mjs

clean: ## remove what was built here (local data and the tools in the cache stay)
	rm -rf build target node_modules
