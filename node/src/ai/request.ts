// A call of the AI SDK as a request of the client.
import type {
  JSONSchema7,
  LanguageModelV4CallOptions,
  LanguageModelV4FunctionTool,
  SharedV4Warning,
} from "@ai-sdk/provider" with { "resolution-mode": "import" };

import type { ChatMessage } from "../types.js";
import type { Json } from "./json.js";
import { messagesOf, ours } from "./prompt.js";

/** What the client is asked, without the route and the signal, and what could not be said. */
export interface Asked {
  readonly messages: ChatMessage[];
  readonly options: Json;
  readonly warnings: SharedV4Warning[];
}

/** The request. Fields of `providerOptions.hotspare` are added to it, and come before what the SDK says. */
export function askedOf(call: LanguageModelV4CallOptions): Asked {
  const warnings: SharedV4Warning[] = [];
  const messages = messagesOf(call.prompt, warnings);
  const { maxOutputTokens, temperature, topP, topK, stopSequences, seed, frequencyPenalty, presencePenalty } = call;
  warnAboutHeaders(call.headers, warnings);
  return {
    messages,
    options: {
      ...given({
        max_tokens: maxOutputTokens,
        temperature,
        top_p: topP,
        top_k: topK,
        stop: stopSequences !== undefined && stopSequences.length > 0 ? stopSequences : undefined,
        seed,
        frequency_penalty: frequencyPenalty,
        presence_penalty: presencePenalty,
        response_format: responseFormat(call.responseFormat),
        reasoning_effort: call.reasoning === "provider-default" ? undefined : call.reasoning,
      }),
      ...toolsOf(call, warnings),
      ...ours(call),
    },
    warnings,
  };
}

/** Only the fields that have a value. */
export function given(fields: Json): Json {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** The client has its own headers, each provider's: a call's would go to all of them. */
export function warnAboutHeaders(
  headers: Readonly<Record<string, string | undefined>> | undefined,
  warnings: SharedV4Warning[],
): void {
  const named = Object.keys(headers ?? {}).filter((name) => name.toLowerCase() !== "user-agent");
  if (named.length === 0) return;
  const details = `${named.join(", ")}: give them to a provider in the config`;
  warnings.push({ type: "unsupported", feature: "headers", details });
}

function responseFormat(format: LanguageModelV4CallOptions["responseFormat"]): Json | undefined {
  if (format?.type !== "json") return undefined;
  const { schema, name = "answer", description } = format;
  if (schema === undefined) return { type: "json_object" };
  return {
    type: "json_schema",
    json_schema: given({ name, description, schema, strict: isExact(schema) || undefined }),
  };
}

/** Whether every object of a schema is closed and all of its fields are needed, which is what OpenAI can hold a model to. */
function isExact(schema: JSONSchema7 | boolean): boolean {
  if (typeof schema === "boolean") return true;
  const { properties, required = [], additionalProperties, items, anyOf, allOf, oneOf, definitions, $defs } = schema;
  const names = Object.keys(properties ?? {});
  const isObject = schema.type === "object" || properties !== undefined;
  if (isObject && (additionalProperties !== false || names.some((name) => !required.includes(name)))) return false;
  const parts = [properties, definitions, $defs].flatMap((part) => Object.values(part ?? {}));
  const lists = [anyOf, allOf, oneOf, items].flatMap((part) => part ?? []);
  return [...parts, ...lists].every(isExact);
}

function toolsOf(call: LanguageModelV4CallOptions, warnings: SharedV4Warning[]): Json {
  const tools: Json[] = [];
  for (const tool of call.tools ?? []) {
    if (tool.type === "function") tools.push(functionTool(tool));
    else warnings.push({ type: "unsupported", feature: `the tool ${tool.id}`, details: "only its vendor has it" });
  }
  if (tools.length === 0) return {};
  const choice = call.toolChoice;
  const tool_choice =
    choice?.type === "tool" ? { type: "function", function: { name: choice.toolName } } : choice?.type;
  return given({ tools, tool_choice });
}

function functionTool(tool: LanguageModelV4FunctionTool): Json {
  const { name, description, inputSchema: parameters, strict } = tool;
  return { ...ours(tool), type: "function", function: given({ name, description, parameters, strict }) };
}
