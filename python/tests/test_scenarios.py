"""Runs every `tests/scenarios/*.json` through `Client` and `AsyncClient`, and leaves a report for the matrix."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import hotspare
from hotspare.simulator import Simulator

ROOT = Path(__file__).parent.parent.parent
SCENARIOS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "tests" / "scenarios").glob("*.json"))
}
COLUMNS = ["chat sync", "chat async", "stream sync", "stream async"]
AT_ONCE = 6
GRACE = 3.0
"""How much longer than said a call may take in real time: the machine may be busy."""

Came = hotspare.Reply | hotspare.HotspareError | None
"""What a call came to; None: it was cancelled."""


class Cancelled(Exception):
    """Raised by the alarm that cancels a sync call, as Ctrl-C would."""


def filled(value: Any, url: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return url(value[1:]) if value.startswith("$") else value
    if isinstance(value, list):
        return [filled(item, url) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, dict):
        return {key: filled(item, url) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return value


def streamed(texts: Iterable[str], reply: hotspare.Reply | None) -> hotspare.Reply:
    assert reply is not None, "the stream ended without a finish event or an error"
    assert "".join(texts) == reply.text
    return reply


def interrupted(texts: Iterable[str], error: hotspare.HotspareError) -> hotspare.HotspareError:
    assert "".join(texts) == (error.partial.text if error.partial else "")
    return error


def call_sync(client: hotspare.Client, stream: bool, request: dict[str, Any], cancel_after: float | None) -> Came:
    def alarm(*_: object) -> None:
        raise Cancelled

    texts: list[str] = []
    if cancel_after is not None:
        signal.signal(signal.SIGALRM, alarm)
        signal.setitimer(signal.ITIMER_REAL, cancel_after)
    try:
        if not stream:
            return client.chat(**request)
        events = client.stream(**request)
        texts.extend(event.text for event in events)
        return streamed(texts, events.reply)
    except Cancelled:
        return None
    except hotspare.HotspareError as error:
        return interrupted(texts, error) if stream else error
    finally:
        if cancel_after is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)


async def call_async(
    client: hotspare.AsyncClient, stream: bool, request: dict[str, Any], cancel_after: float | None
) -> Came:
    texts: list[str] = []

    async def call() -> hotspare.Reply:
        if not stream:
            return await client.chat(**request)
        events = client.stream(**request)
        async for event in events:
            texts.append(event.text)
        return streamed(texts, events.reply)

    try:
        return await asyncio.wait_for(call(), cancel_after)
    except hotspare.HotspareError as error:
        return interrupted(texts, error) if stream else error
    except asyncio.TimeoutError:
        return None


def compare(came: Came, took: float, expect: dict[str, Any]) -> None:
    least, most = expect.get("elapsed", (0, float("inf")))
    assert least - 0.002 <= took <= most + GRACE, f"it took {took:.3f} s"
    if came is None:
        assert expect.get("cancelled"), "it was cancelled"
        return
    assert not expect.get("cancelled"), f"it was not cancelled: {came!r}"
    if isinstance(came, hotspare.Reply):
        assert "error" not in expect, f"it was answered: {came!r}"
        for key, name in {"finish": "finish_reason"}.items() | {
            (key, key) for key in ("text", "reasoning", "refusal", "target")
        }:
            if key in expect:
                assert getattr(came, name) == expect[key], name
        if "tool_calls" in expect:
            calls = [{"name": call.name, "arguments": call.arguments} for call in came.tool_calls]
            assert calls == expect["tool_calls"]
        for name, count in expect.get("usage", {}).items():
            assert getattr(came.usage, name) == count, name
    else:
        assert "error" in expect, f"it failed: {came!r}"
        compare_error(came, expect["error"])
    if "attempts" in expect:
        wanted = expect["attempts"]
        assert [(one.target, one.code) for one in came.trail] == [(one["target"], one["code"]) for one in wanted]
        for attempt, one in zip(came.trail, wanted, strict=True):
            for name in ("status", "next"):
                if one.get(name) is not None:
                    assert getattr(attempt, name) == one[name], name
            least, most = one.get("wait", (0, float("inf")))
            assert least <= attempt.wait <= most, "wait"


def compare_error(error: hotspare.HotspareError, wanted: dict[str, Any]) -> None:
    code = wanted["class"] if wanted["kind"] == "failed" else wanted["kind"]
    names = {value: key for key, value in vars(hotspare).items() if isinstance(value, type)}
    assert (error.code, names[type(error)]) == (code, dict(hotspare._native.exceptions())[code])
    assert error.class_ == wanted.get("class", error.class_)
    assert error.status == wanted.get("status", error.status)
    if "retry_after" in wanted:
        least, most = wanted["retry_after"]
        assert error.retry_after is not None
        assert least <= error.retry_after <= most
    if "partial" in wanted:
        assert error.partial is not None
        assert error.partial.text == wanted["partial"]
    assert wanted.get("names", "") in str(error)


def seen(simulator: Simulator, wanted: dict[str, dict[str, int]]) -> None:
    """What the providers saw. A disconnect is noticed a moment later."""
    until = time.monotonic() + 2
    while True:
        found: dict[str, dict[str, int]] = {}
        for provider in wanted:
            ends = [entry["end"] for entry in simulator.journal(provider)]
            counts = {"requests": len(ends), "disconnected": ends.count("client_disconnected")}
            found[provider] = {name: counts[name] for name in wanted[provider]}
        if found == wanted or time.monotonic() > until:
            assert found == wanted
            return
        time.sleep(0.02)


def run(scenario: dict[str, Any], column: str) -> None:
    mode, way = column.split()
    with Simulator(scenario["script"]) as simulator:
        config = filled(scenario["config"], simulator.url)
        client: Any = (hotspare.Client if way == "sync" else hotspare.AsyncClient)(config)
        for call in scenario["calls"]:
            time.sleep(call.get("after", 0))
            request = {"messages": "Say hi", **call.get("request", {})}
            began = time.monotonic()
            arguments = (client, mode == "stream", request, call.get("cancel_after"))
            came = call_sync(*arguments) if way == "sync" else asyncio.run(call_async(*arguments))
            took = time.monotonic() - began
            compare(came, took, {**call["expect"], **call.get(f"expect_{mode}", {})})
        seen(simulator, scenario.get("server", {}))


def outcome(cell: tuple[str, str]) -> str:
    name, column = cell
    try:
        run(SCENARIOS[name], column)
    except Exception as error:
        return f"failed: {error!r}"
    return "ok"


@pytest.fixture(scope="module")
def results() -> dict[str, dict[str, str]]:
    """Everything, some at once since most of it is waiting. Signals need the main thread."""
    cells = [
        (name, column) for name in SCENARIOS for column in COLUMNS if column.split()[0] in SCENARIOS[name]["modes"]
    ]
    alarms = [
        cell
        for cell in cells
        if "sync" in cell[1].split() and any("cancel_after" in call for call in SCENARIOS[cell[0]]["calls"])
    ]
    results: dict[str, dict[str, str]] = {name: {} for name in SCENARIOS}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        rest = [cell for cell in cells if cell not in alarms]
        for (name, column), result in zip(rest, pool.map(outcome, rest), strict=True):
            results[name][column] = result
    for name, column in alarms:
        results[name][column] = outcome((name, column))
    report = ROOT / "target" / "scenario-matrix" / "python.json"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps({"columns": COLUMNS, "results": results}))
    return results


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) > 100


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str, results: dict[str, dict[str, str]]) -> None:
    assert {column: result for column, result in results[name].items() if result != "ok"} == {}
    assert results[name]
