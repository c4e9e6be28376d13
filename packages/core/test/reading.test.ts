/** Entries and contents without a disk: streams of single files, tars, listings, snapshots; and operations themselves. */

import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { contentBytes, diffTrees, file, readTree, runOk, seeded, snapshotOf, symlink, tree } from '@redup/testkit';
import { extract } from 'tar-stream';
import { describe, expect, test } from 'vitest';
import { asTime, MemoryStorage, RedupError, type RedupEvent, Repository, toText } from '../src/index.js';
import { fixedClock, MODES } from './support.js';
import { START, withWorld } from './world.js';

const codeOf = (error: unknown) => (error instanceof RedupError ? error.code : error);

describe.each(MODES)('a file of a time, %s', (mode) => {
  test('is a stream of its bytes, also through a chain of deltas', async () => {
    await withWorld(mode, async (world) => {
      const versions = [seeded(1, 900_000), [...seeded(1, 900_000), ...seeded(2, 5000)], seeded(3, 70_000)];
      for (const content of versions) {
        world.write(tree({ 'd/data': file(content), small: file('small'), 'd/empty': file('') }));
        await world.backup();
      }
      const { repository } = await world.open();
      for (const [index, content] of versions.entries()) {
        const time = asTime(START + 1000 * (index + 1));
        const bytes = await buffer(repository.open('d/data', { time }));
        expect(bytes.equals(contentBytes(content))).toBe(true);
      }
      expect(await buffer(repository.open('d/empty'))).toHaveLength(0);
      expect((await buffer(repository.open('/small/'))).toString()).toBe('small');
      await repository.close();
    });
  });

  test('fetches the volumes that can hold it, and no other', async () => {
    await withWorld(mode, async (world) => {
      world.write(tree({ a: file(seeded(1, 3_000_000)), b: file(seeded(2, 3_000_000)), c: file('last') }));
      const { volumes } = await world.backup();
      expect(volumes).toBeGreaterThan(3);
      const { repository, events } = await world.open();
      expect((await buffer(repository.open('c'))).toString()).toBe('last');
      expect(
        events.flatMap((event) => (event.type === 'volume' && event.action === 'fetched' ? [event.number] : [])),
      ).toEqual([volumes]);
      await repository.close();
    });
  });
});

describe('reading a file', () => {
  test('that is none says what it is', async () => {
    await withWorld('gzip', async (world) => {
      world.write(tree({ 'd/x': file('x'), link: symlink('d/x') }));
      await world.backup();
      const { repository } = await world.open();
      const failure = (path: string) => buffer(repository.open(path)).catch((error: unknown) => error);
      expect(await failure('d')).toMatchObject({ code: 'NOT_A_FILE', subject: 'd' });
      expect(await failure('link')).toMatchObject({ code: 'NOT_A_FILE', hint: 'It points to d/x.' });
      expect(await failure('')).toMatchObject({ code: 'NOT_A_FILE' });
      expect(await failure('missing')).toMatchObject({ code: 'PATH_NOT_FOUND', subject: 'missing' });
      expect(await failure('../d')).toMatchObject({ code: 'BAD_OPTION' });
      await repository.close();
    });
  });

  test('whose name is no UTF-8 takes the entry of the listing', async () => {
    await withWorld('plain', async (world) => {
      world.write(tree({ 'caf\xe9': file('byte'), 'caf\xc3\xa9': file('text') }));
      await world.backup();
      const { repository } = await world.open();
      const found: string[] = [];
      for await (const entry of repository.files()) {
        if (entry.type === 'file') found.push((await buffer(repository.open(entry))).toString());
      }
      expect(found).toEqual(['text', 'byte']);
      expect((await buffer(repository.open('café'))).toString()).toBe('text');
      await repository.close();
    });
  });

  test('leaves no temporary file, whether read to the end, left early, or aborted', async () => {
    await withWorld('gzip', async (world) => {
      for (const seed of [1, 2]) {
        world.write(tree({ big: file([...seeded(seed, 6_000_000), ...seeded(9, 6_000_000)]) }));
        await world.backup();
      }
      const temporaryDirectory = join(world.folder, 'tmp');
      mkdirSync(temporaryDirectory);
      const { repository } = await world.open({ temporaryDirectory });
      const left = repository.open('big');
      const closed = new Promise((resolve) => left.once('close', resolve));
      for await (const piece of left) {
        expect(piece.length).toBeGreaterThan(0);
        break;
      }
      await closed;
      expect(readdirSync(temporaryDirectory)).toEqual([]);
      const abort = new AbortController();
      const reading = repository.open('big', { signal: abort.signal });
      await expect(
        (async () => {
          for await (const _ of reading) abort.abort();
        })(),
      ).rejects.toMatchObject({ code: 'ABORTED' });
      expect(readdirSync(temporaryDirectory)).toEqual([]);
      expect(await buffer(repository.open('big'))).toHaveLength(12_000_000);
      expect(readdirSync(temporaryDirectory)).toEqual([]);
      await repository.close();
    });
  });

  test('stops at damage instead of handing it out', async () => {
    await withWorld('plain', async (world) => {
      world.write(tree({ data: file(seeded(1, 200_000)) }));
      await world.backup();
      const volume = readdirSync(world.target).find((name) => name.includes('vol1')) ?? '';
      writeFileSync(join(world.target, volume), Buffer.alloc(300_000));
      const { repository } = await world.open();
      await expect(buffer(repository.open('data'))).rejects.toMatchObject({ code: 'VOLUME_HASH' });
      await repository.close();
    });
  });
});

describe('a tar of a time', () => {
  test('is unpacked by tar to the tree that was backed up', async () => {
    await withWorld('symmetric', async (world) => {
      const long = `${'long'.repeat(30)}/${'name'.repeat(40)}`;
      world.write(
        tree({
          'a/b': file(seeded(1, 5_000_000)),
          'a/c': file('', { mode: 0o600 }),
          [long]: file('deep'),
          'caf\xe9': file('no UTF-8'),
          'd/link': symlink('../a/b'),
        }),
      );
      await world.backup();
      world.write(new Map([...world.tree, ['a/b', file([...seeded(1, 5_000_000), ...seeded(2, 100)])]]));
      await world.backup();
      const { repository } = await world.open();
      const place = join(world.folder, 'unpacked');
      mkdirSync(place);
      const archive = join(world.folder, 'all.tar');
      writeFileSync(archive, await buffer(repository.toTar()));
      await runOk('tar', ['-xpf', archive, '-C', place]);
      expect(diffTrees(snapshotOf(world.tree), readTree(place))).toEqual([]);
      await repository.close();
    });
  });

  test('of one path and an earlier time is read by tar-stream, with names relative to the source', async () => {
    await withWorld('gzip', async (world) => {
      world.write(tree({ 'a/b': file('one'), x: file('x') }));
      await world.backup();
      world.write(tree({ 'a/b': file('two'), x: file('x') }));
      await world.backup();
      const { repository } = await world.open();
      const unpacked = extract();
      repository.toTar({ path: 'a', time: asTime(START + 1000) }).pipe(unpacked);
      const found: string[] = [];
      for await (const entry of unpacked) found.push(`${entry.header.name} ${await buffer(entry)}`);
      expect(found).toEqual(['a/ ', 'a/b one']);
      await repository.close();
    });
  });
});

describe('a repository', () => {
  test('lists the times that can be restored, oldest first, and takes them, dates and text as times', async () => {
    await withWorld('gzip', async (world) => {
      for (const text of ['one', 'two']) {
        world.write(tree({ a: file(text) }));
        await world.backup();
      }
      const { repository } = await world.open();
      const found = await repository.snapshots();
      expect(found.map(({ time, type, fullTime }) => [time - START, type, fullTime - START])).toEqual([
        [1000, 'full', 1000],
        [2000, 'incremental', 1000],
      ]);
      const read = async (time: Parameters<typeof repository.open>[1]) => `${await buffer(repository.open('a', time))}`;
      expect(await read({})).toBe('two');
      expect(await read({ time: asTime(START + 1000) })).toBe('one');
      expect(await read({ time: new Date((START + 1500) * 1000) })).toBe('one');
      expect(await read({ time: '15m' })).toBe('one');
      await expect(read({ time: 'last tuesday' })).rejects.toMatchObject({ code: 'BAD_TIME' });
      await repository.close();
    });
  });

  test('opens its URL itself, makes the target for a backup alone, and finds it later', async () => {
    await withWorld('gzip', async (world) => {
      world.write(tree({ a: file('a') }));
      const options = { archiveDirectory: world.archive, workers: 0, clock: fixedClock(START) };
      const repository = Repository.open(`file://${world.target}`, options);
      expect(codeOf(await repository.status().catch((error: unknown) => error))).toBe('TARGET_MISSING');
      expect(existsSync(world.target)).toBe(false);
      await repository.backup({ source: world.source });
      expect((await repository.snapshots()).map(({ time }) => time)).toEqual([START]);
      await repository.close();
      expect(await repository.status().catch((error: unknown) => error)).toMatchObject({
        cause: { code: 'closed' },
      });
      const unknown = Repository.open('gopher://x/y', options);
      expect(codeOf(await unknown.status().catch((error: unknown) => error))).toBe('BAD_URL');
    });
  });

  test('fetches the metadata that is missing here, and drops what the target no longer has', async () => {
    await withWorld('symmetric', async (world) => {
      world.write(tree({ a: file('a') }));
      await world.backup();
      await world.backup();
      rmSync(world.archive, { recursive: true });
      const { repository } = await world.open();
      expect(await repository.sync()).toMatchObject({ dropped: 0, fetched: { length: 4 } });
      expect(await repository.sync()).toEqual({ dropped: 0, fetched: [] });
      for (const name of readdirSync(world.target)) if (/inc|new/.test(name)) rmSync(join(world.target, name));
      expect(await repository.sync()).toEqual({ dropped: 2, fetched: [] });
      await repository.close();
    });
  });
});

describe('a plan of pruning', () => {
  test('is what is done, and is refused once the target has changed', async () => {
    await withWorld('gzip', async (world) => {
      world.write(tree({ a: file('a') }));
      for (const type of ['full', 'full', 'incremental'] as const) await world.backup({ type });
      const { repository } = await world.open();
      const plan = await repository.planPrune({ rule: { remove: 'all-but-full', count: 1 } });
      expect(plan.chains.map(({ start }) => start - START)).toEqual([1000]);
      const before = readdirSync(world.target);
      await world.backup({ type: 'full' });
      await expect(repository.prune(plan)).rejects.toMatchObject({ code: 'PLAN_OUTDATED' });
      expect(readdirSync(world.target)).toEqual(expect.arrayContaining(before));
      const again = await repository.planPrune({ rule: { remove: 'all-but-full', count: 2 } });
      expect(again.files).toEqual(plan.files);
      expect(await repository.prune(again)).toMatchObject({ deleted: true, files: plan.files });
      expect(readdirSync(world.target).filter((name) => plan.files.includes(name))).toEqual([]);
      await repository.close();
    });
  });
});

describe('an operation', () => {
  const many = () => tree(Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`f${i}`, file(`${i}`)])));

  test('tells everything to whoever iterates, and its result to whoever awaits', async () => {
    await withWorld('plain', async (world) => {
      world.write(many());
      const { repository, events } = await world.open();
      const operation = repository.backup({ source: world.source });
      const seen: RedupEvent[] = [];
      for await (const event of operation) seen.push(event);
      expect((await operation).statistics.newFiles).toBe(3001);
      expect(seen).toEqual(events);
      expect(seen.filter((event) => event.type === 'file')).toHaveLength(3001);
      await repository.close();
    });
  });

  test('waits for a listener that is slow, goes on when it leaves, and stops when its signal fires', async () => {
    await withWorld('plain', async (world) => {
      world.write(many());
      await world.backup();
      const { repository, events } = await world.open();
      const restored = () => events.filter((event) => event.type === 'restored').length;
      const operation = repository.restore({ target: join(world.folder, 'slow') });
      const slow = operation[Symbol.asyncIterator]();
      await slow.next();
      for (let before = -1; before !== restored(); ) {
        before = restored();
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
      expect(restored()).toBeLessThan(2500);
      await slow.return();
      expect((await operation).files).toBe(3001);

      const abort = new AbortController();
      const stalled = repository.restore({ target: join(world.folder, 'stalled'), signal: abort.signal });
      const never = stalled[Symbol.asyncIterator]();
      await never.next();
      setTimeout(() => abort.abort(), 300);
      await expect(stalled).rejects.toMatchObject({ code: 'ABORTED' });
      await repository.close();
    });
  });

  test('that fails after its loop was left, and that nobody awaits, is an unhandled rejection', async () => {
    const repository = Repository.open('memory:', { storage: new MemoryStorage() });
    const unhandled: unknown[] = [];
    const listener = (error: unknown) => unhandled.push(error);
    const others = process.listeners('unhandledRejection');
    process.removeAllListeners('unhandledRejection');
    process.on('unhandledRejection', listener);
    try {
      for (const isAwaited of [true, false]) {
        const operation = repository.restore({ target: '/nowhere/at/all' });
        for await (const _ of operation) break;
        if (isAwaited) await expect(operation).rejects.toMatchObject({ code: 'NO_BACKUP' });
        await new Promise((resolve) => setTimeout(resolve, 20));
        expect(unhandled).toHaveLength(isAwaited ? 0 : 1);
      }
    } finally {
      process.off('unhandledRejection', listener);
      for (const other of others) process.on('unhandledRejection', other);
    }
    await repository.close();
  });

  test('fails in the loop and in its promise, and a loop alone leaves no unhandled rejection', async () => {
    const repository = Repository.open('memory:', { storage: new MemoryStorage() });
    const seen: string[] = [];
    const unhandled = (error: unknown) => seen.push(`unhandled ${error}`);
    process.on('unhandledRejection', unhandled);
    const operation = repository.restore({ target: '/nowhere/at/all' });
    await expect(
      (async () => {
        for await (const event of operation) seen.push(event.type);
      })(),
    ).rejects.toMatchObject({ code: 'NO_BACKUP' });
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', unhandled);
    expect(seen).toEqual(['phase']);
    await expect(operation).rejects.toMatchObject({ code: 'NO_BACKUP' });
    expect(await operation.catch(() => toText('caught'))).toBe('caught');
    await repository.close();
  });
});
