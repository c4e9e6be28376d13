/**
 * What the command says, writes and answers, line by line and record by record, beside real releases of duplicity on the same archives.
 * Needs the build.
 */

import { mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { isClassic, requirePeer, tempDir } from '@redup/testkit';
import { beforeAll, describe, expect, it } from 'vitest';
import { makeHistory, NOW, START, sideBySide } from './parity-support.js';

interface Row {
  readonly what: string;
  readonly args: readonly string[];
  readonly before?: (folder: string) => void;
  /** Of release 0.8 the option or command is not known. */
  readonly current?: true;
}

const URL = 'file://t';

const ROWS: readonly Row[] = [
  { what: 'a full backup', args: ['full', '-v', 'info', 'src', URL], before: change },
  { what: 'an incremental backup', args: ['inc', '-v', 'info', 'src', URL], before: change },
  { what: 'a backup of whichever type is due', args: ['backup', 'src', URL], before: change },
  { what: 'a backup that finds no chain', args: ['backup', '--name', 'o', 'src', 'file://other'] },
  { what: 'a full backup by age', args: ['backup', '--full-if-older-than', '1D', 'src', URL] },
  { what: 'a backup without statistics', args: ['inc', '--no-print-statistics', 'src', URL], before: change },
  {
    what: 'a backup that stores its statistics',
    args: ['inc', '--jsonstat', 'src', URL],
    before: change,
    current: true,
  },
  { what: 'a backup with a selection', args: ['full', '-v', 'info', '--exclude', 'src/d', 'src', URL] },
  { what: 'a dry run of a backup that finds no change', args: ['inc', '--dry-run', 'src', URL] },
  { what: 'a list', args: ['list-current-files', URL] },
  { what: 'a list of an earlier time', args: ['list-current-files', '--time', `${START + 1500}`, URL] },
  { what: 'a list of a time before the first backup', args: ['list-current-files', '--time', '2001-01-01', URL] },
  { what: 'the chains', args: ['collection-status', URL] },
  {
    what: 'the chains with nothing at all',
    args: ['collection-status', '--name', 'o', 'file://other'],
    before: emptyTarget,
  },
  { what: 'the chains without signatures', args: ['collection-status', URL], before: (f) => remove(f, /sigtar/) },
  {
    what: 'the chains with orphaned signatures',
    args: ['collection-status', '--archive-dir', 'fresh', URL],
    before: (f) => remove(f, /new-signatures.*T224640Z.to/, ['t']),
  },
  { what: 'the changes of the last set', args: ['collection-status', '--show-changes-in-set', '0', URL] },
  { what: 'the changes of an older set', args: ['collection-status', '--show-changes-in-set', '2', URL] },
  {
    what: 'the changes as JSON',
    args: ['collection-status', '--jsonstat', '--show-changes-in-set=-1', URL],
    current: true,
  },
  { what: 'the history of a file', args: ['collection-status', '--file-changed', 'a', URL] },
  { what: 'the history of a file that is not there', args: ['collection-status', '--file-changed', 'nope', URL] },
  { what: 'a restore', args: ['restore', '-v', 'info', URL, 'out'] },
  { what: 'a restore of an earlier time', args: ['restore', '-v', 'info', '--time', `${START + 1500}`, URL, 'out'] },
  {
    what: 'a restore of a selection',
    args: ['restore', '--include', 'd/new', '--exclude', '**', URL, 'out'],
    current: true,
  },
  { what: 'a dry run of a restore', args: ['restore', '--dry-run', URL, 'out'] },
  { what: 'a comparison that finds nothing', args: ['verify', '-v', 'info', '--compare-data', URL, 'src'] },
  {
    what: 'a comparison that finds differences',
    args: ['verify', '-v', 'info', '--compare-data', URL, 'src'],
    before: change,
  },
  { what: 'a cleanup that finds nothing', args: ['cleanup', URL] },
];

let base: string;

beforeAll(async () => {
  base = `${tempDir('parity')}/base`;
  mkdirSync(base);
  await makeHistory(base);
});

describe('the command says, logs, stores and answers the same as', () => {
  for (const name of ['duplicity-current', 'duplicity-debian'] as const) {
    it(name, { timeout: 300_000 }, async (context) => {
      const peer = requirePeer(context, name);
      for (const { what, args, before, current } of ROWS) {
        if (current === true && isClassic(peer.version)) continue;
        const { ours, theirs } = await sideBySide({ base, peer, args, ...(before === undefined ? {} : { before }) });
        expect.soft({ what, ...ours }).toEqual({ what, ...theirs });
      }
    });
  }
});

/** Exit codes of mistakes; where the releases differ, redup has the one named. */
const MISTAKES: readonly (readonly [code: number, args: readonly string[], known?: 'current'])[] = [
  [13, ['full', 'nosuch', URL]],
  [12, ['verify', URL, 'nosuch']],
  [23, ['full', 'src', 'nosuch://x/y']],
  [11, ['restore', URL, 'src']],
  [19, ['restore', '-r', 'nosuch', URL, 'out']],
  [17, ['incremental', '--name', 'o', 'src', 'file://other']],
  [14, ['full', '--exclude', '/elsewhere', 'src', URL]],
  [16, ['full', '--include', 'src/a', 'src', URL]],
  [7, ['full', '--exclude-filelist', 'nosuch', 'src', URL]],
  [15, ['full', '--exclude', 'src//a', 'src', URL]],
  [70, ['full', '--filter-globbing', '--exclude', 'src/a', 'src', URL], 'current'],
  [71, ['full', '--exclude', 'src/a', '--filter-literal', 'src', URL], 'current'],
  [23, ['full', '--exclude-older-than', 'xx', 'src', URL], 'current'],
  [23, ['restore', '-t', 'xx', URL, 'out'], 'current'],
  [23, ['full', '--volsize', 'x', 'src', URL], 'current'],
  [23, ['full', '--verbosity', 'x', 'src', URL], 'current'],
  [23, ['full', 'src'], 'current'],
  [23, ['full', URL, 'src'], 'current'],
  [23, ['restore', '--files-from', 'log', URL, 'out'], 'current'],
  [23, ['restore', '--exclude', 'd', '-r', 'd', URL, 'out'], 'current'],
  [14, ['restore', '--exclude', '/d', URL, 'out'], 'current'],
  [20, ['restore', '--exclude', '**', URL, 'out'], 'current'],
];

it('a mistake ends with the code of one release or the other', { timeout: 300_000 }, async (context) => {
  const current = requirePeer(context, 'duplicity-current');
  const debian = requirePeer(context, 'duplicity-debian');
  for (const [code, args, known] of MISTAKES) {
    const { ours, theirs } = await sideBySide({ base, peer: current, args });
    const codes = [theirs.code];
    if (known === undefined && theirs.code !== code)
      codes.push((await sideBySide({ base, peer: debian, args })).theirs.code);
    expect.soft([args, ours.code]).toEqual([args, code]);
    expect.soft(codes, args.join(' ')).toContain(code);
  }
});

/** A file changed, one new, one gone, and a socket. */
function change(folder: string): void {
  writeFileSync(`${folder}/src/a`, 'other\n');
  writeFileSync(`${folder}/src/new`, 'n');
  rmSync(`${folder}/src/d/big`);
  const server = createServer().listen(`${folder}/src/sock`);
  server.unref();
  for (const path of ['src/a', 'src/new', 'src/d', 'src']) utimesSync(`${folder}/${path}`, NOW - 100, NOW - 100);
}

function emptyTarget(folder: string): void {
  mkdirSync(`${folder}/other`);
}

function remove(folder: string, names: RegExp, places = ['t', 'cache/n']): void {
  for (const place of places)
    for (const name of readdirSync(`${folder}/${place}`)) if (names.test(name)) rmSync(`${folder}/${place}/${name}`);
}
