/** The programs of this folder, started as their users start them. */

import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { MemoryStorage, Repository, Secret } from '@redup/core';
import { storageConformance } from '@redup/storage/conformance';
import { cleanEnv, file, type RunResult, run, runOk, seeded, tempDir, tree, writeTree } from '@redup/testkit';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { HttpStorage } from '../src/http-storage.js';

const work = tempDir('examples');
const program = (name: string) => fileURLToPath(new URL(`../dist/${name}.js`, import.meta.url));
const env = cleanEnv({ HOME: work, XDG_CACHE_HOME: join(work, 'cache'), PASSPHRASE: 'secret', TMPDIR: work });

function start(name: string, ...args: string[]): Promise<RunResult> {
  return run(process.execPath, [program(name), ...args], { env, cwd: work });
}

describe('a dump of a database', () => {
  const target = `file://${join(work, 'dumps')}`;
  const dump = (...args: string[]) =>
    start('database-dump', target, process.execPath, program('pg-dump-like'), ...args);
  const stored = async () => {
    const repository = Repository.open(target, { archiveDirectory: join(work, 'cache/duplicity') });
    const bytes = await buffer(repository.open('shop.sql'));
    const sets = (await repository.snapshots()).length;
    await repository.close();
    return { bytes, sets };
  };

  test('is stored while it is made, the second time as a delta; one that fails is not', async () => {
    expect(await dump('60000')).toMatchObject({ code: 0, stdout: expect.stringMatching(/^full: \d{7} bytes dumped/) });
    const second = await dump('60010');
    expect(second).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^incremental: \d{7} bytes dumped, \d{1,4} /),
    });
    const failed = await dump('60020', 'fail');
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining('No backup was made:') });
    const { stdoutBytes } = await runOk(process.execPath, [program('pg-dump-like'), '60010']);
    expect(await stored()).toEqual({ bytes: stdoutBytes, sets: 2 });
  });
});

/** A server that runs until it is told to stop. */
async function serving<T>(name: string, args: readonly string[], use: (url: string) => Promise<T>): Promise<T> {
  const child = spawn(process.execPath, [program(name), ...args], { env, cwd: work });
  let said = '';
  try {
    const port = await new Promise<string>((resolve, reject) => {
      child.stderr.on('data', (piece: Buffer) => (said += piece));
      child.stdout.on('data', (piece: Buffer) => {
        const [, found] = /listening on (\d+)/.exec(`${piece}`) ?? [];
        if (found !== undefined) resolve(found);
      });
      child.once('close', () => reject(new Error(said)));
    });
    return await use(`http://127.0.0.1:${port}`);
  } finally {
    const closed = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGTERM');
    await closed;
    expect([child.exitCode, said]).toEqual([0, '']);
  }
}

describe('a web service', () => {
  const data = join(work, 'data');
  const target = `file://${join(work, 'service')}`;

  beforeAll(() => {
    mkdirSync(join(data, 'docs'), { recursive: true });
    writeFileSync(join(data, 'docs/letter é.txt'), 'Dear reader');
  });

  test('backs itself up, tells how it went, and serves single files of any time', async () => {
    await serving('nightly-service', [data, target, '0'], async (url) => {
      expect((await fetch(`${url}/health/backup`)).status).toBe(503);
      const [first, second] = await Promise.all([1, 2].map(() => fetch(`${url}/backups`, { method: 'POST' })));
      expect([first?.status, second?.status]).toEqual([201, 201]);
      const health = await fetch(`${url}/health/backup`);
      expect([health.status, await health.json()]).toMatchObject([200, { result: { type: 'full' } }]);
    });
    await serving('file-server', [target, '0'], async (url) => {
      const get = async (path: string) => {
        const answer = await fetch(`${url}/files/${path}`);
        return [answer.status, await answer.text()];
      };
      expect(await get('docs/letter%20%C3%A9.txt?time=now')).toEqual([200, 'Dear reader']);
      // The first backup is later than last Tuesday; the engine takes it then, with a warning.
      expect(await get('docs/letter%20%C3%A9.txt')).toEqual([200, 'Dear reader']);
      expect(await get('docs/no%20letter.txt')).toEqual([404, '{"code":"PATH_NOT_FOUND"}']);
      expect(await get('docs')).toEqual([404, '{"code":"NOT_A_FILE"}']);
      expect(await get('docs/letter%20%C3%A9.txt?time=tuesday')).toEqual([400, '{"code":"BAD_TIME"}']);
    });
  });
});

describe('a backup in a worker thread', () => {
  const source = join(work, 'many');

  beforeAll(() => {
    writeTree(
      source,
      tree({ ...Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`${i}`, file(seeded(i, 2_000_000))])) }),
    );
  });

  test('shows its progress and its result, and can be cancelled', async () => {
    const done = await start('progress-main', source, `file://${join(work, 'from-worker')}`);
    expect(done).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('done: 31 files, 0 errors') });
    expect(done.stdout).toMatch(/\r[-|/\\] \d+ files, \d+\.\d MB/);
    const cancelled = await start('progress-main', source, `file://${join(work, 'cancelled')}`, '0');
    expect(cancelled).toMatchObject({ code: 2, stdout: expect.stringContaining('ABORTED') });
  });
});

describe('an archive of duplicity with the names of old releases', () => {
  const fixture = fileURLToPath(new URL('../../test-fixtures/old-names/', import.meta.url));
  const old = (...args: string[]) =>
    run(process.execPath, [program('old-archive'), `file://${fixture}target`, ...args], {
      env: { ...env, PASSPHRASE: 'fixture', TIME_SEPARATOR: '_' },
    });

  test('is listed, and any time of it is a tar', async () => {
    const { sets } = JSON.parse(readFileSync(join(fixture, 'fixture.json'), 'utf8'));
    const listing = await old();
    expect([listing.code, listing.stderr]).toEqual([0, '']);
    expect(listing.stdout.split('\n').slice(0, 3)).toEqual([
      '2023-11-14T22:13:20.000Z full 1',
      '2023-11-14T22:30:00.000Z incremental 1',
      '2023-11-14T22:46:40.000Z incremental 1',
    ]);
    expect(listing.stdout).toContain('file "letter"');
    const { stdoutBytes } = await old('2023-11-14T22:30:00Z');
    const names = (await runOk('tar', ['-tf', '-'], { input: stdoutBytes })).stdout.trim().split('\n');
    expect(names).toHaveLength(Object.keys(sets[1].tree).length);
  });
});

describe('a storage of one’s own', () => {
  const servers: { close(): void }[] = [];
  afterAll(() => {
    for (const server of servers) server.close();
  });

  async function openServer(): Promise<HttpStorage> {
    const { url, close } = await keyValueServer();
    servers.push({ close });
    return new HttpStorage(url);
  }

  storageConformance({ describe, it }, 'the example', async () => ({
    storage: await openServer(),
    dispose: async () => {},
  }));

  test('has no more than 60 lines of code, and holds a backup', async () => {
    const text = readFileSync(fileURLToPath(new URL('../src/http-storage.ts', import.meta.url)), 'utf8');
    expect(text.split('\n').filter((line) => line.trim() !== '').length).toBeLessThanOrEqual(60);
    const storage = await openServer();
    const passphrase = Secret.fromText('secret');
    const repository = Repository.open(storage.url, {
      storage,
      archiveDirectory: join(work, 'own'),
      encryption: { seal: { passphrase }, open: { passphrase } },
    });
    for (const seed of [1, 2]) {
      await repository.backup({
        source: [{ path: 'a', content: file(seeded(seed, 9)).content.map(String) }],
        volumeBytes: 1e6,
      });
    }
    expect((await repository.snapshots()).map(({ type }) => type)).toEqual(['full', 'incremental']);
    await repository.close();
  });
});

/** The simplest server that keeps the contract: objects in memory, each there whole or not at all. */
async function keyValueServer(): Promise<{ url: string; close(): void }> {
  const { objects } = new MemoryStorage();
  const server = createServer(async (request, response) => {
    const name = Buffer.from((request.url ?? '/').slice(1).replaceAll('%', ''), 'hex').toString('latin1');
    const found = objects.get(name);
    if (request.method === 'GET' && name === '') {
      return response.end(
        JSON.stringify([...objects].map(([each, { bytes }]) => ({ name: each, size: bytes.length }))),
      );
    }
    if (request.method === 'PUT') {
      const bytes = await buffer(request).catch(() => undefined);
      if (bytes === undefined) return response.destroy();
      if (request.headers['if-none-match'] === '*' && objects.has(name)) return response.writeHead(412).end();
      objects.set(name, { bytes, modified: new Date() });
      return response.end();
    }
    if (found === undefined) return response.writeHead(404).end();
    if (request.method === 'DELETE') {
      objects.delete(name);
      return response.end();
    }
    const [, first = '0', last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
    if (request.method === 'GET' && Number(first) >= found.bytes.length) return response.writeHead(416).end();
    const part = found.bytes.subarray(Number(first), last === undefined || last === '' ? undefined : Number(last) + 1);
    response.setHeader('content-length', part.length);
    return response.end(request.method === 'HEAD' ? undefined : part);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
