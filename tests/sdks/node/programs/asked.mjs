/** What the programs ask about, whichever SDK they are written for. */

import { z } from "zod";

/** The instructions, and the question. */
export const SYSTEM = "Answer in one sentence.";
export const QUESTION = "What is the weather in Paris?";

/** A picture of one pixel. */
export const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/** What an answer in JSON must look like. */
export const Place = z.object({ city: z.string(), country: z.string() });

/** The parameters of the tool. */
export const WEATHER = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};

/** The tool. */
export function weather({ city }) {
  return `Sunny in ${city}.`;
}

/** What vectors are wanted of. */
export const TEXTS = ["a text", "another text"];
