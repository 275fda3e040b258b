#!/usr/bin/env node
// The `hotspare` command.
import { native } from "./native.js";

process.exitCode = native.cli(["hotspare", ...process.argv.slice(2)]);
