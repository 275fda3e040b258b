"""The simulator as the SDKs' tests need it, in a process of its own, and what its providers are told to say."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# A proxy of the machine must not stand between two programs on it.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"

TEXT = "Hello there, said the simulator."
THOUGHT = "Let me think. "
ARGUMENTS = {"city": "Paris", "days": 3}
USAGE = {"input_tokens": 20, "output_tokens": 9, "cache_read_tokens": 4, "reasoning_tokens": 3}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "weather", "description": "The weather.", "parameters": SCHEMA}}
IMAGE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PIXEL = f"data:image/png;base64,{IMAGE}"

HI: list[Any] = [{"role": "user", "content": "Say hi."}]
EVERYTHING = {"tools": 1, "schema": True, "images": 1, "system": True}
"""What the journal says of a request with a tool, a schema, an image and instructions."""

DIALECTS = [
    "openai_chat",
    "openai_responses",
    "anthropic_messages",
    "gemini",
    "bedrock_converse",
    "cohere_chat",
    "ollama_chat",
]


def script() -> dict[str, Any]:
    """Each dialect under four names: one that talks, one that calls a tool, and two that fail."""
    call = {"id": "call12345", "name": "weather", "arguments": json.dumps(ARGUMENTS)}
    providers = {}
    for dialect in DIALECTS:
        base = {"dialect": dialect, "keys": ["good-key"]}
        talk = {"text": TEXT, "usage": USAGE, "reasoning": THOUGHT}
        limited = {"error": "rate_limit", "headers": {"retry-after": "0"}}
        providers |= {
            dialect: {**base, "reply": talk},
            f"{dialect}-tools": {**base, "reply": {"tool_calls": [call], "usage": USAGE}},
            f"{dialect}-limited": {**base, "phases": [{"step": limited}]},
            f"{dialect}-failing": {**base, "phases": [{"step": {"error": "server"}}]},
            f"{dialect}-breaking": {**base, "phases": [{"step": {"fault": "error_event", "error": "overloaded"}}]},
        }
    # botocore sends a bearer key over TLS alone.
    bearer = {"dialect": "bedrock_converse", "keys": ["good-key"], "tls": {"certificate": "good"}}
    return {"providers": {**providers, "bedrock-bearer": bearer}}


class Lab:
    def __init__(self, urls: dict[str, str]) -> None:
        self.urls = urls

    def root(self, name: str) -> str:
        """Where the vendor's host would be: without a version."""
        return "/".join(self.urls[name].split("/")[:3])

    def last(self, name: str) -> dict[str, Any]:
        """What the simulator wrote down of the provider's last request."""
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            f"{self.root(name)}/_hotspare/journal", timeout=10
        ) as response:
            return json.loads(response.read())[-1]


@contextmanager
def playing() -> Iterator[Lab]:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(script(), file)
        file.flush()
        command = [str(ROOT / "target/debug/hotspare"), "simulate", file.name, "--json", "--stdin"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield Lab(json.loads(process.stdout.readline()))
            finally:
                process.communicate()


def strict(model: Any) -> Any:
    """OpenAI's and Anthropic's SDKs take whatever comes; this holds it against their own types."""
    # A union that pydantic cannot tell apart by itself only warns.
    return type(model).model_validate(model.to_dict(mode="json"))
