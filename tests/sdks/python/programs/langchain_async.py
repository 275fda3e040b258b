"""The same, for programs under asyncio."""

from __future__ import annotations

from typing import Any

from langchain_openai import OpenAIEmbeddings

from .asked import TEXTS, Place
from .langchain_sync import MESSAGES, Options, model


def connect(http_client: Any) -> Options:
    return {"api_key": "unused", "http_async_client": http_client}


async def chat(options: Options) -> Any:
    return (await model(options).ainvoke(MESSAGES)).text


async def streaming(options: Options) -> Any:
    whole: Any = None
    async for chunk in model(options, stream_usage=True).astream(MESSAGES):
        whole = chunk if whole is None else whole + chunk
    assert whole.usage_metadata["total_tokens"] > 0
    return whole.text


async def structured(options: Options) -> Any:
    return await model(options).with_structured_output(Place).ainvoke(MESSAGES)


async def embeddings(options: Options) -> Any:
    # By default it sends OpenAI's own tokens instead of the texts.
    llm = OpenAIEmbeddings(
        model="text-embedding-3-small", dimensions=8, check_embedding_ctx_length=False, **options
    )
    return await llm.aembed_documents(TEXTS)


PROGRAMS = {"chat": chat, "streaming": streaming, "structured": structured, "embeddings": embeddings}
