// Requests as a vendor's SDK sends them, answered in the vendor's format. What `fetch` is made of.
import type * as Binding from "./binding.js";
import { outcome, ready } from "./bridge.js";
import { attempt, CancelledError } from "./errors.js";
import type { ChunkFeed, HttpAnswer, HttpAsk, Serve } from "./fetch.js";

/** Asks `client`. */
export function serve(client: Binding.Client, ask: HttpAsk): ReturnType<Serve> {
  const served = attempt(() => client.serve(ask.method, ask.path, ask.headers.flat(), ask.body));
  let answered = false;
  return {
    answer: answer(served).finally(() => {
      answered = true;
    }),
    cancel: () => {
      if (!answered) {
        served.close();
      }
    },
  };
}

async function answer(served: Binding.Served): Promise<HttpAnswer> {
  let head = attempt(() => served.head(ready));
  if (typeof head === "number") {
    head = (await outcome(head)) as Binding.ServedHead | null;
  }
  if (head === null) {
    throw new CancelledError("the call was stopped", { code: "cancelled", class: "cancelled" });
  }
  return {
    status: head.status,
    headers: JSON.parse(head.headers) as [string, string][],
    body: (head.whole as Uint8Array<ArrayBuffer> | null | undefined) ?? new Chunks(served),
  };
}

class Chunks implements ChunkFeed {
  readonly #served: Binding.Served;

  constructor(served: Binding.Served) {
    this.#served = served;
  }

  async next(): Promise<Uint8Array<ArrayBuffer> | null> {
    const next = attempt(() => this.#served.next(ready));
    return (typeof next === "number" ? await outcome(next) : next) as Uint8Array<ArrayBuffer> | null;
  }

  close(): void {
    this.#served.close();
  }
}
