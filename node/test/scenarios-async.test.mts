// Every scenario through the promises and async iterables of a client.
import { together } from "./scenario-calls.mjs";
import { scenarios } from "./scenario.mjs";

scenarios("node-async", [
  {
    name: "async",
    concurrency: 4,
    calls: (client, call, mode) => together(client, call, mode, call.concurrent ?? 1),
  },
]);
