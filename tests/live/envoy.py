"""A second opinion: real Envoy and the core meet the same faults at the same time, each with simulated hosts A and B of
its own. Prints who gave up A when, and fails where the core does not do what the script expects. ``envoy.py --smoke``
plays three short scripts; without it, the table in ``docs/resilience/envoy.md`` is made anew."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from faults import SCRIPTS, Script
from proxy import LOOPBACK, ONE_TRY, bootstrap, ejecting, faulty, runtime_key
from vendors import DIRECT, ROOT, get, journal, simulate

PAGE = ROOT / "docs" / "resilience" / "envoy.md"
ENVOY = Path(sys.executable).with_name("envoy")
PACED = ROOT / "target" / "debug" / "hotspare-paced"
# Traffic must be back so long after A is good again (the issue's own number).
BACK_WITHIN = 30.0
SIDES = ("envoy", "core")
BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Say hi."}]}).encode()


@dataclass
class Side:
    """What one side did in one script. Times are seconds since the start."""

    gave_up: list[float] = field(default_factory=list)
    seen: list[tuple[float, bool]] = field(default_factory=list)
    """Every request that A saw, and whether A was good to it."""
    calls: int = 0
    failed: int = 0

    def bad(self) -> int:
        """Requests that A failed."""
        return sum(not good for _, good in self.seen)

    def back(self, script: Script) -> float | None:
        """When A first answered well again."""
        if not self.gave_up:
            return None
        return next((at for at, good in self.seen if good and at >= max(script.bad[1], self.gave_up[0])), None)


class Setup:
    """Ports and files of a run."""

    def __init__(self, scripts: list[Script], folder: Path) -> None:
        self.scripts = scripts
        self.folder = folder
        held = [socket.create_server((LOOPBACK, 0)) for _ in range(1 + 7 * len(scripts))]
        ports = [one.getsockname()[1] for one in held]
        for one in held:
            one.close()
        self.admin = ports.pop()
        self.hosts = {(s.name, side, host): ports.pop() for s in scripts for side in SIDES for host in "ab"}
        self.front = {s.name: ports.pop() for s in scripts}
        self.faults = {(s.name, side): ports.pop() for s in scripts if s.fault for side in SIDES}

    def way_to_a(self, script: Script, side: str) -> int:
        return self.faults.get((script.name, side), self.hosts[script.name, side, "a"])

    def log(self, script: Script, side: str) -> Path:
        return self.folder / f"{script.slug}-{side}.log"

    def ejections(self) -> Path:
        return self.folder / "ejections.log"

    def envoy(self) -> dict[str, Any]:
        parts: list[tuple[dict[str, Any], dict[str, Any]]] = []
        for script in self.scripts:
            hosts = [self.way_to_a(script, "envoy"), self.hosts[script.name, "envoy", "b"]]
            parts.append(ejecting(script, self.front[script.name], hosts))
            for side in SIDES if script.fault else ():
                name, to = f"{script.name} for {side}", self.hosts[script.name, side, "a"]
                log = str(self.log(script, side))
                parts.append(faulty(name, self.faults[script.name, side], to, script, log))
        return bootstrap(self.admin, parts, str(self.ejections()))

    def simulator(self) -> dict[str, Any]:
        providers: dict[str, Any] = {}
        for script in self.scripts:
            phases = [{"from": f"{script.bad[0]}s", "until": f"{script.bad[1]}s", "step": script.step}]
            for side in SIDES:
                for host in "ab":
                    port = self.hosts[script.name, side, host]
                    made: dict[str, Any] = {"dialect": "openai_chat", "port": port}
                    if host == "a":
                        made |= script.a
                    if script.step is not None and (host == "a" or script.both):
                        made["phases"] = phases
                    providers[f"{script.slug}-{host}-{side}"] = made
        return {"seed": 1, "providers": providers}

    def core(self, script: Script) -> dict[str, Any]:
        to = {"a": self.way_to_a(script, "core"), "b": self.hosts[script.name, "core", "b"]}
        providers = {
            name: {"dialect": "openai_chat", "base_url": f"http://{LOOPBACK}:{port}/v1", "keys": []}
            for name, port in to.items()
        }
        # Over a stream, so that the limit for the first token holds for whole answers as well.
        route = {
            "targets": ["a/m", "b/m"],
            "via_stream": True,
            "timeouts": {"total": "5s", "first_token": ONE_TRY, "connect": "1s"},
        }
        return {"providers": providers, "routes": {"default": route}}


@contextmanager
def envoy(setup: Setup) -> Iterator[None]:
    file = setup.folder / "envoy.json"
    file.write_text(json.dumps(setup.envoy()))
    # Logs are read when the run is over: they must be written by then.
    options = [
        "--concurrency",
        "1",
        "--disable-hot-restart",
        "--log-level",
        "error",
        "--file-flush-interval-msec",
        "200",
    ]
    process = subprocess.Popen([str(ENVOY), "-c", str(file), *options])
    try:
        began = time.monotonic()
        while True:
            try:
                get(f"http://{LOOPBACK}:{setup.admin}/ready")
                break
            except OSError:
                if process.poll() is not None or time.monotonic() - began > 30:
                    sys.exit("Envoy did not start")
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


def call_through_envoy(port: int) -> bool:
    """Whether the caller got an answer."""
    url = f"http://{LOOPBACK}:{port}/v1/chat/completions"
    request = urllib.request.Request(url, BODY, {"content-type": "application/json"})
    try:
        with DIRECT.open(request, timeout=10) as response:
            return "choices" in json.load(response)
    except (OSError, ValueError):
        return False


def paced_through_envoy(script: Script, port: int) -> list[bool]:
    with ThreadPoolExecutor(max_workers=32) as pool:
        began = time.monotonic()
        calls = []
        for number in range(int(script.seconds / script.every)):
            time.sleep(max(0.0, began + number * script.every - time.monotonic()))
            calls.append(pool.submit(call_through_envoy, port))
        return [call.result() for call in calls]


def paced_through_core(script: Script, setup: Setup) -> list[dict[str, Any]]:
    task = {"config": setup.core(script), "every_ms": int(script.every * 1000), "seconds": script.seconds}
    done = subprocess.run([str(PACED)], input=json.dumps(task), stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def switch_fault(script: Script, setup: Setup, started: float) -> None:
    assert script.fault is not None
    for at, percent in zip(script.bad, (script.fault.get("percent", 100), 0), strict=True):
        time.sleep(max(0.0, started + at - time.time()))
        url = f"http://{LOOPBACK}:{setup.admin}/runtime_modify?{runtime_key(script)}={percent}"
        DIRECT.open(urllib.request.Request(url, method="POST"), timeout=10).close()


def connect_failures(script: Script, setup: Setup) -> int:
    """Connections that Envoy could not make to A."""
    clusters = json.loads(get(f"http://{LOOPBACK}:{setup.admin}/clusters?format=json"))
    a = setup.way_to_a(script, "envoy")
    for cluster in clusters["cluster_statuses"]:
        for host in cluster.get("host_statuses", []) if cluster["name"] == script.name else []:
            if host["address"]["socket_address"]["port_value"] == a:
                counts = {stat["name"]: int(stat.get("value", 0)) for stat in host["stats"]}
                return counts["cx_connect_fail"]
    sys.exit(f"{script.name}: Envoy knows no such host")


def seen_by_a(script: Script, setup: Setup, side: str, started: float) -> list[tuple[float, bool]]:
    if script.fault:
        lines = [line.split() for line in setup.log(script, side).read_text().splitlines()]
        return sorted(
            (float(at) - started, code == "200" and flags == "-")
            for at, method, code, flags in lines
            if method == "POST"
        )
    entries = journal(f"http://{LOOPBACK}:{setup.hosts[script.name, side, 'a']}/v1")
    posts = [entry for entry in entries if entry["method"] == "POST"]
    # A 200 is good unless it is what the phase does.
    return [
        (entry["at_ms"] / 1000, entry["status"] == 200 and not (entry["step"] or "").startswith("phases"))
        for entry in posts
    ]


def play(script: Script, setup: Setup, started: float) -> dict[str, Side]:
    sides = {side: Side() for side in SIDES}
    with ThreadPoolExecutor() as pool:
        switched = [pool.submit(switch_fault, script, setup, started)] if script.fault else []
        through_envoy = pool.submit(paced_through_envoy, script, setup.front[script.name])
        began = time.time() - started
        events = paced_through_core(script, setup)
        answered = through_envoy.result()
        for one in switched:
            one.result()
    time.sleep(1)
    for side in SIDES:
        sides[side].seen = seen_by_a(script, setup, side, started)
    sides["envoy"].calls, sides["envoy"].failed = len(answered), answered.count(False)
    ends = [event for event in events if event["type"] == "request_ended"]
    sides["core"].calls, sides["core"].failed = len(ends), sum(event["code"] != "ok" for event in ends)
    for event in events:
        if event["type"] == "breaker" and event["to"] == "open" and event["name"] in ("a", "a/m"):
            sides["core"].gave_up.append(began + event["at"])
    starts = [
        began + event["at"] for event in events if event["type"] == "attempt_started" and event["target"] == "a/m"
    ]
    refuses = script.step is not None and script.step.get("fault") == "refuse"
    if refuses:
        # No request comes through a refused connection: what the callers tell of themselves stands in for it.
        sides["envoy"].seen += [(script.bad[0], False)] * connect_failures(script, setup)
        sides["core"].seen += [(at, False) for at in starts if script.bad[0] <= at < script.bad[1]]
    elif len(starts) != len(sides["core"].seen):
        sys.exit(f"{script.name}: we tell of {len(starts)} requests to A, which saw {len(sides['core'].seen)}")
    for line in setup.ejections().read_text().splitlines():
        event = json.loads(line)
        if (
            event["upstream_url"].endswith(f":{setup.way_to_a(script, 'envoy')}")
            and event["action"] == "EJECT"
            and event.get("enforced")
        ):
            at = datetime.fromisoformat(event["timestamp"].replace("Z", "+00:00")).timestamp()
            sides["envoy"].gave_up.append(at - started)
    return sides


def problems(script: Script, sides: dict[str, Side]) -> list[str]:
    core, found = sides["core"], []
    for side, expected in (("core", script.opens), ("envoy", script.ejects)):
        if expected is not None and bool(sides[side].gave_up) != expected:
            found.append(f"{side}: A {'was not' if expected else 'was'} given up")
        if sides[side].bad() == 0:
            found.append(f"{side}: A was never bad, so nothing was tried")
    if script.sees_at_most is not None and core.bad() > script.sees_at_most:
        found.append(f"A failed {core.bad()} requests of ours, expected at most {script.sees_at_most}")
    if core.failed > script.fails_at_most:
        found.append(f"{core.failed} of our calls failed")
    if script.opens and ((back := core.back(script)) is None or back - script.bad[1] > BACK_WITHIN):
        found.append(f"traffic was not back {BACK_WITHIN:.0f} s after A was good again")
    return [f"{script.name}: {line}" for line in found]


def row(script: Script, sides: dict[str, Side]) -> str:
    def when(at: float | None) -> str:
        return "–" if at is None else f"{at:.1f}"

    def times(side: Side) -> str:
        return ", ".join(f"{at:.1f}" for at in side.gave_up) or "never"

    envoy, core = sides["envoy"], sides["core"]
    period = f"{script.bad[0]:g}–{script.bad[1]:g}"
    cells = [
        script.title,
        period,
        times(envoy),
        times(core),
        when(envoy.back(script)),
        when(core.back(script)),
        f"{envoy.bad()} / {core.bad()}",
        f"{envoy.failed} / {core.failed} of {core.calls}",
        script.why,
    ]
    return "| " + " | ".join(cells) + " |"


HEAD = [
    "fault",
    "A is bad",
    "Envoy ejected at",
    "we opened at",
    "Envoy back at",
    "we back at",
    "requests A failed: Envoy / we",
    "failed calls: Envoy / we",
    "why",
]


def main() -> None:
    smoke = "--smoke" in sys.argv
    scripts = [script for script in SCRIPTS if script.smoke or not smoke]
    results: dict[str, dict[str, Side]] = {}
    with tempfile.TemporaryDirectory() as folder:
        setup = Setup(scripts, Path(folder))
        with envoy(setup), simulate(setup.simulator(), "debug"):
            started = time.time()
            with ThreadPoolExecutor(max_workers=len(scripts)) as pool:
                played = {script.name: pool.submit(play, script, setup, started) for script in scripts}
                results = {name: one.result() for name, one in played.items()}
    table = "\n".join(
        ["| " + " | ".join(HEAD) + " |", "|" + " --- |" * len(HEAD), *(row(s, results[s.name]) for s in scripts)]
    )
    print(table)
    if not smoke:
        text = PAGE.read_text()
        made = re.sub(r"(<!-- table -->\n).*(<!-- end -->)", lambda m: f"{m[1]}{table}\n{m[2]}", text, flags=re.DOTALL)
        PAGE.write_text(made)
    wrong = [line for script in scripts for line in problems(script, results[script.name])]
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
