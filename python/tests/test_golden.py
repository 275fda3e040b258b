"""What Python has by hand is what the core says: `tests/schema/` is written by the core (`make gen`)."""

from __future__ import annotations

import ast
import json
from pathlib import Path

from hotspare import _native

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "tests" / "schema"


def test_every_error_code_of_the_core_has_an_exception() -> None:
    codes = json.loads((SCHEMA / "errors.json").read_text())
    # "failed" is the kind whose class says which exception it is.
    wanted = {*codes["kinds"], *codes["classes"]} - {"failed"}
    assert {code for code, _ in _native.exceptions()} == wanted


def test_every_request_field_of_the_core_is_an_option() -> None:
    fields = set(json.loads((SCHEMA / "request-fields.json").read_text()))
    module = ast.parse((ROOT / "python" / "hotspare" / "types.py").read_text())
    options = next(node for node in ast.walk(module) if isinstance(node, ast.ClassDef) and node.name == "ChatOptions")
    named = {
        statement.target.id
        for statement in options.body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    }
    # `messages` is the argument that needs no name.
    assert named == fields - {"messages"}
