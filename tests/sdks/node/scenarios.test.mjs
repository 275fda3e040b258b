/** Every scenario through `client.fetch` and through the official SDKs over it; the report is for the matrix. */

import { AllTargetsFailed, HotspareError, StreamInterrupted } from "../../../node/dist/index.mjs";
import { scenarios } from "../../../node/test/dist/scenario.mjs";
import { eventually } from "./lab.mjs";
import { isTold, Said, WAYS } from "./ways.mjs";

scenarios("node-sdk", WAYS.map(asWay));

function asWay(way) {
  return {
    name: way.name,
    concurrency: 4,
    unable: (scenario, mode) => unable(way, scenario, mode),
    expected: (expect) => expected(way, expect),
    calls: (client, call, mode) => calls(way, client, call, mode),
  };
}

/** Why a scenario cannot be asked, or its answer not be told, in the way's format. */
function unable(way, scenario, mode) {
  const { routes, providers } = scenario.config;
  const restarts = Object.values(routes).some(({ stream_recovery }) => stream_recovery === "restart");
  if (mode === "stream" && restarts) return "a vendor's stream cannot begin anew";
  const reasons = scenario.calls.map((call) => {
    const expect = { ...call.expect, ...call[`expect_${mode}`] };
    if (expect.restarts > 0) return "a vendor's stream cannot begin anew";
    const { route = "default" } = call.request ?? {};
    const known = route in routes || route.split("/", 1)[0] in (providers ?? {});
    return known ? way.lacks(call) : "a name that is not known means the default route";
  });
  return reasons.find((reason) => reason !== undefined);
}

/** What is expected, in the format's words and without what it has no place for. */
function expected(way, { spans, finish, usage, ...expect }) {
  const kept = Object.entries({ ...expect }).filter(([name]) => !way.untold.includes(name));
  const counts = Object.entries({ ...usage }).filter(([name]) => !way.untold.includes(name));
  return {
    ...Object.fromEntries(kept),
    ...(finish && { finish: way.finish(finish) }),
    ...(usage && { usage: Object.fromEntries(counts) }),
  };
}

/** The events of each client, and how many of its requests are accounted for. */
const LISTENED = new WeakMap();

function listenTo(client) {
  let heard = LISTENED.get(client);
  if (heard === undefined) {
    heard = { requests: new Map(), seen: 0 };
    LISTENED.set(client, heard);
    client.on("event", (event) => {
      if (event.request === null) return;
      if (!heard.requests.has(event.request)) heard.requests.set(event.request, []);
      heard.requests.get(event.request).push(event);
    });
  }
  return heard;
}

/** The calls that `call` asks for at once, with the seconds that each took. */
async function calls(way, client, call, mode) {
  const heard = listenTo(client);
  const count = call.concurrent ?? 1;
  const ended = await Promise.all(Array.from({ length: count }, () => made(way, client, call, mode)));
  const asked = ended.filter(([{ began }]) => began).length;
  const books = await eventually(() => {
    const requests = [...heard.requests.values()].slice(heard.seen).map(bookOf);
    if (requests.length < asked || requests.some(({ over }) => !over)) throw new Error("a request has not ended");
    return requests;
  });
  heard.seen += books.length;
  return ended.map(([came, took], nth) => [finished(came, books[nth]), took]);
}

async function made(way, client, call, mode) {
  const caller = new AbortController();
  const after = call.cancel_after;
  const timer = after && setTimeout(() => caller.abort(new Error("the caller went away")), after * 1000);
  const said = new Said();
  let head;
  const fetch = async (...asked) => {
    head = await client.fetch(...asked);
    return head;
  };
  const began = performance.now();
  let error;
  try {
    await way.ask({ fetch, request: call.request, stream: mode === "stream", signal: caller.signal }, said);
  } catch (thrown) {
    error = thrown;
  }
  const took = (performance.now() - began) / 1000;
  clearTimeout(timer);
  if (error !== undefined && !caller.signal.aborted && !isTold(error)) throw error;
  const headers = head?.headers;
  // What never came to a target has no events.
  const attempts = Number(headers?.get("x-hotspare-attempts") ?? (error === undefined ? 1 : 0));
  return [{ said, error, headers, ok: head?.ok, aborted: caller.signal.aborted, began: attempts > 0 }, took];
}

/** What a request's events say. */
function bookOf(events) {
  const trail = [];
  const book = { trail, continues: 0, over: false, cost: undefined };
  for (const event of events) {
    switch (event.type) {
      case "attempt_ended":
        trail.push({ ...event, wait: 0, costMinUsd: event.cost.min, costMaxUsd: event.cost.max });
        break;
      case "skipped":
        trail.push({ ...event, status: null, wait: 0, billing: "unsent", costMinUsd: 0, costMaxUsd: 0 });
        break;
      case "waiting":
        // What is left of the wait by then, less than a millisecond under it.
        if (trail.length > 0) trail.at(-1).wait += Math.round(event.seconds * 1000) / 1000;
        break;
      case "recovering":
        if (event.how === "continue") book.continues += 1;
        break;
      case "request_ended":
        book.over = true;
        book.target = event.target;
        book.cost = { costMinUsd: event.cost.min, costMaxUsd: event.cost.max };
        break;
    }
  }
  return book;
}

/** The call as the scenarios want it told: a reply, or an error of ours. */
function finished({ said, error, headers, ok, aborted }, book = { trail: [], continues: 0 }) {
  const { trail, continues, cost } = book;
  if (aborted) return { ended: null, restarts: 0, continues };
  if (error === undefined) {
    // A stream's head names the target that began it.
    const target = continues > 0 ? book.target : headers.get("x-hotspare-target");
    return { ended: { ...said, ...cost, trail, target }, restarts: 0, continues };
  }
  const code = ok ? "stream_interrupted" : headers.get("x-hotspare-error");
  const last = trail.at(-1);
  const retryAfter = headers.get("retry-after-ms");
  const fields = {
    ...cost,
    code,
    class: last?.code ?? code,
    status: last?.status ?? null,
    retryAfter: retryAfter === null ? null : retryAfter / 1000,
    partial: ok ? said : null,
    trail,
  };
  const Kind = { all_targets_failed: AllTargetsFailed, stream_interrupted: StreamInterrupted }[code] ?? HotspareError;
  const ended = Object.defineProperties(Object.create(Kind.prototype), {
    ...Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, { value }])),
    message: { value: error.message },
  });
  return { ended, restarts: 0, continues };
}
