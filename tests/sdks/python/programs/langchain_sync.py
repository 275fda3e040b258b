"""Programs as they are written for LangChain's `ChatOpenAI` and `OpenAIEmbeddings`."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from .asked import PIXEL, QUESTION, SYSTEM, TEXTS, Place, weather

MESSAGES: list[Any] = [SystemMessage(SYSTEM), HumanMessage(QUESTION)]

Options = dict[str, Any]


def connect(http_client: Any) -> Options:
    return {"api_key": "unused", "http_client": http_client}


def model(options: Options, **more: Any) -> ChatOpenAI:
    return ChatOpenAI(model="gpt-4o-mini", max_completion_tokens=64, **options, **more)


def chat(options: Options) -> Any:
    return model(options).invoke(MESSAGES).text


def streaming(options: Options) -> Any:
    whole: Any = None
    for chunk in model(options, stream_usage=True).stream(MESSAGES):
        whole = chunk if whole is None else whole + chunk
    assert whole.usage_metadata["total_tokens"] > 0
    return whole.text


def with_tools(llm: ChatOpenAI) -> Any:
    bound = llm.bind_tools([tool(weather)])
    messages = list(MESSAGES)
    while True:
        reply = bound.invoke(messages)
        if not reply.tool_calls:
            return reply.text
        messages.append(reply)
        messages += [ToolMessage(weather(**call["args"]), tool_call_id=call["id"]) for call in reply.tool_calls]


def tools(options: Options) -> Any:
    return with_tools(model(options))


def streamed_tools(options: Options) -> Any:
    return with_tools(model(options, streaming=True))


def structured(options: Options) -> Any:
    return model(options).with_structured_output(Place).invoke(MESSAGES)


def vision(options: Options) -> Any:
    content: list[Any] = [
        {"type": "text", "text": QUESTION},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
    ]
    return model(options).invoke([HumanMessage(content)]).text


def responses(options: Options) -> Any:
    return model(options, use_responses_api=True).invoke(MESSAGES).text


def streamed_responses(options: Options) -> Any:
    return "".join(chunk.text for chunk in model(options, use_responses_api=True).stream(MESSAGES))


def responses_tools(options: Options) -> Any:
    return with_tools(model(options, use_responses_api=True))


def embeddings(options: Options) -> Any:
    # By default it sends OpenAI's own tokens instead of the texts.
    llm = OpenAIEmbeddings(
        model="text-embedding-3-small", dimensions=8, check_embedding_ctx_length=False, **options
    )
    return llm.embed_documents(TEXTS)


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
    "embeddings": embeddings,
}
