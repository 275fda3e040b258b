import type * as Binding from "./binding.js";
import { outcome, ready } from "./bridge.js";
import { attempt, CancelledError } from "./errors.js";
import { Reply } from "./reply.js";
import type { StreamEvent } from "./types.js";

type Step = IteratorResult<StreamEvent, undefined>;

const DONE: Step = { done: true, value: undefined };

/** The events that came at once, of which the last may be the end. */
function read(text: string): StreamEvent[] {
  const events = JSON.parse(text) as StreamEvent[];
  const last = events.length - 1;
  const end = events[last];
  if (end?.type === "finish") {
    events[last] = { ...end, reply: new Reply(end.reply) };
  }
  return events;
}

function finished(events: readonly StreamEvent[]): Reply | null {
  const end = events.at(-1);
  return end?.type === "finish" ? end.reply : null;
}

/** Takes its listener off a signal that outlives a stream that was let go of. */
const abandoned = new FinalizationRegistry<() => void>((forget) => {
  forget();
});

/** The events of a reply, as they come. The first read opens it. Leaving a `for await` loop, `close()`, an abort, or
 * letting go of it closes the connection to the vendor at once. */
export class Stream implements AsyncIterableIterator<StreamEvent> {
  #open: (() => Binding.Events) | null;
  #events: Binding.Events | null = null;
  #batch: StreamEvent[] = [];
  #next = 0;
  #reply: Reply | null = null;
  #closed = false;
  /** What ended it, until a reader has been told. */
  #untold: { readonly reason: unknown } | null = null;
  /** The same, for `final`. */
  #failure: { readonly reason: unknown } | null = null;
  /** The last of the reads that wait. */
  #reading: Promise<unknown> | null = null;
  readonly #signal: AbortSignal | null;
  #forget: (() => void) | null = null;

  /** @internal */
  constructor(open: () => Binding.Events, signal: AbortSignal | null | undefined) {
    this.#open = open;
    this.#signal = signal ?? null;
  }

  /** The target that answers; null before the first content. */
  get target(): string | null {
    return this.#reply?.target ?? this.#events?.target ?? null;
  }

  /** The whole reply, once the stream has finished. */
  get reply(): Reply | null {
    return this.#reply;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Step> {
    const event = this.#batch[this.#next];
    if (event !== undefined && this.#reading === null) {
      this.#next += 1;
      return Promise.resolve({ done: false, value: event });
    }
    // Reads are answered in their order.
    const before = this.#reading;
    const read = before === null ? this.#read() : before.then(() => this.#read());
    const settled = read.then(ignore, ignore);
    this.#reading = settled;
    void settled.then(() => {
      if (this.#reading === settled) {
        this.#reading = null;
      }
    });
    return read;
  }

  async #read(): Promise<Step> {
    for (;;) {
      if (this.#untold !== null) {
        const { reason } = this.#untold;
        this.#untold = null;
        throw reason;
      }
      const event = this.#batch[this.#next];
      if (event !== undefined) {
        this.#next += 1;
        return { done: false, value: event };
      }
      if (this.#closed) {
        return DONE;
      }
      await this.#fill();
    }
  }

  /** Waits for more events, or the end. */
  async #fill(): Promise<void> {
    try {
      const events = this.#opened();
      if (events === null) {
        return;
      }
      let next = attempt(() => events.next(ready));
      if (typeof next === "number") {
        next = (await outcome(next)) as string | null;
      }
      if (this.#closed) {
        return;
      }
      if (next === null) {
        this.#end();
        return;
      }
      this.#batch = read(next);
      this.#next = 0;
      this.#reply = finished(this.#batch);
    } catch (error) {
      this.#fail(error);
    }
  }

  #opened(): Binding.Events | null {
    if (this.#open !== null) {
      const open = this.#open;
      this.#open = null;
      const signal = this.#signal;
      signal?.throwIfAborted();
      this.#events = attempt(open);
      if (signal !== null) {
        // A signal may outlive the stream, and must not hold it.
        const weak = new WeakRef(this);
        const abort = () => {
          const stream = weak.deref();
          if (stream !== undefined) {
            stream.#fail(signal.reason);
          }
        };
        signal.addEventListener("abort", abort, { once: true });
        this.#forget = () => {
          signal.removeEventListener("abort", abort);
        };
        abandoned.register(this, this.#forget, this);
      }
    }
    return this.#events;
  }

  #fail(reason: unknown): void {
    if (!this.#closed) {
      this.#failure = this.#untold = { reason };
      this.#end();
    }
  }

  #end(): void {
    this.#closed = true;
    this.#open = null;
    this.#batch = [];
    this.#next = 0;
    this.#events?.close();
    if (this.#forget !== null) {
      abandoned.unregister(this);
      this.#forget();
      this.#forget = null;
    }
  }

  /** Reads the rest, and gives the whole reply. */
  async final(): Promise<Reply> {
    while ((await this.next()).done !== true) {
      // What matters is the last one.
    }
    if (this.#reply !== null) {
      return this.#reply;
    }
    throw this.#failure === null
      ? new CancelledError("the stream was closed before it had finished", { code: "cancelled", class: "cancelled" })
      : this.#failure.reason;
  }

  /** The events as a `ReadableStream`, which reads only when it is read. Cancelling it closes the connection. */
  toReadableStream(): ReadableStream<StreamEvent> {
    return new ReadableStream<StreamEvent>(
      {
        pull: async (controller) => {
          const step = await this.next();
          if (step.done === true) {
            controller.close();
          } else {
            controller.enqueue(step.value);
          }
        },
        cancel: () => {
          this.close();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** Closes the connection to the vendor now. */
  close(): void {
    if (!this.#closed) {
      this.#end();
    }
  }

  return(): Promise<Step> {
    this.close();
    return Promise.resolve(DONE);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }
}

function ignore(): void {
  // Whoever reads is told.
}

/** The events of a reply, as they come, each read blocking the thread. Leaving a `for` loop, `close()`, or letting go of
 * it closes the connection to the vendor at once. */
export class SyncStream implements IterableIterator<StreamEvent> {
  readonly #events: Binding.Events;
  #batch: StreamEvent[] = [];
  #next = 0;
  #reply: Reply | null = null;

  /** @internal */
  constructor(events: Binding.Events) {
    this.#events = events;
  }

  /** The target that answers. */
  get target(): string | null {
    return this.#reply?.target ?? this.#events.target;
  }

  /** The whole reply, once the stream has finished. */
  get reply(): Reply | null {
    return this.#reply;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): Step {
    if (this.#next === this.#batch.length) {
      const text = attempt(() => this.#events.nextSync());
      if (text === null) {
        return DONE;
      }
      this.#batch = read(text);
      this.#next = 0;
      this.#reply = finished(this.#batch);
    }
    const event = this.#batch[this.#next];
    this.#next += 1;
    return event === undefined ? DONE : { done: false, value: event };
  }

  /** Closes the connection to the vendor now. */
  close(): void {
    this.#batch = [];
    this.#next = 0;
    this.#events.close();
  }

  return(): Step {
    this.close();
    return DONE;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
