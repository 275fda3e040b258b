"""What the programs ask about, whichever SDK they are written for."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

SYSTEM = "Answer in one sentence."
QUESTION = "What is the weather in Paris?"

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
"""A picture of one pixel, base64."""

TEXTS = ["a text", "another text"]
"""What vectors are wanted of."""


class Place(BaseModel):
    """What an answer in JSON must look like."""

    city: str
    country: str


WEATHER: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
"""The parameters of the tool."""


def weather(city: str) -> str:
    """The weather of a city."""
    return f"Sunny in {city}."
