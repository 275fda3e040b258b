"""What ``status`` and ``explain`` give. Times are seconds, money is US dollars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from ._records import Record
from .types import BreakerState


@dataclass(frozen=True, slots=True)
class CostRange(Record):
    """US dollars something may cost, or may have cost."""

    min: float
    """At least."""
    max: float | None
    """At most; None when the catalog has no price of the model."""


@dataclass(frozen=True, slots=True)
class LatencyStatus(Record):
    """Seconds to first content, over the last 64 answers; None before there are enough."""

    p50: float | None
    """The median."""
    p95: float | None
    """19 of 20 are faster."""
    ewma: float | None
    """Peak-EWMA: rises at once, falls over a minute."""


@dataclass(frozen=True, slots=True)
class RecentError(Record):
    """A failure that lies a while back."""

    ago: float
    """Seconds ago."""
    code: str
    """The failure class's code."""
    status: int | None
    """HTTP status, when there was a response."""


@dataclass(frozen=True, slots=True)
class RetryBudgetStatus(Record):
    """What is left of the retry budget."""

    left: float
    """Retries and hedges that could be made now."""
    most: float
    """The most there can be."""


@dataclass(frozen=True, slots=True)
class TargetStatus(Record):
    """One target."""

    parts: ClassVar = {"latency": LatencyStatus, "recent_errors": RecentError, "spent": CostRange}

    target: str
    """``provider/model``."""
    state: BreakerState
    """The worse of the target's own breaker and its endpoint's."""
    why: str
    """Why, in a few words."""
    since: float
    """Seconds it has been so."""
    next_probe: float | None
    """Seconds until it may be tried again; None unless open."""
    suspect: bool
    """Whether others of its correlation domain opened just now, so that it gets half the traffic."""
    in_flight: int
    """Attempts under way."""
    concurrency: int | None
    """The most there may be at once; None while no limit is known."""
    latency: LatencyStatus
    """Seconds to first content."""
    requests_left: int | None
    """Requests that may be sent at once, with the best of its keys; None while no limit is known."""
    tokens_left: int | None
    """Tokens that may be used at once, with the best of its keys; None while no limit is known."""
    recent_errors: tuple[RecentError, ...]
    """The last failures, the newest last; at most 8."""
    spent: CostRange
    """US dollars of its attempts that have ended."""


@dataclass(frozen=True, slots=True)
class KeyStatus(Record):
    """One key."""

    provider: str
    """Whose."""
    index: int
    """Its place in the pool, from 0."""
    key: str | None
    """Its fingerprint, never the key; None when it cannot be read."""
    group: str
    """The account whose limits it shares."""
    state: Literal["open", "parked", "not_set"]
    """Whether it can be used."""
    code: str | None
    """The failure class that parked it."""
    seconds: float | None
    """Seconds it stays parked; None when open, or until its secret changes."""


@dataclass(frozen=True, slots=True)
class Status(Record):
    """What a client knows now of its targets and keys. A snapshot."""

    parts: ClassVar = {
        "targets": TargetStatus,
        "keys": KeyStatus,
        "retry_budget": RetryBudgetStatus,
        "spent": CostRange,
    }

    at: float
    """Seconds since the client was made."""
    targets: tuple[TargetStatus, ...]
    """Every target that a route names or a request has named, by name."""
    keys: tuple[KeyStatus, ...]
    """Every key, by provider and place in its pool."""
    retry_budget: RetryBudgetStatus
    """Retries and hedges that are paid for now, and the most that can be."""
    spent: CostRange
    """US dollars of every attempt that has ended."""
    reserved: float
    """US dollars reserved for the attempts under way: their worst case, where prices are known."""
    in_flight: int
    """Requests under way."""
    local_network_down: bool
    """Whether every provider refuses to connect, so that it seems to be the local network."""
    paused: bool
    """Whether background requests are paused."""


@dataclass(frozen=True, slots=True)
class ExplainedTarget(Record):
    """One target of an ``Explanation``."""

    parts: ClassVar = {"cost": CostRange}

    target: str
    """``provider/model``."""
    included: bool
    """Whether it would be called, should its turn come now."""
    reason: str
    """Why, in a few words."""
    key: str | None
    """The fingerprint of the key that would be used."""
    opens_in: float | None
    """Seconds until it may be called; None when it is open, or waiting does not help."""
    cost: CostRange
    """US dollars: the prompt alone at least, the longest answer at most."""
    adapted: tuple[str, ...]
    """How the request would be changed to fit, one line a change."""


@dataclass(frozen=True, slots=True)
class Explanation(Record):
    """What would be done with a request, and why. Nothing is sent."""

    parts: ClassVar = {"targets": ExplainedTarget}

    route: str
    """The route."""
    input_tokens: int
    """Input tokens, estimated."""
    targets: tuple[ExplainedTarget, ...]
    """The targets, in the order they would be called."""
    max_attempts: int
    """Most attempts."""
    timeout: float
    """Seconds the whole request may take."""
