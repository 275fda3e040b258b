"""A primary that fails, a backup that speaks another dialect, and a client of ours for both.

What an SDK is given is made from that client by the transport line of its program.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# A proxy of the machine must not stand between two programs on it, and nobody is told of what is tested.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
os.environ["LANGSMITH_TRACING"] = "false"

import hotspare
from hotspare.simulator import Simulator

ROOT = Path(__file__).resolve().parents[3]

CHAT_DIALECTS = [
    "openai_chat",
    "openai_responses",
    "anthropic_messages",
    "gemini",
    "bedrock_converse",
    "cohere_chat",
    "ollama_chat",
]
EMBED_DIALECTS = ["openai_chat", "openai_responses", "gemini", "cohere_chat", "ollama_chat"]
"""Those that make vectors."""

USAGE = {"input_tokens": 20, "output_tokens": 9}

Json = dict[str, Any]


def text_of(name: str) -> str:
    """What a provider of this name answers, so that the text tells who it was."""
    return f"Sunny, says the {name}."


def provider(name: str, dialect: str, kind: str = "text") -> Json:
    """A provider of a script. ``kind`` is what it is asked for: ``text``, ``place`` (JSON) or ``tools``."""
    text = json.dumps({"city": "Paris", "country": name}) if kind == "place" else text_of(name)
    call = {"id": "call12345", "name": "weather", "arguments": '{"city":"Paris"}'}
    steps = [{"reply": {"tool_calls": [call], "usage": USAGE}}] if kind == "tools" else []
    return {"dialect": dialect, "keys": [f"key-{name}"], "reply": {"text": text, "usage": USAGE}, "steps": steps}


@dataclass
class Lab:
    simulator: Simulator
    client: hotspare.Client
    events: list[hotspare.Event] = field(default_factory=list[hotspare.Event])
    replies: list[Any] = field(default_factory=list[Any])
    """The responses that an SDK was given, as its HTTP library has them."""

    def http_client(self, *, asynchronous: bool = False) -> Any:
        if not asynchronous:
            return hotspare.httpx_client(self.client, event_hooks={"response": [self.replies.append]})

        async def seen(response: Any) -> None:
            self.replies.append(response)

        return hotspare.httpx_async_client(self.client, event_hooks={"response": [seen]})

    def journal(self, name: str) -> list[Json]:
        """What may cost money: a free request keeps a connection warm."""
        return [entry for entry in self.simulator.journal(name) if entry["chat"] or entry["embed"]]

    def attempts(self, calls: int) -> list[Any]:
        """The attempts of so many calls, and the targets that were passed over. Events come a moment later."""
        wait_for(lambda: sum(event.type == "request_ended" for event in self.events) >= calls)
        return [event for event in self.events if event.type in ("attempt_ended", "skipped")]


@contextmanager
def lab(
    script: Json,
    *,
    providers: Json | None = None,
    route: Json | None = None,
    facts: Json | None = None,
) -> Iterator[Lab]:
    """Providers of the script, each with one target, in order; ``providers`` and ``route`` are laid over the config."""
    with Simulator({"providers": script}) as simulator:
        placed = {
            name: {"dialect": one["dialect"], "base_url": simulator.url(name), "keys": [f"key-{name}"]}
            for name, one in script.items()
        }
        for name, more in (providers or {}).items():
            placed[name] |= more
        common: Json = {"targets": [f"{name}/m" for name in script], "timeouts": {"total": "20s"}, **(route or {})}
        config = {
            "providers": placed,
            "routes": {"default": common, "embed": {"kind": "embed", "same_model": "m", **common}},
            # Tests count requests; what keeps connections warm comes when it comes.
            "standby": False,
        }
        with hotspare.Client(config) as client:
            if facts is not None:
                client.update_catalog(json.dumps(facts))
            made = Lab(simulator, client)
            client.on_event(made.events.append)
            yield made


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    """What another thread or a server notices, it notices a moment later."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "not in time"
        time.sleep(0.005)
