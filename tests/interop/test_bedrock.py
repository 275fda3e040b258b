"""The Bedrock codec and the signer against other people's programs: botocore's signer, event-stream reader and service
model, and MiniStack, which makes event streams by code of its own. The core's side runs in ``hotspare-interop``, which
is built here and talks over pipes."""

from __future__ import annotations

import base64
import json
import os
import random
import socket
import string
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
import zlib
from collections.abc import Iterator
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote

import botocore.auth
import botocore.session
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = Path(os.environ.get("HOTSPARE_FIXTURES", ROOT.parent / "shared" / "fixtures"))
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


class Core:
    """The core, asked line by line."""

    def __init__(self) -> None:
        subprocess.run(["cargo", "build", "-q", "-p", "hotspare-interop"], cwd=ROOT, check=True)
        self.process = subprocess.Popen(
            ["cargo", "run", "-q", "-p", "hotspare-interop"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": do, **fields}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@pytest.fixture(scope="module")
def core() -> Iterator[Core]:
    core = Core()
    yield core
    core.process.communicate(timeout=10)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


# Signatures


def random_request(rng: random.Random) -> dict[str, Any]:
    """A request such as nobody would make, and some that are made every day."""
    awkward = "abcXYZ019-._~:/ +&=?#%é漢😀!*'()[]@,;$"

    def text(letters: str, most: int) -> str:
        return "".join(rng.choices(letters, k=rng.randint(1, most)))

    models = [
        CLAUDE,
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0",
        "amazon.titan text",
        text(awkward, 20),
    ]
    path = f"/model/{quote(rng.choice(models), safe='-._~')}/{rng.choice(['converse', 'converse-stream', ''])}"
    if rng.random() < 0.2:
        path = "/" + "/".join(quote(text(awkward, 6), safe="-._~:!'()") for _ in range(rng.randint(0, 4)))
    if rng.random() < 0.1:
        path += "//x/./y/"
    pairs = [
        f"{quote(text(awkward, 5), safe='-._~')}={quote(text(awkward, 5), safe='-._~')}"
        for _ in range(rng.randint(0, 4))
    ]
    if rng.random() < 0.1:
        pairs.append("flag")
    host = rng.choice(["bedrock-runtime.us-east-1.amazonaws.com", "127.0.0.1:4566", "host.example:443"])
    headers = [("content-type", "application/json")]
    if rng.random() < 0.5:
        headers.append(("x-amz-meta", rng.choice(["  a   b ", "a", 'a="b   c"', "1,2"])))
    if rng.random() < 0.3:
        headers.append(("x-amzn-bedrock-trace", text(string.printable[:94], 20).strip() or "x"))
    if rng.random() < 0.3:
        headers.extend([("x-amz-twice", "b"), ("x-amz-twice", " a ")])
    return {
        "method": rng.choice(["POST", "GET", "PUT", "DELETE"]),
        "url": f"https://{host}{path}" + ("?" + "&".join(pairs) if pairs else ""),
        "headers": headers,
        "body": b64(rng.choice([b"", b"{}", rng.randbytes(rng.randint(1, 5000))])),
        "access_key_id": text(string.ascii_uppercase + string.digits, 20),
        "secret_access_key": text(string.ascii_letters + string.digits + "+/=", 40),
        "session_token": rng.choice([None, text(string.ascii_letters + string.digits + "+/=", 400)]),
        "region": rng.choice(["us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1"]),
        "service": rng.choice(["bedrock", "bedrock-mantle"]),
        "time": rng.randint(0, 4_000_000_000),
    }


def botocores_headers(ask: dict[str, Any], url: str) -> dict[str, str]:
    request = AWSRequest(method=ask["method"], url=url, data=base64.b64decode(ask["body"]))
    for name, value in ask["headers"]:
        request.headers[name] = value  # It appends.
    signer = botocore.auth.SigV4Auth(
        Credentials(ask["access_key_id"], ask["secret_access_key"], ask["session_token"]),
        ask["service"],
        ask["region"],
    )
    now = datetime.fromtimestamp(ask["time"], timezone.utc)
    with mock.patch("botocore.auth.get_current_datetime", return_value=now):
        signer.add_auth(request)
    names = ["x-amz-date", "x-amz-security-token", "authorization"]
    return {name: request.headers[name] for name in names if request.headers.get(name) is not None}


def test_signatures_equal_botocores(core: Core) -> None:
    rng = random.Random(20261125)
    as_given = 0
    for _ in range(400):
        ask = random_request(rng)
        ours = core.ask("sign", **ask)
        # Signed is what is sent: a URL with dots in its path is sent without them.
        as_given += ours["url"] == ask["url"]
        assert ours["headers"] == botocores_headers(ask, ours["url"]), ask
    assert as_given > 200


# Event streams


def frame(headers: bytes, payload: bytes) -> bytes:
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    body = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return body + struct.pack(">I", zlib.crc32(body))


def header(name: str, kind: int, value: bytes) -> bytes:
    return bytes([len(name.encode())]) + name.encode() + bytes([kind]) + value


def text_header(name: str, value: str) -> bytes:
    return header(name, 7, struct.pack(">H", len(value.encode())) + value.encode())


def random_frame(rng: random.Random) -> bytes:
    kind = rng.choice(["event", "event", "event", "exception", "error"])
    headers = [text_header(":message-type", kind)]
    if kind == "event":
        headers.append(text_header(":event-type", rng.choice(["messageStart", "é", "x" * 300])))
    elif kind == "exception":
        headers.append(text_header(":exception-type", "throttlingException"))
    else:
        headers += [text_header(":error-code", "InternalError"), text_header(":error-message", 'no "luck"')]
    values = [
        (0, b""),
        (1, b""),
        (2, rng.randbytes(1)),
        (3, rng.randbytes(2)),
        (4, rng.randbytes(4)),
        (5, rng.randbytes(8)),
        (6, struct.pack(">H", 300) + rng.randbytes(300)),
        (7, struct.pack(">H", 3) + b"abc"),
        (8, struct.pack(">q", rng.randint(0, 10**12))),
        (9, uuid.UUID(int=rng.getrandbits(128)).bytes),
    ]
    for i, (number, value) in enumerate(rng.sample(values, rng.randint(0, len(values)))):
        headers.append(header(f"h{i}", number, value))
    rng.shuffle(headers)
    payload = b"" if kind == "error" else "".join(rng.choices('{}":aé😀\n', k=rng.randint(0, 2000))).encode()
    return frame(b"".join(headers), payload)


def botocores_events(data: bytes) -> list[dict[str, Any]]:
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    events = []
    for message in buffer:
        headers = message.headers
        kind = headers[":message-type"]
        names = {"event": ":event-type", "exception": ":exception-type", "error": ":error-code"}
        payload = message.payload.decode()
        if kind == "error":
            payload = json.dumps({"message": headers[":error-message"]}, separators=(",", ":"))
        events.append({"name": headers[names[kind]], "data": payload, "error": kind != "event"})
    return events


def test_frames_are_read_as_botocore_reads_them(core: Core) -> None:
    rng = random.Random(7)
    for _ in range(150):
        data = b"".join(random_frame(rng) for _ in range(rng.randint(1, 6)))
        answer = core.ask("frames", bytes=b64(data), split=rng.choice([1, 2, 7, 100, len(data)]))
        assert answer == {"events": botocores_events(data), "failed": None}


def test_what_botocore_finds_broken_is_found_broken(core: Core) -> None:
    rng = random.Random(11)
    for _ in range(150):
        data = bytearray(random_frame(rng))
        at = rng.randrange(len(data))
        data[at] ^= 1 << rng.randrange(8)
        with pytest.raises(Exception, match=r"[Cc]hecksum|exceeded"):
            botocores_events(bytes(data))
        answer = core.ask("frames", bytes=b64(bytes(data)), split=len(data))
        assert answer["events"] == []
        assert answer["failed"] is not None


def recorded() -> list[Path]:
    if not FIXTURES.is_dir():
        if os.environ.get("HOTSPARE_REQUIRE_FIXTURES") == "1":
            raise RuntimeError(f"HOTSPARE_REQUIRE_FIXTURES=1, and there is no {FIXTURES}")
        return []
    paths = sorted((FIXTURES / "bedrock").glob("*.json"))
    return [path for path in paths if "eventstream_b64" in json.loads(path.read_text())["response"]]


@pytest.mark.parametrize("path", recorded(), ids=lambda path: path.stem)
def test_recorded_streams(core: Core, path: Path) -> None:
    data = base64.b64decode(json.loads(path.read_text())["response"]["eventstream_b64"])
    expected = botocores_events(data)
    assert expected
    for split in (1, 1000, len(data)):
        assert core.ask("frames", bytes=b64(data), split=split) == {"events": expected, "failed": None}


# Requests


def botocores_client(base: str) -> Any:
    return botocore.session.get_session().create_client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=base,
        aws_access_key_id="AKID",
        aws_secret_access_key="secret",
    )


def rich_request() -> dict[str, Any]:
    png = "data:image/png;base64," + b64(b"\x89PNG")
    function = {"name": "f", "description": "d", "strict": True, "parameters": {"type": "object"}}
    cached = {"type": "ephemeral"}
    return {
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "brief", "cache_control": cached}]},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look."},
                    {"type": "image_url", "image_url": {"url": png}},
                    {"type": "image_url", "image_url": {"url": "s3://bucket/a.webp"}},
                    {"type": "file", "file": {"file_data": "data:application/pdf;base64,aGk=", "filename": "a/b.pdf"}},
                    {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
                ],
            },
            {
                "role": "assistant",
                "content": "Calling.",
                "reasoning_details": [
                    {"dialect": "bedrock_converse", "text": "hm", "signature": "sig"},
                    {"dialect": "bedrock_converse", "text": "", "redacted": "eHl6"},
                ],
                "tool_calls": [
                    {"id": "call/1" + "x" * 90, "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
                ],
            },
            {
                "role": "tool",
                "tool_call_id": "call/1" + "x" * 90,
                "bedrock_converse": {"is_error": True},
                "content": "no",
            },
            {"role": "user", "content": "Again."},
        ],
        "max_tokens": 100,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 5,
        "stop": ["x"],
        "tools": [{"type": "function", "function": function, "cache_control": {**cached, "ttl": "1h"}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "service_tier": "flex",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "n", "description": "d", "schema": {"type": "object"}},
        },
    }


def test_bodies_are_what_the_service_model_says(core: Core) -> None:
    model = botocore.session.get_session().get_service_model("bedrock-runtime")
    shape = model.operation_model("Converse").input_shape
    for request in ({"messages": "hi"}, rich_request()):
        encoded = core.ask("encode", model=CLAUDE, request=request)
        report = ParamValidator().validate({"modelId": CLAUDE, **encoded["body"]}, shape)
        assert not report.has_errors(), report.generate_report()
        # And the other way: botocore writes the same path for the model.
        assert encoded["path"] == f"/model/{quote(CLAUDE, safe='-._~')}/converse"
    wrong = core.ask("encode", model=CLAUDE, request={**rich_request(), "seed": 1})
    assert "seed" in wrong["failed"]


# MiniStack


CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "f", "arguments": '{"city": "Zürich", "days": [1, 2]}'},
}


class Calling(BaseHTTPRequestHandler):
    """An OpenAI-compatible model behind MiniStack, which calls a tool."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        message = {"role": "assistant", "content": "Let me see.", "tool_calls": [CALL]}
        body = json.dumps(
            {
                "choices": [{"message": message, "finish_reason": "tool_calls"}],
                "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
            }
        ).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@pytest.fixture(scope="module", params=["says", "calls"])
def emulator(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, bool]]:
    """MiniStack's URL, and whether its model calls a tool."""
    calls = request.param == "calls"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    model = HTTPServer(("127.0.0.1", 0), Calling)
    threading.Thread(target=model.serve_forever, daemon=True).start()
    home = tmp_path_factory.mktemp("ministack")
    environment = {
        **os.environ,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "LOG_LEVEL": "ERROR",
        "SERVICES": "bedrock-runtime",
        "TMPDIR": str(home),
    }
    if calls:
        environment["MINISTACK_BEDROCK_PROXY_URL"] = f"http://127.0.0.1:{model.server_port}/v1"
    with open(home / "log", "wb") as log:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("ministack")], env=environment, cwd=home, stdout=log, stderr=log
        )
        try:
            deadline = time.monotonic() + 60
            while True:
                assert process.poll() is None, (home / "log").read_text()
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    assert time.monotonic() < deadline, (home / "log").read_text()
                    time.sleep(0.1)
            yield f"http://127.0.0.1:{port}", calls
        finally:
            process.terminate()
            process.wait(timeout=20)
            model.shutdown()


def encode(core: Core) -> tuple[str, dict[str, Any]]:
    encoded = core.ask("encode", model=CLAUDE, request=rich_request())
    return encoded["path"], encoded["body"]


def send(core: Core, url: str, request: dict[str, Any]) -> bytes:
    """What comes back for a body that the core signed."""
    body = json.dumps(request).encode()
    signed = core.ask(
        "sign",
        method="POST",
        url=url,
        headers=[("content-type", "application/json")],
        body=b64(body),
        access_key_id="AKID",
        secret_access_key="secret",
        session_token=None,
        region="us-east-1",
        service="bedrock",
        time=int(time.time()),
    )
    headers = {"content-type": "application/json", **signed["headers"]}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as response:
        return response.read()


def check_reply(reply: dict[str, Any], calls: bool) -> None:
    assert reply["text"]
    assert reply["usage"]["reported"]
    assert reply["finish_reason"] == ("tool_calls" if calls else "stop")
    if calls:
        (call,) = reply["tool_calls"]
        assert call["function"]["name"] == "f"
        assert json.loads(call["function"]["arguments"]) == {"city": "Zürich", "days": [1, 2]}


def test_ministacks_replies(core: Core, emulator: tuple[str, bool]) -> None:
    base, calls = emulator
    path, body = encode(core)
    data = send(core, base + path, body)
    reply = core.ask("reply", bytes=b64(data))
    check_reply(reply, calls)
    theirs = json.loads(data)
    assert reply["text"] == "".join(block.get("text", "") for block in theirs["output"]["message"]["content"])
    assert reply["usage"]["input_tokens"] == theirs["usage"]["inputTokens"]


def test_ministacks_streams(core: Core, emulator: tuple[str, bool]) -> None:
    base, calls = emulator
    path, body = encode(core)
    data = send(core, base + path + "-stream", body)
    events = botocores_events(data)
    assert [event["name"] for event in events][-2:] == ["messageStop", "metadata"]
    for split in (1, 13, len(data)):
        assert core.ask("frames", bytes=b64(data), split=split) == {"events": events, "failed": None}
        answer = core.ask("stream", bytes=b64(data), split=split)
        assert answer["failure"] is None
        check_reply(answer["reply"], calls)
    # botocore's own client, given the body that the core wrote, hears the same text.
    stream = botocores_client(base).converse_stream(modelId=CLAUDE, **body)["stream"]
    pieces = [event["contentBlockDelta"]["delta"].get("text", "") for event in stream if "contentBlockDelta" in event]
    assert "".join(pieces) == answer["reply"]["text"]


def test_a_refused_request(core: Core, emulator: tuple[str, bool]) -> None:
    base, _ = emulator
    client = botocores_client(base)
    empty = [{"role": "user", "content": []}]
    with pytest.raises(ClientError) as theirs:
        client.converse(modelId=CLAUDE, messages=empty)
    with pytest.raises(urllib.error.HTTPError) as raised:
        send(core, f"{base}{encode(core)[0]}-stream", {"messages": empty})
    # A body of JSON where a stream was asked for is read as one.
    answer = core.ask("stream", bytes=b64(raised.value.read()), split=5)
    assert answer["failure"] == {"class": "invalid_request", "code": theirs.value.response["Error"]["Code"]}
