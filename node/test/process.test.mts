// What needs a process of its own: exits, signals, and what an import costs. Runs on every Node we promise.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { HANG, Program, SLOW, lab, run, until } from "./lab.mjs";

const OPEN = `
import { Client } from "hotspare";
const client = await Client.open(config);
`;

/** Programs that end by themselves, while something is left. */
const EXITS: Record<string, string> = {
  "an idle client": `${OPEN} await client.chat("hi", { route: "b/m" });`,
  "a client that was never used": OPEN,
  "a client with a listener": `${OPEN} client.on("event", () => {}); await client.chat("hi", { route: "b/m" });`,
  "a stream left open": `${OPEN} await client.stream("hi")[Symbol.asyncIterator]().next();`,
  "a stream that was never read": `${OPEN} client.stream("hi");`,
  "a readable stream left open": `${OPEN} await client.stream("hi").toReadableStream().getReader().read();`,
  "a sync stream left open": `${OPEN} client.streamSync("hi")[Symbol.iterator]().next();`,
  "an exit with calls under way": `${OPEN}
for (let nth = 0; nth < 8; nth += 1) client.chat("hi", { route: "hangs/m" });
for (let nth = 0; nth < 8; nth += 1) client.stream("hi")[Symbol.asyncIterator]().next();
setTimeout(() => process.exit(0), 50);`,
  "an exit inside a listener": `${OPEN}
client.on("event", (event) => { if (event.type === "first_content") process.exit(0); });
for await (const event of client.stream("hi")) void event;`,
};

for (const [what, program] of Object.entries(EXITS)) {
  test(`the process ends with ${what}`, async (t) => {
    const { config } = lab(t, { a: [SLOW], b: [], hangs: [HANG] });
    for (let nth = 0; nth < 3; nth += 1) {
      const began = performance.now();
      assert.equal(await run(program, config), "");
      assert.ok(performance.now() - began < 9000, "it did not wait for the stream's ten seconds");
    }
  });
}

test("a call under way keeps the process until it settles", async (t) => {
  const { config } = lab(t, { a: [{ head: "500ms", repeat: 99 }] });
  const program = `${OPEN}
client.chat("hi").then((reply) => console.log(reply.text));
client.embed("hi", { route: "a/m" }).then((made) => console.log(made.embeddings.length));
(async () => { let text = ""; for await (const event of client.stream("hi")) text += event.text; console.log(text); })();
client.stream("hi").final().then((reply) => console.log(reply.finishReason));
`;
  const lines = (await run(program, config)).trim().split("\n").sort();
  assert.deepEqual(lines, ["1", "Hello from a.", "Hello from a.", "stop"]);
});

test("a call that is given up keeps the process no longer", async (t) => {
  const program = `${OPEN}
const caller = new AbortController();
client.chat("hi", { signal: caller.signal }).catch(() => console.log("given up"));
client.chat("hi", { timeout: 0.2 }).catch((error) => console.log(error.class));
setTimeout(() => caller.abort(), 50);
`;
  assert.equal(await run(program, lab(t, { a: [HANG] }).config), "given up\ntimeout\n");
});

async function interrupted(t: TestContext, calling: string): Promise<void> {
  const made = lab(t, { a: [HANG] });
  const program = new Program(`${OPEN} console.log("ready"); ${calling}`, made.config);
  await until(
    () => made.ends().length === 1,
    () => program.err,
  );
  program.kill("SIGINT");
  assert.deepEqual(await program.done(), { code: null, signal: "SIGINT", out: "ready\n", err: "" });
  await made.disconnects();
}

test("Ctrl-C ends a process that waits in a sync call", (t) => interrupted(t, `client.chatSync("hi");`));
test("Ctrl-C ends a process that waits for a promise", (t) => interrupted(t, `await client.chat("hi");`));

test("a handler of Ctrl-C can abort", async (t) => {
  const made = lab(t, { a: [HANG] });
  const program = new Program(
    `${OPEN}
const caller = new AbortController();
process.once("SIGINT", () => caller.abort(new Error("interrupted")));
await client.chat("hi", { signal: caller.signal }).catch((error) => console.log(error.message));
`,
    made.config,
  );
  await until(
    () => made.ends().length === 1,
    () => program.err,
  );
  program.kill("SIGINT");
  assert.deepEqual(await program.done(), { code: 0, signal: null, out: "interrupted\n", err: "" });
});

test("the child of a fork works", async (t) => {
  const program = `${OPEN}
import { fork } from "node:child_process";
if (process.argv[2] !== "child") await client.chat("hi");
console.log((await client.chat("hi")).text);
`;
  assert.equal(await run(program, lab(t).config), "Hello from a.\n");
});

test("an import loads no more than it must", async () => {
  const program = `
import { createRequire } from "node:module";
const before = new Set(process.moduleLoadList);
await import("hotspare");
const heavy = ["http", "https", "net", "tls", "worker_threads", "child_process", "http2"];
console.log(process.moduleLoadList.filter((name) => !before.has(name) && heavy.includes(name.replace("NativeModule ", ""))));
`;
  assert.equal(await run(program), "[]\n");
});
