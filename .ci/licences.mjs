#!/usr/bin/env node
/**
 * Licences of everything that users of the packages get, from the lock file: each must be one that an MIT program may depend on.
 * Needs no network and nothing installed.
 *
 * usage: licences.mjs [LOCK FILE]
 */
import { readFileSync } from 'node:fs';

const ALLOWED = new Set([
  'MIT',
  'ISC',
  '0BSD',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'CC0-1.0',
  'Unlicense',
]);
/** Used as they are published, replaceable by their users: what the LGPL asks for. */
const EXCEPTIONS = new Map([['openpgp', 'LGPL-3.0+']]);

const { packages } = JSON.parse(
  readFileSync(process.argv[2] ?? new URL('../package-lock.json', import.meta.url), 'utf8'),
);
const counts = new Map();
const wrong = [];
for (const [path, { license, dev, devOptional, link }] of Object.entries(packages)) {
  const name = path.split('node_modules/').at(-1);
  if (!path.includes('node_modules/') || link || dev || devOptional) continue;
  counts.set(license, (counts.get(license) ?? 0) + 1);
  if (!isAllowed(license ?? '') && EXCEPTIONS.get(name) !== (license ?? 'none'))
    wrong.push(`${name}: ${license ?? 'no licence is named'}`);
}
for (const each of wrong) say(`licences: not allowed: ${each}`);
say(`licences: ${[...counts].map(([license, count]) => `${count} ${license}`).join(', ')}`);
process.exitCode = wrong.length > 0 ? 1 : 0;

/** Of several to choose from one is enough. */
function isAllowed(license) {
  return license
    .replace(/[()]/g, '')
    .split(' OR ')
    .some((each) => ALLOWED.has(each));
}

function say(line) {
  process.stdout.write(`${line}\n`);
}
