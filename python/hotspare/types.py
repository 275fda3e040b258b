"""The types of arguments, for annotations. They cost an import of ``typing``, which ``import hotspare`` avoids."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from ._native import Reply

if TYPE_CHECKING:
    from typing_extensions import TypedDict


class HasModelDump(Protocol):
    """A pydantic model, or whatever else can turn itself into plain values."""

    def model_dump(self, *, mode: str = ..., exclude_none: bool = ...) -> Any: ...


Message: TypeAlias = "Mapping[str, Any] | HasModelDump | Reply"
"""One message in OpenAI's shape; an object with ``model_dump()``; or a ``Reply``, which stands for its message."""

Messages: TypeAlias = "str | Sequence[Message]"
"""A prompt, or the conversation."""

EventType: TypeAlias = Literal["text", "reasoning", "refusal", "tool_call", "restart", "continue", "finish"]
"""``StreamEvent.type``."""

BreakerState: TypeAlias = Literal["closed", "degraded", "open", "half_open", "ramp", "forced_open", "forced_closed"]
"""Whether a target is called: ``closed`` is well, ``degraded`` mostly goes behind the others, ``open`` is left alone,
``half_open`` is tried out, ``ramp`` gets a few calls at a time, and the forced ones are an operator's word."""

Billing: TypeAlias = Literal["unsent", "unknown", "rejected", "partial", "complete"]
"""What is known of an attempt's bill: it never left; it was sent, and nothing tells what became of it; the vendor
refused it; the answer broke off; the vendor counted its tokens."""

Next: TypeAlias = Literal["finish", "same_target", "next_key", "next_target"]
"""What was decided after an attempt."""

InputType: TypeAlias = Literal["query", "document", "classification", "clustering", "similarity"]
"""What vectors are for: some models make others of a query than of the documents it is to find."""

if TYPE_CHECKING:

    class ChatOptions(TypedDict, total=False, extra_items=Any):
        """The options of ``chat`` and ``stream``. Names are OpenAI's; unknown ones go to targets of that dialect."""

        route: str | None
        """A route's name, or one target as ``provider/model``. Default: the route named ``default``."""
        timeout: float | None
        """Seconds the whole request may take. Default: the route's ``timeouts.total``."""
        max_tokens: int | None
        """Most output tokens, reasoning included."""
        temperature: float | None
        """0 to 2."""
        top_p: float | None
        """0 to 1."""
        top_k: int | None
        """Sample among the k most likely tokens."""
        stop: str | Sequence[str] | None
        """Texts that end the answer."""
        seed: int | None
        """For repeatable sampling, as far as the vendor can."""
        frequency_penalty: float | None
        """-2 to 2."""
        presence_penalty: float | None
        """-2 to 2."""
        tools: Sequence[Mapping[str, Any] | HasModelDump] | None
        """Functions the model may call."""
        tool_choice: str | Mapping[str, Any] | None
        """``auto``, ``none``, ``required``, or one function."""
        parallel_tool_calls: bool | None
        """Whether it may make several calls at once."""
        response_format: Mapping[str, Any] | None
        """Plain text, any JSON, or JSON of a schema."""
        reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None
        """How hard to think."""
        user: str | None
        """An opaque id of the end user."""
        provider_options: Mapping[str, Mapping[str, Any]] | None
        """Fields added to the body at one provider only, by provider or dialect name."""

    class EmbedOptions(TypedDict, total=False, extra_items=Any):
        """The options of ``embed``. Names are OpenAI's; unknown ones go to targets of that family."""

        route: str | None
        """A route's name, or one target as ``provider/model``. Default: the route named ``embed``."""
        timeout: float | None
        """Seconds the whole request may take. Default: the route's ``timeouts.total``."""
        dimensions: int | None
        """Numbers in a vector. Default: the route's, else the model's own."""
        input_type: InputType | None
        """What the vectors are for. Models that make one kind of vector take no notice of it."""
        user: str | None
        """An opaque id of the end user."""
        provider_options: Mapping[str, Mapping[str, Any]] | None
        """Fields added to the body at one provider only, by provider or dialect name."""

    class HttpxOptions(TypedDict, total=False):
        """The options of ``httpx_client`` and ``httpx_async_client`` that go to the library's own client."""

        auth: Any
        base_url: Any
        cookies: Any
        default_encoding: str | Callable[[bytes], str]
        event_hooks: Mapping[str, list[Callable[..., Any]]] | None
        follow_redirects: bool
        headers: Any
        max_redirects: int
        params: Any
        timeout: Any
        """Seconds, or the library's ``Timeout``: its ``read`` is the deadline of a whole reply where the route's is
        longer. Default: None."""
        trust_env: bool

else:
    ChatOptions = EmbedOptions = HttpxOptions = dict
