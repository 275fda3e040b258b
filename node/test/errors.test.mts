// One error class a code, with its fields.
import assert from "node:assert/strict";
import { inspect } from "node:util";
import { test } from "node:test";
import * as hotspare from "hotspare";
import { Client, HotspareError } from "hotspare";
import { lab, rejected, thrown, type Json } from "./lab.mjs";
import { native } from "./native.mjs";

type Kind = abstract new (...given: never[]) => HotspareError;
const exported = hotspare as unknown as Record<string, Kind | undefined>;

test("every code has a class", () => {
  const table = native.exceptions();
  assert.equal(table.length, 20);
  for (const [code, name] of table) {
    const kind = exported[name];
    assert.ok(kind, `${code}: ${name} is exported`);
    assert.ok(kind.prototype instanceof HotspareError, name);
    assert.equal(kind.name, name);
  }
  const classes = Object.entries(exported).filter(([, value]) => value?.prototype instanceof Error);
  assert.deepEqual(classes.map(([name]) => name).sort(), [...table.map(([, name]) => name), "HotspareError"].sort());
});

const STEPS: [Json, string, Partial<HotspareError>][] = [
  [{ error: "rate_limit", headers: { "retry-after": "30" } }, "RateLimitedError", { status: 429, retryAfter: 30 }],
  [{ error: "insufficient_quota" }, "QuotaExhaustedError", { vendorCode: "insufficient_quota" }],
  [{ error: "authentication" }, "AuthenticationError", { status: 401 }],
  [{ error: "model_not_found" }, "ModelNotFoundError", { status: 404 }],
  [{ error: "context_length" }, "ContextLengthError", { status: 400 }],
  [{ error: "invalid_request" }, "InvalidRequestError", { status: 400 }],
  [{ error: "server" }, "ServerError", { maybeSent: true, phase: "head" }],
  [{ error: "overloaded" }, "OverloadedError", { status: 503 }],
  [{ fault: "reset_before_head" }, "ResetError", { status: null }],
  [{ fault: "html" }, "MalformedError", {}],
];

for (const [step, name, fields] of STEPS) {
  test(`a failure is its class: ${name}`, async (t) => {
    const client = await Client.open(lab(t, { a: [{ ...step, repeat: 9 }] }).config);
    const caught = await rejected(client.chat("hi"));
    assert.ok(caught instanceof HotspareError);
    const error = caught.last ?? caught;
    assert.equal(error.constructor, exported[name]);
    assert.equal(error.name, name);
    assert.equal(error.target, "a/m");
    for (const [field, value] of Object.entries(fields))
      assert.equal(error[field as keyof HotspareError], value, field);
    assert.equal(error.trail[0]?.code, error.code);
    assert.equal(caught.cause, caught.last ?? undefined);
    assert.ok(caught.stack?.includes("errors.test"), "the stack shows the caller");
    const shown = inspect(caught);
    assert.ok(shown.includes(caught.name) && shown.includes(caught.message.split("\n")[0] ?? ""), shown);
    const sync = thrown(() => client.chatSync("hi"));
    assert.ok(sync instanceof HotspareError);
    assert.equal(sync.constructor, caught.constructor);
    assert.ok(sync.stack?.includes("errors.test"));
  });
}

test("an error tells all of itself", async (t) => {
  const made = lab(t, { a: [{ status: 500, repeat: 9 }], b: [{ error: "overloaded", repeat: 9 }] });
  const client = await Client.open(made.config);
  const error = await rejected(client.chat("hi"));
  assert.ok(error instanceof hotspare.AllTargetsFailed);
  assert.deepEqual(
    [error.name, error.code, error.class],
    ["AllTargetsFailed", "all_targets_failed", error.last?.class],
  );
  assert.deepEqual(new Set(error.trail.map((attempt) => attempt.target)), new Set(["a/m", "b/m"]));
  assert.deepEqual([error.costMinUsd, error.costMaxUsd, error.maybeSent, error.partial], [0, 0, true, null]);
  assert.ok(error.last instanceof HotspareError && error.cause === error.last && error.last.last === null);
  assert.deepEqual(Object.keys(error), [], "what an error has beside its message is not printed with it twice");
});

test("every problem of a config is told", () => {
  const config = { providers: { openai: { nonsense: 1 } }, routes: { default: { targets: ["antropic/x"] } } };
  const error = thrown(() => Client.openSync(config));
  assert.ok(error instanceof hotspare.ConfigError);
  assert.match(error.message, /nonsense/);
  assert.match(error.message, /did you mean "anthropic"/);
  assert.equal(error.code, "config");
});

test("a panic is an internal error", () => {
  const error = thrown(() => native.panicForTest());
  assert.ok(error instanceof Error);
  assert.match(String(error), /as asked/);
});
