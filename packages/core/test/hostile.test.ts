/**
 * Attacks through what lies in the target. Whatever it holds, a restore, a verification and a list end with a result or
 * with an error of the engine's own, in bounded memory, and nothing outside the folder restored to is touched.
 */

import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { diffTrees, readTree, type Snapshot, withTempDir } from '@redup/testkit';
import { describe, expect, test } from 'vitest';
import { RedupError, type RestoreOptions, type RestoreResult } from '../src/index.js';
import { ATTACKS, type Attack, type Expected } from './attacks.js';
import { writeHostileChain } from './hostile-archive.js';
import { openRepository, warnings } from './support.js';

interface Scene {
  /** Everything lies here: the attacked folder beside the target, the archive, the cache. */
  readonly home: string;
  readonly outside: string;
  readonly target: string;
  restore(options?: Partial<RestoreOptions>): Promise<Outcome>;
}

type Outcome = { readonly run: RestoreResult; readonly messages: readonly string[] } | { readonly error: RedupError };

async function withScene(attack: Attack, use: (scene: Scene) => Promise<void>): Promise<void> {
  await withTempDir('hostile', async (home) => {
    const [outside, target, archive] = [join(home, 'outside'), join(home, 'target'), join(home, 'archive')];
    mkdirSync(outside);
    writeFileSync(join(outside, 'secret'), 'secret');
    writeFileSync(join(home, 'beside'), 'beside');
    chmodSync(join(outside, 'secret'), 0o640);
    const given = attack({ outside });
    const sets = given.every((part) => Buffer.isBuffer(part))
      ? [{ volumes: [given] }]
      : given.filter((part) => !Buffer.isBuffer(part));
    writeHostileChain(archive, sets);
    const open = () =>
      openRepository({ target: archive, archiveDirectory: join(home, 'cache'), mode: 'plain', now: 1_800_000_000 });
    const before = surroundings(home);
    const untouched = () => expect(diffTrees(before, surroundings(home))).toEqual([]);
    const restore: Scene['restore'] = async (options) => {
      const { repository, events } = await open();
      const outcome = await repository.restore({ target, ...options }).then(
        (run) => ({ run, messages: warnings(events) }),
        (error: unknown) => ({ error: engineError(error) }),
      );
      untouched();
      return outcome;
    };
    await use({ home, outside, target, restore });
    untouched();
    // The other readers of the same bytes.
    const { repository } = await open();
    await repository.verify({ local: outside, compare: 'data', ignoreErrors: true }).catch(engineError);
    const list = async () => {
      for await (const { path } of repository.files()) expect(path.split('/')).not.toContain('..');
    };
    await list().catch(engineError);
    untouched();
  });
}

/** Everything in the scene but what a restore may write, and the cache. */
function surroundings(home: string): Snapshot {
  const own = ['target', 'cache', 'target-force', 'target-ignore'];
  return new Map([...readTree(home)].filter(([path]) => path !== '' && !own.includes(path.split('/')[0] ?? '')));
}

/** No surprise of the run time, no message that says nothing. */
function engineError(error: unknown): RedupError {
  if (!(error instanceof RedupError)) throw error;
  expect(error.code).not.toBe('INTERNAL');
  expect(error.message).not.toMatch(/undefined|\[object/);
  return error;
}

async function expectOutcome(attack: Attack, expected: Expected): Promise<void> {
  await withScene(attack, async ({ home, restore, target }) => {
    const outcome = await restore();
    if (expected === 'refused')
      expect('error' in outcome && outcome.error.code).toMatch(/^(ARCHIVE_INVALID|VOLUME_DAMAGED|MANIFEST_INVALID)$/);
    else {
      if ('error' in outcome) throw outcome.error;
      expect(Math.sign(outcome.run.problems)).toBe(expected === 'counted' ? 1 : 0);
      if (expected === 'counted') expect(outcome.messages.length).toBeGreaterThan(0);
    }
    expectNoTraces(target);
    // The same with every brake off.
    const ignoring = await restore({ target: join(home, 'target-ignore'), ignoreErrors: true });
    if (expected === 'refused' && 'run' in ignoring) expect(ignoring.run.problems).toBeGreaterThan(0);
    await restore({ target: join(home, 'target-force'), force: true });
    await restore({ target: join(home, 'target-force'), force: true, ignoreErrors: true });
  });
}

/** Temporary names are gone whatever happened. */
function expectNoTraces(target: string): void {
  if (!existsSync(target) || !statSync(target).isDirectory()) return;
  expect(readdirSync(target).filter((name) => name.includes('-restoring'))).toEqual([]);
}

describe.each(Object.entries(ATTACKS))('%s', (_group, attacks) => {
  test.each(Object.entries(attacks))('%s', async (_name, [expected, attack]) => {
    await expectOutcome(attack, expected);
  });
});
