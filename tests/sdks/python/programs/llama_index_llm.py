"""Programs as they are written for LlamaIndex's `OpenAI`."""

from __future__ import annotations

from typing import Any

from llama_index.core.llms import ChatMessage
from llama_index.llms.openai import OpenAI

from .asked import QUESTION, SYSTEM, Place

MESSAGES = [ChatMessage(role="system", content=SYSTEM), ChatMessage(role="user", content=QUESTION)]


def connect(http_client: Any) -> OpenAI:
    return OpenAI(model="gpt-4o-mini", max_tokens=64, api_key="unused", http_client=http_client)


def chat(llm: OpenAI) -> Any:
    return llm.chat(MESSAGES).message.content


def streaming(llm: OpenAI) -> Any:
    return "".join(piece.delta or "" for piece in llm.stream_chat(MESSAGES))


def structured(llm: OpenAI) -> Any:
    return llm.as_structured_llm(Place).chat(MESSAGES).raw


PROGRAMS = {"chat": chat, "streaming": streaming, "structured": structured}
