// Sight and control: status, explain, hold and release, facts on models, and events.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, ConfigError, InvalidRequestError, type Event, type Status, type TargetStatus } from "hotspare";
import { FAILING, HANG, SLOW, lab, run, thrown, until, type Lab } from "./lab.mjs";

function target(status: Status, name: string): TargetStatus {
  const found = status.targets.find((one) => one.target === name);
  assert.ok(found, `the status has no ${name}`);
  return found;
}

/** What a listener hears. */
class Seen {
  readonly events: Event[] = [];
  readonly listener = (event: Event): void => {
    this.events.push(event);
  };

  types(): string[] {
    return this.events.map((event) => event.type);
  }

  of<T extends Event["type"]>(type: T): Extract<Event, { type: T }>[] {
    return this.events.filter((event): event is Extract<Event, { type: T }> => event.type === type);
  }

  async heard(type: Event["type"], count = 1): Promise<void> {
    await until(
      () => this.of(type).length >= count,
      () => `${type}; heard: ${this.types().join(", ")}`,
    );
  }
}

async function opened(made: Lab): Promise<[Client, Seen]> {
  const client = await Client.open(made.config);
  const seen = new Seen();
  return [client.on("event", seen.listener), seen];
}

test("status tells what failed", async (t) => {
  const client = await Client.open(lab(t, { a: [FAILING], b: [] }).config);
  const fresh = client.status();
  assert.deepEqual(
    fresh.targets.map((one) => [one.target, one.state]),
    [
      ["a/m", "closed"],
      ["b/m", "closed"],
    ],
  );
  assert.deepEqual(
    fresh.keys.map((key) => [key.provider, key.index, key.state]),
    [
      ["a", 0, "open"],
      ["b", 0, "open"],
    ],
  );
  for (let nth = 0; nth < 10; nth += 1) assert.equal((await client.chat("hi")).target, "b/m");
  const status = client.status();
  assert.ok(status.at > fresh.at);
  assert.deepEqual([status.inFlight, status.localNetworkDown, status.paused], [0, false, false]);
  assert.ok(0 < status.retryBudget.left && status.retryBudget.left <= status.retryBudget.most);
  const [failed, fine] = [target(status, "a/m"), target(status, "b/m")];
  assert.equal(failed.state, "open");
  assert.ok(failed.why);
  assert.ok(failed.nextProbe !== null && failed.nextProbe > 0);
  const error = failed.recentErrors.at(-1);
  assert.deepEqual([error?.code, error?.status], ["server", 500]);
  assert.ok(error && error.ago >= 0);
  assert.deepEqual([fine.state, fine.nextProbe, fine.recentErrors], ["closed", null, []]);
  assert.ok(fine.latency.p50 !== null);
  assert.equal(status.spent.max, null, "the model has no price");
});

test("a held target is not called until it is released", async (t) => {
  const client = await Client.open(lab(t, { a: [], b: [] }).config);
  assert.equal(client.hold("a/m"), 1);
  assert.equal((await client.chat("hi")).target, "b/m");
  assert.equal(target(client.status(), "a/m").state, "forced_open");
  assert.equal(client.release("a"), 1);
  assert.equal((await client.chat("hi")).target, "a/m");
  assert.equal(client.hold("b/*"), 1);
  const error = thrown(() => client.hold("a/n"));
  assert.ok(error instanceof InvalidRequestError);
  assert.match(error.message, /no target or provider is named "a\/n"/);
});

test("a target forced closed is called whatever it does", async (t) => {
  const made = lab(t, { a: [FAILING], b: [] });
  const client = await Client.open(made.config);
  assert.equal(client.forceClosed("a"), 1);
  for (let nth = 0; nth < 10; nth += 1) await client.chat("hi");
  assert.equal(target(client.status(), "a/m").state, "forced_closed");
  assert.equal(made.ends().length, 10);
});

test("explain gives the plan and sends nothing", async (t) => {
  const made = lab(t, { a: [], b: [] });
  const client = await Client.open(made.config);
  client.hold("a/m");
  const plan = client.explain([{ role: "user", content: "hi" }], { max_tokens: 5, timeout: 3 });
  assert.deepEqual([plan.route, plan.timeout], ["default", 3]);
  assert.ok(plan.inputTokens > 0 && plan.maxAttempts > 1);
  assert.deepEqual(plan.targets.map((one) => [one.target, one.included]).sort(), [
    ["a/m", false],
    ["b/m", true],
  ]);
  for (const one of plan.targets) {
    assert.ok(one.reason);
    assert.equal(one.key !== null, one.included);
    assert.deepEqual(one.cost, { min: 0, max: null });
  }
  assert.equal(client.explain("hi", { route: "b/m" }).targets[0]?.target, "b/m");
  const error = thrown(() => client.explain([{ role: "usr", content: "hi" } as never]));
  assert.ok(error instanceof InvalidRequestError);
  assert.match(error.message, /messages\[0\]/);
  assert.deepEqual(made.simulator.journal(), []);
});

test("costs are ranges, and facts on models are changed at run time", async (t) => {
  const { config } = lab(t, { openai: [] });
  const client = await Client.open({ ...config, routes: { default: { targets: ["openai/gpt-4o-mini"] } } });
  const seen = new Seen();
  client.on("event", seen.listener);
  const cost = client.explain("hi", { max_tokens: 100 }).targets[0]?.cost;
  assert.ok(cost?.max != null && 0 < cost.min && cost.min < cost.max && cost.max < 0.01);
  const before = await client.chat("hi");
  assert.ok(before.costUsd !== null && before.costUsd > 0);
  assert.deepEqual([before.costMinUsd, before.costMaxUsd], [before.costUsd, before.costUsd]);
  assert.equal(before.trail[0]?.billing, "complete");
  const error = thrown(() => {
    client.updateCatalog("[openai.gpt-4o-mini]\ninput = 0\nouput = 0\n");
  });
  assert.ok(error instanceof ConfigError);
  assert.match(error.message, /`openai\.gpt-4o-mini\.ouput`.*did you mean `output`/);
  assert.equal((await client.chat("hi")).costUsd, before.costUsd);
  client.updateCatalog({ openai: { "gpt-4o-mini": { input: 0, output: 0 } } });
  assert.equal((await client.chat("hi")).costUsd, 0);
  client.updateCatalog("");
  assert.equal((await client.chat("hi")).costUsd, before.costUsd);
  await seen.heard("request_ended", 4);
  const told = seen.of("catalog");
  assert.deepEqual(
    told.map((event) => [event.layer, event.request]),
    Array(3).fill(["app", null]),
  );
  assert.match(told[0]?.problem ?? "", /ouput/);
  assert.deepEqual([told[1]?.problem, told[2]?.problem], [null, null]);
});

test("events tell attempts and decisions in order", async (t) => {
  const [client, seen] = await opened(lab(t, { a: [{ status: 500 }], b: [] }));
  const also = new Seen();
  client.on("event", also.listener);
  await client.chat("hi");
  await seen.heard("request_ended");
  assert.deepEqual(seen.types(), [
    "request_started",
    "attempt_started",
    "attempt_ended",
    "attempt_started",
    "first_content",
    "attempt_ended",
    "request_ended",
  ]);
  assert.deepEqual(also.events, seen.events);
  assert.deepEqual(new Set(seen.events.map((event) => event.request)), new Set([1]));
  const at = seen.events.map((event) => event.at);
  assert.deepEqual(
    at,
    [...at].sort((one, other) => one - other),
  );
  const [started] = seen.of("request_started");
  assert.deepEqual([started?.route, started?.stream], ["default", false]);
  const [ended] = seen.of("attempt_ended");
  assert.ok(ended);
  assert.deepEqual(
    [ended.target, ended.code, ended.status, ended.billing, ended.next, ended.cost],
    ["a/m", "server", 500, "rejected", "next_target", { min: 0, max: 0 }],
  );
  assert.ok(ended.reason);
  const [last] = seen.of("request_ended");
  assert.deepEqual([last?.code, last?.target, last?.attempts], ["ok", "b/m", 2]);
  client.hold("a/m");
  await seen.heard("breaker");
  const [breaker] = seen.of("breaker");
  assert.deepEqual(
    [breaker?.scope, breaker?.name, breaker?.from, breaker?.to],
    ["target", "a/m", "closed", "forced_open"],
  );
});

test("a listener that is taken off hears no more; the last ones are heard after close", async (t) => {
  const [client, seen] = await opened(lab(t));
  const off = new Seen();
  client.on("event", off.listener);
  client.off("event", off.listener);
  client.off("event", off.listener);
  await client.chat("hi");
  await client.close();
  await seen.heard("request_ended");
  assert.deepEqual(off.events, []);
  assert.ok(thrown(() => client.on("evnt" as never, seen.listener)) instanceof TypeError);
  assert.ok(thrown(() => client.on("event", "print" as never)) instanceof Error);
});

test("a listener that throws is told as a warning, and stops nothing", async (t) => {
  const { config } = lab(t);
  const client = await Client.open(config);
  const warnings: Error[] = [];
  const warned = (warning: Error): void => {
    warnings.push(warning);
  };
  process.on("warning", warned);
  t.after(() => process.off("warning", warned));
  const seen = new Seen();
  client.on("event", (event) => {
    throw new Error(`wrong at ${event.type}`);
  });
  client.on("event", async (event) => {
    await Promise.resolve();
    throw new Error(`late at ${event.type}`);
  });
  client.on("event", seen.listener);
  await client.chat("hi");
  await seen.heard("request_ended");
  await until(() => warnings.length >= 2 * seen.events.length);
  for (const type of seen.types()) {
    for (const word of ["wrong", "late"]) {
      assert.ok(
        warnings.some((warning) => warning.message.includes(`${word} at ${type}`)),
        `${word} at ${type}`,
      );
    }
  }
});

test("a listener may call the client", async (t) => {
  const client = await Client.open(lab(t, { a: [], b: [] }).config);
  const texts: string[] = [];
  client.on("event", (event) => {
    if (event.type !== "request_ended" || event.request !== 1) return;
    texts.push(client.chatSync("hi", { route: "b/m" }).text, client.status().targets[0]?.state ?? "");
    void client.chat("hi").then((reply) => texts.push(reply.text));
  });
  await client.chat("hi");
  await until(() => texts.length === 3);
  assert.deepEqual(texts, ["Hello from b.", "closed", "Hello from a."]);
});

test("a thread that is busy for long is told what it missed", async (t) => {
  const [client, seen] = await opened(lab(t));
  // No event is delivered before this function waits.
  for (let nth = 0; nth < 3000; nth += 1) {
    client.hold("a");
    client.release("a");
  }
  await seen.heard("events_dropped");
  const [dropped] = seen.of("events_dropped");
  assert.ok(dropped && dropped.count > 1000);
  await until(() => seen.events.length - 1 + dropped.count === 6000);
  assert.equal(seen.of("events_dropped").length, 1);
});

test("the next target is kept warm", async (t) => {
  const made = lab(t, { a: [], b: [] });
  const providers = { ...made.config.providers, b: { ...made.config.providers["b"], probe: "/models" } };
  const client = await Client.open({ ...made.config, providers, standby: { spares: 1 } });
  const seen = new Seen();
  client.on("event", seen.listener);
  await client.chat("hi");
  await seen.heard("probed");
  const [probed] = seen.of("probed");
  assert.deepEqual([probed?.provider, probed?.reached, probed?.status], ["b", true, 200]);
  assert.deepEqual(
    made.journal("b").map((entry) => [entry.method, entry.chat]),
    [["GET", false]],
  );
});

test("listeners do not keep the process, and hear of its calls", async (t) => {
  const program = `
import { Client } from "hotspare";
const client = await Client.open(config);
const types = [];
client.on("event", (event) => types.push(event.type));
await client.chat("hi", { route: "b/m" });
const first = await client.stream("hi")[Symbol.asyncIterator]().next();
process.on("exit", () => console.log(first.value.type, types.includes("request_ended")));
`;
  assert.equal(await run(program, lab(t, { a: [SLOW], b: [] }).config), "text true\n");
});

test("a listener that blocks forever is the program's own matter, one that hangs on a promise is not waited for", async (t) => {
  const program = `
import { Client } from "hotspare";
const client = await Client.open(config);
client.on("event", () => new Promise(() => {}));
console.log((await client.chat("hi")).text);
`;
  assert.equal(await run(program, lab(t, { a: [], b: [HANG] }).config), "Hello from a.\n");
});
