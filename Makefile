# Everything a developer does, each from a clean checkout: the virtual environment and the builds are
# made when they are missing. `make` alone explains itself.

PYTHON  ?= python3
CONFORM ?= ../shared/conformance
PYTEST_ARGS ?=

# One environment per Python version, so that `make test PYTHON=python3.13` stands beside the default.
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
ifeq ($(VERSION),)
$(error $(PYTHON) does not run; name an interpreter, 3.11 or newer: make PYTHON=/path/to/python3)
endif
VENV := .venv-$(VERSION)
BIN  := $(VENV)/bin
READY := $(VENV)/.ready

# The extension keeps to the stable ABI: one build serves every Python version.
DEV    := .build/dev
CRASH  := .build/crash
ASAN   := .build/asan
TSAN   := .build/tsan
STRICT := .build/strict
CORE   := src/procession/_core.abi3.so

.DEFAULT_GOAL := help
.PHONY: help build build-crash run test test-c test-python test-crash lint format bench conformance \
        clean

help: ## explain the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14
	@echo "Variables: PYTHON=$(PYTHON) (environment $(VENV)), PYTEST_ARGS, CONFORM=$(CONFORM)"

# ---- environment and builds ------------------------------------------------------------------------

$(VENV)/.installed: requirements-dev.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -e .venv || ln -sfn $(VENV) .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

$(READY): $(VENV)/.installed pyproject.toml tools/develop.py
	$(BIN)/python tools/develop.py
	@touch $@

# A build folder remembers the meson that made it; when that environment is gone, so is the folder's use.
define configure
	@mkdir -p .build
	@if [ -f $(1)/build.ninja ] && ! $(BIN)/ninja -C $(1) -n >/dev/null 2>&1; then rm -rf $(1); fi
	@test -f $(1)/build.ninja || PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/meson setup $(1) $(2) >.build/setup.log \
	  || { cat .build/setup.log; exit 1; }
endef
# Replaced in one step: a process that is just starting must never load half a library.
define replace
	@cmp -s $(1) $(2) || { cp $(1) $(2).new && mv -f $(2).new $(2); }
endef

build: $(READY) ## make the environment and the extension
	$(call configure,$(DEV),)
	@$(BIN)/ninja --quiet -C $(DEV)
	$(call replace,$(DEV)/native/_core.abi3.so,$(CORE))

build-crash: $(READY) ## make a copy of the package whose core can be killed at named points
	$(call configure,$(CRASH),-Dcrash_points=true -Ddebug_checks=true -Dcore_tests=true)
	@$(BIN)/ninja --quiet -C $(CRASH)
	@mkdir -p $(CRASH)/site/procession && find $(CRASH)/site/procession -type l -delete
	@find $(CURDIR)/src/procession -mindepth 1 -maxdepth 1 ! -name '_core.*' ! -name __pycache__ \
	  -exec ln -s -t $(CRASH)/site/procession {} +
	$(call replace,$(CRASH)/native/_core.abi3.so,$(CRASH)/site/procession/_core.abi3.so)
