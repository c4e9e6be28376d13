#!/usr/bin/env node
/**
 * `npm audit` over what users get: dependencies, and what the command's bundle contains. Known holes of level "high" and above
 * fail; a registry that doesn't answer audits (mirrors often don't) is said, not failed.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** npm takes what is bundled for development only. */
const bundled = readFileSync(new URL('../packages/cli/bundle/LICENSES.txt', import.meta.url), 'utf8');
const answer = spawnSync('npm', ['audit', '--json'], { encoding: 'utf8', timeout: 120_000 });
const report = parse(answer.stdout);
const { dependencies = {} } = JSON.parse(
  readFileSync(new URL('../packages/cli/package.json', import.meta.url), 'utf8'),
);
if (report?.metadata?.vulnerabilities === undefined) {
  const reason = report?.message ?? report?.error?.summary ?? answer.stderr.trim().split('\n').at(-1) ?? '';
  say(`audit: no answer from the registry, nothing was checked (${firstLine(reason)})`);
} else {
  const found = Object.values(report.vulnerabilities ?? {}).filter(({ name }) => isShipped(name));
  const serious = found.filter(({ severity }) => severity === 'high' || severity === 'critical').length;
  say(`audit: ${found.length} known vulnerabilities, ${serious} of them high or critical`);
  for (const { name, severity, range } of found) say(`audit: ${severity}: ${name} ${range}`);
  process.exitCode = serious > 0 ? 1 : 0;
}

function isShipped(name) {
  return Object.hasOwn(dependencies, name) || bundled.split('\n').some((line) => line.startsWith(`${name} `));
}

function say(line) {
  process.stdout.write(`${line}\n`);
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Without addresses: which registry a machine asks is its own business. */
function firstLine(text) {
  return String(text)
    .split('\n')[0]
    .replace(/https?:\/\/\S+/g, '…')
    .slice(0, 200);
}
