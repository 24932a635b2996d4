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
SOURCES := functions layers local tests bench

.PHONY: faults fuzz help demo up doctor register test pr lint types template build drift openapi pictures lock bench clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

demo: .venv/ready ## a plan, from HTTP to Genesys and into the audit table, on this machine
	@$(BIN)/python -m local.demo

up: .venv/ready ## serve the embedded stack until Ctrl-C (python -m local.stack --help)
	@$(BIN)/python -m local.stack --die-with-parent

doctor: .venv/ready ## what a Genesys organisation and the AWS account lack (python -m local.doctor --help)
	@$(BIN)/python -m local.doctor

register: .venv/ready ## register a deployment's webhook at a gateway of contract score (python -m local.register --help)
	@$(BIN)/python -m local.register

test: .venv/ready .venv/sdk ## all tests
	@$(BIN)/python -m pytest -q --numprocesses 4 --dist loadfile --no-loadscope-reorder

faults: .venv/ready ## the tests of faults, aborts and killed functions only
	@$(BIN)/python -m pytest -q tests/faults

fuzz: .venv/ready ## at least 3,500 requests by docs/openapi.json to the embedded stack (python -m local.checks.fuzz --help)
	@$(BIN)/python -m local.checks.fuzz

pr: .venv/ready ## what CI runs: lint, types, template, build and drift side by side, then the tests
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target template build types lint drift
	@$(MAKE) --no-print-directory test

lint: .venv/ready
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/python -m local.checks.english

types: .venv/ready
	$(BIN)/mypy layers/core/routing_weights functions local

template: .venv/ready
	$(BIN)/cfn-lint template.yaml
	$(BIN)/python -m local.checks.inlined > .venv/inlined.yaml && $(BIN)/cfn-lint .venv/inlined.yaml
	AWS_DEFAULT_REGION=us-east-1 $(BIN)/sam validate --lint

build: .venv/ready
	$(BIN)/sam build
	$(BIN)/python -m local.checks.layer
	$(BIN)/python -m local.checks.bare_import

drift: .venv/ready
	$(BIN)/python -m local.checks.openapi | diff -u docs/openapi.json - || { echo "docs/openapi.json is old: make openapi"; exit 1; }
	$(MAKE) --no-print-directory lock CHECK=1

openapi: .venv/ready ## write docs/openapi.json from the code
	$(BIN)/python -m local.checks.openapi > docs/openapi.json

pictures: .venv/ready ## draw the pictures of the docs anew: projection, folders, flow, state machines
	$(BIN)/python -m local.checks.chart > docs/projection.svg
	$(BIN)/python -m local.checks.architecture > docs/architecture.svg
	$(BIN)/python -m local.checks.flow > docs/flow.svg
	$(BIN)/python -m local.checks.picture distribute > docs/state-machine.svg
	$(BIN)/python -m local.checks.picture recover > docs/state-machine-recover.svg
	$(BIN)/python -m local.checks.picture fleet > docs/state-machine-fleet.svg
	$(BIN)/python -m local.checks.picture fleet "Run queues" > docs/state-machine-fleet-queue.svg

# The layer has the versions of the embedded stack, so the tested versions are deployed.
# uv starts from the old file, and keeps every pin that still fits: it changes only what pyproject.toml requires.
UV := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-strip-extras --custom-compile-command "make lock"
LOCKS := "requirements-dev.txt:pyproject.toml --group dev" "requirements-sdk.txt:--group sdk" \
	"layers/core/requirements.txt:pyproject.toml --constraint requirements-dev.txt"
lock: .venv/ready ## compile the pinned requirements from pyproject.toml
	@for pair in $(LOCKS); do \
		file=$${pair%%:*}; new=.venv/$$(basename $$file); cp $$file $$new 2>/dev/null; \
		$(UV) $${pair#*:} --output-file $$new || exit 1; \
		if [ -z "$(CHECK)" ]; then cp $$new $$file; \
		else diff -q $$file $$new || { echo "$$file is old: make lock"; exit 1; }; fi; done

bench: .venv/ready ## measure everything against a naive client, and write docs/reference/benchmarks.md (python -m bench --help)
	@$(BIN)/python -m bench

clean:
	rm -rf .venv .aws-sam .hypothesis .schemathesis .pytest_cache .mypy_cache .ruff_cache

# The lock is complete, so pip need not resolve anything (--no-deps). Old versions of pip could not.
.venv/ready: requirements-dev.txt
	@test -n "$(PYTHON)" || { echo "No Python 3.11 to 3.13 with venv was found. Install one, or set PYTHON=/path/to/python3."; exit 1; }
	@echo "Setting up .venv with $$($(PYTHON) --version), once; this takes a minute or two ..."
	@rm -rf .venv && $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements-dev.txt
	@touch $@

# The SDK needs another version of a library than the SAM CLI, so it has its own environment.
.venv/sdk: .venv/ready requirements-sdk.txt
	@echo "Adding the official Genesys SDK for the tests, once ..."
	@rm -rf $@ && $(PYTHON) -m venv $@
	@$@/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements-sdk.txt
	@touch $@
