#!/usr/bin/env bash
# Makes a virtual environment. Debian's python3 comes without `ensurepip`: then its package is installed, if we may.
set -euo pipefail
dir=$1
[ -x "$dir/bin/pip" ] && exit 0
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
  echo "Python 3.10 or newer is needed; found $(python3 --version)" >&2
  exit 1
}
if ! python3 -c 'import ensurepip' 2>/dev/null; then
  if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "installing python3-venv"
    apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
  else
    echo "this Python has no ensurepip: install it (Debian: sudo apt-get install python3-venv), then run again" >&2
    exit 1
  fi
fi
python3 -m venv "$dir"
