// What a program of somebody else says to the compiler, under `--strict`, in every way of finding modules.
import {
  AllTargetsFailed,
  Client,
  HotspareError,
  StreamInterrupted,
  type Attempt,
  type ChatOptions,
  type Embeddings,
  type Event,
  type Explanation,
  type Messages,
  type Reply,
  type Status,
  type Stream,
  type StreamEvent,
} from "hotspare";
import { Simulator } from "hotspare/simulator";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Does not compile unless the value's type is `Wanted`. */
function is<Wanted>() {
  return <Found>(_: Found, ...same: Same<Found, Wanted> extends true ? [] : [never]): void => void same;
}

export async function good(signal: AbortSignal): Promise<void> {
  await using client = await Client.open("hotspare.toml");
  await Client.open(new URL("file:///hotspare.toml"));
  await Client.open({ targets: ["openai/gpt-4o-mini"] });
  await Client.open({ routes: { default: { targets: ["openai/gpt-4o-mini"], timeouts: { total: "60s" } } } });

  const messages: Messages = [
    { role: "system", content: "Be brief." },
    {
      role: "user",
      content: [
        { type: "text", text: "What is it?" },
        { type: "image_url", image_url: { url: "https://example.com/a.png" } },
      ],
    },
  ];
  const options: ChatOptions = { route: "fast", temperature: 0.2, tools: [], signal };
  const reply = await client.chat(messages, { ...options, logit_bias: { "50256": -100 } });
  is<Reply>()(reply);
  is<string>()(reply.text);
  is<number>()(reply.usage.totalTokens);
  is<number | null>()(reply.costUsd);
  is<readonly Attempt[]>()(reply.trail);
  await client.chat([{ role: "user", content: "hi" }, reply.message]);

  const stream = client.stream("hi", { max_tokens: 5, signal });
  is<Stream>()(stream);
  for await (const event of stream) {
    is<StreamEvent>()(event);
    is<string>()(event.text);
    if (event.type === "continue") is<string>()(event.target);
    if (event.type === "finish") is<Reply>()(event.reply);
  }
  is<Reply | null>()(stream.reply);
  is<Reply>()(await client.stream("hi").final());
  is<ReadableStream<StreamEvent>>()(client.stream("hi").toReadableStream());
  for (const event of client.streamSync("hi")) is<string>()(event.text);
  is<Reply>()(client.chatSync("hi"));

  const made = await client.embed(["a", "b"], { input_type: "query", dimensions: 256 });
  is<Embeddings>()(made);

  const status = client.status();
  is<Status>()(status);
  for (const target of status.targets) {
    is<number | null>()(target.nextProbe);
    if (target.state === "open") is<string | undefined>()(target.recentErrors.at(-1)?.code);
  }
  const plan = client.explain(messages, { route: "fast", max_tokens: 5 });
  is<Explanation>()(plan);
  is<number>()(client.hold("openai") + client.release("openai") + client.forceClosed("openai"));

  const seen = (event: Event): void => {
    is<number>()(event.at);
    if (event.type === "breaker") is<string>()(event.name);
    else if (event.type === "attempt_ended") is<number | null>()(event.cost.max);
  };
  client.on("event", seen).off("event", seen);

  try {
    await client.chat("hi", { timeout: 3 });
  } catch (error) {
    if (error instanceof StreamInterrupted) is<string>()(error.partial.text);
    else if (error instanceof AllTargetsFailed) is<HotspareError>()(error.last);
    else if (error instanceof HotspareError) is<number | null>()(error.retryAfter);
  }

  const simulator = new Simulator({ providers: { a: { dialect: "openai_chat" } } });
  is<string>()(simulator.url("a"));
  is<typeof globalThis.fetch>()(client.fetch);
}

export async function wrong(client: Client): Promise<void> {
  // @ts-expect-error a temperature is a number
  await client.chat("hi", { temperature: "hot" });
  // @ts-expect-error a prompt is no number
  await client.chat(5);
  // @ts-expect-error it is "query"
  await client.embed("hi", { input_type: "quary" });
  // @ts-expect-error there is no reply before the end
  client.stream("hi").reply.text;
  // @ts-expect-error only a stream's events have it
  (await client.chat("hi")).type;
  // @ts-expect-error what comes back is read-only
  (await client.chat("hi")).text = "";
  client.on("event", (event) => {
    // @ts-expect-error it is "breaker"
    if (event.type === "braker") return;
  });
  // @ts-expect-error there is no other
  client.on("evnt", () => undefined);
  // @ts-expect-error a client is opened
  new Client("hotspare.toml");
}
