// Ten lines of hotspare: run it with at least one of the vendors' keys in the environment.
import { Client } from "hotspare";

const targets = ["openai/gpt-4o-mini", "anthropic/claude-haiku-4-5", "gemini/gemini-2.5-flash"];
const client = await Client.open({ targets });
const reply = await client.chat("Say hi");
console.log(reply.text, reply.target, reply.usage.totalTokens, reply.costUsd);
for (const attempt of reply.trail) console.log(attempt.target, attempt.code, attempt.reason);
for await (const event of client.stream("Tell a very short story")) process.stdout.write(event.text);
console.log();
await client.close();
