/** One call of a program: a primary that fails, a backup that speaks another dialect, and what both and the client say. */

import { Client } from "../../../node/dist/index.mjs";
import { Simulator } from "../../../node/dist/simulator.mjs";

export const CHAT_DIALECTS = [
  "openai_chat",
  "openai_responses",
  "anthropic_messages",
  "gemini",
  "bedrock_converse",
  "cohere_chat",
  "ollama_chat",
];
/** Those that make vectors. */
export const EMBED_DIALECTS = ["openai_chat", "openai_responses", "gemini", "cohere_chat", "ollama_chat"];

const USAGE = { input_tokens: 20, output_tokens: 9 };

/** What both providers answer when they are well; the texts tell who it was. */
export function answers(name) {
  const call = { id: "call12345", name: "weather", arguments: '{"city":"Paris"}' };
  const text = { text: `Sunny, says the ${name}.`, usage: USAGE };
  const place = { text: `{"city":"Paris","country":"${name}"}`, usage: USAGE };
  return { text, place, call: { tool_calls: [call], usage: USAGE } };
}

/** A provider of the script. `kind` is what it is asked: `text`, `place` for JSON, or `tools`. */
export function provider(name, dialect, kind) {
  const { text, place, call } = answers(name);
  const steps = kind === "tools" ? [{ reply: call }] : [];
  return { dialect, keys: [`key-${name}`], reply: kind === "place" ? place : text, steps };
}

/**
 * Runs `use` with a client of two targets, `primary/m` and `backup/m`, whose route is laid over by `route`.
 * Gives what `use` gave, the attempts that the client told of, and the simulator's journals.
 */
export async function withClient({ script, providers = {}, route = {}, facts, config = {} }, use) {
  const simulator = new Simulator({ providers: script });
  const names = Object.keys(script);
  const placed = names.map((name) => {
    const { dialect } = script[name];
    return [name, { dialect, base_url: simulator.url(name), keys: [`key-${name}`], ...providers[name] }];
  });
  const targets = names.map((name) => `${name}/m`);
  const timeouts = { total: "20s" };
  const client = await Client.open({
    providers: Object.fromEntries(placed),
    routes: {
      default: { targets, timeouts, ...route },
      embed: { kind: "embed", same_model: "m", targets, timeouts, ...route },
    },
    standby: false,
    ...config,
  });
  try {
    if (facts !== undefined) client.updateCatalog(facts);
    const attempts = [];
    client.on("event", (event) => {
      if (event.type === "attempt_ended" || event.type === "skipped") attempts.push(event);
    });
    const value = await use(client, simulator);
    return { value, attempts, journal: (name) => simulator.journal(name).filter(({ chat, embed }) => chat || embed) };
  } finally {
    await client.close();
    simulator.close();
  }
}

/** `client.fetch`, and every reply's headers beside it. */
export function watched(client) {
  const replies = [];
  const fetch = async (...asked) => {
    const response = await client.fetch(...asked);
    replies.push(response.headers);
    return response;
  };
  return { fetch, replies };
}

/** Waits until `check` no longer throws: what a server notices, it notices a moment later. */
export async function eventually(check, limit = 10_000) {
  const until = Date.now() + limit;
  for (;;) {
    try {
      return check();
    } catch (error) {
      if (Date.now() > until) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
