from collections.abc import Callable
from os import PathLike
from typing import Any, final

from ._delivery import Delivery
from .types import Billing, EventType

__version__: str

@final
class Client:
    @staticmethod
    def from_file(path: str | PathLike[str]) -> Client: ...
    @staticmethod
    def from_json(text: str) -> Client: ...
    @staticmethod
    def from_targets(targets: list[str]) -> Client: ...
    def chat(self, request: str) -> Reply: ...
    def start_chat(self, request: str, ready: ReadyQueue) -> tuple[int, Call]: ...
    def embed(self, request: str) -> Embeddings: ...
    def start_embed(self, request: str, ready: ReadyQueue) -> tuple[int, Call]: ...
    def open(self, request: str) -> Events: ...
    def serve(
        self, method: str, path: str, headers: list[tuple[bytes, bytes]], body: bytes, timeout: float | None
    ) -> Served: ...
    def status(self) -> dict[str, Any]: ...
    def explain(self, request: str) -> dict[str, Any]: ...
    def hold(self, name: str) -> int: ...
    def release(self, name: str) -> int: ...
    def force_closed(self, name: str) -> int: ...
    def update_catalog(self, text: str) -> None: ...
    def delivery(self, make: Callable[[], Delivery]) -> Delivery: ...

@final
class EventFeed:
    def take(self) -> tuple[int, list[dict[str, Any]]] | None: ...
    def close(self) -> None: ...

@final
class ReadyQueue:
    def __new__(cls, call: Callable[[], object] | None = None) -> ReadyQueue: ...
    def fileno(self) -> int: ...
    def drain(self, pending: dict[int, Any]) -> None: ...

@final
class Call:
    def cancel(self) -> None: ...

@final
class Events:
    def wait_open(self) -> None: ...
    def next(self) -> list[StreamEvent]: ...
    def poll_open(self, ready: ReadyQueue) -> int | None: ...
    def poll(self, ready: ReadyQueue) -> list[StreamEvent] | int: ...
    @property
    def target(self) -> str | None: ...
    @property
    def reply(self) -> Reply | None: ...
    def close(self) -> None: ...

@final
class Served:
    def wait_head(self) -> tuple[int, list[tuple[bytes, bytes]], bytes | None]: ...
    def next(self) -> bytes: ...
    def poll_head(self, ready: ReadyQueue) -> tuple[int, list[tuple[bytes, bytes]], bytes | None] | int: ...
    def poll(self, ready: ReadyQueue) -> bytes | int: ...
    def close(self) -> None: ...

@final
class Simulator:
    def __new__(cls, script: str) -> Simulator: ...
    def urls(self) -> dict[str, str]: ...
    def ca_pem(self) -> str | None: ...
    def journal(self) -> list[dict[str, Any]]: ...
    def close(self) -> None: ...

@final
class Usage:
    """Tokens one reply used, normalized over vendors: the totals include their parts."""

    @property
    def reported(self) -> bool:
        """Whether the vendor sent counts. When it did not, every count is 0 and the cost is unknown."""
    @property
    def input_tokens(self) -> int:
        """All input tokens, cached ones included."""
    @property
    def output_tokens(self) -> int:
        """All output tokens, reasoning included."""
    @property
    def total_tokens(self) -> int:
        """Input plus output tokens."""
    @property
    def cache_read_tokens(self) -> int:
        """Input tokens read from the vendor's prompt cache."""
    @property
    def cache_write_tokens(self) -> int:
        """Input tokens written to the vendor's prompt cache, at any lifetime."""
    @property
    def cache_write_1h_tokens(self) -> int:
        """The part of ``cache_write_tokens`` written with a lifetime of an hour."""
    @property
    def reasoning_tokens(self) -> int:
        """Output tokens spent on reasoning."""
    def to_dict(self) -> dict[str, Any]:
        """All of it, as a dict."""
    def __eq__(self, other: object, /) -> bool: ...

@final
class ToolCall:
    """A call the model made."""

    @property
    def id(self) -> str:
        """The vendor's id, or one of ours where the vendor gives none."""
    @property
    def name(self) -> str:
        """The function's name."""
    @property
    def arguments(self) -> str:
        """Its arguments, as JSON text."""
    def to_dict(self) -> dict[str, Any]:
        """The call in OpenAI's shape."""
    def __eq__(self, other: object, /) -> bool: ...

@final
class Attempt:
    """One HTTP exchange with one target and one key, or one that was found impossible before sending."""

    @property
    def target(self) -> str:
        """``provider/model``."""
    @property
    def key(self) -> str | None:
        """A fingerprint of the key, never the key."""
    @property
    def code(self) -> str:
        """``ok``, ``cancelled``, or the failure class's code."""
    @property
    def status(self) -> int | None:
        """HTTP status, when there was a response."""
    @property
    def started(self) -> float:
        """When it began, in seconds since the request began."""
    @property
    def first_content(self) -> float | None:
        """When the first content came, in seconds since the request began."""
    @property
    def ended(self) -> float:
        """When it ended, in seconds since the request began."""
    @property
    def next(self) -> str:
        """What was decided then: ``finish``, ``same_target``, ``next_key`` or ``next_target``."""
    @property
    def reason(self) -> str:
        """Why, in a few words."""
    @property
    def wait(self) -> float:
        """Seconds waited before whatever came next."""
    @property
    def message(self) -> str | None:
        """The failure, for a person."""
    @property
    def phase(self) -> str | None:
        """How far it had come when it failed."""
    @property
    def sent(self) -> str | None:
        """Whether the vendor may have got the request that failed: ``no``, ``maybe`` or ``yes``."""
    @property
    def retry_after(self) -> float | None:
        """Seconds the vendor asked to wait."""
    @property
    def vendor_code(self) -> str | None:
        """The vendor's own code or type of the failure."""
    @property
    def request_id(self) -> str | None:
        """The vendor's request id."""
    @property
    def usage(self) -> Usage:
        """Tokens, as far as the vendor told."""
    @property
    def cost_usd(self) -> float | None:
        """US dollars; None when price or tokens are unknown, 0 when it was never sent."""
    @property
    def billing(self) -> Billing:
        """What is known of its bill: ``unsent``, ``unknown``, ``rejected``, ``partial`` or ``complete``."""
    @property
    def cost_min_usd(self) -> float:
        """US dollars it has cost at least."""
    @property
    def cost_max_usd(self) -> float | None:
        """US dollars it has cost at most; None when the catalog has no price of the model."""
    @property
    def adapted(self) -> list[str]:
        """How the request was changed to fit the target, one line a change."""
    def to_dict(self) -> dict[str, Any]:
        """All of it, as a dict."""

@final
class Partial:
    """What had come of a reply when its stream broke."""

    @property
    def text(self) -> str:
        """The text so far."""
    @property
    def reasoning(self) -> str:
        """Readable reasoning so far."""
    @property
    def refusal(self) -> str | None:
        """A refusal's text so far."""
    @property
    def tool_calls(self) -> list[ToolCall]:
        """The calls so far; the arguments of the last may be cut."""
    @property
    def model(self) -> str | None:
        """The model that answered, in the vendor's word."""
    @property
    def id(self) -> str | None:
        """The vendor's id."""
    @property
    def usage(self) -> Usage:
        """Tokens, as far as the vendor told."""
    def to_dict(self) -> dict[str, Any]:
        """All of it, as a dict."""

@final
class Span:
    """A part of a reply's text."""

    @property
    def target(self) -> str:
        """The target it came from, ``provider/model``."""
    @property
    def start(self) -> int:
        """Where it begins, in characters."""
    @property
    def end(self) -> int:
        """Where it ends, in characters."""
    def to_dict(self) -> dict[str, Any]:
        """All of it, as a dict."""
    def __eq__(self, other: object, /) -> bool: ...

@final
class Reply:
    """A whole answer."""

    @property
    def text(self) -> str:
        """What it said."""
    @property
    def reasoning(self) -> str:
        """Readable reasoning."""
    @property
    def refusal(self) -> str | None:
        """A refusal's text."""
    @property
    def tool_calls(self) -> list[ToolCall]:
        """The calls it made, in order."""
    @property
    def finish_reason(self) -> str | None:
        """Why the model stopped, normalized: ``stop``, ``length``, ``tool_calls``, …"""
    @property
    def finish_raw(self) -> str | None:
        """The vendor's word for it."""
    @property
    def target(self) -> str:
        """The target that answered, ``provider/model``."""
    @property
    def model(self) -> str | None:
        """The model that answered, in the vendor's word."""
    @property
    def id(self) -> str | None:
        """The vendor's id."""
    @property
    def usage(self) -> Usage:
        """Tokens."""
    @property
    def cost_usd(self) -> float | None:
        """US dollars of the whole request; None when any part is unknown."""
    @property
    def cost_min_usd(self) -> float:
        """US dollars of the whole request at least."""
    @property
    def cost_max_usd(self) -> float | None:
        """US dollars of the whole request at most; None when a price is unknown."""
    @property
    def spans(self) -> list[Span]:
        """Which target each part of the text came from, when it came from several."""
    @property
    def elapsed(self) -> float:
        """Seconds from the call to the reply."""
    @property
    def created(self) -> int:
        """When it was answered, Unix seconds."""
    @property
    def trail(self) -> list[Attempt]:
        """Every attempt, the last one being the answer."""
    @property
    def message(self) -> dict[str, Any]:
        """The assistant message to append to the history, in OpenAI's shape."""
    def to_openai(self) -> dict[str, Any]:
        """The reply as an OpenAI ``chat.completion`` object."""
    def to_dict(self) -> dict[str, Any]:
        """All of it, as a dict."""

@final
class Embeddings:
    """Vectors of texts."""

    @property
    def embeddings(self) -> list[list[float]]:
        """One vector a text, in the order of the texts, all of one length. A new list each time."""
    @property
    def dimensions(self) -> int:
        """Numbers in each vector."""
    @property
    def target(self) -> str:
        """The target that answered, ``provider/model``; where parts were answered by several, the last of them."""
    @property
    def model(self) -> str | None:
        """The model that answered, in the vendor's word."""
    @property
    def usage(self) -> Usage:
        """Tokens of all parts."""
    @property
    def cost_usd(self) -> float | None:
        """US dollars of the whole request; None when any part is unknown."""
    @property
    def cost_min_usd(self) -> float:
        """US dollars of the whole request at least."""
    @property
    def cost_max_usd(self) -> float | None:
        """US dollars of the whole request at most; None when a price is unknown."""
    @property
    def elapsed(self) -> float:
        """Seconds from the call to the reply."""
    @property
    def created(self) -> int:
        """When it was answered, Unix seconds."""
    @property
    def trail(self) -> list[Attempt]:
        """Every attempt, the last one being the last part's answer."""
    def to_openai(self) -> dict[str, Any]:
        """The reply as OpenAI's list of embeddings."""
    def to_dict(self) -> dict[str, Any]:
        """All of it, as a dict."""
    def __len__(self) -> int: ...

@final
class ToolCallDelta:
    """A piece of a tool call in a stream."""

    @property
    def index(self) -> int:
        """Which call of the reply, from 0."""
    @property
    def id(self) -> str | None:
        """Its id, in the first piece."""
    @property
    def name(self) -> str | None:
        """Its name, in the first piece."""
    @property
    def arguments(self) -> str:
        """The next piece of the arguments' JSON text."""

@final
class StreamEvent:
    """What a stream gives: a piece of text, reasoning, a refusal or a tool call; another target's turn; or the end."""

    @property
    def type(self) -> EventType:
        """``text``, ``reasoning``, ``refusal``, ``tool_call``, ``restart``, ``continue`` or ``finish``."""
    @property
    def text(self) -> str:
        """The next piece of text; "" unless the type is ``text``."""
    @property
    def reasoning(self) -> str:
        """The next piece of reasoning; "" unless the type is ``reasoning``."""
    @property
    def refusal(self) -> str:
        """The next piece of a refusal; "" unless the type is ``refusal``."""
    @property
    def tool_call(self) -> ToolCallDelta | None:
        """A piece of a tool call, of an event of that type."""
    @property
    def reply(self) -> Reply | None:
        """The whole reply, of the last event."""
    @property
    def target(self) -> str | None:
        """The target that takes over, of a ``restart`` or ``continue``; the one that answered, of the last event."""
    def to_dict(self) -> dict[str, Any]:
        """All of it, as a dict."""

def exceptions() -> list[tuple[str, str]]: ...
def shutdown() -> None: ...
def unraisable(error: BaseException, callback: object) -> None: ...
def cli_main(args: list[str]) -> int: ...
def restore(class_: str, json: str) -> Any: ...
def panic_for_test() -> None: ...
