/** How a scenario's call is asked through an SDK, and what its answer says: in OpenAI's format, and in Anthropic's. */

import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

/** What an answer says. It is filled as it comes, so that what a broken stream had said is there. */
export class Said {
  text = "";
  reasoning = "";
  refusal = null;
  finishReason = null;
  toolCalls = [];
  usage = {};
}

/** What no vendor's request can say. */
const OURS = ["timeout"];
const ANTHROPIC_LACKS = ["seed", "temprature"];

function lacks(fields, whose) {
  return ({ request = {} }) => {
    const field = fields.find((name) => name in request);
    return field && `${whose} has no field \`${field}\``;
  };
}

// OpenAI's Chat Completions, by plain fetch and by the SDK.

function openaiBody({ route = "default", messages = "Say hi", ...fields } = {}, stream) {
  const list = typeof messages === "string" ? [{ role: "user", content: messages }] : messages;
  const streamed = stream && { stream: true, stream_options: { include_usage: true } };
  return { ...fields, model: route, messages: list, ...streamed };
}

const OPENAI_FINISH = { stop_sequence: "stop", refusal: "stop", context_exceeded: "length" };

function openaiUsage(usage, said) {
  if (!usage) return;
  said.usage = {
    inputTokens: usage.prompt_tokens,
    outputTokens: usage.completion_tokens,
    totalTokens: usage.total_tokens,
    cacheReadTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
    reasoningTokens: usage.completion_tokens_details?.reasoning_tokens ?? 0,
  };
}

/** Adds a whole message, or a piece of one: they have the same fields. */
function openaiMessage(message, said) {
  said.text += message.content ?? "";
  said.reasoning += message.reasoning_content ?? message.reasoning ?? "";
  if (message.refusal) said.refusal = (said.refusal ?? "") + message.refusal;
  for (const [place, { index = place, function: called }] of (message.tool_calls ?? []).entries()) {
    const call = (said.toolCalls[index] ??= { name: "", arguments: "" });
    call.name += called.name ?? "";
    call.arguments += called.arguments ?? "";
  }
}

function openaiWhole(completion, said) {
  const [choice] = completion.choices;
  openaiMessage(choice.message, said);
  said.finishReason = choice.finish_reason;
  openaiUsage(completion.usage, said);
}

async function openaiStream(chunks, said) {
  for await (const chunk of chunks) {
    const [choice] = chunk.choices;
    if (choice) openaiMessage(choice.delta, said);
    said.finishReason = choice?.finish_reason ?? said.finishReason;
    openaiUsage(chunk.usage, said);
  }
}

const viaOpenai = {
  name: "openai",
  lacks: lacks(OURS, "OpenAI"),
  finish: (word) => OPENAI_FINISH[word] ?? word,
  untold: [],
  async ask({ fetch, request, stream, signal }, said) {
    const openai = new OpenAI({ apiKey: "unused", fetch });
    const answer = await openai.chat.completions.create(openaiBody(request, stream), { signal });
    if (stream) await openaiStream(answer, said);
    else openaiWhole(answer, said);
  },
};

/** An error as a vendor sends it, whole or in a stream. */
class Told extends Error {}

async function* sseData(response) {
  let rest = "";
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
    const events = (rest + piece).split("\n\n");
    rest = events.pop();
    for (const event of events) yield event.replace(/^data: /, "");
  }
  if (rest !== "") throw new Error(`the stream ends inside of an event: ${rest}`);
}

async function* sseChunks(response) {
  let ended = false;
  for await (const data of sseData(response)) {
    if (ended) throw new Error(`the stream goes on after its end: ${data}`);
    ended = data === "[DONE]";
    if (ended) continue;
    const chunk = JSON.parse(data);
    if (chunk.error) throw new Told(chunk.error.message);
    yield chunk;
  }
  if (!ended) throw new Error("the stream has no end");
}

const viaFetch = {
  ...viaOpenai,
  name: "fetch",
  async ask({ fetch, request, stream, signal }, said) {
    const response = await fetch("https://llm.invalid/v1/chat/completions", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(openaiBody(request, stream)),
      signal,
    });
    if (!response.ok) throw new Told((await response.json()).error.message);
    if (stream) await openaiStream(sseChunks(response), said);
    else openaiWhole(await response.json(), said);
  },
};

// Anthropic's Messages.

function anthropicPart(part) {
  if (part.type !== "image_url") return part;
  const [, media_type, data] = /^data:(.*);base64,(.*)$/.exec(part.image_url.url);
  return { type: "image", source: { type: "base64", media_type, data } };
}

function anthropicBody({ route = "default", messages = "Say hi", max_tokens = 1024, ...fields } = {}, stream) {
  const list = typeof messages === "string" ? [{ role: "user", content: messages }] : messages;
  const { tools, response_format, ...others } = fields;
  const turns = list.filter(({ role }) => role !== "system");
  const system = list.filter(({ role }) => role === "system").map(({ content }) => content);
  return {
    ...others,
    model: route,
    max_tokens,
    messages: turns.map(({ role, content }) => ({
      role,
      content: typeof content === "string" ? content : content.map(anthropicPart),
    })),
    ...(system.length > 0 && { system: system.join("\n") }),
    ...(tools && {
      tools: tools.map(({ function: f }) => ({ name: f.name, description: f.description, input_schema: f.parameters })),
    }),
    ...(response_format && {
      output_config: { format: { type: "json_schema", schema: response_format.json_schema.schema } },
    }),
    ...(stream && { stream }),
  };
}

const ANTHROPIC_FINISH = {
  stop: "end_turn",
  length: "max_tokens",
  context_exceeded: "model_context_window_exceeded",
  tool_calls: "tool_use",
  content_filter: "refusal",
};

function anthropicUsage(usage, said) {
  const { input_tokens, output_tokens, cache_read_input_tokens, cache_creation_input_tokens } = {
    ...said.told,
    ...usage,
  };
  said.told = { input_tokens, output_tokens, cache_read_input_tokens, cache_creation_input_tokens };
  const cacheReadTokens = cache_read_input_tokens ?? 0;
  const inputTokens = input_tokens + cacheReadTokens + (cache_creation_input_tokens ?? 0);
  said.usage = { inputTokens, outputTokens: output_tokens, totalTokens: inputTokens + output_tokens, cacheReadTokens };
}

async function anthropicStream(events, said) {
  const calls = {};
  for await (const event of events) {
    switch (event.type) {
      case "message_start":
        anthropicUsage(event.message.usage, said);
        break;
      case "content_block_start":
        if (event.content_block.type === "tool_use") {
          said.toolCalls.push((calls[event.index] = { name: event.content_block.name, arguments: "" }));
        }
        break;
      case "content_block_delta":
        said.text += event.delta.text ?? "";
        said.reasoning += event.delta.thinking ?? "";
        if (event.delta.type === "input_json_delta") calls[event.index].arguments += event.delta.partial_json;
        break;
      case "message_delta":
        said.finishReason = event.delta.stop_reason;
        anthropicUsage(event.usage, said);
        break;
    }
  }
}

function anthropicWhole(message, said) {
  for (const block of message.content) {
    if (block.type === "text") said.text += block.text;
    if (block.type === "thinking") said.reasoning += block.thinking;
    if (block.type === "tool_use") said.toolCalls.push({ name: block.name, arguments: JSON.stringify(block.input) });
  }
  said.finishReason = message.stop_reason;
  anthropicUsage(message.usage, said);
}

const viaAnthropic = {
  name: "anthropic",
  lacks: lacks([...OURS, ...ANTHROPIC_LACKS], "Anthropic"),
  finish: (word) => ANTHROPIC_FINISH[word] ?? word,
  // A refusal is text there, and reasoning is not counted by itself.
  untold: ["refusal", "reasoning_tokens"],
  async ask({ fetch, request, stream, signal }, said) {
    const anthropic = new Anthropic({ apiKey: "unused", fetch });
    const answer = await anthropic.messages.create(anthropicBody(request, stream), { signal });
    if (stream) await anthropicStream(answer, said);
    else anthropicWhole(answer, said);
  },
};

/** The ways there are. */
export const WAYS = [viaFetch, viaOpenai, viaAnthropic];

/** Whether it is an error that a vendor's reply told of. */
export function isTold(error) {
  return [Told, OpenAI.APIError, Anthropic.APIError].some((kind) => error instanceof kind);
}
