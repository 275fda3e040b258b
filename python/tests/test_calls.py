"""Sync calls and streams, and what comes back."""

from __future__ import annotations

import json
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hotspare
import pytest
from conftest import SLOW, Lab
from hotspare import Client
from hotspare.simulator import Simulator

Start = Callable[..., Lab]


def test_a_reply_has_its_fields(lab: Start) -> None:
    started = lab(a=[{"status": 500}], b=[])
    reply = Client(started.config).chat("hi")
    assert reply.text == "Hello from b."
    assert (reply.target, reply.model, reply.finish_reason, reply.finish_raw) == ("b/m", "m", "stop", "stop")
    assert reply.reasoning == ""
    assert reply.refusal is None
    assert reply.tool_calls == []
    assert reply.usage.reported
    assert reply.usage.total_tokens == reply.usage.input_tokens + reply.usage.output_tokens > 0
    assert reply.cost_usd is None
    assert reply.elapsed > 0
    assert reply.created > 1_700_000_000
    first, last = reply.trail[0], reply.trail[-1]
    assert (first.target, first.code, first.status, first.phase, first.sent) == (
        "a/m",
        "server",
        500,
        "head",
        "yes",
    )
    assert first.message
    assert first.key != last.key
    assert (last.target, last.code, last.next, last.message) == ("b/m", "ok", "finish", None)
    assert 0 <= first.started <= first.ended <= last.started <= last.ended
    assert reply.message == {"role": "assistant", "content": "Hello from b."}
    openai = reply.to_openai()
    assert openai["object"] == "chat.completion"
    assert openai["choices"][0]["message"]["content"] == reply.text
    assert reply.to_dict()["trail"][0]["outcome"]["failed"]["class"] == "server"
    assert json.loads(json.dumps(reply.to_dict())) == reply.to_dict()
    assert repr(reply) == 'Reply(target="b/m", finish_reason="stop", text="Hello from b.")'


def test_tool_calls_go_back_as_history(lab: Start) -> None:
    call = {"id": "call_1", "name": "add", "arguments": '{"a": 1}'}
    started = lab(a=[{"reply": {"text": "", "tool_calls": [call], "finish": "tool_calls"}}])
    client = Client(started.config)
    tool = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
    reply = client.chat("1+1?", tools=[tool], tool_choice="auto")
    (called,) = reply.tool_calls
    assert (called.id, called.name, called.arguments) == ("call_1", "add", '{"a": 1}')
    assert reply.finish_reason == "tool_calls"
    assert reply.message["tool_calls"][0]["function"]["name"] == "add"
    result = {"role": "tool", "tool_call_id": called.id, "content": "2"}
    question = {"role": "user", "content": "1+1?"}
    for history in ([question, reply.message, result], (question, reply, result)):
        assert client.chat(history).text == "Hello from a."


class Model:
    """Like a pydantic model."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def model_dump(self, *, mode: str = "python", exclude_none: bool = False) -> dict[str, Any]:
        assert (mode, exclude_none) == ("json", True)
        return self.fields


def test_messages_may_be_models(lab: Start) -> None:
    started = lab()
    model = Model(role="user", content=[Model(type="text", text="hi")])
    assert Client(started.config).chat([model]).text == "Hello from a."
    with pytest.raises(TypeError, match=r"not set"):
        Client(started.config).chat([{"role": "user", "content": {1, 2}}])
    with pytest.raises(TypeError, match=r"not the class Model"):
        Client(started.config).chat("hi", response_format=Model)  # pyright: ignore[reportArgumentType]


def test_a_stream_gives_events_then_the_reply(lab: Start) -> None:
    started = lab(a=[{"reply": {"chunks": ["Hel", "lo"], "reasoning": "hm"}}])
    with Client(started.config).stream("hi") as stream:
        assert stream.target == "a/m"
        events = list(stream)
        assert list(stream) == []
    assert [event.type for event in events][-3:] == ["text", "text", "finish"]
    assert "".join(event.text for event in events) == "Hello"
    assert "".join(event.reasoning for event in events) == "hm"
    assert stream.reply is not None
    assert events[-1].reply is not None
    assert stream.reply.text == events[-1].reply.text == "Hello"
    assert repr(events[-2]) == 'StreamEvent(type="text", text="lo")'


def test_a_stream_of_tool_calls(lab: Start) -> None:
    call = {"id": "call_1", "name": "add", "arguments": '{"a": 1}'}
    started = lab(a=[{"reply": {"text": "", "tool_calls": [call], "finish": "tool_calls"}}])
    deltas = [event.tool_call for event in Client(started.config).stream("hi") if event.tool_call is not None]
    assert (deltas[0].index, deltas[0].id, deltas[0].name) == (0, "call_1", "add")
    assert "".join(delta.arguments for delta in deltas) == '{"a": 1}'


@pytest.mark.parametrize("how", ["close", "with", "drop"])
def test_leaving_a_stream_closes_its_connection(lab: Start, how: str) -> None:
    started = lab(a=[SLOW])
    stream = Client(started.config).stream("hi")
    assert next(stream).text == "tick "
    if how == "close":
        stream.close()
        assert list(stream) == []
    elif how == "with":
        with stream:
            pass
    else:
        del stream
    started.wait_for_disconnects()


def test_a_stream_that_does_not_open_raises_at_the_call(lab: Start) -> None:
    started = lab(a=[{"status": 500, "repeat": 9}])
    with pytest.raises(hotspare.AllTargetsFailed) as caught:
        Client(started.config).stream("hi")
    assert isinstance(caught.value.last, hotspare.ServerError)
    assert caught.value.__cause__ is caught.value.last


def test_a_broken_stream_keeps_what_had_come(lab: Start) -> None:
    cut = {"fault": "cut", "after_chunks": 2, "gap": "10ms", "reply": {"chunks": ["one ", "two ", "three"]}}
    stream = Client(lab(a=[cut]).config).stream("hi")
    seen: list[str] = []
    with pytest.raises(hotspare.StreamInterrupted) as caught:
        seen.extend(event.text for event in stream)
    assert caught.value.partial.text == "".join(seen) or seen == []
    assert caught.value.partial.text == "one two "
    assert caught.value.last.class_ == caught.value.class_ == "malformed"
    assert caught.value.trail[0].code == "malformed"
    assert list(stream) == []


def test_a_hundred_threads_share_a_client(lab: Start) -> None:
    client = Client(lab(a=[], b=[]).config)
    texts: list[str] = []

    def call(n: int) -> None:
        if n % 2:
            texts.append(client.chat("hi").text)
        else:
            texts.append("".join(event.text for event in client.stream("hi")))

    threads = [threading.Thread(target=call, args=(n,)) for n in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert texts == ["Hello from a."] * 100


def test_waiting_releases_the_gil(lab: Start) -> None:
    client = Client(lab(a=[{"head": "300ms", "repeat": 9}]).config)
    thread = threading.Thread(target=client.chat, args=("hi",))
    thread.start()
    turns = 0
    while thread.is_alive():
        turns += 1
    assert turns > 1000


def test_configs(lab: Start, tmp_path: Path) -> None:
    started = lab()
    file = tmp_path / "hotspare.json"
    file.write_text(json.dumps(started.config))
    for config in (file, str(file), started.config):
        with Client(config) as client:
            assert client.chat("hi").text == "Hello from a."
        with pytest.raises(RuntimeError, match="closed"):
            client.chat("hi")
    assert Client(targets=["openai/gpt-4o-mini"])
    arguments: list[dict[str, Any]] = [
        {},
        {"config": "x", "targets": ["x"]},
        {"targets": "openai/gpt-4o-mini"},
    ]
    for wrong in arguments:
        with pytest.raises(TypeError):
            Client(**wrong)
    with pytest.raises(hotspare.ConfigError, match=r"targets\[0\]") as caught:
        Client(targets=["nope"])
    assert isinstance(caught.value, ValueError)
    with pytest.raises(hotspare.ConfigError, match=r"none\.toml"):
        Client(tmp_path / "none.toml")


def test_a_wrong_request_names_the_place(lab: Start) -> None:
    client = Client(lab().config)
    with pytest.raises(hotspare.InvalidRequestError, match=r"messages\[0\]") as caught:
        client.chat([{"role": "usr", "content": "hi"}])
    assert isinstance(caught.value, ValueError)
    with pytest.raises(hotspare.InvalidRequestError):
        client.chat("\ud800")
    with pytest.raises(hotspare.HotspareError, match="nowhere"):
        client.chat("hi", route="nowhere")


def test_replies_and_events_can_be_pickled(lab: Start) -> None:
    stream = Client(lab(a=[{"status": 500}], b=[]).config).stream("hi")
    events = list(stream)
    reply = stream.reply
    assert reply is not None
    values = [*events, reply, *reply.trail, reply.usage]
    for value in values:
        copy = pickle.loads(pickle.dumps(value))
        assert type(copy) is type(value)
        assert repr(copy) == repr(value)
    assert pickle.loads(pickle.dumps(reply.usage)) == reply.usage


def test_a_wrong_script_says_where() -> None:
    with pytest.raises(hotspare.ConfigError, match="providers"):
        Simulator({"providers": {"a": {"dialect": "openai"}}})


def test_simulated_tls_is_trusted_by_its_authority(tmp_path: Path) -> None:
    provider = {"dialect": "openai_chat", "tls": {}, "http2": True, "prices": {"output": 2}}
    with Simulator({"providers": {"a": provider}}) as simulator:
        assert simulator.ca_pem is not None
        authority = tmp_path / "ca.pem"
        authority.write_text(simulator.ca_pem)
        config = {
            "tls": {"extra_roots": [str(authority)]},
            "providers": {"a": {"dialect": "openai_chat", "base_url": simulator.url("a"), "keys": ["k"]}},
            "routes": {"default": {"targets": ["a/m"]}},
        }
        with hotspare.Client(config) as client:
            reply = client.chat("Say hi")
        entry = simulator.journal("a")[0]
        assert entry["chat"]
        assert entry["billed_usd"] == pytest.approx(reply.usage.output_tokens * 2e-6)
