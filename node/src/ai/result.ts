// A reply as the AI SDK's result.
import type {
  JSONObject,
  LanguageModelV4Content,
  LanguageModelV4FinishReason,
  LanguageModelV4ResponseMetadata,
  LanguageModelV4Usage,
  SharedV4ProviderMetadata,
  SharedV4Warning,
} from "@ai-sdk/provider" with { "resolution-mode": "import" };

import type { Reply } from "../reply.js";
import type { Account, Attempt, FinishReason, Usage } from "../types.js";
import type { Json } from "./json.js";

/** What the AI SDK is told under our name. */
export function metadata(fields: Json): SharedV4ProviderMetadata {
  return { hotspare: fields as JSONObject };
}

/** Who answered, at what price, and what had been tried before. */
export function metadataOf(reply: Account): SharedV4ProviderMetadata {
  const { target, costUsd, trail } = reply;
  return metadata({ target, costUsd, attempts: trail.length, trail: trail.map(step), adapted: adapted(trail) });
}

function step({ target, code, status, next, reason, message }: Attempt): Json {
  return { target, code, status, next, reason, message };
}

function adapted(trail: readonly Attempt[]): readonly string[] {
  return trail.at(-1)?.adapted ?? [];
}

/** What was changed in the request to fit the target that answered. */
export function adaptions(trail: readonly Attempt[]): SharedV4Warning[] {
  return adapted(trail).map((line) => {
    const [feature = line, ...details] = line.split(": ");
    return { type: "compatibility", feature, details: details.join(": ") };
  });
}

/** What it said, in order. */
export function contentOf(reply: Reply): LanguageModelV4Content[] {
  const content: LanguageModelV4Content[] = [];
  if (reply.reasoning !== "") content.push({ type: "reasoning", text: reply.reasoning });
  if (reply.text !== "") content.push({ type: "text", text: reply.text });
  if (reply.refusal !== null) content.push({ type: "text", text: reply.refusal, providerMetadata: REFUSAL });
  content.push(...toolCalls(reply));
  const signed = signedReasoning(reply);
  if (signed === undefined) return content;
  const last = content.pop() ?? { type: "reasoning", text: "" };
  return [...content, { ...last, providerMetadata: merged(last.providerMetadata, signed) }];
}

/** Marks a text that is a refusal. */
export const REFUSAL = metadata({ refusal: true });

/** Both of two. */
export function merged(one: SharedV4ProviderMetadata | undefined, other: Json | undefined): SharedV4ProviderMetadata {
  return metadata({ ...one?.hotspare, ...other });
}

/** The calls it made. A vendor's mark on one comes back with the history. */
export function toolCalls(reply: Reply): (LanguageModelV4Content & { type: "tool-call" })[] {
  return reply.toolCalls.map(({ id, name, arguments: input, signature }) => {
    const extra_content = { google: { thought_signature: signature } };
    const marked = signature !== null && { providerMetadata: metadata({ extra_content }) };
    return { type: "tool-call", toolCallId: id, toolName: name, input, ...marked };
  });
}

/** Reasoning that its vendor wants back: the last part of an answer carries it, since that part is still open by then. */
export function signedReasoning(reply: Reply): Json | undefined {
  const reasoning_details = reply.reasoningBlocks;
  return reasoning_details.length > 0 ? { reasoning_details } : undefined;
}

const FINISH: Readonly<Record<FinishReason, LanguageModelV4FinishReason["unified"]>> = {
  stop: "stop",
  stop_sequence: "stop",
  length: "length",
  context_exceeded: "length",
  tool_calls: "tool-calls",
  content_filter: "content-filter",
  refusal: "content-filter",
  pause: "other",
  error: "error",
  other: "other",
};

/** Why it ended, in the SDK's word and in the vendor's. */
export function finishOf({ finishReason, finishRaw }: Reply): LanguageModelV4FinishReason {
  return { unified: finishReason === null ? "other" : FINISH[finishReason], raw: finishRaw ?? undefined };
}

/** Tokens; nothing where the vendor did not count them. */
export function usageOf(usage: Usage | undefined): LanguageModelV4Usage {
  if (!usage?.reported) {
    return {
      inputTokens: { total: undefined, noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
      outputTokens: { total: undefined, text: undefined, reasoning: undefined },
    };
  }
  const { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens, reasoningTokens } = usage;
  return {
    inputTokens: {
      total: inputTokens,
      noCache: inputTokens - cacheReadTokens - cacheWriteTokens,
      cacheRead: cacheReadTokens,
      cacheWrite: cacheWriteTokens,
    },
    outputTokens: { total: outputTokens, text: outputTokens - reasoningTokens, reasoning: reasoningTokens },
  };
}

/** Which reply it is. */
export function responseOf({ id, model, created }: Reply): LanguageModelV4ResponseMetadata {
  return {
    ...(id !== null && { id }),
    ...(model !== null && { modelId: model }),
    timestamp: new Date(created * 1000),
  };
}
