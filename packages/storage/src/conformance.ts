/**
 * The storage contract as tests: every storage runs this suite. It knows no test framework; pass in `describe` and `it`.
 *
 * ```ts
 * storageConformance({ describe, it }, 'memory', async () => ({ storage: new MemoryStorage(), dispose: async () => {} }));
 * ```
 */

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isStorageError, type StorageErrorCode } from './errors.js';
import { collect } from './pieces.js';
import type { Storage, UploadSource } from './storage.js';

export interface ConformanceRunner {
  describe(name: string, body: () => void): void;
  it(name: string, body: () => Promise<void>): void;
}

export interface ConformanceTarget {
  /** Empty, and this test's own. */
  readonly storage: Storage;
  dispose(): Promise<void>;
}

export interface ConformanceLimits {
  /** Names that are no UTF-8 are stored; otherwise they must be refused with `bad-name`. Default true. */
  readonly anyBytes?: boolean;
  /** Bytes of the large object. Default 5 MB. */
  readonly largeBytes?: number;
}

type Body = (storage: Storage, folder: string) => Promise<void>;

export function storageConformance(
  runner: ConformanceRunner,
  name: string,
  make: () => Promise<ConformanceTarget>,
  limits: ConformanceLimits = {},
): void {
  const largeBytes = limits.largeBytes ?? 5_000_000;
  const test = (title: string, body: Body): void =>
    runner.it(title, async () => {
      const { storage, dispose } = await make();
      const folder = await mkdtemp(join(tmpdir(), 'redup-conformance-'));
      try {
        await body(storage, folder);
      } finally {
        await storage.close();
        await dispose();
        await rm(folder, { recursive: true, force: true });
      }
    });

  runner.describe(`${name} keeps the storage contract`, () => {
    reading(test, largeBytes);
    writing(test, largeBytes);
    names(test, limits.anyBytes ?? true);
    ending(test);
  });
}

function reading(test: (title: string, body: Body) => void, largeBytes: number): void {
  test('an empty target lists nothing', async (storage) => {
    assert.deepEqual(await listed(storage), []);
  });

  test('what was put is listed once, with its size, and read back', async (storage) => {
    const put = await storage.put('a.vol1', bytes('hello'));
    assert.equal(put.size, 5);
    assert.deepEqual(await listed(storage), ['a.vol1 5']);
    assert.equal((await storage.stat('a.vol1'))?.size, 5);
    assert.equal(Buffer.from(await read(storage, 'a.vol1')).toString(), 'hello');
  });

  test('an empty object is an object', async (storage) => {
    await storage.put('empty', bytes(''));
    assert.deepEqual(await listed(storage), ['empty 0']);
    assert.equal((await read(storage, 'empty')).length, 0);
  });

  test('a missing object is not-found before the first piece, and stat knows nothing of it', async (storage) => {
    await rejects(() => storage.get('missing'), 'not-found');
    assert.equal(await storage.stat('missing'), undefined);
  });

  test('ranges are cut as slices are', async (storage) => {
    const data = randomBytes(1000);
    await storage.put('r', { kind: 'bytes', bytes: data });
    for (const [start, end] of [
      [0, 10],
      [990, 1000],
      [10, 10],
      [500, 5000],
      [0, 1000],
      [1000, 2000],
    ] as const) {
      const part = await collect(await storage.get('r', { start, end }));
      assert.deepEqual(Buffer.from(part), data.subarray(start, end), `${start} to ${end}`);
    }
    assert.equal((await collect(await storage.get('r', { start: 400 }))).length, 600);
  });

  test('a reader may stop early, or never begin, and the object stays readable and removable', async (storage) => {
    const data = randomBytes(largeBytes);
    await storage.put('big', { kind: 'bytes', bytes: data });
    for await (const piece of await storage.get('big')) {
      assert.ok(piece.length > 0);
      break;
    }
    await (await storage.get('big'))[Symbol.asyncIterator]().return?.();
    assert.equal(sha256(await read(storage, 'big')), sha256(data));
    await storage.remove(['big']);
  });

  test('a large object comes in pieces and in order', async (storage) => {
    const data = randomBytes(largeBytes);
    await storage.put('big', { kind: 'bytes', bytes: data });
    let count = 0;
    const hash = createHash('sha256');
    for await (const piece of await storage.get('big')) {
      count += 1;
      hash.update(piece);
    }
    assert.ok(count > 1, 'more than one piece');
    assert.equal(hash.digest('hex'), sha256(data));
  });
}

function writing(test: (title: string, body: Body) => void, largeBytes: number): void {
  test('a taken name is refused and keeps its bytes', async (storage) => {
    await storage.put('once', bytes('first'));
    await rejects(() => storage.put('once', bytes('second')), 'exists');
    assert.equal(Buffer.from(await read(storage, 'once')).toString(), 'first');
  });

  test('a taken name is replaced when asked', async (storage) => {
    await storage.put('again', bytes('first'));
    await storage.put('again', bytes('second one'), { ifExists: 'replace' });
    assert.equal(Buffer.from(await read(storage, 'again')).toString(), 'second one');
    assert.deepEqual(await listed(storage), ['again 10']);
  });

  test('a put that asks for sameness accepts its own bytes, stored already, and no others', async (storage, folder) => {
    for (const size of [0, 1000, largeBytes]) {
      const { path, data } = await makeFile(folder, size);
      const name = `same${size}`;
      await storage.put(name, file(path, size), { ifExists: 'same' });
      assert.equal((await storage.put(name, file(path, size), { ifExists: 'same' })).size, size);
      const other = Buffer.from(data);
      other[size - 1] = (other[size - 1] ?? 0) ^ 1;
      if (size > 0)
        await rejects(() => storage.put(name, { kind: 'bytes', bytes: other }, { ifExists: 'same' }), 'exists');
      await rejects(
        () => storage.put(name, { kind: 'bytes', bytes: randomBytes(size + 1) }, { ifExists: 'same' }),
        'exists',
      );
      assert.equal(sha256(await read(storage, name)), sha256(data));
    }
  });

  test('of eight puts of one name at the same moment exactly one succeeds, whole', async (storage) => {
    const all = Array.from({ length: 8 }, (_unused, at) => randomBytes(1000 + at));
    const ends = await Promise.allSettled(all.map((data) => storage.put('race', { kind: 'bytes', bytes: data })));
    const won = all.filter((_unused, at) => ends[at]?.status === 'fulfilled');
    if (storage.createsExclusively === true) assert.equal(won.length, 1);
    assert.ok(won.length >= 1);
    const stored = sha256(await read(storage, 'race'));
    assert.ok(won.some((data) => sha256(data) === stored));
  });

  test('a file is copied and stays', async (storage, folder) => {
    const { path, data } = await makeFile(folder, largeBytes);
    const seen: number[] = [];
    await storage.put('file', file(path, data.length), { sha256: sha256(data), onProgress: (sent) => seen.push(sent) });
    assert.equal(sha256(await read(storage, 'file')), sha256(data));
    assert.equal((await stat(path)).size, data.length);
    assert.equal(seen.at(-1), data.length);
  });

  test('a disposable file in the staging folder ends up stored, wherever it was', async (storage, folder) => {
    for (const [index, place] of [storage.stagingDirectory ?? folder, folder].entries()) {
      const { path, data } = await makeFile(place, 70_000);
      const name = `moved${index}`;
      await storage.put(name, { ...file(path, data.length), disposable: true });
      assert.equal(sha256(await read(storage, name)), sha256(data));
      await rm(path, { force: true });
    }
    assert.deepEqual(await listed(storage), ['moved0 70000', 'moved1 70000']);
  });

  test('a disposable file that is refused stays where it is', async (storage, folder) => {
    const { path, data } = await makeFile(storage.stagingDirectory ?? folder, 1000);
    await storage.put('taken', bytes('here'));
    await rejects(() => storage.put('taken', { ...file(path, data.length), disposable: true }), 'exists');
    assert.ok(existsSync(path));
    await rm(path);
  });

  test('a source that is not as long as announced is refused and leaves nothing', async (storage, folder) => {
    const { path } = await makeFile(folder, 1000);
    for (const size of [999, 1001]) {
      await rejects(() => storage.put('wrong', file(path, size)), 'corrupt');
      await rejects(() => storage.put('wrong', { ...file(path, size), disposable: true }), 'corrupt');
    }
    assert.deepEqual(await listed(storage), []);
  });

  test('bytes that do not match their SHA-256 are refused and leave nothing', async (storage, folder) => {
    const { path, data } = await makeFile(folder, 1000);
    await rejects(() => storage.put('w', bytes('x'), { sha256: sha256(Buffer.from('y')) }), 'corrupt');
    await rejects(() => storage.put('w', file(path, data.length), { sha256: sha256(Buffer.from('y')) }), 'corrupt');
    assert.deepEqual(await listed(storage), []);
  });

  test('a source file that is missing is an error that names it', async (storage, folder) => {
    const path = join(folder, 'nothing-here');
    await assert.rejects(
      async () => storage.put('m', file(path, 10)),
      (error) => isStorageError(error) && `${error.message} ${error.subject}`.includes('nothing-here'),
    );
    assert.deepEqual(await listed(storage), []);
  });

  test('removing is by name, in bulk, and may be repeated', async (storage) => {
    for (const name of ['a', 'b', 'c']) await storage.put(name, bytes(name));
    await storage.remove(['a', 'missing', 'c']);
    await storage.remove(['a', 'missing', 'c']);
    await storage.remove([]);
    assert.deepEqual(await listed(storage), ['b 1']);
    await storage.put('a', bytes('again'));
    assert.deepEqual(await listed(storage), ['a 5', 'b 1']);
  });

  test('many calls at once do not disturb each other', async (storage) => {
    const many = Array.from({ length: 40 }, (_unused, at) => ({ name: `n${at}`, data: randomBytes(at * 1000) }));
    await Promise.all(many.map(({ name, data }) => storage.put(name, { kind: 'bytes', bytes: data })));
    const back = await Promise.all(many.map(({ name }) => read(storage, name)));
    for (const [at, { data }] of many.entries()) assert.deepEqual(Buffer.from(back[at] ?? []), data);
    assert.equal((await listed(storage)).length, 40);
  });
}

function names(test: (title: string, body: Body) => void, anyBytes: boolean): void {
  test('names with spaces, percent signs, plus, query and markup characters are kept as they are', async (storage) => {
    const odd = [
      'a b',
      'a+b',
      'a%20b',
      '?x=1&y',
      '#hash',
      '<&>"\'',
      'back\\slash',
      '*',
      '~',
      'dup.2024-01-01T00:00:00',
      '.dot',
    ];
    for (const name of odd) await storage.put(name, bytes(name));
    assert.deepEqual(await listed(storage), odd.map((name) => `${name} ${name.length}`).sort());
    for (const name of odd) assert.equal(Buffer.from(await read(storage, name)).toString(), name);
    await storage.remove(odd);
    assert.deepEqual(await listed(storage), []);
  });

  test('a name in UTF-8 is a byte string like any other', async (storage) => {
    const name = Buffer.from('bäckup-☃', 'utf8').toString('latin1');
    await storage.put(name, bytes('x'));
    assert.deepEqual(await listed(storage), [`${name} 1`]);
    assert.equal((await storage.stat(name))?.size, 1);
    await storage.remove([name]);
    assert.equal(await storage.stat(name), undefined);
  });

  test('a name that is no UTF-8 is kept or refused, never changed', async (storage) => {
    const name = 'caf\xe9';
    if (!anyBytes) return rejects(() => storage.put(name, bytes('x')), 'bad-name');
    await storage.put(name, bytes('x'));
    assert.deepEqual(await listed(storage), [`${name} 1`]);
  });

  test('names that could lead elsewhere are refused', async (storage) => {
    for (const name of ['', '.', '..', 'a/b', '../a', '/a', 'a\0b', 'snow☃']) {
      await rejects(() => storage.put(name, bytes('x')), 'bad-name');
      await rejects(() => storage.get(name), 'bad-name');
      await rejects(() => storage.stat(name), 'bad-name');
      await rejects(() => storage.remove([name]), 'bad-name');
    }
    assert.deepEqual(await listed(storage), []);
  });
}

function ending(test: (title: string, body: Body) => void): void {
  test('an aborted call says so and leaves nothing', async (storage, folder) => {
    const signal = AbortSignal.abort();
    const { path, data } = await makeFile(folder, 1000);
    await storage.put('there', bytes('x'));
    await rejects(() => storage.put('a', file(path, data.length), { signal }), 'aborted');
    await rejects(() => storage.get('there', { signal }), 'aborted');
    await rejects(() => storage.stat('there', { signal }), 'aborted');
    await rejects(() => storage.remove(['there'], { signal }), 'aborted');
    await rejects(() => listed(storage, signal), 'aborted');
    assert.deepEqual(await listed(storage), ['there 1']);
  });

  test('a put aborted on its way leaves nothing, and the storage stays usable', async (storage, folder) => {
    const { path, data } = await makeFile(folder, 3_000_000);
    const abort = new AbortController();
    const put = storage.put('half', file(path, data.length), {
      signal: abort.signal,
      onProgress: () => abort.abort(),
    });
    // A storage that takes all bytes in one go may finish before the signal is looked at.
    const [end] = await Promise.allSettled([put]);
    if (end.status === 'rejected') assert.ok(isStorageError(end.reason, 'aborted'), String(end.reason));
    const after = await storage.stat('half');
    assert.equal(after?.size, end.status === 'fulfilled' ? data.length : undefined);
    await storage.put('next', bytes('x'));
    assert.equal((await storage.stat('next'))?.size, 1);
  });

  test('after close every call is refused, and closing again is fine', async (storage) => {
    await storage.close();
    await storage.close();
    await rejects(() => storage.put('a', bytes('x')), 'closed');
    await rejects(() => storage.get('a'), 'closed');
    await rejects(() => storage.stat('a'), 'closed');
    await rejects(() => storage.remove(['a']), 'closed');
    await rejects(() => listed(storage), 'closed');
  });

  test('the URL holds no user, password or query', async (storage) => {
    assert.match(storage.url, /^[a-z0-9+]+:/);
    assert.doesNotMatch(storage.url, /[@?]/);
  });
}

function bytes(text: string): UploadSource {
  return { kind: 'bytes', bytes: Buffer.from(text, 'latin1') };
}

function file(path: string, size: number): UploadSource & { kind: 'file' } {
  return { kind: 'file', path, size, disposable: false };
}

async function makeFile(folder: string, size: number): Promise<{ path: string; data: Buffer }> {
  const path = join(folder, `source-${randomBytes(4).toString('hex')}`);
  const data = randomBytes(size);
  await writeFile(path, data);
  return { path, data };
}

async function listed(storage: Storage, signal?: AbortSignal): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, size } of storage.list(signal ? { signal } : {})) found.push(`${name} ${size}`);
  return found.sort();
}

async function read(storage: Storage, name: string): Promise<Uint8Array> {
  return collect(await storage.get(name));
}

function sha256(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

async function rejects(call: () => Promise<unknown>, code: StorageErrorCode): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(isStorageError(error), `a StorageError, not ${String(error)}`);
    assert.equal(error.code, code, error.message);
    return true;
  });
}
