#!/usr/bin/env bash
# Make the browser tests possible; print the path of a Chromium (and nothing else) on standard
# output. ROUNDS_CHROMIUM=/path names one yourself.
#
# Order: one that is here, Debian's package, Playwright's own download. Ubuntu's package is a stub
# for a snap, which cannot be driven from outside, so there Playwright's download comes at once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/apt.sh
source scripts/apt.sh

PYTHON=.venv/bin/python

say() { printf '%s\n' "$*" >&2; }

usable() { # It is there, it is no snap, and it shows a page.
  local path
  path=$(command -v "$1") || return 1
  case $(readlink -f "$path") in */snap/* | */snap) return 1 ;; esac
  timeout 90 "$path" --headless --no-sandbox --disable-gpu --dump-dom about:blank 2>/dev/null |
    grep -qi '<html' || return 1
  echo "$path"
}

find_chromium() {
  local name
  for name in "${ROUNDS_CHROMIUM:-/usr/bin/chromium}" chromium google-chrome \
    google-chrome-stable chromium-browser; do
    usable "$name" && return
  done
  return 1
}

playwright_runs() { "$PYTHON" -m playwright --version >/dev/null 2>&1; }

install_by_apt() {
  on_ubuntu && return 1
  say "Installing Chromium from the system's packages"
  apt_install chromium
}

install_by_playwright() {
  local flags=()
  say "Fetching Playwright's Chromium"
  if as_root true 2>/dev/null; then flags=(--with-deps); fi
  "$PYTHON" -m playwright install "${flags[@]}" chromium >&2
}

playwrights_own() {
  "$PYTHON" - 2>/dev/null <<'PY'
from playwright.sync_api import sync_playwright

with sync_playwright() as playwright:
    print(playwright.chromium.executable_path)
PY
}

if ! playwright_runs; then
  say "Installing libatomic1 (Playwright's driver needs it)"
  apt_install libatomic1 && playwright_runs || {
    say "Playwright's driver does not run. Install its library, then start again:
    sudo apt-get update && sudo apt-get install -y libatomic1"
    exit 1
  }
fi
find_chromium && exit
usable "$(playwrights_own)" && exit
if install_by_apt && find_chromium; then exit; fi
if install_by_playwright && usable "$(playwrights_own)"; then exit; fi
say "No working Chromium was found or could be installed. Install one, then start again:
    sudo apt-get update && sudo apt-get install -y chromium        (Debian)
    .venv/bin/python -m playwright install --with-deps chromium    (Ubuntu and others)
  or name one: ROUNDS_CHROMIUM=/path/to/chromium make test"
exit 1
