// Vectors of texts.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { AllTargetsFailed, Client, ConfigError, InvalidRequestError, ServerError, type Embeddings } from "hotspare";
import { FAILING, HANG, lab, rejected, thrown, type Lab, type LabConfig } from "./lab.mjs";

/** Three vendors: one that is down, one that is up, and one that hangs; texts go out two by two. */
function vectors(t: TestContext): Lab {
  return lab(t, { down: [FAILING], up: [], hangs: [HANG] });
}

function config(made: Lab, targets = ["down/m", "up/m"]): LabConfig {
  const routes = { ...made.config.routes, embed: { kind: "embed", targets, batch: 2, dimensions: 8 } };
  return { ...made.config, routes };
}

function check(made: Embeddings): void {
  assert.deepEqual([made.embeddings.length, made.dimensions, made.target, made.model], [3, 8, "up/m", "m"]);
  for (const vector of made.embeddings) assert.ok(Math.abs(Math.hypot(...vector) - 1) < 1e-6);
  assert.ok(made.usage.reported && made.usage.inputTokens > 0);
  assert.deepEqual([made.costUsd, made.costMinUsd, made.costMaxUsd], [null, 0, null]);
  assert.equal(made.trail.at(-1)?.code, "ok");
  assert.deepEqual(new Set(made.trail.map((attempt) => attempt.code)), new Set(["server", "ok"]));
  assert.ok(made.elapsed > 0);
}

test("vectors have their fields", async (t) => {
  const made = vectors(t);
  const client = await Client.open(config(made));
  const options = { dimensions: 8, input_type: "query", user: "u" } as const;
  const got = await client.embed(["a", "bb", "ccc"], options);
  check(got);
  assert.ok(got.created > 1_700_000_000);
  assert.equal(made.journal("up").filter((entry) => entry.embed).length, 2, "two parts");
  assert.ok(got.trail.at(-1)?.adapted[0]?.startsWith("input_type: left out"));
  const openai = got.toOpenai() as { data: { embedding: number[] }[]; usage: { total_tokens: number } };
  assert.deepEqual(openai.data[1]?.embedding, got.embeddings[1]);
  assert.equal(openai.usage.total_tokens, got.usage.inputTokens);
  check(client.embedSync(["a", "bb", "ccc"], options));
});

test("one text, and what is refused", async (t) => {
  const made = vectors(t);
  const client = await Client.open(config(made));
  const one = await client.embed("four", { route: "up/m", dimensions: 8 });
  assert.deepEqual(one.embeddings, (await client.embed(["four"])).embeddings);
  assert.ok((await rejected(client.embed([]))) instanceof InvalidRequestError);
  assert.match(String(await rejected(client.embed("a", { input_type: "quary" as never }))), /input_type/);
  const failed = await rejected(client.embed("a", { route: "down/m" }));
  assert.ok(failed instanceof AllTargetsFailed && failed.last instanceof ServerError);
  assert.match(String(await rejected(client.chat("hi", { route: "embed" }))), /answers no chats/);
  const mixed = thrown(() => Client.openSync(config(made, ["down/m", "up/n"])));
  assert.ok(mixed instanceof ConfigError);
  assert.match(mixed.message, /vectors of two models do not mix/);
});
