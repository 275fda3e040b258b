"""How events reach callbacks: the core puts them into a feed and goes on; a thread of ours takes them from there."""

from __future__ import annotations

from threading import Thread, current_thread
from time import monotonic
from typing import TYPE_CHECKING

from . import _native
from .events import EventsDropped, make

if TYPE_CHECKING:
    from collections.abc import Callable

    from .events import Event

PATIENCE = 2
"""Seconds that the interpreter's exit waits for callbacks."""

_running: dict[Thread, _native.EventFeed] = {}


class Delivery:
    """Gives one client's events to its callbacks."""

    __slots__ = ("callbacks",)

    def __init__(self) -> None:
        self.callbacks: list[Callable[[Event], object]] = []

    def start(self, feed: _native.EventFeed) -> None:
        """Called by the native module, once in every process that uses the client.

        The thread does not hold the client, and ends with it.
        """
        thread = Thread(target=_deliver, args=(feed, self.callbacks), name="hotspare-events", daemon=True)
        _running[thread] = feed
        try:
            thread.start()
        except BaseException:
            del _running[thread]
            raise


def _deliver(feed: _native.EventFeed, callbacks: list[Callable[[Event], object]]) -> None:
    try:
        while (batch := feed.take()) is not None:
            dropped, records = batch
            for record in records:
                event = make(record)
                if dropped:
                    _tell(callbacks, EventsDropped(event.at, None, dropped))
                    dropped = 0
                _tell(callbacks, event)
    finally:
        _running.pop(current_thread(), None)


def _tell(callbacks: list[Callable[[Event], object]], event: Event) -> None:
    for callback in callbacks:
        try:
            callback(event)
        except BaseException as error:
            _native.unraisable(error, callback)


def finish() -> None:
    """Lets callbacks have the events that wait. Called by the native module when the interpreter exits; a callback that
    hangs is left behind."""
    until = monotonic() + PATIENCE
    running = list(_running.items())
    for _, feed in running:
        feed.close()
    for thread, _ in running:
        thread.join(max(0, until - monotonic()))
