"""What a callback of ``on_event`` gets: a state change, an attempt, or a decision. No event holds a key, a prompt or an
answer.

    def seen(event: hotspare.Event) -> None:
        if event.type == "breaker":
            print(event.name, event.to, event.why)

``event.type`` tells what it is, to type checkers too; ``isinstance`` and ``match`` do as well. Times are seconds, money
is US dollars.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from ._records import Record, build
from ._status import CostRange
from .types import Billing, BreakerState, Next

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Happening(Record):
    """What all events have."""

    type: ClassVar[str]

    at: float
    """Seconds since the client was made."""
    request: int | None
    """The request it belongs to, numbered from 1 in the order they began; None when it belongs to none."""

    def to_dict(self) -> dict[str, Any]:
        """All of it, ``type`` included, as a dict of JSON values."""
        # Not `super()`: slots make another class of this one, which `super` does not know before Python 3.14.
        return {"type": self.type, **Record.to_dict(self)}


@dataclass(frozen=True, slots=True)
class RequestStarted(Happening):
    """A request began."""

    type: ClassVar[Literal["request_started"]] = "request_started"
    route: str
    """Its route."""
    stream: bool
    """Whether its answer is streamed to the caller."""


@dataclass(frozen=True, slots=True)
class AttemptStarted(Happening):
    """An attempt goes out."""

    type: ClassVar[Literal["attempt_started"]] = "attempt_started"
    target: str
    """``provider/model``."""
    key: str | None
    """A fingerprint of the key; None when the provider has none."""
    hedge: bool
    """It races an attempt that is under way."""
    probe: bool
    """It tries out a target whose breaker is half-open."""


@dataclass(frozen=True, slots=True)
class FirstContent(Happening):
    """The first content of an attempt came."""

    type: ClassVar[Literal["first_content"]] = "first_content"
    target: str
    """``provider/model``."""
    after: float
    """Seconds since the attempt began."""


@dataclass(frozen=True, slots=True)
class AttemptEnded(Happening):
    """An attempt ended."""

    type: ClassVar[Literal["attempt_ended"]] = "attempt_ended"
    parts: ClassVar = {"cost": CostRange}
    target: str
    """``provider/model``."""
    key: str | None
    """A fingerprint of the key."""
    code: str
    """``ok``, ``cancelled`` or the failure class's code."""
    status: int | None
    """HTTP status, when there was a response."""
    billing: Billing
    """What is known of its bill."""
    cost: CostRange
    """US dollars it may have cost."""
    next: Next
    """What was decided then."""
    reason: str
    """Why, in a few words."""


@dataclass(frozen=True, slots=True)
class Skipped(Happening):
    """A target was not called, and why."""

    type: ClassVar[Literal["skipped"]] = "skipped"
    target: str
    """``provider/model``."""
    code: str
    """The class that closed it."""
    reason: str
    """Why, in a few words."""
    next: Next
    """What was decided then."""


@dataclass(frozen=True, slots=True)
class Waiting(Happening):
    """Nothing can be called now: the request waits."""

    type: ClassVar[Literal["waiting"]] = "waiting"
    seconds: float
    """How long."""


@dataclass(frozen=True, slots=True)
class Recovering(Happening):
    """A stream broke after content had reached the caller, and goes on with another attempt."""

    type: ClassVar[Literal["recovering"]] = "recovering"
    how: Literal["restart", "continue"]
    """From the start, or from where the text broke off."""
    from_: str
    """The target that broke; ``from`` in ``to_dict()``."""
    to: str
    """The target that answers now."""


@dataclass(frozen=True, slots=True)
class RequestEnded(Happening):
    """A request ended."""

    type: ClassVar[Literal["request_ended"]] = "request_ended"
    parts: ClassVar = {"cost": CostRange}
    code: str
    """``ok``, ``cancelled`` or the error's code."""
    target: str | None
    """The target that answered."""
    attempts: int
    """Attempts that were sent or found impossible."""
    elapsed: float
    """Seconds."""
    cost: CostRange
    """US dollars of all attempts."""


@dataclass(frozen=True, slots=True)
class Breaker(Happening):
    """A breaker changed its state."""

    type: ClassVar[Literal["breaker"]] = "breaker"
    scope: Literal["target", "endpoint", "domain"]
    """What it is the breaker of."""
    name: str
    """Whose."""
    from_: BreakerState
    """What it was; ``from`` in ``to_dict()``."""
    to: BreakerState
    """What it is."""
    why: str
    """Why, in a few words."""


@dataclass(frozen=True, slots=True)
class KeyParked(Happening):
    """A key, or all keys of its account, must not be used for a while, or until its secret changes."""

    type: ClassVar[Literal["key_parked"]] = "key_parked"
    provider: str
    """Whose key."""
    key: str | None
    """Its fingerprint."""
    code: str
    """The class that parked it."""
    status: int | None
    """The status that came with it."""
    seconds: float | None
    """How long; None: until its secret changes."""


@dataclass(frozen=True, slots=True)
class KeyOpened(Happening):
    """A parked key is used again."""

    type: ClassVar[Literal["key_opened"]] = "key_opened"
    provider: str
    """Whose key."""
    key: str | None
    """Its fingerprint."""


@dataclass(frozen=True, slots=True)
class KeyRenewed(Happening):
    """The secret of a key was read again and is another one."""

    type: ClassVar[Literal["key_renewed"]] = "key_renewed"
    provider: str
    """Whose key."""
    key: str | None
    """The new fingerprint."""


@dataclass(frozen=True, slots=True)
class Limited(Happening):
    """A vendor's limit, or our own pacing of it, holds a target back."""

    type: ClassVar[Literal["limited"]] = "limited"
    target: str
    """``provider/model``."""
    reason: str
    """What holds it back, in a few words."""
    seconds: float | None
    """How long; None when it is no matter of time."""


@dataclass(frozen=True, slots=True)
class TargetParked(Happening):
    """The vendor does not know the model: the target is passed over."""

    type: ClassVar[Literal["target_parked"]] = "target_parked"
    target: str
    """``provider/model``."""
    seconds: float | None
    """How long; None: not by waiting."""


@dataclass(frozen=True, slots=True)
class LocalNetwork(Happening):
    """Every provider refuses to connect at once, or can be reached again: no breaker moves for that."""

    type: ClassVar[Literal["local_network"]] = "local_network"
    down: bool
    """Whether it seems to be down."""


@dataclass(frozen=True, slots=True)
class Catalog(Happening):
    """The facts on models were changed, or were to be."""

    type: ClassVar[Literal["catalog"]] = "catalog"
    layer: str
    """By whom: ``file``, ``url`` or ``app``."""
    problem: str | None
    """Why they are what they were; ``None`` when they were changed."""


@dataclass(frozen=True, slots=True)
class Probed(Happening):
    """A free request to an endpoint came back, or did not."""

    type: ClassVar[Literal["probed"]] = "probed"
    provider: str
    """The provider."""
    reached: bool
    """Whether it could be reached."""
    status: int | None
    """Its status."""


@dataclass(frozen=True, slots=True)
class EventsDropped(Happening):
    """Callbacks were too slow for long: the oldest of the events that waited, those before this one, were dropped."""

    type: ClassVar[Literal["events_dropped"]] = "events_dropped"
    count: int
    """How many."""


Event: TypeAlias = (
    RequestStarted
    | AttemptStarted
    | FirstContent
    | AttemptEnded
    | Skipped
    | Waiting
    | Recovering
    | RequestEnded
    | Breaker
    | KeyParked
    | KeyOpened
    | KeyRenewed
    | Limited
    | TargetParked
    | LocalNetwork
    | Catalog
    | Probed
    | EventsDropped
)
"""Any of them."""

BY_TYPE: dict[str, type[Event]] = {kind.type: kind for kind in Event.__args__}  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType, reportUnknownMemberType]
"""Their classes, by ``type``."""


def make(record: Mapping[str, Any]) -> Event:
    """The event that the core gave as a dict."""
    fields = dict(record)
    return build(BY_TYPE[fields.pop("type")], fields)
