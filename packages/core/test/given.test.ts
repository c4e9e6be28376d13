/** Backups of what is no folder: entries and contents that a program gives. */

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import { contentBytes, contentChunks, duplicityOk, type PeerName, requirePeer, seeded } from '@redup/testkit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asPath, asTime, compareEntries, inArchiveOrder, type SourceEntry, toText } from '../src/index.js';
import { comparePaths } from '../src/tree/index.js';
import { PASSPHRASE } from './support.js';
import { START, type World, withWorld } from './world.js';

const DAY = 1_600_000_000;

async function* inTurn(...entries: SourceEntry[]): AsyncGenerator<SourceEntry> {
  for (const entry of entries) {
    await setTimeout(0);
    yield entry;
  }
}

async function listed(world: World): Promise<string[]> {
  const { repository } = await world.open();
  const found: string[] = [];
  for await (const { path, type, size } of repository.files())
    found.push(`${type} ${toText(path) || '.'}${size === undefined ? '' : ` ${size}`}`);
  await repository.close();
  return found;
}

async function read(world: World, path: string, time?: number): Promise<Buffer> {
  const { repository } = await world.open();
  const bytes = await buffer(repository.open(path, time === undefined ? {} : { time: asTime(time) }));
  await repository.close();
  return bytes;
}

describe('given entries', () => {
  test('are stored with the folders above them, whatever form their contents have, and read back', async () => {
    await withWorld('symmetric', async (world) => {
      const source = inTurn(
        { path: 'a/text', content: 'grüße' },
        { path: 'a/bytes', content: Buffer.from([0, 255]) },
        { path: 'a.list', content: ['one ', Buffer.from('two')] },
        { path: 'deep/er/stream', content: Readable.from(contentChunks(seeded(1, 300_000))) },
        { path: 'deep/er/function', content: async () => inChunks(seeded(2, 70_000), 7000), size: 70_000 },
        { path: 'deep/link', type: 'symlink', linkTarget: 'er' },
        { path: 'empty', content: '', mode: 0o644, mtime: new Date(DAY * 1000) },
      );
      const result = await world.backup({ source: inArchiveOrder(source), sourceName: 'shop' });
      expect(result.statistics).toMatchObject({ errors: 0, newFiles: 11 });
      expect(await listed(world)).toEqual([
        'directory .',
        'directory a',
        'file a/bytes 2',
        'file a/text 7',
        'file a.list 7',
        'directory deep',
        'directory deep/er',
        'file deep/er/function 70000',
        'file deep/er/stream 300000',
        'symlink deep/link',
        'file empty 0',
      ]);
      expect((await read(world, 'a/text')).toString()).toBe('grüße');
      expect((await read(world, 'a.list')).toString()).toBe('one two');
      expect((await read(world, 'deep/er/stream')).equals(contentBytes(seeded(1, 300_000)))).toBe(true);
      expect((await read(world, 'deep/er/function')).equals(contentBytes(seeded(2, 70_000)))).toBe(true);
    });
  });

  test('without a size or a time are read at every backup, and only what changed in them is stored', async () => {
    await withWorld('gzip', async (world) => {
      const dump = (rows: number) => inTurn({ path: 'dump.sql', content: rowsOf(rows) });
      await world.backup({ source: dump(50_000) });
      const { statistics, type } = await world.backup({ source: dump(50_001) });
      expect(type).toBe('incremental');
      expect(statistics).toMatchObject({ changedFiles: 1, newFiles: 0, deletedFiles: 0, errors: 0 });
      expect(statistics.sourceFileSize).toBeGreaterThan(2_000_000);
      expect(statistics.rawDeltaSize).toBeLessThan(10_000);
      expect(sha256(await read(world, 'dump.sql'))).toBe(sha256(await buffer(Readable.from(rowsOf(50_001)))));
      expect(sha256(await read(world, 'dump.sql', START + 1000))).toBe(
        sha256(await buffer(Readable.from(rowsOf(50_000)))),
      );
    });
  });

  test('with the time and size of before are not read, and their streams are destroyed', async () => {
    await withWorld('gzip', async (world) => {
      let opened = 0;
      const entry = (mtime: number, size?: number): SourceEntry => ({
        path: 'a',
        mtime,
        ...(size === undefined ? {} : { size }),
        content: () => {
          opened++;
          return 'four';
        },
      });
      await world.backup({ source: [entry(DAY, 4)] });
      for (const source of [[entry(DAY, 4)], [entry(DAY)]]) {
        expect((await world.backup({ source })).statistics.deltaEntries).toBe(0);
      }
      expect(opened).toBe(1);
      await world.backup({ source: [entry(DAY + 1, 4)] });
      expect(opened).toBe(2);
      const stream = new Readable({ read: () => expect.fail('it was read') });
      await world.backup({ source: [{ path: 'a', mtime: DAY + 1, content: stream }] });
      expect(stream.destroyed).toBe(true);
    });
  });

  test('that are not given again are deleted, and the next is asked for only when the last is stored', async () => {
    await withWorld('plain', async (world) => {
      const steps: string[] = [];
      async function* source(names: readonly string[]) {
        for (const path of names) {
          steps.push(`give ${path}`);
          yield {
            path,
            content: (async function* () {
              steps.push(`read ${path}`);
              yield path;
            })(),
          };
        }
      }
      await world.backup({ source: source(['a', 'b', 'd/c']) });
      expect(steps).toEqual(['give a', 'read a', 'give b', 'read b', 'give d/c', 'read d/c']);
      const { statistics } = await world.backup({ source: source(['b']) });
      expect(statistics).toMatchObject({ deletedFiles: 3, changedFiles: 1 });
      expect(await listed(world)).toEqual(['directory .', 'file b 1']);
      expect((await read(world, 'd/c', START + 1000)).toString()).toBe('d/c');
    });
  });

  test.each([
    [['b', 'a'], 'it comes after b'],
    [['a', 'a'], 'twice'],
    [['a.b', 'a/b'], 'it comes after a.b'],
    [['a/b', 'a'], 'it comes after a/b'],
    [['a', 'a/b'], 'below a, which is a file'],
    [['/a'], 'relative'],
    [['a/../b'], 'relative'],
    [['a\0b'], 'relative'],
  ])('as %j are refused by name, and nothing is stored', async (paths, why) => {
    await withWorld('plain', async (world) => {
      const source = paths.map((path): SourceEntry => ({ path, content: 'x' }));
      const failure = await world.backup({ source }).catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: 'BAD_ENTRY', message: expect.stringContaining(why) });
      const { repository } = await world.open();
      expect(await repository.snapshots()).toEqual([]);
      await repository.close();
    });
  });

  test('are sorted by compareEntries as the archive is', () => {
    const part = fc.stringMatching(/^[a-c.\-ä]{1,3}$/);
    const path = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
    fc.assert(
      fc.property(path, path, (a, b) => {
        const bytes = (text: string) => asPath(Buffer.from(text, 'utf8').toString('latin1'));
        expect(Math.sign(compareEntries({ path: a }, { path: Buffer.from(b) }))).toBe(
          Math.sign(comparePaths(bytes(a), bytes(b))),
        );
      }),
    );
  });

  test('more than inArchiveOrder may hold are refused', async () => {
    const many = Array.from({ length: 11 }, (_, i): SourceEntry => ({ path: `${i}`, content: '' }));
    await expect(Readable.from(inArchiveOrder(many, { atMost: 10 })).toArray()).rejects.toMatchObject({
      code: 'BAD_ENTRY',
    });
    expect(await Readable.from(inArchiveOrder(many, { atMost: 11 })).toArray()).toHaveLength(11);
  });
});

describe('a source that fails', () => {
  const good: SourceEntry = { path: 'b', content: 'good' };

  test('between entries ends the backup: nothing counts as deleted', async () => {
    await withWorld('gzip', async (world) => {
      await world.backup({ source: [good, { path: 'c', content: 'c' }] });
      async function* failing() {
        yield good;
        throw new Error('connection lost');
      }
      await expect(world.backup({ source: failing() })).rejects.toMatchObject({
        code: 'SOURCE_UNREADABLE',
        message: 'The source failed after b: connection lost',
      });
      expect(await listed(world)).toContain('file c 1');
    });
  });

  test('before the first byte of a file leaves its last version, later marks it and reads it again', async () => {
    await withWorld('gzip', async (world) => {
      const dump = (content: () => AsyncIterable<Buffer>): SourceEntry[] => [{ path: 'dump', mtime: DAY, content }];
      await world.backup({ source: dump(() => inChunks(seeded(1, 200_000), 10_000)) });
      const refused = await world.backup({
        source: [{ path: 'dump', content: () => Promise.reject(new Error('no connection')) }],
      });
      expect(refused.statistics.errors).toBe(1);
      expect(refused.warnings.join()).toContain('Cannot read dump: no connection');
      expect(await read(world, 'dump')).toHaveLength(200_000);
      const broken = await world.backup({
        source: [{ path: 'dump', mtime: DAY + 1, content: cut(seeded(1, 200_000)) }],
      });
      expect(broken.statistics.errors).toBe(1);
      expect(broken.warnings.join()).toContain('could not be read beyond byte 65536: cut off');
      const again = await world.backup({
        source: [{ path: 'dump', mtime: DAY + 1, content: inChunks(seeded(1, 200_000), 9999) }],
      });
      expect(again.statistics).toMatchObject({ errors: 0, changedFiles: 1 });
      expect(await read(world, 'dump')).toHaveLength(200_000);
    });
  });

  test('with other content than announced counts as an error', async () => {
    await withWorld('gzip', async (world) => {
      const { statistics, warnings } = await world.backup({ source: [{ path: 'a', content: 'abc', size: 4 }] });
      expect(statistics.errors).toBe(1);
      expect(warnings.join()).toContain('4 bytes were announced, and 3 came');
    });
  });

  test('by never answering is left when the signal fires, in entries and in contents', async () => {
    await withWorld('gzip', async (world) => {
      const never = new Promise<never>(() => {});
      async function* stuck(): AsyncGenerator<SourceEntry> {
        yield await never;
      }
      async function* stuckContent() {
        yield 'first';
        yield await never;
      }
      for (const source of [stuck(), [{ path: 'a', content: stuckContent() }]]) {
        await expect(world.backup({ source, signal: AbortSignal.timeout(100) })).rejects.toMatchObject({
          code: 'ABORTED',
        });
      }
      expect(readdirSync(world.target).filter((name) => name.includes('duplicity'))).toEqual([]);
    });
  });

  test('is not taken up where it was interrupted, because it can not be read again', async () => {
    await withWorld('plain', async (world) => {
      const abort = new AbortController();
      async function* source() {
        yield { path: 'a', content: inChunks(seeded(1, 4_000_000), 65_536) };
        abort.abort();
        yield { path: 'b', content: 'b' };
      }
      await expect(world.backup({ source: source(), signal: abort.signal })).rejects.toMatchObject({ code: 'ABORTED' });
      const { statistics } = await world.backup({ source: [{ path: 'a', content: 'other' }] });
      expect(statistics.errors).toBe(0);
      expect((await read(world, 'a')).toString()).toBe('other');
    });
  });
});

describe.each<PeerName>(['duplicity-debian', 'duplicity-current'])('given entries and %s', (name) => {
  test('are restored by it, from a full and an incremental backup', async (context) => {
    const peer = requirePeer(context, name);
    await withWorld('symmetric', async (world) => {
      const source = (rows: number) =>
        inTurn({ path: 'db/dump.sql', content: rowsOf(rows) }, { path: 'info', content: `${rows}` });
      await world.backup({ source: source(40_000) });
      await world.backup({ source: source(40_010) });
      const target = join(world.folder, 'by-duplicity');
      await duplicityOk(peer, ['restore', `file://${world.target}`, target], { passphrase: PASSPHRASE });
      expect(sha256(readFileSync(join(target, 'db/dump.sql')))).toBe(
        sha256(await buffer(Readable.from(rowsOf(40_010)))),
      );
      expect(readFileSync(join(target, 'info'), 'utf8')).toBe('40010');
    });
  });
});

function* rowsOf(count: number): Generator<Buffer> {
  for (let i = 0; i < count; i++) yield Buffer.from(`INSERT INTO t VALUES (${i}, 'the value of row ${i}');\n`);
}

async function* inChunks(content: ReturnType<typeof seeded>, size: number): AsyncGenerator<Buffer> {
  const bytes = contentBytes(content);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function* cut(content: ReturnType<typeof seeded>): AsyncGenerator<Buffer> {
  yield contentBytes(content).subarray(0, 100_000);
  throw new Error('cut off');
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
