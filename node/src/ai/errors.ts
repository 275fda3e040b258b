// Errors as the AI SDK knows them. It tells its errors by marks and not by classes, so that those of another copy of it
// are its own too: so are these, and nothing of it is loaded for them.
import type { NoSuchModelError, UnsupportedFunctionalityError } from "@ai-sdk/provider" with {
  "resolution-mode": "import",
};

import { HotspareError } from "../errors.js";

const MARK = "vercel.ai.error";

function marked(name: string, message: string, fields: object): unknown {
  const error = new Error(message);
  for (const mark of [MARK, `${MARK}.${name}`]) {
    Object.defineProperty(error, Symbol.for(mark), { value: true });
  }
  Object.defineProperty(error, "name", { value: name, configurable: true });
  return Object.assign(error, fields);
}

/**
 * A failed call as the AI SDK's `APICallError`, with the client's error as its `cause`. It is not for trying again: every
 * target has been tried. Anything but a `HotspareError`, such as the reason of an abort, is left as it is.
 */
export function callError(error: unknown, route: string, request: unknown): unknown {
  if (!(error instanceof HotspareError)) return error;
  const retryAfter = error.retryAfter;
  return marked("AI_APICallError", error.message, {
    url: `hotspare:${route}`,
    requestBodyValues: request,
    // What broke off in a good reply has that reply's status.
    statusCode: error.status !== null && error.status >= 400 ? error.status : undefined,
    responseHeaders: retryAfter === null ? undefined : { "retry-after": String(Math.ceil(retryAfter)) },
    isRetryable: false,
    data: { code: error.code, class: error.class, target: error.target, trail: error.trail },
    cause: error,
  });
}

/** The AI SDK's error for what a provider has none of. */
export function noSuchModel(modelId: string, modelType: NoSuchModelError["modelType"]): NoSuchModelError {
  return marked("AI_NoSuchModelError", `No such ${modelType}: ${modelId}`, { modelId, modelType }) as NoSuchModelError;
}

/** The AI SDK's error for what a request cannot say. */
export function unsupported(functionality: string): UnsupportedFunctionalityError {
  return marked("AI_UnsupportedFunctionalityError", `not supported: ${functionality}`, {
    functionality,
  }) as UnsupportedFunctionalityError;
}
