# `make` alone prints the menu. Everything lives in .venv; nothing else on the machine is touched,
# except that `make test`, as root on Debian or Ubuntu, installs PostgreSQL and Chromium when missing.

BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
NODE := tests/relying/node/node_modules
ARGS ?=

.DEFAULT_GOAL := menu
.NOTPARALLEL:
.PHONY: menu setup demo test lint types fmt bench lock clean test-servers

menu: ## print this menu
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: .venv/.runtime ## play the whole story, emulator and gateway (ARGS="--once --json")
	@$(BIN)/wxgate demo $(ARGS)

test: .venv/.dev test-servers $(NODE)/.package-lock.json lint types ## check everything: lint, types and every test (ARGS="-k ticket")
	$(BIN)/python -m pytest $(ARGS)

setup: .venv/.dev ## make .venv with everything for development

lint: .venv/.dev ## check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.dev ## check types
	$(BIN)/mypy src tests/conftest.py tests/servers $(wildcard tests/typing)

fmt: .venv/.dev ## format, and fix what can be fixed
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

bench: .venv/.dev ## measure (ARGS is for the benchmark)
	$(BIN)/python -m bench $(ARGS)

lock: .venv/.dev ## pin the dependencies again (ARGS="--upgrade")
	scripts/lock.sh $(ARGS)

clean: ## remove .venv, caches, builds and what tests leave; databases and keys stay
	rm -rf .venv build dist tests/artifacts $(NODE) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

test-servers:
	@scripts/install-test-servers.sh

.venv/.runtime: requirements/runtime.txt requirements/build.txt pyproject.toml scripts/make-venv.sh
	@echo "Setting up .venv (once; about a minute) ..."
	@scripts/make-venv.sh
	@$(PIP) --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	@$(PIP) --no-index --no-build-isolation --no-deps -e .
	@touch $@

.venv/.dev: .venv/.runtime requirements/dev.txt
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

# Without them the tests that need them skip on a desk and fail under CI.
$(NODE)/.package-lock.json: .venv/.dev tests/relying/node/package-lock.json
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/npm ci --prefix tests/relying/node --loglevel error --no-audit --no-fund \
		|| echo "*** The Node.js packages of tests/relying could not be installed." >&2
