// The types of requests, in OpenAI's names, and of what comes back, in camelCase. Times are seconds, money is US dollars.
import type { Reply } from "./reply.js";

/** A value that may be left out, in any of JavaScript's ways. */
type Maybe<T> = T | null | undefined;

/** Who speaks. (`function` is there since OpenAI's own types still have it; such a message is refused.) */
export type Role = "system" | "developer" | "user" | "assistant" | "tool" | "function";

/** A piece of text. */
export interface TextPart {
  readonly type: "text";
  readonly text: string;
  /** A prompt-cache mark, for vendors that take one. */
  readonly cache_control?: Maybe<object>;
}

/** An image. */
export interface ImagePart {
  readonly type: "image_url";
  /** `url` is an `https:` or a `data:` URL. It is passed to the vendor, never fetched by us. */
  readonly image_url: { readonly url: string; readonly detail?: Maybe<"low" | "high" | "auto" | (string & {})> };
  /** A prompt-cache mark, for vendors that take one. */
  readonly cache_control?: Maybe<object>;
}

/** A piece of audio, in base64. */
export interface AudioPart {
  readonly type: "input_audio";
  readonly input_audio: { readonly data: string; readonly format: string };
}

/** A document: exactly one of `file_data` (a `data:` URL) and `file_id` (a vendor's own upload). */
export interface FilePart {
  readonly type: "file";
  readonly file: {
    readonly file_data?: Maybe<string>;
    readonly file_id?: Maybe<string>;
    readonly filename?: Maybe<string>;
  };
  /** A prompt-cache mark, for vendors that take one. */
  readonly cache_control?: Maybe<object>;
}

/** A part of a message. Other parts go to targets of that dialect as they are. */
export type ContentPart = TextPart | ImagePart | AudioPart | FilePart | object;

/** A function the model may call. */
export interface FunctionTool {
  readonly type: "function";
  readonly function: {
    readonly name: string;
    readonly description?: Maybe<string>;
    /** The JSON schema of its arguments. */
    readonly parameters?: Maybe<object>;
    readonly strict?: Maybe<boolean>;
  };
  /** A prompt-cache mark, for vendors that take one. */
  readonly cache_control?: Maybe<object>;
}

/** One message in OpenAI's shape. */
export interface ChatMessage {
  /** Who speaks. */
  readonly role: Role;
  /** What is said; may be left out beside tool calls. */
  readonly content?: Maybe<string | readonly ContentPart[]>;
  /** The speaker's name. */
  readonly name?: Maybe<string>;
  /** Assistant only: the calls it made. */
  readonly tool_calls?: Maybe<readonly object[]>;
  /** Tool only: the call this answers. */
  readonly tool_call_id?: Maybe<string>;
  /** Assistant only: a refusal. */
  readonly refusal?: Maybe<string>;
  /** Assistant only: signed reasoning, to be handed back to the vendor that made it. */
  readonly reasoning_details?: Maybe<readonly object[]>;
}

/** One message; a `Reply` stands for its message. */
export type Message = ChatMessage | Reply;

/** A prompt, or the conversation. */
export type Messages = string | readonly Message[];

/** The options of a chat. Names are OpenAI's; unknown ones go to targets of that dialect. */
export interface ChatOptions {
  /** A route's name, or one target as `provider/model`. Default: the route named `default`. */
  readonly route?: Maybe<string>;
  /** Seconds the whole request may take. Default: the route's `timeouts.total`. */
  readonly timeout?: Maybe<number>;
  /** Most output tokens, reasoning included. */
  readonly max_tokens?: Maybe<number>;
  /** 0 to 2. */
  readonly temperature?: Maybe<number>;
  /** 0 to 1. */
  readonly top_p?: Maybe<number>;
  /** Sample among the k most likely tokens. */
  readonly top_k?: Maybe<number>;
  /** Texts that end the answer. */
  readonly stop?: Maybe<string | readonly string[]>;
  /** For repeatable sampling, as far as the vendor can. */
  readonly seed?: Maybe<number>;
  /** -2 to 2. */
  readonly frequency_penalty?: Maybe<number>;
  /** -2 to 2. */
  readonly presence_penalty?: Maybe<number>;
  /** Functions the model may call. */
  readonly tools?: Maybe<readonly (FunctionTool | object)[]>;
  /** `auto`, `none`, `required`, or one function. */
  readonly tool_choice?: Maybe<"auto" | "none" | "required" | object>;
  /** Whether it may make several calls at once. */
  readonly parallel_tool_calls?: Maybe<boolean>;
  /** Plain text, any JSON, or JSON of a schema. */
  readonly response_format?: Maybe<object>;
  /** How hard to think. */
  readonly reasoning_effort?: Maybe<"none" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max">;
  /** An opaque id of the end user. */
  readonly user?: Maybe<string>;
  /** Fields added to the body at one provider only, by provider or dialect name. */
  readonly provider_options?: Maybe<Readonly<Record<string, object>>>;
  readonly [field: string]: unknown;
}

/** What vectors are for: some models make others of a query than of the documents it is to find. */
export type InputType = "query" | "document" | "classification" | "clustering" | "similarity";

/** The options of `embed`. Names are OpenAI's; unknown ones go to targets of that family. */
export interface EmbedOptions {
  /** A route's name, or one target as `provider/model`. Default: the route named `embed`. */
  readonly route?: Maybe<string>;
  /** Seconds the whole request may take. Default: the route's `timeouts.total`. */
  readonly timeout?: Maybe<number>;
  /** Numbers in a vector. Default: the route's, else the model's own. */
  readonly dimensions?: Maybe<number>;
  /** What the vectors are for. Models that make one kind of vector take no notice of it. */
  readonly input_type?: Maybe<InputType>;
  /** An opaque id of the end user. */
  readonly user?: Maybe<string>;
  /** Fields added to the body at one provider only, by provider or dialect name. */
  readonly provider_options?: Maybe<Readonly<Record<string, object>>>;
  readonly [field: string]: unknown;
}

/** What ends a wait. */
export interface Abortable {
  /** Its abort closes the connection to the vendor, and rejects with its reason. */
  readonly signal?: AbortSignal | null | undefined;
}

/** A config of the shape that a TOML or JSON file has; `docs/config.md` says what each key means. */
export interface Config {
  /** Vendor accounts, by name. */
  readonly providers?: Readonly<Record<string, object>>;
  /** Policies, by name. */
  readonly routes?: Readonly<Record<string, object>>;
  readonly [key: string]: unknown;
}

/** Nothing but targets, `provider/model`; keys come from the providers' usual environment variables. */
export interface Targets {
  readonly targets: readonly string[];
}

/** What a client is made of: the path or `file:` URL of a TOML or JSON file, a config, or nothing but targets. */
export type Source = string | URL | Config | Targets;

/** Why a model stopped, normalized over vendors. */
export type FinishReason =
  | "stop"
  | "stop_sequence"
  | "length"
  | "context_exceeded"
  | "tool_calls"
  | "content_filter"
  | "refusal"
  | "pause"
  | "error"
  | "other";

/** The class of a failure, the same in every language. */
export type FailureClass =
  | "connect"
  | "reset"
  | "timeout"
  | "server"
  | "overloaded"
  | "rate_limited"
  | "quota_exhausted"
  | "authentication"
  | "model_not_found"
  | "context_length"
  | "content_filtered"
  | "invalid_request"
  | "malformed"
  | "unsupported"
  | "budget_exceeded"
  | "cancelled";

/** What tells errors apart, the same in every language. */
export type ErrorCode = FailureClass | "config" | "all_targets_failed" | "stream_interrupted" | "internal";

/** How far an attempt had come when it failed. */
export type Phase = "encode" | "connect" | "head" | "first_content" | "stream" | "body";

/** Whether the vendor may have got a request. */
export type Sent = "no" | "maybe" | "yes";

/** What is known of an attempt's bill: it never left; it was sent, and nothing tells what became of it; the vendor
 * refused it; the answer broke off; the vendor counted its tokens. */
export type Billing = "unsent" | "unknown" | "rejected" | "partial" | "complete";

/** What was decided after an attempt. */
export type Next = "finish" | "same_target" | "next_key" | "next_target";

/** Whether a target is called: `closed` is well, `degraded` mostly goes behind the others, `open` is left alone,
 * `half_open` is tried out, `ramp` gets a few calls at a time, and the forced ones are an operator's word. */
export type BreakerState = "closed" | "degraded" | "open" | "half_open" | "ramp" | "forced_open" | "forced_closed";

/** Tokens one reply used, normalized over vendors: the totals include their parts. */
export interface Usage {
  /** Whether the vendor sent counts. When it did not, every count is 0 and the cost is unknown. */
  readonly reported: boolean;
  /** All input tokens, cached ones included. */
  readonly inputTokens: number;
  /** All output tokens, reasoning included. */
  readonly outputTokens: number;
  /** Input plus output tokens. */
  readonly totalTokens: number;
  /** Input tokens read from the vendor's prompt cache. */
  readonly cacheReadTokens: number;
  /** Input tokens written to the vendor's prompt cache, at any lifetime. */
  readonly cacheWriteTokens: number;
  /** The part of `cacheWriteTokens` written with a lifetime of an hour. */
  readonly cacheWrite1hTokens: number;
  /** Output tokens spent on reasoning. */
  readonly reasoningTokens: number;
}

/** A call the model made. */
export interface ToolCall {
  /** The vendor's id, or one of ours where the vendor gives none. */
  readonly id: string;
  /** The function's name. */
  readonly name: string;
  /** Its arguments, as JSON text. */
  readonly arguments: string;
  /** An opaque mark that the vendor wants back with the history; `reply.message` has it. */
  readonly signature: string | null;
  /** Fields of the vendor's that have no place of their own; `reply.message` has them. A call of one of OpenAI's custom
   * tools has its `type` here, and its input as `arguments`. */
  readonly extra: Readonly<Record<string, unknown>>;
}

/** Reasoning that a vendor wants back unchanged in later turns; `reply.message` has it. */
export interface ReasoningBlock {
  /** The dialect that made it: it is opaque to every other. */
  readonly dialect: string;
  /** The vendor's id of it, where it has one. */
  readonly id?: string;
  /** The readable text; empty when the vendor hides it. */
  readonly text: string;
  /** The vendor's signature. */
  readonly signature?: string;
  /** Encrypted reasoning. */
  readonly redacted?: string;
}

/** A part of a reply's text. */
export interface Span {
  /** The target it came from, `provider/model`. */
  readonly target: string;
  /** Where it begins, in characters (Unicode's, as `[...text]` counts them). */
  readonly start: number;
  /** Where it ends, in characters. */
  readonly end: number;
}

/** What an answer says, whole or not. */
export interface Completion {
  /** The vendor's id. */
  readonly id: string | null;
  /** The model that answered, in the vendor's word. */
  readonly model: string | null;
  /** What it said. */
  readonly text: string;
  /** Readable reasoning. */
  readonly reasoning: string;
  /** Signed reasoning. */
  readonly reasoningBlocks: readonly ReasoningBlock[];
  /** A refusal's text. */
  readonly refusal: string | null;
  /** The calls it made, in order. */
  readonly toolCalls: readonly ToolCall[];
  /** Why the model stopped, normalized. */
  readonly finishReason: FinishReason | null;
  /** The vendor's word for it. */
  readonly finishRaw: string | null;
  /** Tokens. */
  readonly usage: Usage;
}

/** What had come of a reply when its stream broke. The arguments of the last tool call may be cut. */
export type PartialReply = Completion;

/** What a request cost and took. */
export interface Account {
  /** The target that answered, `provider/model`; where parts were answered by several, the last of them. */
  readonly target: string;
  /** US dollars of the whole request; null when any part is unknown. */
  readonly costUsd: number | null;
  /** US dollars of the whole request at least. */
  readonly costMinUsd: number;
  /** US dollars of the whole request at most; null when a price is unknown. */
  readonly costMaxUsd: number | null;
  /** Seconds from the call to the reply. */
  readonly elapsed: number;
  /** When it was answered, Unix seconds. */
  readonly created: number;
  /** Every attempt, the last one being the answer. */
  readonly trail: readonly Attempt[];
}

/** One HTTP exchange with one target and one key, or one that was found impossible before sending. */
export interface Attempt {
  /** `provider/model`. */
  readonly target: string;
  /** A fingerprint of the key, never the key. */
  readonly key: string | null;
  /** `ok`, `cancelled`, or the failure class's code. */
  readonly code: "ok" | FailureClass;
  /** HTTP status, when there was a response. */
  readonly status: number | null;
  /** When it began, in seconds since the request began. */
  readonly started: number;
  /** When the first content came, in seconds since the request began. */
  readonly firstContent: number | null;
  /** When it ended, in seconds since the request began. */
  readonly ended: number;
  /** What was decided then. */
  readonly next: Next;
  /** Why, in a few words. */
  readonly reason: string;
  /** Seconds waited before whatever came next. */
  readonly wait: number;
  /** The failure, for a person. */
  readonly message: string | null;
  /** How far it had come when it failed. */
  readonly phase: Phase | null;
  /** Whether the vendor may have got the request that failed. */
  readonly sent: Sent | null;
  /** Seconds the vendor asked to wait. */
  readonly retryAfter: number | null;
  /** The vendor's own code or type of the failure. */
  readonly vendorCode: string | null;
  /** The vendor's request id. */
  readonly requestId: string | null;
  /** Tokens, as far as the vendor told. */
  readonly usage: Usage;
  /** What is known of its bill. */
  readonly billing: Billing;
  /** US dollars; null when price or tokens are unknown, 0 when it was never sent. */
  readonly costUsd: number | null;
  /** US dollars it has cost at least. */
  readonly costMinUsd: number;
  /** US dollars it has cost at most; null when the catalog has no price of the model. */
  readonly costMaxUsd: number | null;
  /** How the request was changed to fit the target, one line a change. */
  readonly adapted: readonly string[];
}

/** A piece of a tool call in a stream. */
export interface ToolCallDelta {
  /** Which call of the reply, from 0. */
  readonly index: number;
  /** Its id, in the first piece. */
  readonly id: string | null;
  /** Its name, in the first piece. */
  readonly name: string | null;
  /** The next piece of the arguments' JSON text. */
  readonly arguments: string;
}

/** The next piece of text. */
export interface TextEvent {
  readonly type: "text";
  readonly text: string;
}

/** The next piece of reasoning. */
export interface ReasoningEvent {
  readonly type: "reasoning";
  readonly text: "";
  readonly reasoning: string;
}

/** The next piece of a refusal. */
export interface RefusalEvent {
  readonly type: "refusal";
  readonly text: "";
  readonly refusal: string;
}

/** A piece of a tool call. */
export interface ToolCallEvent {
  readonly type: "tool_call";
  readonly text: "";
  readonly toolCall: ToolCallDelta;
}

/** What came before is void: the answer begins again. */
export interface RestartEvent {
  readonly type: "restart";
  readonly text: "";
  /** The target that answers now, `provider/model`. */
  readonly target: string;
}

/** The stream broke, and another target goes on where the text broke off. */
export interface ContinueEvent {
  readonly type: "continue";
  readonly text: "";
  /** The target that answers now, `provider/model`. */
  readonly target: string;
}

/** The end. */
export interface FinishEvent {
  readonly type: "finish";
  readonly text: "";
  /** The target that answered, `provider/model`. */
  readonly target: string;
  /** The whole reply. */
  readonly reply: Reply;
}

/** What a stream gives. `type` tells which it is; `text` is `""` unless it is `text`. */
export type StreamEvent =
  TextEvent | ReasoningEvent | RefusalEvent | ToolCallEvent | RestartEvent | ContinueEvent | FinishEvent;
