// `fetch` without a socket: what a vendor's SDK would send over HTTP is answered by the client, with failover, in the
// vendor's own format.
import type { ReadableByteStreamController, UnderlyingByteSource } from "node:stream/web";

/** A request as the core takes it. */
export interface HttpAsk {
  /** In capitals. */
  readonly method: string;
  /** The path of the URL, with its query. */
  readonly path: string;
  /** Names in small letters. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string | Uint8Array | null;
}

/** A reply's head, and its body: whole, or as chunks. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array<ArrayBuffer> | ChunkFeed;
}

/** A streamed body. Dropping it closes the connection upstream, as `close` does. */
export interface ChunkFeed {
  /** All that is ready, or null at the end. */
  next(): Promise<Uint8Array<ArrayBuffer> | null>;
  close(): void;
}

/** Asks the core. `cancel` ends a call that has no answer yet, and does nothing later. */
export type Serve = (ask: HttpAsk) => { readonly answer: Promise<HttpAnswer>; readonly cancel: () => void };

/** A `fetch` that is answered by `serve`. */
export function createFetch(serve: Serve): typeof globalThis.fetch {
  return async function fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    const { url, method, headers, body, signal } = read(input, init);
    signal?.throwIfAborted();
    const held = body instanceof ReadableStream ? await collect(body, signal) : body;
    const { answer, cancel } = serve({ method, path: url.pathname + url.search, headers: [...headers], body: held });
    const { promise, stop } = untilAborted(answer, signal, cancel);
    try {
      return respond(await promise, url, signal);
    } finally {
      stop();
    }
  };
}

interface Read {
  readonly url: URL;
  readonly method: string;
  readonly headers: Headers;
  readonly body: string | Uint8Array | ReadableStream<Uint8Array> | null;
  readonly signal: AbortSignal | undefined;
}

function read(input: string | URL | Request, init: RequestInit = {}): Read {
  const body = init.body ?? null;
  const plain = body === null || typeof body === "string" || body instanceof Uint8Array;
  if (!plain || input instanceof Request) {
    const request = new Request(input, init);
    const { method, headers, signal } = request;
    return { url: new URL(request.url), method, headers, body: request.body, signal };
  }
  // What SDKs send is read here: a Request would cost more than the whole call.
  const method = (init.method ?? "GET").toUpperCase();
  if (body !== null && (method === "GET" || method === "HEAD")) {
    throw new TypeError("Request with GET/HEAD method cannot have body.");
  }
  const headers = init.headers instanceof Headers ? init.headers : new Headers(init.headers);
  return { url: new URL(input), method, headers, body, signal: init.signal ?? undefined };
}

/** The whole of a request's body. */
async function collect(body: ReadableStream<Uint8Array>, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const reader = body.getReader();
  const chunks: Uint8Array[] = [];
  const cancel = (): void => void reader.cancel(signal?.reason).catch(() => undefined);
  const { promise, stop } = untilAborted(drain(reader, chunks), signal, cancel);
  try {
    await promise;
  } finally {
    stop();
  }
  return Buffer.concat(chunks);
}

async function drain(reader: ReadableStreamDefaultReader<Uint8Array>, chunks: Uint8Array[]): Promise<void> {
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    chunks.push(value);
  }
}

/** `promise`, unless `signal` comes first: then `cancel` is called, and the signal's reason is the error. */
function untilAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  cancel: () => void,
): { readonly promise: Promise<T>; readonly stop: () => void } {
  if (signal === undefined) return { promise, stop: () => undefined };
  let abort!: () => void;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => {
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- it is whatever the caller gave
      reject(signal.reason);
      cancel();
    };
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
  });
  return {
    promise: Promise.race([promise, aborted]),
    stop: () => {
      signal.removeEventListener("abort", abort);
    },
  };
}

const EMPTY = new Set([204, 205, 304]);

function respond(answer: HttpAnswer, url: URL, signal: AbortSignal | undefined): Response {
  const { status, body } = answer;
  if (signal?.aborted) {
    if (!(body instanceof Uint8Array)) body.close();
    throw signal.reason;
  }
  const content = body instanceof Uint8Array ? body : new Body(body, signal).stream;
  const response = new Response(EMPTY.has(status) ? null : content, {
    status,
    headers: answer.headers as [string, string][],
  });
  // A Response that is made has no URL, and SDKs name it in their logs.
  Object.defineProperty(response, "url", { value: url.href, configurable: true });
  return response;
}

/** A streamed body: read only as fast as it is read here, and closed when it is cancelled, aborted or forgotten. */
class Body implements UnderlyingByteSource {
  readonly type = "bytes";
  readonly stream: ReadableStream<Uint8Array>;
  readonly #feed: ChunkFeed;
  readonly #listener: AbortListener | undefined;
  #controller: ReadableByteStreamController | undefined;

  constructor(feed: ChunkFeed, signal: AbortSignal | undefined) {
    this.#feed = feed;
    this.#listener = signal && new AbortListener(this, signal);
    this.stream = new ReadableStream(this);
  }

  start(controller: ReadableByteStreamController): void {
    this.#controller = controller;
  }

  async pull(controller: ReadableByteStreamController): Promise<void> {
    const chunk = await this.#feed.next();
    if (this.#controller === undefined) return;
    if (chunk !== null) {
      controller.enqueue(chunk);
      return;
    }
    this.#end();
    controller.close();
    // A reader that lent its own buffer is waiting for it.
    controller.byobRequest?.respond(0);
  }

  cancel(): void {
    this.#end();
    this.#feed.close();
  }

  abort(reason: unknown): void {
    this.#controller?.error(reason);
    this.cancel();
  }

  #end(): void {
    this.#controller = undefined;
    this.#listener?.remove();
  }
}

/** Listens for a body without keeping it: a signal may live as long as the process. */
class AbortListener {
  static readonly #forgotten = new FinalizationRegistry<AbortListener>((listener) => {
    listener.remove();
  });
  readonly #body: WeakRef<Body>;
  readonly #signal: AbortSignal;
  readonly #abort = (): void => this.#body.deref()?.abort(this.#signal.reason);

  constructor(body: Body, signal: AbortSignal) {
    this.#body = new WeakRef(body);
    this.#signal = signal;
    AbortListener.#forgotten.register(body, this, this);
    signal.addEventListener("abort", this.#abort, { once: true });
  }

  remove(): void {
    AbortListener.#forgotten.unregister(this);
    this.#signal.removeEventListener("abort", this.#abort);
  }
}
