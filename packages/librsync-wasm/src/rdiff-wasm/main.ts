#!/usr/bin/env node
/**
 * The command `rdiff-wasm`: rdiff's actions, options and exit codes, over this package.
 */

import { run } from './command.js';

process.exitCode = run(
  process.argv.slice(2),
  (line) => process.stdout.write(`${line}\n`),
  (line) => process.stderr.write(`${line}\n`),
);
