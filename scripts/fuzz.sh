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
for target in $(cargo fuzz list); do
  echo "== fuzzing $target for $seconds s"
  cargo fuzz run --target "$host" "$target" -- -max_total_time="$seconds" -max_len=65536 -print_final_stats=1 2>&1 |
    grep -E '^(stat::number_of_executed_units|==|SUMMARY|Done)|panicked|Test unit' || true
  [ "${PIPESTATUS[0]}" = 0 ] || { echo "fuzzing $target found something: see fuzz/artifacts/$target" >&2; exit 1; }
done
echo "== every target ran $seconds s and found nothing"
