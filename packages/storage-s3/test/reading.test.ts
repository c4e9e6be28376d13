import * as sdk from '@aws-sdk/client-s3';
import { collect } from '@redup/storage';
import { type ProxiedRequest, type ProxyFault, s3Client, startS3Proxy } from '@redup/testkit/s3';
import { describe, expect, it } from 'vitest';
import { bytes, failure, hasServer, names, newPlace, type Place, randomFile } from './server.js';

describe.runIf(hasServer)('reading from a real server', () => {
  const isGet = ({ method, url }: ProxiedRequest): boolean => method === 'GET' && url.includes('/v');

  /** A 600 kB object, read through a proxy where the first `GET`s go wrong. */
  async function readThrough(
    place: Place,
    ...faults: readonly ProxyFault[]
  ): Promise<{ data: Buffer; got: Promise<Uint8Array>; gets(): ProxiedRequest[] }> {
    const { source, data } = randomFile(600_000);
    await (await place.open()).put('v', source, { ifExists: 'replace' });
    let count = 0;
    const proxy = await startS3Proxy({
      target: place.server.endpoint,
      plan: (request) => (isGet(request) ? faults[count++] : undefined),
    });
    const storage = await place.open({ endpointUrl: proxy.endpoint, timeoutMs: 300 });
    const got = storage
      .get('v')
      .then(collect)
      .finally(() => proxy.close());
    return { data, got, gets: () => proxy.requests.filter(isGet) };
  }

  it('goes on where the connection broke, and asks for the same version', async () => {
    const { data, got, gets } = await readThrough(
      await newPlace(),
      { kind: 'reset-answer', after: 100_000 },
      { kind: 'reset-answer', after: 200_000 },
    );
    expect(Buffer.from(await got).equals(data)).toBe(true);
    expect(gets()).toHaveLength(3);
    expect(gets()[2]?.headers['if-match']).toMatch(/^"/);
    const starts = gets().map(({ headers }) => Number(/bytes=(\d+)-/.exec(`${headers['range']}`)?.[1] ?? 0));
    expect(starts[0]).toBe(0);
    expect(starts[1]).toBeGreaterThan(0);
    expect(starts[2]).toBeGreaterThan(starts[1] ?? 0);
  });

  it('is not fooled by an answer that is cut short cleanly, even under a length that fits', async () => {
    const { data, got } = await readThrough(
      await newPlace(),
      { kind: 'reset', when: 'before' },
      { kind: 'truncate-answer', after: 50_000 },
    );
    const [end] = await Promise.allSettled([got]);
    // The length that the proxy forged is all there is to know at first; the stored SHA-256 tells.
    if (end.status === 'fulfilled') expect(Buffer.from(end.value).equals(data)).toBe(true);
    else expect(end.reason).toMatchObject({ code: 'corrupt' });
  });

  it('gives up waiting for a silent server, and tries again', async () => {
    const { data, got, gets } = await readThrough(
      await newPlace(),
      { kind: 'stall', when: 'before' },
      { kind: 'stall', when: 'after' },
    );
    expect(Buffer.from(await got).equals(data)).toBe(true);
    expect(gets()).toHaveLength(3);
  });

  it('ends with an error that counts the attempts when it never gets better', async () => {
    const never = Array.from({ length: 9 }, () => ({ kind: 'answer', status: 500, code: 'InternalError' }) as const);
    const { got, gets } = await readThrough(await newPlace(), ...never);
    expect(await failure(got)).toMatchObject({
      code: 'unreachable',
      permanent: true,
      message: expect.stringContaining('tried 3 times'),
    });
    expect(gets()).toHaveLength(3);
  });

  it('never mixes two versions of an object', async () => {
    const place = await newPlace();
    await (await place.open()).put('v', randomFile(600_000).source);
    const proxy = await startS3Proxy({
      target: place.server.endpoint,
      plan: (request) =>
        isGet(request) && request.headers['range'] === undefined ? { kind: 'reset-answer', after: 100_000 } : undefined,
    });
    const storage = await place.open({ endpointUrl: proxy.endpoint });
    const reader = (await storage.get('v'))[Symbol.asyncIterator]();
    await reader.next();
    await (await place.open()).put('v', randomFile(600_000).source, { ifExists: 'replace' });
    const rest = async (): Promise<void> => {
      while (!(await reader.next()).done);
    };
    expect(await failure(rest())).toMatchObject({ code: 'corrupt', message: expect.stringContaining('replaced') });
    await proxy.close();
  });

  it('stops at once when aborted, also in the middle of a silent answer', async () => {
    const place = await newPlace();
    await (await place.open()).put('v', bytes('x'));
    const proxy = await startS3Proxy({
      target: place.server.endpoint,
      plan: (request) => (isGet(request) ? { kind: 'stall', when: 'before' } : undefined),
    });
    const storage = await place.open({ endpointUrl: proxy.endpoint });
    const started = Date.now();
    const error = await failure(storage.get('v', { signal: AbortSignal.timeout(50) }));
    expect(error).toMatchObject({ code: 'aborted' });
    expect(Date.now() - started).toBeLessThan(1000);
    expect(await names(storage)).toEqual(['v']);
    await proxy.close();
  });
});

describe.runIf(hasServer)('listing and removing on a real server', () => {
  it('lists 5,000 objects, page by page, though a page fails, and removes them in batches', async () => {
    const place = await newPlace();
    const raw = s3Client(place.server);
    const all = Array.from({ length: 5000 }, (_unused, at) => `object-${String(at).padStart(5, '0')}`);
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let at = next++; at < all.length; at = next++) {
        await raw.send(new sdk.PutObjectCommand({ Bucket: place.bucket, Key: `some/where/${all[at]}`, Body: 'x' }));
      }
    };
    await Promise.all(Array.from({ length: 24 }, worker));
    let pages = 0;
    const proxy = await startS3Proxy({
      target: place.server.endpoint,
      plan: ({ url }) =>
        url.includes('continuation-token') && pages++ === 1 ? { kind: 'reset', when: 'after' } : undefined,
    });
    const storage = await place.open({ endpointUrl: proxy.endpoint });
    expect(await names(storage)).toEqual(all);
    expect(pages).toBe(5);
    let batches = 0;
    proxy.plan = ({ url }) =>
      url.includes('delete') && batches++ === 0 ? { kind: 'reset', when: 'after' } : undefined;
    await storage.remove(all);
    expect(batches).toBe(6);
    expect(await names(storage)).toEqual([]);
    await proxy.close();
  });

  it("leaves other people's objects alone: below, beside and above the prefix", async () => {
    const place = await newPlace();
    const raw = s3Client(place.server);
    const foreign = [
      'some/where',
      'some/where/',
      'some/where/deeper/v',
      'some/wherever',
      'some/v',
      'v',
      'some/where/notes.txt',
    ];
    for (const Key of foreign) await raw.send(new sdk.PutObjectCommand({ Bucket: place.bucket, Key, Body: 'theirs' }));
    const storage = await place.open();
    await storage.put('v', bytes('mine'));
    expect(await names(storage)).toEqual(['notes.txt', 'v']);
    await storage.remove(['v']);
    const { Contents = [] } = await raw.send(new sdk.ListObjectsV2Command({ Bucket: place.bucket }));
    expect(Contents.map(({ Key }) => Key).sort()).toEqual([...foreign].sort());
  });

  it('removes one by one where the server has no batches', async () => {
    const place = await newPlace();
    const proxy = await startS3Proxy({
      target: place.server.endpoint,
      plan: ({ method, url }) =>
        method === 'POST' && /[?&]delete/.test(url)
          ? { kind: 'answer', status: 501, code: 'NotImplemented' }
          : undefined,
    });
    const storage = await place.open({ endpointUrl: proxy.endpoint });
    for (const name of ['a', 'b', 'c']) await storage.put(name, bytes(name));
    await storage.remove(['a', 'c', 'missing']);
    expect(await names(storage)).toEqual(['b']);
    await proxy.close();
  });

  it('does not follow a listing that never ends', async () => {
    const page = `<?xml version="1.0"?><ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>again</NextContinuationToken></ListBucketResult>`;
    const place = await newPlace();
    const proxy = await startS3Proxy({ target: place.server.endpoint });
    const storage = await place.open({ endpointUrl: proxy.endpoint });
    proxy.plan = () => ({ kind: 'answer', status: 200, body: page });
    expect(await failure(names(storage))).toMatchObject({ code: 'corrupt' });
    await proxy.close();
  });

  it('does not believe a listing that makes no sense', async () => {
    const place = await newPlace();
    const proxy = await startS3Proxy({ target: place.server.endpoint });
    const storage = await place.open({ endpointUrl: proxy.endpoint });
    const half = '<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>some/where/half';
    for (const body of ['<html>Please log in</html>', half, `${half}</Key></Contents>`, '']) {
      proxy.plan = () => ({ kind: 'answer', status: 200, body });
      expect(await failure(names(storage)), body).toMatchObject({ code: 'corrupt', permanent: true });
    }
    await proxy.close();
  });
});
