/** What becomes of streams: they are not held up, and whoever leaves one closes the connection to the vendor. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { createOpenAI } from "@ai-sdk/openai";
import { generateText, streamText } from "ai";

import { createHotspare } from "../../../node/dist/ai.mjs";
import { eventually, provider, withClient } from "./lab.mjs";
import * as anthropic from "./programs/anthropic.mjs";
import * as openai from "./programs/openai.mjs";

const MESSAGES = [{ role: "user", content: "Count." }];
const TOKENS = Array.from({ length: 40 }, (_, nth) => `${nth} `);

/** A provider that says a word every so often. */
function slow(dialect, gap) {
  const reply = { text: TOKENS.join(""), chunks: TOKENS };
  return { primary: { ...provider("primary", dialect, "text"), reply, latency: { gap } } };
}

/** A provider that never says anything. */
const HUNG = { primary: { ...provider("primary", "openai_chat", "text"), phases: [{ step: { fault: "hang" } }] } };

/** Every way to stream: pieces of text, one after the other, until `signal` aborts. */
const STREAMS = {
  async *"openai"(client, signal) {
    const ask = { model: "default", messages: MESSAGES, stream: true };
    const stream = await openai.open({ fetch: client.fetch }).chat.completions.create(ask, { signal });
    for await (const chunk of stream) yield chunk.choices[0]?.delta.content ?? "";
  },
  async *"openai, responses"(client, signal) {
    const ask = { model: "default", input: "Count.", stream: true };
    const stream = await openai.open({ fetch: client.fetch }).responses.create(ask, { signal });
    for await (const event of stream) yield event.type === "response.output_text.delta" ? event.delta : "";
  },
  async *"anthropic"(client, signal) {
    const ask = { model: "default", max_tokens: 64, messages: MESSAGES, stream: true };
    const stream = await anthropic.open({ fetch: client.fetch }).messages.create(ask, { signal });
    for await (const event of stream) yield event.delta?.text ?? "";
  },
  "ai, createOpenAI": (client, abortSignal) =>
    textOf({ model: createOpenAI({ apiKey: "unused", fetch: client.fetch }).chat("default"), abortSignal }),
  "ai, hotspare/ai": (client, abortSignal) => textOf({ model: createHotspare(client)("default"), abortSignal }),
  async *"fetch"(client, signal) {
    const body = JSON.stringify({ model: "default", messages: MESSAGES, stream: true });
    const response = await client.fetch("https://llm.invalid/v1/chat/completions", { method: "POST", body, signal });
    for await (const bytes of response.body) {
      const text = Buffer.from(bytes).toString();
      for (const [, data] of text.matchAll(/^data: (\{.*)$/gm)) yield JSON.parse(data).choices[0]?.delta.content ?? "";
    }
  },
};

async function* textOf(call) {
  const { fullStream } = streamText({ ...call, prompt: "Count.", onError: () => undefined });
  for await (const part of fullStream) {
    if (part.type === "text-delta") yield part.text;
    if (part.type === "error") throw part.error;
    if (part.type === "abort") throw new Error("aborted");
  }
}

/** How the requests that the vendor got ended; null while one goes on. */
function ends(simulator) {
  return simulator.journal("primary").map(({ end }) => end);
}

/** The vendor got one request, and it goes on. */
async function arrived(simulator) {
  await eventually(() => assert.deepEqual(ends(simulator), [null]));
}

/** The one request that the vendor got ended since its client left. */
async function left(simulator) {
  await eventually(() => assert.deepEqual(ends(simulator), ["client_disconnected"]));
}

for (const [name, stream] of Object.entries(STREAMS)) {
  // The same format goes through as it comes; another one is written anew.
  for (const dialect of ["openai_chat", "openai_responses", "anthropic_messages"]) {
    test(`${name} gets each word of ${dialect} as it comes`, async () => {
      await withClient({ script: slow(dialect, "20ms") }, async (client) => {
        const times = [];
        let text = "";
        for await (const piece of stream(client)) {
          if (piece === "") continue;
          text += piece;
          times.push(performance.now());
        }
        assert.equal(text, TOKENS.join(""));
        assert.equal(times.length, TOKENS.length, "no two words came together");
        const gaps = times.slice(1).map((at, nth) => at - times[nth]);
        const median = gaps.toSorted((one, other) => one - other)[gaps.length >> 1];
        assert.ok(median > 10 && median < 40, `half of the words came within ${median} ms of the one before`);
      });
    });
  }

  // The AI SDK reads on when a loop over its streams is left: others may still want the whole answer.
  if (!name.startsWith("ai, ")) {
    test(`${name}, left in the middle`, async () => {
      await withClient({ script: slow("openai_chat", "50ms") }, async (client, simulator) => {
        for await (const piece of stream(client)) if (piece !== "") break;
        await left(simulator);
      });
    });
  }

  test(`${name}, aborted in the middle`, async () => {
    await withClient({ script: slow("anthropic_messages", "50ms") }, async (client, simulator) => {
      const caller = new AbortController();
      let words = 0;
      try {
        for await (const piece of stream(client, caller.signal)) {
          if (piece !== "") words += 1;
          caller.abort();
        }
      } catch (error) {
        // Some SDKs end an aborted stream without an error.
        assert.match(String(error), /abort/i);
      }
      assert.ok(words < TOKENS.length);
      await left(simulator);
    });
  });

  test(`${name}, aborted before the first word`, async () => {
    await withClient({ script: HUNG }, async (client, simulator) => {
      const caller = new AbortController();
      const first = stream(client, caller.signal).next();
      await arrived(simulator);
      caller.abort();
      await assert.rejects(first);
      await left(simulator);
    });
  });
}

describe("whole replies that are aborted", () => {
  const ASKS = {
    "openai": (client, signal) =>
      openai
        .open({ fetch: client.fetch })
        .chat.completions.create({ model: "default", messages: MESSAGES }, { signal }),
    "anthropic": (client, signal) =>
      anthropic
        .open({ fetch: client.fetch })
        .messages.create({ model: "default", max_tokens: 64, messages: MESSAGES }, { signal }),
    "ai, hotspare/ai": (client, abortSignal) =>
      generateText({ model: createHotspare(client)("default"), prompt: "Count.", abortSignal }),
  };
  for (const [name, ask] of Object.entries(ASKS)) {
    test(name, async () => {
      await withClient({ script: HUNG }, async (client, simulator) => {
        const caller = new AbortController();
        const asked = ask(client, caller.signal);
        await arrived(simulator);
        caller.abort();
        await assert.rejects(asked, /abort/i);
        await left(simulator);
      });
    });

    test(`${name}, by the SDK's own timeout`, async () => {
      await withClient({ script: HUNG }, async (client, simulator) => {
        await assert.rejects(ask(client, AbortSignal.timeout(100)), /abort|timeout/i);
        // The SDK may have given up before the request was there.
        await eventually(() => assert.ok(ends(simulator).every((end) => end === "client_disconnected")));
      });
    });
  }
});

test("a body that nobody reads any more is closed", async () => {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc");
  await withClient({ script: slow("openai_chat", "50ms") }, async (client, simulator) => {
    const body = JSON.stringify({ model: "default", messages: MESSAGES, stream: true });
    // The signal lives on, and must not keep the body.
    const { signal } = new AbortController();
    await client.fetch("https://llm.invalid/v1/chat/completions", { method: "POST", body, signal });
    await eventually(() => {
      gc();
      assert.deepEqual(ends(simulator), ["client_disconnected"]);
    });
  });
});
