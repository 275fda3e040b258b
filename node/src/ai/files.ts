// The AI SDK's files as parts of a message in OpenAI's shape.
import type { SharedV4FileData } from "@ai-sdk/provider" with { "resolution-mode": "import" };

import { unsupported } from "./errors.js";
import type { Json } from "./json.js";

/** What a prompt's files and those of a tool's result have in common. */
export interface FileLike {
  readonly data: SharedV4FileData;
  readonly mediaType: string;
  readonly filename?: string | undefined;
}

/** The part; `fields` are added to it, and `detail` to its image. */
export function filePart(file: FileLike, { detail, ...fields }: Json): Json {
  const { data, filename } = file;
  const name = filename !== undefined && { filename };
  if (data.type === "text") return { ...fields, type: "text", text: data.text };
  if (data.type === "reference")
    return { ...fields, type: "file", file: { file_id: reference(data.reference), ...name } };
  const mediaType = mediaTypeOf(file);
  const kind = mediaType.split("/", 1)[0];
  if (kind === "audio" && data.type === "data") {
    return { ...fields, type: "input_audio", input_audio: { data: base64(data.data), format: audioFormat(mediaType) } };
  }
  const url = data.type === "url" ? data.url.href : `data:${mediaType};base64,${base64(data.data)}`;
  if (kind === "image")
    return { ...fields, type: "image_url", image_url: { url, ...(detail !== undefined && { detail }) } };
  return { ...fields, type: "file", file: { file_data: url, ...name } };
}

function reference(ids: Readonly<Record<string, string>>): string {
  const id = ids.openai;
  if (id === undefined)
    throw unsupported(`a file uploaded to ${Object.keys(ids).join(", ")}: only OpenAI's ids go through`);
  return id;
}

function base64(data: Uint8Array | string): string {
  return typeof data === "string"
    ? data
    : Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64");
}

/** The names of OpenAI's audio formats; other subtypes are named as they are. */
const AUDIO: Readonly<Record<string, string>> = { "mpeg": "mp3", "x-wav": "wav", "wave": "wav", "x-flac": "flac" };

function audioFormat(mediaType: string): string {
  const subtype = mediaType.split("/")[1] ?? "";
  return AUDIO[subtype] ?? subtype;
}

/** How files of each type begin, in hex; a dot is any digit. */
const BEGINNINGS: readonly (readonly [string, RegExp])[] = [
  ["image/png", /^89504e47/],
  ["image/jpeg", /^ffd8ff/],
  ["image/gif", /^47494638/],
  ["image/webp", /^52494646.{8}57454250/],
  ["audio/wav", /^52494646.{8}57415645/],
  ["audio/mpeg", /^(494433|fff|ffe)/],
  ["audio/flac", /^664c6143/],
  ["audio/ogg", /^4f676753/],
  ["application/pdf", /^25504446/],
];

/** The SDK may say no more than `image`: then the data tells the rest. */
function mediaTypeOf({ mediaType, data }: FileLike): string {
  const [kind = "", subtype] = mediaType.split("/");
  if (subtype !== undefined && subtype !== "*") return mediaType;
  if (data.type !== "data") return `${kind}/*`;
  const { data: bytes } = data;
  const head =
    typeof bytes === "string" ? Buffer.from(bytes.slice(0, 16), "base64") : Buffer.from(bytes.subarray(0, 12));
  const hex = head.toString("hex");
  const found = BEGINNINGS.find(([type, begins]) => type.startsWith(kind) && begins.test(hex));
  if (found === undefined)
    throw unsupported(`a file of type "${mediaType}" whose data does not tell more: give its full media type`);
  return found[0];
}
