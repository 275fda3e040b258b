// The events of a stream as the AI SDK's parts.
import type { LanguageModelV4StreamPart, SharedV4ProviderMetadata } from "@ai-sdk/provider" with {
  "resolution-mode": "import",
};

import type { Reply } from "../reply.js";
import type { StreamEvent, ToolCallDelta, Usage } from "../types.js";
import type { Json } from "./json.js";
import { finishOf, merged, metadataOf, REFUSAL, responseOf, signedReasoning, toolCalls, usageOf } from "./result.js";

type Part = LanguageModelV4StreamPart;
type Kind = "text" | "reasoning";

interface Block {
  readonly kind: Kind;
  readonly id: string;
  readonly metadata: SharedV4ProviderMetadata | undefined;
}

/** Turns events into parts, one after the other. */
export class Parts {
  #blocks = 0;
  #block: Block | undefined;
  /** Ids of the calls whose input is under way, by their index. */
  readonly #calls = new Map<number, string>();
  /** What the next block's start says of it. */
  #mark: Json | undefined;

  /** The parts of one event. */
  of(event: StreamEvent): Part[] {
    switch (event.type) {
      case "text":
        return this.#said("text", event.text);
      case "reasoning":
        return this.#said("reasoning", event.reasoning);
      case "refusal":
        return this.#said("text", event.refusal, REFUSAL);
      case "tool_call":
        return this.#called(event.toolCall);
      case "restart":
        return this.#again(event.target);
      case "continue":
        return [];
      case "finish":
        return this.#finished(event.reply);
    }
  }

  /** The end of an answer that broke: what is open ends, then come the error and the tokens it had used. */
  broken(error: unknown, usage: Usage | undefined): Part[] {
    const finishReason = { unified: "error", raw: undefined } as const;
    return [...this.#close(), { type: "error", error }, { type: "finish", finishReason, usage: usageOf(usage) }];
  }

  #said(kind: Kind, delta: string, own?: SharedV4ProviderMetadata): Part[] {
    const parts: Part[] = [];
    let block = this.#block;
    if (block?.kind !== kind || block.metadata !== own) {
      parts.push(...this.#end());
      block = { kind, id: String(this.#blocks++), metadata: own };
      this.#block = block;
      parts.push({ type: `${kind}-start`, id: block.id, ...this.#marked(own) });
    }
    parts.push({ type: `${kind}-delta`, id: block.id, delta });
    return parts;
  }

  #marked(own: SharedV4ProviderMetadata | undefined): { providerMetadata?: SharedV4ProviderMetadata } {
    const mark = this.#mark;
    this.#mark = undefined;
    if (own === undefined && mark === undefined) return {};
    return { providerMetadata: merged(own, mark) };
  }

  #end(signed?: Json): Part[] {
    const block = this.#block;
    if (block === undefined) return [];
    this.#block = undefined;
    const providerMetadata = signed && { providerMetadata: merged(block.metadata, signed) };
    return [{ type: `${block.kind}-end`, id: block.id, ...providerMetadata }];
  }

  #called({ index, id, name, arguments: delta }: ToolCallDelta): Part[] {
    const parts: Part[] = [];
    let callId = this.#calls.get(index);
    if (callId === undefined) {
      callId = id ?? `call-${index}`;
      this.#calls.set(index, callId);
      parts.push(...this.#end(), {
        type: "tool-input-start",
        id: callId,
        toolName: name ?? "",
        ...this.#marked(undefined),
      });
    }
    if (delta !== "") parts.push({ type: "tool-input-delta", id: callId, delta });
    return parts;
  }

  #calledAll(): Part[] {
    const ended = [...this.#calls.values()].map((id): Part => ({ type: "tool-input-end", id }));
    this.#calls.clear();
    return ended;
  }

  #close(): Part[] {
    return [...this.#end(), ...this.#calledAll()];
  }

  #again(target: string): Part[] {
    const parts = this.#close();
    this.#mark = { restart: target };
    return parts;
  }

  #finished(reply: Reply): Part[] {
    const calls: Part[] = toolCalls(reply);
    const signed = signedReasoning(reply);
    const last = calls.at(-1);
    if (last?.type === "tool-call" && signed !== undefined) {
      calls[calls.length - 1] = { ...last, providerMetadata: merged(last.providerMetadata, signed) };
    }
    // An answer of hidden reasoning alone has no block yet.
    const hidden = signed !== undefined && last === undefined && this.#block === undefined;
    return [
      ...(hidden ? this.#said("reasoning", "") : []),
      ...this.#end(last === undefined ? signed : undefined),
      ...this.#calledAll(),
      ...calls,
      { type: "response-metadata", ...responseOf(reply) },
      {
        type: "finish",
        finishReason: finishOf(reply),
        usage: usageOf(reply.usage),
        providerMetadata: metadataOf(reply),
      },
    ];
  }
}
