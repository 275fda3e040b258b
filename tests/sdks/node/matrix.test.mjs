/** Every SDK × feature × failure: the program's answer is the backup's, which speaks another dialect. */

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { after, describe, test } from "node:test";

import { createOpenAI } from "@ai-sdk/openai";

import { createHotspare } from "../../../node/dist/ai.mjs";
import { FAILURES } from "./failures.mjs";
import { answers, CHAT_DIALECTS, EMBED_DIALECTS, provider, watched, withClient } from "./lab.mjs";
import * as ai from "./programs/ai.mjs";
import * as anthropic from "./programs/anthropic.mjs";
import { TEXTS } from "./programs/asked.mjs";
import * as openai from "./programs/openai.mjs";

/** The one line that differs from a vendor's own code, for each SDK; and the dialect of the primary. */
const SDKS = {
  "openai": {
    programs: openai.programs,
    open: (client, fetch) => openai.open({ fetch }),
    primary: (feature) => (feature.includes("responses") ? "openai_responses" : "openai_chat"),
  },
  "@anthropic-ai/sdk": {
    programs: anthropic.programs,
    open: (client, fetch) => anthropic.open({ fetch }),
    primary: () => "anthropic_messages",
  },
  "ai, createOpenAI, chat": {
    programs: ai.programs,
    open: (client, fetch) => models(createOpenAI({ apiKey: "unused", fetch }), "chat"),
    primary: () => "openai_chat",
  },
  "ai, createOpenAI, responses": {
    programs: ai.programs,
    open: (client, fetch) => models(createOpenAI({ apiKey: "unused", fetch }), "responses"),
    primary: () => "openai_responses",
  },
  "ai, hotspare/ai": {
    programs: ai.programs,
    open: (client) => {
      const hotspare = createHotspare(client);
      return { model: hotspare("default"), embeddingModel: hotspare.embeddingModel("embed") };
    },
    primary: () => "openai_chat",
    native: true,
  },
};

function models(provider, format) {
  return { model: provider[format]("gpt-5"), embeddingModel: provider.embeddingModel("text-embedding-3-small") };
}

const results = {};
after(() => {
  const folder = new URL("../../../target/sdk-matrix/", import.meta.url);
  mkdirSync(folder, { recursive: true });
  writeFileSync(new URL("node.json", folder), JSON.stringify({ sdks: results }, null, 1));
});

for (const [sdk, { programs, open, primary, native }] of Object.entries(SDKS)) {
  describe(sdk, { concurrency: 6 }, () => {
    for (const [row, feature] of Object.keys(programs).entries()) {
      for (const [column, failure] of Object.keys(FAILURES).entries()) {
        const cells = ((results[sdk] ??= {})[feature] ??= {});
        cells[failure] = "failed: it did not run";
        const spoken = primary(feature);
        const backups = able(feature).filter((one) => one !== spoken);
        const backup = backups[(row + column) % backups.length];
        test(`${feature}, ${failure}, to ${backup}`, async () => {
          try {
            await survives({ program: programs[feature], open, native, feature, spoken, backup, ...FAILURES[failure] });
            cells[failure] = "ok";
          } catch (error) {
            cells[failure] = `failed: ${String(error.message).split("\n", 1)[0]}`;
            throw error;
          }
        });
      }
    }
  });
}

/** The dialects that can do it. The tools of Responses are strict, which Ollama's cannot be: it is passed over for them. */
function able(feature) {
  if (feature === "embeddings") return EMBED_DIALECTS;
  return feature === "responses tools" ? CHAT_DIALECTS.filter((one) => one !== "ollama_chat") : CHAT_DIALECTS;
}

/** Features by what the backup is asked for; others are plain answers. */
const KINDS = { tools: /tools/, place: /structured|generateObject/, embed: /embeddings/ };

function kindOf(feature) {
  return Object.keys(KINDS).find((kind) => KINDS[kind].test(feature)) ?? "text";
}

async function survives({ program, open, native, feature, spoken, backup, code, ...failure }) {
  const kind = kindOf(feature);
  const script = {
    primary: {
      ...provider("primary", spoken, kind),
      steps: [],
      ...failure.primary,
      ...(kind === "embed" && failure.embedPrimary),
    },
    backup: provider("backup", backup, kind),
  };
  const lab = { script, providers: { primary: failure.provider }, route: failure.route, facts: failure.facts };
  const { value, attempts, journal } = await withClient(lab, async (client) => {
    const { fetch, replies } = watched(client);
    return { answer: await program(open(client, fetch)), replies };
  });
  const { answer, replies } = value;
  checkAnswer(answer, kind);
  const calls = kind === "tools" ? 2 : 1;
  checkAttempts(attempts, code, calls);
  checkAsked(journal("backup"), { feature, kind, calls });
  if (native) assert.equal(replies.length, 0);
  else checkReplies(replies, code, calls);
}

function checkAnswer(answer, kind) {
  const { text, place } = answers("backup");
  if (kind === "embed") {
    assert.equal(answer.length, TEXTS.length);
    for (const vector of answer) {
      assert.equal(vector.length, 8);
      assert.ok(Math.abs(Math.hypot(...vector) - 1) < 1e-3, "a vector of the simulator has the length 1");
    }
    return;
  }
  assert.deepEqual(answer, kind === "place" ? JSON.parse(place.text) : text.text);
}

/** The primary failed in its own way first, and only the backup answered. */
function checkAttempts(attempts, code, calls) {
  assert.equal(attempts[0].target, "primary/m");
  assert.equal(attempts[0].code, code);
  const answered = attempts.filter((attempt) => attempt.code === "ok");
  assert.deepEqual(
    answered.map(({ target }) => target),
    Array(calls).fill("backup/m"),
  );
}

/** The backup was asked for all that the program wanted, in its own words. */
function checkAsked(journal, { feature, kind, calls }) {
  assert.equal(journal.length, calls);
  for (const { asked, embed, stream } of journal) {
    assert.equal(embed, kind === "embed");
    if (embed) continue;
    assert.equal(asked.tools, kind === "tools" ? 1 : 0);
    assert.equal(asked.schema, kind === "place");
    assert.equal(asked.images, feature === "vision" ? 1 : 0);
    assert.equal(stream, /stream/.test(feature));
  }
}

/** What the replies say in their headers. */
function checkReplies(replies, code, calls) {
  assert.equal(replies.length, calls);
  for (const headers of replies) {
    assert.equal(headers.get("x-hotspare-target"), "backup/m");
    assert.equal(headers.get("x-should-retry"), "false");
    assert.match(headers.get("x-hotspare-trail"), /^primary\/m=.*, backup\/m=(ok|open)$/);
  }
  assert.ok(replies[0].get("x-hotspare-trail").startsWith(`primary/m=${code}, `));
}
