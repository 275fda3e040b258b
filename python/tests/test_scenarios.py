"""Runs every `tests/scenarios/*.json` through the Python client, sync and async, and leaves a report for the matrix."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import hotspare
import jsonschema
import pytest
from hotspare.simulator import Simulator

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "tests" / "scenarios").glob("*.json"))}
WAYS = ("sync", "async")
RESULTS: dict[str, dict[str, str]] = {}
# How much longer than said a call may take: the machine may be busy.
GRACE = 3.0

Json = dict[str, Any]
Came = hotspare.Reply | hotspare.HotspareError | None


def cases() -> list[Any]:
    return [
        pytest.param(name, mode, way, id=f"{name}-{mode}-{way}")
        for name, scenario in SCENARIOS.items()
        for mode in scenario["modes"]
        for way in WAYS
    ]


@pytest.fixture(scope="module", autouse=True)
def report() -> Any:
    yield
    folder = ROOT / "target" / "scenario-matrix"
    folder.mkdir(parents=True, exist_ok=True)
    columns = [f"{mode} {way}" for mode in ("chat", "stream") for way in WAYS]
    (folder / "python.json").write_text(json.dumps({"columns": columns, "results": RESULTS}))


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario_has_its_shape(name: str) -> None:
    schema = json.loads((ROOT / "tests" / "schema" / "scenario.schema.json").read_text())
    jsonschema.validate(SCENARIOS[name], schema)


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "incidents").glob("*.json")), ids=lambda path: path.stem)
def test_incident_has_its_shape(path: Path) -> None:
    """The incidents run in Rust alone, but their files, and so the simulator's scripts, have schemas."""
    schema, script = (
        json.loads((ROOT / "tests" / "schema" / f"{name}.schema.json").read_text()) for name in ("incident", "script")
    )
    incident = json.loads(path.read_text())
    jsonschema.validate(incident["script"], script)
    schema["properties"]["script"] = True
    jsonschema.validate(incident, schema)


@pytest.mark.parametrize(("name", "mode", "way"), cases())
def test_scenario(name: str, mode: str, way: str) -> None:
    cell = RESULTS.setdefault(name, {})
    cell[f"{mode} {way}"] = "failed"
    run(SCENARIOS[name], mode, way)
    cell[f"{mode} {way}"] = "ok"


def run(scenario: Json, mode: str, way: str) -> None:
    with Simulator(scenario["script"]) as simulator:
        config = with_urls(scenario["config"], simulator.url)
        if way == "sync":
            with hotspare.Client(config) as client:
                for call in scenario["calls"]:
                    time.sleep(call.get("after", 0))
                    check(call, mode, lambda call=call: sync_call(client, call, mode))
        else:
            asyncio.run(async_calls(config, scenario["calls"], mode))
        check_server(scenario.get("server", {}), simulator)


def with_urls(value: Any, url: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return url(value[1:]) if value.startswith("$") else value
    if isinstance(value, list):
        return [with_urls(one, url) for one in cast(list[Any], value)]
    if isinstance(value, dict):
        return {name: with_urls(one, url) for name, one in cast(Json, value).items()}
    return value


def arguments(call: Json) -> tuple[Any, Json]:
    request = dict(call.get("request", {"messages": "Say hi"}))
    return request.pop("messages"), request


def check(call: Json, mode: str, make: Callable[[], Came]) -> None:
    began = time.monotonic()
    came = make()
    compare(came, call, mode, time.monotonic() - began)


def sync_call(client: hotspare.Client, call: Json, mode: str) -> Came:
    messages, options = arguments(call)
    cancel_after = call.get("cancel_after")
    if cancel_after is not None:
        return sync_cancelled(client, messages, options, mode, cancel_after)
    try:
        if mode == "chat":
            return client.chat(messages, **options)
        text = ""
        with client.stream(messages, **options) as stream:
            try:
                for event in stream:
                    text += event.text
            except hotspare.StreamInterrupted as error:
                assert error.partial.text == text, "the partial is what was delivered"
                return error
        return finished(stream.reply, text)
    except hotspare.HotspareError as error:
        return error


def sync_cancelled(client: hotspare.Client, messages: Any, options: Json, mode: str, after: float) -> None:
    """A sync caller goes away by an exception in the main thread, as Ctrl-C raises it."""
    import _thread
    import threading

    timer = threading.Timer(after, _thread.interrupt_main)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            if mode == "chat":
                client.chat(messages, **options)
            else:
                with client.stream(messages, **options) as stream:
                    for _ in stream:
                        pass
    finally:
        timer.cancel()


async def async_calls(config: Json, calls: list[Json], mode: str) -> None:
    async with hotspare.AsyncClient(config) as client:
        for call in calls:
            await asyncio.sleep(call.get("after", 0))
            began = time.monotonic()
            made = async_call(client, call, mode)
            if "cancel_after" in call:
                try:
                    came = await asyncio.wait_for(made, call["cancel_after"])
                except asyncio.TimeoutError:
                    came = None
            else:
                came = await made
            compare(came, call, mode, time.monotonic() - began)


async def async_call(client: hotspare.AsyncClient, call: Json, mode: str) -> Came:
    messages, options = arguments(call)
    try:
        if mode == "chat":
            return await client.chat(messages, **options)
        text = ""
        async with client.stream(messages, **options) as stream:
            try:
                async for event in stream:
                    text += event.text
            except hotspare.StreamInterrupted as error:
                assert error.partial.text == text, "the partial is what was delivered"
                return error
        return finished(stream.reply, text)
    except hotspare.HotspareError as error:
        return error


def finished(reply: hotspare.Reply | None, text: str) -> hotspare.Reply:
    assert reply is not None
    assert reply.text == text, "the events add up to the reply"
    return reply


def compare(came: Came, call: Json, mode: str, took: float) -> None:
    expect = {**call["expect"], **call.get(f"expect_{mode}", {})}
    if "elapsed" in expect:
        least, most = expect["elapsed"]
        assert least - 0.002 <= took <= most + GRACE
    if expect.get("cancelled"):
        assert came is None
        return
    if "error" in expect:
        assert isinstance(came, hotspare.HotspareError), f"answered: {came!r}"
        compare_error(came, expect["error"])
        compare_trail(came.trail, expect)
        return
    if isinstance(came, hotspare.HotspareError):
        raise came
    assert came is not None
    for name in ("text", "reasoning", "refusal", "target"):
        if name in expect:
            assert getattr(came, name) == expect[name]
    if "finish" in expect:
        assert came.finish_reason == expect["finish"]
    if "tool_calls" in expect:
        assert [{"name": one.name, "arguments": one.arguments} for one in came.tool_calls] == expect["tool_calls"]
    for name, count in expect.get("usage", {}).items():
        assert getattr(came.usage, name) == count
    compare_trail(came.trail, expect)


KINDS: dict[str, type[hotspare.HotspareError]] = {
    "all_targets_failed": hotspare.AllTargetsFailed,
    "stream_interrupted": hotspare.StreamInterrupted,
    "failed": hotspare.HotspareError,
}


def compare_error(error: hotspare.HotspareError, expect: Json) -> None:
    assert isinstance(error, KINDS[expect["kind"]])
    if expect["kind"] == "failed":
        assert not isinstance(error, (hotspare.AllTargetsFailed, hotspare.StreamInterrupted))
    if "class" in expect:
        assert error.class_ == expect["class"]
    if "status" in expect:
        assert error.status == expect["status"]
    if "retry_after" in expect:
        least, most = expect["retry_after"]
        assert error.retry_after is not None
        assert least <= error.retry_after <= most
    if "partial" in expect:
        assert isinstance(error, hotspare.StreamInterrupted)
        assert error.partial.text == expect["partial"]
    assert expect.get("names", "") in str(error)


def compare_trail(trail: Any, expect: Json) -> None:
    if "attempts" not in expect:
        return
    assert [(one.target, one.code) for one in trail] == [(one["target"], one["code"]) for one in expect["attempts"]]
    for attempt, wanted in zip(trail, expect["attempts"], strict=True):
        if "status" in wanted:
            assert attempt.status == wanted["status"]
        if "next" in wanted:
            assert attempt.next == wanted["next"]
        if "wait" in wanted:
            assert wanted["wait"][0] <= attempt.wait <= wanted["wait"][1]


def check_server(expect: Json, simulator: Simulator) -> None:
    """A disconnect is noticed a moment later."""
    deadline = time.monotonic() + 5
    while True:
        try:
            for provider, wanted in expect.items():
                journal = simulator.journal()
                entries = [entry for entry in journal if entry["provider"] == provider and entry["chat"]]
                if "requests" in wanted:
                    assert len(entries) == wanted["requests"]
                if "disconnected" in wanted:
                    left = [entry for entry in entries if entry["end"] == "client_disconnected"]
                    assert len(left) == wanted["disconnected"]
            return
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
