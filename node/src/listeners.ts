// How a client's events reach its listeners: the core puts them into a feed and goes on; they are taken from there when
// the event loop is free. Waiting for them does not keep the process.
import { cancel, expect, ready } from "./bridge.js";
import { attempt, failure } from "./errors.js";
import type * as Binding from "./binding.js";
import type { Event } from "./status.js";

export type Listener = (event: Event) => unknown;

interface Batch {
  readonly dropped: number;
  readonly events: Event[];
}

/** Gives one client's events to its listeners. Does not hold the client, and ends with it. */
export class Listeners {
  readonly #feed: Binding.EventFeed;
  readonly #listeners = new Set<Listener>();
  #ticket: number | undefined;

  constructor(feed: Binding.EventFeed) {
    this.#feed = feed;
    this.#drain();
  }

  add(listener: Listener): void {
    this.#listeners.add(listener);
  }

  delete(listener: Listener): void {
    this.#listeners.delete(listener);
  }

  /** Delivers what is there now. The client is closed: what its calls under way still do is told later. */
  flush(): void {
    if (this.#ticket !== undefined) {
      cancel(this.#ticket);
      this.#drain();
    }
  }

  #drain(): void {
    this.#ticket = undefined;
    for (;;) {
      const next = attempt(() => this.#feed.next(ready));
      if (typeof next === "number") {
        this.#ticket = next;
        expect(next, (failed, value) => {
          if (failed) {
            throw failure(value as string);
          }
          if (value !== null) {
            this.#deliver(value as string);
            this.#drain();
          }
        });
        return;
      }
      if (next === null) {
        return;
      }
      this.#deliver(next);
    }
  }

  #deliver(text: string): void {
    const { dropped, events } = JSON.parse(text) as Batch;
    if (dropped > 0 && events[0]) {
      this.#tell({ type: "events_dropped", at: events[0].at, request: null, count: dropped });
    }
    for (const event of events) {
      this.#tell(event);
    }
  }

  #tell(event: Event): void {
    for (const listener of this.#listeners) {
      try {
        const returned = listener(event);
        if (returned instanceof Promise) {
          returned.catch(warn);
        }
      } catch (error) {
        warn(error);
      }
    }
  }
}

/** Nobody can catch what a listener throws. */
function warn(error: unknown): void {
  const warning = new Error(`a listener of hotspare's events threw: ${String(error)}`, { cause: error });
  warning.name = "HotspareWarning";
  process.emitWarning(warning);
}
