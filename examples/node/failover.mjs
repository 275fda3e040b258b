// Three simulated vendors, whose first has a bad day; an app whose calls are answered all the same. It needs no key.
import { setTimeout as sleep } from "node:timers/promises";
import { Client, StreamInterrupted } from "hotspare";
import { Simulator } from "hotspare/simulator";

const VENDORS = [
  { name: "openai", model: "gpt-4o-mini", dialect: "openai_chat" },
  {
    name: "anthropic",
    model: "claude-haiku-4-5",
    dialect: "anthropic_messages",
  },
  { name: "gemini", model: "gemini-2.5-flash", dialect: "gemini" },
];
/** What happens to whom, in seconds since the start. */
const DAY = [
  {
    name: "openai",
    from: 1,
    until: 2,
    step: { status: 500 },
    what: "answers 500 to everything",
  },
  {
    name: "openai",
    from: 2,
    until: 3,
    step: { fault: "hang" },
    what: "accepts calls and never answers",
  },
  {
    name: "anthropic",
    from: 2.3,
    until: 2.7,
    step: { error: "overloaded" },
    what: "is overloaded meanwhile",
  },
  {
    name: "openai",
    from: 3,
    until: 4,
    step: { fault: "refuse" },
    what: "refuses connections",
  },
];
const SECONDS = 5;

const each = (make) => Object.fromEntries(VENDORS.map((vendor) => [vendor.name, make(vendor)]));
const simulator = new Simulator({
  providers: each(({ name, dialect }) => ({
    dialect,
    reply: { text: `This is ${name} (simulated), answering at its ease.` },
    latency: { head: "5ms", first_token: "50ms", gap: "5ms" },
    phases: DAY.filter((hour) => hour.name === name).map(({ from, until, step }) => ({ from, until, step })),
  })),
});
const client = await Client.open({
  providers: each(({ name }) => ({
    base_url: simulator.url(name),
    keys: [`simulated-${name}`],
  })),
  routes: {
    default: {
      targets: VENDORS.map(({ name, model }) => `${name}/${model}`),
      timeouts: {
        total: "10s",
        first_token: "400ms",
        idle: "400ms",
        connect: "300ms",
      },
    },
  },
});

const began = performance.now();
const seconds = () => (performance.now() - began) / 1000;
const say = (text) => console.log(`${seconds().toFixed(1).padStart(5)} s  ${text}`);
const count = { sent: 0, answered: 0, lost: 0 };
let current = "";

client.on("event", (event) => {
  if (event.type === "breaker" && event.scope === "target") say(`${event.name} is ${event.to}: ${event.why}`);
});

/** One call, every second one a stream. What is done about a stream that breaks off is the app's own affair. */
async function call(number) {
  count.sent += 1;
  try {
    const asked = number % 2 === 0 ? client.chat("Say hi.") : client.stream("Tell a story.").final();
    const reply = await asked;
    count.answered += 1;
    if (reply.target !== current) say(`traffic moves to ${reply.target}`);
    current = reply.target;
  } catch (error) {
    if (error instanceof StreamInterrupted) say(`a stream broke off after ${JSON.stringify(error.partial.text)}`);
    else say(`lost: ${error.message}`);
    count.lost += 1;
  }
}

async function worker(index) {
  for (let number = index; seconds() < SECONDS; number += 1) {
    await call(number);
    await sleep(40);
  }
}

async function news() {
  for (const { name, from, what } of DAY) {
    await sleep(Math.max(0, (from - seconds()) * 1000));
    say(`${name} ${what}`);
  }
}

await Promise.all([news(), ...Array.from({ length: 4 }, (_, index) => worker(index))]);
await client.close();
simulator.close();
console.log(`sent ${count.sent}, answered ${count.answered}, lost ${count.lost}`);
process.exitCode = count.lost === 0 ? 0 : 1;
