/**
 * What every command writes with `--json`, against the published schema: with ajv, which redup itself does not use.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { cleanEnv, fifo, file, type RunResult, run, symlink, tempDir, tree, writeTree } from '@redup/testkit';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { beforeEach, describe, expect, it } from 'vitest';
import { COMMAND_NAMES, type CommandName, commandSpec } from '../src/commands.js';
import type { JsonRecord } from '../src/json/records.js';
import { outputSchema } from '../src/json/schema.js';

const BIN = fileURLToPath(new URL('../bin/redup.js', import.meta.url));
const PUBLISHED = new URL('../schema/output.schema.json', import.meta.url);

/** As programs see it, and stricter: with no field that the schema does not name. */
const ajv = new Ajv2020({ allowUnionTypes: true });
const isPublished = ajv.compile(JSON.parse(readFileSync(PUBLISHED, 'utf8')));
const isNamed = ajv.compile(outputSchema({ unnamedFields: 'forbidden' }));

let folder: string;
let url: string;

beforeEach(() => {
  folder = tempDir('json');
  url = `file://${folder}/target`;
  const profile = `{ sources: ['${folder}/src'], target: 'file://${folder}/of-profile', encryption: none }`;
  writeFileSync(`${folder}/redup.yaml`, `version: 1\nprofiles: { json: ${profile} }\n`, { mode: 0o600 });
  writeTree(`${folder}/src`, tree({ a: file('hello\n'), 'not\xffutf8': file('z'), link: symlink('a'), pipe: fifo() }));
});

function redup(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<RunResult> {
  const full = { HOME: folder, XDG_CACHE_HOME: `${folder}/cache`, TMPDIR: folder, ...env };
  return run(process.execPath, [BIN, ...args, '--json'], { env: cleanEnv(full), cwd: folder });
}

/** Runs a command, checks each of its lines against the schema, and gives them back. */
async function recordsOf(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<JsonRecord[]> {
  const { stdout, stderr } = await redup(args, env);
  const lines = stdout.trimEnd().split('\n');
  for (const line of lines) {
    const record: unknown = JSON.parse(line);
    if (!isPublished(record) || !isNamed(record))
      expect.fail(`${args.join(' ')} writes what the schema does not know: ${line}\n${stderr}`);
  }
  return lines.map((line): JsonRecord => JSON.parse(line));
}

const plain = ['--no-encryption'];

/** A run of each command, in an order in which each finds what it needs. */
const RUNS: Record<Exclude<CommandName, 'replicate'>, () => string[]> = {
  full: () => ['full', ...plain, '-v9', 'src', url],
  incremental: () => ['incremental', ...plain, 'src', url],
  backup: () => ['backup', ...plain, 'src', url],
  restore: () => ['restore', url, 'out'],
  verify: () => ['verify', '--compare-data', url, 'src'],
  run: () => ['run', 'json', '--config', `${folder}/redup.yaml`],
  check: () => ['check', '--read-data=50', '--seed', '1', url],
  'list-current-files': () => ['list-current-files', url],
  'collection-status': () => ['collection-status', url],
  cleanup: () => ['cleanup', '--force', url],
  'remove-older-than': () => ['remove-older-than', '1s', url],
  'remove-all-but-n-full': () => ['remove-all-but-n-full', '1', '--force', url],
  'remove-all-inc-of-but-n-full': () => ['remove-all-inc-of-but-n-full', '1', url],
};

describe('--json', () => {
  it('is written by every command as the schema says, from a start to a result', async () => {
    const commands = COMMAND_NAMES.filter((name) => commandSpec(name).refused === undefined);
    expect(Object.keys(RUNS).sort()).toEqual([...commands].sort());
    for (const [name, args] of Object.entries(RUNS)) {
      if (name === 'verify') writeFileSync(`${folder}/src/a`, 'other\n');
      const records = await recordsOf(args());
      expect(records[0]).toMatchObject({ type: 'start', schema: 1, command: name });
      expect(records.at(-1)).toMatchObject({ type: 'result', command: name, exitCode: name === 'verify' ? 1 : 0 });
    }
  });

  it('tells changes, volumes, differences, entries and warnings in records of their own', async () => {
    const kinds = new Set<string>();
    const note = (records: readonly JsonRecord[]): void => {
      for (const { type } of records) kinds.add(type);
    };
    note(await recordsOf(RUNS.full()));
    writeFileSync(`${folder}/src/a`, 'other\n');
    note(await recordsOf(RUNS.verify()));
    note(await recordsOf(RUNS.restore()));
    note(await recordsOf(RUNS['list-current-files']()));
    writeFileSync(`${folder}/target/duplicity-full.20200101T000000Z.vol1.difftar.gz`, 'x');
    note(await recordsOf(['restore', '-t', '2001-01-01', url, 'out2']));
    note(await recordsOf(['check', url]));
    const told = [
      'collection',
      'difference',
      'entry',
      'file',
      'finding',
      'phase',
      'restored',
      'result',
      'start',
      'volume',
      'warning',
    ];
    expect([...kinds].filter((kind) => kind !== 'progress').sort()).toEqual(told);
  });

  it('ends with an error of the same form, whatever goes wrong', async () => {
    const failing: [code: string, args: string[], env?: Record<string, string>][] = [
      ['USAGE', ['full', '--bogus', 'src', url]],
      ['USAGE', []],
      ['SOURCE_MISSING', ['full', ...plain, 'nothing', url]],
      ['NO_BACKUP', ['restore', `file://${folder}/src`, 'out']],
      ['PASSPHRASE_MISSING', ['full', 'src', url]],
      ['bad-url', ['full', ...plain, 'src', 'ftp://h/x']],
    ];
    for (const [code, args, env] of failing) {
      const records = await recordsOf(args, env);
      expect([args, records.at(-1)]).toMatchObject([args, { type: 'error', code }]);
    }
  });
});

describe('the published schema', () => {
  it('is what the code says (npm run schemas -w packages/cli)', () => {
    expect(JSON.parse(readFileSync(PUBLISHED, 'utf8'))).toEqual(outputSchema({ unnamedFields: 'allowed' }));
  });

  it('is in docs/json.md with every record, field and value', () => {
    const page = readFileSync(new URL('../../../docs/json.md', import.meta.url), 'utf8');
    const names = namesIn(JSON.parse(readFileSync(PUBLISHED, 'utf8')));
    expect(names.size).toBeGreaterThan(80);
    expect([...names].filter((name) => !name.endsWith('Base64') && !page.includes(`\`${name}\``))).toEqual([]);
  });

  it('accepts fields that it does not know, and refuses records without those that it names', () => {
    const start = { type: 'start', schema: 1, version: '1', command: 'full' };
    expect(isPublished({ ...start, later: true })).toBe(true);
    expect(isNamed({ ...start, later: true })).toBe(false);
    expect(isPublished({ ...start, version: undefined })).toBe(false);
    expect(isPublished({ type: 'unheard-of' })).toBe(false);
  });
});

/** Names of properties and the texts that are allowed as values, but for those that other documents list. */
function namesIn(schema: unknown): Set<string> {
  const names = new Set<string>();
  const visit = (value: unknown, isProperties: boolean): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, child] of Object.entries(value)) {
      if (isProperties) names.add(key);
      if (key === 'const' && typeof child === 'string') names.add(child);
      visit(child, !isProperties && key === 'properties');
    }
  };
  visit(schema, false);
  return names;
}
