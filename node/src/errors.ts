// The errors. Each failure class has one of its own, and all of them are `HotspareError`.
import type { Attempt, ErrorCode, FailureClass, PartialReply, Phase } from "./types.js";

/** What an error knows, beside its message. */
export interface ErrorFields {
  readonly code?: ErrorCode;
  readonly class?: FailureClass | null;
  readonly status?: number | null;
  readonly retryAfter?: number | null;
  readonly target?: string | null;
  readonly phase?: Phase | null;
  readonly maybeSent?: boolean;
  readonly vendorCode?: string | null;
  readonly requestId?: string | null;
  readonly costMinUsd?: number;
  readonly costMaxUsd?: number | null;
  readonly trail?: readonly Attempt[];
  readonly partial?: PartialReply | null;
  readonly last?: HotspareError | null;
}

/** Every error of a call. `message` is one line for a person; the fields are for code. */
export class HotspareError extends Error {
  /** The stable code, as in `rate_limited`; the same in every language. */
  readonly code: ErrorCode;
  /** The failure class of the (last) failure. */
  readonly class: FailureClass | null;
  /** HTTP status of the (last) failure. */
  readonly status: number | null;
  /** Seconds after which a target asked to be called again. */
  readonly retryAfter: number | null;
  /** The target of the last attempt, `provider/model`. */
  readonly target: string | null;
  /** How far the last attempt had come. */
  readonly phase: Phase | null;
  /** Whether any attempt may have reached a vendor, and so may be billed. */
  readonly maybeSent: boolean;
  /** The vendor's own code or type of the (last) failure. */
  readonly vendorCode: string | null;
  /** The vendor's request id of the (last) failure. */
  readonly requestId: string | null;
  /** US dollars of all attempts at least. */
  readonly costMinUsd: number;
  /** US dollars of all attempts at most; null when a price is unknown. */
  readonly costMaxUsd: number | null;
  /** Every attempt, in order. */
  readonly trail: readonly Attempt[];
  /** What had come, when a stream broke. */
  readonly partial: PartialReply | null;
  /** The last failure as an error of its own, when this error stands for more than one. */
  declare readonly cause: HotspareError | undefined;

  constructor(message = "", fields: ErrorFields = {}) {
    super(message, fields.last ? { cause: fields.last } : undefined);
    this.code = fields.code ?? "internal";
    this.class = fields.class ?? null;
    this.status = fields.status ?? null;
    this.retryAfter = fields.retryAfter ?? null;
    this.target = fields.target ?? null;
    this.phase = fields.phase ?? null;
    this.maybeSent = fields.maybeSent ?? false;
    this.vendorCode = fields.vendorCode ?? null;
    this.requestId = fields.requestId ?? null;
    this.costMinUsd = fields.costMinUsd ?? 0;
    this.costMaxUsd = fields.costMaxUsd === undefined ? 0 : fields.costMaxUsd;
    this.trail = fields.trail ?? [];
    this.partial = fields.partial ?? null;
  }

  /** `cause`, in the word of the other languages. */
  get last(): HotspareError | null {
    return this.cause ?? null;
  }
}

/** The config is wrong; the message lists every problem with its place. */
export class ConfigError extends HotspareError {}

/** Every target of the route failed. `cause` is the last failure, `trail` has all. */
export class AllTargetsFailed extends HotspareError {
  declare readonly cause: HotspareError;
}

/** A stream broke after content had come. `partial` is what had come, `cause` is what broke it. */
export class StreamInterrupted extends HotspareError {
  declare readonly cause: HotspareError;
  declare readonly partial: PartialReply;
}

/** A bug in hotspare, caught. Please report it. */
export class InternalError extends HotspareError {}

/** DNS, TCP or TLS failed: the request was never sent. */
export class ConnectError extends HotspareError {}

/** The connection was lost before the response began. */
export class ResetError extends HotspareError {}

/** The time for the first token, the next token, or the attempt ran out. */
export class TimeoutError extends HotspareError {}

/** The vendor failed: 500, 502, 504, or its own word for it. */
export class ServerError extends HotspareError {}

/** The vendor is too busy. */
export class OverloadedError extends HotspareError {}

/** A rate limit that clears by waiting; see `retryAfter`. */
export class RateLimitedError extends HotspareError {}

/** Money or a long quota is used up. */
export class QuotaExhaustedError extends HotspareError {}

/** The key is missing, wrong, revoked, or not allowed to do this. */
export class AuthenticationError extends HotspareError {}

/** The vendor does not know the model. */
export class ModelNotFoundError extends HotspareError {}

/** The prompt does not fit the model's window. */
export class ContextLengthError extends HotspareError {}

/** The prompt was refused by a content filter. */
export class ContentFilteredError extends HotspareError {}

/** The request is wrong, whoever answers it. */
export class InvalidRequestError extends HotspareError {}

/** The answer cannot be understood, or ended without its terminal marker. */
export class MalformedError extends HotspareError {}

/** The request asks for something the target has no equal for. */
export class UnsupportedError extends HotspareError {}

/** Your own spend cap. */
export class BudgetExceededError extends HotspareError {}

/** The call was stopped. */
export class CancelledError extends HotspareError {}

const CLASSES: Readonly<Record<string, typeof HotspareError>> = {
  HotspareError,
  ConfigError,
  AllTargetsFailed,
  StreamInterrupted,
  InternalError,
  ConnectError,
  ResetError,
  TimeoutError,
  ServerError,
  OverloadedError,
  RateLimitedError,
  QuotaExhaustedError,
  AuthenticationError,
  ModelNotFoundError,
  ContextLengthError,
  ContentFilteredError,
  InvalidRequestError,
  MalformedError,
  UnsupportedError,
  BudgetExceededError,
  CancelledError,
};

for (const [name, errorClass] of Object.entries(CLASSES)) {
  // On the prototype, as with the language's own errors; and not the class's own name, which a bundler may change.
  Object.defineProperty(errorClass.prototype, "name", { value: name, configurable: true, writable: true });
}

/** An error as the addon tells it. */
interface Record_ extends Omit<ErrorFields, "last"> {
  readonly exception: string;
  readonly message: string;
  readonly last: Record_ | null;
}

function made(record: Record_): HotspareError {
  const { exception, message, last, ...fields } = record;
  const errorClass = CLASSES[exception] ?? InternalError;
  return new errorClass(message, { ...fields, last: last && made(last) });
}

/** The error of an outcome that has failed. */
export function failure(text: string): HotspareError {
  return made(JSON.parse(text) as Record_);
}

/** Calls the addon, whose own errors carry theirs in the message. */
export function attempt<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('{"exception":')) {
      throw failure(error.message);
    }
    throw error;
  }
}
