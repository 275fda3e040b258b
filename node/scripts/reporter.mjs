// A reporter for `node --test` that tells what failed, what a test wanted to say, and the counts; a line for each of
// thousands of tests tells nothing.
import { inspect } from "node:util";

export default async function* reporter(source) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for await (const { type, data } of source) {
    if (type === "test:pass" || type === "test:fail") {
      if (data.details.type === "suite") continue;
      if (data.skip !== undefined || data.todo !== undefined) counts.skipped += 1;
      else if (type === "test:pass") counts.passed += 1;
      else {
        counts.failed += 1;
        yield `FAILED ${data.name}  (${data.file ?? ""})\n${inspect(data.details.error?.cause ?? data.details.error)}\n\n`;
      }
    } else if (type === "test:diagnostic" && data.file !== undefined && data.nesting > 0) {
      yield `  ${data.message}\n`;
    } else if (type === "test:stderr" || type === "test:stdout") {
      yield data.message;
    }
  }
  yield `${Object.entries(counts)
    .map(([what, count]) => `${count} ${what}`)
    .join(", ")}\n`;
  // A test that did not run is no pass.
  if (counts.skipped > 0 || counts.passed === 0) process.exitCode = 1;
}
