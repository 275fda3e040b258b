"""Programs as they are written for Instructor, over OpenAI's SDK."""

from __future__ import annotations

from typing import Any

import instructor
from openai import OpenAI

from .asked import Place
from .openai_sync import MESSAGES


def connect(http_client: Any) -> instructor.Instructor:
    client = OpenAI(api_key="unused", http_client=http_client)
    return instructor.from_openai(client, mode=instructor.Mode.JSON_SCHEMA)


def chat(client: instructor.Instructor) -> Any:
    completion: Any = client.create(response_model=None, model="gpt-4o-mini", messages=MESSAGES, max_tokens=64)
    return completion.choices[0].message.content


def structured(client: instructor.Instructor) -> Any:
    return client.create(response_model=Place, model="gpt-4o-mini", messages=MESSAGES, max_tokens=64)


PROGRAMS = {"chat": chat, "structured": structured}
