"""Every SDK × feature × failure: the program's answer is the backup's, which speaks another dialect."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import pytest
from lab import CHAT_DIALECTS, EMBED_DIALECTS, ROOT, Json, Lab, lab, provider, text_of
from programs.asked import TEXTS, Place
from sdks import Sdk, installed

FAILURES: dict[str, Json] = json.loads((ROOT / "tests/sdks/failures.json").read_text())
"""What the primary does: ``primary`` is laid over it in the simulator's script, ``config`` over it in the client's config,
``route`` over the route; ``facts`` are the client's catalog; ``code`` is what the client calls it."""

SDKS = installed()

RESULTS: dict[str, dict[str, dict[str, str]]] = {}


@dataclass(frozen=True)
class Cell:
    sdk: Sdk
    feature: str
    failure: str
    backup: str

    @property
    def kind(self) -> str:
        kinds = {"tools": "tools", "structured": "place", "embeddings": "embed"}
        return next((kind for word, kind in kinds.items() if word in self.feature), "text")


def cells() -> Iterator[Any]:
    for sdk in SDKS:
        for row, feature in enumerate(sdk.programs):
            for column, failure in enumerate(FAILURES):
                dialects = EMBED_DIALECTS if feature == "embeddings" else CHAT_DIALECTS
                others = [dialect for dialect in dialects if dialect != sdk.spoken(feature)]
                # They take turns, so that each failure and each feature meets many of them.
                backup = others[(row + column) % len(others)]
                RESULTS.setdefault(sdk.name, {}).setdefault(feature, {})[failure] = "failed: it did not run"
                yield pytest.param(
                    Cell(sdk, feature, failure, backup), id=f"{sdk.name}-{feature}-{failure}-to-{backup}"
                )


@pytest.fixture(scope="module", autouse=True)
def report() -> Iterator[None]:
    yield
    folder = ROOT / "target" / "sdk-matrix"
    folder.mkdir(parents=True, exist_ok=True)
    name = "python" if find_spec("httpx2") else "python-httpx"
    (folder / f"{name}.json").write_text(json.dumps({"sdks": RESULTS}, indent=1))


@pytest.mark.parametrize("cell", cells())
def test_survives(cell: Cell) -> None:
    row = RESULTS[cell.sdk.name][cell.feature]
    try:
        survives(cell, **FAILURES[cell.failure])
    except BaseException as error:
        row[cell.failure] = f"failed: {type(error).__name__}: {error}".partition("\n")[0]
        raise
    row[cell.failure] = "ok"


def survives(
    cell: Cell,
    *,
    code: str,
    primary: Json | None = None,
    config: Json | None = None,
    route: Json | None = None,
    facts: Json | None = None,
) -> None:
    script = {
        "primary": {**provider("primary", cell.sdk.spoken(cell.feature), cell.kind), **(primary or {})},
        "backup": provider("backup", cell.backup, cell.kind),
    }
    with lab(script, providers={"primary": config or {}}, route=route, facts=facts) as made:
        http_client = made.http_client(asynchronous=cell.sdk.asynchronous)
        check_answer(cell.sdk.run(cell.feature, http_client), cell)
        calls = 2 if cell.kind == "tools" else 1
        check_attempts(made, cell, code, calls)
        check_headers(made, code, calls)


def check_answer(answer: Any, cell: Cell) -> None:
    if cell.kind == "place":
        assert answer == Place(city="Paris", country="backup")
    elif cell.kind == "embed":
        assert len(answer) == len(TEXTS)
        for vector in answer:
            assert len(vector) == 8
            assert math.hypot(*vector) == pytest.approx(1, abs=1e-3), "a vector of the simulator has the length 1"
    else:
        assert answer == text_of("backup")


def check_attempts(made: Lab, cell: Cell, code: str, calls: int) -> None:
    """The primary failed in its own way first, and only the backup answered; that was asked for all there was to ask."""
    attempts = made.attempts(calls)
    assert (attempts[0].target, attempts[0].code) == ("primary/m", code)
    assert [one.target for one in attempts if one.code == "ok"] == ["backup/m"] * calls
    # What is refused at once, or is not sent, has no entry.
    assert bool(made.journal("primary")) == (code not in ("connect", "unsupported"))
    journal = made.journal("backup")
    assert len(journal) == calls
    for entry in journal:
        assert entry["embed"] == (cell.kind == "embed")
        if cell.kind == "embed":
            continue
        assert entry["stream"] == ("stream" in cell.feature)
        asked = entry["asked"]
        assert asked["tools"] == (cell.kind == "tools")
        assert asked["schema"] == (cell.kind == "place")
        assert asked["images"] == (cell.feature == "vision")


def check_headers(made: Lab, code: str, calls: int) -> None:
    assert len(made.replies) == calls, "the SDK did not try again"
    for reply in made.replies:
        assert reply.headers["x-hotspare-target"] == "backup/m"
        assert reply.headers["x-should-retry"] == "false"
        assert reply.headers["x-hotspare-trail"].startswith("primary/m=")
        assert reply.headers["x-hotspare-trail"].endswith(", backup/m=ok")
    assert made.replies[0].headers["x-hotspare-trail"].startswith(f"primary/m={code}, ")
