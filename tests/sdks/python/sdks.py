"""The SDKs that are installed, and the programs for each."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from programs import anthropic_async, anthropic_sync, openai_async, openai_sync

Connect = Callable[[Any], Any]
Programs = dict[str, Callable[[Any], Any]]


@dataclass(frozen=True)
class Sdk:
    name: str
    dialect: str
    """What it speaks; a feature may say otherwise."""
    connect: Connect
    """The transport line: what the programs are given, made from an HTTP client."""
    programs: Programs
    asynchronous: bool = False

    def spoken(self, feature: str) -> str:
        """The dialect of a feature's requests."""
        return "openai_responses" if "responses" in feature else self.dialect

    def run(self, feature: str, http_client: Any) -> Any:
        """What the feature's program answers."""
        answer = self.programs[feature](self.connect(http_client))
        return asyncio.run(answer) if inspect.isawaitable(answer) else answer


def installed() -> list[Sdk]:
    """OpenAI's and Anthropic's SDKs, and what else is in this environment: not everything goes together."""
    # Those before httpx2 need another transport's objects, and so have lines of their own.
    on = "" if find_spec("httpx2") else " on httpx"
    chat, messages = "openai_chat", "anthropic_messages"
    sdks = [
        Sdk(f"openai{on}", chat, openai_sync.connect, openai_sync.PROGRAMS),
        Sdk(f"openai{on}, async", chat, openai_async.connect, openai_async.PROGRAMS, True),
        Sdk(f"anthropic{on}", messages, anthropic_sync.connect, anthropic_sync.PROGRAMS),
        Sdk(f"anthropic{on}, async", messages, anthropic_async.connect, anthropic_async.PROGRAMS, True),
    ]
    if find_spec("langchain_openai"):
        from programs import langchain_async, langchain_sync

        sdks += [
            Sdk("langchain", chat, langchain_sync.connect, langchain_sync.PROGRAMS),
            Sdk("langchain, async", chat, langchain_async.connect, langchain_async.PROGRAMS, True),
        ]
    if find_spec("pydantic_ai"):
        from programs import pydantic_ai_agents as agents

        sdks += [
            Sdk("pydantic-ai, openai", chat, agents.connect, agents.PROGRAMS, True),
            Sdk("pydantic-ai, responses", "openai_responses", agents.connect_responses, agents.PROGRAMS, True),
            Sdk("pydantic-ai, anthropic", messages, agents.connect_anthropic, agents.PROGRAMS, True),
        ]
    if find_spec("llama_index"):
        from programs import llama_index_llm

        sdks.append(Sdk("llama-index", chat, llama_index_llm.connect, llama_index_llm.PROGRAMS))
    if find_spec("instructor"):
        from programs import instructor_client

        sdks.append(Sdk("instructor", chat, instructor_client.connect, instructor_client.PROGRAMS))
    return sdks
