"""Three vendors, one of which keeps failing, and an app whose calls are answered all the same.

`make demo` runs it against the simulator; `DEMO=live make demo` against the real vendors whose keys are in the
environment (a handful of short calls, a fraction of a cent).
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hotspare
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

TARGETS = ["openai/gpt-4o-mini", "anthropic/claude-haiku-4-5", "gemini/gemini-2.5-flash"]
KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY", "gemini": "GEMINI_API_KEY"}
DIALECTS = {"openai": "openai_chat", "anthropic": "anthropic_messages", "gemini": "gemini"}

# What happens to whom, in seconds since the start.
DAY: list[tuple[str, float, float, str, dict[str, Any]]] = [
    ("openai", 4, 9, "answers 500 to everything", {"status": 500}),
    ("openai", 9, 15, "accepts calls and never answers", {"fault": "hang"}),
    ("anthropic", 11, 14, "is overloaded meanwhile", {"error": "overloaded"}),
    ("openai", 15, 20, "refuses connections", {"fault": "refuse"}),
    ("openai", 20, 25, "cuts its answers off in the middle", {"fault": "cut", "after_chunks": 3}),
    ("openai", 25, 31, "limits our rate", {"error": "rate_limit", "headers": {"retry-after": "2"}}),
]
SECONDS = 36.0
WORKERS = 8
PROMPTS = ["Say hi.", "Name three rivers.", "What is a hot spare?", "Tell me a very short story."]


def script() -> dict[str, Any]:
    """The simulator's script: three vendors in their own dialects, and the primary's bad day."""

    def vendor(name: str, first_token: str) -> dict[str, Any]:
        return {
            "dialect": DIALECTS[name],
            "reply": {"text": f"This is {name} (simulated), answering at its ease."},
            "latency": {"head": "5ms", "first_token": first_token, "gap": "8ms", "jitter": 0.3},
        }

    vendors = {
        "openai": vendor("openai", "50ms"),
        "anthropic": vendor("anthropic", "70ms"),
        "gemini": vendor("gemini", "60ms"),
    }
    for name, start, end, _, step in DAY:
        vendors[name].setdefault("phases", []).append({"from": start, "until": end, "step": step})
    return {"seed": 1, "providers": vendors}


@dataclass
class Vendor:
    """What was seen of one vendor."""

    requests: int = 0
    answered: int = 0
    last: str = "ready"
    times: deque[float] = field(default_factory=lambda: deque[float](maxlen=200))


class Board:
    """Counts calls and draws them."""

    def __init__(self, targets: list[str], console: Console) -> None:
        self.console = console
        self.vendors = {target: Vendor() for target in targets}
        self.began = time.monotonic()
        self.sent = self.answered = self.lost = self.asked_again = 0
        self.by: Counter[str] = Counter()
        self.added: list[float] = []
        self.cost = 0.0
        self.unpriced = 0
        self.current = targets[0]
        self.lines: list[Text] = []

    def say(self, text: str, style: str = "") -> None:
        line = Text(f"{time.monotonic() - self.began:6.1f} s  {text}", style=style)
        self.lines.append(line)
        if not self.console.is_terminal:
            self.console.print(line)

    def trail(self, trail: list[hotspare.Attempt]) -> None:
        for attempt in trail:
            vendor = self.vendors[attempt.target]
            vendor.last = attempt.code
            # A target that was passed over (its key is limited) was not asked.
            vendor.requests += attempt.phase != "encode"

    def reply(self, reply: hotspare.Reply) -> None:
        self.trail(reply.trail)
        vendor = self.vendors[reply.target]
        vendor.answered += 1
        vendor.times.append(reply.elapsed)
        self.answered += 1
        self.by[reply.target] += 1
        if reply.cost_usd is None:
            self.unpriced += 1
        else:
            self.cost += reply.cost_usd
        if len(reply.trail) > 1:
            self.added.append(reply.trail[-1].started)
        if reply.target != self.current:
            why = reply.trail[-2] if len(reply.trail) > 1 else None
            cause = f"{why.target}: {why.code}, {why.message}" if why else "it answers again"
            self.say(f"traffic moves to {reply.target}   ({cause})", "bold yellow" if why else "bold green")
            self.current = reply.target

    def table(self) -> Table:
        table = Table(title="hotspare demo", expand=False)
        for name in ("target", "requests", "answered", "state", "p50"):
            table.add_column(name, justify="left" if name in ("target", "state") else "right")
        for target, vendor in self.vendors.items():
            p50 = f"{statistics.median(vendor.times) * 1000:.0f} ms" if vendor.times else "-"
            state = {"ok": "answering", "ready": "standing by"}.get(vendor.last, f"failing: {vendor.last}")
            style = {"ok": "green", "ready": "dim"}.get(vendor.last, "red")
            table.add_row(target, str(vendor.requests), str(vendor.answered), Text(state, style), p50)
        return table

    def __rich__(self) -> Group:
        counts = f"sent {self.sent}  answered {self.answered}  lost {self.lost}"
        return Group(self.table(), Text(counts, "bold"), *self.lines[-16:])

    def summary(self) -> None:
        if self.console.is_terminal:
            # The live view is gone: what it told stays.
            self.console.print(*self.lines, sep="\n")
        self.console.print()
        self.console.print(self.table())
        rows = Table(title="summary", show_header=False)
        rows.add_row("sent", str(self.sent))
        rows.add_row("answered", str(self.answered))
        rows.add_row("lost", Text(str(self.lost), "bold green" if self.lost == 0 else "bold red"))
        rows.add_row("answered by", ", ".join(f"{target} {count}" for target, count in self.by.most_common()))
        rows.add_row("streams cut after content, asked again", str(self.asked_again))
        if self.added:
            ordered = sorted(self.added)
            p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
            p50 = statistics.median(ordered)
            added = f"{p50 * 1000:.1f} ms p50, {p99 * 1000:.0f} ms p99, of {len(ordered)} failed-over calls"
            rows.add_row("added by failing over", added)
        unpriced = f" ({self.unpriced} answers of unknown price)" if self.unpriced else ""
        rows.add_row("cost", f"${self.cost:.5f}{unpriced}")
        self.console.print(rows)


async def call(client: hotspare.AsyncClient, board: Board, number: int, backup: str) -> None:
    """One call, every second one a stream. What an app does about a stream that breaks off is its own: this one asks
    again, elsewhere."""
    prompt = PROMPTS[number % len(PROMPTS)]
    board.sent += 1
    try:
        if number % 2 == 0:
            board.reply(await client.chat(prompt, max_tokens=60))
            return
        try:
            stream = client.stream(prompt, max_tokens=60)
            async for _ in stream:
                pass
        except hotspare.StreamInterrupted as error:
            board.trail(error.trail)
            board.asked_again += 1
            if board.asked_again == 1:
                board.say(f"a stream broke off after {error.partial.text!r}: asked again at the backup", "magenta")
            stream = client.stream(prompt, max_tokens=60, route=backup)
            async for _ in stream:
                pass
        board.reply(stream.reply)
    except hotspare.HotspareError as error:
        board.trail(error.trail)
        board.lost += 1
        board.say(f"lost: {error}", "bold red")


async def run(config: dict[str, Any], targets: list[str], console: Console, simulated: bool) -> Board:
    board = Board(targets, console)
    async with hotspare.AsyncClient(config) as client:
        live = Live(board, console=console, refresh_per_second=8, transient=True)
        with live if console.is_terminal else nullcontext():
            if simulated:
                await asyncio.gather(news(board), *(worker(client, board, index) for index in range(WORKERS)))
            else:
                for number in range(4 * len(targets)):
                    await call(client, board, number, "backup" if len(targets) > 1 else "default")
    return board


async def worker(client: hotspare.AsyncClient, board: Board, index: int) -> None:
    number = index
    while time.monotonic() - board.began < SECONDS:
        await call(client, board, number, "backup")
        number += WORKERS + 1
        await asyncio.sleep(0.05)


async def news(board: Board) -> None:
    for name, start, _, what, _ in DAY:
        await asyncio.sleep(max(0.0, board.began + start - time.monotonic()))
        board.say(f"{name} {what}", "dim")
    await asyncio.sleep(max(0.0, board.began + DAY[-1][2] - time.monotonic()))
    board.say(f"{DAY[-1][0]} is well again", "dim")


def settings(targets: list[str], providers: dict[str, Any]) -> dict[str, Any]:
    timeouts = {
        "total": "10s",
        "first_token": "800ms",
        "attempt": "1.2s",
        "idle": "800ms",
        "connect": "500ms",
    }
    if not providers:
        timeouts = {"total": "60s"}
    routes = {"default": {"targets": targets, "timeouts": timeouts}}
    if len(targets) > 1:
        routes["backup"] = {"targets": targets[1:], "timeouts": timeouts}
    return {"providers": providers, "routes": routes}


def simulated(console: Console) -> Board:
    hotspare_command = Path(sys.executable).with_name("hotspare")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(script(), file)
        file.flush()
        command = [str(hotspare_command), "simulate", file.name, "--json", "--stdin"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as simulator:
            assert simulator.stdout is not None
            urls: dict[str, str] = json.loads(simulator.stdout.readline())
            console.print(f"simulated vendors: {', '.join(f'{name} {url}' for name, url in urls.items())}")
            # Long enough keys to look like keys; the simulator takes any.
            providers = {name: {"base_url": url, "keys": [f"demo-{name}"]} for name, url in urls.items()}
            try:
                return asyncio.run(run(settings(TARGETS, providers), TARGETS, console, simulated=True))
            finally:
                simulator.communicate()


def main() -> int:
    console = Console(highlight=False)
    if os.environ.get("DEMO") == "live":
        targets = [target for target in TARGETS if os.environ.get(KEYS[target.split("/")[0]])]
        if not targets:
            console.print(f"DEMO=live needs at least one of {', '.join(KEYS.values())} in the environment")
            return 2
        board = asyncio.run(run(settings(targets, {}), targets, console, simulated=False))
    else:
        board = simulated(console)
    board.summary()
    return 0 if board.lost == 0 and board.answered == board.sent else 1


if __name__ == "__main__":
    sys.exit(main())
