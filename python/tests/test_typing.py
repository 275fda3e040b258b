"""The stub matches the native module, and pyright finds nothing to say, strictly."""

from __future__ import annotations

import ast
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from hotspare import _native

PACKAGE = Path(__file__).parent.parent / "hotspare"


def stubbed() -> dict[str, set[str]]:
    names: dict[str, set[str]] = {}
    for node in ast.parse((PACKAGE / "_native.pyi").read_text()).body:
        if isinstance(node, ast.ClassDef):
            names[node.name] = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
        elif isinstance(node, ast.FunctionDef):
            names[node.name] = set()
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names[node.target.id] = set()
    return names


def test_the_stub_names_what_is_there() -> None:
    stub = stubbed()
    there = {name for name in vars(_native) if not name.startswith("__") or name == "__version__"}
    assert set(stub) == there
    for name, members in stub.items():
        found = vars(_native)[name]
        if isinstance(found, type):
            public = {member for member in vars(found) if not member.startswith("_")}
            assert {member for member in members if not member.startswith("_")} == public, name
            assert all(hasattr(found, member) for member in members), name


def test_the_stub_says_what_the_module_says() -> None:
    for node in ast.parse((PACKAGE / "_native.pyi").read_text()).body:
        if isinstance(node, ast.ClassDef) and ast.get_docstring(node):
            found = getattr(_native, node.name)
            assert ast.get_docstring(node) == found.__doc__
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and (said := ast.get_docstring(item)):
                    doc = getattr(found, item.name).__doc__
                    assert said.replace("``", "`") == doc, f"{node.name}.{item.name}"


SAMPLE = """
import asyncio
import httpx
import httpx2
from typing_extensions import assert_type
import hotspare
from hotspare import events
from hotspare.simulator import Simulator
from hotspare.types import Messages

messages: Messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]
client = hotspare.Client("hotspare.toml")
reply = client.chat(messages, route="fast", temperature=0.2, tools=[], logit_bias={"50256": -100})
assert_type(reply, hotspare.Reply)
assert_type(reply.usage.total_tokens, int)
assert_type(reply.cost_usd, float | None)
with client.stream("hi", max_tokens=5) as stream:
    for event in stream:
        assert_type(event.text, str)
        if event.type == "continue":
            assert_type(event.target, str | None)
        if event.type == "finish":
            print(event.reply)
assert_type(client.chat([{"role": "user", "content": "hi"}, reply]).trail, list[hotspare.Attempt])

made = client.embed(["a", "b"], input_type="query", dimensions=256)
assert_type(made, hotspare.Embeddings)
assert_type(made.embeddings, list[list[float]])
assert_type(len(made), int)

status = client.status()
assert_type(status, hotspare.Status)
for target in status.targets:
    assert_type(target.next_probe, float | None)
    if target.state == "open" and target.recent_errors:
        assert_type(target.recent_errors[-1].code, str)
plan = client.explain(messages, route="fast", max_tokens=5)
assert_type(plan.targets[0].cost.max, float | None)
client.update_catalog("[openai.gpt-4o-mini]")
assert_type(client.hold("openai") + client.release("openai") + client.force_closed("openai"), int)

def seen(event: hotspare.Event) -> None:
    assert_type(event.at, float)
    if event.type == "breaker":
        assert_type(event, events.Breaker)
        assert_type(event.name, str)
    elif event.type == "attempt_ended":
        assert_type(event.cost, hotspare.CostRange)
    match event:
        case events.Recovering(from_=broke):
            assert_type(broke, str)
        case _:
            pass

client.on_event(seen)

async def main() -> None:
    async with hotspare.AsyncClient(targets=["openai/gpt-4o-mini"]) as client:
        assert_type(await client.chat("hi"), hotspare.Reply)
        assert_type(await client.embed(["hi"]), hotspare.Embeddings)
        client.on_event(seen)
        assert_type(client.status(), hotspare.Status)
        async with client.stream("hi") as stream:
            async for event in stream:
                assert_type(event, hotspare.StreamEvent)
        try:
            await client.chat("hi", timeout=3)
        except hotspare.StreamInterrupted as error:
            assert_type(error.partial.text, str)
        except hotspare.AllTargetsFailed as error:
            assert_type(error.last, hotspare.HotspareError)

asyncio.run(main())

assert_type(hotspare.httpx_client("hotspare.toml"), httpx2.Client)
assert_type(hotspare.httpx_client(client, library=httpx, headers={"a": "b"}), httpx.Client)
assert_type(hotspare.httpx_async_client({"providers": {}}, timeout=5), httpx2.AsyncClient)
assert_type(hotspare.httpx_async_client(targets=["openai/gpt-4o-mini"], library=httpx), httpx.AsyncClient)
httpx.Client(transport=hotspare.HttpxTransport(client))
httpx2.Client(transport=hotspare.HttpxTransport(hotspare.AsyncClient("hotspare.toml")))
httpx2.AsyncClient(transport=hotspare.AsyncHttpxTransport(client))
with hotspare.httpx_client(client) as http:
    assert_type(http.get("http://x/models"), httpx2.Response)

with Simulator({"providers": {}}) as simulator:
    assert_type(simulator.url("a"), str)
"""
WRONG = """
import hotspare
hotspare.Client("x").chat("hi", temperature="hot")
hotspare.Client("x").chat(5)
hotspare.Client("x").embed("hi", input_type="quary")
if hotspare.Client("x").stream("hi").reply.text: pass
hotspare.httpx_client(5)
hotspare.httpx_client("x", library="httpx")
hotspare.httpx_client("x", verify=False)
def seen(event: hotspare.Event) -> None:
    if event.type == "braker": pass
"""


ONE_LIBRARY = """
from typing_extensions import assert_type
import httpx2
import hotspare
assert_type(hotspare.httpx_client("hotspare.toml", library=httpx2), httpx2.Client)
http = httpx2.Client(transport=hotspare.HttpxTransport("hotspare.toml"))
assert_type(http.get("http://x/models"), httpx2.Response)
"""


def pyright(*paths: Path, project: Path | None = None, python: Path = Path(sys.executable)) -> tuple[int, str]:
    pytest.importorskip("pyright")
    where = ["-p", str(project)] if project else [str(path) for path in paths]
    command = [sys.executable, "-m", "pyright", "--pythonpath", str(python), *where]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_package_is_strictly_typed() -> None:
    status, said = pyright(project=PACKAGE.parent)
    assert status == 0, said


def test_a_program_is_strictly_typed(tmp_path: Path) -> None:
    good, wrong = tmp_path / "good.py", tmp_path / "wrong.py"
    good.write_text("# pyright: strict\n" + SAMPLE)
    wrong.write_text("# pyright: strict\n" + WRONG)
    status, said = pyright(good)
    assert status == 0, said
    status, said = pyright(wrong)
    assert status == 1
    assert said.count(" - error:") == 8, said


@pytest.mark.parametrize(("used", "missing"), [("httpx2", "httpx"), ("httpx", "httpx2")])
def test_a_program_with_one_library_is_strictly_typed(tmp_path: Path, used: str, missing: str) -> None:
    venv.create(tmp_path, symlinks=True)
    packages = next(tmp_path.glob("lib/*/site-packages"))
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if path.name != missing:
            (packages / path.name).symlink_to(path)
    program = tmp_path / "program.py"
    program.write_text("# pyright: strict\n" + ONE_LIBRARY.replace("httpx2", used))
    status, said = pyright(program, python=tmp_path / "bin" / "python")
    assert status == 0, said
    program.write_text(f"import {missing}")
    assert "could not be resolved" in pyright(program, python=tmp_path / "bin" / "python")[1]
