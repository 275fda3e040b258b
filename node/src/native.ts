// Finds the addon: in the package of this platform, else in a checkout, where `npm run build` puts it.
import type * as Binding from "./binding.js";

/** Names that this platform's addon may have. Linux has one for each C library, of which one loads. */
function names(): string[] {
  const { platform, arch } = process;
  switch (platform) {
    case "linux":
      return [`linux-${arch}-gnu`, `linux-${arch}-musl`];
    case "win32":
      return [`win32-${arch}-msvc`];
    default:
      return [`${platform}-${arch}`];
  }
}

function load(): typeof Binding {
  const failures: unknown[] = [];
  for (const name of names()) {
    for (const place of [`hotspare-${name}`, `../native/hotspare.${name}.node`]) {
      try {
        return require(place) as typeof Binding;
      } catch (error) {
        failures.push(error);
      }
    }
  }
  throw new AggregateError(
    failures,
    `hotspare has no addon for ${process.platform}-${process.arch} that loads here. Install it again without ` +
      `--omit=optional; in a checkout, run \`npm run build\`. What was tried:\n` +
      failures.map(String).join("\n"),
  );
}

export const native = load();
