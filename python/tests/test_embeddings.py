"""Vectors of texts."""

from __future__ import annotations

import asyncio
import json
import math
import pickle
import signal
import time
from collections.abc import Callable

import hotspare
import pytest
from conftest import HANG, Lab, start_python
from hotspare import AsyncClient, Client

Start = Callable[..., Lab]


@pytest.fixture
def vectors(lab: Start) -> Lab:
    """Three vendors: one that is down, one that is up, and one that hangs; texts go out two by two."""
    started = lab(down=[{"status": 500, "repeat": 1000}], up=[], hangs=[HANG])
    started.config["routes"]["embed"] = {"kind": "embed", "targets": ["down/m", "up/m"], "batch": 2, "dimensions": 8}
    return started


def asked(vectors: Lab, provider: str) -> int:
    return sum(entry["embed"] for entry in vectors.simulator.journal(provider))


def check(made: hotspare.Embeddings) -> None:
    assert (len(made), made.dimensions, made.target, made.model) == (3, 8, "up/m", "m")
    for vector in made.embeddings:
        assert math.hypot(*vector) == pytest.approx(1)
    assert made.usage.reported
    assert made.usage.input_tokens > 0
    assert made.cost_usd is None
    assert [attempt.code for attempt in made.trail][-1] == "ok"
    assert {attempt.code for attempt in made.trail} == {"server", "ok"}
    assert made.elapsed > 0


def test_vectors_have_their_fields(vectors: Lab) -> None:
    made = Client(vectors.config).embed(["a", "bb", "ccc"], dimensions=8, input_type="query", user="u")
    check(made)
    assert made.cost_min_usd == 0
    assert made.cost_max_usd is None
    assert made.created > 1_700_000_000
    assert asked(vectors, "up") == 2, "two parts"
    assert made.trail[-1].adapted[0].startswith("input_type: left out")
    openai = made.to_openai()
    assert openai["data"][1]["embedding"] == made.embeddings[1]
    assert openai["usage"]["prompt_tokens"] == openai["usage"]["total_tokens"] == made.usage.input_tokens
    assert json.loads(json.dumps(made.to_dict())) == made.to_dict()
    assert repr(made) == 'Embeddings(target="up/m", vectors=3, dimensions=8)'
    again = pickle.loads(pickle.dumps(made))
    assert (again.embeddings, again.to_dict()) == (made.embeddings, made.to_dict())


def test_one_text_and_what_is_refused(vectors: Lab) -> None:
    client = Client(vectors.config)
    assert client.embed("four", route="up/m", dimensions=8).embeddings == client.embed(["four"]).embeddings
    with pytest.raises(hotspare.InvalidRequestError, match="at least one text"):
        client.embed([])
    with pytest.raises(hotspare.InvalidRequestError, match="input_type"):
        client.embed("a", input_type="quary")  # pyright: ignore[reportArgumentType]
    with pytest.raises(hotspare.AllTargetsFailed) as caught:
        client.embed("a", route="down/m")
    assert isinstance(caught.value.last, hotspare.ServerError)
    with pytest.raises(hotspare.InvalidRequestError, match="answers no chats"):
        client.chat("hi", route="embed")
    vectors.config["routes"]["embed"]["targets"] = ["down/m", "up/n"]
    with pytest.raises(hotspare.ConfigError, match="vectors of two models do not mix"):
        Client(vectors.config)


def test_asyncio(vectors: Lab) -> None:
    async def main() -> None:
        async with AsyncClient(vectors.config) as client:
            check(await client.embed(["a", "bb", "ccc"]))
            texts = ["x" * n for n in range(1, 9)]
            many = await asyncio.gather(*(client.embed(text) for text in texts))
            assert [made.embeddings[0] for made in many] == (await client.embed(texts)).embeddings
            with pytest.raises(hotspare.InvalidRequestError):
                await client.embed([])

    asyncio.run(main())


def test_cancelling_closes_the_connection(vectors: Lab) -> None:
    async def main() -> None:
        client = AsyncClient(vectors.config)
        task = asyncio.create_task(client.embed("hang", route="hangs/m"))
        await asyncio.to_thread(vectors.wait_for, lambda: asked(vectors, "hangs") == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(vectors.wait_for, lambda: vectors.ends("hangs") == ["client_disconnected"])

    asyncio.run(main())


def test_ctrl_c_ends_a_call(vectors: Lab) -> None:
    program = """
import hotspare
try:
    hotspare.Client(config).embed("hang", route="hangs/m")
except KeyboardInterrupt:
    print("interrupted")
"""
    process = start_python(program, vectors.config)
    vectors.wait_for(lambda: asked(vectors, "hangs") == 1, 20)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (out, err) == ("interrupted\n", "")
    assert time.monotonic() - began < 5
    vectors.wait_for(lambda: vectors.ends("hangs") == ["client_disconnected"])
