"""Fake providers for tests: scripted replies, and scripted or random faults, on ports of 127.0.0.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _native
from ._request import dumps

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Any

    from typing_extensions import Self


class Simulator:
    """Runs the providers of a script (a dict, or its JSON text) until it is closed.

    with Simulator({"providers": {"a": {"dialect": "openai_chat", "reply": {"text": "hi"}}}}) as simulator:
        config = {"providers": {"a": {"dialect": "openai_chat", "base_url": simulator.url("a"), "keys": []}}, …}
    """

    def __init__(self, script: Mapping[str, Any] | str) -> None:
        self._native = _native.Simulator(script if isinstance(script, str) else dumps(script))
        self.urls: Mapping[str, str] = self._native.urls()
        """Every provider's base URL."""
        self.ca_pem: str | None = self._native.ca_pem()
        """The certificate to trust, in PEM. None when no provider has `tls`."""

    def url(self, provider: str) -> str:
        """The base URL of a provider, as a config wants it."""
        return self.urls[provider]

    def journal(self, provider: str | None = None) -> list[dict[str, Any]]:
        """What every request met, of one provider or all: by provider, then in order of arrival."""
        entries = self._native.journal()
        return [entry for entry in entries if provider in (None, entry["provider"])]

    def close(self) -> None:
        """Closes every port and connection. The journal can still be read."""
        self._native.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
