"""The exceptions. Each failure class has one of its own, and all of them are ``HotspareError``."""

from __future__ import annotations

import builtins

TYPE_CHECKING = False  # importing typing would take longer than the rest of the package
if TYPE_CHECKING:
    from typing import Any

    from ._native import Attempt, Partial


class HotspareError(Exception):
    """Every error of a call. ``str()`` is one line for a person; the fields are for code."""

    code: str
    """The stable code, as in ``rate_limited``; the same in every language."""
    class_: str | None
    """The failure class of the (last) failure."""
    status: int | None
    """HTTP status of the (last) failure."""
    retry_after: float | None
    """Seconds after which a target asked to be called again."""
    target: str | None
    """The target of the last attempt, ``provider/model``."""
    phase: str | None
    """How far the last attempt had come."""
    maybe_sent: bool
    """Whether any attempt may have reached a vendor, and so may be billed."""
    vendor_code: str | None
    """The vendor's own code or type of the (last) failure."""
    request_id: str | None
    """The vendor's request id of the (last) failure."""
    cost_min_usd: float
    """US dollars of all attempts at least."""
    cost_max_usd: float | None
    """US dollars of all attempts at most; None when a price is unknown."""
    trail: list[Attempt]
    """Every attempt, in order."""
    last: HotspareError | None
    """The last failure as an error of its own, when this error stands for more than one."""
    partial: Partial | None
    """What had come, when a stream broke."""

    def __init__(
        self,
        message: str = "",
        *,
        code: str = "internal",
        class_: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
        target: str | None = None,
        phase: str | None = None,
        maybe_sent: bool = False,
        vendor_code: str | None = None,
        request_id: str | None = None,
        cost_min_usd: float = 0.0,
        cost_max_usd: float | None = 0.0,
        trail: list[Attempt] | None = None,
        last: HotspareError | None = None,
        partial: Partial | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.class_ = class_
        self.status = status
        self.retry_after = retry_after
        self.target = target
        self.phase = phase
        self.maybe_sent = maybe_sent
        self.vendor_code = vendor_code
        self.request_id = request_id
        self.cost_min_usd = cost_min_usd
        self.cost_max_usd = cost_max_usd
        self.trail = trail or []
        self.last = last
        self.partial = partial
        self.__cause__ = last

    def __reduce__(self) -> tuple[type[HotspareError], tuple[str], dict[str, Any]]:
        return type(self), (str(self),), dict(self.__dict__)

    def __setstate__(self, state: dict[str, Any] | None) -> None:
        super().__setstate__(state)
        self.__cause__ = self.last


class ConfigError(HotspareError, ValueError):
    """The config is wrong; the message lists every problem with its place."""


class AllTargetsFailed(HotspareError):
    """Every target of the route failed. ``last`` (and ``__cause__``) is the last failure, ``trail`` has all."""

    last: HotspareError  # pyright: ignore[reportIncompatibleVariableOverride]


class StreamInterrupted(HotspareError):
    """A stream broke after content had come. ``partial`` is what had come, ``last`` is what broke it."""

    last: HotspareError  # pyright: ignore[reportIncompatibleVariableOverride]
    partial: Partial  # pyright: ignore[reportIncompatibleVariableOverride]


class InternalError(HotspareError):
    """A bug in hotspare, caught. Please report it."""


class ConnectError(HotspareError):
    """DNS, TCP or TLS failed: the request was never sent."""


class ResetError(HotspareError):
    """The connection was lost before the response began."""


class TimeoutError(HotspareError, builtins.TimeoutError):  # noqa: A001
    """The time for the first token, the next token, or the attempt ran out."""


class ServerError(HotspareError):
    """The vendor failed: 500, 502, 504, or its own word for it."""


class OverloadedError(HotspareError):
    """The vendor is too busy."""


class RateLimitedError(HotspareError):
    """A rate limit that clears by waiting; see ``retry_after``."""


class QuotaExhaustedError(HotspareError):
    """Money or a long quota is used up."""


class AuthenticationError(HotspareError):
    """The key is missing, wrong, revoked, or not allowed to do this."""


class ModelNotFoundError(HotspareError):
    """The vendor does not know the model."""


class ContextLengthError(HotspareError):
    """The prompt does not fit the model's window."""


class ContentFilteredError(HotspareError):
    """The prompt was refused by a content filter."""


class InvalidRequestError(HotspareError, ValueError):
    """The request is wrong, whoever answers it."""


class MalformedError(HotspareError):
    """The answer cannot be understood, or ended without its terminal marker."""


class UnsupportedError(HotspareError):
    """The request asks for something the target has no equal for."""


class BudgetExceededError(HotspareError):
    """Your own spend cap."""


class CancelledError(HotspareError):
    """The call was stopped."""


def make(name: str, message: str, **fields: Any) -> HotspareError:
    """The error of the class called ``name``. Called by the native module."""
    error_class: type[HotspareError] = globals()[name]
    return error_class(message, **fields)
