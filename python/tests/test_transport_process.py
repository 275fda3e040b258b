"""What the transports need a process of its own for: Ctrl-C, exits in mid-stream, and forks."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from conftest import HANG, SLOW, Lab, assert_ctrl_c_ends, run_python

Start = Callable[..., Lab]

SETUP = """
import hotspare
CHAT = "https://api.openai.com/v1/chat/completions"
HI = {"model": "default", "messages": [{"role": "user", "content": "hi"}]}
STREAM = {**HI, "stream": True}
client = hotspare.httpx_client(config)
def open_stream(model="default"):
    return client.send(client.build_request("POST", CHAT, json={**STREAM, "model": model}), stream=True)
"""
CHAT = f"""{SETUP}
import time
print("ready", flush=True)
try:
    client.post(CHAT, json=HI)
except KeyboardInterrupt:
    print(time.monotonic(), flush=True)
    input()
"""
STREAM = CHAT.replace("client.post(CHAT, json=HI)", "response = open_stream(); list(response.iter_raw())")


@pytest.mark.parametrize(
    ("program", "step"),
    [(CHAT, HANG), (STREAM, HANG), (STREAM, {**SLOW, "gap": "10s"})],
    ids=["whole", "opening", "streaming"],
)
def test_ctrl_c_ends_a_request_within_200_ms(lab: Start, program: str, step: dict[str, object]) -> None:
    started = lab(a=[step])
    assert_ctrl_c_ends(program, started)


SYNC_EXIT = f"""{SETUP}
response = open_stream()
next(response.iter_raw())
"""
THREAD_EXIT = f"""{SETUP}
import threading
for _ in range(4):
    threading.Thread(target=lambda: list(open_stream().iter_raw()), daemon=True).start()
next(open_stream().iter_raw())
"""
ASYNC_EXIT = f"""{SETUP}
import asyncio
asynchronous = hotspare.httpx_async_client(config)
async def main():
    global response
    response = await asynchronous.send(asynchronous.build_request("POST", CHAT, json=STREAM), stream=True)
    await anext(response.aiter_raw())
asyncio.run(main())
"""
TASK_EXIT = f"""{SETUP}
import asyncio
asynchronous = hotspare.httpx_async_client(config)
async def read():
    async with asynchronous.stream("POST", CHAT, json=STREAM) as response:
        async for _ in response.aiter_raw(): pass
async def main():
    tasks = [asyncio.ensure_future(read()) for _ in range(4)]
    await asyncio.sleep(0.05)
asyncio.run(main())
"""


@pytest.mark.parametrize(
    "program", [SYNC_EXIT, THREAD_EXIT, ASYNC_EXIT, TASK_EXIT], ids=["sync", "threads", "async", "tasks"]
)
def test_twenty_exits_in_mid_stream_are_clean(lab: Start, program: str) -> None:
    started = lab(a=[SLOW])
    for _ in range(20):
        run_python(program, started.config)


FORK = f"""{SETUP}
import asyncio, os, httpx2
asynchronous = hotspare.httpx_async_client(config)
def text(response):
    return response.json()["choices"][0]["message"]["content"]
assert text(client.post(CHAT, json=HI)) == "Hello from b."
response = open_stream("a/m")
parts = response.iter_raw()
assert b"tick" in next(parts)

async def main():
    return text(await asynchronous.post(CHAT, json=HI))

def child():
    assert text(client.post(CHAT, json=HI)) == "Hello from b."
    assert "from" in client.post(CHAT, json=STREAM).text
    assert asyncio.run(main()) == "Hello from b."
    try:
        list(parts)
    except httpx2.ReadError as error:
        assert "fork" in str(error) and isinstance(error.__cause__, hotspare.ResetError)
    else:
        raise AssertionError("the parent's stream was read")
    response.close()

for _ in range(5):
    pid = os.fork()
    if pid == 0:
        import signal, sys
        signal.alarm(10)
        child()
        sys.exit(0)
    assert os.waitpid(pid, 0)[1] == 0
assert b"tick" in next(parts)
assert text(client.post(CHAT, json=HI)) == "Hello from b."
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_the_child_of_a_fork_works(lab: Start) -> None:
    started = lab(b=[], a=[SLOW])
    run_python(FORK, started.config)
    assert "client_disconnected" in started.ends()
