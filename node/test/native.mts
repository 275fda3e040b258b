// The addon itself, for what the package does not show.
import { createRequire } from "node:module";

interface Native {
  exceptions(): [code: string, name: string][];
  panicForTest(): void;
}

export const { native } = createRequire(import.meta.url)("../../dist/native.js") as { native: Native };
