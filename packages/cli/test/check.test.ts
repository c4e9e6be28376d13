/** `redup check` as users type it: what it says, how it ends, and that it puts right what it says it can. Needs the build. */

import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { cleanEnv, flipBit, type RunResult, run, tempDir } from '@redup/testkit';
import { beforeEach, describe, expect, it } from 'vitest';

const BIN = fileURLToPath(new URL('../bin/redup.js', import.meta.url));
const START = 1_700_000_000;

let folder: string;
let url: string;

function redup(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<RunResult> {
  const full = { HOME: folder, XDG_CACHE_HOME: `${folder}/cache`, TMPDIR: folder, TZ: 'UTC', ...env };
  return run(process.execPath, [BIN, ...args], { env: cleanEnv(full), cwd: folder });
}

async function backUp(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<void> {
  for (const [index, type] of ['full', 'inc'].entries()) {
    writeFileSync(`${folder}/letter`, `state ${index}`);
    const made = await redup([type, ...args, '--current-time', `${START + index * 1000}`, 'letter', url], env);
    expect(made.code, made.stderr).toBe(0);
  }
}

const place = (pattern: RegExp) =>
  `${folder}/target/${readdirSync(`${folder}/target`).find((name) => pattern.test(name))}`;

beforeEach(() => {
  folder = tempDir('check-cli');
  url = `file://${folder}/target`;
});

describe('redup check', () => {
  it('says what it looked at, and what not', async () => {
    await backUp(['--no-encryption']);
    const cheap = await redup(['check', url]);
    expect(cheap).toMatchObject({ code: 0 });
    expect(cheap.stdout).toMatch(/Looked at 2 backup\(s\) in 1 chain\(s\): 2 volume\(s\), .* no data was read/);
    const all = await redup(['check', '--read-data', url]);
    expect(all).toMatchObject({ code: 0 });
    expect(all.stdout).toMatch(/2 version\(s\) of files put together, 2 signature file\(s\) proven/);
    const part = await redup(['check', '--read-data=10%', '--seed', '7', url]);
    expect(part.stdout).toContain('--read-data=10% --seed 7');
  });

  it('names each finding with what it affects and the way out, ends with 1, and with 0 once it is repaired', async () => {
    await backUp(['--no-encryption']);
    rmSync(`${folder}/cache`, { recursive: true });
    rmSync(place(/inc.*manifest/));
    flipBit(place(/full-signatures/), 30);
    const found = await redup(['check', '--read-data', url]);
    expect(found.code).toBe(1);
    const said = found.stdout + found.stderr;
    expect(said).toContain('MANIFEST_MISSING: The backup of 20231114T223000Z has no manifest');
    expect(said).toContain('SIGNATURES_DAMAGED');
    expect(said).toMatch(/Affects lists and increments from Tue Nov 14 22:13:20 2023 on/);
    expect(said).toContain('check --repair');
    expect(await redup(['check', '--repair', '--dry-run', url])).toMatchObject({ code: 1 });
    const mended = await redup(['check', '--repair', url]);
    expect(mended.code, mended.stderr).toBe(0);
    expect(mended.stdout).toMatch(/Stored duplicity-inc.*manifest again, made from the volumes/);
    expect(await redup(['check', '--read-data', url])).toMatchObject({ code: 0 });
  });

  it('cannot repair a volume, and says so', async () => {
    await backUp(['--no-encryption']);
    flipBit(place(/full.*vol1/));
    const { code, stdout, stderr } = await redup(['check', '--read-data', '--repair', url]);
    expect(code).toBe(1);
    expect(stdout + stderr).toContain('VOLUME_DAMAGED');
    expect(stdout + stderr).toMatch(/\d finding\(s\) need something done/);
  });

  it('of an encrypted target: without the key names alone; with it all, and what is repaired is encrypted', async () => {
    const env = { PASSPHRASE: 'open sesame' };
    await backUp([], env);
    rmSync(`${folder}/cache`, { recursive: true });
    const blind = await redup(['check', url]);
    expect(blind.code, blind.stderr).toBe(0);
    expect(blind.stdout).toContain('NOT_READABLE');
    expect(await redup(['check', '--read-data', url])).toMatchObject({ code: 31 });
    expect(await redup(['check', url], { PASSPHRASE: 'wrong' })).toMatchObject({ code: 31 });
    rmSync(place(/full.*manifest/));
    rmSync(place(/new-signatures/));
    const mended = await redup(['check', '--repair', url], env);
    expect(mended.code, mended.stderr).toBe(0);
    expect(readdirSync(`${folder}/target`).filter((name) => /duplicity/.test(name) && !name.endsWith('.gpg'))).toEqual(
      [],
    );
    expect(await redup(['check', '--read-data', url], env)).toMatchObject({ code: 0 });
  });

  it('refuses a part that is none', async () => {
    for (const part of ['0', '101%', 'half', '-1'])
      expect(await redup(['check', `--read-data=${part}`, url])).toMatchObject({ code: 23 });
  });
});
