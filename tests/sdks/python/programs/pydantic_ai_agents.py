"""Programs as they are written for Pydantic AI, over its OpenAI and its Anthropic models."""

from __future__ import annotations

from typing import Any

from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from .asked import QUESTION, SYSTEM, Place, weather


def connect(http_client: Any) -> Model:
    return OpenAIChatModel("gpt-4o-mini", provider=OpenAIProvider(api_key="unused", http_client=http_client))


def connect_responses(http_client: Any) -> Model:
    return OpenAIResponsesModel("gpt-5", provider=OpenAIProvider(api_key="unused", http_client=http_client))


def connect_anthropic(http_client: Any) -> Model:
    provider = AnthropicProvider(api_key="unused", http_client=http_client)
    return AnthropicModel("claude-haiku-4-5", provider=provider)


def agent(model: Model, **more: Any) -> Agent[None, Any]:
    return Agent(model, instructions=SYSTEM, model_settings={"max_tokens": 64}, **more)


async def chat(model: Model) -> Any:
    return (await agent(model).run(QUESTION)).output


async def streaming(model: Model) -> Any:
    async with agent(model).run_stream(QUESTION) as result:
        return await result.get_output()


async def tools(model: Model) -> Any:
    return (await agent(model, tools=[weather]).run(QUESTION)).output


async def structured(model: Model) -> Any:
    return (await agent(model, output_type=NativeOutput(Place)).run(QUESTION)).output


PROGRAMS = {"chat": chat, "streaming": streaming, "tools": tools, "structured": structured}
