/**
 * A provider for the Vercel AI SDK, version 7: `generateText`, `streamText`, tools, `Output.object` and `embed` with
 * failover.
 *
 * ```ts
 * import { createHotspare } from "hotspare/ai";
 * import { generateText } from "ai";
 *
 * const hotspare = createHotspare("hotspare.toml");
 * const { text, providerMetadata } = await generateText({ model: hotspare("default"), prompt: "Say hi" });
 * providerMetadata.hotspare; // target, attempts, costUsd, trail
 * ```
 *
 * - A model is a route's name, or one target as `provider/model`.
 * - `providerOptions.hotspare` adds fields to the request, a message, a part or a tool, in the names of the client's
 *   requests: `{ hotspare: { timeout: 20 } }`.
 * - A call that every target failed is an `APICallError` that the SDK does not try again; its `cause` is the client's error.
 *
 * @module
 */

import type { ProviderV4 } from "@ai-sdk/provider" with { "resolution-mode": "import" };

import { HotspareEmbeddingModel } from "./ai/embedding.js";
import { noSuchModel } from "./ai/errors.js";
import { HotspareLanguageModel, type OnRestart } from "./ai/model.js";
import { Client } from "./client.js";
import type { Source } from "./types.js";

export type { HotspareEmbeddingModel, HotspareLanguageModel, OnRestart };

/** How the provider behaves. */
export interface HotspareSettings {
  /**
   * What a stream does on a route with `stream_recovery = "restart"` when its answer begins anew, since the SDK cannot
   * take back what it has shown. `error`, the default: it ends with an error. `mark`: the new answer follows the broken
   * one, and its first part's `providerMetadata.hotspare.restart` is the target that answers; what came before that part
   * is for the app to drop.
   */
  readonly onRestart?: OnRestart;
}

/** Makes models of the AI SDK from routes. Call it with a route's name for a language model. */
export interface HotspareProvider extends ProviderV4 {
  /** The route as a language model. Default: `default`. */
  (route?: string): HotspareLanguageModel;
  /** The client behind it. One that the provider opened itself is closed by `client.close()`. */
  readonly client: Client;
  /** The route as a language model. Default: `default`. */
  languageModel(route?: string): HotspareLanguageModel;
  /** The route, one of kind `embed`, as an embedding model. Default: `embed`. */
  embeddingModel(route?: string): HotspareEmbeddingModel;
}

/**
 * A provider of the AI SDK over a client, or over a config that a client is opened with.
 *
 * @throws ConfigError when the config is wrong.
 */
export function createHotspare(source: Client | Source, settings: HotspareSettings = {}): HotspareProvider {
  const client = source instanceof Client ? source : Client.openSync(source);
  const { onRestart = "error" } = settings;
  const languageModel = (route = "default"): HotspareLanguageModel =>
    new HotspareLanguageModel(client, route, onRestart);
  return Object.assign((route?: string) => languageModel(route), {
    specificationVersion: "v4" as const,
    client,
    languageModel,
    embeddingModel: (route = "embed") => new HotspareEmbeddingModel(client, route),
    imageModel: (modelId: string) => {
      throw noSuchModel(modelId, "imageModel");
    },
  });
}
