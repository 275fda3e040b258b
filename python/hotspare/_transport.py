"""What an SDK sends through httpx or httpx2, answered by a client of ours: the transports below those libraries.

Neither library is imported here but to make a client of it. A transport answers with the objects of the library whose
request it was given.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from . import _native
from ._control import Controlled
from ._errors import HotspareError
from ._request import open_client

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
    from types import ModuleType, TracebackType

    import httpx
    import httpx2
    from typing_extensions import Protocol, Self, TypeVar, Unpack

    from ._async import AsyncClient
    from ._client import Client
    from .types import HttpxOptions

    Source = str | os.PathLike[str] | Mapping[str, Any] | Client | AsyncClient | None

    C = TypeVar("C", default=httpx2.Client)
    A = TypeVar("A", default=httpx2.AsyncClient)

    class HasClient(Protocol[C]):
        """``httpx2`` or ``httpx``, the module itself."""

        Client: type[C]

    class HasAsyncClient(Protocol[A]):
        """``httpx2`` or ``httpx``, the module itself."""

        AsyncClient: type[A]

    class _SyncBase(httpx.BaseTransport, httpx2.BaseTransport):
        def handle_request(self, request: Any) -> Any: ...

    class _AsyncBase(httpx.AsyncBaseTransport, httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: Any) -> Any: ...
else:
    # Neither library asks what class a transport is of, but some SDKs refuse what has httpx among its bases.
    _SyncBase = _AsyncBase = object

LIBRARIES = ("httpx2", "httpx")


class _Transport:
    __slots__ = ("__weakref__", "_native")

    def __init__(self, source: Source = None, *, targets: Sequence[str] | None = None) -> None:
        if not isinstance(source, Controlled):
            self._native: _native.Client | None = open_client(source, targets)
        elif targets is None:
            self._native = source._alive()
        else:
            raise TypeError("give either a client or targets=[...]")

    def _serve(self, request: Any, body: bytes) -> _native.Served:
        if self._native is None:
            raise RuntimeError("the transport is closed")
        timeout = request.extensions.get("timeout")
        path = request.url.raw_path.decode("ascii")
        return self._native.serve(request.method, path, request.headers.raw, body, timeout and timeout.get("read"))


class HttpxTransport(_Transport, _SyncBase):
    """A transport for ``httpx.Client`` and ``httpx2.Client`` alike: requests in the format of a vendor are answered in
    it, by whatever target is up. Threads may share it.

    ``source`` is a config (a path, or a dict), a ``Client`` or an ``AsyncClient``, which is then shared; or give
    ``targets`` alone. Raises ``ConfigError`` with every problem.
    """

    __slots__ = ()

    def handle_request(self, request: Any) -> Any:
        """The response, in the objects of the request's library. Ctrl-C ends the call, and closes the connection to
        the vendor."""
        library = _library_of(request)
        served = self._serve(request, request.read())
        status, headers, whole = served.wait_head()
        stream = library.body(served) if whole is None else library.whole(whole)
        return library.response(status, headers=headers, stream=stream, extensions=_extensions())

    def close(self) -> None:
        """Lets go of the connections, unless a client has them too. Calls and streams under way go on."""
        self._native = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.close()


class AsyncHttpxTransport(_Transport, _AsyncBase):
    """As ``HttpxTransport``, for ``httpx.AsyncClient`` and ``httpx2.AsyncClient`` under asyncio. Tasks, threads and
    event loops may share it."""

    __slots__ = ()

    async def handle_async_request(self, request: Any) -> Any:
        """The response, in the objects of the request's library. Cancelling the task closes the connection to the
        vendor."""
        from ._async import bridge_of_loop

        library = _library_of(request)
        body = await request.aread()
        bridge = bridge_of_loop()
        served = self._serve(request, body)
        while isinstance(head := served.poll_head(bridge.ready), int):
            await bridge.wait(head, served.close)
        status, headers, whole = head
        stream = library.async_body(served) if whole is None else library.whole(whole)
        return library.response(status, headers=headers, stream=stream, extensions=_extensions())

    async def aclose(self) -> None:
        """Lets go of the connections, unless a client has them too. Calls and streams under way go on."""
        self._native = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.aclose()


def httpx_client(
    source: Source = None,
    *,
    targets: Sequence[str] | None = None,
    library: HasClient[C] | None = None,
    **options: Unpack[HttpxOptions],
) -> C:
    """The ``http_client`` of an SDK, as in ``OpenAI(api_key="unused", http_client=hotspare.httpx_client(config))``.

    ``source`` and ``targets`` are those of ``HttpxTransport``. ``library`` is the module whose ``Client`` it is:
    ``httpx2`` where it is installed, else ``httpx``, unless given. Of the library's options those are taken that say
    nothing of connections. No ``timeout`` of its own by default: the route has them.
    """
    make = _library(library, "Client")
    return make(transport=HttpxTransport(source, targets=targets), **_options(options))


def httpx_async_client(
    source: Source = None,
    *,
    targets: Sequence[str] | None = None,
    library: HasAsyncClient[A] | None = None,
    **options: Unpack[HttpxOptions],
) -> A:
    """As ``httpx_client``, for SDKs under asyncio: the ``http_client`` of ``AsyncOpenAI`` or ``AsyncAnthropic``."""
    make = _library(library, "AsyncClient")
    return make(transport=AsyncHttpxTransport(source, targets=targets), **_options(options))


def _library(library: object, client: str) -> Any:
    """The class called ``client`` of the library, of the first that is installed unless one is given."""
    if library is not None:
        if not hasattr(library, client):
            raise TypeError(f"library is a module, httpx or httpx2, not {library!r}")
        return getattr(library, client)
    from importlib import import_module

    for name in LIBRARIES:
        try:
            return getattr(import_module(name), client)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
    raise ModuleNotFoundError("neither httpx2 nor httpx is installed: SDKs bring the one they are built on")


_CONNECTIONS = frozenset({"cert", "http1", "http2", "limits", "mounts", "proxy", "transport", "verify"})


def _options(options: Mapping[str, Any]) -> dict[str, Any]:
    for name in options:
        if name in _CONNECTIONS:
            raise TypeError(f"{name} is of no use here: hotspare makes the connections, as its config says")
    return {"timeout": None, **options}


class _Body:
    """The bytes of a reply. Closing it, or letting go of it, closes the connection to the vendor."""

    broke: Callable[[str], Exception]
    consumed: Callable[[], Exception]

    def __init__(self, served: _native.Served) -> None:
        self._served = served
        self._read = False

    def _begin(self) -> _native.Served:
        if self._read:
            raise self.consumed()
        self._read = True
        return self._served


class _SyncBody(_Body):
    def __iter__(self) -> Iterator[bytes]:
        served = self._begin()
        try:
            while part := served.next():
                yield part
        except HotspareError as error:
            raise self.broke(str(error)) from error

    def close(self) -> None:
        self._served.close()


class _AsyncBody(_Body):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        from ._async import bridge_of_loop

        served = self._begin()
        bridge = bridge_of_loop()
        try:
            while True:
                while isinstance(part := served.poll(bridge.ready), int):
                    await bridge.wait(part, served.close)
                if not part:
                    return
                yield part
        except HotspareError as error:
            raise self.broke(str(error)) from error

    async def aclose(self) -> None:
        self._served.close()


class _Library:
    """What responses are made of in one of the libraries."""

    __slots__ = ("async_body", "body", "response", "whole")

    def __init__(self, module: ModuleType) -> None:
        errors = {"broke": module.ReadError, "consumed": module.StreamConsumed}
        self.response = module.Response
        self.whole = module.ByteStream
        self.body = type("HotspareStream", (_SyncBody, module.SyncByteStream), errors)
        self.async_body = type("AsyncHotspareStream", (_AsyncBody, module.AsyncByteStream), errors)


_libraries: dict[type, _Library] = {}


def _library_of(request: object) -> _Library:
    kind = type(request)
    library = _libraries.get(kind)
    if library is None:
        # A request may be of a class of the caller's own.
        modules = [sys.modules.get(base.__module__.partition(".")[0]) for base in kind.__mro__]
        module = next((module for module in modules if hasattr(module, "SyncByteStream")), None)
        if module is None:
            raise TypeError(f"a request of httpx or httpx2 was expected, not {kind.__name__}")
        library = _libraries[kind] = _Library(module)
    return library


def _extensions() -> dict[str, Any]:
    return {"http_version": b"HTTP/1.1"}
