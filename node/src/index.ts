// hotspare keeps an app's LLM calls answered when a provider fails.
//
//     const client = await Client.open({ targets: ["openai/gpt-4o-mini", "anthropic/claude-haiku-4-5"] });
//     const reply = await client.chat("Say hi");
//     console.log(reply.text, reply.target);
import { native } from "./native.js";

export { Client } from "./client.js";
export {
  AllTargetsFailed,
  AuthenticationError,
  BudgetExceededError,
  CancelledError,
  ConfigError,
  ConnectError,
  ContentFilteredError,
  ContextLengthError,
  type ErrorFields,
  HotspareError,
  InternalError,
  InvalidRequestError,
  MalformedError,
  ModelNotFoundError,
  OverloadedError,
  QuotaExhaustedError,
  RateLimitedError,
  ResetError,
  ServerError,
  StreamInterrupted,
  TimeoutError,
  UnsupportedError,
} from "./errors.js";
export { type AssistantMessage, Embeddings, type OpenaiObject, Reply } from "./reply.js";
export type * from "./status.js";
export { Stream, SyncStream } from "./stream.js";
export type * from "./types.js";

/** The version of the package. */
export const version: string = native.VERSION;
