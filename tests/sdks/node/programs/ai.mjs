/** Programs as they are written for the Vercel AI SDK. They are given models, and know of no provider. */

import { embedMany, generateObject, generateText, jsonSchema, Output, isStepCount, streamText, tool } from "ai";

import { PIXEL, Place, QUESTION, SYSTEM, TEXTS, WEATHER, weather } from "./asked.mjs";

const ASK = { instructions: SYSTEM, prompt: QUESTION, maxOutputTokens: 64 };
const TOOLS = {
  stopWhen: isStepCount(5),
  tools: {
    weather: tool({ description: "The weather of a city.", inputSchema: jsonSchema(WEATHER), execute: weather }),
  },
};
const IMAGE = [
  { type: "text", text: QUESTION },
  { type: "file", mediaType: "image/png", data: PIXEL },
];

export const programs = {
  async "chat"({ model }) {
    const { text } = await generateText({ ...ASK, model });
    return text;
  },

  async "streaming"({ model }) {
    const result = streamText({ ...ASK, model });
    let text = "";
    for await (const piece of result.textStream) text += piece;
    if (!((await result.totalUsage).totalTokens > 0)) throw new Error("the stream did not tell its usage");
    return text;
  },

  async "tools"({ model }) {
    const { text } = await generateText({ ...ASK, ...TOOLS, model });
    return text;
  },

  async "streamed tools"({ model }) {
    return await streamText({ ...ASK, ...TOOLS, model }).text;
  },

  async "structured"({ model }) {
    const { output } = await generateText({ ...ASK, model, output: Output.object({ schema: Place }) });
    return output;
  },

  async "generateObject"({ model }) {
    const { object } = await generateObject({ ...ASK, model, schema: Place });
    return object;
  },

  async "vision"({ model }) {
    const { text } = await generateText({ ...ASK, model, prompt: [{ role: "user", content: IMAGE }] });
    return text;
  },

  async "embeddings"({ embeddingModel }) {
    const { embeddings } = await embedMany({ model: embeddingModel, values: TEXTS, dimensions: 8 });
    return embeddings;
  },
};
