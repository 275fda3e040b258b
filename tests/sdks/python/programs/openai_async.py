"""Programs as they are written for `openai.AsyncOpenAI`."""

from __future__ import annotations

import json
from typing import Any

from openai import AsyncOpenAI

from .asked import PIXEL, QUESTION, SYSTEM, TEXTS, Place, weather
from .openai_sync import FUNCTION, MESSAGES, TOOLS



def connect(http_client: Any) -> AsyncOpenAI:
    return AsyncOpenAI(api_key="unused", http_client=http_client)


async def chat(client: AsyncOpenAI) -> Any:
    completion = await client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, max_tokens=64)
    return completion.choices[0].message.content


async def streaming(client: AsyncOpenAI) -> Any:
    stream = await client.chat.completions.create(
        model="gpt-4o-mini",
        messages=MESSAGES,
        max_tokens=64,
        stream=True,
        stream_options={"include_usage": True},
    )
    text, usage = "", None
    async for chunk in stream:
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
        usage = chunk.usage or usage
    assert usage is not None
    assert usage.total_tokens > 0
    return text


async def tools(client: AsyncOpenAI) -> Any:
    messages = list(MESSAGES)
    while True:
        completion = await client.chat.completions.create(
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


async def streamed_tools(client: AsyncOpenAI) -> Any:
    messages = list(MESSAGES)
    while True:
        async with client.chat.completions.stream(
            model="gpt-4o-mini", messages=messages, max_tokens=64, tools=TOOLS
        ) as stream:
            message = (await stream.get_final_completion()).choices[0].message
        if not message.tool_calls:
            return message.content
        messages.append(message.to_dict(exclude_none=True))
        for call in message.tool_calls:
            content = weather(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": content})


async def structured(client: AsyncOpenAI) -> Any:
    completion = await client.chat.completions.parse(
        model="gpt-4o-mini", messages=MESSAGES, max_tokens=64, response_format=Place
    )
    return completion.choices[0].message.parsed


async def vision(client: AsyncOpenAI) -> Any:
    content = [
        {"type": "text", "text": QUESTION},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
    ]
    messages: list[Any] = [{"role": "user", "content": content}]
    completion = await client.chat.completions.create(model="gpt-4o-mini", messages=messages, max_tokens=64)
    return completion.choices[0].message.content


async def responses(client: AsyncOpenAI) -> Any:
    response = await client.responses.create(model="gpt-5", instructions=SYSTEM, input=QUESTION, max_output_tokens=64)
    return response.output_text


async def streamed_responses(client: AsyncOpenAI) -> Any:
    text = ""
    async with client.responses.stream(
        model="gpt-5", instructions=SYSTEM, input=QUESTION, max_output_tokens=64
    ) as stream:
        async for event in stream:
            if event.type == "response.output_text.delta":
                text += event.delta
        response = await stream.get_final_response()
    assert response.output_text == text
    assert response.usage is not None
    assert response.usage.total_tokens > 0
    return text


async def responses_tools(client: AsyncOpenAI) -> Any:
    asked: list[Any] = [{"role": "user", "content": QUESTION}]
    tools: list[Any] = [{"type": "function", "strict": True, **FUNCTION}]
    while True:
        response = await client.responses.create(model="gpt-5", input=asked, tools=tools, max_output_tokens=64)
        calls = [item for item in response.output if item.type == "function_call"]
        if not calls:
            return response.output_text
        asked += response.output
        for call in calls:
            output = weather(**json.loads(call.arguments))
            asked.append({"type": "function_call_output", "call_id": call.call_id, "output": output})


async def responses_structured(client: AsyncOpenAI) -> Any:
    response = await client.responses.parse(model="gpt-5", input=QUESTION, max_output_tokens=64, text_format=Place)
    return response.output_parsed


async def embeddings(client: AsyncOpenAI) -> Any:
    made = await client.embeddings.create(model="text-embedding-3-small", input=TEXTS, dimensions=8)
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
