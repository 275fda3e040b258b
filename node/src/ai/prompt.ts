// The AI SDK's prompt as messages in OpenAI's shape.
import type {
  LanguageModelV4FilePart,
  LanguageModelV4Message,
  LanguageModelV4Prompt,
  LanguageModelV4TextPart,
  LanguageModelV4ToolCallPart,
  LanguageModelV4ToolResultOutput,
  LanguageModelV4ToolResultPart,
  SharedV4ProviderOptions,
  SharedV4Warning,
} from "@ai-sdk/provider" with { "resolution-mode": "import" };

import type { ChatMessage } from "../types.js";
import { type FileLike, filePart } from "./files.js";
import type { Json } from "./json.js";

type Assistant = Extract<LanguageModelV4Message, { role: "assistant" }>;
type AssistantPart = Assistant["content"][number];
type ToolPart = Extract<LanguageModelV4Message, { role: "tool" }>["content"][number];
type ContentOutput = Extract<LanguageModelV4ToolResultOutput, { type: "content" }>["value"][number];

/** The messages, and into `warnings` what could not be said in them. */
export function messagesOf(prompt: LanguageModelV4Prompt, warnings: SharedV4Warning[]): ChatMessage[] {
  return prompt.flatMap((message) => messageOf(message, warnings)) as object[] as ChatMessage[];
}

/** What a caller said for us alone, in the names of our requests. */
export function ours(from: { readonly providerOptions?: SharedV4ProviderOptions | undefined }): Json {
  return from.providerOptions?.hotspare ?? {};
}

function messageOf(message: LanguageModelV4Message, warnings: SharedV4Warning[]): Json[] {
  const { cache_control, ...fields } = ours(message);
  switch (message.role) {
    case "system": {
      const content = cache_control === undefined ? message.content : [textPart(message.content, { cache_control })];
      return [{ ...fields, role: "system", content }];
    }
    case "user": {
      const content = message.content.map((part) => userPart(part));
      return [{ ...fields, role: "user", content: marked(content, cache_control) }];
    }
    case "assistant":
      return [{ ...fields, ...assistant(message.content, cache_control, warnings) }];
    case "tool":
      return message.content.flatMap((part) => toolResult(part, warnings));
  }
}

function textPart(text: string, fields: Json): Json {
  return { ...fields, type: "text", text };
}

function userPart(part: LanguageModelV4TextPart | LanguageModelV4FilePart): Json {
  return part.type === "text" ? textPart(part.text, ours(part)) : { ...filePart(part, ours(part)) };
}

/** A mark on a message is one on its last part. */
function marked(content: Json[], cache_control: unknown): Json[] {
  const last = content.at(-1);
  if (cache_control !== undefined && last !== undefined) last.cache_control ??= cache_control;
  return content;
}

function assistant(parts: readonly AssistantPart[], cache_control: unknown, warnings: SharedV4Warning[]): Json {
  const content: Json[] = [];
  const calls: Json[] = [];
  const reasoning: unknown[] = [];
  let refusal: string | undefined;
  for (const part of parts) {
    const { reasoning_details, refusal: refused, restart: _, ...own } = ours(part);
    // Only what a vendor signed goes back to it. It may be on any part.
    if (Array.isArray(reasoning_details)) reasoning.push(...(reasoning_details as unknown[]));
    switch (part.type) {
      case "text":
        if (refused === true) refusal = part.text;
        // A text may be there only for what it carries.
        else if (part.text !== "") content.push(textPart(part.text, own));
        break;
      case "file":
        content.push(filePart(part, own));
        break;
      case "reasoning":
        break;
      case "tool-call":
        if (part.providerExecuted) warnings.push(leftOut(`the call of ${part.toolName}, which a vendor ran itself`));
        else calls.push(toolCall(part, own));
        break;
      case "tool-result":
        warnings.push(leftOut(`the result of ${part.toolName}, which a vendor ran itself`));
        break;
      case "reasoning-file":
        warnings.push(leftOut("a file of an earlier answer's reasoning"));
        break;
      case "custom":
        warnings.push(leftOut(`a part of an earlier answer, ${part.kind}`));
        break;
    }
  }
  return {
    role: "assistant",
    content: content.length > 0 ? marked(content, cache_control) : null,
    ...(calls.length > 0 && { tool_calls: calls }),
    ...(refusal !== undefined && { refusal }),
    ...(reasoning.length > 0 && { reasoning_details: reasoning }),
  };
}

function leftOut(what: string): SharedV4Warning {
  return { type: "other", message: `left out: ${what}` };
}

function toolCall(part: LanguageModelV4ToolCallPart, fields: Json): Json {
  const called = { name: part.toolName, arguments: JSON.stringify(part.input ?? {}) };
  return { ...fields, id: part.toolCallId, type: "function", function: called };
}

/** How the formats that know of failed calls are told of one. */
const FAILED: Json = { anthropic_messages: { is_error: true }, bedrock_converse: { is_error: true } };

function toolResult(part: ToolPart, warnings: SharedV4Warning[]): Json[] {
  if (part.type === "tool-approval-response") {
    warnings.push(leftOut("the approval of a call that a vendor would run"));
    return [];
  }
  const failed = part.output.type === "error-text" || part.output.type === "error-json";
  const content = outputOf(part, warnings);
  return [{ ...(failed && FAILED), role: "tool", tool_call_id: part.toolCallId, content }];
}

function outputOf({ output, toolName }: LanguageModelV4ToolResultPart, warnings: SharedV4Warning[]): unknown {
  switch (output.type) {
    case "text":
    case "error-text":
      return output.value;
    case "json":
    case "error-json":
      return JSON.stringify(output.value);
    case "execution-denied":
      return output.reason ?? "The call was not allowed.";
    case "content":
      return output.value.flatMap((part) => outputPart(part, toolName, warnings));
  }
}

function outputPart(part: ContentOutput, tool: string, warnings: SharedV4Warning[]): Json[] {
  if (part.type === "custom") {
    warnings.push(leftOut(`a part of the result of ${tool} that only its vendor can read`));
    return [];
  }
  return [part.type === "text" ? textPart(part.text, ours(part)) : filePart(part satisfies FileLike, ours(part))];
}
