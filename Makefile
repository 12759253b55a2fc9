# Everything a developer does, each from a clean checkout: the virtual environment and the builds are
# made when they are missing. `make` alone explains itself.

PYTHON  ?= python3
CONFORM ?= conformance# the folder of the harness of CPython's own tests; git ignores it
PYTEST_ARGS ?=
CONFORM_ARGS ?= --jobs 2
, := ,

# One environment per Python version, so that `make test PYTHON=python3.13` stands beside the default.
VERSION := $(shell $(PYTHON) -c 'import sys; v = sys.version_info; \
                                 print("%d.%d" % v[:2] if v >= (3, 11) else "")')
ifeq ($(VERSION),)
$(error $(PYTHON) is no Python 3.11 or newer; name one: make PYTHON=/path/to/python3)
endif
VENV := .venv-$(VERSION)
BIN  := $(VENV)/bin
READY := $(VENV)/.ready
export NINJA := $(CURDIR)/$(BIN)/ninja# meson's choice would be the first on the PATH, if any

# The extension keeps to the stable ABI: one build serves every Python version.
DEV    := .build/dev
CRASH  := .build/crash
ASAN   := .build/asan
TSAN   := .build/tsan
CORE   := src/procession/_core.abi3.so

RELEASE := .build/release
DEBUG   := -Dcrash_points=true -Ddebug_checks=true -Dcore_tests=true
TESTS   := $(wildcard tests/unit tests/property tests/compat tests/stress)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help build build-crash run check test test-c test-python test-crash test-debug lint format bench conformance \
        conformance-quick check-install clean models models-all stepping docs plots compat

help: ## explain the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 19
	@echo "Variables: PYTHON=$(PYTHON) (environment $(VENV)), PYTEST_ARGS, CONFORM=$(CONFORM), VERSIONS, METHODS, SUITES"

# ---- environment and builds ------------------------------------------------------------------------

$(VENV)/.installed: requirements-dev.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -e .venv || ln -sfn $(VENV) .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

$(READY): $(VENV)/.installed pyproject.toml tools/develop.py
	$(BIN)/python tools/develop.py
	@touch $@

# A build folder is made anew when it is to have other options, or when the environment whose meson
# it runs is gone.
define configure
	@{ test -f $(1)/build.ninja && test -x "$$(cat $(1)/made-by 2>/dev/null)" \
	  && test "$$(cat $(1)/options 2>/dev/null)" = "$(2)"; } \
	|| { rm -rf $(1) && mkdir -p $(1) && $(BIN)/meson setup $(1) $(2) >$(1).log \
	     && echo $(BIN)/meson >$(1)/made-by && echo "$(2)" >$(1)/options; } \
	|| { cat $(1).log; exit 1; }
endef
# One at a time: two runs of make in the same checkout must not write the same objects.
define compile
	@flock $(1) $(BIN)/ninja --quiet -C $(1)
endef
# Replaced in one step: a process that is just starting must never load half a library.
define replace
	@cmp -s $(1) $(2) || { cp $(1) $(2).$$$$ && mv -f $(2).$$$$ $(2); }
endef

build: $(READY) ## make the environment and the extension
	$(call configure,$(DEV),)
	$(call compile,$(DEV))
	$(call replace,$(DEV)/native/_core.abi3.so,$(CORE))

build-crash: $(READY) ## make a copy of the package whose core can be killed at named points
	$(call configure,$(CRASH),$(DEBUG) -Dwerror=true)
	$(call compile,$(CRASH))
	@mkdir -p $(CRASH)/site/procession && find $(CRASH)/site/procession -type l -delete
	@find $(CURDIR)/src/procession -mindepth 1 -maxdepth 1 ! -name '_core.*' ! -name __pycache__ \
	  -exec ln -s -t $(CRASH)/site/procession {} +
	$(call replace,$(CRASH)/native/_core.abi3.so,$(CRASH)/site/procession/_core.abi3.so)

# ---- the main job ----------------------------------------------------------------------------------

run: build ## the main job under Procession, then under the standard package; both times
	$(BIN)/python examples/run_main_job.py $(RUN_ARGS)

# ---- tests -----------------------------------------------------------------------------------------

# What tells most in little time: of the unit tests those of fork that are not slow, less three files that
# wait a lot; of the kills the queue, locks, pipes and starts; the C tests once, plain.
CHECK_FORK  := not spawn and not forkserver
CHECK_LATER := pool_interrupt synchronize_interruptions examples examples_output
CHECK_KILLS := queue_kills sync pipes start_and_end

check: build build-crash ## two minutes on two processors: unit tests with fork, a sample of kills, C tests once
	@{ $(BIN)/meson test -C $(CRASH) --quiet --print-errorlogs && PYTHONPATH=$(CRASH)/site timeout -k 10 600 \
	  $(BIN)/python -m pytest -q $(CHECK_KILLS:%=tests/crash/test_%.py) -k '$(CHECK_FORK)'; } \
	  >$(CRASH)/check.log 2>&1 & kills=$$!; \
	timeout -k 10 600 $(BIN)/python -m pytest -q tests/unit -m 'not slow' -k '$(CHECK_FORK)' \
	  $(CHECK_LATER:%=--ignore=tests/unit/test_%.py) $(PYTEST_ARGS); failed=$$?; \
	wait $$kills || failed=$$?; cat $(CRASH)/check.log; exit $$failed

test: test-c build-crash ## every test: C (plain, ASan, TSan), Python, kills at crash points
	@$(MAKE) test-crash test-debug >$(CRASH)/tests.log 2>&1 & crash=$$!; \
	$(MAKE) test-python; failed=$$?; \
	wait $$crash || failed=$$?; cat $(CRASH)/tests.log; exit $$failed

test-c: $(READY) ## the C tests: plain, under address and undefined, under thread sanitizers
	$(call configure,$(CRASH),$(DEBUG) -Dwerror=true)
	$(call configure,$(ASAN),$(DEBUG) -Dextension=false -Db_sanitize=address$(,)undefined)
	$(call configure,$(TSAN),$(DEBUG) -Dextension=false -Db_sanitize=thread)
	$(BIN)/meson test -C $(CRASH) --print-errorlogs
	$(BIN)/meson test -C $(ASAN) --print-errorlogs --timeout-multiplier 4
	$(BIN)/meson test -C $(TSAN) --print-errorlogs --timeout-multiplier 8 --no-suite no-tsan

stepping: build-crash ## kills at every single instruction of the core's operations (minutes)
	PROCESSION_STEPS=1000000 $(CRASH)/native/tests/test_stepping_memory
	PROCESSION_STEPS=1000000 $(CRASH)/native/tests/test_stepping_sync

test-python: build ## unit, property, compat and stress tests with the release core
	timeout -k 10 1800 $(BIN)/python -m pytest $(TESTS) $(PYTEST_ARGS)

test-crash: build build-crash ## tests/crash with the core that can be killed at named points
	PYTHONPATH=$(CRASH)/site timeout -k 10 1800 $(BIN)/python -m pytest tests/crash $(PYTEST_ARGS)

# A part of the stress tests: about a minute of a processor's time.
UNDER_CHECKS := random_kills shared_kills pool_kills fifty_by_fifty

test-debug: build build-crash ## stress with the core that checks its invariants, and the arena after each test
	PYTHONPATH=$(CRASH)/site $(BIN)/python -c 'from procession._core import arena_check'
	PYTHONPATH=$(CRASH)/site timeout -k 10 900 $(BIN)/python -m pytest \
	  $(UNDER_CHECKS:%=tests/stress/test_%.py) $(PYTEST_ARGS)

# The libraries' own environment; the package is found in src, as in the others.
COMPAT := .venv-compat

$(COMPAT)/.installed: requirements-compat.txt tools/develop.py
	test -x $(COMPAT)/bin/python || $(PYTHON) -m venv $(COMPAT)
	$(COMPAT)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-compat.txt
	$(COMPAT)/bin/python tools/develop.py
	@touch $@

# Fresh interpreters that import torch or sklearn take their time: more than a test may elsewhere.
compat: build $(COMPAT)/.installed ## real libraries under procession run, in pinned versions; minutes
	timeout -k 10 3000 $(COMPAT)/bin/python -m pytest tests/compat/test_libraries.py \
	  -o faulthandler_timeout=600 $(PYTEST_ARGS)

# Which of them: VERSIONS, METHODS (start methods), SUITES (mp, futures, users).
VERSIONS ?= 3.11 3.12 3.13
METHODS  ?= fork spawn forkserver
SUITES   ?= mp futures users
# Where an interpreter is installed without its tests of concurrent.futures, another's serve.
TESTS_OF ?= $(shell tools/find-python 3.10)

# Their harness is no part of this repository.
NO_HARNESS = there is no $(CONFORM)/conform.py. CONFORM=FOLDER names the harness of CPython\'s own tests. \
             CONTRIBUTING.md says how to run these tests without it.

conformance: build ## CPython's own tests of multiprocessing, into docs/conformance.md (CONFORM: their harness)
	@test -f $(CONFORM)/conform.py || { echo $(NO_HARNESS) >&2; exit 1; }
	@for version in $(VERSIONS); do \
	  python=$$(tools/find-python $$version) || { echo "no Python $$version here"; continue; }; \
	  $(MAKE) --no-print-directory build PYTHON=$$python || exit; \
	done
	timeout -k 10 10800 $(BIN)/python tools/conformance.py $(CONFORM) \
	  --pythons $$(ls -L $(VERSIONS:%=.venv-%/bin/python) 2>/dev/null) --tests-of $(TESTS_OF) \
	  --methods $(METHODS) --suites $(SUITES) $(CONFORM_ARGS)

conformance-quick: build ## a selection of them for one interpreter; says so where their folder is not there
	@if ! test -f $(CONFORM)/conform.py; then echo "CPython's own tests are not run:" $(NO_HARNESS); exit 0; fi; \
	timeout -k 10 1800 $(BIN)/python tools/conformance.py $(CONFORM) --pythons $(BIN)/python --quick \
	  $(CONFORM_ARGS)

models: ## the protocols of the C core, checked by Spin (apt-get install spin)
	@native/models/run

models-all: ## and the checks that need minutes and 6 GB each
	@MODELS=all native/models/run

bench: build ## benchmarks against the standard package, as ratios
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

# ---- documentation ---------------------------------------------------------------------------------

# An environment of its own: a test or a build needs nothing of it.
SITE := .venv-docs

$(SITE)/.installed: requirements-docs.txt
	test -x $(SITE)/bin/python || $(PYTHON) -m venv $(SITE)
	$(SITE)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-docs.txt
	@touch $@

docs: $(SITE)/.installed ## the site of the documentation, in .build/site; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(SITE)/bin/mkdocs build --strict --quiet

plots: $(SITE)/.installed ## draw the results of runs, docs/benchmarks.json and growth.json, as SVG
	$(SITE)/bin/python tools/plot_benchmarks.py docs/benchmarks.json docs/benchmarks.svg
	$(SITE)/bin/python tools/plot_benchmarks.py docs/growth.json docs/growth.svg

# ---- checks ----------------------------------------------------------------------------------------

C_FILES = $(shell find native -name '*.[ch]')

lint: build ## format, style and types of Python and C; the release core without a warning
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run -Werror $(C_FILES)
	$(call configure,$(RELEASE),-Dwerror=true --buildtype=release)
	$(call compile,$(RELEASE))

format: $(READY) ## lay out Python and C as lint wants it
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(C_FILES)

check-install: $(READY) ## build the wheel as pip does, install it elsewhere, run it
	rm -rf .build/wheel .build/install && mkdir -p .build/wheel
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir .build/wheel .
	$(PYTHON) -m venv .build/install
	.build/install/bin/python -m pip install --quiet .build/wheel/procession-*-cp311-abi3-*.whl
	cd / && $(CURDIR)/.build/install/bin/python $(CURDIR)/tools/check_install.py

clean: ## remove all that make made, the environments included
	rm -rf .build .venv .venv-* $(CORE) .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find src tests tools examples benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
