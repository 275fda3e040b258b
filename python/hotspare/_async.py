from __future__ import annotations

from asyncio import AbstractEventLoop, Future, get_running_loop
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, ref

from . import _native
from ._control import Controlled
from ._request import encode, encode_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType
    from typing import Any

    from typing_extensions import Self, Unpack

    from ._native import Embeddings, Reply, StreamEvent
    from .types import ChatOptions, EmbedOptions, Messages


class AsyncClient(Controlled):
    """Many providers behind one call, for asyncio. Tasks, threads and event loops may share it.

    ``config`` is the path of a TOML or JSON file, or a dict of the same shape; or give ``targets`` alone, and keys
    come from the providers' usual environment variables. Raises ``ConfigError`` with every problem.
    """

    __slots__ = ()

    async def chat(self, messages: Messages, **options: Unpack[ChatOptions]) -> Reply:
        """The whole reply. Cancelling the task closes the connection to the vendor."""
        native = self._alive()
        bridge = bridge_of_loop()
        ticket, call = native.start_chat(encode(messages, options), bridge.ready)
        return await bridge.wait(ticket, call.cancel)

    async def embed(self, texts: str | Sequence[str], **options: Unpack[EmbedOptions]) -> Embeddings:
        """The vectors of texts, in their order. More texts than a vendor takes at once go out in parts, one after the
        other, within one deadline. Cancelling the task closes the connection to the vendor."""
        native = self._alive()
        bridge = bridge_of_loop()
        ticket, call = native.start_embed(encode_texts(texts, options), bridge.ready)
        return await bridge.wait(ticket, call.cancel)

    def stream(self, messages: Messages, **options: Unpack[ChatOptions]) -> AsyncStream:
        """The reply as a stream, opened by ``async with`` or by its first event; it is not awaited itself."""
        return AsyncStream(self._alive(), encode(messages, options))

    async def aclose(self) -> None:
        """Lets go of the connections. Calls and streams under way go on."""
        self._native = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class AsyncStream:
    """The events of a reply, as they come. Leaving the ``async with`` block, ``aclose()``, cancelling the task that
    waits for it, or letting go of it closes the connection to the vendor at once."""

    __slots__ = ("__weakref__", "_batch", "_client", "_closed", "_events", "_request", "_waiting")

    def __init__(self, client: _native.Client, request: str) -> None:
        self._client = client
        self._request = request
        self._events: _native.Events | None = None
        self._batch: Iterator[StreamEvent] = iter(())
        self._waiting = False
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamEvent:
        for event in self._batch:
            return event
        if self._closed:
            raise StopAsyncIteration
        events = self._opened()
        ready = await self._wait(events, events.poll)
        if not ready:
            raise StopAsyncIteration
        self._batch = iter(ready)
        return next(self._batch)

    def _opened(self) -> _native.Events:
        if self._events is None:
            self._events = self._client.open(self._request)
        return self._events

    async def _wait(
        self, events: _native.Events, poll: Callable[[_native.ReadyQueue], list[StreamEvent] | int | None]
    ) -> list[StreamEvent] | None:
        if self._waiting:
            raise RuntimeError("another task is waiting for this stream")
        bridge = bridge_of_loop()
        self._waiting = True
        try:
            while isinstance(ready := poll(bridge.ready), int):
                await bridge.wait(ready, events.close)
            return ready
        finally:
            self._waiting = False

    @property
    def target(self) -> str | None:
        """The target that answers; None before the first content."""
        return None if self._events is None else self._events.target

    @property
    def reply(self) -> Reply | None:
        """The whole reply, once the stream has finished."""
        return None if self._events is None else self._events.reply

    async def aclose(self) -> None:
        """Closes the connection to the vendor now."""
        self._closed = True
        self._batch = iter(())
        if self._events is not None:
            self._events.close()

    async def __aenter__(self) -> Self:
        if self._closed:
            raise RuntimeError("the stream is closed")
        events = self._opened()
        await self._wait(events, events.poll_open)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class _Bridge:
    """Where one event loop gets its results: the loop watches a pipe, and one wake-up settles all that are ready.

    The loop holds it, never the other way round, so that a loop that is let go of is freed.
    """

    __slots__ = ("__weakref__", "pending", "ready")

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.pending: dict[int, Future[Any]] = {}
        try:
            self.ready = _native.ReadyQueue()
            loop.add_reader(self.ready.fileno(), self.drain)
        except (NotImplementedError, OSError):
            self.ready = _native.ReadyQueue(_caller(loop, self))

    def drain(self) -> None:
        self.ready.drain(self.pending)

    async def wait(self, ticket: int, cancel: Callable[[], None]) -> Any:
        """The result under ``ticket``. Whatever ends the wait before it, cancels."""
        self.pending[ticket] = future = get_running_loop().create_future()
        try:
            return await future
        except BaseException:
            self.pending.pop(ticket, None)
            cancel()
            raise


def _caller(loop: AbstractEventLoop, bridge: _Bridge) -> Callable[[], None]:
    """Drains ``bridge`` in ``loop``, from any thread, as long as both are there.

    The native queue holds what it returns, out of the garbage collector's sight: a cycle through it would never be
    freed.
    """
    known_loop, known_bridge = ref(loop), ref(bridge)

    def call() -> None:
        loop, bridge = known_loop(), known_bridge()
        if loop is not None and bridge is not None:
            loop.call_soon_threadsafe(bridge.drain)

    return call


_bridges: WeakKeyDictionary[AbstractEventLoop, _Bridge] = WeakKeyDictionary()


def bridge_of_loop() -> _Bridge:
    try:
        loop = get_running_loop()
    except RuntimeError:
        raise RuntimeError("no running event loop: hotspare's async side is for asyncio") from None
    bridge = _bridges.get(loop)
    if bridge is None:
        # Calls that were under way when their loop was closed would keep it alive for ever.
        # Other threads may add and remove theirs meanwhile.
        for known in _bridges.keyrefs():
            other = known()
            if other is not None and other.is_closed():
                _bridges.pop(other, None)
        bridge = _bridges[loop] = _Bridge(loop)
    return bridge
