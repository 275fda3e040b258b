#!/usr/bin/env python3
"""Writes tests/scenarios/mixed-*.json: each vendor of the table as primary, failing over to each other dialect.

One scenario a vendor. For every dialect that the vendor does not speak, three calls, each with an image and
instructions: one with a tool, one with a JSON schema, one with both. The primary answers each with an error, and what
both were asked is checked in their own formats, by the simulator. Where the table says that the vendor does not take
what is asked, it is passed over. Cohere takes no schema beside tools: nothing of it is asked for both.
"""

import itertools
import json
import sys
from pathlib import Path

import tomllib

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "core" / "src" / "catalog" / "providers.toml"
OUTPUT = ROOT / "tests" / "scenarios"
DIALECTS = [
    "openai_chat",
    "openai_responses",
    "anthropic_messages",
    "gemini",
    "bedrock_converse",
    "cohere_chat",
    "ollama_chat",
]
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
MODES = ["chat", "stream"]
ARGUMENTS = '{"city":"Paris"}'
MESSAGES = [
    {"role": "system", "content": "Answer in one word."},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "Which city is this?"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        ],
    },
]
TOOL = {
    "type": "function",
    "function": {"name": "weather", "description": "The weather of a city.", "parameters": SCHEMA},
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}}

# What is asked, beside the image and the instructions; what the backup says; what must come of it.
CALLS = (
    {"tool_calls": [{"id": "call_1", "name": "weather", "arguments": ARGUMENTS}], "finish": "tool_calls"},
    {"finish": "tool_calls", "tool_calls": [{"name": "weather", "arguments": ARGUMENTS}]},
)
KINDS = {
    "tools": ({"tools": [TOOL]}, *CALLS),
    "schema": ({"response_format": FORMAT}, {"text": ARGUMENTS}, {"finish": "stop", "text": ARGUMENTS}),
    "both": ({"tools": [TOOL], "response_format": FORMAT}, *CALLS),
}


def takes(dialect, quirks, asks):
    """Whether a request for this is sent at all."""
    if "tools" in asks and "tools" in quirks.get("refuses", []):
        return False
    if "response_format" in asks and not quirks.get("json_schema", True):
        return False
    return not (dialect == "cohere_chat" and len(asks) == 2)


def scenario(vendor):
    spoken, quirks = vendor["dialect"], vendor.get("quirks", {})
    config = {"providers": {}, "routes": {}}
    script = {"providers": {}}
    calls, server = [], {}
    for dialect, kind in itertools.product(DIALECTS, KINDS):
        asks, says, expect = KINDS[kind]
        if dialect == spoken or not takes(dialect, {}, asks):
            continue
        primary, backup, route = (f"{who}-{kind}-{dialect}" for who in ("primary", "backup", "to"))
        config["providers"][primary] = {"vendor": vendor["name"], "base_url": f"${primary}", "keys": [f"key-{primary}"]}
        config["providers"][backup] = {"dialect": dialect, "base_url": f"${backup}", "keys": [f"key-{backup}"]}
        config["routes"][route] = {"targets": [f"{primary}/m", f"{backup}/m"], "timeouts": {"total": "5s"}}
        script["providers"][primary] = {"dialect": spoken, "steps": [{"error": "overloaded"}]}
        script["providers"][backup] = {"dialect": dialect, "reply": says}
        asked = {"tools": len(asks.get("tools", [])), "schema": "response_format" in asks, "images": 1, "system": True}
        server[backup] = {"requests": 1, "asked": asked}
        sent = takes(spoken, quirks, asks)
        server[primary] = {"requests": 1, "asked": asked} if sent else {"requests": 0}
        attempts = [
            {"target": f"{primary}/m", "code": "overloaded" if sent else "unsupported", "next": "next_target"},
            {"target": f"{backup}/m", "code": "ok", "next": "finish"},
        ]
        calls.append(
            {
                "request": {"route": route, "messages": MESSAGES, "max_tokens": 64} | asks,
                "expect": expect | {"target": f"{backup}/m", "attempts": attempts},
            }
        )
    return {
        "title": f"{vendor['name']} fails over to every other dialect with tools, schemas, images and instructions.",
        "modes": MODES,
        "config": config,
        "script": script,
        "calls": calls,
        "server": server,
    }


def written(value, depth=2):
    """JSON with a line for each entry down to a depth: short, and a changed call is a changed line."""
    if depth < 0 or not isinstance(value, (dict, list)) or value == MODES:
        return json.dumps(value)
    pad = "  " * (4 - depth - 1)
    if isinstance(value, dict):
        lines = [f"{pad}{json.dumps(name)}: {written(one, depth - 1)}" for name, one in value.items()]
        return "{\n" + ",\n".join(lines) + "\n" + pad[2:] + "}"
    return "[\n" + ",\n".join(f"{pad}{json.dumps(one)}" for one in value) + "\n" + pad[2:] + "]"


def main():
    wanted = {
        f"mixed-{vendor['name']}.json": scenario(vendor) for vendor in tomllib.loads(TABLE.read_text())["provider"]
    }
    texts = {name: written(scenario) + "\n" for name, scenario in wanted.items()}
    if "--check" in sys.argv:
        found = {path.name: path.read_text() for path in OUTPUT.glob("mixed-*.json")}
        if found != texts:
            sys.exit("tests/scenarios/mixed-*.json are out of date: run `make gen`")
        return
    for path in OUTPUT.glob("mixed-*.json"):
        path.unlink()
    for name, text in texts.items():
        (OUTPUT / name).write_text(text)


if __name__ == "__main__":
    main()
