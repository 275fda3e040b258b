"""How configs and requests cross to the core: as one JSON text."""

from __future__ import annotations

from . import _native

TYPE_CHECKING = False  # importing typing would take longer than the rest of the package
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from .types import ChatOptions, EmbedOptions, Messages


def open_client(
    config: str | os.PathLike[str] | Mapping[str, Any] | None, targets: Sequence[str] | None
) -> _native.Client:
    if (config is None) == (targets is None):
        raise TypeError("give either a config (a path or a dict) or targets=[...]")
    if targets is not None:
        if isinstance(targets, str):
            raise TypeError("targets must be a list of 'provider/model'")
        return _native.Client.from_targets(list(targets))
    if config is None or isinstance(config, str) or hasattr(config, "__fspath__"):
        return _native.Client.from_file(config)  # pyright: ignore[reportArgumentType]
    return _native.Client.from_json(dumps(config))


def encode(messages: Messages, options: ChatOptions) -> str:
    return dumps({"messages": messages, **options})


def encode_texts(texts: str | Sequence[str], options: EmbedOptions) -> str:
    return dumps({"input": texts, **options})


def dumps(value: object) -> str:
    global _encode
    if _encode is None:
        # json imports re, and with it takes longer than the rest of the package.
        import json

        _encode = json.JSONEncoder(separators=(",", ":"), default=_plain).encode
    return _encode(value)


_encode: Callable[[object], str] | None = None


def _plain(value: object) -> object:
    if isinstance(value, _native.Reply):
        return value.message
    if isinstance(value, type):
        raise TypeError(f"a request holds JSON values and objects with model_dump(), not the class {value.__name__}")
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json", exclude_none=True)
    to_dict = getattr(value, "to_dict", None)
    if to_dict is not None:
        return to_dict()
    if hasattr(value, "keys"):
        return dict(value)  # pyright: ignore[reportCallIssue, reportArgumentType]
    raise TypeError(f"a request holds JSON values and objects with model_dump(), not {type(value).__name__}")
