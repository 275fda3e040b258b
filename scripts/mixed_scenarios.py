#!/usr/bin/env python3
"""Writes tests/scenarios/mixed-*.json: each vendor of the table as primary, failing over to each other dialect.

One scenario a vendor. For every dialect that the vendor does not speak, two calls: one with a tool, an image and
instructions, and one with a JSON schema, an image and instructions. The primary answers each with an error, and what
both were asked is checked in their own formats, by the simulator.
"""

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
TOOL = {"type": "function", "function": {"name": "weather", "description": "The weather of a city.", "parameters": SCHEMA}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}}

# What is asked, beside the image and the instructions; what the backup says; what must come of it.
KINDS = [
    (
        "tools",
        {"tools": [TOOL]},
        {"tool_calls": [{"id": "call_1", "name": "weather", "arguments": ARGUMENTS}], "finish": "tool_calls"},
        {"finish": "tool_calls", "tool_calls": [{"name": "weather", "arguments": ARGUMENTS}]},
    ),
    ("schema", {"response_format": FORMAT}, {"text": ARGUMENTS}, {"finish": "stop", "text": ARGUMENTS}),
]


def scenario(vendor):
    spoken = vendor["dialect"]
    config = {"providers": {}, "routes": {}}
    script = {"providers": {}}
    calls, server = [], {}
    for dialect in DIALECTS:
        if dialect == spoken:
            continue
        for kind, asks, says, expect in KINDS:
            primary, backup, route = (f"{who}-{kind}-{dialect}" for who in ("primary", "backup", "to"))
            config["providers"][primary] = {"vendor": vendor["name"], "base_url": f"${primary}", "keys": [f"key-{primary}"]}
            config["providers"][backup] = {"dialect": dialect, "base_url": f"${backup}", "keys": [f"key-{backup}"]}
            config["routes"][route] = {"targets": [f"{primary}/m", f"{backup}/m"], "timeouts": {"total": "5s"}}
            script["providers"][primary] = {"dialect": spoken, "steps": [{"error": "overloaded", "times": 9}]}
            script["providers"][backup] = {"dialect": dialect, "reply": says}
            calls.append({
                "request": {"route": route, "messages": MESSAGES, "max_tokens": 64} | asks,
                "expect": expect
                | {
                    "target": f"{backup}/m",
                    "attempts": [
                        {"target": f"{primary}/m", "code": "overloaded", "next": "next_target"},
                        {"target": f"{backup}/m", "code": "ok", "next": "finish"},
                    ],
                },
            })
            asked = {"tools": len(asks.get("tools", [])), "schema": "response_format" in asks, "images": 1, "system": True}
            for provider in (primary, backup):
                server[provider] = {"requests": 1, "asked": asked}
    return {
        "title": f"{vendor['name']} fails over to every other dialect, with tools, a schema, an image and instructions.",
        "modes": ["chat", "stream"],
        "config": config,
        "script": script,
        "calls": calls,
        "server": server,
    }


def main():
    wanted = {f"mixed-{vendor['name']}.json": scenario(vendor) for vendor in tomllib.loads(TABLE.read_text())["provider"]}
    texts = {name: json.dumps(scenario, indent=2) + "\n" for name, scenario in wanted.items()}
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
