// Calls and streams, by promises and in the sync forms, and what comes back.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  AllTargetsFailed,
  Client,
  InvalidRequestError,
  ServerError,
  StreamInterrupted,
  type StreamEvent,
} from "hotspare";
import { FAILING, lab, rejected, sleep, thrown, until, type Json } from "./lab.mjs";

const CALL = { id: "call_1", name: "add", arguments: '{"a": 1}' };
const CALLS_A_TOOL: Json = { reply: { text: "", tool_calls: [CALL], finish: "tool_calls" } };

test("a reply has its fields", async (t) => {
  const client = await Client.open(lab(t, { a: [{ status: 500 }], b: [] }).config);
  const reply = await client.chat("hi");
  assert.equal(reply.text, "Hello from b.");
  assert.deepEqual([reply.target, reply.model, reply.finishReason, reply.finishRaw], ["b/m", "m", "stop", "stop"]);
  assert.deepEqual([reply.reasoning, reply.refusal, reply.toolCalls, reply.spans], ["", null, [], []]);
  assert.ok(reply.usage.reported);
  assert.ok(reply.usage.totalTokens > 0);
  assert.equal(reply.usage.totalTokens, reply.usage.inputTokens + reply.usage.outputTokens);
  assert.deepEqual([reply.costUsd, reply.costMinUsd, reply.costMaxUsd], [null, 0, null]);
  assert.ok(reply.elapsed > 0);
  assert.ok(reply.created > 1_700_000_000);
  const [first, last] = reply.trail;
  assert.ok(first && last && reply.trail.length === 2);
  assert.deepEqual(
    [first.target, first.code, first.status, first.phase, first.sent],
    ["a/m", "server", 500, "head", "yes"],
  );
  assert.ok(first.message);
  assert.notEqual(first.key, last.key);
  assert.deepEqual([last.target, last.code, last.next, last.message], ["b/m", "ok", "finish", null]);
  assert.equal(last.usage.totalTokens, reply.usage.totalTokens);
  assert.ok(0 <= first.started && first.started <= first.ended && first.ended <= last.started);
  assert.ok(last.firstContent !== null && last.firstContent <= last.ended);
  assert.deepEqual(reply.message, { role: "assistant", content: "Hello from b." });
  const openai = reply.toOpenai() as { object: string; choices: { message: { content: string } }[] };
  assert.equal(openai.object, "chat.completion");
  assert.equal(openai.choices[0]?.message.content, reply.text);
});

test("a reply is read-only", async (t) => {
  const reply = await (await Client.open(lab(t).config)).chat("hi");
  assert.throws(() => {
    (reply as { text: string }).text = "other";
  }, TypeError);
  assert.equal(reply.text, "Hello from a.");
});

test("a config may be an object, a path, a URL, a list of targets; each is refused with its place", async (t) => {
  const { mkdtempSync, writeFileSync } = await import("node:fs");
  const { join } = await import("node:path");
  const { tmpdir } = await import("node:os");
  const { pathToFileURL } = await import("node:url");
  const { config } = lab(t);
  const path = join(mkdtempSync(join(tmpdir(), "hotspare-")), "hotspare.json");
  writeFileSync(path, JSON.stringify(config));
  for (const source of [config, path, pathToFileURL(path)]) {
    assert.equal((await (await Client.open(source)).chat("hi")).text, "Hello from a.");
    assert.equal(Client.openSync(source).chatSync("hi").text, "Hello from a.");
  }
  const client = await Client.open({ targets: ["openai/gpt-4o-mini", "anthropic/claude-haiku-4-5"] });
  assert.deepEqual(
    client.status().targets.map((one) => one.target),
    ["anthropic/claude-haiku-4-5", "openai/gpt-4o-mini"],
  );
  for (const wrong of [5, null, undefined, [], { targets: "openai/gpt-4o-mini" }, "/nowhere/hotspare.toml"]) {
    const error = await rejected(Client.open(wrong as never));
    assert.ok(error instanceof Error, String(wrong));
    assert.equal(String(thrown(() => Client.openSync(wrong as never))), String(error));
  }
  assert.throws(() => new (Client as unknown as new () => Client)(), /Client\.open/);
});

test("tool calls go back as history", async (t) => {
  const client = await Client.open(lab(t, { a: [CALLS_A_TOOL] }).config);
  const tools = [{ type: "function" as const, function: { name: "add", parameters: { type: "object" } } }];
  const reply = await client.chat("1+1?", { tools, tool_choice: "auto" });
  const [called] = reply.toolCalls;
  assert.ok(called && reply.toolCalls.length === 1);
  assert.deepEqual({ id: called.id, name: called.name, arguments: called.arguments }, CALL);
  assert.equal(reply.finishReason, "tool_calls");
  const question = { role: "user" as const, content: "1+1?" };
  const result = { role: "tool" as const, tool_call_id: called.id, content: "2" };
  assert.equal((await client.chat([question, reply.message, result])).text, "Hello from a.");
});

test("a request that is wrong names the place, and a value that is no JSON is refused", async (t) => {
  const client = await Client.open(lab(t).config);
  const wrong = await rejected(client.chat([{ role: "usr", content: "hi" } as never]));
  assert.ok(wrong instanceof InvalidRequestError);
  assert.match(wrong.message, /messages\[0\]/);
  assert.equal((thrown(() => client.chatSync([{ role: "usr" } as never])) as Error).name, "InvalidRequestError");
  const circular: Json = {};
  circular.itself = circular;
  assert.ok((await rejected(client.chat("hi", circular))) instanceof TypeError);
  assert.ok((await rejected(client.chat("hi", { seed: 1n } as never))) instanceof TypeError);
  assert.equal((await client.chat("lone \ud800 surrogate")).text, "Hello from a.");
});

test("a call takes no longer than its timeout", async (t) => {
  const client = await Client.open(lab(t, { a: [{ fault: "hang", repeat: 9 }] }).config);
  const began = performance.now();
  const error = await rejected(client.chat("hi", { timeout: 0.2 }));
  assert.ok(error instanceof AllTargetsFailed);
  assert.equal(error.class, "timeout");
  assert.ok(performance.now() - began < 4000);
});

const CHUNKS: Json = { reply: { chunks: ["Hel", "lo"], reasoning: "hm" } };

function checkEvents(events: readonly StreamEvent[]): void {
  assert.deepEqual(
    events.slice(-3).map((event) => event.type),
    ["text", "text", "finish"],
  );
  assert.equal(events.map((event) => event.text).join(""), "Hello");
  assert.equal(events.map((event) => (event.type === "reasoning" ? event.reasoning : "")).join(""), "hm");
  const last = events.at(-1);
  assert.ok(last?.type === "finish");
  assert.deepEqual([last.reply.text, last.target], ["Hello", "a/m"]);
}

test("a stream gives events, then the reply", async (t) => {
  const client = await Client.open(lab(t, { a: [CHUNKS] }).config);
  const stream = client.stream("hi");
  assert.deepEqual([stream.target, stream.reply], [null, null]);
  const events: StreamEvent[] = [];
  for await (const event of stream) events.push(event);
  checkEvents(events);
  assert.equal(stream.target, "a/m");
  assert.equal(stream.reply?.text, "Hello");
  for await (const event of stream) assert.fail(`it has ended: ${event.type}`);
});

test("a sync stream gives the same", async (t) => {
  const client = Client.openSync(lab(t, { a: [CHUNKS] }).config);
  const stream = client.streamSync("hi");
  checkEvents([...stream]);
  assert.equal(stream.reply?.text, "Hello");
  assert.deepEqual([...stream], []);
});

test("a stream whose reply alone is wanted", async (t) => {
  const client = await Client.open(lab(t, { a: [CHUNKS] }).config);
  const reply = await client.stream("hi").final();
  assert.deepEqual([reply.text, reply.reasoning], ["Hello", "hm"]);
  const stream = client.stream("hi");
  for await (const event of stream) if (event.type === "text") break;
  assert.ok((await rejected(stream.final())) instanceof Error, "a stream that was left has no reply");
});

test("a stream of tool calls", async (t) => {
  const client = await Client.open(lab(t, { a: [CALLS_A_TOOL] }).config);
  const pieces = [];
  for await (const event of client.stream("hi")) if (event.type === "tool_call") pieces.push(event.toolCall);
  assert.deepEqual([pieces[0]?.index, pieces[0]?.id, pieces[0]?.name], [0, "call_1", "add"]);
  assert.equal(pieces.map((piece) => piece.arguments).join(""), CALL.arguments);
});

test("a stream that does not open rejects at the first read", async (t) => {
  const client = await Client.open(lab(t, { a: [FAILING] }).config);
  for (const read of [
    () => client.stream("hi")[Symbol.asyncIterator]().next(),
    () => client.stream("hi").final(),
    () => client.stream("hi").toReadableStream().getReader().read(),
  ]) {
    const error = await rejected(read());
    assert.ok(error instanceof AllTargetsFailed);
    assert.ok(error.last instanceof ServerError);
    assert.equal(error.cause, error.last);
  }
  assert.ok(thrown(() => [...client.streamSync("hi")]) instanceof AllTargetsFailed);
});

test("a broken stream keeps what had come", async (t) => {
  const cut: Json = { fault: "cut", after_chunks: 2, gap: "10ms", reply: { chunks: ["one ", "two ", "three"] } };
  const client = await Client.open(lab(t, { a: [cut] }).config);
  const stream = client.stream("hi");
  let seen = "";
  const error = await rejected(
    (async () => {
      for await (const event of stream) seen += event.text;
    })(),
  );
  assert.ok(error instanceof StreamInterrupted);
  assert.deepEqual([error.partial.text, seen], ["one two ", "one two "]);
  assert.deepEqual([error.last?.class, error.class, error.trail[0]?.code], ["malformed", "malformed", "malformed"]);
  for await (const event of stream) assert.fail(`it has ended: ${event.type}`);
});

test("a hundred calls at once", async (t) => {
  const client = await Client.open(lab(t, { a: [], b: [] }).config);
  const text = async (nth: number): Promise<string> => {
    if (nth % 2 === 0) return (await client.chat("hi")).text;
    let text = "";
    for await (const event of client.stream("hi")) text += event.text;
    return text;
  };
  const texts = await Promise.all(Array.from({ length: 100 }, (_, nth) => text(nth)));
  assert.deepEqual(texts, Array<string>(100).fill("Hello from a."));
});

test("a reader may read ahead", async (t) => {
  const client = await Client.open(lab(t, { a: [CHUNKS] }).config);
  const reader = client.stream("hi")[Symbol.asyncIterator]();
  const reads = await Promise.all(Array.from({ length: 6 }, () => reader.next()));
  checkEvents(reads.flatMap((read) => (read.done ? [] : [read.value])));
  assert.ok(reads.at(-1)?.done);
});

test("a readable stream gives the events, and reads no further than it is read", async (t) => {
  const made = lab(t, { a: [{ reply: { chunks: Array<string>(50_000).fill("0123456789".repeat(20)) } }] });
  const client = await Client.open(made.config);
  const readable = client.stream("hi").toReadableStream();
  assert.ok(readable instanceof ReadableStream);
  const reader = readable.getReader();
  const first = await reader.read();
  assert.equal(first.value?.type, "text");
  // Ten megabytes do not fit into what lies between: the simulator must come to a stop.
  const sent = (): number => Number(made.journal()[0]?.chunks_sent ?? 0);
  let before = -1;
  await until(() => {
    const stopped = sent() > 0 && sent() === before;
    before = sent();
    return stopped;
  });
  await sleep(0.3);
  assert.ok(sent() < 50_000, `${sent()} pieces were sent with one read`);
  assert.equal(made.ends()[0], null);
  let events = 1;
  for (let read = await reader.read(); !read.done; read = await reader.read()) events += 1;
  assert.equal(events, 50_001);
});

test("pieces come when they are sent", async (t) => {
  const gap: Json = { gap: "100ms", reply: { chunks: Array<string>(10).fill("tick ") } };
  const client = await Client.open(lab(t, { a: [gap] }).config);
  const at: number[] = [];
  for await (const event of client.stream("hi")) if (event.type === "text") at.push(performance.now());
  assert.equal(at.length, 10);
  assert.ok((at.at(-1) ?? 0) - (at[0] ?? 0) > 700, "they came one by one");
});

test("a closed client refuses calls; what is under way goes on", async (t) => {
  const client = await Client.open(lab(t, { a: [{ head: "200ms" }] }).config);
  const call = client.chat("hi");
  const stream = client.stream("hi");
  const reader = stream[Symbol.asyncIterator]();
  const first = reader.next();
  await client.close();
  await client.close();
  assert.equal((await call).text, "Hello from a.");
  assert.equal((await first).value?.type, "text");
  await reader.return?.();
  const calls = [
    () => client.chat("hi"),
    () => client.embed("hi"),
    () => client.stream("hi").final(),
    () => Promise.resolve(client.chatSync("hi")),
    () => Promise.resolve([...client.streamSync("hi")]),
    () => Promise.resolve(client.status()),
    () => Promise.resolve(client.hold("a")),
  ];
  for (const call of calls) {
    const error = await rejected((async () => call())());
    assert.match(String(error), /closed/, String(call));
  }
});

test("`await using` closes", async (t) => {
  const { config } = lab(t);
  let left: Client;
  {
    await using client = await Client.open(config);
    left = client;
    await using stream = client.stream("hi");
    for await (const event of stream) if (event.type === "text") break;
  }
  assert.match(String(await rejected(left.chat("hi"))), /closed/);
});

test("sync forms work in a row, and beside promises", async (t) => {
  const client = await Client.open(lab(t, { a: [{ head: "50ms", repeat: 99 }] }).config);
  const others = Array.from({ length: 4 }, () => client.chat("hi"));
  for (let nth = 0; nth < 3; nth += 1) {
    assert.equal(client.chatSync("hi").text, "Hello from a.");
    assert.equal([...client.streamSync("hi")].map((event) => event.text).join(""), "Hello from a.");
  }
  for (const reply of await Promise.all(others)) assert.equal(reply.text, "Hello from a.");
});
