/**
 * Each failure that fails over: what the primary does, and what is said of it. `primary` is laid over the primary in the
 * simulator's script (`embedPrimary` where vectors are asked for), `provider` over it in the config, `route` over the route, and `facts` are the client's catalog.
 */

/** A fault or error that never ends. */
function always(step) {
  return { phases: [{ step }] };
}

const WINDOWS = { primary: { m: { context_window: 8_000 } }, backup: { m: { context_window: 1_000_000 } } };

export const FAILURES = {
  "connect": { primary: { refuse: true }, code: "connect" },
  "reset": { primary: always({ fault: "reset_before_head" }), code: "reset" },
  "silence": {
    primary: always({ fault: "hang" }),
    // Long enough for the backup on a busy machine.
    route: { timeouts: { total: "20s", attempt: "1500ms", first_token: "1500ms", idle: "1500ms", reserve: "5s" } },
    code: "timeout",
  },
  "server 500": { primary: always({ status: 500 }), code: "server" },
  "overloaded 503": { primary: always({ status: 503 }), code: "overloaded" },
  "overloaded 529": { primary: always({ status: 529 }), code: "overloaded" },
  "rate limited": {
    primary: always({ error: "rate_limit", headers: { "retry-after": "60" } }),
    code: "rate_limited",
  },
  "quota": { primary: always({ error: "insufficient_quota" }), code: "quota_exhausted" },
  "authentication": {
    primary: { keys: ["another-key"] },
    route: { failover_on: ["authentication"] },
    code: "authentication",
  },
  "model not found": { primary: always({ error: "model_not_found" }), code: "model_not_found" },
  "context length": { primary: always({ error: "context_length" }), facts: WINDOWS, code: "context_length" },
  "filtered": {
    primary: always({ error: "content_filter" }),
    route: { failover_on: ["content_filtered"] },
    code: "content_filtered",
  },
  "html in 200": { primary: always({ fault: "html" }), code: "malformed" },
  "cut off": { primary: always({ fault: "cut", after_chunks: 0 }), code: "malformed" },
  // All programs send it; of vectors, Anthropic has none.
  "unsupported": {
    provider: { refuses: ["max_tokens"] },
    embedPrimary: { dialect: "anthropic_messages" },
    code: "unsupported",
  },
};
