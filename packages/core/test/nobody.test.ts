/** What a user who may not read everything backs up. */

import { chmodSync, chownSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { diffTrees, file, readTree, requireRoot, seeded, snapshotOf, tree } from '@redup/testkit';
import { describe, expect, test } from 'vitest';
import { asNobody } from './nobody.js';
import { MODES } from './support.js';
import { errorOf, type World, withWorld } from './world.js';

/** Gives a world to nobody, as far as it exists. */
function give(world: World): void {
  chmodSync(world.folder, 0o755);
  chownSync(world.folder, 65_534, 65_534);
  for (const name of readdirSync(world.source, { recursive: true, encoding: 'utf8' }))
    chownSync(join(world.source, name), 65_534, 65_534);
  chownSync(world.source, 65_534, 65_534);
}

describe.each(MODES)('unreadable now, %s', (mode) => {
  test('a file and a folder: named, counted, and what was stored of them stays', async (context) => {
    requireRoot(context, 'becomes nobody');
    await withWorld(mode, async (world) => {
      world.write(
        tree({ a: file('a'), 'd/x': file('x'), 'd/y/z': file('z'), f: file(seeded(1, 100_000)), z: file('z') }),
      );
      give(world);
      await asNobody(() => world.backup());
      const closed = [join(world.source, 'd'), join(world.source, 'f')];
      for (const place of closed) chmodSync(place, 0);
      writeFileSync(join(world.source, 'z'), 'changed');
      const run = await asNobody(() => world.backup());
      expect(run.type).toBe('incremental');
      expect(run.statistics).toMatchObject({ errors: 2, deletedFiles: 0 });
      for (const path of ['d', 'f'])
        expect(run.events).toContainEqual(expect.objectContaining({ code: 'UNREADABLE', path }));
      expect(run.warnings.join()).toContain('permission denied');
      expect(await asNobody(() => world.list())).toEqual(['', 'a', 'd', 'd/x', 'd/y', 'd/y/z', 'f', 'z']);
      const { target, problems } = await asNobody(() => world.restore());
      expect(problems).toBe(0);
      const restored = readTree(target);
      expect(restored.get('f')?.sha256).toBe(snapshotOf(world.tree).get('f')?.sha256);
      expect(restored.get('d/y/z')?.sha256).toBe(snapshotOf(world.tree).get('d/y/z')?.sha256);
      // Open again, they are as before: nothing is stored a second time but their modes.
      for (const place of closed) chmodSync(place, place.endsWith('d') ? 0o755 : 0o644);
      utimesSync(join(world.source, 'z'), 1_600_000_000, 1_600_000_000);
      const later = await asNobody(() => world.backup());
      expect(later.statistics).toMatchObject({ errors: 0, deletedFiles: 0 });
      const again = await asNobody(() => world.restore());
      expect(diffTrees(readTree(world.source), readTree(again.target))).toEqual([]);
    });
  });
});

test('a file that never could be read is left out and counted each time', async (context) => {
  requireRoot(context, 'becomes nobody');
  await withWorld('gzip', async (world) => {
    world.write(tree({ a: file('a'), secret: file('secret', { mode: 0o600 }) }));
    give(world);
    chownSync(join(world.source, 'secret'), 0, 0);
    for (let i = 0; i < 2; i++) expect((await asNobody(() => world.backup())).statistics.errors).toBe(1);
    expect(await asNobody(() => world.list())).toEqual(['', 'a']);
    chmodSync(join(world.source, 'secret'), 0o644);
    expect((await asNobody(() => world.backup())).statistics).toMatchObject({ errors: 0, newFiles: 1 });
    expect(await asNobody(() => world.list())).toEqual(['', 'a', 'secret']);
  });
});

test('a folder that can be listed but not entered', async (context) => {
  requireRoot(context, 'becomes nobody');
  await withWorld('gzip', async (world) => {
    world.write(tree({ 'd/x': file('x'), z: file('z') }));
    give(world);
    await asNobody(() => world.backup());
    chmodSync(join(world.source, 'd'), 0o444);
    const run = await asNobody(() => world.backup());
    expect(run.statistics).toMatchObject({ errors: 1, deletedFiles: 0 });
    expect(await asNobody(() => world.list())).toEqual(['', 'd', 'd/x', 'z']);
  });
});

test('a source that may not be read, a target and a restore target that may not be written: one error each', async (context) => {
  requireRoot(context, 'becomes nobody');
  await withWorld('gzip', async (world) => {
    world.write(tree({ a: file('a') }));
    give(world);
    await asNobody(() => world.backup());
    chmodSync(world.source, 0);
    const unreadable = await asNobody(() => errorOf(world.backup(), 'SOURCE_UNREADABLE'));
    expect(unreadable.subject).toBe(world.source);
    chmodSync(world.source, 0o755);
    chmodSync(world.target, 0o555);
    const unwritable = await asNobody(() => errorOf(world.backup(), 'TARGET_UNWRITABLE'));
    expect(unwritable.message).toMatch(/duplicity-inc\..*permission/i);
    chmodSync(world.target, 0o755);
    const closed = join(world.folder, 'closed');
    mkdirSync(closed, { mode: 0o755 });
    const target = join(closed, 'restored');
    const refused = await asNobody(() => errorOf(world.restore({ target }), 'TARGET_UNWRITABLE'));
    expect(refused.subject).toBe(target);
    expect(await asNobody(() => world.backup())).toMatchObject({ type: 'incremental' });
  });
});
