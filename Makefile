# `make demo` and `make test` need only Linux, make and Python 3.11 to 3.13. Everything else is installed into .venv.
SHELL := /bin/sh
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& { echo $$p; break; }; done)
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export SAM_CLI_TELEMETRY := 0
# With bytecode on disk no process compiles what another one has compiled: each test worker, function and check would.
export PYTHONDONTWRITEBYTECODE :=
SOURCES := cli functions layers local tests bench

.PHONY: audit-verify chromium vulnerabilities faults fuzz soak help demo up doctor register test stacks stacks-again units pr lint types template build drift openapi pictures lock bench clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 17

demo: .venv/ready ## the deployed system on this machine, with a simulated Genesys
	@$(BIN)/python -m local.demo

up: .venv/ready ## the same until Ctrl-C, for your own plans (python -m local.stack --help)
	@$(BIN)/python -m local.stack --die-with-parent --live

audit-verify: .venv/ready ## verify the audit trail of make up, or of a deployment: API=<address>
	@$(BIN)/python -m local.audit_verify $(if $(API),--api $(API))

doctor: .venv/ready ## what Genesys and the AWS account lack (python -m local.doctor --help)
	@$(BIN)/python -m local.doctor

register: .venv/ready ## register the webhook at a gateway of contract score
	@$(BIN)/python -m local.register

# Tests of stacks mostly wait, and the others never do: they have the time that is left. Each output comes in one piece,
# except that of the stacks: after a + make shows it at once.
test: .venv/ready ## all tests: stacks and units side by side, some minutes
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target stacks units

STACK_TESTS := tests/faults tests/stack tests/asl
BESIDE_EACH_OTHER := --numprocesses 6 --dist loadfile --no-loadscope-reorder
stacks: .venv/ready chromium ## the tests that start a stack
	@+$(BIN)/python -m pytest -q $(BESIDE_EACH_OTHER) $(STACK_TESTS)

# For CI: what failed is run once more, alone, and is named. What fails twice fails the build.
stacks-again: .venv/ready chromium
	@+$(BIN)/python -m local.checks.again $(STACK_TESTS) -- $(BESIDE_EACH_OTHER)

# The desk's pages are tested in Debian's browser. Without it, their tests skip and say why.
chromium: ## install the browser that tests the desk, if it is missing and this is root on Debian
	@command -v chromium > /dev/null || test "$$(id -u)" != 0 || ! command -v apt-get > /dev/null || \
		{ echo "Adding chromium for the tests of the desk, once ..."; apt-get -qq update && DEBIAN_FRONTEND=noninteractive \
		apt-get -qq install --no-install-recommends chromium > /dev/null 2>&1; } || echo "chromium could not be installed"

units: .venv/ready .venv/sdk ## the tests that start none
	@nice $(BIN)/python -m pytest -q tests/contract tests/template tests/unit

faults: .venv/ready ## the tests of faults, aborts and killed functions only
	@$(BIN)/python -m pytest -q tests/faults

fuzz: .venv/ready ## 100,000 hostile inputs for every parser and route
	@$(BIN)/python -m local.checks.fuzz

pr: .venv/ready ## what CI runs: all tests, template, build, types, lint, drift, vulnerabilities
	@$(MAKE) --no-print-directory --jobs 3 --output-sync=target stacks-again units template build types lint drift vulnerabilities

lint: .venv/ready
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/python -m local.checks.english

types: .venv/ready
	nice $(BIN)/mypy layers/core/routing_weights functions local cli/routing_weights_cli

template: .venv/ready .venv/checkov
	nice $(BIN)/cfn-lint template.yaml
	nice $(BIN)/python -m local.checks.inlined > .venv/inlined.yaml && nice $(BIN)/cfn-lint .venv/inlined.yaml
	AWS_DEFAULT_REGION=us-east-1 nice $(BIN)/sam validate --lint
	nice .venv/checkov/bin/checkov --config-file .checkov.yaml

build: .venv/ready
	nice $(BIN)/sam build
	$(BIN)/python -m local.checks.sbom > .aws-sam/sbom.cdx.json
	nice $(BIN)/python -m local.checks.layer
	nice $(BIN)/python -m local.checks.bare_import

vulnerabilities: .venv/ready ## known ones of every pinned package, if https://osv.dev answers
	$(BIN)/python -m local.checks.vulnerabilities

drift: .venv/ready
	$(BIN)/python -m local.checks.openapi | diff -u docs/openapi.json - || { echo "docs/openapi.json is old: make openapi"; exit 1; }
	$(MAKE) --no-print-directory lock CHECK=1

openapi: .venv/ready ## write docs/openapi.json from the code
	$(BIN)/python -m local.checks.openapi > docs/openapi.json

pictures: .venv/ready chromium ## draw the pictures of the docs anew
	$(BIN)/python -m local.checks.chart > docs/projection.svg
	$(BIN)/python -m local.checks.chart shares > docs/attainable.svg
	$(BIN)/python -m local.checks.architecture > docs/architecture.svg
	$(BIN)/python -m local.checks.flow > docs/flow.svg
	$(BIN)/python -m local.checks.shares > docs/shares.svg
	$(BIN)/python -m local.checks.realised_shares > docs/realised-shares.svg
	$(BIN)/python -m local.demo_shares > docs/share-day.svg
	$(BIN)/python -m local.checks.picture distribute > docs/state-machine.svg
	$(BIN)/python -m local.checks.picture recover > docs/state-machine-recover.svg
	$(BIN)/python -m local.checks.picture fleet > docs/state-machine-fleet.svg
	$(BIN)/python -m local.checks.picture fleet "Run queues" > docs/state-machine-fleet-queue.svg
	DESK_PICTURES=docs/use $(BIN)/python -m pytest -q tests/stack/test_desk_page.py -k first_hour

# The layer has the versions of the embedded stack, so the tested versions are deployed.
# uv starts from the old file, and keeps every pin that still fits: it changes only what pyproject.toml requires.
UV := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-strip-extras --custom-compile-command "make lock"
LOCKS := "requirements-dev.txt:pyproject.toml --group dev" "requirements-sdk.txt:--group sdk" \
	"requirements-checkov.txt:--group checkov" \
	"layers/core/requirements.txt:pyproject.toml --constraint requirements-dev.txt" \
	"functions/desk/requirements.txt:--group desk --constraint requirements-dev.txt"
lock: .venv/ready ## compile the pinned requirements from pyproject.toml
	@for pair in $(LOCKS); do \
		file=$${pair%%:*}; new=.venv/$$(basename $$file); cp $$file $$new 2>/dev/null; \
		$(UV) $${pair#*:} --output-file $$new || exit 1; \
		if [ -z "$(CHECK)" ]; then cp $$new $$file; \
		else diff -q $$file $$new || { echo "$$file is old: make lock"; exit 1; }; fi; done

bench: .venv/ready ## measure everything, and write docs/reference/benchmarks.md
	@$(BIN)/python -m bench

soak: .venv/ready ## half an hour of faults, and write docs/reference/soak.md
	@$(BIN)/python -m bench.soak

clean:
	rm -rf .venv .aws-sam .hypothesis .schemathesis .pytest_cache .mypy_cache .ruff_cache

# The lock is complete, so pip need not resolve anything (--no-deps). Old versions of pip could not.
.venv/ready: requirements-dev.txt
	@test -n "$(PYTHON)" || { echo "No Python 3.11 to 3.13 with venv was found. Install one, or set PYTHON=/path/to/python3."; exit 1; }
	@echo "Setting up .venv with $$($(PYTHON) --version), once; this takes a minute or two ..."
	@rm -rf .venv && $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements-dev.txt
	@touch $@

# checkov pins a hundred libraries, in versions of its own. pip takes 25 s of processor time for them, uv 2 s.
.venv/checkov: .venv/ready requirements-checkov.txt
	@echo "Adding checkov for the check of the template, once ..."
	@rm -rf $@ && $(PYTHON) -m venv --without-pip $@
	@nice $(BIN)/uv pip install --quiet --python $@/bin/python --no-deps --require-hashes --requirement requirements-checkov.txt
	@touch $@

# The SDK needs another version of a library than the SAM CLI, so it has its own environment.
.venv/sdk: .venv/ready requirements-sdk.txt
	@echo "Adding the official Genesys SDK for the tests, once ..."
	@rm -rf $@ && $(PYTHON) -m venv $@
	@$@/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements-sdk.txt
	@touch $@
