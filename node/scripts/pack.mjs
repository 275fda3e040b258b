// Makes what is published, as npm tarballs: `hotspare`, and the package of the platform that the addon was built for
// (`npm/*`), which holds nothing else. npm brings, of all the platforms' packages, the one that fits.
//
//     node scripts/pack.mjs [--strip] [FOLDER]       default: ../target/npm
//
// `npm run build` comes first. `--strip` leaves out what only a debugger wants. Prints the paths of the tarballs.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({ allowPositionals: true, options: { strip: { type: "boolean" } } });
const here = fileURLToPath(new URL("..", import.meta.url));
const root = join(here, "..");
const out = resolve(positionals[0] ?? join(root, "target", "npm"));
const LICENSES = ["LICENSE-APACHE", "LICENSE-MIT", "NOTICE"];

function manifest(folder) {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
}

function stop(problem) {
  console.error(problem);
  process.exit(2);
}

/** Packs a package whose files are in the folder of its name. */
function pack(staged) {
  for (const name of LICENSES) cpSync(join(root, name), join(staged, name));
  const said = execFileSync("npm", ["pack", "--silent", "--json", "--pack-destination", out], {
    cwd: staged,
    encoding: "utf8",
  });
  const { filename, size, unpackedSize } = JSON.parse(said)[0];
  console.log(`${join(out, filename)}  ${mib(size)}, ${mib(unpackedSize)} unpacked`);
}

function mib(bytes) {
  return `${(bytes / 2 ** 20).toFixed(2)} MiB`;
}

/** The package of a platform, from the addon that was built for it. */
function packPlatform(platform) {
  const addon = `hotspare.${platform}.node`;
  const staged = join(out, platform);
  cpSync(join(here, "npm", platform), staged, { recursive: true });
  cpSync(join(here, "native", addon), join(staged, addon));
  if (values.strip) execFileSync("strip", ["--strip-unneeded", join(staged, addon)]);
  pack(staged);
}

/** `hotspare` itself: what `files` names, without what only its development needs. */
function packMain(platforms) {
  const staged = join(out, "hotspare");
  const { devDependencies: _tools, overrides: _pins, scripts: _scripts, napi: _napi, ...published } = manifest(here);
  published.optionalDependencies = Object.fromEntries(
    platforms.map((platform) => {
      const { name, version } = manifest(join(here, "npm", platform));
      if (version !== published.version)
        stop(`npm/${platform}: version ${version}, but hotspare's is ${published.version}`);
      return [name, version];
    }),
  );
  mkdirSync(staged, { recursive: true });
  writeFileSync(join(staged, "package.json"), `${JSON.stringify(published, null, 2)}\n`);
  cpSync(join(here, "dist"), join(staged, "dist"), { recursive: true });
  cpSync(join(here, "README.md"), join(staged, "README.md"));
  pack(staged);
}

const platforms = readdirSync(join(here, "npm"));
const built = readdirSync(join(here, "native"))
  .filter((file) => file.endsWith(".node"))
  .map((file) => file.split(".")[1]);
const unknown = built.filter((platform) => !platforms.includes(platform));
if (built.length === 0) stop("there is no addon in native/: run `npm run build`");
if (unknown.length > 0) stop(`npm/ has no package for ${unknown.join(", ")}; it has ${platforms.join(", ")}`);

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
for (const platform of built) packPlatform(platform);
packMain(platforms);
