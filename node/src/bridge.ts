// How results come back from the addon: each call has a ticket, and one wake-up of the event loop brings all that are
// ready. Every environment (the main one, a worker's) has its own bridge, since each loads this module.
import { attempt, failure } from "./errors.js";
import { native } from "./native.js";

/** What becomes of a wait. */
type Settle = (failed: boolean, value: unknown) => void;

const waiting = new Map<number, Settle>();

/** Hands it to calls of the addon that answer later. */
export const ready = new native.Ready((batch) => {
  for (let index = 0; index < batch.length; index += 3) {
    const ticket = batch[index] as number;
    const settle = waiting.get(ticket);
    if (settle) {
      waiting.delete(ticket);
      settle(batch[index + 1] as boolean, batch[index + 2]);
    }
  }
});

/** Calls `settle` with what comes under a ticket. */
export function expect(ticket: number, settle: Settle): void {
  waiting.set(ticket, settle);
}

/** Waits no longer; a call is stopped. */
export function cancel(ticket: number): void {
  waiting.delete(ticket);
  ready.cancel(ticket);
}

class Failed {
  constructor(readonly text: string) {}
}

/** What comes under a ticket. An abort stops the call, and rejects with the signal's reason. */
export async function outcome(ticket: number, signal?: AbortSignal | null): Promise<unknown> {
  const came = await new Promise<unknown>((resolve, reject) => {
    const settle: Settle = (failed, value) => {
      resolve(failed ? new Failed(value as string) : value);
    };
    if (!signal) {
      expect(ticket, settle);
      return;
    }
    const abort = () => {
      cancel(ticket);
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- it is whatever the caller gave
      reject(signal.reason);
    };
    signal.addEventListener("abort", abort, { once: true });
    expect(ticket, (failed, value) => {
      signal.removeEventListener("abort", abort);
      settle(failed, value);
    });
  });
  if (came instanceof Failed) {
    // Made here, so that its stack tells who called.
    throw failure(came.text);
  }
  return came;
}

/** The outcome of the call that `start` starts. */
export async function call(start: () => number, signal?: AbortSignal | null): Promise<unknown> {
  signal?.throwIfAborted();
  return outcome(attempt(start), signal);
}
