"""The ``hotspare`` command."""

from __future__ import annotations

import signal
import sys

from . import _native


def main() -> int:
    # Python's own handler only leaves a note that nobody reads while the command runs.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _native.cli_main(sys.argv)
