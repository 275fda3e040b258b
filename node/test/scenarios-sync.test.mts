// Every scenario through the sync forms, for scripts.
import { blocking } from "./scenario-calls.mjs";
import { scenarios } from "./scenario.mjs";

scenarios("node-sync", [
  {
    name: "sync",
    concurrency: 1,
    calls: blocking,
    unable: (scenario) =>
      scenario.calls.slice(0, -1).some((call) => "cancel_after" in call)
        ? "a sync caller goes away with its process, and makes no call after that"
        : undefined,
  },
]);
