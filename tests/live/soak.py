"""Many streams at once for a while, with faults, through Rust and through Python: memory, open files and tasks must not
grow, and nothing may be left when all is let go. ``soak.py [SECONDS]``, each language; default 600."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from statistics import fmean, linear_regression
from typing import Any

from vendors import ROOT, simulate

STREAMS = 300
MEGABYTE = 1 << 20
# The mean of the last third of the samples may be so much over that of the middle third.
MEMORY_GROWS = 3 * MEGABYTE
FILES_DIFFER = 5
# At least this share of the streams must come to their end, or be left by their caller.
WELL_ENDED = 0.9

WORDS = " ".join(["steady"] * 20)
FAULTS: dict[str, dict[str, Any]] = {
    "overloaded": {"error": "overloaded"},
    "server": {"error": "server"},
    "rate_limit": {"error": "rate_limit", "headers": {"retry-after": "1"}},
    "reset": {"fault": "reset_before_head"},
    "torn head": {"fault": "reset_in_head"},
    "reset in the body": {"fault": "reset_mid_body"},
    "cut": {"fault": "cut", "after_chunks": 5},
    "clean cut": {"fault": "clean_cut", "after_chunks": 5},
    "no end": {"fault": "no_terminal_marker"},
    "bad event": {"fault": "malformed_event", "after_chunks": 3},
    "error event": {"fault": "error_event", "after_chunks": 4},
    "html": {"fault": "html"},
    "empty": {"fault": "empty"},
    "stall": {"fault": "stall", "after_chunks": 3},
    "hang": {"fault": "hang"},
    "pings": {"fault": "ping_only", "gap": "100ms"},
}


def provider(dialect: str, probability: float) -> dict[str, Any]:
    return {
        "dialect": dialect,
        "reply": {"text": WORDS},
        "latency": {"head": "5ms", "first_token": "100ms", "gap": "50ms", "jitter": 0.5},
        "random": [{"probability": probability, "step": step} for step in FAULTS.values()],
    }


# The first provider refuses connections for 3 s of every 30, so that breakers open and traffic moves and comes back.
def script(seconds: float) -> dict[str, Any]:
    refuses = [
        {"from": f"{start}s", "until": f"{start + 3}s", "step": {"fault": "refuse"}}
        for start in range(20, int(seconds), 30)
    ]
    return {
        "seed": 20,
        "providers": {
            "openai": provider("openai_chat", 0.01) | {"phases": refuses},
            "anthropic": provider("anthropic_messages", 0.005),
            "gemini": provider("gemini", 0.0),
        },
    }


def config(urls: dict[str, str]) -> dict[str, Any]:
    targets = ["openai/gpt-4o-mini", "anthropic/claude-haiku-4-5", "gemini/gemini-2.5-flash"]
    route: dict[str, Any] = {
        "targets": targets,
        "timeouts": {"total": "20s", "first_token": "2s", "idle": "2s", "connect": "1s"},
    }
    return {
        "providers": {name: {"base_url": url, "keys": ["key"]} for name, url in urls.items()},
        "routes": {
            "default": route,
            "restart": {**route, "stream_recovery": "restart"},
            "held": {**route, "hold_back": {"chars": 40}},
        },
    }


def soak(name: str, program: list[str], seconds: float) -> list[str]:
    """What is wrong, a line each."""
    print(f"{name}: {STREAMS} streams at once for {seconds:.0f} s", flush=True)
    with simulate(script(seconds), "release") as urls:
        task = {
            "config": config(urls),
            "routes": ["default", "restart", "held"],
            "streams": STREAMS,
            "seconds": seconds,
            "sample": max(seconds / 100, 0.5),
        }
        done = subprocess.run(program, input=json.dumps(task), stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        return [f"it ended with {done.returncode}"]
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    samples = [line["sample"] for line in lines if "sample" in line]
    found = {key: value for line in lines for key, value in line.items() if key != "sample"}
    return judge(samples, found, seconds)


def judge(samples: list[dict[str, float]], found: dict[str, Any], seconds: float) -> list[str]:
    wrong: list[str] = []
    warm = [sample for sample in samples if sample["at"] >= min(60, seconds / 4)]
    third = len(warm) // 3
    for what, unit in (("rss", MEGABYTE), ("fds", 1), ("tasks", 1), ("threads", 1)):
        values = [sample[what] / unit for sample in warm if what in sample]
        if not values:
            continue
        slope = linear_regression([sample["at"] for sample in warm], values).slope * 600
        middle, last = fmean(values[third : 2 * third]), fmean(values[2 * third :])
        print(f"  {what:<8} middle third {middle:8.1f}, last third {last:8.1f}, slope {slope:+8.2f} in 10 min")
        if what == "rss" and (last - middle) * unit > MEMORY_GROWS:
            wrong.append(f"memory grew from {middle:.1f} to {last:.1f} MB")
    before, drained, after = found["before"], found["drained"], found["after"]
    ends: dict[str, int] = drained["ends"]
    total = sum(ends.values())
    print(f"  {total} streams: " + ", ".join(f"{count} {end}" for end, count in sorted(ends.items())))
    print(f"  open files: {before['fds']} before, {after['fds']} after; tasks after: {after['tasks']}")
    if ends.get("ok", 0) + ends.get("left", 0) < WELL_ENDED * total:
        wrong.append(f"fewer than {WELL_ENDED:.0%} of the streams ended well")
    if abs(after["fds"] - before["fds"]) > FILES_DIFFER:
        wrong.append(f"{before['fds']} open files before, {after['fds']} after")
    if after["tasks"] != 0:
        wrong.append(f"{after['tasks']} tasks are left")
    for what in ("in_flight", "attempts", "reserved"):
        if drained.get(what, 0) != 0:
            wrong.append(f"`{what}` is {drained[what]} when all calls have ended")
    return wrong


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    programs = {
        "Rust": [str(ROOT / "target" / "release" / "hotspare-soak")],
        "Python": [sys.executable, str(Path(__file__).with_name("soak_client.py"))],
    }
    wrong = [f"{name}: {line}" for name, program in programs.items() for line in soak(name, program, seconds)]
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
