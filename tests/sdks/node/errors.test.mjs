/** When every target fails, an SDK raises its own error, of the class and status its vendor would cause, and asks once. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import Anthropic from "@anthropic-ai/sdk";
import { APICallError } from "@ai-sdk/provider";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, streamText } from "ai";
import OpenAI from "openai";

import { createHotspare } from "../../../node/dist/ai.mjs";
import { provider, watched, withClient } from "./lab.mjs";
import * as anthropic from "./programs/anthropic.mjs";
import * as openai from "./programs/openai.mjs";

const SILENT = { timeouts: { total: "5s", attempt: "200ms", first_token: "200ms", idle: "200ms", reserve: "200ms" } };

/**
 * What both targets do, the status that tells of it, and its class in the SDKs; `anthropic` is what differs there, and
 * `vendor` what the last target answered, where that is another status or none.
 */
const FAILURES = [
  { code: "invalid_request", step: { error: "invalid_request" }, status: 400, kind: "BadRequestError" },
  { code: "context_length", step: { error: "context_length" }, status: 400, kind: "BadRequestError" },
  { code: "authentication", keys: ["another-key"], status: 401, kind: "AuthenticationError" },
  { code: "model_not_found", step: { error: "model_not_found" }, status: 404, kind: "NotFoundError" },
  {
    code: "rate_limited",
    step: { error: "rate_limit", headers: { "retry-after": "60" } },
    status: 429,
    kind: "RateLimitError",
  },
  {
    code: "quota_exhausted",
    step: { error: "insufficient_quota" },
    status: 429,
    kind: "RateLimitError",
    anthropic: { status: 402, kind: "PaymentRequiredError" },
    vendor: [400],
  },
  { code: "server", step: { status: 500 }, status: 500, kind: "InternalServerError" },
  { code: "malformed", step: { fault: "html" }, status: 502, kind: "InternalServerError", vendor: [undefined] },
  {
    code: "reset",
    step: { fault: "reset_before_head" },
    status: 502,
    kind: "InternalServerError",
    vendor: [undefined],
  },
  {
    code: "overloaded",
    step: { error: "overloaded" },
    status: 503,
    kind: "InternalServerError",
    anthropic: { status: 529, kind: "OverloadedError" },
    // Either may be the last: an overloaded target is tried again.
    vendor: [503, 529],
  },
  {
    code: "timeout",
    step: { fault: "hang" },
    route: SILENT,
    status: 504,
    kind: "InternalServerError",
    vendor: [undefined],
  },
];

/** Runs `use` where both targets fail so, and gives what it threw, and how often the client was asked. */
async function failed({ step, keys, route }, use) {
  const broken = (name, dialect) => ({
    ...provider(name, dialect, "text"),
    ...(keys && { keys }),
    ...(step && { phases: [{ step }] }),
  });
  const script = { primary: broken("primary", "openai_chat"), backup: broken("backup", "anthropic_messages") };
  let asked = 0;
  const { value } = await withClient({ script, route }, async (client) => {
    client.on("event", (event) => {
      if (event.type === "request_started") asked += 1;
    });
    const { fetch, replies } = watched(client);
    const error = await use(client, fetch).then(
      () => assert.fail("it was answered"),
      (thrown) => thrown,
    );
    return { error, replies };
  });
  return { ...value, asked };
}

function checkHeaders(headers, code) {
  assert.equal(headers.get("x-should-retry"), "false");
  assert.ok(["all_targets_failed", code].includes(headers.get("x-hotspare-error")));
  assert.match(headers.get("x-hotspare-trail"), new RegExp(`(^|, )(primary|backup)/m=${code}$`));
}

describe("errors of openai", { concurrency: 4 }, () => {
  for (const { status, kind, code, ...failure } of FAILURES) {
    for (const feature of ["chat", "streaming", "responses", "streamed responses"]) {
      test(`${code}, ${feature}`, async () => {
        const run = (_, fetch) => openai.programs[feature](openai.open({ fetch }));
        const { error, replies, asked } = await failed(failure, run);
        assert.ok(error instanceof OpenAI[kind], `${error.constructor.name}: ${error.message}`);
        assert.equal(error.status, status);
        assert.equal(asked, 1);
        assert.equal(replies.length, 1);
        checkHeaders(error.headers, code);
        assert.equal(error.requestID, error.headers.get("x-request-id"));
      });
    }
  }
});

describe("errors of @anthropic-ai/sdk", { concurrency: 4 }, () => {
  for (const { code, anthropic: own, ...failure } of FAILURES) {
    const { status, kind } = { ...failure, ...own };
    for (const feature of ["chat", "streaming"]) {
      test(`${code}, ${feature}`, async () => {
        const run = (_, fetch) => anthropic.programs[feature](anthropic.open({ fetch }));
        const { error, replies, asked } = await failed(failure, run);
        assert.ok(error instanceof Anthropic[kind], `${error.constructor.name}: ${error.message}`);
        assert.equal(error.status, status);
        assert.equal(asked, 1);
        assert.equal(replies.length, 1);
        checkHeaders(error.headers, code);
        assert.equal(error.requestID, error.headers.get("request-id"));
      });
    }
  }
});

const AI = {
  "hotspare/ai": { model: (client) => createHotspare(client)("default"), native: true },
  // The AI SDK does not heed `x-should-retry`, so that here it must be told.
  "createOpenAI": { model: (_, fetch) => createOpenAI({ apiKey: "unused", fetch }).chat("gpt-5"), maxRetries: 0 },
};

for (const [name, { model, native, ...options }] of Object.entries(AI)) {
  describe(`errors of ai, ${name}`, { concurrency: 4 }, () => {
    for (const { code, ...failure } of FAILURES) {
      // The provider tells the vendor's own status.
      const statuses = (native && failure.vendor) || [failure.status];
      test(`${code}, whole`, async () => {
        const run = (client, fetch) => generateText({ model: model(client, fetch), prompt: "Say hi.", ...options });
        const { error, asked } = await failed(failure, run);
        assert.ok(APICallError.isInstance(error), String(error));
        assert.ok(statuses.includes(error.statusCode), `${error.statusCode} is not of ${statuses}`);
        assert.equal(asked, 1);
        if (native) {
          assert.equal(error.isRetryable, false);
          assert.equal(error.data.class, code);
          assert.equal(error.cause.class, code);
        }
      });

      test(`${code}, streamed`, async () => {
        const run = async (client, fetch) => {
          const onError = () => undefined;
          const { fullStream } = streamText({ model: model(client, fetch), prompt: "Say hi.", onError, ...options });
          for await (const part of fullStream) if (part.type === "error") throw part.error;
        };
        const { error, asked } = await failed(failure, run);
        assert.ok(APICallError.isInstance(error), String(error));
        assert.ok(statuses.includes(error.statusCode), `${error.statusCode} is not of ${statuses}`);
        assert.equal(asked, 1);
      });
    }
  });
}

describe("what the model of a request means", () => {
  const script = { primary: provider("primary", "openai_chat", "text"), backup: provider("backup", "gemini", "text") };
  const config = { ingress: { models: { "gpt-4o": "backup/m", "claude-*": "backup/m" } } };
  const cases = {
    "default": "primary/m",
    "backup/m": "backup/m",
    "gpt-4o": "backup/m",
    "claude-haiku-4-5": "backup/m",
    "some-other-model": "primary/m",
  };

  for (const [model, target] of Object.entries(cases)) {
    test(model, async () => {
      await withClient({ script, config }, async (client) => {
        const ask = { model, messages: [{ role: "user", content: "Say hi." }] };
        const openai = new OpenAI({ apiKey: "unused", fetch: client.fetch });
        const { response } = await openai.chat.completions.create(ask).withResponse();
        assert.equal(response.headers.get("x-hotspare-target"), target);
        const anthropic = new Anthropic({ apiKey: "unused", fetch: client.fetch });
        const other = await anthropic.messages.create({ ...ask, max_tokens: 64 }).withResponse();
        assert.equal(other.response.headers.get("x-hotspare-target"), target);
      });
    });
  }

  test("the names there are", async () => {
    await withClient({ script }, async (client) => {
      const openai = new OpenAI({ apiKey: "unused", fetch: client.fetch });
      const names = [];
      for await (const { id } of openai.models.list()) names.push(id);
      assert.deepEqual(names.toSorted(), ["backup/m", "default", "embed", "primary/m"]);
      const anthropic = new Anthropic({ apiKey: "unused", fetch: client.fetch });
      const others = [];
      for await (const { id } of anthropic.models.list()) others.push(id);
      assert.deepEqual(others, names);
    });
  });

  test("a path that is not served", async () => {
    await withClient({ script }, async (client) => {
      const openai = new OpenAI({ apiKey: "unused", fetch: client.fetch });
      await assert.rejects(openai.images.generate({ prompt: "a cat" }), OpenAI.NotFoundError);
      const anthropic = new Anthropic({ apiKey: "unused", fetch: client.fetch });
      await assert.rejects(anthropic.messages.batches.list(), Anthropic.NotFoundError);
    });
  });
});
