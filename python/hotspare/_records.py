"""What the frozen records of ``status``, ``explain`` and events have in common."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

KEYWORDS = {"from": "from_"}
"""Fields of the core whose names Python does not take."""
_NAMES = {ours: name for name, ours in KEYWORDS.items()}


@dataclass(frozen=True, slots=True)
class Record:
    """Frozen, comparable, and picklable."""

    parts: ClassVar[Mapping[str, type[Record]]] = {}
    """The classes of the fields that are records, or lists of them."""

    def to_dict(self) -> dict[str, Any]:
        """All of it, as a dict of JSON values."""
        return {_NAMES.get(field.name, field.name): _plain(getattr(self, field.name)) for field in fields(self)}


def _plain(value: object) -> object:
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(one) for one in cast("tuple[object, ...]", value)]
    return value


R = TypeVar("R", bound=Record)


def build(kind: type[R], record: Mapping[str, Any]) -> R:
    """The record that the core gave as a dict."""
    values: dict[str, Any] = {}
    for name, value in record.items():
        part = kind.parts.get(name)
        if isinstance(value, list):
            items = cast("list[Any]", value)
            value = tuple(items if part is None else [build(part, item) for item in items])
        elif part is not None:
            value = build(part, value)
        values[KEYWORDS.get(name, name)] = value
    return kind(**values)
