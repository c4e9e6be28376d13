/**
 * Where passphrases must never be: in what is printed or logged, in errors, in files, and in the argument list of any process,
 * the command's own or those of gpg. All of it is searched for them while and after real backups and restores.
 */

import { spawn } from 'node:child_process';
import { chmodSync, openSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type GpgHome, gpgHome } from '@redup/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BIN, type Environment, Machine } from './encryption-support.js';

const PASSPHRASE = 'zebra-9173-quilt';
const SIGN_PASSPHRASE = 'walrus-5526-ember';
const WRONG = 'marmot-8840-flint';

let gpg: GpgHome;
let key: string;
let signing: string;

beforeAll(async () => {
  gpg = gpgHome();
  key = await gpg.generateKey('key <key@example.org>', { passphrase: PASSPHRASE });
  signing = await gpg.generateKey('signing <signing@example.org>', { passphrase: SIGN_PASSPHRASE });
});

afterAll(() => gpg.dispose());

interface Traces {
  readonly code: number;
  /** Everything printed, on both outputs and on the log descriptor. */
  readonly printed: string;
  /** The argument lists of all processes of the machine that were seen while it ran. */
  readonly commandLines: ReadonlySet<string>;
}

/** Runs the command as chatty as it gets, and watches. */
async function watched(machine: Machine, args: readonly string[], env: Environment): Promise<Traces> {
  const logFile = `${machine.folder}/log`;
  const all = [...args, '--verbosity', 'debug', '--log-file', logFile, '--log-fd', '3'];
  const child = spawn(process.execPath, [BIN, ...all], {
    cwd: machine.folder,
    env: machine.env(env),
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const parts: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr, child.stdio[3]])
    (stream as NodeJS.ReadableStream | null)?.on('data', (part: Buffer) => parts.push(part));
  const commandLines = new Set<string>();
  const sampling = setInterval(() => {
    for (const line of readCommandLines()) commandLines.add(line);
  }, 2);
  const code = await new Promise<number>((resolve) => child.on('close', (exitCode) => resolve(exitCode ?? 1)));
  clearInterval(sampling);
  return { code, printed: Buffer.concat(parts).toString(), commandLines };
}

function readCommandLines(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return [readFileSync(`/proc/${pid}/cmdline`, 'latin1')];
      } catch {
        return []; // it has ended
      }
    });
}

function* filesBelow(folder: string): Generator<string> {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const status = statSync(path);
    if (status.isDirectory()) yield* filesBelow(path);
    else if (status.isFile()) yield path;
  }
}

function expectNoSecret(machine: Machine, { printed, commandLines }: Traces): void {
  const encodings = (secret: string) =>
    ['utf8', 'hex', 'base64'].map((as) => Buffer.from(secret).toString(as as BufferEncoding));
  for (const secret of [PASSPHRASE, SIGN_PASSPHRASE, WRONG].flatMap(encodings)) {
    expect(printed.includes(secret)).toBe(false);
    expect([...commandLines].filter((line) => line.includes(secret))).toEqual([]);
    for (const path of filesBelow(machine.folder))
      expect([path, readFileSync(path).includes(secret)]).toEqual([path, false]);
  }
}

describe('passphrases', () => {
  it.each(['text', 'json'])('of encryption and signature leave no trace, in %s', async (form) => {
    const machine = new Machine(gpg.path);
    const right = { PASSPHRASE, SIGN_PASSPHRASE };
    const json = form === 'json' ? ['--json'] : [];
    // A gpg that lives long enough to be seen at each sampling.
    const slowGpg = `${machine.folder}/slow-gpg`;
    writeFileSync(slowGpg, '#!/bin/sh\nsleep 0.1\nexec gpg "$@"\n', { mode: 0o755 });
    const keys = ['--gpg-binary', slowGpg, '--encrypt-key', key, '--sign-key', signing];
    const backup = await watched(machine, ['full', ...json, ...keys, 'src', machine.url], right);
    expect(backup.code).toBe(0);
    // The watch sees what it should see: the command, and the gpg that it starts.
    expect([...backup.commandLines].some((line) => line.includes(machine.url))).toBe(true);
    expect([...backup.commandLines].some((line) => line.includes(slowGpg) && line.includes('--status-fd'))).toBe(true);
    expect(backup.printed.length).toBeGreaterThan(500);
    expectNoSecret(machine, backup);
    const fresh = ['--archive-dir', `${machine.folder}/fresh`];
    const restore = await watched(
      machine,
      ['restore', ...json, ...fresh, '--gpg-binary', slowGpg, '--sign-key', signing, machine.url, 'out'],
      right,
    );
    expect(restore.code).toBe(0);
    expectNoSecret(machine, restore);
    const wrong = await watched(machine, ['full', ...json, ...keys, 'src', machine.url], {
      PASSPHRASE: WRONG,
      SIGN_PASSPHRASE: WRONG,
    });
    expectNoSecret(machine, wrong);
  });

  it('of symmetric encryption leave no trace, right or wrong', async () => {
    const machine = new Machine(gpg.path);
    const backup = await watched(machine, ['full', 'src', machine.url], { PASSPHRASE });
    expect(backup.code).toBe(0);
    expectNoSecret(machine, backup);
    const wrong = await watched(machine, ['incremental', 'src', machine.url], { PASSPHRASE: WRONG });
    expect(wrong.code).toBe(31);
    expectNoSecret(machine, wrong);
  });

  it('come from a file that is its owner’s alone, or from a descriptor', async () => {
    const machine = new Machine(gpg.path);
    const file = `${machine.folder}/passphrase`;
    writeFileSync(file, `${PASSPHRASE}\n`, { mode: 0o600 });
    await machine.redupOk(['full', '--passphrase-file', file, 'src', machine.url]);
    const child = spawn(process.execPath, [BIN, 'incremental', '--passphrase-fd', '3', 'src', machine.url], {
      cwd: machine.folder,
      env: machine.env(),
      stdio: ['ignore', 'ignore', 'inherit', openSync(file, 'r')],
    });
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0);
    await machine.expectRestored([], { PASSPHRASE });
    chmodSync(file, 0o640);
    await machine.expectRefused(31, [file, 'chmod 600'], ['restore', '--passphrase-file', file, machine.url, 'out']);
  });
});
