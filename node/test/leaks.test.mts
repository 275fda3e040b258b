// Memory and open files stay flat. Runs on every Node we promise.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { SLOW, lab, run, type Json } from "./lab.mjs";

/** Runs `work` in rounds, and compares what the process holds after the first rounds and after the last. */
async function flat(t: TestContext, steps: Json[], work: string, rounds: number): Promise<void> {
  const program = `
import { Client } from "hotspare";
import { readdirSync } from "node:fs";
const client = await Client.open(config);
const read = async (stream) => { for await (const event of stream) if (event.text === "stop") break; };
const work = async () => { ${work} };
const held = () => { gc(); return { rss: process.memoryUsage.rss(), files: readdirSync("/proc/self/fd").length }; };
let early;
for (let round = 1; round <= ${rounds}; round += 1) {
  await work();
  if (round === ${Math.ceil(rounds / 4)}) early = held();
}
while (client.status().inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 5));
await new Promise((resolve) => setTimeout(resolve, 200));
const late = held();
console.log(JSON.stringify({ grown: (late.rss - early.rss) / 2 ** 20, files: late.files - early.files }));
`;
  const { config } = lab(t, { a: steps });
  const said = await run(program, config, ["--expose-gc"], 240);
  const { grown, files } = JSON.parse(said) as { grown: number; files: number };
  t.diagnostic(`grown by ${grown.toFixed(1)} MiB and ${files} files`);
  assert.ok(grown < 24, `memory grew by ${grown.toFixed(1)} MiB`);
  assert.ok(files <= 8, `${files} more files are open`);
}

test("ten thousand streams leave nothing behind", (t) =>
  flat(t, [], `await Promise.all(Array.from({ length: 50 }, () => read(client.stream("hi"))));`, 200));

test("a thousand streams that are left, and calls that are given up, leave nothing behind", (t) =>
  flat(
    t,
    [{ ...SLOW, repeat: 1_000_000 }],
    `
const caller = new AbortController();
const options = { signal: caller.signal };
const calls = Array.from({ length: 10 }, () => client.chat("hi", options).catch(() => {}));
const streams = Array.from({ length: 10 }, async () => { for await (const event of client.stream("hi", options)) break; });
const readers = Array.from({ length: 5 }, () => client.stream("hi").toReadableStream().getReader());
await Promise.all([...streams, ...readers.map((reader) => reader.read().then(() => reader.cancel()))]);
caller.abort();
await Promise.all(calls);
`,
    40,
  ));

test("clients that are forgotten are gone", (t) =>
  flat(
    t,
    [],
    `
const one = await Client.open(config);
one.on("event", () => {});
await one.chat("hi");
one.chatSync("hi");
`,
    200,
  ));
