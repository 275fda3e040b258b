import { attempt } from "./errors.js";
import { native } from "./native.js";
import type { Account, Attempt, Completion, FinishReason, ReasoningBlock, Span, ToolCall, Usage } from "./types.js";

/** A whole answer. */
export class Reply implements Completion, Account {
  readonly text: string;
  readonly reasoning: string;
  readonly reasoningBlocks: readonly ReasoningBlock[];
  readonly refusal: string | null;
  readonly toolCalls: readonly ToolCall[];
  readonly finishReason: FinishReason | null;
  readonly finishRaw: string | null;
  readonly target: string;
  readonly model: string | null;
  readonly id: string | null;
  readonly usage: Usage;
  readonly costUsd: number | null;
  readonly costMinUsd: number;
  readonly costMaxUsd: number | null;
  /** Which target each part of the text came from, when it came from several. */
  readonly spans: readonly Span[];
  readonly elapsed: number;
  readonly created: number;
  readonly trail: readonly Attempt[];

  constructor(fields: Omit<Reply, "message" | "toOpenai">) {
    this.text = fields.text;
    this.reasoning = fields.reasoning;
    this.reasoningBlocks = fields.reasoningBlocks;
    this.refusal = fields.refusal;
    this.toolCalls = fields.toolCalls;
    this.finishReason = fields.finishReason;
    this.finishRaw = fields.finishRaw;
    this.target = fields.target;
    this.model = fields.model;
    this.id = fields.id;
    this.usage = fields.usage;
    this.costUsd = fields.costUsd;
    this.costMinUsd = fields.costMinUsd;
    this.costMaxUsd = fields.costMaxUsd;
    this.spans = fields.spans;
    this.elapsed = fields.elapsed;
    this.created = fields.created;
    this.trail = fields.trail;
  }

  /** The assistant message to append to the history, in OpenAI's shape. */
  get message(): AssistantMessage {
    return JSON.parse(attempt(() => native.replyMessage(JSON.stringify(this)))) as AssistantMessage;
  }

  /** The reply as an OpenAI `chat.completion` object. */
  toOpenai(): OpenaiObject {
    return JSON.parse(attempt(() => native.replyToOpenai(JSON.stringify(this)))) as OpenaiObject;
  }
}

/** Vectors of texts. */
export class Embeddings implements Account {
  /** One vector a text, in the order of the texts, all of one length. */
  readonly embeddings: readonly (readonly number[])[];
  /** Numbers in each vector. */
  readonly dimensions: number;
  readonly target: string;
  /** The model that answered, in the vendor's word. */
  readonly model: string | null;
  /** Tokens of all parts. */
  readonly usage: Usage;
  readonly costUsd: number | null;
  readonly costMinUsd: number;
  readonly costMaxUsd: number | null;
  readonly elapsed: number;
  readonly created: number;
  readonly trail: readonly Attempt[];

  constructor(fields: Omit<Embeddings, "toOpenai">) {
    this.embeddings = fields.embeddings;
    this.dimensions = fields.dimensions;
    this.target = fields.target;
    this.model = fields.model;
    this.usage = fields.usage;
    this.costUsd = fields.costUsd;
    this.costMinUsd = fields.costMinUsd;
    this.costMaxUsd = fields.costMaxUsd;
    this.elapsed = fields.elapsed;
    this.created = fields.created;
    this.trail = fields.trail;
  }

  /** The vectors as OpenAI's list of embeddings. */
  toOpenai(): OpenaiObject {
    return JSON.parse(attempt(() => native.embeddingsToOpenai(JSON.stringify(this)))) as OpenaiObject;
  }
}

/** An assistant message in OpenAI's shape. */
export interface AssistantMessage {
  role: "assistant";
  content: string | null;
  refusal?: string;
  tool_calls?: { id: string; type: "function"; function: { name: string; arguments: string } }[];
  /** Signed reasoning, to be handed back to the vendor that made it. */
  reasoning_details?: object[];
}

/** A JSON object of OpenAI's; cast it to the type that the `openai` package has for it. */
export type OpenaiObject = Record<string, unknown>;
