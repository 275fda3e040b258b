// What `status`, `explain` and events tell. Times are seconds, money is US dollars. Nothing here holds a key, a prompt
// or an answer.
import type { Billing, BreakerState, Next } from "./types.js";

/** US dollars something may cost, or may have cost. */
export interface CostRange {
  /** At least. */
  readonly min: number;
  /** At most; null when the catalog has no price of the model. */
  readonly max: number | null;
}

/** Seconds to first content, over the last 64 answers; null before there are enough. */
export interface LatencyStatus {
  /** The median. */
  readonly p50: number | null;
  /** 19 of 20 are faster. */
  readonly p95: number | null;
  /** Peak-EWMA: rises at once, falls over a minute. */
  readonly ewma: number | null;
}

/** A failure that lies a while back. */
export interface RecentError {
  /** Seconds ago. */
  readonly ago: number;
  /** The failure class's code. */
  readonly code: string;
  /** HTTP status, when there was a response. */
  readonly status: number | null;
}

/** What is left of the retry budget. */
export interface RetryBudgetStatus {
  /** Retries and hedges that could be made now. */
  readonly left: number;
  /** The most there can be. */
  readonly most: number;
}

/** One target. */
export interface TargetStatus {
  /** `provider/model`. */
  readonly target: string;
  /** The worse of the target's own breaker and its endpoint's. */
  readonly state: BreakerState;
  /** Why, in a few words. */
  readonly why: string;
  /** Seconds it has been so. */
  readonly since: number;
  /** Seconds until it may be tried again; null unless open. */
  readonly nextProbe: number | null;
  /** Whether others of its correlation domain opened just now, so that it gets half the traffic. */
  readonly suspect: boolean;
  /** Attempts under way. */
  readonly inFlight: number;
  /** The most there may be at once; null while no limit is known. */
  readonly concurrency: number | null;
  /** Seconds to first content. */
  readonly latency: LatencyStatus;
  /** Requests that may be sent at once, with the best of its keys; null while no limit is known. */
  readonly requestsLeft: number | null;
  /** Tokens that may be used at once, with the best of its keys; null while no limit is known. */
  readonly tokensLeft: number | null;
  /** The last failures, the newest last; at most 8. */
  readonly recentErrors: readonly RecentError[];
  /** US dollars of its attempts that have ended. */
  readonly spent: CostRange;
}

/** One key. */
export interface KeyStatus {
  /** Whose. */
  readonly provider: string;
  /** Its place in the pool, from 0. */
  readonly index: number;
  /** Its fingerprint, never the key; null when it cannot be read. */
  readonly key: string | null;
  /** The account whose limits it shares. */
  readonly group: string;
  /** Whether it can be used. */
  readonly state: "open" | "parked" | "not_set";
  /** The failure class that parked it. */
  readonly code: string | null;
  /** Seconds it stays parked; null when open, or until its secret changes. */
  readonly seconds: number | null;
}

/** What a client knows now of its targets and keys. A snapshot. */
export interface Status {
  /** Seconds since the client was made. */
  readonly at: number;
  /** Every target that a route names or a request has named, by name. */
  readonly targets: readonly TargetStatus[];
  /** Every key, by provider and place in its pool. */
  readonly keys: readonly KeyStatus[];
  /** Retries and hedges that are paid for now, and the most that can be. */
  readonly retryBudget: RetryBudgetStatus;
  /** US dollars of every attempt that has ended. */
  readonly spent: CostRange;
  /** US dollars reserved for the attempts under way: their worst case, where prices are known. */
  readonly reserved: number;
  /** Requests under way. */
  readonly inFlight: number;
  /** Whether every provider refuses to connect, so that it seems to be the local network. */
  readonly localNetworkDown: boolean;
  /** Whether background requests are paused. */
  readonly paused: boolean;
}

/** One target of an `Explanation`. */
export interface ExplainedTarget {
  /** `provider/model`. */
  readonly target: string;
  /** Whether it would be called, should its turn come now. */
  readonly included: boolean;
  /** Why, in a few words. */
  readonly reason: string;
  /** The fingerprint of the key that would be used. */
  readonly key: string | null;
  /** Seconds until it may be called; null when it is open, or waiting does not help. */
  readonly opensIn: number | null;
  /** US dollars: the prompt alone at least, the longest answer at most. */
  readonly cost: CostRange;
  /** How the request would be changed to fit, one line a change. */
  readonly adapted: readonly string[];
}

/** What would be done with a request, and why. Nothing is sent. */
export interface Explanation {
  /** The route. */
  readonly route: string;
  /** Input tokens, estimated. */
  readonly inputTokens: number;
  /** The targets, in the order they would be called. */
  readonly targets: readonly ExplainedTarget[];
  /** Most attempts. */
  readonly maxAttempts: number;
  /** Seconds the whole request may take. */
  readonly timeout: number;
}

/** What all events have. */
export interface Happening {
  /** Seconds since the client was made. */
  readonly at: number;
  /** The request it belongs to, numbered from 1 in the order they began; null when it belongs to none. */
  readonly request: number | null;
}

/** A request began. */
export interface RequestStarted extends Happening {
  readonly type: "request_started";
  /** Its route. */
  readonly route: string;
  /** Whether its answer is streamed to the caller. */
  readonly stream: boolean;
}

/** An attempt goes out. */
export interface AttemptStarted extends Happening {
  readonly type: "attempt_started";
  /** `provider/model`. */
  readonly target: string;
  /** A fingerprint of the key; null when the provider has none. */
  readonly key: string | null;
  /** It races an attempt that is under way. */
  readonly hedge: boolean;
  /** It tries out a target whose breaker is half-open. */
  readonly probe: boolean;
}

/** The first content of an attempt came. */
export interface FirstContent extends Happening {
  readonly type: "first_content";
  /** `provider/model`. */
  readonly target: string;
  /** Seconds since the attempt began. */
  readonly after: number;
}

/** An attempt ended. */
export interface AttemptEnded extends Happening {
  readonly type: "attempt_ended";
  /** `provider/model`. */
  readonly target: string;
  /** A fingerprint of the key. */
  readonly key: string | null;
  /** `ok`, `cancelled` or the failure class's code. */
  readonly code: string;
  /** HTTP status, when there was a response. */
  readonly status: number | null;
  /** What is known of its bill. */
  readonly billing: Billing;
  /** US dollars it may have cost. */
  readonly cost: CostRange;
  /** What was decided then. */
  readonly next: Next;
  /** Why, in a few words. */
  readonly reason: string;
}

/** A target was not called, and why. */
export interface Skipped extends Happening {
  readonly type: "skipped";
  /** `provider/model`. */
  readonly target: string;
  /** The class that closed it. */
  readonly code: string;
  /** Why, in a few words. */
  readonly reason: string;
  /** What was decided then. */
  readonly next: Next;
}

/** Nothing can be called now: the request waits. */
export interface Waiting extends Happening {
  readonly type: "waiting";
  /** How long. */
  readonly seconds: number;
}

/** A stream broke after content had reached the caller, and goes on with another attempt. */
export interface Recovering extends Happening {
  readonly type: "recovering";
  /** From the start, or from where the text broke off. */
  readonly how: "restart" | "continue";
  /** The target that broke. */
  readonly from: string;
  /** The target that answers now. */
  readonly to: string;
}

/** A request ended. */
export interface RequestEnded extends Happening {
  readonly type: "request_ended";
  /** `ok`, `cancelled` or the error's code. */
  readonly code: string;
  /** The target that answered. */
  readonly target: string | null;
  /** Attempts that were sent or found impossible. */
  readonly attempts: number;
  /** Seconds. */
  readonly elapsed: number;
  /** US dollars of all attempts. */
  readonly cost: CostRange;
}

/** A breaker changed its state. */
export interface Breaker extends Happening {
  readonly type: "breaker";
  /** What it is the breaker of. */
  readonly scope: "target" | "endpoint" | "domain";
  /** Whose. */
  readonly name: string;
  /** What it was. */
  readonly from: BreakerState;
  /** What it is. */
  readonly to: BreakerState;
  /** Why, in a few words. */
  readonly why: string;
}

/** A key, or all keys of its account, must not be used for a while, or until its secret changes. */
export interface KeyParked extends Happening {
  readonly type: "key_parked";
  /** Whose key. */
  readonly provider: string;
  /** Its fingerprint. */
  readonly key: string | null;
  /** The class that parked it. */
  readonly code: string;
  /** The status that came with it. */
  readonly status: number | null;
  /** How long; null: until its secret changes. */
  readonly seconds: number | null;
}

/** A parked key is used again. */
export interface KeyOpened extends Happening {
  readonly type: "key_opened";
  /** Whose key. */
  readonly provider: string;
  /** Its fingerprint. */
  readonly key: string | null;
}

/** The secret of a key was read again and is another one. */
export interface KeyRenewed extends Happening {
  readonly type: "key_renewed";
  /** Whose key. */
  readonly provider: string;
  /** The new fingerprint. */
  readonly key: string | null;
}

/** A vendor's limit, or our own pacing of it, holds a target back. */
export interface Limited extends Happening {
  readonly type: "limited";
  /** `provider/model`. */
  readonly target: string;
  /** What holds it back, in a few words. */
  readonly reason: string;
  /** How long; null when it is no matter of time. */
  readonly seconds: number | null;
}

/** The vendor does not know the model: the target is passed over. */
export interface TargetParked extends Happening {
  readonly type: "target_parked";
  /** `provider/model`. */
  readonly target: string;
  /** How long; null: not by waiting. */
  readonly seconds: number | null;
}

/** Every provider refuses to connect at once, or can be reached again: no breaker moves for that. */
export interface LocalNetwork extends Happening {
  readonly type: "local_network";
  /** Whether it seems to be down. */
  readonly down: boolean;
}

/** The facts on models were changed, or were to be. */
export interface Catalog extends Happening {
  readonly type: "catalog";
  /** By whom: `file`, `url` or `app`. */
  readonly layer: string;
  /** Why they are what they were; null when they were changed. */
  readonly problem: string | null;
}

/** A free request to an endpoint came back, or did not. */
export interface Probed extends Happening {
  readonly type: "probed";
  /** The provider. */
  readonly provider: string;
  /** Whether it could be reached. */
  readonly reached: boolean;
  /** Its status. */
  readonly status: number | null;
}

/** Listeners were too slow for long: the oldest of the events that waited, those before this one, were dropped. */
export interface EventsDropped extends Happening {
  readonly type: "events_dropped";
  /** How many. */
  readonly count: number;
}

/** What a listener gets: a state change, an attempt, or a decision. `type` tells which. */
export type Event =
  | RequestStarted
  | AttemptStarted
  | FirstContent
  | AttemptEnded
  | Skipped
  | Waiting
  | Recovering
  | RequestEnded
  | Breaker
  | KeyParked
  | KeyOpened
  | KeyRenewed
  | Limited
  | TargetParked
  | LocalNetwork
  | Catalog
  | Probed
  | EventsDropped;
