/** What the AI SDK's provider says to the vendor, and what it makes of the answer. */

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";

import { APICallError, NoSuchModelError } from "@ai-sdk/provider";
import { embed, generateText, jsonSchema, isStepCount, Output, streamText, tool } from "ai";
import { z } from "zod";

import { createHotspare } from "../../../node/dist/ai.mjs";
import { Client } from "../../../node/dist/index.mjs";
import { answers, provider, withClient } from "./lab.mjs";
import { PIXEL, WEATHER, weather } from "./programs/asked.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false;

/** A vendor that keeps what it is asked, and answers by `answer`; and a provider over it. */
async function recorded(answer, use, dialect = "openai_chat") {
  const bodies = [];
  const server = createServer(async (request, response) => {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    bodies.push(JSON.parse(Buffer.concat(pieces).toString()));
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(answer(bodies.length)));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const client = await Client.open({
    providers: { vendor: { dialect, base_url: `http://127.0.0.1:${server.address().port}`, keys: [] } },
    routes: { default: { targets: ["vendor/m"] } },
    standby: false,
  });
  try {
    await use(createHotspare(client)("default"), bodies);
  } finally {
    await client.close();
    server.closeAllConnections();
    server.close();
  }
}

function completion(message, finish_reason = "stop") {
  return {
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 1,
    model: "m-2026",
    choices: [{ index: 0, message: { role: "assistant", content: null, ...message }, finish_reason }],
    usage: { prompt_tokens: 9, completion_tokens: 5, total_tokens: 14, prompt_tokens_details: { cached_tokens: 4 } },
  };
}

const SAID = () => completion({ content: "Hello." });

test("what a call says", async () => {
  const calls = [{ id: "c1", type: "function", function: { name: "weather", arguments: '{"city":"Paris"}' } }];
  const answer = () => completion({ tool_calls: calls }, "tool_calls");
  await recorded(answer, async (model, bodies) => {
    const result = await generateText({
      model,
      instructions: "Be brief.",
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "What are these?" },
            { type: "image", image: Buffer.from(PIXEL, "base64") },
            { type: "file", mediaType: "image", data: PIXEL, providerOptions: { hotspare: { detail: "low" } } },
            { type: "file", mediaType: "application/pdf", data: "JVBERi0=", filename: "a.pdf" },
            { type: "file", mediaType: "audio/mpeg", data: "SUQz" },
          ],
        },
      ],
      maxOutputTokens: 9,
      temperature: 0.5,
      topP: 0.9,
      topK: 3,
      stopSequences: ["END"],
      seed: 7,
      frequencyPenalty: 0.1,
      presencePenalty: 0.2,
      reasoning: "low",
      toolChoice: { type: "tool", toolName: "weather" },
      tools: { weather: tool({ description: "The weather.", inputSchema: jsonSchema(WEATHER), strict: true }) },
      providerOptions: { hotspare: { user: "someone" } },
      headers: { "x-mine": "1" },
    });
    const [{ tools, tool_choice, messages, ...fields }] = bodies;
    assert.deepEqual(messages, [
      { role: "system", content: "Be brief." },
      {
        role: "user",
        content: [
          { type: "text", text: "What are these?" },
          { type: "image_url", image_url: { url: `data:image/png;base64,${PIXEL}` } },
          { type: "image_url", image_url: { url: `data:image/png;base64,${PIXEL}`, detail: "low" } },
          { type: "file", file: { file_data: "data:application/pdf;base64,JVBERi0=", filename: "a.pdf" } },
          { type: "input_audio", input_audio: { data: "SUQz", format: "mp3" } },
        ],
      },
    ]);
    const called = { name: "weather", description: "The weather.", parameters: WEATHER, strict: true };
    assert.deepEqual(tools, [{ type: "function", function: called }]);
    assert.deepEqual(tool_choice, { type: "function", function: { name: "weather" } });
    assert.deepEqual(fields, {
      model: "m",
      max_tokens: 9,
      temperature: 0.5,
      top_p: 0.9,
      top_k: 3,
      stop: ["END"],
      seed: 7,
      frequency_penalty: 0.1,
      presence_penalty: 0.2,
      reasoning_effort: "low",
      user: "someone",
    });
    assert.deepEqual(
      result.warnings.map(({ type, feature }) => [type, feature]),
      [["unsupported", "headers"]],
    );
  });
});

test("what an answer is", async () => {
  const answer = () => completion({ content: "Hello.", reasoning_content: "Hm." }, "length");
  await recorded(answer, async (model) => {
    const result = await generateText({ model, prompt: "Say hi." });
    assert.deepEqual([result.text, result.reasoningText], ["Hello.", "Hm."]);
    assert.deepEqual([result.finishReason, result.rawFinishReason], ["length", "length"]);
    const { inputTokens, outputTokens, totalTokens, inputTokenDetails } = result.usage;
    assert.deepEqual([inputTokens, outputTokens, totalTokens, inputTokenDetails.cacheReadTokens], [9, 5, 14, 4]);
    assert.deepEqual([result.response.id, result.response.modelId], ["chatcmpl-1", "m-2026"]);
    const { trail, ...told } = result.providerMetadata.hotspare;
    assert.deepEqual(told, { target: "vendor/m", costUsd: null, attempts: 1, adapted: [] });
    assert.deepEqual(
      trail.map(({ target, code, status }) => [target, code, status]),
      [["vendor/m", "ok", 200]],
    );
  });
});

test("JSON of a schema, and JSON of any", async () => {
  await recorded(
    () => completion({ content: '{"a": 1}' }),
    async (model, bodies) => {
      const exact = Output.object({ schema: z.object({ a: z.number() }), name: "thing" });
      assert.deepEqual((await generateText({ model, prompt: "Go.", output: exact })).output, { a: 1 });
      const loose = Output.object({ schema: z.object({ a: z.number(), b: z.string().optional() }) });
      assert.deepEqual((await generateText({ model, prompt: "Go.", output: loose })).output, { a: 1 });
      assert.deepEqual((await generateText({ model, prompt: "Go.", output: Output.json() })).output, { a: 1 });
      const [one, two, three] = bodies.map(({ response_format }) => response_format);
      assert.deepEqual([one.json_schema.name, one.json_schema.strict], ["thing", true]);
      // OpenAI holds a model only to what names all of its fields.
      assert.deepEqual([two.json_schema.name, two.json_schema.strict], ["answer", undefined]);
      assert.deepEqual(three, { type: "json_object" });
    },
  );
});

const TOOLS = { stopWhen: isStepCount(3), prompt: "Go.", maxOutputTokens: 9 };

function weatherTool(execute) {
  return { weather: tool({ inputSchema: jsonSchema(WEATHER), execute }) };
}

test("tool calls and their results, failed ones too", async () => {
  const call = (id, city) => {
    return { id, type: "function", function: { name: "weather", arguments: JSON.stringify({ city }) } };
  };
  const steps = [completion({ tool_calls: [call("c1", "Paris"), call("c2", "Atlantis")] }, "tool_calls"), SAID()];
  const tools = weatherTool(({ city }) => {
    if (city === "Atlantis") throw new Error("no such city");
    return { sky: weather({ city }) };
  });
  await recorded(
    (nth) => steps[nth - 1],
    async (model, bodies) => {
      const result = await generateText({ ...TOOLS, model, tools });
      assert.equal(result.text, "Hello.");
      assert.deepEqual(bodies[1].messages.slice(1), [
        { role: "assistant", content: null, tool_calls: steps[0].choices[0].message.tool_calls },
        { role: "tool", tool_call_id: "c1", content: '{"sky":"Sunny in Paris."}' },
        { role: "tool", tool_call_id: "c2", content: "Error: no such city" },
      ]);
    },
  );
});

test("a mark on a tool call comes back to its vendor", async () => {
  const functionCall = { name: "weather", args: { city: "Paris" } };
  const marked = { role: "model", parts: [{ functionCall, thoughtSignature: "c2lnbmVk" }] };
  const said = { role: "model", parts: [{ text: "Hello." }] };
  const answer = (nth) => ({ candidates: [{ content: nth === 1 ? marked : said, finishReason: "STOP" }] });
  const run = async (model, bodies) => {
    await generateText({ ...TOOLS, model, tools: weatherTool(weather) });
    assert.equal(bodies[1].contents[1].parts[0].thoughtSignature, "c2lnbmVk");
  };
  await recorded(answer, run, "gemini");
});

test("reasoning that its vendor signed comes back to it", async () => {
  const usage = { input_tokens: 3, output_tokens: 5 };
  const message = { id: "msg_1", type: "message", role: "assistant", model: "m", usage };
  const thinking = { type: "thinking", thinking: "Hm.", signature: "signed" };
  const use = { type: "tool_use", id: "t1", name: "weather", input: { city: "Paris" } };
  const steps = [
    { ...message, content: [thinking, use], stop_reason: "tool_use" },
    { ...message, content: [{ type: "text", text: "Hello." }], stop_reason: "end_turn" },
  ];
  await recorded(
    (nth) => steps[nth - 1],
    async (model, bodies) => {
      const result = await generateText({ ...TOOLS, model, tools: weatherTool(weather) });
      assert.equal(result.steps[0].reasoningText, "Hm.");
      assert.deepEqual(bodies[1].messages[1].content, [thinking, use]);
    },
    "anthropic_messages",
  );
});

test("what changed in a request is a warning", async () => {
  const primary = provider("primary", "anthropic_messages", "text");
  await withClient({ script: { primary } }, async (client) => {
    const call = { model: createHotspare(client)("default"), prompt: "Go.", temperature: 1.5, maxOutputTokens: 9 };
    const { warnings, providerMetadata } = await generateText(call);
    assert.deepEqual(
      warnings.map(({ type, feature }) => [type, feature]),
      [["compatibility", "temperature"]],
    );
    const streamed = streamText(call);
    await streamed.consumeStream();
    // It is known only at the end, which is too late for a warning.
    assert.deepEqual((await streamed.providerMetadata).hotspare.adapted, providerMetadata.hotspare.adapted);
  });
});

test("the parts of a stream", async () => {
  const { call } = answers("primary");
  const reply = { ...call, reasoning: "Hm. Well.", text: "Let me see." };
  const primary = { ...provider("primary", "anthropic_messages", "text"), reply };
  await withClient({ script: { primary } }, async (client) => {
    const { stream } = await createHotspare(client)("default").doStream({
      prompt: [{ role: "user", content: [{ type: "text", text: "Go." }] }],
    });
    const parts = [];
    for await (const part of stream) {
      if (part.type !== parts.at(-1)?.type) parts.push({ ...part });
      else parts.at(-1).delta += part.delta;
    }
    assert.deepEqual(
      parts.map(({ type }) => type),
      [
        ...["stream-start", "reasoning-start", "reasoning-delta", "reasoning-end"],
        ...["text-start", "text-delta", "text-end"],
        ...["tool-input-start", "tool-input-delta", "tool-input-end", "tool-call"],
        ...["response-metadata", "finish"],
      ],
    );
    assert.deepEqual(
      [parts[2].delta, parts[5].delta, parts[8].delta],
      [reply.reasoning, reply.text, '{"city":"Paris"}'],
    );
    assert.deepEqual([parts[10].toolName, parts[10].input], ["weather", '{"city":"Paris"}']);
    assert.equal(new Set([parts[7].id, parts[8].id, parts[9].id, parts[10].toolCallId]).size, 1);
    assert.deepEqual(parts[12].finishReason, { unified: "tool-calls", raw: "tool_use" });
  });
});

/** A primary that breaks off in the middle, and a backup. */
function breaking(stream_recovery) {
  const cut = { phases: [{ step: { fault: "cut", after_chunks: 2 } }] };
  return {
    script: {
      primary: { ...provider("primary", "openai_chat", "text"), ...cut },
      backup: provider("backup", "gemini", "text"),
    },
    route: { stream_recovery },
  };
}

async function streamed(model) {
  const parts = [];
  for await (const part of streamText({ model, prompt: "Go.", onError: () => undefined }).fullStream) parts.push(part);
  return {
    parts,
    texts: parts.filter(({ type }) => type === "text-delta").map(({ text }) => text),
    types: parts.map(({ type }) => type),
  };
}

test("a stream that breaks ends with an error", async () => {
  await withClient(breaking("error"), async (client) => {
    const { parts, texts } = await streamed(createHotspare(client)("default"));
    const { error } = parts.find(({ type }) => type === "error");
    assert.ok(APICallError.isInstance(error));
    assert.equal(error.isRetryable, false);
    assert.equal(error.data.code, "stream_interrupted");
    assert.equal(error.cause.partial.text, texts.join(""));
    assert.equal(parts.at(-1).finishReason, "error");
  });
});

test("a stream that begins anew ends with an error, unless that is to be marked", async () => {
  await withClient(breaking("restart"), async (client) => {
    const { parts } = await streamed(createHotspare(client)("default"));
    assert.match(parts.find(({ type }) => type === "error").error.message, /backup\/m begins anew/);
    const marking = await streamed(createHotspare(client, { onRestart: "mark" })("default"));
    const marked = marking.parts.findIndex(
      ({ providerMetadata }) => providerMetadata?.hotspare?.restart === "backup/m",
    );
    const after = marking.parts.slice(marked).filter(({ type }) => type === "text-delta");
    assert.equal(after.map(({ text }) => text).join(""), answers("backup").text.text);
    assert.equal(marking.parts.at(-1).finishReason, "stop");
  });
});

test("one vector, its tokens and its target", async () => {
  await withClient({ script: { primary: provider("primary", "cohere_chat", "text") } }, async (client) => {
    const model = createHotspare(client).embeddingModel();
    const providerOptions = { hotspare: { input_type: "query" } };
    const { embedding, usage, providerMetadata } = await embed({
      model,
      value: "a text",
      dimensions: 8,
      providerOptions,
    });
    assert.equal(embedding.length, 8);
    assert.equal(usage.tokens, 2);
    assert.equal(providerMetadata.hotspare.target, "primary/m");
  });
});

test("what there is none of", async () => {
  await withClient({ script: { primary: provider("primary", "openai_chat", "text") } }, async (client) => {
    const hotspare = createHotspare(client);
    assert.throws(() => hotspare.imageModel("cat"), NoSuchModelError.isInstance);
    await assert.rejects(generateText({ model: hotspare("nowhere"), prompt: "Go." }), APICallError.isInstance);
  });
});

test("a provider of a config opens its own client", async () => {
  const hotspare = createHotspare({ targets: ["ollama/m"] });
  assert.ok(hotspare.client instanceof Client);
  await hotspare.client.close();
});
