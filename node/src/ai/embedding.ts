import type {
  EmbeddingModelV4,
  EmbeddingModelV4CallOptions,
  EmbeddingModelV4Result,
  SharedV4Warning,
} from "@ai-sdk/provider" with { "resolution-mode": "import" };

import type { Client } from "../client.js";
import { callError } from "./errors.js";
import { ours } from "./prompt.js";
import { given, warnAboutHeaders } from "./request.js";
import { adaptions, metadataOf } from "./result.js";

/** A route of kind `embed`, or one target, as an embedding model of the AI SDK. */
export class HotspareEmbeddingModel implements EmbeddingModelV4 {
  /** The version of the AI SDK's specification. */
  readonly specificationVersion = "v4";
  /** Whose model it is, for the SDK's logs. */
  readonly provider = "hotspare";
  /** The route's name, or the target as `provider/model`. */
  readonly modelId: string;
  /** Any number: the client sends as many at once as the vendor takes. */
  readonly maxEmbeddingsPerCall = Number.POSITIVE_INFINITY;
  /** Calls may run side by side. */
  readonly supportsParallelCalls = true;
  readonly #client: Client;

  /** Made by `createHotspare`. */
  constructor(client: Client, route: string) {
    this.modelId = route;
    this.#client = client;
  }

  /** The vectors of texts. */
  async doEmbed(call: EmbeddingModelV4CallOptions): Promise<EmbeddingModelV4Result> {
    const { values, dimensions, abortSignal: signal } = call;
    const warnings: SharedV4Warning[] = [];
    warnAboutHeaders(call.headers, warnings);
    const options = { ...given({ dimensions }), ...ours(call), route: this.modelId };
    try {
      const made = await this.#client.embed(values, { ...options, signal });
      return {
        embeddings: made.embeddings.map((vector) => [...vector]),
        usage: { tokens: made.usage.inputTokens },
        providerMetadata: metadataOf(made),
        warnings: [...warnings, ...adaptions(made.trail)],
      };
    } catch (error) {
      throw callError(error, this.modelId, { ...options, input: values });
    }
  }
}
