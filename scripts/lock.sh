#!/usr/bin/env bash
# Pin every dependency with its hashes. No address of a package registry gets into the files.
# Arguments go to pip-compile: `scripts/lock.sh --upgrade`, `scripts/lock.sh --upgrade-package lxml`.
set -euo pipefail
cd "$(dirname "$0")/.."

export CUSTOM_COMPILE_COMMAND="make lock"

compile() {
    .venv/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
        --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options "$@"
}

compile --output-file requirements/runtime.txt pyproject.toml "$@"
compile --output-file requirements/build.txt requirements/build.in "$@"
compile --output-file requirements/dev.txt requirements/dev.in "$@"
