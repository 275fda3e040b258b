"""What Python has by hand is what the core says: `tests/schema/` is written by the core (`make gen`)."""

from __future__ import annotations

import ast
import json
from dataclasses import fields
from pathlib import Path

import hotspare
import pytest
from hotspare import _native, events
from hotspare._records import KEYWORDS

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "tests" / "schema"


def test_every_error_code_of_the_core_has_an_exception() -> None:
    codes = json.loads((SCHEMA / "errors.json").read_text())
    # "failed" is the kind whose class says which exception it is.
    wanted = {*codes["kinds"], *codes["classes"]} - {"failed"}
    assert {code for code, _ in _native.exceptions()} == wanted


@pytest.mark.parametrize(
    ("schema", "options", "argument"),
    [("request-fields.json", "ChatOptions", "messages"), ("embed-request-fields.json", "EmbedOptions", "input")],
)
def test_every_request_field_of_the_core_is_an_option(schema: str, options: str, argument: str) -> None:
    fields = set(json.loads((SCHEMA / schema).read_text()))
    module = ast.parse((ROOT / "python" / "hotspare" / "types.py").read_text())
    typed = next(node for node in ast.walk(module) if isinstance(node, ast.ClassDef) and node.name == options)
    named = {
        statement.target.id
        for statement in typed.body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    }
    # One is the argument that needs no name.
    assert named == fields - {argument}


def named(kind: type) -> list[str]:
    return [field.name for field in fields(kind)]


def test_the_fields_of_status_and_explanation_are_the_cores() -> None:
    core = json.loads((SCHEMA / "status.json").read_text())
    assert {name: named(getattr(hotspare, name)) for name in core} == core
    assert set(core) <= set(hotspare.__all__)


def test_every_event_of_the_core_has_a_class_with_its_fields() -> None:
    core = json.loads((SCHEMA / "events.json").read_text())
    ours = {kind: ["type", *named(found)] for kind, found in events.BY_TYPE.items()}
    assert ours.pop("events_dropped") == ["type", "at", "request", "count"]
    assert {kind: set(found) for kind, found in ours.items()} == {
        kind: {KEYWORDS.get(name, name) for name in found} for kind, found in core.items()
    }
