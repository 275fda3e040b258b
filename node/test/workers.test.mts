// Threads of a process. Runs on every Node we promise.
import assert from "node:assert/strict";
import { test } from "node:test";
import { HANG, SLOW, lab, run } from "./lab.mjs";

/** A program whose threads run `body`, with `client`; only they load the addon. */
function threads(body: string, main: string): string {
  const worker = `
const { Client } = require("hotspare");
const { parentPort, workerData } = require("node:worker_threads");
const client = Client.openSync(workerData);
const read = async (stream) => { let text = ""; for await (const event of stream) text += event.text; return text; };
${body}
`;
  return `
import { Worker } from "node:worker_threads";
import { once } from "node:events";
const start = () => new Worker(${JSON.stringify(worker)}, { eval: true, workerData: config });
const each = (make) => Promise.all(Array.from({ length: 8 }, make));
${main}
`;
}

test("threads call, stream, and listen, each for itself", async (t) => {
  const body = `
const types = [];
client.on("event", (event) => types.push(event.type));
(async () => {
  const texts = [(await client.chat("hi")).text, client.chatSync("hi").text, await read(client.stream("hi"))];
  texts.push([...client.streamSync("hi")].map((event) => event.text).join(""));
  while (types.filter((type) => type === "request_ended").length < 4) await new Promise(setImmediate);
  parentPort.postMessage(texts);
})();
`;
  const main = `
const said = await each(async () => {
  const worker = start();
  const [texts] = await once(worker, "message");
  const [code] = await once(worker, "exit");
  return [...texts, code].join("|");
});
console.log([...new Set(said)].join("; "), said.length);
`;
  const text = "Hello from a.";
  assert.equal(await run(threads(body, main), lab(t).config), `${[text, text, text, text, 0].join("|")} 8\n`);
});

test("sync calls in threads and in the main one do not wait for each other", async (t) => {
  const body = `
for (let nth = 0; nth < 10; nth += 1) client.chatSync("hi");
parentPort.postMessage("done");
`;
  const main = `
import { Client } from "hotspare";
const client = Client.openSync(config);
const workers = await each(() => start());
const done = Promise.all(workers.map((worker) => once(worker, "message")));
for (let nth = 0; nth < 10; nth += 1) client.chatSync("hi");
await done;
console.log("over");
`;
  assert.equal(await run(threads(body, main), lab(t, { a: [{ head: "20ms", repeat: 999 }] }).config), "over\n");
});

test("threads are stopped with calls under way, and others go on", async (t) => {
  const made = lab(t, { a: [SLOW], hangs: [HANG] });
  const body = `
for (let nth = 0; nth < 4; nth += 1) client.chat("hi", { route: "hangs/m" }).catch(() => {});
client.on("event", () => {});
const readers = Array.from({ length: 4 }, () => client.stream("hi")[Symbol.asyncIterator]());
Promise.all(readers.map((reader) => reader.next())).then(() => parentPort.postMessage("under way"));
`;
  const main = `
for (let round = 0; round < 3; round += 1) {
  const workers = await each(() => start());
  await Promise.all(workers.map((worker) => once(worker, "message")));
  await Promise.all(workers.map((worker) => worker.terminate()));
}
const [last] = await each(() => start());
await once(last, "message");
process.exit(0);
`;
  assert.equal(await run(threads(body, main), made.config), "");
  await made.disconnects(3 * 8 * 4, "hangs");
  await made.disconnects(3 * 8 * 4, "a");
});

test("a thread is stopped in the middle of a sync call", async (t) => {
  const made = lab(t, { hangs: [HANG] });
  const body = `
parentPort.postMessage("calling");
client.chatSync("hi");
`;
  const main = `
const workers = await each(() => start());
await Promise.all(workers.map((worker) => once(worker, "message")));
const began = performance.now();
await Promise.all(workers.map((worker) => worker.terminate()));
console.log(performance.now() - began < 5000);
`;
  assert.equal(await run(threads(body, main), made.config), "true\n");
});

test("the addon is loaded in a thread, then in the main one, then in another", async (t) => {
  const body = `client.chat("hi").then((reply) => parentPort.postMessage(reply.text));`;
  const main = `
const said = async () => { const worker = start(); const [text] = await once(worker, "message"); await once(worker, "exit"); return text; };
const texts = [await said()];
const { Client } = await import("hotspare");
texts.push((await (await Client.open(config)).chat("hi")).text, await said());
console.log(texts.join(" "));
`;
  const text = "Hello from a.";
  assert.equal(await run(threads(body, main), lab(t).config), `${text} ${text} ${text}\n`);
});
