"""The vendors' own SDKs against the simulator: what they can read is what a vendor would have written.

make interop
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import boto3
import botocore.exceptions
import botocore.validate
import cohere
import ollama
import pytest
from botocore.config import Config
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types
from sdk_lab import ARGUMENTS, EVERYTHING, HI, IMAGE, PIXEL, SCHEMA, TEXT, THOUGHT, TOOL, Lab, playing, strict


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with playing() as lab:
        yield lab


# Anthropic


def anthropic_client(lab: Lab, name: str, key: str = "good-key") -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key=key, base_url=lab.root(name), max_retries=0)


def test_anthropic(lab: Lab) -> None:
    client = anthropic_client(lab, "anthropic_messages")
    reply = client.messages.create(model="claude-haiku-4-5", max_tokens=100, messages=HI)
    strict(reply)
    assert [block.type for block in reply.content] == ["thinking", "text"]
    blocks: list[Any] = reply.content
    assert (blocks[0].thinking, blocks[1].text, reply.stop_reason) == (THOUGHT, TEXT, "end_turn")
    assert (reply.usage.input_tokens, reply.usage.cache_read_input_tokens, reply.usage.output_tokens) == (16, 4, 9)
    assert [model.id for model in client.models.list()]


def test_anthropic_streams(lab: Lab) -> None:
    client = anthropic_client(lab, "anthropic_messages")
    with client.messages.stream(model="claude-haiku-4-5", max_tokens=100, messages=HI) as stream:
        assert "".join(stream.text_stream) == TEXT
        reply = stream.get_final_message()
    blocks: list[Any] = reply.content
    assert (blocks[0].thinking, blocks[0].signature != "", reply.usage.output_tokens) == (THOUGHT, True, 9)
    for event in client.messages.create(model="claude-haiku-4-5", max_tokens=100, messages=HI, stream=True):
        strict(event)


def test_anthropic_tools(lab: Lab) -> None:
    client = anthropic_client(lab, "anthropic_messages-tools")
    source = {"type": "base64", "media_type": "image/png", "data": IMAGE}
    request: dict[str, Any] = {
        "model": "claude-haiku-4-5",
        "max_tokens": 100,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": [{"type": "image", "source": source}]}],
        "tools": [{"name": "weather", "input_schema": SCHEMA}],
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
    }
    reply = client.messages.create(**request)
    strict(reply)
    call: Any = reply.content[0]
    assert (reply.stop_reason, call.id, call.name, call.input) == ("tool_use", "call12345", "weather", ARGUMENTS)
    assert lab.last("anthropic_messages-tools")["asked"] == EVERYTHING
    with client.messages.stream(**request) as stream:
        call = stream.get_final_message().content[0]
        assert call.input == ARGUMENTS


def test_anthropic_errors(lab: Lab) -> None:
    def ask(name: str, **options: Any) -> Any:
        client = anthropic_client(lab, name, **options)
        return client.messages.create(model="claude-haiku-4-5", max_tokens=100, messages=HI)

    with pytest.raises(anthropic.RateLimitError):
        ask("anthropic_messages-limited")
    with pytest.raises(anthropic.InternalServerError):
        ask("anthropic_messages-failing")
    with pytest.raises(anthropic.AuthenticationError):
        ask("anthropic_messages", key="bad-key")
    client = anthropic_client(lab, "anthropic_messages-breaking")
    with pytest.raises(anthropic.APIError) as broken:
        list(client.messages.create(model="claude-haiku-4-5", max_tokens=100, messages=HI, stream=True))
    assert "overloaded_error" in str(broken.value)


# Gemini


def gemini_client(lab: Lab, name: str, key: str = "good-key") -> genai.Client:
    return genai.Client(api_key=key, http_options=genai_types.HttpOptions(base_url=lab.root(name)))


def gemini_texts(reply: genai_types.GenerateContentResponse, thought: bool) -> str:
    assert reply.candidates is not None
    assert reply.candidates[0].content is not None
    parts = reply.candidates[0].content.parts or []
    return "".join(part.text or "" for part in parts if bool(part.thought) == thought)


def test_gemini(lab: Lab) -> None:
    client = gemini_client(lab, "gemini")
    reply = client.models.generate_content(model="gemini-2.5-flash", contents="Say hi.")
    assert (reply.text, gemini_texts(reply, thought=True)) == (TEXT, THOUGHT)
    assert reply.candidates is not None
    assert reply.candidates[0].finish_reason == genai_types.FinishReason.STOP
    usage = reply.usage_metadata
    assert usage is not None
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.thoughts_token_count) == (20, 6, 3)
    assert (usage.cached_content_token_count, usage.total_token_count) == (4, 29)
    assert [model.name for model in client.models.list()]


def test_gemini_streams(lab: Lab) -> None:
    client = gemini_client(lab, "gemini")
    chunks = list(client.models.generate_content_stream(model="gemini-2.5-flash", contents="Say hi."))
    assert "".join(gemini_texts(chunk, thought=False) for chunk in chunks) == TEXT
    assert "".join(gemini_texts(chunk, thought=True) for chunk in chunks) == THOUGHT
    assert chunks[-1].usage_metadata is not None
    assert chunks[-1].usage_metadata.total_token_count == 29


def test_gemini_tools(lab: Lab) -> None:
    client = gemini_client(lab, "gemini-tools")
    function = genai_types.FunctionDeclaration(name="weather", parameters_json_schema=SCHEMA)
    config = genai_types.GenerateContentConfig(
        system_instruction="Be brief.",
        tools=[genai_types.Tool(function_declarations=[function])],
        response_mime_type="application/json",
        response_json_schema=SCHEMA,
    )
    image = genai_types.Part.from_bytes(data=b"png", mime_type="image/png")
    reply = client.models.generate_content(model="gemini-2.5-flash", contents=[image], config=config)
    assert reply.function_calls is not None
    assert (reply.function_calls[0].name, reply.function_calls[0].args) == ("weather", ARGUMENTS)
    assert lab.last("gemini-tools")["asked"] == EVERYTHING
    chunks = client.models.generate_content_stream(model="gemini-2.5-flash", contents=[image], config=config)
    assert [call.args for chunk in chunks for call in chunk.function_calls or []] == [ARGUMENTS]


def test_gemini_errors(lab: Lab) -> None:
    def ask(name: str, **options: Any) -> Any:
        # Closed once nothing refers to it.
        client = gemini_client(lab, name, **options)
        return client.models.generate_content(model="gemini-2.5-flash", contents="Hi")

    with pytest.raises(genai_errors.ClientError) as limited:
        ask("gemini-limited")
    assert (limited.value.code, limited.value.status) == (429, "RESOURCE_EXHAUSTED")
    with pytest.raises(genai_errors.ServerError) as failing:
        ask("gemini-failing")
    assert failing.value.code == 500
    with pytest.raises(genai_errors.ClientError, match="API key not valid"):
        ask("gemini", key="bad-key")
    with pytest.raises(genai_errors.APIError, match="UNAVAILABLE"):
        client = gemini_client(lab, "gemini-breaking")
        list(client.models.generate_content_stream(model="gemini-2.5-flash", contents="Hi"))


def test_gemini_embeddings(lab: Lab) -> None:
    client = gemini_client(lab, "gemini")
    config = genai_types.EmbedContentConfig(output_dimensionality=8)
    reply = client.models.embed_content(model="gemini-embedding-001", contents=["one two", "three"], config=config)
    assert reply.embeddings is not None
    assert [len(vector.values or []) for vector in reply.embeddings] == [8, 8]
    assert lab.last("gemini")["embed"]
    assert lab.last("gemini")["model"] == "gemini-embedding-001"


# Cohere


def cohere_client(lab: Lab, name: str, key: str = "good-key") -> Any:
    return cohere.ClientV2(api_key=key, base_url=lab.root(name), max_retries=0)


def test_cohere(lab: Lab) -> None:
    reply = cohere_client(lab, "cohere_chat").chat(model="command-a-03-2025", messages=HI)
    assert [part.type for part in reply.message.content] == ["thinking", "text"]
    assert (reply.message.content[0].thinking, reply.message.content[1].text) == (THOUGHT, TEXT)
    assert reply.finish_reason == "COMPLETE"
    assert (reply.usage.tokens.input_tokens, reply.usage.tokens.output_tokens, reply.usage.cached_tokens) == (20, 9, 4)
    assert cohere_client(lab, "cohere_chat").models.list().models


def test_cohere_streams(lab: Lab) -> None:
    stream = cohere_client(lab, "cohere_chat").chat_stream(model="command-a-03-2025", messages=HI)
    events = list(stream)
    assert [events[0].type, events[-1].type] == ["message-start", "message-end"]
    contents = [event.delta.message.content for event in events if event.type == "content-delta"]
    assert "".join(content.text or "" for content in contents) == TEXT
    assert "".join(content.thinking or "" for content in contents) == THOUGHT
    assert (events[-1].delta.finish_reason, events[-1].delta.usage.tokens.output_tokens) == ("COMPLETE", 9)


def test_cohere_tools(lab: Lab) -> None:
    client = cohere_client(lab, "cohere_chat-tools")
    image = {"type": "image_url", "image_url": {"url": PIXEL}}
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [image]}]
    schema = {"type": "json_object", "json_schema": SCHEMA}
    reply = client.chat(model="command-a-03-2025", messages=messages, tools=[TOOL], response_format=schema)
    call = reply.message.tool_calls[0]
    assert (reply.finish_reason, call.id, call.function.name) == ("TOOL_CALL", "call12345", "weather")
    assert json.loads(call.function.arguments) == ARGUMENTS
    assert lab.last("cohere_chat-tools")["asked"] == EVERYTHING
    events = list(client.chat_stream(model="command-a-03-2025", messages=HI, tools=[TOOL]))
    start = next(event for event in events if event.type == "tool-call-start")
    assert (start.delta.message.tool_calls.id, start.delta.message.tool_calls.function.name) == ("call12345", "weather")
    deltas = [event.delta.message.tool_calls.function.arguments for event in events if event.type == "tool-call-delta"]
    assert json.loads("".join(deltas)) == ARGUMENTS


def test_cohere_errors(lab: Lab) -> None:
    def ask(name: str, **options: Any) -> Any:
        return cohere_client(lab, name, **options).chat(model="command-a-03-2025", messages=HI)

    with pytest.raises(cohere.TooManyRequestsError) as limited:
        ask("cohere_chat-limited")
    assert "Trial key" in limited.value.body["message"]
    with pytest.raises(cohere.InternalServerError):
        ask("cohere_chat-failing")
    with pytest.raises(cohere.UnauthorizedError):
        ask("cohere_chat", key="bad-key")
    events = cohere_client(lab, "cohere_chat-breaking").chat_stream(model="command-a-03-2025", messages=HI)
    last = list(events)[-1]
    assert (last.type, last.delta.finish_reason, "unavailable" in last.delta.error) == ("message-end", "ERROR", True)


def test_cohere_embeddings(lab: Lab) -> None:
    client = cohere_client(lab, "cohere_chat")
    reply = client.embed(
        model="embed-v4.0",
        texts=["one two", "three"],
        input_type="search_document",
        embedding_types=["float"],
        output_dimension=8,
    )
    assert [len(vector) for vector in reply.embeddings.float_] == [8, 8]
    assert reply.meta.billed_units.input_tokens == 3
    with pytest.raises(cohere.TooManyRequestsError):
        cohere_client(lab, "cohere_chat-limited").embed(
            model="embed-v4.0", texts=["one"], input_type="search_query", embedding_types=["float"]
        )


# Ollama


def ollama_client(lab: Lab, name: str, key: str = "good-key") -> ollama.Client:
    return ollama.Client(host=lab.urls[name], headers={"Authorization": f"Bearer {key}"})


def test_ollama(lab: Lab) -> None:
    client = ollama_client(lab, "ollama_chat")
    reply = client.chat(model="llama3.2", messages=HI, think=True)
    assert (reply.message.content, reply.message.thinking) == (TEXT, THOUGHT)
    assert (reply.done, reply.done_reason) == (True, "stop")
    assert (reply.prompt_eval_count, reply.eval_count) == (20, 9)
    assert client.list().models


def test_ollama_streams(lab: Lab) -> None:
    chunks = list(ollama_client(lab, "ollama_chat").chat(model="llama3.2", messages=HI, stream=True))
    assert "".join(chunk.message.content or "" for chunk in chunks) == TEXT
    assert "".join(chunk.message.thinking or "" for chunk in chunks) == THOUGHT
    assert [chunk.done for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert (chunks[-1].done_reason, chunks[-1].eval_count) == ("stop", 9)


def test_ollama_tools(lab: Lab) -> None:
    client = ollama_client(lab, "ollama_chat-tools")
    messages: list[Any] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "?", "images": [IMAGE]},
    ]
    tools: list[Any] = [TOOL]
    reply = client.chat(model="llama3.2", messages=messages, tools=tools, format=SCHEMA)
    call = (reply.message.tool_calls or [])[0]
    assert (call.function.name, call.function.arguments) == ("weather", ARGUMENTS)
    assert lab.last("ollama_chat-tools")["asked"] == EVERYTHING
    chunks = list(client.chat(model="llama3.2", messages=messages, tools=tools, stream=True))
    calls = [call.function.arguments for chunk in chunks for call in chunk.message.tool_calls or []]
    assert calls == [ARGUMENTS]


def test_ollama_errors(lab: Lab) -> None:
    for name, status in (("ollama_chat-limited", 429), ("ollama_chat-failing", 500)):
        with pytest.raises(ollama.ResponseError) as failed:
            ollama_client(lab, name).chat(model="llama3.2", messages=HI)
        assert failed.value.status_code == status
    with pytest.raises(ollama.ResponseError, match="unauthorized"):
        ollama_client(lab, "ollama_chat", key="bad-key").chat(model="llama3.2", messages=HI)
    with pytest.raises(ollama.ResponseError, match="server busy"):
        list(ollama_client(lab, "ollama_chat-breaking").chat(model="llama3.2", messages=HI, stream=True))


def test_ollama_embeddings(lab: Lab) -> None:
    client = ollama_client(lab, "ollama_chat")
    reply = client.embed(model="nomic-embed-text", input=["one two", "three"], dimensions=8)
    assert [len(vector) for vector in reply.embeddings] == [8, 8]
    assert reply.prompt_eval_count == 3


# Bedrock


def bedrock_client(lab: Lab, name: str, key: str = "good-key") -> Any:
    """Signs its requests, so that the simulator takes the access key's id for the key."""
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=lab.root(name),
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}),
    )


MODEL = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
TURNS = [{"role": "user", "content": [{"text": "Say hi."}]}]


def conforms(client: Any, operation: str, reply: dict[str, Any]) -> None:
    """botocore reads whatever comes; this holds it against the service's own model."""
    shape = client.meta.service_model.operation_model(operation).output_shape
    found = {name: value for name, value in reply.items() if name != "ResponseMetadata"}
    assert botocore.validate.ParamValidator().validate(found, shape).generate_report() == ""


def test_bedrock(lab: Lab) -> None:
    client = bedrock_client(lab, "bedrock_converse")
    reply = client.converse(modelId=MODEL, messages=TURNS)
    conforms(client, "Converse", reply)
    content = reply["output"]["message"]["content"]
    assert content[0]["reasoningContent"]["reasoningText"]["text"] == THOUGHT
    assert (content[1]["text"], reply["stopReason"]) == (TEXT, "end_turn")
    usage = reply["usage"]
    assert (usage["inputTokens"], usage["cacheReadInputTokens"], usage["outputTokens"]) == (16, 4, 9)
    assert usage["totalTokens"] == 29
    assert lab.last("bedrock_converse")["model"] == MODEL
    assert lab.last("bedrock_converse")["authorized"]


def test_bedrock_streams(lab: Lab) -> None:
    client = bedrock_client(lab, "bedrock_converse")
    events = list(client.converse_stream(modelId=MODEL, messages=TURNS)["stream"])
    shape = client.meta.service_model.operation_model("ConverseStream").output_shape.members["stream"]
    for event in events:
        assert botocore.validate.ParamValidator().validate(event, shape).generate_report() == ""
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    assert "".join(delta.get("text", "") for delta in deltas) == TEXT
    thoughts = [delta["reasoningContent"] for delta in deltas if "reasoningContent" in delta]
    assert "".join(thought.get("text", "") for thought in thoughts) == THOUGHT
    assert thoughts[-1]["signature"]
    assert [next(iter(event)) for event in events[-2:]] == ["messageStop", "metadata"]
    assert events[-1]["metadata"]["usage"]["totalTokens"] == 29


def test_bedrock_tools(lab: Lab) -> None:
    client = bedrock_client(lab, "bedrock_converse-tools")
    image = {"image": {"format": "png", "source": {"bytes": b"png"}}}
    request = {
        "modelId": MODEL,
        "system": [{"text": "Be brief."}],
        "messages": [{"role": "user", "content": [image, {"text": "?"}]}],
        "toolConfig": {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": SCHEMA}}}]},
        "outputConfig": {
            "textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": json.dumps(SCHEMA)}}}
        },
    }
    reply = client.converse(**request)
    conforms(client, "Converse", reply)
    call = reply["output"]["message"]["content"][0]["toolUse"]
    assert (reply["stopReason"], call["toolUseId"], call["name"]) == ("tool_use", "call12345", "weather")
    assert call["input"] == ARGUMENTS
    assert lab.last("bedrock_converse-tools")["asked"] == EVERYTHING
    events = list(client.converse_stream(**request)["stream"])
    starts = [event["contentBlockStart"]["start"]["toolUse"] for event in events if "contentBlockStart" in event]
    assert starts == [{"toolUseId": "call12345", "name": "weather"}]
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    assert json.loads("".join(delta["toolUse"]["input"] for delta in deltas)) == ARGUMENTS


def test_bedrock_errors(lab: Lab) -> None:
    client = bedrock_client(lab, "bedrock_converse-limited")
    with pytest.raises(client.exceptions.ThrottlingException) as limited:
        client.converse(modelId=MODEL, messages=TURNS)
    assert limited.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    client = bedrock_client(lab, "bedrock_converse-failing")
    with pytest.raises(client.exceptions.InternalServerException):
        client.converse_stream(modelId=MODEL, messages=TURNS)
    with pytest.raises(botocore.exceptions.ClientError, match="UnrecognizedClientException"):
        bedrock_client(lab, "bedrock_converse", key="bad-key").converse(modelId=MODEL, messages=TURNS)
    stream = bedrock_client(lab, "bedrock_converse-breaking").converse_stream(modelId=MODEL, messages=TURNS)["stream"]
    with pytest.raises(botocore.exceptions.EventStreamError, match="serviceUnavailableException"):
        list(stream)


def test_bedrock_takes_a_bearer_key(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "good-key")
    # The simulator's certificate is of an authority of its own.
    client = boto3.client(
        "bedrock-runtime", endpoint_url=lab.root("bedrock-bearer"), region_name="us-east-1", verify=False
    )
    assert client.converse(modelId=MODEL, messages=TURNS)["stopReason"] == "end_turn"
