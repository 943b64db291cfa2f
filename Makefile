# SPDX-License-Identifier: Apache-2.0
# Everything a person types: `make help`.
PYTHON := .venv/bin/python
# Several processes, which share the files as tests/scheduling.py says; those of e2e wait more than they compute.
# Tests marked serial measure time or CPU: they run afterwards, alone, since gateways and traffic of the other processes
# would count too. Those marked chaos are left to `make chaos`.
PARALLEL := $(PYTHON) -m pytest --numprocesses 2 --dist loadfile -m "not serial and not chaos"
PARALLEL_E2E := $(PYTHON) -m pytest --numprocesses 4 --dist loadfile -m "not serial and not chaos"
SERIAL := $(PYTHON) -m pytest -m "serial and not chaos"

.DEFAULT_GOAL := help
.PHONY: help setup run test test-lint test-unit test-wheel test-kernel test-e2e chaos \
	check bench bench-hour pictures recording fuzz docs wheel lock test-latest \
	clean-lab clean

help:
	@sed -n 's/^## //p' Makefile

## make run                     the demo network with real traffic, and the console on it
## make run CMD='show flows'    one command against the running demo, then all is taken down
run: setup
	@$(PYTHON) -m snatsh.lab.demo $${CMD:+--command "$$CMD"}

## make test                    all stages, lint, unit, wheel, kernel and e2e, with the time of each
test: setup
	@tools/stages

## make test-unit               the unit tests; they need no root, no BCC and no Debian package
test-unit:
	@tools/setup environment
	@$(PARALLEL) tests/unit

## make test-wheel              builds the wheel, installs it away from the checkout and runs it
test-wheel: setup
	@$(PYTHON) -m pytest tests/wheel

## make test-kernel             the BPF programs in this machine's kernel; needs root
test-kernel: setup
	@$(PARALLEL) tests/kernel
	@$(SERIAL) tests/kernel

## make test-e2e                a gateway between real clients and servers in namespaces; needs root
test-e2e: setup
	@$(PARALLEL_E2E) tests/e2e
	@$(SERIAL) tests/e2e

## make chaos                   kill -9, commits, consoles and cut cables at random; CHAOS_SECONDS=120 for each test
chaos: setup
	@$(PYTHON) -m pytest -m chaos tests/chaos tests/e2e

test-lint: check

## make check                   lint, types and import contracts alone
check: setup
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check --quiet . || { echo "not formatted: $(PYTHON) -m ruff format ."; exit 1; }
	@$(PYTHON) -m mypy
	@.venv/bin/lint-imports

## make bench                   the gateway beside iptables and nft, in ratios; also in build/bench.json
bench: setup
	@$(PYTHON) -m tests.bench.bench
	@$(PYTHON) -m tests.bench.shell
	@$(PYTHON) -m tests.bench.console

## make bench-hour              the live console over a million flows for an hour
bench-hour: setup
	@$(PYTHON) -m tests.bench.console --seconds 3600 --output build/bench-hour.json

## make pictures                docs/pictures, the live console's screens, from the tests' recording
pictures: setup
	@$(PYTHON) -m tests.unit.tui.pictures

## make recording               a new recording for them, of a real gateway in the lab
recording: setup
	@$(PYTHON) -m tests.e2e.console_recording

## make fuzz                    ten million mutated packets through the datapath; takes some minutes
fuzz: setup
	@$(PYTHON) -m tests.kernel.test_fuzz

## make docs                    docs/cli.md from the grammar, the dialects in docs/moving.md
docs: setup
	@$(PYTHON) -m snatsh.shell.reference >docs/cli.md
	@$(PYTHON) -m snatsh.interop.reference docs/moving.md

## make setup                   installs what is missing; the others call it
setup:
	@tools/setup

## make wheel                   dist/: the wheel and the source distribution
wheel: setup
	@$(PYTHON) -m hatchling build -c -d dist

## make lock                    renews requirements.lock and requirements-dev.lock
lock:
	@tools/lock --upgrade

## make test-latest             the unit tests on the newest releases that pyproject.toml allows
test-latest: setup
	@tools/test-latest

## make clean-lab               removes what a killed demo or test left behind
clean-lab: setup
	@$(PYTHON) -m snatsh.lab.namespaces

## make clean                   removes what was built
clean:
	@rm -rf build dist .venv *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
