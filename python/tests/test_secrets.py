"""A key never shows: not in what we return, raise or print, nor in a traceback with locals."""

from __future__ import annotations

import asyncio
import logging
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import hotspare
import pytest
from conftest import CANARY, Lab, run_python


def shown(error: BaseException) -> str:
    lines = traceback.TracebackException.from_exception(error, capture_locals=True).format()
    return "".join(lines).replace(repr(CANARY), "")


def call(client: hotspare.Client) -> hotspare.Reply:
    return client.chat("hi")


def test_keys_do_not_show(
    lab: Callable[..., Lab], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    failing = {"error": "authentication", "repeat": 99}
    started = lab(a=[{"status": 500, "repeat": 99}], b=[])
    wrong = lab(a=[failing])
    client = hotspare.Client(started.config)
    texts = [repr(client), repr(client._native), repr(vars(hotspare.HotspareError("x")))]
    happened: list[hotspare.Event] = []
    client.on_event(happened.append)

    reply = call(client)
    texts += [
        repr(reply),
        repr(reply.trail),
        str(reply.to_dict()),
        str(reply.to_openai()),
        str(pickle.dumps(reply)),
    ]
    assert reply.trail[0].key
    started.wait_for(lambda: any(event.type == "request_ended" for event in happened))

    refused = hotspare.Client(wrong.config)
    del wrong.config
    with pytest.raises(hotspare.HotspareError) as caught:
        call(refused)
    texts += [shown(caught.value), repr(vars(caught.value)), str(pickle.dumps(caught.value))]

    async def main() -> None:
        await hotspare.AsyncClient(started.config).chat("hi", route="a/m")

    with pytest.raises(hotspare.HotspareError) as caught:
        asyncio.run(main())
    texts += [repr(caught.value), str(caught.value.trail)]

    for told in (client.status(), client.explain("hi"), refused.status(), refused.explain("hi"), *happened):
        texts += [repr(told), str(told.to_dict()), str(pickle.dumps(told))]
    assert client.status().keys[0].key == reply.trail[0].key
    assert refused.status().keys[0].state == "parked"
    assert any(event.type == "attempt_ended" and event.key for event in happened)

    captured = capfd.readouterr()
    texts += [caplog.text, captured.out, captured.err, str(started.simulator.journal())]
    for text in texts:
        assert CANARY not in text


def test_keys_do_not_show_in_config_errors() -> None:
    config: dict[str, Any] = {
        "providers": {"openai": {"keys": [CANARY], "nonsense": CANARY}},
        "routes": {"default": {"targets": []}},
    }
    with pytest.raises(hotspare.ConfigError) as caught:
        hotspare.Client(config)
    assert "nonsense" in str(caught.value)
    assert CANARY not in str(caught.value)


def test_keys_do_not_show_in_trace_output(lab: Callable[..., Lab]) -> None:
    program = """
import os
os.environ["RUST_LOG"] = "trace"
import hotspare
print(hotspare.Client(config).chat("hi"))
"""
    assert CANARY not in run_python(program, lab().config)
