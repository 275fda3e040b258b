"""The drop-in transports, below plain clients of httpx and httpx2: what an SDK would send, and what it would get."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import logging
import statistics
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import pairwise
from typing import Any

import hotspare
import httpx
import httpx2
import psutil
import pytest
from conftest import CANARY, HANG, SLOW, Lab, run_python

Start = Callable[..., Lab]

CHAT = "https://api.openai.com/v1/chat/completions"
HI: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
STREAM: dict[str, Any] = {**HI, "stream": True}
FAILING: dict[str, Any] = {"status": 500, "repeat": 99}

library = pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])


def text(response: Any) -> str:
    return response.json()["choices"][0]["message"]["content"]


def texts(lines: list[str]) -> list[str]:
    """The pieces of text in the lines of a stream, which must end as OpenAI's do."""
    events = [line.removeprefix("data: ") for line in lines if line]
    assert events.pop() == "[DONE]"
    deltas = [choice["delta"] for event in events for choice in json.loads(event)["choices"]]
    return [delta["content"] for delta in deltas if delta.get("content")]


def run(made: Any) -> Any:
    return asyncio.run(made)


@library
def test_a_whole_reply(lab: Start, library: Any) -> None:
    with hotspare.httpx_client(lab(a=[FAILING], b=[]).config, library=library) as client:
        assert isinstance(client, library.Client)
        response = client.post(CHAT, json=HI)
        assert (response.status_code, text(response)) == (200, "Hello from b.")
        assert isinstance(response, library.Response)
        assert response.headers["content-type"] == "application/json"
        assert response.headers["x-should-retry"] == "false"
        assert response.headers["x-hotspare-route"] == "default"
        assert response.headers["x-hotspare-target"] == "b/m"
        assert response.headers["x-hotspare-attempts"] == "2"
        assert response.headers["x-hotspare-trail"] == "a/m=server, b/m=ok"
        assert response.headers["x-request-id"]
        assert "x-hotspare-error" not in response.headers
        assert (response.http_version, response.is_closed) == ("HTTP/1.1", True)
        assert response.elapsed.total_seconds() > 0
        assert response.request.url == CHAT
    with pytest.raises(RuntimeError, match="closed"):
        client.post(CHAT, json=HI)


@library
def test_a_whole_reply_in_asyncio(lab: Start, library: Any) -> None:
    async def main(config: dict[str, Any]) -> None:
        async with hotspare.httpx_async_client(config, library=library) as client:
            assert isinstance(client, library.AsyncClient)
            response = await client.post(CHAT, json=HI)
            assert (response.status_code, text(response)) == (200, "Hello from b.")
            assert response.headers["x-hotspare-trail"] == "a/m=server, b/m=ok"
            assert response.elapsed.total_seconds() > 0
            many = await asyncio.gather(*(client.post(CHAT, json={**HI, "model": "b/m"}) for _ in range(64)))
            assert {text(one) for one in many} == {"Hello from b."}

    run(main(lab(a=[FAILING], b=[]).config))


@library
def test_a_stream(lab: Start, library: Any) -> None:
    client = hotspare.httpx_client(lab(a=[FAILING], b=[]).config, library=library)
    with client.stream("POST", CHAT, json=STREAM) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-hotspare-trail"].startswith("a/m=server")
        assert "".join(texts(list(response.iter_lines()))) == "Hello from b."
    assert "".join(texts(client.post(CHAT, json=STREAM).text.splitlines())) == "Hello from b."


@library
def test_a_stream_in_asyncio(lab: Start, library: Any) -> None:
    async def main(config: dict[str, Any]) -> None:
        client = hotspare.httpx_async_client(config, library=library)
        async with client.stream("POST", CHAT, json=STREAM) as response:
            assert response.headers["x-hotspare-target"] == "b/m"
            assert "".join(texts([line async for line in response.aiter_lines()])) == "Hello from b."

    run(main(lab(a=[FAILING], b=[]).config))


@library
def test_errors_are_the_vendors(lab: Start, library: Any) -> None:
    started = lab(a=[FAILING], b=[FAILING])
    client = hotspare.httpx_client(started.config, library=library)
    for body in (HI, STREAM):
        response = client.post(CHAT, json=body)
        assert response.status_code == 500
        assert response.json()["error"]["message"]
        assert response.headers["x-hotspare-error"] == "all_targets_failed"
        assert response.headers["x-should-retry"] == "false"
        assert response.headers["x-hotspare-trail"].startswith("a/m=server, b/m=server")
    for method, url in (("POST", "https://h/v1/files"), ("GET", "https://h/v1/threads/1"), ("POST", "https://h")):
        response = client.request(method, url)
        assert (response.status_code, bool(response.json()["error"]["message"])) == (404, True)
        assert response.headers["x-should-retry"] == "false"


def test_a_break_in_mid_stream_is_told_in_the_stream(lab: Start) -> None:
    cut = {"reply": {"chunks": ["one ", "two "]}, "fault": "cut", "after_chunks": 1}
    client = hotspare.httpx_client(lab(a=[cut]).config)
    lines = [line for line in client.post(CHAT, json=STREAM).text.splitlines() if line]
    assert "one " in lines[-2] + lines[-3]
    assert json.loads(lines[-1].removeprefix("data: "))["error"]["message"]


@library
def test_only_the_end_of_the_path_counts(lab: Start, library: Any) -> None:
    client = hotspare.httpx_client(lab().config, library=library, base_url="http://nowhere.invalid/some/proxy/")
    assert text(client.post("chat/completions?api-version=1&x=%20", json=HI)) == "Hello from a."
    models = client.get("v1/models").json()
    assert "default" in [model["id"] for model in models["data"]]
    message = client.post("v1/messages?beta=true", json={**HI, "max_tokens": 9}).json()
    assert message["content"] == [{"type": "text", "text": "Hello from a."}]


@library
def test_bodies_in_pieces_and_bodies_that_are_none(lab: Start, library: Any) -> None:
    client = hotspare.httpx_client(lab().config, library=library)
    whole = json.dumps(HI).encode()

    def pieces() -> Iterator[bytes]:
        yield whole[:9]
        yield whole[9:]

    assert text(client.post(CHAT, content=pieces())) == "Hello from a."
    assert text(client.post(CHAT, content=whole)) == "Hello from a."
    wrong: list[dict[str, Any]] = [
        {},
        {"content": b"\xff\x00{"},
        {"json": [1]},
        {"data": {"model": "a/m"}},
        {"files": {"file": b"abc"}},
        {"content": gzip.compress(whole), "headers": {"content-encoding": "gzip"}},
    ]
    for options in wrong:
        response = client.post(CHAT, **options)
        assert (response.status_code, bool(response.json()["error"]["message"])) == (400, True)

    async def apieces() -> AsyncIterator[bytes]:
        for piece in pieces():
            yield piece

    async def main(config: dict[str, Any]) -> str:
        return text(await hotspare.httpx_async_client(config, library=library).post(CHAT, content=apieces()))

    assert run(main(lab().config)) == "Hello from a."


@library
def test_the_read_timeout_is_a_deadline(lab: Start, library: Any) -> None:
    started = lab(a=[HANG])
    client = hotspare.httpx_client(started.config, library=library)
    assert client.timeout == library.Timeout(None)
    begun = time.monotonic()
    response = client.post(CHAT, json=HI, timeout=library.Timeout(None, read=0.3))
    assert 0.2 < time.monotonic() - begun < 3
    assert response.status_code == 504
    assert (response.headers["x-should-retry"], response.json()["error"]["message"] != "") == ("false", True)
    started.wait_for_disconnects()
    for odd in (0, 1e300, float("inf")):
        one = hotspare.httpx_client(lab().config, library=library, timeout=odd).post(CHAT, json=HI)
        assert one.status_code == (200 if odd else 504)

    async def main() -> int:
        client = hotspare.httpx_async_client(started.config, library=library, timeout=0.3)
        return (await client.post(CHAT, json=HI)).status_code

    assert run(main()) == 504


def test_each_request_is_sent_once(lab: Start) -> None:
    started = lab(a=[{"error": "invalid_request", "repeat": 99}])
    response = hotspare.httpx_client(started.config).post(CHAT, json=HI)
    assert (response.status_code, len(started.ends())) == (400, 1)


@library
def test_closing_a_stream_closes_its_connection(lab: Start, library: Any) -> None:
    started = lab(a=[SLOW])
    client = hotspare.httpx_client(started.config, library=library)
    with client.stream("POST", CHAT, json=STREAM) as response:
        assert "tick" in next(response.iter_text())
    started.wait_for_disconnects(1)
    response = client.send(client.build_request("POST", CHAT, json=STREAM), stream=True)
    response.close()
    started.wait_for_disconnects(2)
    with pytest.raises(library.StreamClosed):
        list(response.iter_raw())


@library
def test_letting_go_of_a_stream_closes_its_connection(lab: Start, library: Any) -> None:
    started = lab(a=[SLOW])
    client = hotspare.httpx_client(started.config, library=library)
    response = client.send(client.build_request("POST", CHAT, json=STREAM), stream=True)
    parts = response.iter_raw()
    next(parts)
    gone = weakref.ref(response)
    del response, parts
    gc.collect()
    assert gone() is None
    started.wait_for_disconnects()


@library
def test_cancelling_closes_the_connection(lab: Start, library: Any) -> None:
    async def opened(client: Any) -> None:
        await client.send(client.build_request("POST", CHAT, json=STREAM), stream=True)

    async def read(client: Any) -> None:
        async with client.stream("POST", CHAT, json=STREAM) as response:
            async for _ in response.aiter_raw():
                pass

    async def whole(client: Any) -> None:
        await client.post(CHAT, json=HI)

    async def main(config: dict[str, Any], call: Callable[[Any], Any]) -> None:
        client = hotspare.httpx_async_client(config, library=library)
        task = asyncio.ensure_future(call(client))
        await asyncio.sleep(0.3)
        assert task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(started.wait_for_disconnects)

    for step, call in ((HANG, whole), (HANG, opened), (SLOW, read)):
        started = lab(a=[step])
        run(main(started.config, call))


@library
def test_leaving_an_async_stream_closes_its_connection(lab: Start, library: Any) -> None:
    started = lab(a=[SLOW])

    async def main() -> None:
        client = hotspare.httpx_async_client(started.config, library=library)
        async with client.stream("POST", CHAT, json=STREAM) as response:
            assert "tick" in await anext(response.aiter_text())
        await asyncio.to_thread(started.wait_for_disconnects)

    run(main())


def test_a_body_is_read_once(lab: Start) -> None:
    config = lab().config
    response = hotspare.HttpxTransport(config).handle_request(httpx.Request("POST", CHAT, json=STREAM))
    assert b"Hello" in b"".join(response.stream)
    with pytest.raises(httpx.StreamConsumed):
        list(response.stream)

    async def main() -> None:
        transport = hotspare.AsyncHttpxTransport(config)
        response = await transport.handle_async_request(httpx2.Request("POST", CHAT, json=STREAM))
        assert b"Hello" in b"".join([part async for part in response.stream])
        with pytest.raises(httpx2.StreamConsumed):
            await anext(aiter(response.stream))

    run(main())


def test_tokens_come_one_by_one(lab: Start) -> None:
    step = {"gap": "20ms", "reply": {"chunks": [f"t{n} " for n in range(50)]}, "repeat": 9}
    config = lab(a=[step]).config

    def judge(came: list[tuple[float, str]]) -> None:
        ticks = [(at, part) for at, part in came if '"t' in part]
        gaps = [after[0] - before[0] for before, after in pairwise(ticks)]
        assert len(ticks) >= 45, "they came together"
        assert 0.015 < statistics.median(gaps) < 0.025, gaps

    with hotspare.httpx_client(config).stream("POST", CHAT, json=STREAM) as response:
        judge([(time.monotonic(), part) for part in response.iter_text()])

    async def main() -> list[tuple[float, str]]:
        async with hotspare.httpx_async_client(config).stream("POST", CHAT, json=STREAM) as response:
            return [(time.monotonic(), part) async for part in response.aiter_text()]

    judge(run(main()))


def test_threads_share_a_transport(lab: Start) -> None:
    client = hotspare.httpx_client(lab().config)
    said: list[str] = []

    def call(n: int) -> None:
        response = client.post(CHAT, json=STREAM if n % 2 else HI)
        said.append("".join(texts(response.text.splitlines())) if n % 2 else text(response))

    threads = [threading.Thread(target=call, args=(n,)) for n in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert said == ["Hello from a."] * 100


def test_a_client_lends_itself(lab: Start) -> None:
    started = lab()
    client = hotspare.Client(started.config)
    happened: list[hotspare.Event] = []
    client.on_event(happened.append)
    both: list[Any] = [hotspare.httpx_client(client), httpx.Client(transport=hotspare.HttpxTransport(client))]
    for http in both:
        with http:
            assert text(http.post(CHAT, json=HI)) == "Hello from a."
    started.wait_for(lambda: [event.type for event in happened].count("request_ended") == 2)
    assert client.chat("hi").text == "Hello from a."
    assert text(hotspare.httpx_client(hotspare.AsyncClient(started.config)).post(CHAT, json=HI)) == "Hello from a."

    async def main() -> str:
        http = httpx2.AsyncClient(transport=hotspare.AsyncHttpxTransport(client))
        try:
            return text(await http.post(CHAT, json=HI))
        finally:
            await http.aclose()

    assert run(main()) == "Hello from a."
    client.close()
    with pytest.raises(RuntimeError, match="the client is closed"):
        hotspare.HttpxTransport(client)


def test_what_is_wrong_is_said_at_once(lab: Start) -> None:
    config = lab().config
    with pytest.raises(hotspare.ConfigError, match="nonsense"):
        hotspare.httpx_client({**config, "nonsense": 1})
    with pytest.raises(hotspare.ConfigError):
        hotspare.httpx_async_client(targets=["no-such-provider/m"])
    with pytest.raises(TypeError, match="either a config"):
        hotspare.HttpxTransport()
    with pytest.raises(TypeError, match="either a client"):
        hotspare.HttpxTransport(hotspare.Client(config), targets=["openai/gpt-4o-mini"])
    for name in ("verify", "proxy", "limits", "transport"):
        wrong: dict[str, Any] = {name: None}
        with pytest.raises(TypeError, match=f"{name} is of no use here"):
            hotspare.httpx_client(config, **wrong)
    not_a_library: Any = "httpx"
    with pytest.raises(TypeError, match="library is a module"):
        hotspare.httpx_client(config, library=not_a_library)
    transport = hotspare.HttpxTransport(config)
    not_a_request: Any = object()
    with pytest.raises(TypeError, match="a request of httpx or httpx2 was expected, not object"):
        transport.handle_request(not_a_request)
    transport.close()
    with pytest.raises(RuntimeError, match="the transport is closed"):
        transport.handle_request(httpx.Request("POST", CHAT, json=HI))


def test_a_request_of_a_class_of_ones_own(lab: Start) -> None:
    class Request(httpx2.Request):
        pass

    response = hotspare.HttpxTransport(lab().config).handle_request(Request("POST", CHAT, json=HI))
    assert isinstance(response, httpx2.Response)


def test_keys_do_not_show(lab: Start, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    caplog.set_level(logging.DEBUG)
    started = lab(a=[{"error": "authentication", "repeat": 99}], b=[])
    http = hotspare.httpx_client(started.config)
    transport = hotspare.HttpxTransport(started.config)
    refused = http.post(CHAT, json={**HI, "model": "a/m"}, headers={"authorization": "Bearer unused"})
    assert refused.status_code == 401
    assert refused.headers["x-hotspare-error"] == "authentication"
    served = transport._native
    shown = [repr(http), repr(transport), repr(served), str(refused.headers), refused.text, repr(refused.stream)]
    captured = capfd.readouterr()
    for said in (*shown, caplog.text, captured.out, captured.err, str(started.simulator.journal())):
        assert CANARY not in said
    # What the caller would have sent to the vendor stays here.
    assert {entry["authorized"] for entry in started.simulator.journal()} == {True}


def test_a_thousand_streams_leave_nothing_behind(lab: Start) -> None:
    client = hotspare.httpx_client(lab().config)
    process = psutil.Process()

    def some(count: int) -> int:
        for n in range(count):
            with client.stream("POST", CHAT, json=STREAM) as response:
                if n % 4:
                    response.read()
                else:
                    next(response.iter_raw())
        gc.collect()
        return process.memory_info().rss

    before = some(300)
    assert some(1000) - before < 8 * 2**20


def test_without_asyncio_it_says_so(lab: Start) -> None:
    coroutine = hotspare.AsyncHttpxTransport(lab().config).handle_async_request(httpx2.Request("POST", CHAT, json=HI))
    with pytest.raises(RuntimeError, match="no running event loop"):
        coroutine.send(None)


def test_neither_library_is_imported_before_it_is_needed() -> None:
    run_python(
        """
import sys, hotspare
hotspare.HttpxTransport(targets=["openai/gpt-4o-mini"])
hotspare.AsyncHttpxTransport
assert not {"httpx", "httpx2"} & set(sys.modules)
hotspare.httpx_client(targets=["openai/gpt-4o-mini"])
assert {"httpx", "httpx2"} & set(sys.modules) == {"httpx2"}
"""
    )


def test_one_library_in_the_name_of_the_other(lab: Start) -> None:
    program = f"""
import httpx2
httpx2.alias_httpx()
import httpx, hotspare
response = httpx.Client(transport=hotspare.HttpxTransport(config)).post({CHAT!r}, json={HI!r})
print(response.status_code)
"""
    assert run_python(program, lab().config) == "200\n"


@pytest.mark.parametrize(("missing", "used"), [("httpx2", "httpx"), ("httpx", "httpx2")])
def test_one_library_is_enough(lab: Start, missing: str, used: str) -> None:
    program = f"""
import sys
sys.modules[{missing!r}] = None
import hotspare
client = hotspare.httpx_client(config)
print(type(client).__module__.split(".")[0], client.post({CHAT!r}, json={HI!r}).status_code)
"""
    assert run_python(program, lab().config) == f"{used} 200\n"


def test_no_library_at_all_is_said() -> None:
    program = """
import sys
sys.modules["httpx"] = sys.modules["httpx2"] = None
import hotspare
try:
    hotspare.httpx_client(targets=["openai/gpt-4o-mini"])
except ModuleNotFoundError as error:
    print(error)
"""
    assert run_python(program).startswith("neither httpx2 nor httpx is installed")
