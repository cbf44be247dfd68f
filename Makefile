# The two commands of this project are `make demo` and `make test`; `make help` lists the rest.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

POSITIONS ?= samples/positions.csv.gz
MARKET_DATA ?= $(firstword $(wildcard samples/market-data/*))
SCENARIOS ?= 11000
FILES ?= 1000
SEED ?= 7
# Tests wait more than they calculate, so that three at once keep two cores busy. Those of a file
# stay together for what they share, and files stay in order, for the longest would come last.
PYTEST ?= pytest --numprocesses=3 --dist=loadfile --no-loadscope-reorder

##@ For everybody
install: $(VENV)/installed ## The virtual environment, .venv

demo: $(VENV)/installed ## Launch dev on the local AWS, work the sample positions, show the report
	source local/activate && \
	sceptre launch dev --yes && \
	batch submit $(POSITIONS) --market-data $(MARKET_DATA) --environment dev --follow --download reports && \
	echo "Open the report in a browser. To go on: source local/activate, then batch --help or sceptre --help."

test: lint $(VENV)/installed-dev ## Everything that can be checked on this machine
	$(PYTEST)

bench: $(VENV)/installed-dev ## Measure the figures of docs/benchmarks.md against their limits
	python -m benchmarks.platform && platform=0 || platform=1; \
	python -m benchmarks.workload && exit $$platform

chaos: $(VENV)/installed-dev ## Drop 1,000 files while everything fails; see that nothing is lost or done twice
	python -m chaos --files $(FILES) --seed $(SEED) --write

sizing: POSITIONS = 100000000
sizing: $(VENV)/installed ## What a large run takes and costs on paper: make sizing POSITIONS=... SCENARIOS=...
	python -m benchmarks.sizing --positions $(POSITIONS) --scenarios $(SCENARIOS)

##@ The local AWS
local-up: $(VENV)/installed ## Start it in the background
	python -m local up

local-down: $(VENV)/installed ## Stop it and keep its state
	python -m local down

local-logs: $(VENV)/installed ## Follow its log
	python -m local logs --follow

##@ For those who change the project
lint: $(VENV)/installed-dev ## ruff and mypy
	ruff check .
	ruff format --check .
	mypy

LOCK := uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --upgrade
lock: $(VENV)/installed-dev ## Resolve requirements and the images' dependencies again
	$(LOCK) requirements.in --output-file requirements.txt
	mkdir -p .cache && grep -v '^-e' requirements.txt > .cache/constraints.txt
	$(LOCK) requirements-dev.in --constraints .cache/constraints.txt --output-file requirements-dev.txt
	python -m imaging lock --upgrade

lock-images: $(VENV)/installed-dev ## Resolve the images' dependencies alone, e.g. for a new stage
	python -m imaging lock

pin-base: $(VENV)/installed ## Pin the base image to the digest that its registry names today
	python -m imaging pin-base

docs: $(VENV)/installed-dev ## Draw the architecture and the settings table again from the config
	python docs/generate.py

clean: ## Remove what was built here, but not downloaded reports; stops the local AWS
	if [ -x $(BIN)/python ]; then $(BIN)/python -m local down; fi
	rm -rf $(VENV) .local .cache *.egg-info

help: ## This list
	@awk -F ':.*## ' '/^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or later is needed and $(PYTHON) is older; name another: make PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { rm -rf $(VENV); echo "$(PYTHON) cannot make a virtual environment; install its venv package (Debian: python3-venv)" >&2; exit 1; }

$(VENV)/installed: requirements.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing what the project needs into $(VENV); this takes a minute or two."
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.txt
	touch $@

$(VENV)/installed-dev: requirements-dev.txt $(VENV)/installed
	@echo "Installing what its tests need, for another minute."
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
	touch $@

.PHONY: install demo test bench chaos sizing lint lock lock-images pin-base docs clean help local-up local-down local-logs
