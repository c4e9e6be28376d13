import { collect, type RecallProgress } from '@redup/storage';
import { coldTier, type S3Proxy, startS3Proxy } from '@redup/testkit/s3';
import { afterEach, describe, expect, it } from 'vitest';
import { bytes, failure, hasServer, newPlace } from './server.js';

describe.runIf(hasServer)('objects in a Glacier class (simulated before a real server)', () => {
  let proxy: S3Proxy;
  afterEach(() => proxy.close());

  const VOLUMES = ['a.vol1.difftar.gpg', 'a.vol2.difftar.gpg', 'a.vol3.difftar.gpg'];

  async function stored(recallMs: number) {
    const place = await newPlace();
    const tier = coldTier(recallMs);
    proxy = await startS3Proxy({ target: place.server.endpoint, plan: tier.plan });
    const storage = await place.open({
      endpointUrl: proxy.endpoint,
      storageClass: 'GLACIER',
      recall: { pollMs: 20, tier: 'Bulk', days: 3 },
    });
    for (const name of [...VOLUMES, 'a.manifest.gpg']) await storage.put(name, bytes(name));
    return { storage, tier };
  }

  it("can't be read, and the error says why; manifests can", async () => {
    const { storage } = await stored(100);
    const error = await failure(storage.get(VOLUMES[0] ?? ''));
    expect(error).toMatchObject({ code: 'archived', permanent: true });
    expect(error.hint).toContain('restore');
    expect(Buffer.from(await collect(await storage.get('a.manifest.gpg'))).toString()).toBe('a.manifest.gpg');
  });

  it('are fetched back, each asked for once, awaited with progress, and read', async () => {
    const { storage, tier } = await stored(150);
    const seen: RecallProgress[] = [];
    await storage.recall?.([...VOLUMES, 'a.manifest.gpg'], { onProgress: (progress) => seen.push(progress) });
    expect(seen[0]).toEqual({ ready: 1, total: 4 });
    expect(seen.at(-1)).toEqual({ ready: 4, total: 4 });
    expect(tier.recalled).toHaveLength(3);
    for (const name of VOLUMES) expect(Buffer.from(await collect(await storage.get(name))).toString()).toBe(name);
    await storage.recall?.(VOLUMES);
    expect(tier.recalled).toHaveLength(3);
  });

  it('that were asked for by an earlier run are awaited, not asked for again', async () => {
    const { storage, tier } = await stored(200);
    await failure(storage.recall?.(VOLUMES, { signal: AbortSignal.timeout(60) }) ?? Promise.resolve());
    await storage.recall?.(VOLUMES);
    expect(tier.recalled).toHaveLength(3);
  });

  it('can be waited for no longer, at once', async () => {
    const { storage } = await stored(60_000);
    const started = Date.now();
    const error = await failure(storage.recall?.(VOLUMES, { signal: AbortSignal.timeout(100) }) ?? Promise.resolve());
    expect(error).toMatchObject({ code: 'aborted' });
    expect(Date.now() - started).toBeLessThan(2000);
  });

  it('that are missing are an error', async () => {
    const { storage } = await stored(10);
    expect(await failure(storage.recall?.(['missing.vol1.difftar']) ?? Promise.resolve())).toMatchObject({
      code: 'not-found',
    });
  });
});
