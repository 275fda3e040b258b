from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hotspare.simulator import Simulator

CANARY = "canary-0f8e7d6c5b4a39281706"

SLOW: dict[str, Any] = {"gap": "20ms", "reply": {"chunks": ["tick "] * 500}, "repeat": 1000}
"""A step whose stream takes ten seconds."""
HANG: dict[str, Any] = {"fault": "hang", "repeat": 1000}


class Lab:
    """A simulator and a config for it; one target a provider, `<name>/m`."""

    def __init__(self, **steps: list[dict[str, Any]]) -> None:
        providers = {
            name: {"dialect": "openai_chat", "reply": {"text": f"Hello from {name}."}, "steps": its_steps}
            for name, its_steps in steps.items()
        }
        self.simulator = Simulator({"providers": providers})
        self.config: dict[str, Any] = {
            "providers": {
                name: {
                    "dialect": "openai_chat",
                    "base_url": self.simulator.url(name),
                    "keys": [f"{CANARY}-{name}"],
                }
                for name in steps
            },
            "routes": {"default": {"targets": [f"{name}/m" for name in steps]}},
            # Tests count requests and events; what keeps connections warm comes when it comes.
            "standby": False,
        }

    def ends(self, provider: str = "a") -> list[str | None]:
        return [entry["end"] for entry in self.simulator.journal(provider)]

    def wait_for(self, condition: Callable[[], bool], seconds: float = 5) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, f"not in time; the journal is {self.simulator.journal()}"
            time.sleep(0.005)

    def wait_for_disconnects(self, count: int = 1) -> None:
        self.wait_for(lambda: self.ends().count("client_disconnected") >= count)


@pytest.fixture
def lab() -> Iterator[Callable[..., Lab]]:
    labs: list[Lab] = []

    def start(**steps: list[dict[str, Any]]) -> Lab:
        labs.append(Lab(**(steps or {"a": []})))
        return labs[-1]

    yield start
    for one in labs:
        one.simulator.close()


def start_python(program: str, config: dict[str, Any]) -> subprocess.Popen[str]:
    """A program in a process of its own, with `config` defined."""
    text = f"config = {config!r}\n{program}"
    return subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-W", "ignore::DeprecationWarning", "-c", text],
        env={**os.environ, "PYTHONMALLOC": "debug"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent,
    )


def run_python(program: str, config: dict[str, Any] | None = None, seconds: float = 30) -> str:
    """What a program prints, which must end well and say nothing on stderr."""
    process = start_python(program, config or {})
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert (process.returncode, err) == (0, ""), f"exit {process.returncode}: {out}{err}"
    return out


def assert_ctrl_c_ends(program: str, started: Lab) -> None:
    """Runs a program that says "ready", calls, and on Ctrl-C prints the time and waits: within 200 ms, and with its
    connection closed."""
    process = start_python(program, started.config)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    started.wait_for(lambda: len(started.ends()) == 1)
    time.sleep(0.1)
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert float(process.stdout.readline()) - sent < 0.2
    # The traceback is still there, and must not keep the connection open.
    started.wait_for_disconnects()
    assert process.communicate("\n", timeout=10) == ("", "")
