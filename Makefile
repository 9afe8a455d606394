# What people type. Every target makes what it needs first; a second run makes nothing again.
.DEFAULT_GOAL := help
.PHONY: help build demo test unit up fuzz bench bench-full bench-report bench-reads simulate chaos lint format clean

SETUP := python3 tools/setup.py
PYTHON := build/venv/bin/python

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

build: python ## the installed tree (build/dist), the client (build/venv), the S3 server (build/tools)
	@$(SETUP) packages s3 venv build

demo: build ## a real S3 server, a coordinator, two workers and the Python client at work
	@$(PYTHON) tools/demo.py

up: build ## Eider in one process on loopback; S3 by the AWS environment names
	@build/dist/bin/eider up $(ARGS)

unit: build ## the C++ unit tests, under the address and the thread sanitizer
	@$(SETUP) asan tsan
	@ctest --preset asan
	@ctest --preset tsan

test: unit ## all tests: unit tests, then real processes against a real S3 server
	@$(PYTHON) -m pytest

chaos: build ## workers killed, frozen and cut off under load, for ten minutes (root); ARGS
	@$(PYTHON) tests/chaos/run.py $(ARGS)

bench: python ## what Eider is worth: the targets, beside DuckDB and Quack, in 30 minutes (root); ARGS
	@$(SETUP) packages bench-packages s3 venv build
	@$(PYTHON) bench/run.py $(ARGS); code=$$?; $(PYTHON) bench/report.py; exit $$code

bench-full: python ## all workloads and all peers, as long as it takes (root); ARGS
	@$(SETUP) packages bench-packages s3 venv build
	@$(PYTHON) bench/run.py --full $(ARGS); code=$$?; $(PYTHON) bench/report.py; exit $$code

bench-report: python ## the newest results into README, written again; ARGS=FILE.json for another
	@$(SETUP) venv
	@$(PYTHON) bench/report.py $(ARGS)

bench-reads: python ## reads against plain DuckDB, S3 30 ms away behind a link of 60 MB/s (root); ARGS
	@$(SETUP) packages bench-packages s3 venv bench
	@$(PYTHON) bench/reads.py --output build/bench/reads.json $(ARGS)

simulate: python ## the scheduler among modelled workers, into docs/scheduler.md (half an hour or more); ARGS
	@$(SETUP) packages bench-packages bench
	@build/release/bench/eider_simulate --output build/bench/simulate.json --page docs/scheduler.md $(ARGS)

fuzz: python ## the decoders of what a disk may have spoilt, fuzzed for a minute; ARGS
	@$(SETUP) packages
	@python3 tools/fuzz.py $(ARGS)

lint: build ## clang-format, clang-tidy, clang's thread-safety analysis, ruff, mypy
	@$(SETUP) lint-packages
	@$(PYTHON) tools/lint.py

format: build ## formats C++ and Python
	@$(SETUP) lint-packages
	@$(PYTHON) tools/lint.py --fix

clean: ## removes the build trees, keeps what was downloaded and installed
	@rm -rf build/release build/dev build/asan build/tsan build/fuzz build/dist build/stamps/dist

.PHONY: python
python:
	@command -v python3 >/dev/null || { apt-get update -qq && apt-get install -qq --yes python3; }
