/**
 * Every fault of a network and of an S3 server, through the whole engine: once in the middle of a backup, and from then on for
 * good. Afterwards the backup is complete and restores, or the next run goes on; and nothing that was stored has changed.
 */

import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RetryPolicy } from '@redup/storage';
import { createS3Storage } from '@redup/storage-s3';
import { diffTrees, readTree, requirePeer, withTempDir } from '@redup/testkit';
import {
  type ProxiedRequest,
  type ProxyFault,
  type S3Proxy,
  type S3Server,
  sharedS3Server,
  startS3Proxy,
  storedIn,
  uniqueBucketName,
} from '@redup/testkit/s3';
import { describe, expect, it } from 'vitest';
import { openRepository } from './support.js';

const QUICK: RetryPolicy = { attempts: 3, firstDelayMs: 5, factor: 2, maxDelayMs: 20, jitter: 0.5 };
const PREFIX = 'faults';

const isVolume = ({ method, url }: ProxiedRequest): boolean => method === 'PUT' && /\.vol2\./.test(url);
const isManifest = ({ method, url }: ProxiedRequest): boolean => method === 'PUT' && /\.manifest/.test(url);
const isListing = ({ method, url }: ProxiedRequest): boolean => method === 'GET' && /list-type=2/.test(url);
const answer = (status: number, code: string, headers: Record<string, string> = {}): ProxyFault => ({
  kind: 'answer',
  status,
  code,
  headers,
});

/** What goes wrong, where; and whether it passes when it happens once. */
const FAULTS: readonly (readonly [string, ProxyFault, (request: ProxiedRequest) => boolean, 'passes' | 'stays'])[] = [
  ['a reset connection', { kind: 'reset', when: 'before' }, isVolume, 'passes'],
  ['a connection reset in the middle of a volume', { kind: 'reset-request', after: 300_000 }, isVolume, 'passes'],
  ['an answer that is lost', { kind: 'reset', when: 'after' }, isVolume, 'passes'],
  ['an answer that is lost, of the manifest', { kind: 'reset', when: 'after' }, isManifest, 'passes'],
  ['a stall', { kind: 'stall', when: 'before' }, isVolume, 'passes'],
  ['a stall after everything was done', { kind: 'stall', when: 'after' }, isManifest, 'passes'],
  ['500', answer(500, 'InternalError'), isVolume, 'passes'],
  ['503 SlowDown', answer(503, 'SlowDown'), isManifest, 'passes'],
  ['429', answer(429, 'TooManyRequests', { 'retry-after': '1' }), isVolume, 'passes'],
  ['a truncated listing', { kind: 'truncate-answer', after: 200 }, isListing, 'passes'],
  ['bytes that change on their way', { kind: 'flip-request', at: 1000 }, isVolume, 'passes'],
  ['credentials that expire', answer(400, 'ExpiredToken'), isVolume, 'stays'],
  ['a clock that is off', answer(403, 'RequestTimeTooSkewed'), isVolume, 'stays'],
  ['a region that is not told', answer(301, 'PermanentRedirect'), isVolume, 'stays'],
  ['a bucket that vanishes', answer(404, 'NoSuchBucket'), isVolume, 'stays'],
  ['a right that is withdrawn', answer(403, 'AccessDenied'), isManifest, 'stays'],
];

interface Place {
  readonly server: S3Server;
  readonly proxy: S3Proxy;
  readonly bucket: string;
  readonly folder: string;
}

async function backup({ server, bucket, folder }: Place, endpoint: string, now: number): Promise<void> {
  const { accessKey: accessKeyId, secretKey: secretAccessKey } = server;
  const storage = await createS3Storage(`s3://${bucket}/${PREFIX}`, {
    endpointUrl: endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId, secretAccessKey },
    retry: QUICK,
    timeoutMs: 1500,
    create: 'if-missing',
  });
  try {
    const options = { target: bucket, storage, mode: 'symmetric', archiveDirectory: join(folder, 'archive') } as const;
    const { repository } = await openRepository({ ...options, temporaryDirectory: folder, now });
    await repository.backup({ source: join(folder, 'source'), volumeBytes: 400_000 });
  } finally {
    await storage.close();
  }
}

/** With another cache, so that all of it comes from the target. */
async function expectRestores({ server, bucket, folder }: Place): Promise<void> {
  const { accessKey: accessKeyId, secretKey: secretAccessKey, endpoint: endpointUrl } = server;
  const credentials = { accessKeyId, secretAccessKey };
  const storage = await createS3Storage(`s3://${bucket}/${PREFIX}`, { endpointUrl, region: 'us-east-1', credentials });
  const target = join(folder, 'restored');
  const { repository } = await openRepository({
    target: bucket,
    storage,
    mode: 'symmetric',
    archiveDirectory: join(folder, 'other'),
  });
  expect((await repository.restore({ target })).problems).toBe(0);
  await storage.close();
  expect(diffTrees(readTree(join(folder, 'source')), readTree(target))).toEqual([]);
}

/** A full backup is there; then everything changes, and `use` backs up through the proxy. */
async function withPlace(use: (place: Place, before: Map<string, string>) => Promise<void>): Promise<void> {
  const server = await sharedS3Server();
  const proxy = await startS3Proxy({ target: server.endpoint });
  await withTempDir('s3-faults', async (folder) => {
    const place = { server, proxy, bucket: uniqueBucketName(), folder };
    mkdirSync(join(folder, 'source'));
    writeFileSync(join(folder, 'source/a'), 'as it was');
    await backup(place, server.endpoint, 1_700_000_000);
    for (const name of ['a', 'b', 'c']) writeFileSync(join(folder, 'source', name), randomBytes(350_000));
    await use(place, await stored(place));
  });
  await proxy.close();
}

function stored({ server, bucket }: Place): Promise<Map<string, string>> {
  return storedIn({ server, bucket, prefix: PREFIX });
}

async function expectUntouched(place: Place, before: ReadonlyMap<string, string>): Promise<void> {
  const now = await stored(place);
  for (const [name, tag] of before) expect(now.get(name), `${name} is as it was`).toBe(tag);
}

describe('a backup to a real S3 server', () => {
  it.for(FAULTS.filter(([, , , kind]) => kind === 'passes'))(
    'is complete in spite of %s',
    async ([, fault, where], context) => {
      requirePeer(context, 'radosgw');
      await withPlace(async (place, before) => {
        let struck = 0;
        place.proxy.plan = (request) => (where(request) && struck++ === 0 ? fault : undefined);
        await backup(place, place.proxy.endpoint, 1_700_000_100);
        expect(struck).toBeGreaterThan(0);
        await expectUntouched(place, before);
        await expectRestores(place);
      });
    },
  );

  it.for(FAULTS)(
    'that ends with %s for good leaves what was stored as it was, and the next run completes it',
    async ([, fault, where], context) => {
      requirePeer(context, 'radosgw');
      await withPlace(async (place, before) => {
        place.proxy.plan = (request) => (where(request) ? fault : undefined);
        await expect(backup(place, place.proxy.endpoint, 1_700_000_100)).rejects.toMatchObject({ hint: /\S/ });
        await expectUntouched(place, before);
        const left = await stored(place);
        await backup(place, place.server.endpoint, 1_700_000_200);
        await expectUntouched(place, left);
        await expectRestores(place);
      });
    },
  );

  it('that loses the whole network for a while is complete, or goes on', async (context) => {
    requirePeer(context, 'radosgw');
    await withPlace(async (place, before) => {
      place.proxy.plan = async (request) => {
        if (isVolume(request)) await place.proxy.pause();
        return undefined;
      };
      await expect(backup(place, place.proxy.endpoint, 1_700_000_100)).rejects.toThrow('refuses connections');
      await expectUntouched(place, before);
      place.proxy.plan = () => undefined;
      await place.proxy.resume();
      await backup(place, place.proxy.endpoint, 1_700_000_200);
      await expectRestores(place);
    });
  });
});
