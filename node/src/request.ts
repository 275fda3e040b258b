// How configs and requests cross to the core: as one JSON text.
import { fileURLToPath } from "node:url";
import { Reply } from "./reply.js";
import type { Abortable, ChatOptions, EmbedOptions, Messages, Source } from "./types.js";

export function encodeChat(messages: Messages, options: ChatOptions & Abortable): string {
  const { signal: _, ...fields } = options;
  return JSON.stringify({ messages: plain(messages), ...fields });
}

export function encodeTexts(texts: string | readonly string[], options: EmbedOptions & Abortable): string {
  const { signal: _, ...fields } = options;
  return JSON.stringify({ input: texts, ...fields });
}

function plain(messages: Messages): unknown {
  return Array.isArray(messages)
    ? messages.map((message: unknown) => (message instanceof Reply ? message.message : message))
    : messages;
}

/** What a client is made of, in the addon's words. */
export function encodeSource(source: Source): [kind: string, value: string | string[]] {
  if (typeof source === "string") {
    return ["file", source];
  }
  if (source instanceof URL) {
    return ["file", fileURLToPath(source)];
  }
  const { targets, ...config } = source;
  if (Array.isArray(targets) && Object.keys(config).length === 0) {
    return ["targets", targets.map(String)];
  }
  return ["json", JSON.stringify(source)];
}
