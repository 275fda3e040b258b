// Fake providers for tests: scripted replies, and scripted or random faults, on ports of 127.0.0.1.
import type * as Binding from "./binding.js";
import { attempt } from "./errors.js";
import { native } from "./native.js";

/** What one request met; `simulator/README.md` says more. Times are milliseconds since the start. */
export interface JournalEntry {
  readonly provider: string;
  readonly at_ms: number;
  readonly chat: boolean;
  readonly embed: boolean;
  readonly model: string | null;
  readonly stream: boolean;
  /** What a chat held, as its vendor reads it. */
  readonly asked: {
    readonly tools: number;
    readonly schema: boolean;
    readonly images: number;
    readonly system: boolean;
  } | null;
  /** A short hash of the key. */
  readonly key: string | null;
  readonly status: number | null;
  readonly ended_ms: number | null;
  /** How it ended; null while it goes on. */
  readonly end: "complete" | "client_disconnected" | "reset" | "cut" | "refused" | "hung" | null;
  readonly [field: string]: unknown;
}

/** Runs the providers of a script (an object, or its JSON text) until it is closed.
 *
 *     const simulator = new Simulator({ providers: { a: { dialect: "openai_chat", reply: { text: "hi" } } } });
 *     const config = { providers: { a: { dialect: "openai_chat", base_url: simulator.url("a"), keys: [] } }, … };
 */
export class Simulator {
  readonly #native: Binding.Simulator;
  /** Every provider's base URL. */
  readonly urls: Readonly<Record<string, string>>;
  /** The certificate to trust, in PEM. Null when no provider has `tls`. */
  readonly caPem: string | null;

  constructor(script: object | string) {
    const text = typeof script === "string" ? script : JSON.stringify(script);
    this.#native = attempt(() => new native.Simulator(text));
    this.urls = this.#native.urls;
    this.caPem = this.#native.caPem;
  }

  /** The base URL of a provider, as a config wants it. */
  url(provider: string): string {
    const url = this.urls[provider];
    if (url === undefined) {
      throw new RangeError(`the script has no provider ${provider}; it has ${Object.keys(this.urls).join(", ")}`);
    }
    return url;
  }

  /** What every request met, of one provider or all: by provider, then in order of arrival. */
  journal(provider?: string): JournalEntry[] {
    const entries = JSON.parse(attempt(() => this.#native.journal())) as JournalEntry[];
    return provider === undefined ? entries : entries.filter((entry) => entry.provider === provider);
  }

  /** Closes every port and connection. The journal can still be read. */
  close(): void {
    attempt(() => {
      this.#native.close();
    });
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
