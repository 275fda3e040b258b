"""Vectors of texts, from a vendor of the test's own."""

from __future__ import annotations

import asyncio
import json
import pickle
import signal
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import hotspare
import pytest
from conftest import CANARY, start_python
from hotspare import AsyncClient, Client


class Vendor(ThreadingHTTPServer):
    """Gives a text the vector of its length and 0.1; fails where its name is `down`; hangs when the text is `hang`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.hanging = threading.Event()
        self.left = threading.Event()
        url = f"http://127.0.0.1:{self.server_address[1]}"
        self.config: dict[str, Any] = {
            "providers": {
                name: {"dialect": "openai_chat", "base_url": f"{url}/{name}", "keys": [f"{CANARY}-{name}"]}
                for name in ("down", "up")
            },
            "routes": {"embed": {"kind": "embed", "targets": ["down/m", "up/m"], "batch": 2}},
            "standby": False,
        }


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Vendor  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, body))
        if body["input"] == ["hang"]:
            self.server.hanging.set()
            # Nothing more is sent, so what can be read is that the other side has left.
            if self.connection.recv(1) == b"":
                self.server.left.set()
            return
        status, reply = 500, {"error": {"message": "down"}}
        if self.path == "/up/embeddings":
            data = [{"index": i, "embedding": [len(text), 0.1]} for i, text in enumerate(body["input"])]
            usage = {"prompt_tokens": len(data), "total_tokens": len(data)}
            status, reply = 200, {"data": data, "model": "m-1", "usage": usage}
        text = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with Vendor() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


def check(made: hotspare.Embeddings) -> None:
    assert [vector[0] for vector in made.embeddings] == [1, 2, 3]
    assert made.embeddings[0][1] == pytest.approx(0.1)
    assert (len(made), made.dimensions, made.target, made.model) == (3, 2, "up/m", "m-1")
    assert (made.usage.reported, made.usage.input_tokens, made.cost_usd) == (True, 3, None)
    assert [attempt.code for attempt in made.trail][-1] == "ok"
    assert {attempt.code for attempt in made.trail} == {"server", "ok"}
    assert made.elapsed > 0


def test_vectors_have_their_fields(vendor: Vendor) -> None:
    made = Client(vendor.config).embed(["a", "bb", "ccc"], dimensions=2, input_type="query", user="u")
    check(made)
    assert made.cost_min_usd == 0
    assert made.cost_max_usd is None
    assert made.created > 1_700_000_000
    good = [body for path, body in vendor.asked if path.startswith("/up")]
    assert [body["input"] for body in good] == [["a", "bb"], ["ccc"]]
    assert good[0] == {"model": "m", "input": ["a", "bb"], "dimensions": 2, "user": "u"}
    assert made.trail[-1].adapted[0].startswith("input_type: left out")
    openai = made.to_openai()
    assert openai["data"][1]["embedding"][0] == 2
    assert openai["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    assert json.loads(json.dumps(made.to_dict())) == made.to_dict()
    assert repr(made) == 'Embeddings(target="up/m", vectors=3, dimensions=2)'
    again = pickle.loads(pickle.dumps(made))
    assert (again.embeddings, again.to_dict()) == (made.embeddings, made.to_dict())


def test_one_text_and_what_is_refused(vendor: Vendor) -> None:
    client = Client(vendor.config)
    assert client.embed("four", route="up/m").embeddings[0][0] == 4
    with pytest.raises(hotspare.InvalidRequestError, match="at least one text"):
        client.embed([])
    with pytest.raises(hotspare.InvalidRequestError, match="input_type"):
        client.embed("a", input_type="quary")  # pyright: ignore[reportArgumentType]
    with pytest.raises(hotspare.AllTargetsFailed) as caught:
        client.embed("a", route="up/m", dimensions=3)
    assert isinstance(caught.value.last, hotspare.MalformedError)
    with pytest.raises(hotspare.InvalidRequestError, match="answers no chats"):
        client.chat("hi", route="embed")
    vendor.config["routes"]["embed"]["targets"] = ["down/m", "up/n"]
    with pytest.raises(hotspare.ConfigError, match="vectors of two models do not mix"):
        Client(vendor.config)


def test_asyncio(vendor: Vendor) -> None:
    async def main() -> None:
        async with AsyncClient(vendor.config) as client:
            check(await client.embed(["a", "bb", "ccc"]))
            many = await asyncio.gather(*(client.embed("x" * n) for n in range(1, 9)))
            assert [made.embeddings[0][0] for made in many] == list(range(1, 9))
            with pytest.raises(hotspare.InvalidRequestError):
                await client.embed([])

    asyncio.run(main())


def test_cancelling_closes_the_connection(vendor: Vendor) -> None:
    async def main() -> None:
        client = AsyncClient(vendor.config)
        task = asyncio.create_task(client.embed("hang", route="up/m"))
        await asyncio.to_thread(vendor.hanging.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(vendor.left.wait, 5)

    asyncio.run(main())


def test_ctrl_c_ends_a_call(vendor: Vendor) -> None:
    program = """
import hotspare
try:
    hotspare.Client(config).embed("hang", route="up/m")
except KeyboardInterrupt:
    print("interrupted")
"""
    process = start_python(program, vendor.config)
    assert vendor.hanging.wait(20)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (out, err) == ("interrupted\n", "")
    assert time.monotonic() - began < 5
    assert vendor.left.wait(5)
