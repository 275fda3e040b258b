"""What needs a process of its own: Ctrl-C, exits, forks, and what an import costs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from conftest import HANG, SLOW, Lab, assert_ctrl_c_ends, run_python

Start = Callable[..., Lab]

CHAT = """
import hotspare, time
client = hotspare.Client(config)
print("ready", flush=True)
try:
    client.chat("hi")
except KeyboardInterrupt:
    print(time.monotonic(), flush=True)
    input()
"""
STREAM = CHAT.replace('client.chat("hi")', 'list(client.stream("hi"))')


@pytest.mark.parametrize(
    ("program", "step"),
    [(CHAT, HANG), (STREAM, HANG), (STREAM, {**SLOW, "gap": "10s"})],
    ids=["chat", "opening", "streaming"],
)
def test_ctrl_c_ends_a_call_within_200_ms(lab: Start, program: str, step: dict[str, object]) -> None:
    started = lab(a=[step])
    assert_ctrl_c_ends(program, started)


SYNC_EXIT = """
import hotspare
stream = hotspare.Client(config).stream("hi")
next(stream)
"""
THREAD_EXIT = """
import hotspare, threading
client = hotspare.Client(config)
for _ in range(4):
    threading.Thread(target=lambda: list(client.stream("hi")), daemon=True).start()
next(client.stream("hi"))
"""
ASYNC_EXIT = """
import asyncio, hotspare
async def main():
    global stream
    stream = hotspare.AsyncClient(config).stream("hi")
    await anext(stream)
asyncio.run(main())
"""
TASK_EXIT = """
import asyncio, hotspare
client = hotspare.AsyncClient(config)
async def read():
    async for _ in client.stream("hi"): pass
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


FORK = """
import hotspare, os, asyncio
client = hotspare.Client(config)
asynchronous = hotspare.AsyncClient(config)
assert client.chat("hi").text == "Hello from b."
stream = client.stream("hi", route="a/m")
next(stream)

async def main():
    return (await asynchronous.chat("hi")).text

def child():
    assert client.chat("hi").text == "Hello from b."
    assert "".join(event.text for event in client.stream("hi")) == "Hello from b."
    assert asyncio.run(main()) == "Hello from b."
    try:
        list(stream)
    except hotspare.ResetError as error:
        assert "fork" in str(error)
    else:
        raise AssertionError("the parent's stream was read")
    stream.close()
    grandchild = os.fork()
    if grandchild == 0:
        assert client.chat("hi").text == "Hello from b."
        os._exit(0)
    assert os.waitpid(grandchild, 0)[1] == 0

for _ in range(5):
    pid = os.fork()
    if pid == 0:
        import signal, sys
        signal.alarm(10)
        child()
        sys.exit(0)
    assert os.waitpid(pid, 0)[1] == 0
assert next(stream).text == "tick "
assert client.chat("hi").text == "Hello from b."
"""
MULTIPROCESSING = """
import hotspare, multiprocessing, os
client = hotspare.Client(config)
assert client.chat("hi").text == "Hello from b."
def call(n):
    return client.chat("hi").text
with multiprocessing.get_context("fork").Pool(3) as pool:
    assert pool.map_async(call, range(12)).get(20) == ["Hello from b."] * 12
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.parametrize("program", [FORK, MULTIPROCESSING], ids=["fork", "multiprocessing"])
def test_the_child_of_a_fork_works(lab: Start, program: str) -> None:
    started = lab(b=[], a=[SLOW])
    run_python(program, started.config)
    assert "client_disconnected" in started.ends() or program is MULTIPROCESSING


def test_an_import_is_light() -> None:
    program = """
import sys
before = set(sys.modules)
import hotspare
heavy = {"asyncio", "typing", "json", "re", "threading", "logging", "inspect", "dataclasses"}
loaded = heavy & (set(sys.modules) - before)
assert not loaded, loaded
assert set(hotspare.__all__) <= set(dir(hotspare)), "for completion"
assert hotspare.AsyncClient.__module__ == "hotspare._async"
assert all(hasattr(hotspare, name) for name in hotspare.__all__)
"""
    run_python(f"del config\n{program}")


def test_the_command_is_there() -> None:
    command = [sys.executable, "-c", "import sys; from hotspare._cli import main; sys.exit(main())"]
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("hotspare ")
    wrong = subprocess.run([*command, "--nope"], capture_output=True, text=True, timeout=20, check=False)
    assert wrong.returncode == 2


def test_a_subinterpreter_is_refused_and_the_process_ends() -> None:
    """The runtime is the process's: another interpreter's end would stop it under the main one."""
    said = run_python(
        """
import sys
try:
    import _xxsubinterpreters as interpreters
except ImportError:
    import _interpreters as interpreters
import hotspare
other = interpreters.create()
code = "try:\\n    import hotspare\\nexcept ImportError:\\n    pass\\nelse:\\n    raise SystemError('it was imported')"
failed = interpreters.run_string(other, code)
assert not failed, failed
print("over")
"""
    )
    assert said == "over\n"
