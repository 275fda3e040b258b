"""Programs as they are written for `openai.OpenAI`."""

from __future__ import annotations

import json
from typing import Any

from openai import OpenAI

from .asked import PIXEL, QUESTION, SYSTEM, TEXTS, WEATHER, Place, weather

MESSAGES: list[Any] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
FUNCTION: Any = {"name": "weather", "description": "The weather of a city.", "parameters": WEATHER}
TOOLS: list[Any] = [{"type": "function", "function": {**FUNCTION, "strict": True}}]


def connect(http_client: Any) -> OpenAI:
    return OpenAI(api_key="unused", http_client=http_client)


def chat(client: OpenAI) -> Any:
    completion = client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, max_tokens=64)
    return completion.choices[0].message.content


def streaming(client: OpenAI) -> Any:
    stream = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=MESSAGES,
        max_tokens=64,
        stream=True,
        stream_options={"include_usage": True},
    )
    text, usage = "", None
    for chunk in stream:
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
        usage = chunk.usage or usage
    assert usage is not None
    assert usage.total_tokens > 0
    return text


def tools(client: OpenAI) -> Any:
    messages = list(MESSAGES)
    while True:
        completion = client.chat.completions.create(
            model="gpt-4o-mini", messages=messages, max_tokens=64, tools=TOOLS
        )
        message = completion.choices[0].message
        if not message.tool_calls:
            return message.content
        messages.append(message)
        for call in message.tool_calls:
            assert call.type == "function"
            content = weather(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": content})


def streamed_tools(client: OpenAI) -> Any:
    messages = list(MESSAGES)
    while True:
        with client.chat.completions.stream(
            model="gpt-4o-mini", messages=messages, max_tokens=64, tools=TOOLS
        ) as stream:
            message = stream.get_final_completion().choices[0].message
        if not message.tool_calls:
            return message.content
        messages.append(message.to_dict(exclude_none=True))
        for call in message.tool_calls:
            content = weather(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": content})


def structured(client: OpenAI) -> Any:
    completion = client.chat.completions.parse(
        model="gpt-4o-mini", messages=MESSAGES, max_tokens=64, response_format=Place
    )
    return completion.choices[0].message.parsed


def vision(client: OpenAI) -> Any:
    content = [
        {"type": "text", "text": QUESTION},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
    ]
    messages: list[Any] = [{"role": "user", "content": content}]
    completion = client.chat.completions.create(model="gpt-4o-mini", messages=messages, max_tokens=64)
    return completion.choices[0].message.content


def responses(client: OpenAI) -> Any:
    response = client.responses.create(model="gpt-5", instructions=SYSTEM, input=QUESTION, max_output_tokens=64)
    return response.output_text


def streamed_responses(client: OpenAI) -> Any:
    text = ""
    with client.responses.stream(
        model="gpt-5", instructions=SYSTEM, input=QUESTION, max_output_tokens=64
    ) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                text += event.delta
        response = stream.get_final_response()
    assert response.output_text == text
    assert response.usage is not None
    assert response.usage.total_tokens > 0
    return text


def responses_tools(client: OpenAI) -> Any:
    asked: list[Any] = [{"role": "user", "content": QUESTION}]
    tools: list[Any] = [{"type": "function", "strict": True, **FUNCTION}]
    while True:
        response = client.responses.create(model="gpt-5", input=asked, tools=tools, max_output_tokens=64)
        calls = [item for item in response.output if item.type == "function_call"]
        if not calls:
            return response.output_text
        asked += response.output
        for call in calls:
            output = weather(**json.loads(call.arguments))
            asked.append({"type": "function_call_output", "call_id": call.call_id, "output": output})


def responses_structured(client: OpenAI) -> Any:
    response = client.responses.parse(model="gpt-5", input=QUESTION, max_output_tokens=64, text_format=Place)
    return response.output_parsed


def embeddings(client: OpenAI) -> Any:
    made = client.embeddings.create(model="text-embedding-3-small", input=TEXTS, dimensions=8)
    return [one.embedding for one in made.data]


PROGRAMS = {
    "chat": chat,
    "streaming": streaming,
    "tools": tools,
    "streamed tools": streamed_tools,
    "structured": structured,
    "vision": vision,
    "responses": responses,
    "streamed responses": streamed_responses,
    "responses tools": responses_tools,
    "responses structured": responses_structured,
    "embeddings": embeddings,
}
