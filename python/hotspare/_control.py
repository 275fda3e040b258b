"""What both clients have: sight and control. None of it waits for a provider."""

from __future__ import annotations

from ._request import encode, open_client

TYPE_CHECKING = False  # importing typing would take longer than the rest of the package
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from typing_extensions import Unpack

    from . import _native
    from ._status import Explanation, Status
    from .events import Event
    from .types import ChatOptions, Messages


class Controlled:
    __slots__ = ("__weakref__", "_native")

    def __init__(
        self,
        config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        *,
        targets: Sequence[str] | None = None,
    ) -> None:
        self._native: _native.Client | None = open_client(config, targets)

    def _alive(self) -> _native.Client:
        if self._native is None:
            raise RuntimeError("the client is closed")
        return self._native

    def status(self) -> Status:
        """What is known now of targets and keys: breakers, limits, latencies, errors, money. Changes nothing."""
        native = self._alive()
        from ._records import build
        from ._status import Status

        return build(Status, native.status())

    def explain(self, messages: Messages, **options: Unpack[ChatOptions]) -> Explanation:
        """What ``chat`` would do with these arguments, with a reason for every target in or out. Nothing is sent."""
        native = self._alive()
        from ._records import build
        from ._status import Explanation

        return build(Explanation, native.explain(encode(messages, options)))

    def hold(self, name: str) -> int:
        """Takes targets out of use until ``release``: a target (``openai/gpt-4o-mini``), or all of a provider
        (``openai``, ``openai/*``). Calls under way go on. Returns how many targets that are; raises
        ``InvalidRequestError`` when there is none."""
        return self._alive().hold(name)

    def release(self, name: str) -> int:
        """Gives targets back to their breakers, named as for ``hold``."""
        return self._alive().release(name)

    def force_closed(self, name: str) -> int:
        """Keeps targets in use whatever they do, until ``release``, named as for ``hold``: their breakers stay
        closed."""
        return self._alive().force_closed(name)

    def update_catalog(self, text: str) -> None:
        """Puts facts on models over those of the build and of the config: prices, windows, what a model takes. TOML or
        JSON, by provider and model; it stands in place of what an earlier call of this said. Calls that begin from now
        on go by it. Raises ``ConfigError`` with every problem, and changes nothing then."""
        self._alive().update_catalog(text)

    def on_event(self, callback: Callable[[Event], object]) -> None:
        """Calls ``callback`` with every attempt, decision and change of state from now on, until the client is closed.

        It runs on a thread of its own (with asyncio: hand over with ``loop.call_soon_threadsafe``), one event after the
        other, and no call ever waits for it: when it is too slow for long, the oldest events are dropped, which
        an ``events_dropped`` event tells. What it raises goes to ``sys.unraisablehook``. In the child of a fork it is
        called with the events of the child. A callback that holds the client keeps it until it is closed.
        """
        native = self._alive()
        if not callable(callback):
            raise TypeError("an event callback must be callable")
        from ._delivery import Delivery

        native.delivery(Delivery).callbacks.append(callback)
