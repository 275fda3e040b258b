"""One Python workload of one peer, in a process of its own: `peers.py PEER WORKLOAD COUNT URL [URL2]`. Prints JSON.

Peers: hotspare-sync, hotspare-async, openai-sync, openai-async.
Workloads: call, concurrent (64 at once), stream, failover.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from typing import Any

AT_ONCE = 64
PROMPT = "Say hi to everyone in the room, please, and keep it short."
MESSAGES = [{"role": "user", "content": PROMPT}]


def cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return (usage.ru_utime + usage.ru_stime) * 1e6


def config(urls: list[str]) -> dict[str, Any]:
    providers = {f"p{i}": {"dialect": "openai_chat", "base_url": url, "keys": ["key"]} for i, url in enumerate(urls)}
    return {
        "providers": providers,
        "routes": {"default": {"targets": [f"{name}/gpt-4o-mini" for name in providers]}},
    }


class Sync:
    def __init__(self, peer: str, urls: list[str]) -> None:
        self.hotspare: Any = None
        self.openai: list[Any] = []
        if peer == "hotspare-sync":
            import hotspare

            self.hotspare = hotspare.Client(config(urls))
        else:
            import openai

            self.openai = [openai.OpenAI(api_key="key", base_url=url, max_retries=0) for url in urls]

    def call(self) -> None:
        if self.hotspare is not None:
            assert self.hotspare.chat(PROMPT).text
            return
        import openai

        for client in self.openai:
            try:
                reply = client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
                assert reply.choices[0].message.content
                return
            except openai.APIError:
                continue

    def stream(self) -> int:
        if self.hotspare is not None:
            with self.hotspare.stream(PROMPT) as stream:
                return sum(1 for event in stream if event.text)
        stream = self.openai[0].chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True)
        return sum(1 for chunk in stream if chunk.choices and chunk.choices[0].delta.content)

    def run(self, workload: str, count: int) -> tuple[int, list[float]]:
        times: list[float] = []
        if workload == "stream":
            return sum(self.stream() for _ in range(count)), times
        for _ in range(count):
            began = time.perf_counter()
            self.call()
            times.append((time.perf_counter() - began) * 1e6)
        return count, times


class Async:
    def __init__(self, peer: str, urls: list[str]) -> None:
        self.hotspare: Any = None
        self.openai: list[Any] = []
        if peer == "hotspare-async":
            import hotspare

            self.hotspare = hotspare.AsyncClient(config(urls))
        else:
            import openai

            self.openai = [openai.AsyncOpenAI(api_key="key", base_url=url, max_retries=0) for url in urls]

    async def call(self) -> None:
        if self.hotspare is not None:
            assert (await self.hotspare.chat(PROMPT)).text
            return
        import openai

        for client in self.openai:
            try:
                reply = await client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
                assert reply.choices[0].message.content
                return
            except openai.APIError:
                continue

    async def stream(self) -> int:
        chunks = 0
        if self.hotspare is not None:
            async with self.hotspare.stream(PROMPT) as stream:
                async for event in stream:
                    chunks += bool(event.text)
            return chunks
        stream = await self.openai[0].chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True)
        async for chunk in stream:
            chunks += bool(chunk.choices and chunk.choices[0].delta.content)
        return chunks

    async def run(self, workload: str, count: int) -> tuple[int, list[float]]:
        times: list[float] = []
        if workload == "stream":
            total = 0
            for _ in range(count):
                total += await self.stream()
            return total, times
        if workload == "concurrent":
            share = count // AT_ONCE

            async def one() -> None:
                for _ in range(share):
                    await self.call()

            await asyncio.gather(*(one() for _ in range(AT_ONCE)))
            return share * AT_ONCE, times
        for _ in range(count):
            began = time.perf_counter()
            await self.call()
            times.append((time.perf_counter() - began) * 1e6)
        return count, times


def report(units: int, times: list[float], spent: float, wall: float) -> None:
    times.sort()
    p50 = times[len(times) // 2] if times else None
    print(json.dumps({"cpu_us": spent / units, "wall_us": wall / units, "p50_us": p50, "units": units}))


def main() -> None:
    peer, workload, count, *urls = sys.argv[1:]
    number, warm = int(count), max(int(count) // 10, AT_ONCE)
    if peer.endswith("-sync"):
        sync = Sync(peer, urls)
        sync.run(workload, warm if workload != "stream" else 3)
        before, began = cpu(), time.perf_counter()
        units, times = sync.run(workload, number)
        report(units, times, cpu() - before, (time.perf_counter() - began) * 1e6)
        return

    async def run() -> None:
        client = Async(peer, urls)
        await client.run(workload, warm if workload != "stream" else 3)
        before, began = cpu(), time.perf_counter()
        units, times = await client.run(workload, number)
        report(units, times, cpu() - before, (time.perf_counter() - began) * 1e6)

    asyncio.run(run())


if __name__ == "__main__":
    main()
