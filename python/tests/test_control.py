"""Sight and control: status, explain, hold and release, and events."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import pickle
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import hotspare
import pytest
from conftest import HANG, SLOW, Lab, run_python
from hotspare import events

Start = Callable[..., Lab]
FAILING: dict[str, Any] = {"status": 500, "repeat": 999}


def target(status: hotspare.Status, name: str) -> hotspare.TargetStatus:
    (found,) = [one for one in status.targets if one.target == name]
    return found


class Seen:
    """A callback that keeps what it gets."""

    def __init__(self) -> None:
        self.events: list[hotspare.Event] = []

    def __call__(self, event: hotspare.Event) -> None:
        self.events.append(event)

    def types(self) -> list[str]:
        return [event.type for event in self.events]

    def wait_for(self, kind: str, count: int = 1) -> None:
        until = time.monotonic() + 10
        while self.types().count(kind) < count:
            assert time.monotonic() < until, f"no {kind}: {self.types()}"
            time.sleep(0.005)


def test_status_tells_what_failed(lab: Start) -> None:
    client = hotspare.Client(lab(a=[FAILING], b=[]).config)
    fresh = client.status()
    assert [one.target for one in fresh.targets] == ["a/m", "b/m"]
    assert {one.state for one in fresh.targets} == {"closed"}
    assert [(key.provider, key.index, key.state) for key in fresh.keys] == [("a", 0, "open"), ("b", 0, "open")]
    for _ in range(10):
        with client.stream("hi") as stream:
            assert [event.target for event in stream][-1] == "b/m"
    status = client.status()
    assert status.at > fresh.at
    assert status.in_flight == 0
    assert not status.local_network_down
    assert 0 < status.retry_budget.left <= status.retry_budget.most
    failed, fine = target(status, "a/m"), target(status, "b/m")
    assert failed.state == "open"
    assert failed.why
    assert failed.next_probe is not None
    assert failed.next_probe > 0
    assert (failed.recent_errors[-1].code, failed.recent_errors[-1].status) == ("server", 500)
    assert failed.recent_errors[-1].ago >= 0
    assert (fine.state, fine.next_probe, fine.recent_errors) == ("closed", None, ())
    assert fine.latency.p50 is not None
    assert status.spent.max is None, "the model has no price"


def test_records_are_frozen_and_can_be_pickled(lab: Start) -> None:
    client = hotspare.Client(lab(a=[FAILING], b=[]).config)
    seen = Seen()
    client.on_event(seen)
    client.chat("hi")
    seen.wait_for("request_ended")
    for value in (client.status(), client.explain("hi"), *seen.events):
        copy = pickle.loads(pickle.dumps(value))
        assert copy == value
        assert hash(copy) == hash(value)
        assert repr(copy) == repr(value)
        record = value.to_dict()
        assert json.loads(json.dumps(record)) == record
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, dataclasses.fields(value)[0].name, None)
    assert client.status().to_dict()["targets"][0]["recent_errors"][0]["code"] == "server"


def test_a_held_target_is_not_called_until_released(lab: Start) -> None:
    started = lab(a=[], b=[])
    client = hotspare.Client(started.config)
    assert client.chat("hi").target == "a/m"
    assert client.hold("a/m") == 1
    assert client.chat("hi").target == "b/m"
    assert target(client.status(), "a/m").state == "forced_open"
    assert client.release("a") == 1
    assert client.chat("hi").target == "a/m"
    assert client.hold("b/*") == 1
    with pytest.raises(hotspare.InvalidRequestError, match=r'no target or provider is named "a/n"'):
        client.hold("a/n")
    client.close()
    for closed in (
        client.status,
        lambda: client.hold("a"),
        lambda: client.update_catalog(""),
        lambda: client.explain("hi"),
        lambda: client.on_event(print),
    ):
        with pytest.raises(RuntimeError, match="closed"):
            closed()


def test_a_target_forced_closed_is_called_whatever_it_does(lab: Start) -> None:
    started = lab(a=[FAILING], b=[])
    client = hotspare.Client(started.config)
    assert client.force_closed("a") == 1
    for _ in range(10):
        client.chat("hi")
    assert target(client.status(), "a/m").state == "forced_closed"
    assert len(started.ends("a")) == 10


def test_explain_gives_the_plan_and_sends_nothing(lab: Start) -> None:
    started = lab(a=[], b=[])
    client = hotspare.Client(started.config)
    client.hold("a/m")
    plan = client.explain([{"role": "user", "content": "hi"}], max_tokens=5, timeout=3)
    assert (plan.route, plan.timeout) == ("default", 3)
    assert plan.input_tokens > 0
    assert plan.max_attempts > 1
    assert {one.target: one.included for one in plan.targets} == {"a/m": False, "b/m": True}
    for one in plan.targets:
        assert one.reason
        assert bool(one.key) is one.included
        assert one.cost.min == 0
        assert one.cost.max is None
    assert client.explain("hi", route="b/m").targets[0].target == "b/m"
    with pytest.raises(hotspare.InvalidRequestError, match=r"messages\[0\]"):
        client.explain([{"role": "usr", "content": "hi"}])
    assert started.simulator.journal() == []


def test_explain_prices_what_the_catalog_knows(lab: Start) -> None:
    started = lab(openai=[])
    started.config["routes"]["default"]["targets"] = ["openai/gpt-4o-mini"]
    (one,) = hotspare.Client(started.config).explain("hi", max_tokens=100).targets
    assert one.cost.max is not None
    assert 0 < one.cost.min < one.cost.max < 0.01


def test_costs_are_ranges(lab: Start) -> None:
    started = lab(openai=[], b=[])
    started.config["routes"]["default"]["targets"] = ["openai/gpt-4o-mini"]
    reply = hotspare.Client(started.config).chat("hi")
    (attempt,) = reply.trail
    assert attempt.billing == "complete"
    assert attempt.cost_min_usd == attempt.cost_max_usd == attempt.cost_usd == reply.cost_usd
    assert (reply.cost_min_usd, reply.cost_max_usd) == (attempt.cost_min_usd, attempt.cost_max_usd)
    assert reply.spans == []
    with pytest.raises(hotspare.AllTargetsFailed) as caught:
        hotspare.Client(lab(a=[FAILING]).config).chat("hi")
    assert [one.billing for one in caught.value.trail] == ["rejected"] * len(caught.value.trail)
    assert (caught.value.cost_min_usd, caught.value.cost_max_usd) == (0, 0)
    assert (caught.value.last.cost_min_usd, caught.value.last.cost_max_usd) == (0, 0)


def test_facts_on_models_are_changed_at_run_time(lab: Start) -> None:
    started = lab(openai=[])
    started.config["routes"]["default"]["targets"] = ["openai/gpt-4o-mini"]
    client, seen = hotspare.Client(started.config), Seen()
    client.on_event(seen)
    before = client.chat("hi").cost_usd
    assert before is not None
    with pytest.raises(hotspare.ConfigError, match=r"`openai\.gpt-4o-mini\.ouput`.*did you mean `output`"):
        client.update_catalog("[openai.gpt-4o-mini]\ninput = 0\nouput = 0\n")
    assert client.chat("hi").cost_usd == before
    client.update_catalog("[openai.gpt-4o-mini]\ninput = 0\noutput = 0\n")
    assert client.chat("hi").cost_usd == 0
    client.update_catalog("")
    assert client.chat("hi").cost_usd == before, "what was said last stands in place of what was said before"
    seen.wait_for("request_ended", 4)
    told = [event for event in seen.events if event.type == "catalog"]
    assert [(event.layer, event.request) for event in told] == [("app", None)] * 3
    assert told[0].problem is not None
    assert "ouput" in told[0].problem
    assert [event.problem for event in told[1:]] == [None, None]
    client.close()


def test_events_tell_attempts_and_decisions_in_order(lab: Start) -> None:
    client = hotspare.Client(lab(a=[{"status": 500}], b=[]).config)
    seen, also = Seen(), Seen()
    client.on_event(seen)
    client.on_event(also)
    client.chat("hi")
    seen.wait_for("request_ended")
    also.wait_for("request_ended")
    assert seen.types() == [
        "request_started",
        "attempt_started",
        "attempt_ended",
        "attempt_started",
        "first_content",
        "attempt_ended",
        "request_ended",
    ]
    assert also.events == seen.events
    assert {event.request for event in seen.events} == {1}
    assert [event.at for event in seen.events] == sorted(event.at for event in seen.events)
    first, ended, last = seen.events[0], seen.events[2], seen.events[-1]
    assert isinstance(first, events.RequestStarted)
    assert (first.route, first.stream) == ("default", False)
    assert isinstance(ended, events.AttemptEnded)
    assert (ended.target, ended.code, ended.status, ended.billing) == ("a/m", "server", 500, "rejected")
    assert (ended.next, ended.cost) == ("next_target", hotspare.CostRange(0, 0))
    assert ended.reason
    assert last.type == "request_ended"
    assert (last.code, last.target, last.attempts) == ("ok", "b/m", 2)
    assert last.to_dict()["type"] == "request_ended"
    assert repr(first).startswith("RequestStarted(at=")

    client.hold("a/m")
    seen.wait_for("breaker")
    breaker = seen.events[-1]
    assert breaker.type == "breaker"
    assert (breaker.scope, breaker.name, breaker.from_, breaker.to) == ("target", "a/m", "closed", "forced_open")
    assert breaker.to_dict()["from"] == "closed"


def test_the_next_target_is_kept_warm(lab: Start) -> None:
    started = lab(a=[], b=[])
    config: dict[str, Any] = {**started.config, "standby": {"spares": 1}}
    config["providers"]["b"]["probe"] = "/models"
    client, seen = hotspare.Client(config), Seen()
    client.on_event(seen)
    client.chat("hi")
    seen.wait_for("probed")
    probed = next(event for event in seen.events if event.type == "probed")
    assert (probed.provider, probed.reached, probed.status) == ("b", True, 200)
    assert [(entry["method"], entry["chat"]) for entry in started.simulator.journal("b")] == [("GET", False)]


def test_a_callback_that_raises_is_told_and_stops_nothing(lab: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[object, object]] = []

    def hook(args: Any) -> None:
        told.append((args.exc_value, args.object))

    monkeypatch.setattr(sys, "unraisablehook", hook)

    def wrong(event: hotspare.Event) -> None:
        raise SystemExit(event.type)

    client, seen = hotspare.Client(lab().config), Seen()
    client.on_event(wrong)
    client.on_event(seen)
    client.chat("hi")
    seen.wait_for("request_ended")
    assert [str(error) for error, _ in told] == seen.types()
    assert {callback for _, callback in told} == {wrong}
    with pytest.raises(TypeError, match="callable"):
        client.on_event("print")  # pyright: ignore[reportArgumentType]


def test_a_callback_may_call_the_client(lab: Start) -> None:
    client, texts = hotspare.Client(lab(a=[], b=[]).config), list[str]()

    def seen(event: hotspare.Event) -> None:
        if event.type == "request_ended" and event.request == 1:
            texts.append(client.chat("hi", route="b/m").text + client.status().targets[0].state)

    client.on_event(seen)
    client.chat("hi")
    until = time.monotonic() + 10
    while not texts and time.monotonic() < until:
        time.sleep(0.005)
    assert texts == ["Hello from b.closed"]


def test_a_slow_callback_holds_nothing_up_and_is_told_what_it_missed(lab: Start) -> None:
    client, seen, go = hotspare.Client(lab().config), Seen(), threading.Event()

    def slow(event: hotspare.Event) -> None:
        go.wait()
        seen(event)

    client.on_event(slow)
    assert client.chat("hi").text == "Hello from a."
    for _ in range(3000):
        client.hold("a")
        client.release("a")
    sent = len(["request_started", "attempt_started", "first_content", "attempt_ended", "request_ended"]) + 6000
    go.set()
    seen.wait_for("events_dropped")
    client.hold("a")
    until = time.monotonic() + 10
    dropped = [event.count for event in seen.events if event.type == "events_dropped"]
    while len(seen.events) < sent + 1 + len(dropped) - sum(dropped) and time.monotonic() < until:
        time.sleep(0.01)
    assert len(dropped) == 1
    assert len(seen.events) - 1 + dropped[0] == sent + 1
    assert dropped[0] > 1000


def delivering() -> int:
    return sum(thread.name == "hotspare-events" for thread in threading.enumerate())


@pytest.mark.parametrize("how", ["close", "drop"])
def test_the_thread_ends_with_the_client(lab: Start, how: str) -> None:
    before = delivering()
    client, seen = hotspare.Client(lab().config), Seen()
    client.on_event(seen)
    assert delivering() == before + 1
    client.chat("hi")
    if how == "close":
        client.close()
    else:
        del client
    until = time.monotonic() + 10
    while delivering() > before and time.monotonic() < until:
        time.sleep(0.005)
    assert delivering() == before
    assert seen.types()[-1] == "request_ended", "what had happened was told"


def test_async_clients_have_the_same(lab: Start) -> None:
    started = lab(a=[], b=[])

    async def main() -> list[str]:
        loop, came = asyncio.get_running_loop(), asyncio.Queue[hotspare.Event]()
        async with hotspare.AsyncClient(started.config) as client:
            client.on_event(lambda event: loop.call_soon_threadsafe(came.put_nowait, event))
            assert client.hold("a") == 1
            assert (await client.chat("hi")).target == "b/m"
            assert client.release("a") == 1
            assert client.force_closed("a") == 1
            assert [one.state for one in client.status().targets] == ["forced_closed", "closed"]
            assert [one.included for one in client.explain("hi").targets] == [True, True]
            types: list[str] = []
            while types.count("breaker") < 2 or "request_ended" not in types:
                types.append((await asyncio.wait_for(came.get(), 10)).type)
            return types

    assert asyncio.run(main())[:2] == ["breaker", "request_started"]


EXIT = """
import hotspare
client = hotspare.Client(config)
client.on_event(lambda event: print(event.type, getattr(event, "code", "")))
client.chat("hi", route="b/m")
stream = client.stream("hi")
next(stream)
"""
BUSY_EXIT = """
import hotspare, sys, time
client = hotspare.Client(config)
def count(event):
    sum(range(1000))
client.on_event(count)
for _ in range(200):
    client.hold("a")
    client.release("a")
stream = client.stream("hi")
next(stream)
"""


def test_the_last_events_are_told_at_exit(lab: Start) -> None:
    lines = run_python(EXIT, lab(a=[SLOW], b=[]).config).splitlines()
    ended = [line for line in lines if line.startswith("request_ended")]
    assert ended[0] == "request_ended ok"
    # The connection's own task may be stopped before the stream's, which then breaks before it is cancelled.
    assert ended[1:] in (["request_ended cancelled"], ["request_ended stream_interrupted"])


def test_twenty_exits_with_busy_callbacks_are_clean(lab: Start) -> None:
    started = lab(a=[SLOW])
    for _ in range(20):
        run_python(BUSY_EXIT, started.config)


@pytest.mark.parametrize("what", ["time.sleep(60)", "client.chat('hi', route='b/m')", "raise SystemExit"])
def test_a_callback_cannot_keep_the_process(lab: Start, what: str) -> None:
    program = f"""
import hotspare, sys, time
sys.unraisablehook = lambda args: None
client = hotspare.Client(config)
def hang(event):
    {what}
client.on_event(hang)
client.chat("hi")
print("over")
"""
    began = time.monotonic()
    assert run_python(program, lab(a=[], b=[HANG]).config) == "over\n"
    assert time.monotonic() - began < 8


FORK = """
import hotspare, os, sys, threading
client = hotspare.Client(config)
done = threading.Event()
seen = []
def callback(event):
    seen.append((os.getpid(), event.type, event.request))
    if event.type == "request_ended":
        done.set()
client.on_event(callback)
client.chat("hi")
assert done.wait(10)
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        import signal
        signal.alarm(15)
        done.clear()
        del seen[:]
        assert all(thread.name != "hotspare-events" for thread in threading.enumerate()), "it calls first"
        client.chat("hi")
        assert done.wait(10)
        assert [(os.getpid(), "request_started", 1), (os.getpid(), "request_ended", 1)] == [seen[0], seen[-1]], seen
        client.hold("a")
        grandchild = os.fork()
        if grandchild == 0:
            del seen[:]
            assert client.status().targets[0].state == "closed", "a child's client knows nothing of the parent's"
            client.chat("hi")
            sys.exit(0)
        assert os.waitpid(grandchild, 0)[1] == 0
        sys.exit(0)
    assert os.waitpid(pid, 0)[1] == 0
assert {pid for pid, *_ in seen} == {os.getpid()}
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_the_child_of_a_fork_tells_its_own_events(lab: Start) -> None:
    run_python(FORK, lab().config)
