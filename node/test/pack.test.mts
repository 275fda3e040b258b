// What `npm pack` makes, installed in a project of its own: it runs, in both module systems, and its types check.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test, type TestContext } from "node:test";
import { PACKAGE, ROOT, lab } from "./lab.mjs";

const TSC = join(PACKAGE, "node_modules", "typescript", "bin", "tsc");
const folder = mkdtempSync(join(tmpdir(), "hotspare-pack-"));
const packed = join(folder, "packed");
const project = join(folder, "project");

interface Done {
  code: number;
  out: string;
}

/** Runs a command to its end, in the project. */
function command(program: string, given: string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
  const { cwd = project, env = {} } = options;
  return new Promise<Done>((resolve) => {
    execFile(program, given, { cwd, env: { ...process.env, ...env } }, (error, out, err) => {
      resolve({ code: typeof error?.code === "number" ? error.code : error ? -1 : 0, out: out + err });
    });
  });
}

async function ok(program: string, given: string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
  const { code, out } = await command(program, given, options);
  assert.equal(code, 0, `${program} ${given.join(" ")}: ${out}`);
  return out;
}

/** A file of the project. */
function write(name: string, text: string): string {
  const path = join(project, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, text);
  return path;
}

function tarballs(): string[] {
  return readdirSync(packed)
    .filter((name) => name.endsWith(".tgz"))
    .map((name) => join(packed, name))
    .sort();
}

async function install(where: string, packages: string[]): Promise<string> {
  mkdirSync(where, { recursive: true });
  writeFileSync(join(where, "package.json"), JSON.stringify({ private: true }));
  return ok("npm", ["install", "--offline", "--no-audit", "--no-fund", ...packages], { cwd: where });
}

/** What lets a program that names real vendors meet simulated ones: it alone knows, the program does not. */
const PRELOAD = `
import { Client } from "hotspare";
const open = Client.open;
const providers = JSON.parse(process.env.SIMULATED);
Client.open = ({ targets }) => open.call(Client, { providers, routes: { default: { targets } }, standby: false });
`;

/** The environment of such a program. */
function simulated(t: TestContext): NodeJS.ProcessEnv {
  const made = lab(t, { openai: [{ status: 500, repeat: 99 }], anthropic: [], gemini: [] });
  const urls = Object.entries(made.config.providers).map(([name, provider]) => [
    name,
    { base_url: provider.base_url, dialect: "openai_chat" },
  ]);
  write("preload.mjs", PRELOAD);
  return {
    SIMULATED: JSON.stringify(Object.fromEntries(urls)),
    OPENAI_API_KEY: "simulated-openai",
    ANTHROPIC_API_KEY: "simulated-anthropic",
    GEMINI_API_KEY: "simulated-gemini",
  };
}

/** The first TypeScript of a page. */
function program(page: string): string {
  const found = /```ts\n([^]*?)```/.exec(readFileSync(page, "utf8"))?.[1];
  assert.ok(found, `${page} has no TypeScript`);
  return found;
}

describe("the packed package", () => {
  before(async () => {
    await ok(process.execPath, [join(PACKAGE, "scripts", "pack.mjs"), "--strip", packed], { cwd: PACKAGE });
    await install(project, tarballs());
  });
  after(() => {
    rmSync(folder, { recursive: true });
  });

  test("holds what it should, and nothing else", () => {
    const files = (readdirSync(join(project, "node_modules", "hotspare"), { recursive: true }) as string[]).sort();
    for (const file of ["README.md", "LICENSE-APACHE", "LICENSE-MIT", "NOTICE", "package.json"]) {
      assert.ok(files.includes(file), file);
    }
    const odd = files.filter((file) => file.startsWith("dist/") && !/\.(js|mjs|d\.ts|d\.mts)$/.test(file));
    assert.deepEqual(odd, []);
    assert.ok(files.every((file) => !/test|\.node$/.test(file)));
    const platforms = readdirSync(join(project, "node_modules")).filter((name) => name.startsWith("hotspare-"));
    assert.equal(platforms.length, 1);
    const manifest = JSON.parse(readFileSync(join(project, "node_modules", "hotspare", "package.json"), "utf8")) as {
      optionalDependencies: object;
      dependencies?: object;
    };
    assert.ok(Object.keys(manifest.optionalDependencies).includes(platforms[0] ?? ""));
    assert.equal(manifest.dependencies, undefined);
  });

  test("has one copy of every class for both module systems", async () => {
    const path = write(
      "both.mjs",
      `
import { createRequire } from "node:module";
import * as esm from "hotspare";
import * as simulator from "hotspare/simulator";
const require = createRequire(import.meta.url);
const cjs = require("hotspare");
const differ = Object.keys(cjs).filter((name) => name !== "default" && cjs[name] !== esm[name]);
const missing = Object.keys(esm).filter((name) => name !== "default" && !(name in cjs));
console.log(JSON.stringify([differ, missing, require("hotspare/simulator").Simulator === simulator.Simulator]));
`,
    );
    assert.equal(await ok(process.execPath, [path]), "[[],[],true]\n");
  });

  test("gives the command", async () => {
    const npx = (...given: string[]): Promise<Done> => command("npx", ["--offline", "--no", "hotspare", ...given]);
    const version = await npx("--version");
    assert.match(version.out, /^hotspare \d+\.\d+\.\d+\n$/);
    assert.equal(version.code, 0);
    assert.equal((await npx("--nope")).code, 2);
    write("bad.toml", '[routes.default]\ntargets = ["antropic/claude-haiku-4-5"]\n');
    const bad = await npx("check", "bad.toml");
    assert.match(bad.out, /did you mean "anthropic"/);
    assert.notEqual(bad.code, 0);
  });

  test("says what to do where the platform's package is missing", async () => {
    const alone = join(folder, "alone");
    await install(
      alone,
      tarballs().filter((path) => /hotspare-\d/.test(path)),
    );
    const { code, out } = await command(process.execPath, ["-e", 'require("hotspare")'], { cwd: alone });
    assert.notEqual(code, 0);
    assert.match(out, /hotspare-linux|hotspare-darwin|hotspare-win32/, out);
    assert.match(out, /npm (install|i)/, out);
  });

  for (const page of ["README.md", "node/README.md"]) {
    test(`runs the program of ${page}`, async (t) => {
      write("program.mts", program(join(ROOT, page)));
      const flags = ["--strict", "--module", "nodenext", "--target", "es2022", "--types", "node", "--skipLibCheck"];
      nodeTypes();
      await ok(process.execPath, [TSC, ...flags, "--ignoreConfig", "program.mts"]);
      const out = await ok(process.execPath, ["--import", "./preload.mjs", "program.mjs"], { env: simulated(t) });
      assert.match(out, /^Hello from anthropic\. anthropic\/claude-haiku-4-5 \d+ [\d.e-]+\n/);
      assert.match(out, /^openai\/gpt-4o-mini server /m);
      assert.match(out, /Hello from anthropic\.$/);
    });
  }

  test("runs the examples", async (t) => {
    const examples = join(ROOT, "examples", "node");
    for (const name of readdirSync(examples).filter((name) => name.endsWith(".mjs"))) {
      cpSync(join(examples, name), join(project, name));
    }
    const quick = await ok(process.execPath, ["--import", "./preload.mjs", "quickstart.mjs"], { env: simulated(t) });
    assert.match(quick, /Hello from anthropic\.\n$/);
    const failover = await ok(process.execPath, ["failover.mjs"]);
    assert.match(failover, /traffic moves to anthropic\/claude-haiku-4-5/);
    assert.match(failover, /, lost 0\n$/);
  });

  const WAYS: Record<string, { type: string; options: object }> = {
    "node16, CommonJS": { type: "commonjs", options: { module: "node16", types: ["node"] } },
    "node16, ES modules": { type: "module", options: { module: "node16", types: ["node"] } },
    "nodenext": { type: "module", options: { module: "nodenext", types: ["node"] } },
    "a bundler, and no types of Node": {
      type: "module",
      options: {
        module: "esnext",
        moduleResolution: "bundler",
        types: [],
        lib: ["ESNext", "DOM", "DOM.AsyncIterable"],
      },
    },
  };
  for (const [way, { type, options }] of Object.entries(WAYS)) {
    test(`checks under --strict: ${way}`, async () => {
      const name = way.replace(/\W+/g, "-");
      nodeTypes();
      cpSync(join(PACKAGE, "test", "consumer", "sample.ts"), join(project, name, "sample.ts"));
      write(`${name}/package.json`, JSON.stringify({ type }));
      const compilerOptions = { strict: true, noEmit: true, target: "es2022", lib: ["ES2023", "ESNext.Disposable"] };
      const config = { compilerOptions: { ...compilerOptions, ...options }, files: ["sample.ts"] };
      write(`${name}/tsconfig.json`, JSON.stringify(config));
      await ok(process.execPath, [TSC, "-p", name]);
    });
  }
});

/** The types of Node are a matter of the project; ours are as good as any. */
function nodeTypes(): void {
  for (const name of ["@types/node", "undici-types"]) {
    cpSync(join(PACKAGE, "node_modules", name), join(project, "node_modules", name), { recursive: true });
  }
}
