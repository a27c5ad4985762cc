#!/usr/bin/env bash
# Makes sure there is a Chromium for the browser tests: one that is installed, else the
# distribution's, else Playwright's own.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${VENV:-.venv}/bin/python

# Runs, not only exists: Ubuntu's chromium-browser is a stub that asks for snap.
works() { "$1" --headless --version </dev/null >/dev/null 2>&1; }

found() {
  local name
  for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" >/dev/null && works "$name"; then return 0; fi
  done
  name=$("$python" -c '
from playwright.sync_api import sync_playwright
with sync_playwright() as p: print(p.chromium.executable_path)' 2>/dev/null) && [ -x "$name" ] && works "$name"
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

from_apt() {
  command -v apt-get >/dev/null || return 1
  as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium
}

found && exit 0
echo "PoseKit: installing a Chromium for the browser tests" >&2
from_apt </dev/null >&2 || true
found && exit 0
"$python" -m playwright install --with-deps chromium </dev/null >&2 || true
found && exit 0
echo "PoseKit: the browser tests need Chromium and it could not be installed; install the package chromium (or Google Chrome) and run the command again." >&2
exit 1
