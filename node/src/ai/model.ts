import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
  LanguageModelV4StreamResult,
} from "@ai-sdk/provider" with { "resolution-mode": "import" };
import type { ReadableStreamDefaultController, UnderlyingSource } from "node:stream/web";

import type { Client } from "../client.js";
import { HotspareError } from "../errors.js";
import type { Stream } from "../stream.js";
import type { Abortable, ChatOptions, StreamEvent } from "../types.js";
import { callError, unsupported } from "./errors.js";
import { Parts } from "./parts.js";
import { type Asked, askedOf } from "./request.js";
import { adaptions, contentOf, finishOf, metadataOf, responseOf, usageOf } from "./result.js";

/** What a stream does when its answer begins anew: see `HotspareSettings.onRestart`. */
export type OnRestart = "error" | "mark";

/** A route, or one target, as a language model of the AI SDK. */
export class HotspareLanguageModel implements LanguageModelV4 {
  /** The version of the AI SDK's specification. */
  readonly specificationVersion = "v4";
  /** Whose model it is, for the SDK's logs. */
  readonly provider = "hotspare";
  /** The route's name, or the target as `provider/model`. */
  readonly modelId: string;
  /** None: the SDK then fetches files itself, so that every target can be sent them. */
  readonly supportedUrls: Record<string, RegExp[]> = {};
  readonly #client: Client;
  readonly #onRestart: OnRestart;

  /** Made by `createHotspare`. */
  constructor(client: Client, route: string, onRestart: OnRestart) {
    this.modelId = route;
    this.#client = client;
    this.#onRestart = onRestart;
  }

  /** A whole answer. */
  async doGenerate(call: LanguageModelV4CallOptions): Promise<LanguageModelV4GenerateResult> {
    const asked = askedOf(call);
    const body = this.#body(asked);
    try {
      const reply = await this.#client.chat(asked.messages, this.#options(asked, call));
      return {
        content: contentOf(reply),
        finishReason: finishOf(reply),
        usage: usageOf(reply.usage),
        providerMetadata: metadataOf(reply),
        request: { body },
        response: responseOf(reply),
        warnings: [...asked.warnings, ...adaptions(reply.trail)],
      };
    } catch (error) {
      throw callError(error, this.modelId, body);
    }
  }

  /** A streamed answer, once its first content is there. */
  async doStream(call: LanguageModelV4CallOptions): Promise<LanguageModelV4StreamResult> {
    const asked = askedOf(call);
    const body = this.#body(asked);
    const events = this.#client.stream(asked.messages, this.#options(asked, call));
    const wrap = (error: unknown): unknown => callError(error, this.modelId, body);
    const answer = new Answer(events, wrap, this.#onRestart, asked.warnings);
    await answer.open();
    return { stream: new ReadableStream(answer, { highWaterMark: 0 }), request: { body } };
  }

  #options(asked: Asked, call: LanguageModelV4CallOptions): ChatOptions & Abortable {
    return { ...asked.options, route: this.modelId, signal: call.abortSignal };
  }

  #body({ messages, options }: Asked): unknown {
    return { ...options, route: this.modelId, messages };
  }
}

/** The source of a stream's parts: an event is taken when a part is asked for. */
class Answer implements UnderlyingSource<LanguageModelV4StreamPart> {
  readonly #stream: Stream;
  readonly #events: AsyncIterator<StreamEvent, undefined>;
  readonly #wrap: (error: unknown) => unknown;
  readonly #onRestart: OnRestart;
  readonly #parts = new Parts();
  #ready: LanguageModelV4StreamPart[];

  constructor(stream: Stream, wrap: (error: unknown) => unknown, onRestart: OnRestart, warnings: Asked["warnings"]) {
    this.#stream = stream;
    this.#events = stream[Symbol.asyncIterator]();
    this.#wrap = wrap;
    this.#onRestart = onRestart;
    this.#ready = [{ type: "stream-start", warnings }];
  }

  /** Waits for the first content, so that a call that every target fails is an error of the call. */
  async open(): Promise<void> {
    try {
      await this.#take();
    } catch (error) {
      throw this.#wrap(error);
    }
  }

  async pull(controller: ReadableStreamDefaultController<LanguageModelV4StreamPart>): Promise<void> {
    while (this.#ready.length === 0) {
      try {
        if (!(await this.#take())) {
          controller.close();
          return;
        }
      } catch (error) {
        // What is no failure of a target, such as an abort, ends the stream itself, as the SDK expects.
        if (!(error instanceof HotspareError)) throw error;
        this.#ready = this.#parts.broken(this.#wrap(error), error.partial?.usage);
      }
    }
    for (const part of this.#ready) controller.enqueue(part);
    this.#ready = [];
  }

  cancel(): void {
    this.#stream.close();
  }

  /** The next event's parts; false at the end. */
  async #take(): Promise<boolean> {
    const step = await this.#events.next();
    if (step.done) return false;
    const { value } = step;
    if (value.type === "restart" && this.#onRestart === "error") {
      this.#stream.close();
      this.#ready.push(...this.#parts.broken(restarted(value.target), undefined));
    } else {
      this.#ready.push(...this.#parts.of(value));
    }
    return true;
  }
}

function restarted(target: string): Error {
  return unsupported(
    `an answer that broke off, and that ${target} begins anew: what was shown of it cannot be taken back. ` +
      'Set stream_recovery = "continue" or hold_back for the route, or createHotspare(…, { onRestart: "mark" })',
  );
}
