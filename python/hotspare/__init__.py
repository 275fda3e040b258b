"""hotspare keeps an app's LLM calls answered when a provider is not.

    import hotspare

    client = hotspare.Client(targets=["openai/gpt-4o-mini", "anthropic/claude-haiku-4-5"])
    reply = client.chat("Say hi")
    print(reply.text, reply.target)

``Client`` is for sync code, ``AsyncClient`` for asyncio; both keep connections, so make one and share it.
"""

from ._client import Client, Stream
from ._errors import (
    AllTargetsFailed,
    AuthenticationError,
    BudgetExceededError,
    CancelledError,
    ConfigError,
    ConnectError,
    ContentFilteredError,
    ContextLengthError,
    HotspareError,
    InternalError,
    InvalidRequestError,
    MalformedError,
    ModelNotFoundError,
    OverloadedError,
    QuotaExhaustedError,
    RateLimitedError,
    ResetError,
    ServerError,
    StreamInterrupted,
    TimeoutError,  # noqa: A004
    UnsupportedError,
)
from ._native import Attempt, Partial, Reply, StreamEvent, ToolCall, ToolCallDelta, Usage, __version__

TYPE_CHECKING = False  # importing typing would take longer than the rest of the package
if TYPE_CHECKING:
    from ._async import AsyncClient, AsyncStream

__all__ = [
    "AllTargetsFailed",
    "AsyncClient",
    "AsyncStream",
    "Attempt",
    "AuthenticationError",
    "BudgetExceededError",
    "CancelledError",
    "Client",
    "ConfigError",
    "ConnectError",
    "ContentFilteredError",
    "ContextLengthError",
    "HotspareError",
    "InternalError",
    "InvalidRequestError",
    "MalformedError",
    "ModelNotFoundError",
    "OverloadedError",
    "Partial",
    "QuotaExhaustedError",
    "RateLimitedError",
    "Reply",
    "ResetError",
    "ServerError",
    "Stream",
    "StreamEvent",
    "StreamInterrupted",
    "TimeoutError",
    "ToolCall",
    "ToolCallDelta",
    "UnsupportedError",
    "Usage",
    "__version__",
]


def __getattr__(name: str) -> object:
    # asyncio takes longer to import than everything else here, and sync programs never need it.
    if name in ("AsyncClient", "AsyncStream"):
        from . import _async

        return getattr(_async, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
