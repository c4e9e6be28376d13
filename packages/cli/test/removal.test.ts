/** `cleanup` and the `remove-…` commands as users type them, beside duplicity on copies of the same archive. Needs the build. */

import { cpSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { cleanEnv, duplicityOk, type RunResult, requirePeer, run, tempDir, withDuplicityHome } from '@redup/testkit';
import { beforeAll, describe, expect, it } from 'vitest';

const BIN = fileURLToPath(new URL('../bin/redup.js', import.meta.url));
const START = 1_700_000_000;

let folder: string;

function redup(...args: string[]): Promise<RunResult> {
  const env = cleanEnv({ HOME: folder, XDG_CACHE_HOME: `${folder}/cache`, TMPDIR: folder });
  return run(process.execPath, [BIN, ...args], { env, cwd: folder });
}

const stored = (target: string) => readdirSync(`${folder}/${target}`).sort();

/** Two chains of two sets, and a full backup. */
beforeAll(async () => {
  folder = tempDir('removal');
  for (const [index, type] of ['full', 'inc', 'full', 'inc', 'full'].entries()) {
    writeFileSync(`${folder}/letter`, `${index}`);
    const time = `${START + index * 1000}`;
    const made = await redup(type, '--no-encryption', '--current-time', time, 'letter', `file://${folder}/all`);
    expect(made.code, made.stderr).toBe(0);
  }
});

/** What only duplicity says: of its synchronisation, a hint that comes twice, and an end. */
const ONLY_THEIRS =
  /^(Local and Remote metadata|Synchronizing|Copying|Deleting local|Need to use|Duplicity backup complete)/;

function linesOf({ stdout }: RunResult): string[] {
  return stdout.split('\n').filter((line) => line !== '' && !ONLY_THEIRS.test(line));
}

const COMMANDS: readonly (readonly string[])[] = [
  ['remove-older-than', `${START + 500}`],
  ['remove-older-than', `${START + 2500}`],
  ['remove-older-than', `${START + 9000}`],
  ['remove-all-but-n-full', '1'],
  ['remove-all-but-n-full', '7'],
  ['remove-all-inc-of-but-n-full', '1'],
  ['cleanup'],
];

describe('removing', () => {
  for (const name of ['duplicity-current', 'duplicity-debian'] as const) {
    it(`says, does and ends as ${name}, with and without --force and --dry-run`, async (context) => {
      const peer = requirePeer(context, name);
      for (const [words, switches] of COMMANDS.flatMap((each) => [[each, []] as const, [each, ['--force']] as const])) {
        for (const target of ['mine', 'theirs']) {
          rmSync(`${folder}/${target}`, { recursive: true, force: true });
          cpSync(`${folder}/all`, `${folder}/${target}`, { recursive: true });
        }
        const [word = '', ...operands] = words;
        const args = [word, '--current-time', `${START + 9000}`, ...switches, ...operands];
        const dry = await redup(...args, '--dry-run', `file://${folder}/mine`);
        expect(dry.code, dry.stderr).toBe(0);
        expect(stored('mine')).toEqual(stored('all'));
        const mine = await redup(...args, `file://${folder}/mine`);
        const theirs = await withDuplicityHome((home) =>
          duplicityOk(peer, [word, ...args.slice(3), `file://${folder}/theirs`], {
            home,
            currentTime: START + 9000,
          }),
        );
        const what = args.join(' ');
        expect(mine.code, what).toBe(0);
        expect(linesOf(dry), what).toEqual(linesOf(mine));
        // Release 0.8 distinguishes one and many.
        const plural = (line: string) =>
          line.replace(/chains?(?:\(s\))? at (the following )?times?:/, 'chain(s) at $1time:');
        expect(linesOf(mine).map(plural), what).toEqual(linesOf(theirs).map(plural));
        expect(stored('mine'), what).toEqual(stored('theirs'));
      }
    });
  }

  it('refuses what is no number and no time', async () => {
    for (const [command, operand] of [
      ['remove-all-but-n-full', '0'],
      ['ra', 'x'],
      ['remove-all-inc-of-but-n-full', '1.5'],
      ['remove-older-than', 'yesterday'],
    ] as const) {
      const { code, stderr } = await redup(command, operand, '--force', `file://${folder}/all`);
      expect(code, stderr).toBe(23);
      expect(stderr).toContain(operand);
    }
    expect(stored('all')).toHaveLength(15);
  });

  it('tells programs what went', async () => {
    const { stdout } = await redup('ra', '1', '--json', '--force', '--dry-run', `file://${folder}/all`);
    const result = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
    expect(result).toMatchObject({ type: 'result', command: 'remove-all-but-n-full', exitCode: 0, deleted: false });
    expect(result.files).toHaveLength(12);
  });
});
