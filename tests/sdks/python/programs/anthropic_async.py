"""Programs as they are written for `anthropic.AsyncAnthropic`."""

from __future__ import annotations

from typing import Any

from anthropic import AsyncAnthropic

from .anthropic_sync import MESSAGES, MODEL, TOOLS, results, text_of
from .asked import PIXEL, QUESTION, SYSTEM, Place



def connect(http_client: Any) -> AsyncAnthropic:
    return AsyncAnthropic(api_key="unused", http_client=http_client)


async def chat(client: AsyncAnthropic) -> Any:
    return text_of(await client.messages.create(model=MODEL, max_tokens=64, system=SYSTEM, messages=MESSAGES))


async def streaming(client: AsyncAnthropic) -> Any:
    async with client.messages.stream(model=MODEL, max_tokens=64, system=SYSTEM, messages=MESSAGES) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        message = await stream.get_final_message()
    assert text_of(message) == text
    assert message.usage.output_tokens > 0
    return text


async def tools(client: AsyncAnthropic) -> Any:
    messages = list(MESSAGES)
    while True:
        message = await client.messages.create(
            model=MODEL, max_tokens=64, system=SYSTEM, messages=messages, tools=TOOLS
        )
        if message.stop_reason != "tool_use":
            return text_of(message)
        messages += [
            {"role": "assistant", "content": message.content},
            {"role": "user", "content": results(message)},
        ]


async def streamed_tools(client: AsyncAnthropic) -> Any:
    messages = list(MESSAGES)
    while True:
        async with client.messages.stream(
            model=MODEL, max_tokens=64, system=SYSTEM, messages=messages, tools=TOOLS
        ) as stream:
            message = await stream.get_final_message()
        if message.stop_reason != "tool_use":
            return text_of(message)
        messages += [
            {"role": "assistant", "content": message.content},
            {"role": "user", "content": results(message)},
        ]


async def structured(client: AsyncAnthropic) -> Any:
    message = await client.messages.parse(
        model=MODEL, max_tokens=64, system=SYSTEM, messages=MESSAGES, output_format=Place
    )
    return message.parsed_output


async def vision(client: AsyncAnthropic) -> Any:
    content = [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        {"type": "text", "text": QUESTION},
    ]
    messages: list[Any] = [{"role": "user", "content": content}]
    return text_of(await client.messages.create(model=MODEL, max_tokens=64, messages=messages))


PROGRAMS = {
    "chat": chat,
    "streaming": streaming,
    "tools": tools,
    "streamed tools": streamed_tools,
    "structured": structured,
    "vision": vision,
}
