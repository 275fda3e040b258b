"""The Python side of the soak, on one event loop; the same task and the same lines as ``src/bin/soak.rs``."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from typing import Any

import hotspare
import psutil

# As in the Rust side.
LEAVES = 20
LOOK_AGAIN = 0.05


class Watch:
    def __init__(self) -> None:
        self.began = time.monotonic()
        self.process = psutil.Process()

    def elapsed(self) -> float:
        return time.monotonic() - self.began

    def look(self) -> dict[str, float]:
        """Tasks: those of asyncio, but for the one that asks."""
        return {
            "at": self.elapsed(),
            "rss": self.process.memory_info().rss,
            "fds": self.process.num_fds(),
            "tasks": len(asyncio.all_tasks()) - 1,
            "threads": self.process.num_threads(),
        }


def say(**line: Any) -> None:
    print(json.dumps(line), flush=True)


async def one(client: hotspare.AsyncClient, route: str, leaves_after: int | None) -> str:
    events = 0
    try:
        async with client.stream("Tell a story.", route=route) as stream:
            async for _ in stream:
                events += 1
                if leaves_after == events:
                    return "left"
    except hotspare.HotspareError as error:
        return error.code
    return "ok"


async def caller(
    client: hotspare.AsyncClient, routes: list[str], seed: int, watch: Watch, until: float, ends: Counter[str]
) -> None:
    rng = random.Random(seed)
    while watch.elapsed() < until:
        leaves_after = rng.randint(1, 9) if rng.randrange(LEAVES) == 0 else None
        ends[await one(client, rng.choice(routes), leaves_after)] += 1


async def settle(watch: Watch, fds: float) -> None:
    """Waits until no more files are open than that, or nothing has been closed for a second."""
    least, since = watch.look()["fds"], watch.elapsed()
    while least > fds and watch.elapsed() - since < 1.0:
        await asyncio.sleep(LOOK_AGAIN)
        if (now := watch.look()["fds"]) < least:
            least, since = now, watch.elapsed()


async def main() -> None:
    task = json.load(sys.stdin)
    watch = Watch()
    # The runtime with its threads and its queue is made once for the process, and stays.
    async with hotspare.AsyncClient(task["config"]) as first:
        await first.chat("Say hi.")
    del first
    await settle(watch, 0)
    before = watch.look()
    say(before=before)
    client = hotspare.AsyncClient(task["config"])
    ends: Counter[str] = Counter()
    until = task["seconds"]
    callers = [
        asyncio.create_task(caller(client, task["routes"], seed, watch, until, ends)) for seed in range(task["streams"])
    ]
    while watch.elapsed() < until:
        say(sample=watch.look())
        await asyncio.sleep(task["sample"])
    await asyncio.gather(*callers)
    status = client.status()
    for _ in range(100):
        # What a caller left is closed by the engine a moment later.
        if status.in_flight == 0:
            break
        await asyncio.sleep(0.05)
        status = client.status()
    attempts = sum(target.in_flight for target in status.targets)
    say(drained={"ends": ends, "in_flight": status.in_flight, "attempts": attempts, "reserved": status.reserved})
    await client.aclose()
    del client, callers
    await settle(watch, before["fds"])
    say(after=watch.look())


asyncio.run(main())
