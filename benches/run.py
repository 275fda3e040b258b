"""Measures every peer in one run against the simulator, in interleaved rounds, and prints CPU µs with ratios.

Client and simulator are pinned to one core, so that no call pays for waking another. Medians over rounds, and the best
round, since a busy neighbour only ever adds; ratios are to bare reqwest in the same round. `--quick`: one short round.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BENCH = ROOT / "target" / "release" / "hotspare-bench"
SIMULATOR = ROOT / "target" / "release" / "hotspare"
QUICK = "--quick" in sys.argv
ROUNDS = 1 if QUICK else 5
SCALE = 10 if QUICK else 1

WORDS = " ".join(["steady"] * 200)
SCRIPT: dict[str, Any] = {
    "providers": {
        "good": {
            "dialect": "openai_chat",
            "reply": {"text": "Hello, everyone! It is very good to see you all here today."},
        },
        "long": {"dialect": "openai_chat", "reply": {"text": WORDS}, "latency": {"gap": 0}},
        "bad": {"dialect": "openai_chat", "steps": [{"repeat": 1_000_000_000, "status": 500}]},
    }
}

RUST = ("reqwest", "hotspare")
SYNC = ("hotspare-sync", "openai-sync")
ASYNC = ("hotspare-async", "openai-async")
NAMES = {
    "reqwest": "bare reqwest (Rust)",
    "hotspare": "hotspare (Rust)",
    "hotspare-sync": "hotspare (Python, sync)",
    "hotspare-async": "hotspare (Python, asyncio)",
    "openai-sync": "openai SDK (sync)",
    "openai-async": "openai SDK (asyncio)",
}
# workload: what a unit is, peers, and how many calls (or streams) a round makes
WORKLOADS: dict[str, tuple[str, tuple[str, ...], dict[str, int]]] = {
    "call": ("a call", (*RUST, *SYNC, *ASYNC), {"fast": 4000, "slow": 200}),
    "concurrent": ("a call, 64 at once", (*RUST, *ASYNC), {"fast": 6400, "slow": 320}),
    "stream": ("a stream chunk (200 a stream)", (*RUST, *SYNC, *ASYNC), {"fast": 100, "slow": 10}),
    "failover": (
        "a call whose first target answers 500",
        (*RUST, *SYNC, *ASYNC),
        {"fast": 2000, "slow": 100},
    ),
}


def measure(peer: str, workload: str, count: int, urls: dict[str, str]) -> dict[str, float]:
    order = {"failover": ["bad", "good"], "stream": ["long"]}.get(workload, ["good"])
    addresses = [urls[name] for name in order]
    program = [str(BENCH)] if peer in RUST else [sys.executable, str(ROOT / "benches" / "peers.py")]
    # A span of its own in which a rate limiter or a proxy could interfere is kept out: loopback, no proxies.
    environment = {**os.environ, "NO_PROXY": "*", "no_proxy": "*"}
    arguments = [*program, peer, workload, str(count), *addresses]
    done = subprocess.run(arguments, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        sys.exit(f"{peer} {workload} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def show(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"


def import_times() -> None:
    print("\nImport, ms (cold process, warm page cache, median of 10; over the bare interpreter)")
    for module in ("hotspare", "openai"):
        times: list[float] = []
        for _ in range(10):
            code = f"import time; t = time.perf_counter(); import {module}; print((time.perf_counter() - t) * 1000)"
            times.append(float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout))
        print(f"  {module:<28}{statistics.median(times):>10.1f}")


def main() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[-1]})
    with tempfile.NamedTemporaryFile("w", suffix=".json") as script:
        json.dump(SCRIPT, script)
        script.flush()
        command = [str(SIMULATOR), "simulate", script.name, "--json", "--stdin"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as simulator:
            assert simulator.stdout is not None
            urls: dict[str, str] = json.loads(simulator.stdout.readline())
            try:
                run(urls)
            finally:
                simulator.communicate()
    import_times()


def run(urls: dict[str, str]) -> None:
    medians: dict[tuple[str, str, str], float | None] = {}
    for workload, (unit, peers, counts) in WORKLOADS.items():
        rounds: dict[str, list[dict[str, float]]] = {peer: [] for peer in peers}
        for _ in range(ROUNDS):
            for peer in peers:
                count = counts["slow" if peer.startswith("openai") else "fast"] // SCALE
                rounds[peer].append(measure(peer, workload, max(count, 64 if workload == "concurrent" else 5), urls))
        print(f"\n{unit}: CPU µs, {ROUNDS} rounds, one core for client and simulator")
        print(f"  {'':<28}{'median':>10}{'best':>10}{'× reqwest':>11}{'wall µs':>10}{'p50 µs':>10}")
        for peer in peers:
            found = {
                name: statistics.median(one[name] for one in rounds[peer])
                if rounds[peer][0][name] is not None
                else None
                for name in ("cpu_us", "wall_us", "p50_us")
            }
            ratios = [
                mine["cpu_us"] / base["cpu_us"] for mine, base in zip(rounds[peer], rounds["reqwest"], strict=True)
            ]
            medians |= {(workload, peer, name): value for name, value in found.items()}
            best = min(one["cpu_us"] for one in rounds[peer])
            cells = f"{show(found['cpu_us']):>10}{show(best):>10}{statistics.median(ratios):>10.2f}×"
            print(f"  {NAMES[peer]:<28}{cells}{show(found['wall_us']):>10}{show(found['p50_us']):>10}")
    print("\nAdded by failing over, p50 µs (a call whose first target answers 500, less a direct call to the second)")
    for peer in WORKLOADS["failover"][1]:
        with_it, without = medians["failover", peer, "p50_us"], medians["call", peer, "p50_us"]
        if with_it is not None and without is not None:
            print(f"  {NAMES[peer]:<28}{with_it - without:>10.1f}")


if __name__ == "__main__":
    main()
