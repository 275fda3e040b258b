import type * as Binding from "./binding.js";
import { call, ready } from "./bridge.js";
import { attempt } from "./errors.js";
import { type Listener, Listeners } from "./listeners.js";
import { native } from "./native.js";
import { Embeddings, Reply } from "./reply.js";
import { encodeChat, encodeSource, encodeTexts } from "./request.js";
import type { Event, Explanation, Status } from "./status.js";
import { Stream, SyncStream } from "./stream.js";
import type { Abortable, ChatOptions, EmbedOptions, Messages, Source } from "./types.js";

/** Many providers behind one call. It keeps connections, so make one and share it. */
export class Client {
  #native: Binding.Client | null;
  #listeners: Listeners | null = null;

  private constructor(client: Binding.Client) {
    this.#native = client;
  }

  /** Makes a client of a TOML or JSON file, a config, or nothing but targets. Rejects with a `ConfigError` that lists
   * every problem. */
  static async open(source: Source): Promise<Client> {
    const [kind, value] = encodeSource(source);
    return new Client((await call(() => native.startOpen(ready, kind, value))) as Binding.Client);
  }

  /** The same, blocking the thread. */
  static openSync(source: Source): Client {
    const [kind, value] = encodeSource(source);
    return new Client(attempt(() => native.openSync(kind, value)));
  }

  #alive(): Binding.Client {
    if (this.#native === null) {
      throw new Error("the client is closed");
    }
    return this.#native;
  }

  /** The whole reply. */
  async chat(messages: Messages, options: ChatOptions & Abortable = {}): Promise<Reply> {
    const client = this.#alive();
    const request = encodeChat(messages, options);
    const text = await call(() => client.startChat(ready, request), options.signal);
    return new Reply(JSON.parse(text as string) as Reply);
  }

  /** The reply as a stream, opened by its first read; it is not awaited itself. */
  stream(messages: Messages, options: ChatOptions & Abortable = {}): Stream {
    const client = this.#alive();
    const request = encodeChat(messages, options);
    return new Stream(() => client.open(request), options.signal);
  }

  /** The vectors of texts, in their order. More texts than a vendor takes at once go out in parts, one after the other,
   * within one deadline. */
  async embed(texts: string | readonly string[], options: EmbedOptions & Abortable = {}): Promise<Embeddings> {
    const client = this.#alive();
    const request = encodeTexts(texts, options);
    const text = await call(() => client.startEmbed(ready, request), options.signal);
    return new Embeddings(JSON.parse(text as string) as Embeddings);
  }

  /** The whole reply. Blocks the thread: for scripts, not for servers. */
  chatSync(messages: Messages, options: ChatOptions = {}): Reply {
    const client = this.#alive();
    const request = encodeChat(messages, options);
    return new Reply(JSON.parse(attempt(() => client.chatSync(request))) as Reply);
  }

  /** The reply as a stream. Returns once the first content is there: until then failures are silent. Blocks the thread:
   * for scripts, not for servers. */
  streamSync(messages: Messages, options: ChatOptions = {}): SyncStream {
    const client = this.#alive();
    const request = encodeChat(messages, options);
    const events = attempt(() => client.open(request));
    attempt(() => {
      events.openSync();
    });
    return new SyncStream(events);
  }

  /** The vectors of texts, in their order. Blocks the thread: for scripts, not for servers. */
  embedSync(texts: string | readonly string[], options: EmbedOptions = {}): Embeddings {
    const client = this.#alive();
    const request = encodeTexts(texts, options);
    return new Embeddings(JSON.parse(attempt(() => client.embedSync(request))) as Embeddings);
  }

  /** What is known now of targets and keys: breakers, limits, latencies, errors, money. Changes nothing. */
  status(): Status {
    const client = this.#alive();
    return JSON.parse(attempt(() => client.status())) as Status;
  }

  /** What `chat` would do with these arguments, with a reason for every target in or out. Nothing is sent. */
  explain(messages: Messages, options: ChatOptions = {}): Explanation {
    const client = this.#alive();
    const request = encodeChat(messages, options);
    return JSON.parse(attempt(() => client.explain(request))) as Explanation;
  }

  /** Takes targets out of use until `release`: a target (`openai/gpt-4o-mini`), or all of a provider (`openai`,
   * `openai/*`). Calls under way go on. Returns how many targets that are; throws an `InvalidRequestError` when there is
   * none. */
  hold(name: string): number {
    const client = this.#alive();
    return attempt(() => client.hold(name));
  }

  /** Gives targets back to their breakers, named as for `hold`. */
  release(name: string): number {
    const client = this.#alive();
    return attempt(() => client.release(name));
  }

  /** Keeps targets in use whatever they do, until `release`, named as for `hold`: their breakers stay closed. */
  forceClosed(name: string): number {
    const client = this.#alive();
    return attempt(() => client.forceClosed(name));
  }

  /** Puts facts on models over those of the build and of the config: prices, windows, what a model takes. An object, or
   * TOML or JSON text, by provider and model; it stands in place of what an earlier call of this said. Calls that begin
   * from now on go by it. Throws a `ConfigError` with every problem, and changes nothing then. */
  updateCatalog(facts: string | object): void {
    const client = this.#alive();
    const text = typeof facts === "string" ? facts : JSON.stringify(facts);
    attempt(() => {
      client.updateCatalog(text);
    });
  }

  /** Calls `listener` with every attempt, decision and change of state from now on. No call waits for it: when it is too
   * slow for long, the oldest events are dropped, which an `events_dropped` event tells. What it throws becomes a
   * warning of the process. */
  on(_name: "event", listener: (event: Event) => unknown): this {
    const client = this.#alive();
    this.#listeners ??= new Listeners(attempt(() => client.listen()));
    this.#listeners.add(listener satisfies Listener);
    return this;
  }

  /** Calls `listener` no more. */
  off(_name: "event", listener: (event: Event) => unknown): this {
    this.#listeners?.delete(listener satisfies Listener);
    return this;
  }

  /** Lets go of the connections. Calls and streams under way go on. */
  close(): Promise<void> {
    this.#native?.close();
    this.#native = null;
    this.#listeners?.flush();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
