/**
 * redup and real duplicity on the same archives: whatever one writes, the other restores, and either continues the
 * other's chains (interop.test.ts, interop-current.test.ts). Random trees and histories; the seed of a failure is printed and can be given as REDUP_SEED.
 */

import { join } from 'node:path';
import {
  diffTrees,
  duplicityHome,
  duplicityOk,
  type History,
  historyArbitrary,
  historyStates,
  type Peer,
  readTree,
  requirePeer,
  snapshotOf,
  updateTree,
  withTempDir,
} from '@redup/testkit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asTime } from '../src/index.js';
import { MODES, type Mode, openRepository, PASSPHRASE, warnings } from './support.js';

const RUNS = Number(process.env['REDUP_RUNS'] ?? 3);
const SEED = process.env['REDUP_SEED'];
const FIRST_TIME = 1_700_000_000;

type Writer = 'redup' | 'duplicity';
type Turns = (set: number) => Writer;

const TURNS: Readonly<Record<string, Turns>> = {
  'redup writes': () => 'redup',
  'duplicity writes': () => 'duplicity',
  'both write in turn, redup first': (set) => (set % 2 === 0 ? 'redup' : 'duplicity'),
  'both write in turn, duplicity first': (set) => (set % 2 === 0 ? 'duplicity' : 'redup'),
};

/** Every history, written by the one, the other, or both in turns, and restored by both. */
export function describeInterop(peerName: 'duplicity-debian' | 'duplicity-current'): void {
  describe.each(MODES)(`${peerName}, %s`, (mode) => {
    test.each(Object.entries(TURNS))('%s: every time restores with either', async (_name, turns) => {
      const context = { skip: (note?: string) => expect.unreachable(note) };
      const peer = requirePeer(context, peerName);
      await fc.assert(
        fc.asyncProperty(historyArbitrary({ maxEntries: 8 }), async (history) => {
          await playHistory(history, turns, mode, peer);
        }),
        { numRuns: RUNS, endOnFailure: true, ...(SEED === undefined ? {} : { seed: Number(SEED) }) },
      );
    });
  });
}

async function playHistory(history: History, turns: Turns, mode: Mode, peer: Peer): Promise<void> {
  await withTempDir('interop', async (folder) => {
    const source = join(folder, 'source');
    const target = join(folder, 'target');
    const states = historyStates(history);
    const home = duplicityHome();
    const redup = (now: number) => openRepository({ target, archiveDirectory: join(folder, 'redup'), mode, now });
    const run = (args: readonly string[], now: number) =>
      duplicityOk(peer, [...args.slice(0, 1), ...(mode === 'plain' ? ['--no-compression'] : []), ...args.slice(1)], {
        home,
        currentTime: now,
        ...(mode === 'symmetric' ? { passphrase: PASSPHRASE } : {}),
      });
    try {
      for (const [set, state] of states.entries()) {
        updateTree(source, states[set - 1] ?? new Map(), state);
        const now = FIRST_TIME + 1000 * set;
        if (turns(set) === 'redup') {
          const { repository, events } = await redup(now);
          const result = await repository.backup({ source, volumeBytes: 2 ** 20 });
          expect(warnings(events)).toEqual([]);
          expect(result.statistics.errors).toBe(0);
          expect(result.type).toBe(set === 0 ? 'full' : 'incremental');
        } else {
          await run([set === 0 ? 'full' : 'incremental', '--volsize', '1', source, `file://${target}`], now);
        }
      }
      const later = FIRST_TIME + 1000 * states.length;
      for (const [set, state] of states.entries()) {
        const time = FIRST_TIME + 1000 * set;
        const mine = join(folder, `redup-${set}`);
        const { repository, events } = await redup(later);
        const restored = await repository.restore({ target: mine, time: asTime(time) });
        expect(warnings(events)).toEqual([]);
        expect(restored.problems).toBe(0);
        expect(diffTrees(snapshotOf(state), readTree(mine))).toEqual([]);
        if (set === states.length - 1) {
          const verified = await (await redup(later)).repository.verify({ local: source, compare: 'data' });
          expect(verified).toMatchObject({ differences: 0, problems: 0, files: state.size });
          expect(await listPaths(await redup(later))).toEqual([...state.keys()]);
        }
        if (turns(set) === 'duplicity' && states.length > 1 && turns(0) === turns(1)) continue;
        const theirs = join(folder, `duplicity-${set}`);
        await run(['restore', '--time', `${time}`, `file://${target}`, theirs], later);
        expect(diffTrees(snapshotOf(state), readTree(theirs))).toEqual([]);
      }
      await run(['verify', '--compare-data', `file://${target}`, source], later);
      // Every version of every file, and that the signatures of either program describe just that.
      const checked = await (await redup(later)).repository.check({ readPercent: 100 });
      expect(checked).toMatchObject({ findings: [], found: 0, sets: states.length });
      expect(checked.read?.signatures).toBe(states.length);
    } finally {
      home.dispose();
    }
  });
}

async function listPaths({ repository }: Awaited<ReturnType<typeof openRepository>>): Promise<string[]> {
  const paths: string[] = [];
  for await (const entry of repository.files()) paths.push(entry.path);
  return paths;
}
