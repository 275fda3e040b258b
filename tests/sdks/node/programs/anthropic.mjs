/** Programs as they are written for the `@anthropic-ai/sdk` package. Nothing here knows of hotspare. */

import Anthropic from "@anthropic-ai/sdk";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";

import { PIXEL, Place, QUESTION, SYSTEM, WEATHER, weather } from "./asked.mjs";

const ASK = {
  model: "claude-haiku-4-5",
  max_tokens: 64,
  system: SYSTEM,
  messages: [{ role: "user", content: QUESTION }],
};
const TOOL = { name: "weather", description: "The weather of a city.", input_schema: WEATHER };

export function open(transport) {
  return new Anthropic({ apiKey: "unused", ...transport });
}

function textOf(message) {
  return message.content.find((block) => block.type === "text").text;
}

export const programs = {
  async "chat"(anthropic) {
    return textOf(await anthropic.messages.create(ASK));
  },

  async "streaming"(anthropic) {
    const stream = anthropic.messages.stream(ASK);
    let text = "";
    for await (const event of stream) {
      if (event.type === "content_block_delta" && event.delta.type === "text_delta") text += event.delta.text;
    }
    const message = await stream.finalMessage();
    if (textOf(message) !== text) throw new Error(`streamed ${text}, and told ${textOf(message)}`);
    if (!(message.usage.output_tokens > 0)) throw new Error("the stream did not tell its usage");
    return text;
  },

  async "tools"(anthropic) {
    const messages = [...ASK.messages];
    for (;;) {
      const message = await anthropic.messages.create({ ...ASK, messages, tools: [TOOL] });
      if (message.stop_reason !== "tool_use") return textOf(message);
      messages.push({ role: "assistant", content: message.content });
      const calls = message.content.filter((block) => block.type === "tool_use");
      const content = calls.map(({ id, input }) => ({ type: "tool_result", tool_use_id: id, content: weather(input) }));
      messages.push({ role: "user", content });
    }
  },

  async "streamed tools"(anthropic) {
    const messages = [...ASK.messages];
    for (;;) {
      const message = await anthropic.messages.stream({ ...ASK, messages, tools: [TOOL] }).finalMessage();
      if (message.stop_reason !== "tool_use") return textOf(message);
      messages.push({ role: "assistant", content: message.content });
      const calls = message.content.filter((block) => block.type === "tool_use");
      const content = calls.map(({ id, input }) => ({ type: "tool_result", tool_use_id: id, content: weather(input) }));
      messages.push({ role: "user", content });
    }
  },

  async "structured"(anthropic) {
    const message = await anthropic.messages.parse({ ...ASK, output_config: { format: zodOutputFormat(Place) } });
    return message.parsed_output;
  },

  async "vision"(anthropic) {
    const image = { type: "image", source: { type: "base64", media_type: "image/png", data: PIXEL } };
    const content = [image, { type: "text", text: QUESTION }];
    return textOf(await anthropic.messages.create({ ...ASK, messages: [{ role: "user", content }] }));
  },
};
