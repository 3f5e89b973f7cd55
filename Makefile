# Targets are the interface for developers and CI; each is a few lines.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
ARGS ?=
# Only used where pip's own sources have no CPU build of torch.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
# A machine with an NVIDIA driver gets the CUDA build.
BUILD ?= $(shell command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L >/dev/null 2>&1 && echo cuda || echo cpu)
LOCKS := requirements-$(BUILD).lock requirements-demo.lock requirements-dev.lock
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
CLIENTS := tests/clients
FUZZ := tests/fuzz
COVERAGE := $(BIN)/coverage run -m pytest
# Unit tests do not see the engine, as in an installation without an extra.
HIDE := --without vllm

.DEFAULT_GOAL := help
.PHONY: help install serve test fmt lint types arch unit unit-server unit-others engine coverage clients conformance bench load soak schemathesis dashboard demo-adapter demo-head lock clean audit fuzz

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

install: $(VENV)/.installed ## make .venv from the lock files (nothing to do when they have not changed)

$(VENV)/.installed: $(LOCKS) pyproject.toml
	@rm -f $@; $(PYTHON) -m venv $(VENV)
	@echo "installing the $(BUILD) build into $(VENV)"
	@grep -h '^torch==' requirements-$(BUILD).lock > $(VENV)/torch.txt
	@$(PIP) install --no-deps -r $(VENV)/torch.txt || $(PIP) install --no-deps --extra-index-url $(TORCH_INDEX) -r $(VENV)/torch.txt
	@grep -hv '^torch==' $(LOCKS) > $(VENV)/locked.txt
	@$(PIP) install --no-deps --require-hashes -r $(VENV)/locked.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

serve: install ## serve the embedded demo (PORT=8000, ARGS='more flags')
	@exec $(BIN)/endturn serve --model demo --port $(PORT) $(ARGS)

test: lint types arch unit engine coverage ## every check: what CI runs

fmt: install ## format the code and fix what can be fixed
	@$(BIN)/ruff format && $(BIN)/ruff check --fix

lint: install ## formatting and rules, nothing changed
	@$(BIN)/ruff format --check && $(BIN)/ruff check

types: install ## mypy --strict
	@$(BIN)/mypy

arch: install ## import layers
	@$(BIN)/lint-imports

unit: install ## tests without vLLM and torch, in two processes
	@rm -f .coverage*
	@$(MAKE) --no-print-directory --jobs 2 --output-sync unit-server unit-others

unit-server:
	@$(COVERAGE) $(HIDE) tests/server

unit-others:
	@$(COVERAGE) $(HIDE) --ignore tests/server --ignore tests/engine --ignore tests/clients

engine: install ## tests on vLLM with the demo's weights
	@$(COVERAGE) tests/engine

coverage: install ## branch coverage of unit and engine tests together
	@$(BIN)/coverage combine --quiet && $(BIN)/coverage report

clients: install $(CLIENTS)/.venv/.installed ## other clients than the gate's against the real engine (first 1.5 GB from PyPI and npm)
	@$(BIN)/python -m pytest $(CLIENTS)

$(CLIENTS)/.venv/.installed: $(CLIENTS)/requirements.lock $(CLIENTS)/package-lock.json
	@rm -f $@; $(PYTHON) -m venv $(CLIENTS)/.venv
	@$(CLIENTS)/.venv/bin/python -m pip --disable-pip-version-check -qq install --no-deps --require-hashes -r $<
	@PATH="$(CURDIR)/$(CLIENTS)/.venv/bin:$$PATH" npm ci --prefix $(CLIENTS) --no-audit --no-fund --silent
	@touch $@

conformance: install ## the conformance table of the README, beside vLLM's own server (ARGS='--server endturn': our half)
	@$(BIN)/python -m tests.conformance $(ARGS)

bench: install ## the runaway table of the README
	@$(BIN)/python -m tests.bench.runaway $(ARGS)

load: install ## a runaway adapter under load for 5 minutes: clients' counts against /metrics
	@$(BIN)/python -m tests.bench.runaway_load $(ARGS)

soak: install ## 15 minutes of requests, bad requests, lost clients, and adapters that come and go
	@$(BIN)/python -m tests.bench.soak $(ARGS)

schemathesis: install ## 5,000 requests made of the OpenAPI document (ARGS: how many, and a seed)
	@$(BIN)/python -m tests.server.fuzzing $(or $(ARGS),5000)

dashboard: install ## write the Grafana dashboard again
	@$(BIN)/python deploy/grafana/dashboard.py

demo-adapter: install ## make the demo's adapter again (about 40 minutes on two cores)
	@$(BIN)/python -m tests.demo.train $(ARGS)

demo-head: install ## fit the demo's stop head again (a minute)
	@$(BIN)/python -m tests.demo.head

lock: install ## resolve the lock files again
	@$(BIN)/python docker/lock.py

clean: ## remove caches and built files
	@rm -rf dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*

audit: install ## known vulnerabilities of what the lock files name (asks pypi.org; fails where it cannot be asked)
	@$(BIN)/python -m tests.audit

fuzz: install $(FUZZ)/.venv/.installed ## 5 minutes of atheris for each parser of untrusted bytes (ARGS='--seconds 60 profile')
	@$(BIN)/python -m tests.fuzz $(ARGS)

$(FUZZ)/.venv/.installed: $(FUZZ)/requirements.lock
	@rm -f $@; $(PYTHON) -m venv $(FUZZ)/.venv
	@$(FUZZ)/.venv/bin/python -m pip --disable-pip-version-check -qq install --no-deps --require-hashes -r $<
	@touch $@
