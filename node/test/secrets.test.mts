// A key never shows: not in what we return, throw or print.
import assert from "node:assert/strict";
import { inspect } from "node:util";
import { serialize } from "node:v8";
import { test } from "node:test";
import { Client, HotspareError, type Event } from "hotspare";
import { CANARY, FAILING, Program, lab, rejected, thrown, until } from "./lab.mjs";

/** All the ways in which a value may be shown. */
function shown(value: unknown): string[] {
  const texts = [String(value), inspect(value, { depth: null, showHidden: true, getters: true })];
  for (const show of [() => JSON.stringify(value), () => serialize(value).toString("latin1")]) {
    try {
      texts.push(String(show()));
    } catch (error) {
      // What cannot be shown does not show a key.
      texts.push(String(error));
    }
  }
  if (value instanceof Error) texts.push(value.stack ?? "", ...shown({ ...value }));
  if (value instanceof HotspareError) texts.push(...shown(value.trail), ...shown(value.partial));
  return texts;
}

test("keys do not show", async (t) => {
  const made = lab(t, { a: [FAILING], b: [] });
  const wrong = lab(t, { a: [{ error: "authentication", repeat: 99 }] });
  const [client, refused] = [await Client.open(made.config), await Client.open(wrong.config)];
  const events: Event[] = [];
  for (const one of [client, refused]) one.on("event", (event) => events.push(event));
  const reply = await client.chat("hi");
  assert.ok(reply.trail[0]?.key);
  const stream = client.stream("hi");
  for await (const event of stream) assert.ok(event);
  const errors = [
    await rejected(refused.chat("hi")),
    thrown(() => refused.chatSync("hi")),
    await rejected(client.chat("hi", { route: "a/m" })),
    await rejected(client.chat([{ role: CANARY.slice(0, 6) } as never])),
  ];
  await until(() => events.filter((event) => event.type === "request_ended").length >= 4);
  const told = [client.status(), client.explain("hi"), refused.status(), refused.explain("hi")];
  assert.equal(client.status().keys[0]?.key, reply.trail[0].key);
  assert.equal(refused.status().keys[0]?.state, "parked");
  const all = [client, refused, reply, reply.toOpenai(), stream, made.simulator, made.simulator.journal()];
  for (const value of [...all, ...errors, ...told, ...events]) {
    for (const text of shown(value)) assert.ok(!text.includes(CANARY), text);
  }
});

test("keys do not show in the errors of a config", () => {
  const config = {
    providers: { openai: { keys: [CANARY], nonsense: CANARY } },
    routes: { default: { targets: [] } },
  };
  const error = thrown(() => Client.openSync(config));
  assert.match(String(error), /nonsense/);
  for (const text of shown(error)) assert.ok(!text.includes(CANARY), text);
});

test("keys do not show when a program dies of an error", async (t) => {
  const program = `
process.env.RUST_LOG = "trace";
const { Client } = await import("hotspare");
const client = await Client.open(config);
delete globalThis.config;
await client.chat("hi");
`;
  const ran = await new Program(program, lab(t, { a: [FAILING] }).config).done();
  assert.equal(ran.code, 1);
  assert.match(ran.err, /AllTargetsFailed/);
  assert.match(ran.err, /cause/, "what was behind it is shown");
  // Node prints the line of the program that threw, and no more of it.
  assert.ok(!`${ran.out}${ran.err}`.includes(CANARY), ran.err);
});
