#!/usr/bin/env bash
# Everything that can be checked without running the app: style, types, layers, container files.
# All of them run, and the last line says which failed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

failed=()
check() { # name, command...
  local name=$1 output
  shift
  if output=$("$@" 2>&1); then
    printf '  %-14s ok\n' "$name"
  else
    printf '  %-14s FAILED\n%s\n' "$name" "$output"
    failed+=("$name")
  fi
}

BIN=.venv/bin
echo 'lint:'
check 'ruff' $BIN/ruff check .
check 'ruff format' $BIN/ruff format --check .
check 'mypy' $BIN/mypy
check 'layers' $BIN/lint-imports
check 'shell' bash -c 'for f in scripts/*.sh .ci/run; do bash -n "$f" || exit 1; done'
check 'containers' scripts/lint-containers.sh
if [ ${#failed[@]} -gt 0 ]; then
  echo "lint: failed: ${failed[*]}" >&2
  exit 1
fi
