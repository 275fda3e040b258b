"""The simulator in a process of its own."""

from __future__ import annotations

import json
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# A proxy of the machine must not stand between two programs on it.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextmanager
def simulate(script: dict[str, Any], build: str) -> Iterator[dict[str, str]]:
    """Plays a script; gives every provider's base URL. ``build`` is ``debug`` or ``release``."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(script, file)
        file.flush()
        command = [str(ROOT / "target" / build / "hotspare"), "simulate", file.name, "--json", "--stdin"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield json.loads(process.stdout.readline())
            finally:
                process.communicate()


def get(url: str) -> bytes:
    with DIRECT.open(url, timeout=10) as response:
        return response.read()


def journal(base_url: str) -> list[dict[str, Any]]:
    """The provider's own record of its requests."""
    return json.loads(get(base_url.removesuffix("/v1") + "/_hotspare/journal"))
