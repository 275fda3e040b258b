// What the tests share: a simulator with a config for it, programs in processes of their own, and waiting for what is to
// come.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { TestContext } from "node:test";
import { Simulator, type JournalEntry } from "hotspare/simulator";

export type Json = Record<string, unknown>;

export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
/** The package's folder: what programs of the tests name `hotspare` is found from here. */
export const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));

/** Every key of a lab holds it, so that a test can look for it in all that we say. */
export const CANARY = "canary-0f8e7d6c5b4a39281706";

/** A step whose stream takes ten seconds. */
export const SLOW: Json = { gap: "20ms", reply: { chunks: Array<string>(500).fill("tick ") }, repeat: 1000 };
export const HANG: Json = { fault: "hang", repeat: 1000 };
export const FAILING: Json = { status: 500, repeat: 999 };

// A type and not an interface: only that has the index signature of a config.
// eslint-disable-next-line @typescript-eslint/consistent-type-definitions
export type LabConfig = {
  providers: Record<string, Json>;
  routes: Record<string, Json>;
  standby: boolean;
};

/** A simulator and a config for it; one target a provider, `<name>/m`. */
export class Lab {
  readonly simulator: Simulator;
  readonly config: LabConfig;

  constructor(steps: Record<string, Json[]>) {
    const names = Object.keys(steps);
    const each = <T,>(make: (name: string) => T): Record<string, T> =>
      Object.fromEntries(names.map((name) => [name, make(name)]));
    this.simulator = new Simulator({
      providers: each((name) => ({
        dialect: "openai_chat",
        reply: { text: `Hello from ${name}.` },
        steps: steps[name],
      })),
    });
    this.config = {
      providers: each((name) => ({
        dialect: "openai_chat",
        base_url: this.simulator.url(name),
        keys: [`${CANARY}-${name}`],
      })),
      routes: { default: { targets: names.map((name) => `${name}/m`) } },
      // Tests count requests and events; what keeps connections warm comes when it comes.
      standby: false,
    };
  }

  journal(provider = "a"): readonly JournalEntry[] {
    return this.simulator.journal(provider);
  }

  ends(provider = "a"): (string | null)[] {
    return this.journal(provider).map((entry) => entry.end);
  }

  async disconnects(count = 1, provider = "a"): Promise<void> {
    await until(
      () => this.ends(provider).filter((end) => end === "client_disconnected").length >= count,
      () => `${count} disconnects; the journal is ${JSON.stringify(this.simulator.journal())}`,
    );
  }
}

/** A lab that is closed when the test is over. */
export function lab(test: TestContext, steps: Record<string, Json[]> = { a: [] }): Lab {
  const made = new Lab(steps);
  test.after(() => {
    made.simulator.close();
  });
  return made;
}

/** Waits until it is so. */
export async function until(condition: () => boolean, what: () => string = () => "it", seconds = 20): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  while (!condition()) {
    assert.ok(performance.now() < deadline, `not in time: ${what()}`);
    await sleep(0.005);
  }
}

export function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

/** What a promise is rejected with. */
export async function rejected(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return assert.fail("it was not rejected");
}

/** What a function throws. */
export function thrown(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return assert.fail("it did not throw");
}

export interface Ran {
  code: number | null;
  signal: NodeJS.Signals | null;
  out: string;
  err: string;
}

/** A program (an ES module) in a process of its own, with `config` defined. */
export class Program {
  out = "";
  err = "";
  readonly ended: Promise<Ran>;
  private readonly child;

  constructor(text: string, config: unknown = {}, flags: string[] = []) {
    const program = `const config = ${JSON.stringify(config)};\n${text}`;
    this.child = spawn(process.execPath, [...flags, "--input-type=module", "-e", program], {
      cwd: PACKAGE,
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.child.stdout.setEncoding("utf8").on("data", (text: string) => (this.out += text));
    this.child.stderr.setEncoding("utf8").on("data", (text: string) => (this.err += text));
    this.ended = new Promise((resolve) => {
      this.child.on("close", (code, signal) => {
        resolve({ code, signal, out: this.out, err: this.err });
      });
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** What it came to; it is killed when that takes too long. */
  async done(seconds = 60): Promise<Ran> {
    const timer = setTimeout(() => {
      this.kill("SIGKILL");
    }, seconds * 1000);
    try {
      return await this.ended;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** What a program prints, which must end well and say nothing on stderr. */
export async function run(text: string, config: unknown = {}, flags: string[] = [], seconds = 60): Promise<string> {
  const ran = await new Program(text, config, flags).done(seconds);
  assert.deepEqual({ ...ran, out: "" }, { code: 0, signal: null, out: "", err: "" }, `it printed: ${ran.out}`);
  return ran.out;
}
