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
from ._native import (
    Attempt,
    Embeddings,
    Partial,
    Reply,
    Span,
    StreamEvent,
    ToolCall,
    ToolCallDelta,
    Usage,
    __version__,
)

TYPE_CHECKING = False  # importing typing would take longer than the rest of the package
if TYPE_CHECKING:
    from ._async import AsyncClient, AsyncStream
    from ._status import (
        CostRange,
        ExplainedTarget,
        Explanation,
        KeyStatus,
        LatencyStatus,
        RecentError,
        RetryBudgetStatus,
        Status,
        TargetStatus,
    )
    from ._transport import AsyncHttpxTransport, HttpxTransport, httpx_async_client, httpx_client
    from .events import Event

__all__ = [
    "AllTargetsFailed",
    "AsyncClient",
    "AsyncHttpxTransport",
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
    "CostRange",
    "Embeddings",
    "Event",
    "ExplainedTarget",
    "Explanation",
    "HotspareError",
    "HttpxTransport",
    "InternalError",
    "InvalidRequestError",
    "KeyStatus",
    "LatencyStatus",
    "MalformedError",
    "ModelNotFoundError",
    "OverloadedError",
    "Partial",
    "QuotaExhaustedError",
    "RateLimitedError",
    "RecentError",
    "Reply",
    "ResetError",
    "RetryBudgetStatus",
    "ServerError",
    "Span",
    "Status",
    "Stream",
    "StreamEvent",
    "StreamInterrupted",
    "TargetStatus",
    "TimeoutError",
    "ToolCall",
    "ToolCallDelta",
    "UnsupportedError",
    "Usage",
    "__version__",
    "httpx_async_client",
    "httpx_client",
]


_LATER = {
    "AsyncClient": "_async",
    "AsyncHttpxTransport": "_transport",
    "AsyncStream": "_async",
    "CostRange": "_status",
    "Event": "events",
    "ExplainedTarget": "_status",
    "Explanation": "_status",
    "HttpxTransport": "_transport",
    "KeyStatus": "_status",
    "LatencyStatus": "_status",
    "RecentError": "_status",
    "RetryBudgetStatus": "_status",
    "Status": "_status",
    "TargetStatus": "_status",
    "httpx_async_client": "_transport",
    "httpx_client": "_transport",
}
"""Where the rest is. asyncio and dataclasses each take longer to import than everything else here, and most programs
need neither, or not at once."""


def __getattr__(name: str) -> object:
    if name in _LATER:
        from importlib import import_module

        return getattr(import_module(f".{_LATER[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
