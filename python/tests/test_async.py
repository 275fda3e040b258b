"""asyncio: calls, streams, cancelling, and loops that come and go."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import hotspare
import pytest
from conftest import HANG, SLOW, Lab
from hotspare import AsyncClient, _async

Start = Callable[..., Lab]


def test_a_call_and_a_stream(lab: Start) -> None:
    async def main(config: dict[str, Any]) -> None:
        async with AsyncClient(config) as client:
            assert (await client.chat("hi")).text == "Hello from a."
            stream = client.stream("hi")
            assert stream.target is None
            events = [event async for event in stream]
            assert "".join(event.text for event in events) == "Hello from a."
            assert stream.reply is not None
            assert [event async for event in stream] == []
            async with client.stream("hi") as opened:
                assert opened.target == "a/m"
                assert [event.text async for event in opened][-1] == ""
        with pytest.raises(RuntimeError, match="closed"):
            await client.chat("hi")

    asyncio.run(main(lab().config))


def test_tasks_and_errors(lab: Start) -> None:
    async def main(config: dict[str, Any]) -> None:
        client = AsyncClient(config)
        with pytest.raises(hotspare.AllTargetsFailed) as caught:
            await asyncio.create_task(client.chat("hi"))
        assert isinstance(caught.value.last, hotspare.ServerError)
        with pytest.raises(hotspare.AllTargetsFailed):
            async with client.stream("hi"):
                pass
        with pytest.raises(hotspare.AllTargetsFailed):
            await anext(client.stream("hi"))
        with pytest.raises(hotspare.InvalidRequestError):
            await client.chat([{"role": "usr"}])

    asyncio.run(main(lab(a=[{"status": 500, "repeat": 99}]).config))


def test_many_at_once(lab: Start) -> None:
    async def text(client: AsyncClient, n: int) -> str:
        if n % 2:
            return (await client.chat("hi")).text
        return "".join([event.text async for event in client.stream("hi")])

    async def main(config: dict[str, Any]) -> list[str]:
        client = AsyncClient(config)
        return await asyncio.gather(*(text(client, n) for n in range(64)))

    assert asyncio.run(main(lab().config)) == ["Hello from a."] * 64


def test_cancelling_a_call_closes_its_connection(lab: Start) -> None:
    started = lab(a=[HANG])

    async def main() -> None:
        client = AsyncClient(started.config)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.chat("hi"), 0.2)
        await asyncio.to_thread(started.wait_for_disconnects)

    asyncio.run(main())


async def by_cancelling(client: AsyncClient) -> None:
    async def read() -> None:
        async for _ in client.stream("hi"):
            pass

    task = asyncio.create_task(read())
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def by_breaking(client: AsyncClient) -> None:
    async for _ in client.stream("hi"):
        break


async def by_leaving(client: AsyncClient) -> None:
    async with client.stream("hi") as stream:
        await anext(stream)
    assert [event async for event in stream] == []


async def by_closing_while_another_task_waits(client: AsyncClient) -> None:
    stream = client.stream("hi")
    await anext(stream)

    async def rest() -> int:
        return len([event async for event in stream])

    task = asyncio.create_task(rest())
    await asyncio.sleep(0.1)
    await stream.aclose()
    await asyncio.wait_for(task, 1)


@pytest.mark.parametrize("leave", [by_cancelling, by_breaking, by_leaving, by_closing_while_another_task_waits])
def test_leaving_a_stream_closes_its_connection(
    lab: Start, leave: Callable[[AsyncClient], Coroutine[None, None, None]]
) -> None:
    started = lab(a=[SLOW])

    async def main() -> None:
        await leave(AsyncClient(started.config))
        await asyncio.to_thread(started.wait_for_disconnects)

    asyncio.run(main())


def test_one_task_waits_for_a_stream(lab: Start) -> None:
    async def main(config: dict[str, Any]) -> None:
        stream = AsyncClient(config).stream("hi")
        first = asyncio.create_task(anext(stream))  # pyright: ignore[reportArgumentType]
        await asyncio.sleep(0.05)
        with pytest.raises(RuntimeError, match="another task"):
            await anext(stream)
        first.cancel()

    asyncio.run(main(lab(a=[HANG]).config))


def test_a_client_serves_one_loop_after_another_and_two_at_once(lab: Start) -> None:
    client = AsyncClient(lab().config)

    async def main() -> str:
        return (await client.chat("hi")).text

    texts = [asyncio.run(main()) for _ in range(3)]
    threads = [threading.Thread(target=lambda: texts.append(asyncio.run(main()))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert texts == ["Hello from a."] * 5


def test_a_loop_closed_in_mid_call_is_let_go_of(lab: Start) -> None:
    started = lab(a=[{"head": "100ms", "repeat": 9}], b=[])
    client = AsyncClient(started.config)
    loop = asyncio.new_event_loop()
    task = loop.create_task(client.chat("hi"))
    loop.run_until_complete(asyncio.sleep(0.02))
    loop.close()
    started.wait_for(lambda: started.ends() == ["complete"])
    task._log_destroy_pending = False  # pyright: ignore[reportAttributeAccessIssue]
    gone = weakref.ref(loop)

    async def main() -> str:
        return (await client.chat("hi", route="b/m")).text

    assert asyncio.run(main()) == "Hello from b."
    del loop, task
    gc.collect()
    assert gone() is None


def test_a_loop_that_cannot_watch_a_pipe(lab: Start) -> None:
    class Loop(asyncio.SelectorEventLoop):
        def add_reader(self, fd: Any, callback: Any, *args: Any) -> None:
            if "drain" in getattr(callback, "__name__", ""):
                raise NotImplementedError
            super().add_reader(fd, callback, *args)

    async def main(config: dict[str, Any]) -> list[str]:
        client = AsyncClient(config)
        replies = await asyncio.gather(*(client.chat("hi") for _ in range(20)))
        return [reply.text for reply in replies] + ["".join([event.text async for event in client.stream("hi")])]

    loop = Loop()
    try:
        assert loop.run_until_complete(main(lab().config)) == ["Hello from a."] * 21
    finally:
        loop.close()


def test_a_loop_that_cannot_watch_a_pipe_is_let_go_of(lab: Start) -> None:
    class Loop(asyncio.SelectorEventLoop):
        def add_reader(self, fd: Any, callback: Any, *args: Any) -> None:
            if isinstance(getattr(callback, "__self__", None), _async._Bridge):
                raise NotImplementedError
            super().add_reader(fd, callback, *args)

    client = AsyncClient(lab().config)
    loop = Loop()
    assert loop.run_until_complete(client.chat("hi")).text == "Hello from a."
    gone = weakref.ref(_async._bridges[loop])
    loop.close()
    del loop
    gc.collect()
    assert gone() is None


def test_without_a_loop() -> None:
    coroutine = AsyncClient(targets=["openai/gpt-4o-mini"]).chat("hi")
    with pytest.raises(RuntimeError, match="no running event loop: hotspare's async side is for asyncio"):
        coroutine.send(None)


def test_loops_leave_no_files_open(lab: Start) -> None:
    if sys.platform != "linux":
        pytest.skip("counts files in /proc")
    from pathlib import Path

    client = AsyncClient(lab().config)

    async def main() -> None:
        await client.chat("hi")

    def files() -> int:
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir()))

    asyncio.run(main())
    before = files()
    for _ in range(20):
        asyncio.run(main())
    assert files() <= before + 2
