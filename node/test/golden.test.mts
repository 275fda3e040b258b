// What TypeScript has by hand is what the core says: `tests/schema/` is written by the core (`make gen`). The tables below
// must have every field of the types, and no other, or they do not compile; here they are held against the core's and
// against what comes back.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  Client,
  type Attempt,
  type ChatOptions,
  type CostRange,
  type EmbedOptions,
  type Embeddings,
  type Event,
  type ExplainedTarget,
  type Explanation,
  type HotspareError,
  type KeyStatus,
  type LatencyStatus,
  type PartialReply,
  type RecentError,
  type Reply,
  type RetryBudgetStatus,
  type Status,
  type StreamEvent,
  type TargetStatus,
  type Usage,
} from "hotspare";
import { FAILING, HANG, ROOT, lab, rejected, until } from "./lab.mjs";
import { native } from "./native.mjs";
import { camel } from "./scenario.mjs";

/** Every name of a type, but those that stand for any other name. */
type Named<T> = { [K in keyof T as string extends K ? never : K]-?: true };

function schema(name: string): unknown {
  return JSON.parse(readFileSync(join(ROOT, "tests", "schema", `${name}.json`), "utf8"));
}

const COST_RANGE: Named<CostRange> = { min: true, max: true };
const RECORDS = {
  Status: {
    at: true,
    targets: true,
    keys: true,
    retryBudget: true,
    spent: true,
    reserved: true,
    inFlight: true,
    localNetworkDown: true,
    paused: true,
  } satisfies Named<Status>,
  TargetStatus: {
    target: true,
    state: true,
    why: true,
    since: true,
    nextProbe: true,
    suspect: true,
    inFlight: true,
    concurrency: true,
    latency: true,
    requestsLeft: true,
    tokensLeft: true,
    recentErrors: true,
    spent: true,
  } satisfies Named<TargetStatus>,
  LatencyStatus: { p50: true, p95: true, ewma: true } satisfies Named<LatencyStatus>,
  RecentError: { ago: true, code: true, status: true } satisfies Named<RecentError>,
  KeyStatus: {
    provider: true,
    index: true,
    key: true,
    group: true,
    state: true,
    code: true,
    seconds: true,
  } satisfies Named<KeyStatus>,
  RetryBudgetStatus: { left: true, most: true } satisfies Named<RetryBudgetStatus>,
  CostRange: COST_RANGE,
  Explanation: {
    route: true,
    inputTokens: true,
    targets: true,
    maxAttempts: true,
    timeout: true,
  } satisfies Named<Explanation>,
  ExplainedTarget: {
    target: true,
    included: true,
    reason: true,
    key: true,
    opensIn: true,
    cost: true,
    adapted: true,
  } satisfies Named<ExplainedTarget>,
};

const HAPPENING = { at: true, request: true, type: true } as const;
const EVENTS: { [T in Event["type"]]: Named<Extract<Event, { type: T }>> } = {
  request_started: { ...HAPPENING, route: true, stream: true },
  attempt_started: { ...HAPPENING, target: true, key: true, hedge: true, probe: true },
  first_content: { ...HAPPENING, target: true, after: true },
  attempt_ended: {
    ...HAPPENING,
    target: true,
    key: true,
    code: true,
    status: true,
    billing: true,
    cost: true,
    next: true,
    reason: true,
  },
  skipped: { ...HAPPENING, target: true, code: true, reason: true, next: true },
  waiting: { ...HAPPENING, seconds: true },
  recovering: { ...HAPPENING, how: true, from: true, to: true },
  request_ended: { ...HAPPENING, code: true, target: true, attempts: true, elapsed: true, cost: true },
  breaker: { ...HAPPENING, scope: true, name: true, from: true, to: true, why: true },
  key_parked: { ...HAPPENING, provider: true, key: true, code: true, status: true, seconds: true },
  key_opened: { ...HAPPENING, provider: true, key: true },
  key_renewed: { ...HAPPENING, provider: true, key: true },
  limited: { ...HAPPENING, target: true, reason: true, seconds: true },
  target_parked: { ...HAPPENING, target: true, seconds: true },
  local_network: { ...HAPPENING, down: true },
  catalog: { ...HAPPENING, layer: true, problem: true },
  probed: { ...HAPPENING, provider: true, reached: true, status: true },
  events_dropped: { ...HAPPENING, count: true },
};

const CHAT_OPTIONS: Named<ChatOptions> = {
  route: true,
  timeout: true,
  max_tokens: true,
  temperature: true,
  top_p: true,
  top_k: true,
  stop: true,
  seed: true,
  frequency_penalty: true,
  presence_penalty: true,
  tools: true,
  tool_choice: true,
  parallel_tool_calls: true,
  response_format: true,
  reasoning_effort: true,
  user: true,
  provider_options: true,
};
const EMBED_OPTIONS: Named<EmbedOptions> = {
  route: true,
  timeout: true,
  dimensions: true,
  input_type: true,
  user: true,
  provider_options: true,
};

const USAGE: Named<Usage> = {
  reported: true,
  inputTokens: true,
  outputTokens: true,
  totalTokens: true,
  cacheReadTokens: true,
  cacheWriteTokens: true,
  cacheWrite1hTokens: true,
  reasoningTokens: true,
};
const ATTEMPT: Named<Attempt> = {
  target: true,
  key: true,
  code: true,
  status: true,
  started: true,
  firstContent: true,
  ended: true,
  next: true,
  reason: true,
  wait: true,
  message: true,
  phase: true,
  sent: true,
  retryAfter: true,
  vendorCode: true,
  requestId: true,
  usage: true,
  costUsd: true,
  costMinUsd: true,
  costMaxUsd: true,
  billing: true,
  adapted: true,
};
const ERROR: Named<Omit<HotspareError, keyof Error>> = {
  code: true,
  class: true,
  status: true,
  retryAfter: true,
  target: true,
  phase: true,
  maybeSent: true,
  vendorCode: true,
  requestId: true,
  costMinUsd: true,
  costMaxUsd: true,
  trail: true,
  last: true,
  partial: true,
};
const PARTIAL: Named<Omit<PartialReply, "reasoningBlocks" | "finishReason" | "finishRaw">> = {
  text: true,
  reasoning: true,
  refusal: true,
  toolCalls: true,
  model: true,
  id: true,
  usage: true,
};

function sorted(names: Iterable<string>): string[] {
  return [...names].sort();
}

/** What has these names, and perhaps more that are its own matter. */
function holds(found: object, names: object, what: string): void {
  for (const name of Object.keys(names)) {
    assert.ok(name in found, `${what} has no ${name}`);
    assert.notEqual((found as Record<string, unknown>)[name], undefined, `${name} of ${what} is undefined, not null`);
  }
}

/** What has these names, and no others. */
function is(found: object, names: object, what: string): void {
  holds(found, names, what);
  assert.deepEqual(sorted(Object.keys(found)), sorted(Object.keys(names)), what);
}

test("every error code of the core has a class", () => {
  const { kinds, classes } = schema("errors") as { kinds: string[]; classes: string[] };
  // "failed" is the kind whose class says which error it is.
  const wanted = [...kinds, ...classes].filter((code) => code !== "failed");
  assert.deepEqual(sorted(native.exceptions().map(([code]) => code)), sorted(wanted));
});

test("every request field of the core is an option, under its own name", () => {
  // One is the argument that needs no name.
  for (const [name, options, argument] of [
    ["request-fields", CHAT_OPTIONS, "messages"],
    ["embed-request-fields", EMBED_OPTIONS, "input"],
  ] as const) {
    const fields = (schema(name) as string[]).filter((field) => field !== argument);
    assert.deepEqual(sorted(Object.keys(options)), sorted(fields));
  }
});

test("the fields of status and explanation are the core's, in camelCase", async (t) => {
  const core = schema("status") as Record<string, string[]>;
  const ours = Object.fromEntries(Object.entries(RECORDS).map(([name, fields]) => [name, sorted(Object.keys(fields))]));
  const theirs = Object.fromEntries(Object.entries(core).map(([name, fields]) => [name, sorted(fields.map(camel))]));
  assert.deepEqual(ours, theirs);

  const client = await Client.open(lab(t, { a: [FAILING], b: [] }).config);
  for (let nth = 0; nth < 10; nth += 1) await client.chat("hi");
  const status = client.status();
  is(status, RECORDS.Status, "Status");
  is(status.retryBudget, RECORDS.RetryBudgetStatus, "RetryBudgetStatus");
  is(status.spent, COST_RANGE, "CostRange");
  const [first] = status.targets;
  const [key] = status.keys;
  assert.ok(first && key);
  is(first, RECORDS.TargetStatus, "TargetStatus");
  is(first.latency, RECORDS.LatencyStatus, "LatencyStatus");
  is(first.recentErrors[0] ?? {}, RECORDS.RecentError, "RecentError");
  is(key, RECORDS.KeyStatus, "KeyStatus");
  const plan = client.explain("hi");
  is(plan, RECORDS.Explanation, "Explanation");
  is(plan.targets[0] ?? {}, RECORDS.ExplainedTarget, "ExplainedTarget");
});

test("every event of the core has its fields", async (t) => {
  const core = schema("events") as Record<string, string[]>;
  const { events_dropped: dropped, ...ours } = EVENTS;
  assert.deepEqual(sorted(Object.keys(dropped)), ["at", "count", "request", "type"]);
  assert.deepEqual(
    Object.fromEntries(Object.entries(ours).map(([type, fields]) => [type, sorted(Object.keys(fields))])),
    Object.fromEntries(Object.entries(core).map(([type, fields]) => [type, sorted(fields.map(camel))])),
  );

  const client = await Client.open(lab(t, { a: [{ status: 500 }, { error: "authentication" }], b: [] }).config);
  const events: Event[] = [];
  client.on("event", (event) => events.push(event));
  await client.chat("hi");
  await rejected(client.chat("hi"));
  client.hold("b");
  client.updateCatalog("");
  await until(() => events.at(-1)?.type === "catalog");
  for (const event of events) is(event, EVENTS[event.type], event.type);
  assert.ok(new Set(events.map((event) => event.type)).size >= 8);
});

test("what comes back has the fields of its type, null where there is nothing", async (t) => {
  const client = await Client.open(lab(t, { a: [{ status: 500 }], b: [] }).config);
  const reply = await client.chat("hi");
  const names =
    "text reasoning refusal toolCalls finishReason finishRaw target model id usage costUsd costMinUsd costMaxUsd";
  const fields = [...names.split(" "), "spans", "elapsed", "created", "trail", "message"] satisfies string[];
  const known: readonly (keyof Reply)[] = fields as (keyof Reply)[];
  for (const name of known) assert.notEqual(reply[name], undefined, name);
  is(reply.usage, USAGE, "Usage");
  for (const attempt of reply.trail) is(attempt, ATTEMPT, "Attempt");

  const made: Embeddings = await client.embed("hi", { route: "b/m" });
  const vectors: (keyof Embeddings)[] = [
    "embeddings",
    "dimensions",
    "target",
    "model",
    "usage",
    "costUsd",
    "costMinUsd",
  ];
  vectors.push("costMaxUsd", "elapsed", "created", "trail");
  for (const name of vectors) assert.notEqual(made[name], undefined, name);
});

test("errors have their fields", async (t) => {
  const cut = { fault: "cut", after_chunks: 1, reply: { chunks: ["one ", "two"] }, gap: "10ms" };
  const client = await Client.open(lab(t, { a: [{ fault: "reset_before_head", repeat: 2 }, cut, HANG] }).config);
  const failed = (await rejected(client.chat("hi"))) as HotspareError;
  const broken = (await rejected(client.stream("hi").final())) as HotspareError;
  for (const error of [failed, failed.last, broken, broken.last]) {
    assert.ok(error);
    holds(error, ERROR, error.name);
  }
  assert.ok(broken.partial);
  holds(broken.partial, PARTIAL, "Partial");
});

test("every kind of stream event has its fields, and a text", async (t) => {
  const call = { id: "call_1", name: "add", arguments: "{}" };
  const cut = { fault: "cut", after_chunks: 1, reply: { chunks: ["one ", "two"] }, gap: "10ms" };
  const made = lab(t, {
    a: [{ reply: { text: "hi", reasoning: "hm", tool_calls: [call] } }, { reply: { text: "", refusal: "no" } }, cut],
    b: [],
  });
  made.config.routes.default = { ...made.config.routes.default, stream_recovery: "restart" };
  const client = await Client.open(made.config);
  const seen = new Map<string, StreamEvent>();
  for (let nth = 0; nth < 3; nth += 1) {
    for await (const event of client.stream("hi")) seen.set(event.type, event);
  }
  const fields: Record<Exclude<StreamEvent["type"], "continue">, string[]> = {
    text: [],
    reasoning: ["reasoning"],
    refusal: ["refusal"],
    tool_call: ["toolCall"],
    restart: ["target"],
    finish: ["reply", "target"],
  };
  assert.deepEqual(sorted(seen.keys()), sorted(Object.keys(fields)));
  for (const [type, names] of Object.entries(fields)) {
    assert.deepEqual(sorted(Object.keys(seen.get(type) ?? {})), sorted(["type", "text", ...names]), type);
  }
});
