/** Programs as they are written for the `openai` package. Nothing here knows of hotspare. */

import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";

import { PIXEL, Place, QUESTION, SYSTEM, TEXTS, WEATHER, weather } from "./asked.mjs";

const MESSAGES = [
  { role: "system", content: SYSTEM },
  { role: "user", content: QUESTION },
];
const FUNCTION = { name: "weather", description: "The weather of a city.", parameters: WEATHER };

export function open(transport) {
  return new OpenAI({ apiKey: "unused", ...transport });
}

export const programs = {
  async "chat"(openai) {
    const completion = await openai.chat.completions.create({
      model: "gpt-4o-mini",
      messages: MESSAGES,
      max_tokens: 64,
    });
    return completion.choices[0].message.content;
  },

  async "streaming"(openai) {
    const stream = await openai.chat.completions.create({
      model: "gpt-4o-mini",
      messages: MESSAGES,
      max_tokens: 64,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    let usage;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      usage = chunk.usage ?? usage;
    }
    if (!(usage.total_tokens > 0)) throw new Error("the stream did not tell its usage");
    return text;
  },

  async "tools"(openai) {
    const messages = [...MESSAGES];
    const ask = { model: "gpt-4o-mini", messages, max_tokens: 64, tools: [{ type: "function", function: FUNCTION }] };
    for (;;) {
      const { message, finish_reason } = (await openai.chat.completions.create(ask)).choices[0];
      if (finish_reason !== "tool_calls") return message.content;
      messages.push(message);
      for (const call of message.tool_calls) {
        const content = weather(JSON.parse(call.function.arguments));
        messages.push({ role: "tool", tool_call_id: call.id, content });
      }
    }
  },

  async "streamed tools"(openai) {
    const runner = openai.chat.completions.runTools({
      model: "gpt-4o-mini",
      messages: MESSAGES,
      max_tokens: 64,
      stream: true,
      tools: [{ type: "function", function: { ...FUNCTION, parse: JSON.parse, function: weather } }],
    });
    return await runner.finalContent();
  },

  async "structured"(openai) {
    const completion = await openai.chat.completions.parse({
      model: "gpt-4o-mini",
      messages: MESSAGES,
      max_tokens: 64,
      response_format: zodResponseFormat(Place, "place"),
    });
    return completion.choices[0].message.parsed;
  },

  async "vision"(openai) {
    const completion = await openai.chat.completions.create({
      model: "gpt-4o-mini",
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: QUESTION },
            { type: "image_url", image_url: { url: `data:image/png;base64,${PIXEL}` } },
          ],
        },
      ],
      max_tokens: 64,
    });
    return completion.choices[0].message.content;
  },

  async "responses"(openai) {
    const response = await openai.responses.create({
      model: "gpt-5",
      instructions: SYSTEM,
      input: QUESTION,
      max_output_tokens: 64,
    });
    return response.output_text;
  },

  async "streamed responses"(openai) {
    const stream = openai.responses.stream({
      model: "gpt-5",
      instructions: SYSTEM,
      input: QUESTION,
      max_output_tokens: 64,
    });
    let text = "";
    for await (const event of stream) if (event.type === "response.output_text.delta") text += event.delta;
    const response = await stream.finalResponse();
    if (response.output_text !== text) throw new Error(`streamed ${text}, and told ${response.output_text}`);
    return text;
  },

  async "responses tools"(openai) {
    const input = [{ role: "user", content: QUESTION }];
    const tools = [{ type: "function", strict: true, ...FUNCTION }];
    for (;;) {
      const response = await openai.responses.create({ model: "gpt-5", input, tools, max_output_tokens: 64 });
      const calls = response.output.filter((item) => item.type === "function_call");
      if (calls.length === 0) return response.output_text;
      input.push(...response.output);
      for (const call of calls) {
        const output = weather(JSON.parse(call.arguments));
        input.push({ type: "function_call_output", call_id: call.call_id, output });
      }
    }
  },

  async "responses structured"(openai) {
    const response = await openai.responses.parse({
      model: "gpt-5",
      input: QUESTION,
      max_output_tokens: 64,
      text: { format: zodTextFormat(Place, "place") },
    });
    return response.output_parsed;
  },

  async "embeddings"(openai) {
    const made = await openai.embeddings.create({ model: "text-embedding-3-small", input: TEXTS, dimensions: 8 });
    return made.data.map((item) => item.embedding);
  },
};
