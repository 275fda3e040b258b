"""Runs every `tests/scenarios/*.json` through the Python client, sync and async, and leaves a report for the matrix."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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


@dataclass
class Came:
    """What a call came to; `ended` is None when it was cancelled."""

    ended: hotspare.Reply | hotspare.HotspareError | None
    restarts: int = 0
    continues: int = 0


class Heard:
    """What a stream's events said."""

    def __init__(self, stream: hotspare.Stream | hotspare.AsyncStream) -> None:
        self.stream = stream
        self.text = ""
        self.target: str | None = None
        self.counts: Counter[str] = Counter()

    def hear(self, event: hotspare.StreamEvent) -> None:
        self.counts[event.type] += 1
        if event.type in ("restart", "continue"):
            self.target = event.target
        if event.type == "restart":
            self.text = ""
        self.text += event.text

    def came(self, ended: hotspare.Reply | hotspare.HotspareError | None) -> Came:
        return Came(ended, self.counts["restart"], self.counts["continue"])

    def interrupted(self, error: hotspare.StreamInterrupted) -> Came:
        assert error.partial.text == self.text, "the partial is what was delivered"
        return self.came(error)

    def finished(self) -> Came:
        reply = self.stream.reply
        assert reply is not None
        assert reply.text == self.text, "the events add up to the reply"
        assert self.target in (None, reply.target), "the last to take over is the one that answered"
        return self.came(reply)


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
def test_scenario(name: str, mode: str, way: str, tmp_path: Path) -> None:
    cell = RESULTS.setdefault(name, {})
    cell[f"{mode} {way}"] = "failed"
    run(SCENARIOS[name], mode, way, tmp_path)
    cell[f"{mode} {way}"] = "ok"


def run(scenario: Json, mode: str, way: str, folder: Path) -> None:
    write(scenario.get("files", {}), folder)
    with Simulator(scenario["script"]) as simulator:
        config = placed(scenario["config"], simulator.url, folder)
        if way == "sync":
            sync_calls(config, scenario["calls"], mode, folder)
        else:
            asyncio.run(async_calls(config, scenario["calls"], mode, folder))
        check_server(scenario.get("server", {}), simulator)


def write(files: Mapping[str, str], folder: Path) -> None:
    for name, content in files.items():
        (folder / name).write_text(content)


def placed(value: Any, url: Callable[[str], str], folder: Path) -> Any:
    if isinstance(value, str):
        if value.startswith("file:$"):
            return f"file:{folder / value.removeprefix('file:$')}"
        return url(value[1:]) if value.startswith("$") else value
    if isinstance(value, list):
        return [placed(one, url, folder) for one in cast(list[Any], value)]
    if isinstance(value, dict):
        return {name: placed(one, url, folder) for name, one in cast(Json, value).items()}
    return value


def prepare(call: Json, client: hotspare.Client | hotspare.AsyncClient, folder: Path) -> None:
    write(call.get("files", {}), folder)
    for name, act in (("hold", "hold"), ("keep_closed", "force_closed"), ("release", "release")):
        if name in call:
            getattr(client, act)(call[name])


def arguments(call: Json) -> tuple[Any, Json]:
    request = dict(call.get("request", {"messages": "Say hi"}))
    return request.pop("messages"), request


def sync_calls(config: Json, calls: list[Json], mode: str, folder: Path) -> None:
    with hotspare.Client(config) as client:
        for call in calls:
            time.sleep(call.get("after", 0))
            prepare(call, client, folder)
            for _ in range(call.get("repeat", 1)):
                for came, took in sync_at_once(client, call, mode):
                    compare(came, call, mode, took)
            check_status(call, client)


def sync_at_once(client: hotspare.Client, call: Json, mode: str) -> list[tuple[Came, float]]:
    def timed() -> tuple[Came, float]:
        began = time.monotonic()
        return sync_call(client, call, mode), time.monotonic() - began

    count = call.get("concurrent", 1)
    if count == 1:
        # In the main thread, which is the one that Ctrl-C reaches.
        return [timed()]
    with ThreadPoolExecutor(count) as threads:
        return [future.result() for future in [threads.submit(timed) for _ in range(count)]]


def sync_call(client: hotspare.Client, call: Json, mode: str) -> Came:
    messages, options = arguments(call)
    cancel_after = call.get("cancel_after")
    if cancel_after is not None:
        sync_cancelled(client, messages, options, mode, cancel_after)
        return Came(None)
    try:
        if mode == "chat":
            return Came(client.chat(messages, **options))
        with client.stream(messages, **options) as stream:
            heard = Heard(stream)
            try:
                for event in stream:
                    heard.hear(event)
            except hotspare.StreamInterrupted as error:
                return heard.interrupted(error)
        return heard.finished()
    except hotspare.HotspareError as error:
        return Came(error)


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


async def async_calls(config: Json, calls: list[Json], mode: str, folder: Path) -> None:
    async with hotspare.AsyncClient(config) as client:
        for call in calls:
            await asyncio.sleep(call.get("after", 0))
            prepare(call, client, folder)
            for _ in range(call.get("repeat", 1)):
                at_once = [async_timed(client, call, mode) for _ in range(call.get("concurrent", 1))]
                for came, took in await asyncio.gather(*at_once):
                    compare(came, call, mode, took)
            check_status(call, client)


async def async_timed(client: hotspare.AsyncClient, call: Json, mode: str) -> tuple[Came, float]:
    began = time.monotonic()
    made = async_call(client, call, mode)
    if "cancel_after" in call:
        try:
            came = await asyncio.wait_for(made, call["cancel_after"])
        except asyncio.TimeoutError:
            came = Came(None)
    else:
        came = await made
    return came, time.monotonic() - began


async def async_call(client: hotspare.AsyncClient, call: Json, mode: str) -> Came:
    messages, options = arguments(call)
    try:
        if mode == "chat":
            return Came(await client.chat(messages, **options))
        async with client.stream(messages, **options) as stream:
            heard = Heard(stream)
            try:
                async for event in stream:
                    heard.hear(event)
            except hotspare.StreamInterrupted as error:
                return heard.interrupted(error)
        return heard.finished()
    except hotspare.HotspareError as error:
        return Came(error)


def compare(came: Came, call: Json, mode: str, took: float) -> None:
    expect = {**call["expect"], **call.get(f"expect_{mode}", {})}
    if "elapsed" in expect:
        least, most = expect["elapsed"]
        assert least - 0.002 <= took <= most + GRACE
    for name in ("restarts", "continues"):
        if name in expect:
            assert getattr(came, name) == expect[name]
    ended = came.ended
    if expect.get("cancelled"):
        assert ended is None
        return
    assert ended is not None
    if "error" in expect:
        assert isinstance(ended, hotspare.HotspareError), f"answered: {ended!r}"
        compare_error(ended, expect["error"])
    elif isinstance(ended, hotspare.HotspareError):
        raise ended
    else:
        compare_reply(ended, expect)
    if "cost" in expect:
        compare_cost(ended, expect["cost"])
    compare_trail(ended.trail, expect)


def compare_reply(reply: hotspare.Reply, expect: Json) -> None:
    for name in ("text", "reasoning", "refusal", "target"):
        if name in expect:
            assert getattr(reply, name) == expect[name]
    if "finish" in expect:
        assert reply.finish_reason == expect["finish"]
    if "tool_calls" in expect:
        assert [{"name": one.name, "arguments": one.arguments} for one in reply.tool_calls] == expect["tool_calls"]
    if "spans" in expect:
        assert [[one.target, reply.text[one.start : one.end]] for one in reply.spans] == expect["spans"]
    for name, count in expect.get("usage", {}).items():
        assert getattr(reply.usage, name) == count


def compare_cost(found: hotspare.Reply | hotspare.HotspareError | hotspare.Attempt, expect: list[float | None]) -> None:
    # Sums of decimal fractions are not exact; a token costs more than this.
    for cost, wanted in zip((found.cost_min_usd, found.cost_max_usd), expect, strict=True):
        assert cost == (None if wanted is None else pytest.approx(wanted, abs=1e-9))


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
        if "billing" in wanted:
            assert attempt.billing == wanted["billing"]
        if "cost" in wanted:
            compare_cost(attempt, wanted["cost"])


def check_status(call: Json, client: hotspare.Client | hotspare.AsyncClient) -> None:
    if "status" not in call:
        return
    found = {one.target: one for one in client.status().targets}
    for name, wanted in call["status"].items():
        assert found[name].state == wanted.get("state", found[name].state)
        if "next_probe" in wanted:
            least, most = wanted["next_probe"]
            next_probe = found[name].next_probe
            assert next_probe is not None
            assert least - GRACE <= next_probe <= most
        if "concurrency" in wanted:
            assert found[name].concurrency == wanted["concurrency"]


def check_server(expect: Json, simulator: Simulator) -> None:
    """A disconnect is noticed a moment later."""
    deadline = time.monotonic() + 5
    while True:
        try:
            for provider, wanted in expect.items():
                check_provider(wanted, simulator.journal(provider))
            return
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def check_provider(wanted: Json, journal: list[Json]) -> None:
    """Only what may cost money: a free request keeps a connection warm, and no scenario counts on it."""
    entries = [entry for entry in journal if entry["chat"] or entry["embed"]]
    left = [entry for entry in entries if entry["end"] == "client_disconnected"]
    for name, found in (("requests", entries), ("disconnected", left)):
        if name in wanted:
            count = wanted[name]
            least, most = cast(list[int], count) if isinstance(count, list) else (count, count)
            assert least <= len(found) <= most, name
    if "at_once" in wanted:
        assert max(under_way(entries, entry["at_ms"]) for entry in entries) == wanted["at_once"]
    if "asked" in wanted:
        for asked in (entry["asked"] for entry in entries if entry["chat"]):
            assert {**asked, **wanted["asked"]} == asked
    if "keys" in wanted:
        named = {short_hash(key): key for key in wanted["keys"]}
        used = Counter(named.get(entry["key"], entry["key"]) for entry in entries)
        assert {**dict.fromkeys(wanted["keys"], 0), **used} == wanted["keys"]


def under_way(entries: list[Json], at: int) -> int:
    return sum(entry["at_ms"] <= at and (entry["ended_ms"] is None or entry["ended_ms"] > at) for entry in entries)


def short_hash(key: str) -> str:
    """A key as the journal shows it: the upper half of its FNV-1a hash."""
    value = 0xCBF29CE484222325
    for byte in key.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value >> 32:08x}"
