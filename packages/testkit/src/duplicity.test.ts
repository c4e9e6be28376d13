import fs from 'node:fs';
import path from 'node:path';

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { updateTree, writeTree } from './disk.js';
import { duplicity, duplicityOk, respell, withDuplicityHome } from './duplicity.js';
import { historyArbitrary, historyStates } from './history.js';
import { DUPLICITY_PEERS, type Peer, requirePeer } from './peers.js';
import { diffTrees, readTree, snapshotOf } from './snapshot.js';
import { withTempDir } from './temp.js';
import { directory, file, symlink, type TreeModel, tree } from './tree.js';

const START = 1_700_000_000;

/** Backs up each state with duplicity and restores each; gives back all differences. */
async function roundTrip(peer: Peer, states: readonly TreeModel[], passphrase?: string): Promise<string[]> {
  const secret = passphrase === undefined ? {} : { passphrase };
  return withTempDir('trip', (work) =>
    withDuplicityHome(async (home) => {
      const source = path.join(work, 'source');
      const url = `file://${work}/target`;
      let before: TreeModel = new Map();
      for (const [index, state] of states.entries()) {
        updateTree(source, before, state);
        before = state;
        const currentTime = START + index * 10;
        await duplicityOk(peer, ['backup', source, url], { home, currentTime, ...secret });
      }
      const differences: string[] = [];
      for (const [index, state] of states.entries()) {
        const restored = path.join(work, `restored-${index}`);
        const args = ['restore', '--time', `${START + index * 10}`, url, restored];
        await duplicityOk(peer, args, { home, ...secret });
        differences.push(...diffTrees(snapshotOf(state), readTree(restored)).map((line) => `state ${index}: ${line}`));
      }
      return differences;
    }),
  );
}

describe.each(DUPLICITY_PEERS)('%s', (name) => {
  test('restores what it backed up, encrypted, at every time', async (context) => {
    const peer = requirePeer(context, name);
    const first = tree({ 'a/b': file('one'), 'a.b': file('two'), '\xff\n': file('three', { mtime: 4_102_444_800 }) });
    const second = tree({
      'a/b': directory({ mode: 0o700 }),
      'a/b/c': symlink('../\xfe'),
      'a.b': file('2', { mtime: 7 }),
    });
    expect(await roundTrip(peer, [first, second], 'a pass phrase')).toEqual([]);
  });

  test('restores random histories, so that these hold only what duplicity can keep', async (context) => {
    const peer = requirePeer(context, name);
    await fc.assert(
      fc.asyncProperty(historyArbitrary({ maxFileBytes: 150_000, maxSteps: 2 }), async (history) => {
        expect(await roundTrip(peer, historyStates(history))).toEqual([]);
      }),
      { numRuns: Number(process.env['REDUP_RUNS'] ?? 5) },
    );
  });

  test('restores a single path whose name is no UTF-8', async (context) => {
    const peer = requirePeer(context, name);
    await withTempDir('path', async (work) => {
      const model = tree({ 'dir/\xff\xfe name': file('found') });
      writeTree(path.join(work, 'source'), model);
      const url = `file://${work}/target`;
      await duplicityOk(peer, ['backup', path.join(work, 'source'), url]);
      const restored = path.join(work, 'restored');
      await duplicityOk(peer, [
        'restore',
        '--path-to-restore',
        'dir/\xff\xfe name',
        '--no-restore-ownership',
        url,
        restored,
      ]);
      expect(fs.readFileSync(restored, 'utf8')).toBe('found');
    });
  });

  test('says by its exit code that a source is missing', async (context) => {
    const peer = requirePeer(context, name);
    await withTempDir('none', async (work) => {
      const { code } = await duplicity(peer, ['full', path.join(work, 'nothing'), `file://${work}/target`]);
      expect(code).not.toBe(0);
    });
  });
});

test('arguments of release 3 are respelled for the releases before 2', () => {
  const args = ['backup', '--no-restore-ownership', '--path-to-restore=backup', 'backup'];
  expect(respell('3.2.1', args)).toEqual(args);
  expect(respell('2.2.4', args)).toEqual(args);
  const classic = ['--do-not-restore-ownership', '--file-to-restore=backup', 'backup'];
  expect(respell('1.2.3', args)).toEqual(classic);
  expect(respell('0.8.22', args)).toEqual(classic);
});
