#!/usr/bin/env node
/**
 * Builds the site into docs/.vitepress/dist: first the API reference, out of the built declarations, then the pages. A dead link between pages
 * fails it.
 *
 *   npm run site -w docs                 with the reference
 *   npm run site -w docs -- --pages      the pages alone
 */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'vitepress';

const docs = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({ options: { pages: { type: 'boolean' } } });
const reference = path.join(docs, 'reference');
fs.rmSync(reference, { recursive: true, force: true });
if (!values.pages) makeReference();
await build(docs);

function makeReference() {
  const model = fs.mkdtempSync(path.join(os.tmpdir(), 'redup-model-'));
  try {
    run(process.execPath, [fileURLToPath(new URL('./api.mjs', import.meta.url)), '--check', '--model', model]);
    run('npx', ['--no-install', 'api-documenter', 'markdown', '--input-folder', model, '--output-folder', reference]);
  } finally {
    fs.rmSync(model, { recursive: true });
  }
}

function run(command, args) {
  const { status } = spawnSync(command, args, { cwd: docs, stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Error(`${command} ${args[0]} ended with ${status}`);
}
