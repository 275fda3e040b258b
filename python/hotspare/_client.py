from __future__ import annotations

from ._control import Controlled
from ._request import encode, encode_texts

TYPE_CHECKING = False  # importing typing would take longer than the rest of the package
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from . import _native
    from ._native import Embeddings, Reply, StreamEvent
    from .types import ChatOptions, EmbedOptions, Messages


class Client(Controlled):
    """Many providers behind one call, for sync code. Threads may share it.

    ``config`` is the path of a TOML or JSON file, or a dict of the same shape; or give ``targets`` alone, and keys
    come from the providers' usual environment variables. Raises ``ConfigError`` with every problem.
    """

    __slots__ = ()

    def chat(self, messages: Messages, **options: Unpack[ChatOptions]) -> Reply:
        """The whole reply. Ctrl-C ends the call, and closes the connection to the vendor."""
        return self._alive().chat(encode(messages, options))

    def embed(self, texts: str | Sequence[str], **options: Unpack[EmbedOptions]) -> Embeddings:
        """The vectors of texts, in their order. More texts than a vendor takes at once go out in parts, one after the
        other, within one deadline. Ctrl-C ends the call, and closes the connection to the vendor."""
        return self._alive().embed(encode_texts(texts, options))

    def stream(self, messages: Messages, **options: Unpack[ChatOptions]) -> Stream:
        """The reply as a stream. Returns once the first content is there: until then failures are silent."""
        events = self._alive().open(encode(messages, options))
        events.wait_open()
        return Stream(events)

    def close(self) -> None:
        """Lets go of the connections. Calls and streams under way go on."""
        self._native = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Stream:
    """The events of a reply, as they come. Leaving the ``with`` block, ``close()``, or letting go of it closes the
    connection to the vendor at once."""

    __slots__ = ("__weakref__", "_batch", "_events")

    def __init__(self, events: _native.Events) -> None:
        self._events = events
        self._batch: Iterator[StreamEvent] = iter(())

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> StreamEvent:
        for event in self._batch:
            return event
        events = self._events.next()
        if not events:
            raise StopIteration
        self._batch = iter(events)
        return next(self._batch)

    @property
    def target(self) -> str | None:
        """The target that answers."""
        return self._events.target

    @property
    def reply(self) -> Reply | None:
        """The whole reply, once the stream has finished."""
        return self._events.reply

    def close(self) -> None:
        """Closes the connection to the vendor now."""
        self._events.close()
        self._batch = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
