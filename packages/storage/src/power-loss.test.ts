import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileStorage } from './file.js';
import type { FileSystem } from './file-system.js';
import { collect } from './pieces.js';
import { PowerLossFileSystem } from './power-loss.js';
import type { Storage, UploadSource } from './storage.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'redup-power-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const DATA = new Map(['vol1', 'vol2', 'sigtar', 'manifest'].map((name) => [name, randomBytes(3000)]));
const OLD = randomBytes(1000);

/** A small backup: three ways to put, one replacement. Notes what was reported as stored, in order. */
async function backup(storage: Storage, stored: Map<string, Buffer>): Promise<void> {
  for (const [name, data] of DATA) {
    await storage.put(name, sourceOf(storage, name, data));
    stored.set(name, data);
  }
  await storage.put('status', { kind: 'bytes', bytes: OLD });
  stored.set('status', OLD);
  stored.delete('status');
  await storage.put('status', { kind: 'bytes', bytes: randomBytes(500) }, { ifExists: 'replace' });
}

function sourceOf(storage: Storage, name: string, data: Buffer): UploadSource {
  if (!name.startsWith('vol')) return { kind: 'bytes', bytes: data };
  const path = join(name === 'vol1' ? (storage.stagingDirectory ?? folder) : folder, `${name}.source`);
  writeFileSync(path, data);
  return { kind: 'file', path, size: data.length, disposable: name === 'vol1' };
}

/** Cuts the power after `cutAfter` calls; returns what is wrong afterwards. */
async function problemsAfterCut(cutAfter: number, seed: number, forgets = 'nothing'): Promise<string[] | 'no cut'> {
  await rm(folder, { recursive: true, force: true });
  const target = join(folder, 'target');
  await FileStorage.open(target, { create: 'if-missing' });
  const model = new PowerLossFileSystem(cutAfter);
  const fileSystem = forgetful(model, forgets);
  const stored = new Map<string, Buffer>();
  await FileStorage.open(target, { fileSystem })
    .then((storage) => backup(storage, stored))
    .catch(() => undefined);
  if (!model.isOff) return 'no cut';
  model.restart(seed);
  return problems(await FileStorage.open(target), stored);
}

/** A file system whose sync calls of one kind have no effect. */
function forgetful(model: FileSystem, forgets: string): FileSystem {
  return {
    open: async (path, how) => {
      const file = await model.open(path, how);
      return forgets === 'files' ? { ...file, sync: async () => {} } : file;
    },
    facts: (path) => model.facts(path),
    list: (path) => model.list(path),
    link: (from, to) => model.link(from, to),
    rename: (from, to) => model.rename(from, to),
    unlink: (path) => model.unlink(path),
    makeDirectory: (path, mode) => model.makeDirectory(path, mode),
    removeDirectory: (path) => model.removeDirectory(path),
    syncDirectory: async (path) => (forgets === 'folders' ? undefined : model.syncDirectory(path)),
  };
}

async function problems(storage: Storage, stored: ReadonlyMap<string, Buffer>): Promise<string[]> {
  const found: string[] = [];
  for (const [name, data] of stored) {
    if (!(await storage.stat(name))) found.push(`${name} was reported as stored and is gone`);
    else if (!data.equals(await collect(await storage.get(name))))
      found.push(`${name} was reported as stored and is damaged`);
  }
  for await (const { name, size } of storage.list()) {
    const whole = name === 'status' ? [500, 1000] : [3000];
    if (!whole.includes(size)) found.push(`${name} is visible with ${size} bytes`);
  }
  await storage.close();
  return found;
}

describe('a power cut', () => {
  it('at any call loses nothing that was reported as stored and leaves no part of an object', async () => {
    let cuts = 0;
    for (let cutAfter = 0; ; cutAfter += 1) {
      let ended = false;
      for (let seed = 0; seed < 6; seed += 1) {
        const result = await problemsAfterCut(cutAfter, seed);
        ended = result === 'no cut';
        if (ended) break;
        expect(result, `cut after ${cutAfter} calls, seed ${seed}`).toEqual([]);
        cuts += 1;
      }
      if (ended) break;
    }
    expect(cuts).toBeGreaterThan(100);
  });

  it.each(['files', 'folders'])('would lose data if %s were not synced, so the model notices', async (forgets) => {
    const all: string[] = [];
    for (let cutAfter = 1; cutAfter < 40; cutAfter += 1) {
      for (let seed = 0; seed < 4; seed += 1) {
        const result = await problemsAfterCut(cutAfter, seed, forgets);
        if (result !== 'no cut') all.push(...result);
      }
    }
    expect(all.length).toBeGreaterThan(0);
  });
});
