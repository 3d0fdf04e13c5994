# What each target does is told in CONTRIBUTING.md.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test rust python node lint schema examples recordings judges test-integrations fuzz-serve package-test test-real build-cli build-python build-node

LOGS := .build/logs
VENV := bindings-python/.venv
PY := $(VENV)/bin/python
FEATURES := cli,schema,testkit

help:
	@sed -n 's/^| `make \([a-z-]*\)`.* | \(.*\) |$$/  make \1\t\2/p' CONTRIBUTING.md | expand -t 24

demo:
	@echo "Building for three languages; about 2 minutes from a clean clone on two cores, and the time to download packages."
	@$(MAKE) --no-print-directory build-cli build-python build-node
	@echo "The same six situations in three languages, against scripted providers on loopback: ten seconds."
	@for language in rust python node; do printf '\n== %s\n' $$language; examples/run 02-fallback $$language; done

test:
	@echo "Lints, then all tests in Rust, Python and Node. About 5 minutes from a clean clone on two cores, 2 after that, and the time to download packages."
	@$(MAKE) --no-print-directory lint rust python node
	@.ci/counts $(LOGS)

rust:
	@mkdir -p $(LOGS)
	cargo test --workspace --exclude locum-python --exclude locum-node --features $(FEATURES) -- --nocapture 2>&1 | tee $(LOGS)/rust.log

python: build-python
	@mkdir -p $(LOGS)
	cd bindings-python && .venv/bin/python -m pytest -q -s 2>&1 | tee ../$(LOGS)/python.log

node: build-node
	@mkdir -p $(LOGS)
	cd bindings-node && npm test 2>&1 | tee ../$(LOGS)/node.log

lint: build-python build-node
	cargo fmt --all --check
	cargo clippy --workspace --features locum/cli,locum/schema,locum/testkit --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc -p locum --no-deps --features cli
	cd bindings-python && ./lint
	cd bindings-node && npm run --silent lint

schema:
	LOCUM_UPDATE_SCHEMA=1 cargo test -p locum --features schema committed_schema

examples: build-cli build-python build-node
	@for example in 01-quickstart 02-fallback 03-streaming 04-tools 05-structured-output 06-observability; do for language in rust python node; do \
	  printf '\n== %s %s\n' $$example $$language; examples/run $$example $$language; done; done

recordings:
	@cargo test -q -p locum --test recordings -- --nocapture every_record

build-cli:
	@cargo build -q -p locum --features cli --bins --examples

$(VENV)/.ready: bindings-python/requirements-dev.txt
	python3 -m venv $(VENV)
	$(PY) -m pip install -q -r bindings-python/requirements-dev.txt
	@touch $@

build-python: $(VENV)/.ready
	cd bindings-python && VIRTUAL_ENV=$$PWD/.venv .venv/bin/maturin develop -q

bindings-node/node_modules/.ready: bindings-node/package.json bindings-node/package-lock.json
	cd bindings-node && npm ci --no-audit --no-fund
	@touch $@

examples/node/node_modules/locum:
	@mkdir -p examples/node/node_modules && ln -sfn ../../../bindings-node $@

build-node: bindings-node/node_modules/.ready examples/node/node_modules/locum
	cd bindings-node && npm run --silent build:debug

judges: build-cli build-python build-node
	.ci/judges

fuzz-serve: build-cli
	.ci/fuzz-serve

test-integrations: build-cli build-python build-node
	.ci/integrations

package-test:
	.ci/package-test

test-real: build-cli build-python build-node
	.ci/test-real
