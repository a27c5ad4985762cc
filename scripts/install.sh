#!/usr/bin/env bash
# Creates the virtual environment if need be and installs a requirements file and PoseKit itself.
#   scripts/install.sh requirements.txt
# PYTHON       the Python to use (default: the first of python3, python3.14 ... python3.11 that is >= 3.11)
# VENV         where the environment goes (default .venv)
# TORCH_INDEX  an extra package index to take torch from. PyPI's torch for Linux brings several GB of
#              CUDA libraries; https://download.pytorch.org/whl/cpu has the small CPU build. Without
#              TORCH_INDEX that one is used by itself on a Linux machine that shows no NVIDIA GPU.
set -euo pipefail
cd "$(dirname "$0")/.."
requirements=$1
venv=${VENV:-.venv}

say() { printf 'PoseKit: %s\n' "$*" >&2; }
give_up() { say "$*"; exit 1; }

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if command -v "$candidate" >/dev/null && new_enough "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

make_venv() {
  local python version
  python=$(find_python) || give_up "Python 3.11 or newer is needed; install it or name it: PYTHON=/path/to/python3.12 make app"
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    # Debian and Ubuntu keep the venv module in a package of its own.
    local package="python$version-venv"
    say "$python cannot create environments yet; installing $package"
    if ! command -v apt-get >/dev/null ||
      ! { as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package"; } </dev/null >&2; then
      give_up "install the package $package (sudo apt-get install $package) and run the command again."
    fi
  fi
  say "creating $venv with Python $version"
  "$python" -m venv "$venv" </dev/null
}

has_gpu() { command -v nvidia-smi >/dev/null || [ -e /dev/nvidia0 ] || [ -e /dev/nvidiactl ]; }

torch_index() {
  if [ -n "${TORCH_INDEX:-}" ]; then
    printf '%s' "$TORCH_INDEX"
  elif [ "$(uname -s)" = Linux ] && ! has_gpu; then
    local index=https://download.pytorch.org/whl/cpu
    # Only if it answers: an index that cannot be reached costs pip a minute of retries.
    "$venv/bin/python" -c 'import sys, urllib.request as u; u.urlopen(sys.argv[1] + "/torch/", timeout=5)' "$index" 2>/dev/null && printf '%s' "$index"
  fi
  return 0
}

if [ -e "$venv" ] && ! new_enough "$venv/bin/python"; then
  say "$venv does not work (moved, or an older Python); making it again"
  rm -rf "$venv"
fi
[ -e "$venv" ] || make_venv

options=(--disable-pip-version-check --no-input --quiet)
if ! "$venv/bin/python" -c 'import torch' 2>/dev/null; then
  index=$(torch_index)
  [ -z "$index" ] || options+=(--extra-index-url "$index")
fi
say "installing $requirements (the first time takes some minutes)"
"$venv/bin/python" -m pip install "${options[@]}" -r "$requirements" </dev/null
"$venv/bin/python" -m pip install --disable-pip-version-check --no-input --quiet --no-deps -e . </dev/null
