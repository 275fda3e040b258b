// The caller goes away: the simulator must see the connection closed.
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test, type TestContext } from "node:test";
import { Client, type Stream } from "hotspare";
import { HANG, SLOW, lab, rejected, run, sleep, until } from "./lab.mjs";

async function read(stream: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of stream) count += 1;
  return count;
}

function listeners(signal: AbortSignal): number {
  return getEventListeners(signal, "abort").length;
}

/** The three ways to wait. */
const CALLS: Record<string, (client: Client, signal: AbortSignal) => Promise<unknown>> = {
  chat: (client, signal) => client.chat("hi", { signal }),
  stream: (client, signal) => read(client.stream("hi", { signal })),
  embed: (client, signal) => client.embed("hi", { signal, route: "a/m" }),
};

for (const [name, call] of Object.entries(CALLS)) {
  test(`${name}: an aborted signal sends nothing`, async (t) => {
    const made = lab(t);
    const client = await Client.open(made.config);
    const reason = new Error("gone before");
    assert.equal(await rejected(call(client, AbortSignal.abort(reason))), reason);
    const error = await rejected(call(client, AbortSignal.abort()));
    assert.ok(error instanceof DOMException && error.name === "AbortError");
    assert.deepEqual(made.simulator.journal(), []);
  });

  test(`${name}: aborting closes the connection, and leaves no listener`, async (t) => {
    const made = lab(t, { a: [HANG] });
    const client = await Client.open(made.config);
    const caller = new AbortController();
    let told = 0;
    caller.signal.onabort = () => (told += 1);
    const under = rejected(call(client, caller.signal));
    await until(() => made.ends().length === 1);
    const reason = { any: "value" };
    caller.abort(reason);
    assert.equal(await under, reason);
    await made.disconnects();
    assert.deepEqual([told, listeners(caller.signal)], [1, 1], "the caller's own, and no other");
  });

  test(`${name}: a timeout of the signal`, async (t) => {
    const made = lab(t, { a: [HANG] });
    const client = await Client.open(made.config);
    const error = await rejected(call(client, AbortSignal.timeout(150)));
    assert.ok(error instanceof DOMException && error.name === "TimeoutError");
    await made.disconnects();
  });
}

test("aborting after the end does nothing, and a signal serves many calls", async (t) => {
  const made = lab(t);
  const client = await Client.open(made.config);
  const caller = new AbortController();
  for (let nth = 0; nth < 20; nth += 1) {
    assert.equal((await client.chat("hi", { signal: caller.signal })).text, "Hello from a.");
    await read(client.stream("hi", { signal: caller.signal }));
  }
  assert.equal(listeners(caller.signal), 0);
  caller.abort();
  await sleep(0.05);
  assert.deepEqual(new Set(made.ends()), new Set(["complete"]));
});

test("aborting while no read waits ends the stream at the next read", async (t) => {
  const made = lab(t, { a: [SLOW] });
  const client = await Client.open(made.config);
  const caller = new AbortController();
  const reader = client.stream("hi", { signal: caller.signal })[Symbol.asyncIterator]();
  assert.equal((await reader.next()).value?.type, "text");
  caller.abort();
  await made.disconnects();
  assert.equal(await rejected((async () => read({ [Symbol.asyncIterator]: () => reader }))()), caller.signal.reason);
  assert.equal(listeners(caller.signal), 0);
});

const LEAVE: Record<string, (stream: Stream) => Promise<unknown>> = {
  "break": async (stream) => {
    for await (const _ of stream) break;
  },
  "throw": (stream) =>
    rejected(
      (async () => {
        for await (const _ of stream) throw new Error("enough");
      })(),
    ),
  "return": async (stream) => {
    const reader = stream[Symbol.asyncIterator]();
    await reader.next();
    assert.deepEqual(await reader.return?.(), { done: true, value: undefined });
    assert.deepEqual(await reader.next(), { done: true, value: undefined });
  },
  "close()": async (stream) => {
    await stream[Symbol.asyncIterator]().next();
    await stream.close();
  },
  "await using": async (stream) => {
    await using left = stream;
    await left[Symbol.asyncIterator]().next();
  },
  "cancelling its readable stream": async (stream) => {
    const reader = stream.toReadableStream().getReader();
    await reader.read();
    await reader.cancel();
  },
  "leaving a for await over its readable stream": async (stream) => {
    for await (const _ of stream.toReadableStream()) break;
  },
};

for (const [how, leave] of Object.entries(LEAVE)) {
  test(`leaving a stream closes its connection: ${how}`, async (t) => {
    const made = lab(t, { a: [SLOW] });
    const client = await Client.open(made.config);
    const stream = client.stream("hi");
    await leave(stream);
    await made.disconnects();
    assert.equal(await read(stream), 0, "it has ended");
    assert.equal(stream.reply, null);
  });
}

test("leaving before the stream is open", async (t) => {
  const made = lab(t, { a: [HANG] });
  const client = await Client.open(made.config);
  const stream = client.stream("hi");
  const waiting = read(stream);
  await until(() => made.ends().length === 1);
  await stream.close();
  assert.equal(await waiting, 0);
  await made.disconnects();
  const unread = client.stream("hi");
  await unread.close();
  assert.equal(await read(unread), 0);
  assert.equal(made.ends().length, 1, "a stream that was not read sends nothing");
});

test("leaving a sync stream closes its connection", async (t) => {
  const made = lab(t, { a: [SLOW] });
  const client = Client.openSync(made.config);
  for (const _ of client.streamSync("hi")) break;
  await made.disconnects();
  const stream = client.streamSync("hi");
  assert.equal(stream[Symbol.iterator]().next().value?.text, "tick ");
  stream.close();
  assert.deepEqual([...stream], []);
  await made.disconnects(2);
  {
    using left = client.streamSync("hi");
    left[Symbol.iterator]().next();
  }
  await made.disconnects(3);
});

const COLLECTED = `
import { Client } from "hotspare";
import { setTimeout as sleep } from "node:timers/promises";
const client = await Client.open(config);
async function leave(form) {
  const stream = form === "sync" ? client.streamSync("hi") : client.stream("hi");
  const reader = stream[form === "sync" ? Symbol.iterator : Symbol.asyncIterator]();
  await reader.next();
  if (form === "readable") await client.stream("hi").toReadableStream().getReader().read();
}
for (const form of ["async", "sync", "readable"]) await leave(form);
for (let nth = 0; nth < 20; nth += 1) {
  await sleep(20);
  gc();
}
process.stdin.once("data", () => process.exit(0));
process.stdout.write("collected\\n");
`;

test("a stream that is forgotten is closed by the garbage collector", async (t) => {
  const made = lab(t, { a: [{ ...SLOW, gap: "100ms" }] });
  const { Program } = await import("./lab.mjs");
  const program = new Program(COLLECTED, made.config, ["--expose-gc"]);
  await until(
    () => program.out === "collected\n" || program.err !== "",
    () => program.err,
    60,
  );
  await made.disconnects(4);
  program.kill("SIGKILL");
  await program.ended;
});

async function cancelled(t: TestContext, count: number): Promise<void> {
  const made = lab(t, { a: [HANG] });
  const client = await Client.open(made.config);
  const caller = new AbortController();
  const calls = Array.from({ length: count }, (_, nth) => {
    const options = { signal: caller.signal };
    return rejected(nth % 2 === 0 ? client.chat("hi", options) : read(client.stream("hi", options)));
  });
  await until(() => made.ends().length === count);
  caller.abort();
  for (const error of await Promise.all(calls)) assert.equal(error, caller.signal.reason);
  await made.disconnects(count);
  await until(() => client.status().inFlight === 0);
}

test("one signal for a hundred calls at once", (t) => cancelled(t, 100));

test("no rejection is left unhandled, and no warning is given", async (t) => {
  const made = lab(t, { a: [HANG] });
  const program = `
import { Client } from "hotspare";
const client = await Client.open(config);
const caller = new AbortController();
const calls = Array.from({ length: 50 }, () => client.chat("hi", { signal: caller.signal }));
const stream = client.stream("hi", { signal: caller.signal });
const first = stream[Symbol.asyncIterator]().next();
const readable = client.stream("hi", { signal: caller.signal }).toReadableStream();
setTimeout(() => caller.abort(), 200);
const ended = await Promise.allSettled([...calls, first]);
console.log(ended.every((one) => one.status === "rejected" && one.reason === caller.signal.reason));
const left = await Client.open({ ...config, providers: { a: { ...config.providers.a, base_url: "http://127.0.0.1:9" } } });
left.stream("hi");
const failing = left.stream("hi");
await failing.final().catch(() => {});
await failing.close();
`;
  assert.equal(await run(program, made.config), "true\n");
});
