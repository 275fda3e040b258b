// How scenarios call a client: by promises and async iterables, and by the sync forms.
import assert from "node:assert/strict";
import type { ChatOptions, Client } from "hotspare";
import { Program, sleep, until, type Json } from "./lab.mjs";
import { Heard, parts, timed, whole, type Call, type Came, type Mode } from "./scenario.mjs";

/** So many calls that begin now. */
export function together(client: Client, call: Call, mode: Mode, count: number): Promise<(readonly [Came, number])[]> {
  return Promise.all(Array.from({ length: count }, () => timed(() => made(client, call, mode))));
}

async function made(client: Client, call: Call, mode: Mode): Promise<Came> {
  const [messages, options] = parts(call);
  if (call.cancel_after === undefined) return answered(client, messages, options, mode);
  const caller = new AbortController();
  const gone = new Error("the caller went away");
  const timer = setTimeout(() => {
    caller.abort(gone);
  }, call.cancel_after * 1000);
  try {
    return await answered(client, messages, { ...options, signal: caller.signal }, mode);
  } catch (error) {
    if (error !== gone) throw error;
    return whole(null);
  } finally {
    clearTimeout(timer);
  }
}

async function answered(
  client: Client,
  messages: never,
  options: ChatOptions & { signal?: AbortSignal },
  mode: Mode,
): Promise<Came> {
  if (mode === "chat") return whole(await client.chat(messages, options).catch((error: unknown) => error));
  const stream = client.stream(messages, options);
  const heard = new Heard();
  try {
    for await (const event of stream) heard.hear(event);
  } catch (error) {
    return heard.came(whole(error).ended);
  }
  return heard.came(stream.reply);
}

/** A call that blocks this thread. Others at once are promises, which go on meanwhile. */
export async function blocking(
  client: Client,
  call: Call,
  mode: Mode,
  config: Json,
): Promise<readonly (readonly [Came, number])[]> {
  if (call.cancel_after !== undefined) {
    await interrupted(call, mode, config, call.cancel_after);
    return [[whole(null), call.cancel_after]];
  }
  const others = together(client, call, mode, (call.concurrent ?? 1) - 1);
  const own = await timed(() => Promise.resolve(madeSync(client, call, mode)));
  return [own, ...(await others)];
}

function madeSync(client: Client, call: Call, mode: Mode): Came {
  const [messages, options] = parts(call);
  if (mode === "chat") return whole(outcome(() => client.chatSync(messages, options)));
  const heard = new Heard();
  const ended = outcome(() => {
    const stream = client.streamSync(messages, options);
    for (const event of stream) heard.hear(event);
    return stream.reply;
  });
  return heard.came(whole(ended).ended);
}

/** What a function returns or throws. */
function outcome(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    return error;
  }
}

const CALLER = `
import { Client } from "hotspare";
const { client, mode, messages, options } = config;
const caller = Client.openSync(client);
console.log("calling");
if (mode === "chat") caller.chatSync(messages, options);
else for (const event of caller.streamSync(messages, options)) if (event.type === "finish") console.log("finished");
console.log("answered");
`;

/** A sync caller goes away with its process, by Ctrl-C. */
async function interrupted(call: Call, mode: Mode, config: Json, seconds: number): Promise<void> {
  const [messages, options] = parts(call);
  const program = new Program(CALLER, { client: config, mode, messages, options });
  await until(() => program.out !== "" || program.err !== "");
  await sleep(seconds);
  program.kill("SIGINT");
  assert.deepEqual(await program.done(), { code: null, signal: "SIGINT", out: "calling\n", err: "" });
}
