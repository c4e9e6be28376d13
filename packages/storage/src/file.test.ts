import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StorageError } from './errors.js';
import { FileStorage } from './file.js';
import { type FileSystem, nodeFileSystem } from './file-system.js';
import { collect } from './pieces.js';
import { STAGING_NAME } from './staging.js';
import type { Storage, UploadSource } from './storage.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'redup-file-test-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const text = (value: string): UploadSource => ({ kind: 'bytes', bytes: Buffer.from(value) });
const failure = (promise: Promise<unknown>): Promise<StorageError> =>
  promise.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: StorageError) => error,
  );

async function names(storage: Storage): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of storage.list()) found.push(name);
  return found.sort();
}

describe('opening a folder', () => {
  it('understands the URLs that duplicity does, percent-decoded', async () => {
    for (const url of [`file://${folder}/a%20b`, `file:${folder}/c`, `file://${relative(process.cwd(), folder)}/d`]) {
      await (await FileStorage.open(url, { create: 'if-missing' })).put('x', text('x'));
    }
    for (const name of ['a b', 'c', 'd']) expect(existsSync(join(folder, name, 'x'))).toBe(true);
  });

  it('makes missing parents when asked, and says how to go on when not', async () => {
    const error = await failure(FileStorage.open(join(folder, 'not/there')));
    expect(error).toMatchObject({ code: 'target-missing', permanent: true });
    expect(error.hint).toContain('mounted');
    await FileStorage.open(join(folder, 'not/there'), { create: 'if-missing' });
    expect(statSync(join(folder, 'not/there')).isDirectory()).toBe(true);
  });

  it('refuses a file, a foreign URL and a broken escape', async () => {
    writeFileSync(join(folder, 'file'), '');
    expect(await failure(FileStorage.open(join(folder, 'file')))).toMatchObject({ code: 'not-a-directory' });
    expect(await failure(FileStorage.open(join(folder, 'file/sub'), { create: 'if-missing' }))).toMatchObject({
      code: 'not-a-directory',
    });
    expect(await failure(FileStorage.open('sftp://host/x'))).toMatchObject({ code: 'bad-url' });
    expect(await failure(FileStorage.open('file:///a%zz'))).toMatchObject({ code: 'bad-url' });
  });
});

describe('a folder as storage', () => {
  it('lists foreign files, follows links to files, and passes over folders and dangling links', async () => {
    mkdirSync(join(folder, 'sub'));
    writeFileSync(join(folder, 'sub/inside'), 'x');
    writeFileSync(join(folder, 'notes.txt'), 'x');
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/caf`), Buffer.from([0xe9])]), 'x');
    symlinkSync(join(folder, 'notes.txt'), join(folder, 'link'));
    symlinkSync('nowhere', join(folder, 'dangling'));
    expect(await names(await FileStorage.open(folder))).toEqual(['caf\xe9', 'link', 'notes.txt']);
  });

  it('stages in a private folder that is there only while it is needed', async () => {
    const storage = await FileStorage.open(folder);
    expect(await names(storage)).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
    const staging = storage.stagingDirectory;
    expect(statSync(staging).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, STAGING_NAME)).mode & 0o777).toBe(0o700);
    await storage.put('a', text('a'));
    expect(readdirSync(staging)).toEqual([]);
    expect(await names(storage)).toEqual(['a']);
    await storage.close();
    expect(readdirSync(folder)).toEqual(['a']);
  });

  it('removes what a killed process left behind, and nothing of a living one', async () => {
    const script = `
      const { FileStorage } = await import(${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)});
      const { writeFileSync } = await import('node:fs');
      const storage = await FileStorage.open(${JSON.stringify(folder)});
      writeFileSync(storage.stagingDirectory + '/volume.part', 'half');
      console.log(storage.stagingDirectory);
      process.kill(process.pid, 'SIGKILL');`;
    const dead = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    const left = dead.stdout.trim();
    expect(existsSync(join(left, 'volume.part')), dead.stderr).toBe(true);
    const living = await FileStorage.open(folder);
    writeFileSync(join(living.stagingDirectory, 'mine'), 'x');
    expect(existsSync(left)).toBe(false);
    const foreign = join(folder, STAGING_NAME, 'ffffffffffff-1-00000000');
    mkdirSync(foreign);
    const second = await FileStorage.open(folder);
    expect(second.stagingDirectory).not.toBe(living.stagingDirectory);
    expect(existsSync(join(living.stagingDirectory, 'mine'))).toBe(true);
    expect(existsSync(foreign)).toBe(true);
    utimesSync(foreign, 0, 0);
    expect((await FileStorage.open(folder)).stagingDirectory).toContain(STAGING_NAME);
    expect(existsSync(foreign)).toBe(false);
  });

  it('moves a disposable file from the staging folder without copying, with its mode', async () => {
    const storage = await FileStorage.open(folder);
    const path = join(storage.stagingDirectory, 'volume');
    writeFileSync(path, 'data', { mode: 0o640 });
    const { ino } = statSync(path);
    await storage.put('vol1', { kind: 'file', path, size: 4, disposable: true });
    expect(statSync(join(folder, 'vol1'))).toMatchObject({ ino, nlink: 1 });
    expect(statSync(join(folder, 'vol1')).mode & 0o777).toBe(0o640);
    expect(existsSync(path)).toBe(false);
    expect(storage.localPath('vol1')).toBe(join(folder, 'vol1'));
  });

  it('creates without hard links where the file system has none', async () => {
    const noLinks = { ...nodeFileSystem, link: async () => fail('EPERM') };
    const storage = await FileStorage.open(folder, { fileSystem: noLinks });
    await storage.put('a', text('first'));
    expect(await failure(storage.put('a', text('second')))).toMatchObject({ code: 'exists' });
    expect(Buffer.from(await collect(await storage.get('a'))).toString()).toBe('first');
    expect(readdirSync(storage.stagingDirectory)).toEqual([]);
  });

  it('says target-missing when the folder vanishes', async () => {
    const storage = await FileStorage.open(folder);
    expect(storage.stagingDirectory).toContain(folder);
    await rm(folder, { recursive: true });
    expect(await failure(storage.put('a', text('x')))).toMatchObject({ code: 'target-missing' });
    expect(await failure(names(storage))).toMatchObject({ code: 'target-missing' });
  });

  it('refuses a name that the file system finds too long, with a way out', async () => {
    const error = await failure((await FileStorage.open(folder)).put('x'.repeat(300), text('x')));
    expect(error).toMatchObject({ code: 'bad-name', permanent: true });
    expect(error.hint).toContain('--file-prefix');
  });
});

describe('a failing file system', () => {
  const calls = ['open', 'write', 'sync', 'link', 'unlink', 'rename', 'syncDirectory'] as const;
  const errnos = {
    EIO: 'io',
    ENOSPC: 'no-space',
    EDQUOT: 'no-space',
    EACCES: 'permission',
    EROFS: 'read-only',
    EMFILE: 'io',
  };

  it.each(calls)('that fails at %s is named, and nothing half stored shows', async (call) => {
    for (const [errno, code] of Object.entries(errnos)) {
      for (const ifExists of ['fail', 'replace'] as const) {
        const storage = await FileStorage.open(folder, { fileSystem: failingAt(call, errno) });
        const put = storage.put('object', { kind: 'bytes', bytes: randomBytes(600_000) }, { ifExists });
        const [end] = await Promise.allSettled([put]);
        if (end.status === 'rejected') {
          expect(end.reason, `${call} ${errno}`).toMatchObject({ name: 'StorageError', code, permanent: true });
          expect(end.reason.hint).not.toBe('');
        }
        const stored = await (await FileStorage.open(folder)).stat('object');
        expect([undefined, 600_000]).toContain(stored?.size);
        if (end.status === 'fulfilled') expect(stored?.size).toBe(600_000);
        await rm(join(folder, 'object'), { force: true });
        await storage.close();
        expect(readdirSync(folder)).toEqual([]);
      }
    }
  });
});

describe.runIf(process.getuid?.() === 0)('a real small disk', () => {
  it('that fills up is an error that says so, leaves nothing half stored, and goes on once there is space', async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'redup-test', folder]);
    try {
      const storage = await FileStorage.open(folder);
      await storage.put('first', { kind: 'bytes', bytes: randomBytes(1_200_000) });
      const second: UploadSource = { kind: 'bytes', bytes: randomBytes(1_200_000) };
      const error = await failure(storage.put('second', second));
      expect(error).toMatchObject({ code: 'no-space', permanent: true, subject: 'second' });
      expect(error.hint).toContain('free some space');
      expect(await names(storage)).toEqual(['first']);
      expect(readdirSync(storage.stagingDirectory)).toEqual([]);
      await storage.remove(['first']);
      await storage.put('second', second);
      expect(await names(storage)).toEqual(['second']);
      await storage.close();
    } finally {
      execFileSync('umount', [folder]);
    }
  });

  it('that is mounted read-only is an error that says so', async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro,size=1m', 'redup-test', folder]);
    try {
      const storage = await FileStorage.open(folder);
      expect(await failure(storage.put('a', text('x')))).toMatchObject({ code: 'read-only' });
      expect(await failure(FileStorage.open(join(folder, 'new'), { create: 'if-missing' }))).toMatchObject({
        code: 'read-only',
      });
    } finally {
      execFileSync('umount', [folder]);
    }
  });

  it('on another file system than the disposable file is copied to', async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'redup-test', folder]);
    const elsewhere = await mkdtemp(join(tmpdir(), 'redup-elsewhere-'));
    try {
      const storage = await FileStorage.open(folder);
      for (const ifExists of ['fail', 'replace'] as const) {
        writeFileSync(join(elsewhere, 'volume'), ifExists);
        const source: UploadSource = {
          kind: 'file',
          path: join(elsewhere, 'volume'),
          size: ifExists.length,
          disposable: true,
        };
        await storage.put('v', source, { ifExists });
        expect(Buffer.from(await collect(await storage.get('v'))).toString()).toBe(ifExists);
      }
      await storage.close();
    } finally {
      execFileSync('umount', [folder]);
      await rm(elsewhere, { recursive: true, force: true });
    }
  });
});

function fail(code: string): never {
  throw Object.assign(new Error(code), { code });
}

function failingAt(call: string, errno: string): FileSystem {
  const failing: FileSystem = { ...nodeFileSystem };
  if (call === 'write' || call === 'sync') {
    failing.open = async (path, how) => ({
      ...(await nodeFileSystem.open(path, how)),
      [call]: async () => fail(errno),
    });
    return failing;
  }
  return { ...failing, [call]: async () => fail(errno) };
}
