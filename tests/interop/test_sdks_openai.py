"""The SDKs of OpenAI and of Mistral, whose API is of its family, against the simulator.

make interop
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import mistralai.client as mistral
import openai
import pytest
from mistralai.client.errors import SDKError as MistralError
from sdk_lab import ARGUMENTS, EVERYTHING, HI, PIXEL, SCHEMA, TEXT, THOUGHT, TOOL, Lab, playing, strict


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with playing() as lab:
        yield lab


# OpenAI: Chat Completions


def openai_client(lab: Lab, name: str, key: str = "good-key") -> openai.OpenAI:
    return openai.OpenAI(api_key=key, base_url=lab.urls[name], max_retries=0)


# A provider of OpenAI's serves both of its APIs, whichever the script names.
OPENAI = ["openai_chat", "openai_responses"]


@pytest.mark.parametrize("name", OPENAI)
def test_openai_chat(lab: Lab, name: str) -> None:
    reply = openai_client(lab, name).chat.completions.create(model="gpt-4o-mini", messages=HI)
    strict(reply)
    assert (reply.choices[0].message.content, reply.choices[0].finish_reason) == (TEXT, "stop")
    assert reply.model == "gpt-4o-mini"
    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.total_tokens) == (20, 9, 29)
    assert reply.usage.prompt_tokens_details is not None
    assert reply.usage.prompt_tokens_details.cached_tokens == 4
    assert reply.usage.completion_tokens_details is not None
    assert reply.usage.completion_tokens_details.reasoning_tokens == 3


@pytest.mark.parametrize("name", OPENAI)
def test_openai_chat_streams(lab: Lab, name: str) -> None:
    client = openai_client(lab, name)
    stream = client.chat.completions.create(
        model="gpt-4o-mini", messages=HI, stream=True, stream_options={"include_usage": True}
    )
    chunks = [strict(chunk) for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == TEXT
    assert chunks[-1].usage.total_tokens == 29
    with client.chat.completions.stream(model="gpt-4o-mini", messages=HI) as events:
        assert events.get_final_completion().choices[0].message.content == TEXT


def test_openai_chat_tools(lab: Lab) -> None:
    client = openai_client(lab, "openai_chat-tools")
    image = {"type": "image_url", "image_url": {"url": PIXEL}}
    messages: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [image]}]
    schema: Any = {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA}}
    tools: list[Any] = [TOOL]
    reply = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=tools, response_format=schema)
    strict(reply)
    assert reply.choices[0].finish_reason == "tool_calls"
    assert reply.choices[0].message.tool_calls is not None
    call: Any = reply.choices[0].message.tool_calls[0]
    assert (call.id, call.function.name, json.loads(call.function.arguments)) == ("call12345", "weather", ARGUMENTS)
    assert lab.last("openai_chat-tools")["asked"] == EVERYTHING
    with client.chat.completions.stream(model="gpt-4o-mini", messages=HI, tools=tools) as events:
        call = (events.get_final_completion().choices[0].message.tool_calls or [])[0]
        assert json.loads(call.function.arguments) == ARGUMENTS


@pytest.mark.parametrize("name", OPENAI)
def test_openai_errors(lab: Lab, name: str) -> None:
    def chat(to: str, **options: Any) -> Any:
        return openai_client(lab, to, **options).chat.completions.create(model="gpt-4o-mini", messages=HI)

    def respond(to: str, **options: Any) -> Any:
        return openai_client(lab, to, **options).responses.create(model="gpt-5", input="Say hi.")

    for ask in (chat, respond):
        with pytest.raises(openai.RateLimitError) as limited:
            ask(f"{name}-limited")
        assert limited.value.code == "rate_limit_exceeded"
        assert limited.value.request_id is not None
        with pytest.raises(openai.InternalServerError):
            ask(f"{name}-failing")
        with pytest.raises(openai.AuthenticationError) as wrong:
            ask(name, key="bad-key")
        assert wrong.value.code == "invalid_api_key"


def test_openai_chat_breaks_in_the_stream(lab: Lab) -> None:
    stream = openai_client(lab, "openai_chat-breaking").chat.completions.create(
        model="gpt-4o-mini", messages=HI, stream=True
    )
    with pytest.raises(openai.APIError, match="overloaded"):
        list(stream)


def test_openai_models(lab: Lab) -> None:
    assert [strict(model).id for model in openai_client(lab, "openai_chat").models.list()]


# OpenAI: Responses


@pytest.mark.parametrize("name", OPENAI)
def test_openai_responses(lab: Lab, name: str) -> None:
    reply = openai_client(lab, name).responses.create(model="gpt-5", input="Say hi.")
    strict(reply)
    assert (reply.output_text, reply.status, reply.incomplete_details) == (TEXT, "completed", None)
    thought: Any = reply.output[0]
    assert (thought.type, thought.summary[0].text, thought.encrypted_content) == ("reasoning", THOUGHT, None)
    assert reply.usage is not None
    assert (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.total_tokens) == (20, 9, 29)
    assert reply.usage.input_tokens_details.cached_tokens == 4
    assert reply.usage.output_tokens_details.reasoning_tokens == 3


@pytest.mark.parametrize("name", OPENAI)
def test_openai_responses_stream(lab: Lab, name: str) -> None:
    client = openai_client(lab, name)
    events = [
        strict(event)
        for event in client.responses.create(
            model="gpt-5", input="Say hi.", stream=True, include=["reasoning.encrypted_content"]
        )
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    thought = "".join(event.delta for event in events if event.type == "response.reasoning_summary_text.delta")
    assert (text, thought) == (TEXT, THOUGHT)
    last = events[-1]
    assert (last.type, last.response.output_text, last.response.usage.total_tokens) == ("response.completed", TEXT, 29)
    assert last.response.output[0].encrypted_content
    with client.responses.stream(model="gpt-5", input="Say hi.") as stream:
        assert stream.get_final_response().output_text == TEXT


def test_openai_responses_tools(lab: Lab) -> None:
    client = openai_client(lab, "openai_responses-tools")
    tools: list[Any] = [{"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}]
    asked: list[Any] = [{"role": "user", "content": [{"type": "input_image", "image_url": PIXEL, "detail": "auto"}]}]
    schema: Any = {"format": {"type": "json_schema", "name": "city", "schema": SCHEMA}}
    reply = client.responses.create(model="gpt-5", instructions="Be brief.", input=asked, tools=tools, text=schema)
    strict(reply)
    call: Any = reply.output[0]
    assert (call.type, call.call_id, call.name) == ("function_call", "call12345", "weather")
    assert json.loads(call.arguments) == ARGUMENTS
    assert lab.last("openai_responses-tools")["asked"] == EVERYTHING
    with client.responses.stream(model="gpt-5", input="Say hi.", tools=tools) as stream:
        events = list(stream)
        call = stream.get_final_response().output[0]
        assert json.loads(call.arguments) == ARGUMENTS
    fragments = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
    assert len(fragments) > 1
    assert json.loads("".join(fragments)) == ARGUMENTS


def test_openai_responses_break_in_the_stream(lab: Lab) -> None:
    stream = openai_client(lab, "openai_responses-breaking").responses.create(
        model="gpt-5", input="Say hi.", stream=True
    )
    with pytest.raises(openai.APIError, match="overloaded"):
        list(stream)


# OpenAI: vectors


@pytest.mark.parametrize("name", OPENAI)
def test_openai_embeddings(lab: Lab, name: str) -> None:
    client = openai_client(lab, name)
    # The SDK asks for base64 unless told otherwise.
    reply = client.embeddings.create(model="text-embedding-3-small", input=["one two", "three"], dimensions=8)
    strict(reply)
    assert lab.last(name)["embed"]
    plain = client.embeddings.create(
        model="text-embedding-3-small", input="one two", dimensions=8, encoding_format="float"
    )
    assert [len(vector.embedding) for vector in reply.data] == [8, 8]
    assert reply.data[0].embedding == plain.data[0].embedding != reply.data[1].embedding
    assert sum(number * number for number in plain.data[0].embedding) == pytest.approx(1)
    assert reply.usage.prompt_tokens == 3
    assert len(client.embeddings.create(model="text-embedding-3-small", input="one").data[0].embedding) == 1536
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(model="text-embedding-3-small", input=[])
    with pytest.raises(openai.RateLimitError):
        openai_client(lab, f"{name}-limited").embeddings.create(model="text-embedding-3-small", input="one")


# Mistral


def mistral_client(lab: Lab, name: str, key: str = "good-key") -> mistral.Mistral:
    return mistral.Mistral(api_key=key, server_url=lab.root(name))


def test_mistral(lab: Lab) -> None:
    client = mistral_client(lab, "openai_chat")
    reply = client.chat.complete(model="mistral-small-latest", messages=HI)
    assert (reply.choices[0].message.content, reply.choices[0].finish_reason) == (TEXT, "stop")
    assert (reply.usage.prompt_tokens, reply.usage.total_tokens) == (20, 29)
    chunks = [event.data for event in client.chat.stream(model="mistral-small-latest", messages=HI)]
    assert "".join(str(chunk.choices[0].delta.content or "") for chunk in chunks if chunk.choices) == TEXT
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_mistral_tools(lab: Lab) -> None:
    tools: Any = [TOOL]
    client = mistral_client(lab, "openai_chat-tools")
    reply = client.chat.complete(model="mistral-small-latest", messages=HI, tools=tools)
    calls = reply.choices[0].message.tool_calls
    assert isinstance(calls, list)
    assert (calls[0].function.name, json.loads(str(calls[0].function.arguments))) == ("weather", ARGUMENTS)
    assert lab.last("openai_chat-tools")["asked"]["tools"] == 1


def test_mistral_errors(lab: Lab) -> None:
    for name, status in (("openai_chat-limited", 429), ("openai_chat-failing", 500)):
        with pytest.raises(MistralError) as failed:
            mistral_client(lab, name).chat.complete(model="mistral-small-latest", messages=HI)
        assert failed.value.status_code == status


def test_mistral_embeddings(lab: Lab) -> None:
    reply = mistral_client(lab, "openai_chat").embeddings.create(model="mistral-embed", inputs=["one", "two three"])
    assert [len(vector.embedding or []) for vector in reply.data] == [1536, 1536]
    assert reply.usage.prompt_tokens == 3
