// Runs `tests/scenarios/*.json` through a client, in whichever way a test file brings, and leaves a report for the matrix.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import {
  AllTargetsFailed,
  Client,
  HotspareError,
  StreamInterrupted,
  type Attempt,
  type Reply,
  type StreamEvent,
} from "hotspare";
import { Simulator, type JournalEntry } from "hotspare/simulator";
import { ROOT, sleep, type Json } from "./lab.mjs";

export type Mode = "chat" | "stream";
type Range = [number, number];
type Cost = [number, number | null];

interface ExpectedAttempt {
  target: string;
  code: string;
  status?: number;
  next?: string;
  wait?: Range;
  billing?: string;
  cost?: Cost;
}

export interface Expect {
  text?: string;
  reasoning?: string;
  refusal?: string;
  finish?: string;
  target?: string;
  tool_calls?: { name: string; arguments: string }[];
  usage?: Record<string, number>;
  cancelled?: true;
  error?: { kind: string; class?: string; status?: number; retry_after?: Range; partial?: string; names?: string };
  attempts?: ExpectedAttempt[];
  restarts?: number;
  continues?: number;
  spans?: [string, string][];
  cost?: Cost;
  elapsed?: Range;
}

export interface Call {
  after?: number;
  hold?: string;
  keep_closed?: string;
  release?: string;
  files?: Record<string, string>;
  repeat?: number;
  concurrent?: number;
  request?: Json;
  cancel_after?: number;
  expect: Expect;
  expect_chat?: Expect;
  expect_stream?: Expect;
  status?: Record<string, { state?: string; next_probe?: Range; concurrency?: number }>;
}

interface ExpectedServer {
  requests?: number | Range;
  disconnected?: number | Range;
  at_once?: number;
  keys?: Record<string, number>;
  asked?: Json;
}

export interface Scenario {
  title: string;
  modes: Mode[];
  config: Json;
  script: Json;
  files?: Record<string, string>;
  calls: Call[];
  server?: Record<string, ExpectedServer>;
}

/** What a call came to; `ended` is null when it was cancelled. */
export interface Came {
  readonly ended: Reply | HotspareError | null;
  readonly restarts: number;
  readonly continues: number;
}

/** How calls are made. */
export interface Way {
  /** The second word of its columns. */
  readonly name: string;
  /** How many scenarios may run at once; 1 where a call blocks the thread. */
  readonly concurrency: number;
  /** Makes the calls that `call` asks for at once, each with the seconds that it took. `config` is the client's. */
  calls(client: Client, call: Call, mode: Mode, config: Json): Promise<readonly (readonly [Came, number])[]>;
  /** Why a scenario cannot be run in this way; undefined when it can. */
  unable?(scenario: Scenario, mode: Mode): string | undefined;
  /** What is expected, where the way has other words for it, or none. */
  expected?(expect: Expect): Expect;
}

const MODES: readonly Mode[] = ["chat", "stream"];
/** How many seconds longer than said a call may take: the machine may be busy. */
const GRACE = 3;

const folder = join(ROOT, "tests", "scenarios");
export const SCENARIOS: ReadonlyMap<string, Scenario> = new Map(
  readdirSync(folder)
    .filter((file) => file.endsWith(".json"))
    .sort()
    .map((file) => [file.replace(/\.json$/, ""), JSON.parse(readFileSync(join(folder, file), "utf8")) as Scenario]),
);

/** Declares a test for every scenario and mode, and the report of them all. `SCENARIO` holds a part of a name. */
export function scenarios(report: string, ways: readonly Way[]): void {
  const results: Record<string, Record<string, string>> = {};
  for (const way of ways) {
    describe(`scenarios, ${way.name}`, { concurrency: way.concurrency }, () => {
      for (const [name, scenario] of SCENARIOS) {
        if (!name.includes(process.env.SCENARIO ?? "")) continue;
        for (const mode of scenario.modes) {
          const cell = (results[name] ??= {});
          const column = `${mode} ${way.name}`;
          const unable = way.unable?.(scenario, mode);
          cell[column] = unable === undefined ? "failed" : `not: ${unable}`;
          if (unable !== undefined) continue;
          test(`${name} ${column}`, async () => {
            await run(scenario, mode, way);
            cell[column] = "ok";
          });
        }
      }
    });
  }
  after(() => {
    const reports = join(ROOT, "target", "scenario-matrix");
    const columns = MODES.flatMap((mode) => ways.map((way) => `${mode} ${way.name}`));
    mkdirSync(reports, { recursive: true });
    writeFileSync(join(reports, `${report}.json`), JSON.stringify({ columns, results }));
  });
}

async function run(scenario: Scenario, mode: Mode, way: Way): Promise<void> {
  const files = mkdtempSync(join(tmpdir(), "hotspare-scenario-"));
  const simulator = new Simulator(scenario.script);
  try {
    write(scenario.files, files);
    const config = placed(scenario.config, simulator, files) as Json;
    const client = await Client.open(config);
    try {
      for (const call of scenario.calls) {
        await sleep(call.after ?? 0);
        prepare(call, client, files);
        for (let nth = 0; nth < (call.repeat ?? 1); nth += 1) {
          const wanted: Expect = { ...call.expect, ...(mode === "chat" ? call.expect_chat : call.expect_stream) };
          const expect = way.expected?.(wanted) ?? wanted;
          for (const [came, took] of await way.calls(client, call, mode, config)) compare(came, expect, took);
        }
        checkStatus(call, client);
      }
    } finally {
      await client.close();
    }
    await checkServer(scenario.server ?? {}, simulator);
  } finally {
    simulator.close();
    rmSync(files, { recursive: true });
  }
}

function write(files: Record<string, string> | undefined, into: string): void {
  for (const [name, content] of Object.entries(files ?? {})) writeFileSync(join(into, name), content);
}

function placed(value: unknown, simulator: Simulator, files: string): unknown {
  if (typeof value === "string") {
    if (value.startsWith("file:$")) return `file:${join(files, value.slice("file:$".length))}`;
    return value.startsWith("$") ? simulator.url(value.slice(1)) : value;
  }
  if (Array.isArray(value)) return value.map((one) => placed(one, simulator, files));
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, placed(one, simulator, files)]));
  }
  return value;
}

function prepare(call: Call, client: Client, files: string): void {
  write(call.files, files);
  if (call.hold !== undefined) client.hold(call.hold);
  if (call.keep_closed !== undefined) client.forceClosed(call.keep_closed);
  if (call.release !== undefined) client.release(call.release);
}

/** The messages of a call, and its other fields. */
export function parts(call: Call): [messages: never, options: Json] {
  const { messages = "Say hi", ...options } = call.request ?? {};
  return [messages as never, options];
}

/** What a stream's events said. */
export class Heard {
  private text = "";
  private target: string | undefined;
  private restarts = 0;
  private continues = 0;

  hear(event: StreamEvent): void {
    if (event.type === "restart" || event.type === "continue") this.target = event.target;
    if (event.type === "restart") this.text = "";
    if (event.type === "restart") this.restarts += 1;
    if (event.type === "continue") this.continues += 1;
    this.text += event.text;
  }

  /** What it came to, by the reply or the error at its end. */
  came(ended: unknown): Came {
    if (ended instanceof StreamInterrupted) {
      assert.equal(ended.partial.text, this.text, "the partial is what was delivered");
    } else if (!(ended instanceof HotspareError)) {
      const reply = ended as Reply;
      assert.equal(reply.text, this.text, "the events add up to the reply");
      assert.ok([undefined, reply.target].includes(this.target), "the last to take over is the one that answered");
    }
    return { ended: ended as Reply | HotspareError, restarts: this.restarts, continues: this.continues };
  }
}

/** What a whole call came to; anything but our own errors is thrown. */
export function whole(ended: unknown): Came {
  if (ended instanceof Error && !(ended instanceof HotspareError)) throw ended;
  return { ended: ended as Reply | HotspareError | null, restarts: 0, continues: 0 };
}

/** A call with the seconds that it takes. */
export async function timed(made: () => Promise<Came>): Promise<readonly [Came, number]> {
  const began = performance.now();
  const came = await made();
  return [came, (performance.now() - began) / 1000];
}

function within(found: number | null | undefined, [least, most]: Range, what: string): void {
  assert.ok(found != null && least <= found && found <= most, `${what}: expected ${least}–${most}, found ${found}`);
}

function compare(came: Came, expect: Expect, took: number): void {
  if (expect.elapsed) within(took, [expect.elapsed[0] - 0.002, expect.elapsed[1] + GRACE], "seconds");
  assert.equal(came.restarts, expect.restarts ?? came.restarts);
  assert.equal(came.continues, expect.continues ?? came.continues);
  const { ended } = came;
  if (expect.cancelled) {
    assert.equal(ended, null, "it was not cancelled");
    return;
  }
  assert.ok(ended, "it was cancelled");
  if (expect.error) {
    assert.ok(ended instanceof HotspareError, "it was answered");
    compareError(ended, expect.error);
  } else if (ended instanceof HotspareError) {
    throw ended;
  } else {
    compareReply(ended, expect);
  }
  if (expect.cost) compareCost(ended, expect.cost);
  compareTrail(ended.trail, expect);
}

function compareReply(reply: Reply, expect: Expect): void {
  for (const name of ["text", "reasoning", "refusal", "target"] as const) {
    if (expect[name] !== undefined) assert.equal(reply[name], expect[name], name);
  }
  if (expect.finish !== undefined) assert.equal(reply.finishReason, expect.finish);
  if (expect.tool_calls) {
    assert.deepEqual(
      reply.toolCalls.map((made) => ({ name: made.name, arguments: made.arguments })),
      expect.tool_calls,
    );
  }
  if (expect.spans) {
    // Spans count characters, not the halves of surrogate pairs.
    const characters = [...reply.text];
    assert.deepEqual(
      reply.spans.map((span) => [span.target, characters.slice(span.start, span.end).join("")]),
      expect.spans,
    );
  }
  const usage = reply.usage as unknown as Record<string, number>;
  for (const [name, count] of Object.entries(expect.usage ?? {})) assert.equal(usage[camel(name)], count, name);
}

export function camel(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function compareCost(found: Reply | HotspareError | Attempt, [least, most]: Cost): void {
  const same = (cost: number | null, wanted: number | null): void => {
    // Sums of decimal fractions are not exact; a token costs more than this.
    const close = cost !== null && wanted !== null && Math.abs(cost - wanted) < 1e-9;
    assert.ok(close || (cost === null && wanted === null), `cost: expected ${wanted}, found ${cost}`);
  };
  same(found.costMinUsd, least);
  same(found.costMaxUsd, most);
}

function compareError(error: HotspareError, expect: NonNullable<Expect["error"]>): void {
  const kind =
    error instanceof AllTargetsFailed
      ? "all_targets_failed"
      : error instanceof StreamInterrupted
        ? "stream_interrupted"
        : "failed";
  assert.equal(kind, expect.kind);
  if (expect.class !== undefined) assert.equal(error.class, expect.class);
  if (expect.status !== undefined) assert.equal(error.status, expect.status);
  if (expect.retry_after) within(error.retryAfter, expect.retry_after, "retryAfter");
  if (expect.partial !== undefined) {
    assert.ok(error instanceof StreamInterrupted);
    assert.equal(error.partial.text, expect.partial);
  }
  assert.ok(error.message.includes(expect.names ?? ""), `the message does not name ${expect.names}: ${error.message}`);
}

function compareTrail(trail: readonly Attempt[], expect: Expect): void {
  if (!expect.attempts) return;
  assert.deepEqual(
    trail.map(({ target, code }) => ({ target, code })),
    expect.attempts.map(({ target, code }) => ({ target, code })),
  );
  trail.forEach((attempt, nth) => {
    const wanted = expect.attempts?.[nth];
    assert.ok(wanted);
    if (wanted.status !== undefined) assert.equal(attempt.status, wanted.status);
    if (wanted.next !== undefined) assert.equal(attempt.next, wanted.next);
    if (wanted.wait) within(attempt.wait, wanted.wait, "wait");
    if (wanted.billing !== undefined) assert.equal(attempt.billing, wanted.billing);
    if (wanted.cost) compareCost(attempt, wanted.cost);
  });
}

function checkStatus(call: Call, client: Client): void {
  if (!call.status) return;
  const targets = client.status().targets;
  for (const [name, wanted] of Object.entries(call.status)) {
    const found = targets.find((target) => target.target === name);
    assert.ok(found, `the status has no ${name}`);
    assert.equal(found.state, wanted.state ?? found.state);
    if (wanted.next_probe) {
      within(found.nextProbe, [wanted.next_probe[0] - GRACE, wanted.next_probe[1]], "nextProbe");
    }
    assert.equal(found.concurrency, wanted.concurrency ?? found.concurrency);
  }
}

/** A disconnect is noticed a moment later. */
async function checkServer(expect: Record<string, ExpectedServer>, simulator: Simulator): Promise<void> {
  const deadline = performance.now() + 5000;
  for (;;) {
    try {
      for (const [provider, wanted] of Object.entries(expect)) checkProvider(wanted, simulator.journal(provider));
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(0.02);
    }
  }
}

/** Only what may cost money: a free request keeps a connection warm, and no scenario counts on it. */
function checkProvider(wanted: ExpectedServer, journal: readonly JournalEntry[]): void {
  const entries = journal.filter((entry) => entry.chat || entry.embed);
  const left = entries.filter((entry) => entry.end === "client_disconnected");
  for (const [name, found] of [["requests", entries] as const, ["disconnected", left] as const]) {
    const count = wanted[name];
    if (count !== undefined) within(found.length, Array.isArray(count) ? count : [count, count], name);
  }
  if (wanted.at_once !== undefined) {
    const underWay = (at: number): number =>
      entries.filter((entry) => entry.at_ms <= at && (entry.ended_ms === null || entry.ended_ms > at)).length;
    assert.equal(Math.max(...entries.map((entry) => underWay(entry.at_ms))), wanted.at_once, "at once");
  }
  if (wanted.asked) {
    for (const entry of entries) if (entry.chat) assert.deepEqual({ ...entry.asked, ...wanted.asked }, entry.asked);
  }
  if (wanted.keys) {
    const names = new Map(Object.keys(wanted.keys).map((key) => [shortHash(key), key]));
    const used = Object.fromEntries(Object.keys(wanted.keys).map((key) => [key, 0]));
    for (const { key } of entries) {
      const name = names.get(key ?? "") ?? String(key);
      used[name] = (used[name] ?? 0) + 1;
    }
    assert.deepEqual(used, wanted.keys);
  }
}

/** A key as the journal shows it: the upper half of its FNV-1a hash. */
function shortHash(key: string): string {
  let value = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(key)) value = ((value ^ BigInt(byte)) * 0x100000001b3n) % 2n ** 64n;
  return (value >> 32n).toString(16).padStart(8, "0");
}
