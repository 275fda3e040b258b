#!/usr/bin/env bash
# Runs every fuzz target for some seconds. cargo-fuzz wants nightly flags; RUSTC_BOOTSTRAP lets stable take them.
set -euo pipefail
seconds=${1:-60}
cd "$(dirname "$0")/.."
tools=$PWD/target/tools
if [ ! -x "$tools/bin/cargo-fuzz" ]; then
  echo "== installing cargo-fuzz into target/tools"
  cargo install -q cargo-fuzz --locked --root "$tools"
fi
if ! command -v c++ >/dev/null; then
  echo "a C++ compiler is needed to build libFuzzer (Debian: apt-get install g++)" >&2
  exit 1
fi
host=$(rustc -vV | sed -n 's/^host: //p')
export PATH="$tools/bin:$PATH" RUSTC_BOOTSTRAP=1
log=$PWD/target/fuzz.log
for target in $(cargo fuzz list); do
  echo "== fuzzing $target for $seconds s"
  found=0
  cargo fuzz run --target "$host" "$target" -- -max_total_time="$seconds" -max_len=65536 >"$log" 2>&1 || found=$?
  grep -E '^Done|panicked' "$log" || true
  if [ "$found" != 0 ]; then
    tail -n 40 "$log" >&2
    echo "fuzzing $target found something: see fuzz/artifacts/$target" >&2
    exit 1
  fi
done
echo "== every target ran $seconds s and found nothing"
