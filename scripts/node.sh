#!/usr/bin/env bash
# Brings a version of Node from npm into a folder, for tests on versions other than the system's.
set -euo pipefail
version=$1 dir=$2
[ "$("$dir/bin/node" --version 2>/dev/null)" = "v$version" ] && exit 0
mkdir -p "$dir"
npm install --silent --no-audit --no-fund --no-save --prefix "$dir" "node@$version"
mkdir -p "$dir/bin"
ln -sf "$(cd "$dir" && pwd)/node_modules/node/bin/node" "$dir/bin/node"
