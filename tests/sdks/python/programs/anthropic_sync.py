"""Programs as they are written for `anthropic.Anthropic`."""

from __future__ import annotations

from typing import Any

from anthropic import Anthropic

from .asked import PIXEL, QUESTION, SYSTEM, WEATHER, Place, weather

MODEL = "claude-haiku-4-5"
MESSAGES: list[Any] = [{"role": "user", "content": QUESTION}]
TOOLS: list[Any] = [{"name": "weather", "description": "The weather of a city.", "input_schema": WEATHER}]


def connect(http_client: Any) -> Anthropic:
    return Anthropic(api_key="unused", http_client=http_client)


def text_of(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def results(message: Any) -> list[Any]:
    calls = [block for block in message.content if block.type == "tool_use"]
    return [{"type": "tool_result", "tool_use_id": call.id, "content": weather(**call.input)} for call in calls]


def chat(client: Anthropic) -> Any:
    return text_of(client.messages.create(model=MODEL, max_tokens=64, system=SYSTEM, messages=MESSAGES))


def streaming(client: Anthropic) -> Any:
    with client.messages.stream(model=MODEL, max_tokens=64, system=SYSTEM, messages=MESSAGES) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert text_of(message) == text
    assert message.usage.output_tokens > 0
    return text


def tools(client: Anthropic) -> Any:
    messages = list(MESSAGES)
    while True:
        message = client.messages.create(
            model=MODEL, max_tokens=64, system=SYSTEM, messages=messages, tools=TOOLS
        )
        if message.stop_reason != "tool_use":
            return text_of(message)
        messages += [
            {"role": "assistant", "content": message.content},
            {"role": "user", "content": results(message)},
        ]


def streamed_tools(client: Anthropic) -> Any:
    messages = list(MESSAGES)
    while True:
        with client.messages.stream(
            model=MODEL, max_tokens=64, system=SYSTEM, messages=messages, tools=TOOLS
        ) as stream:
            message = stream.get_final_message()
        if message.stop_reason != "tool_use":
            return text_of(message)
        messages += [
            {"role": "assistant", "content": message.content},
            {"role": "user", "content": results(message)},
        ]


def structured(client: Anthropic) -> Any:
    message = client.messages.parse(
        model=MODEL, max_tokens=64, system=SYSTEM, messages=MESSAGES, output_format=Place
    )
    return message.parsed_output


def vision(client: Anthropic) -> Any:
    content = [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        {"type": "text", "text": QUESTION},
    ]
    messages: list[Any] = [{"role": "user", "content": content}]
    return text_of(client.messages.create(model=MODEL, max_tokens=64, messages=messages))


PROGRAMS = {
    "chat": chat,
    "streaming": streaming,
    "tools": tools,
    "streamed tools": streamed_tools,
    "structured": structured,
    "vision": vision,
}
