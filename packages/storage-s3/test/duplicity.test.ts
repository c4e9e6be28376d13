import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { collect } from '@redup/storage';
import { duplicity, duplicityHome, requirePeer, tempDir } from '@redup/testkit';
import { startS3Proxy, uniqueBucketName } from '@redup/testkit/s3';
import { describe, expect, it } from 'vitest';
import { createS3Storage } from '../src/index.js';
import { hasServer, names, newPlace, optionsFor } from './server.js';

/** The same place, as each program writes it. */
const SPELLINGS = [
  ['duplicity-debian', 'boto3+s3://BUCKET/pre/fix', 's3://BUCKET/pre/fix'],
  ['duplicity-debian', 'boto3+s3://BUCKET', 's3+http://BUCKET/'],
  ['duplicity-debian', 'boto3+s3://BUCKET/a//b%20c/', 'boto3+s3://BUCKET/a//b%20c/'],
  ['duplicity-current', 's3:///BUCKET/pre/fix', 's3:///BUCKET/pre/fix'],
  ['duplicity-current', 'boto3+s3://BUCKET/%C3%A4', 's3://BUCKET/%C3%A4'],
] as const;

describe.runIf(hasServer)('real duplicity and this storage', () => {
  it.each(SPELLINGS)(
    '%s at %s finds what redup stored at %s, and the other way round',
    async (peerName, theirs, ours, ...rest) => {
      const context = rest.at(-1);
      const peer = requirePeer(isContext(context) ? context : { skip: () => undefined }, peerName);
      const { server } = await newPlace();
      const bucket = uniqueBucketName();
      const storage = await createS3Storage(ours.replace('BUCKET', bucket), {
        ...optionsFor(server),
        create: 'if-missing',
      });
      const home = duplicityHome();
      const env = { AWS_ACCESS_KEY_ID: server.accessKey, AWS_SECRET_ACCESS_KEY: server.secretKey };
      const target = [theirs.replace('BUCKET', bucket), '--s3-endpoint-url', server.endpoint];
      const source = join(home.path, 'source');
      mkdirSync(source);
      writeFileSync(join(source, 'file'), 'first');
      const backup = await duplicity(peer, ['full', source, ...target], { home, env });
      expect(backup.code, backup.stderr).toBe(0);
      const found = await names(storage);
      expect(found).toHaveLength(3);
      expect(found.map((name) => name.replace(/\d{8}T\d{6}Z/, 'T'))).toEqual([
        'duplicity-full-signatures.T.sigtar.gz',
        'duplicity-full.T.manifest',
        'duplicity-full.T.vol1.difftar.gz',
      ]);

      // Everything goes through redup's storage once: read, removed, stored anew; duplicity restores from what it wrote.
      const copies = new Map<string, Uint8Array>();
      for (const name of found) copies.set(name, await collect(await storage.get(name)));
      await storage.remove(found);
      expect(await names(storage)).toEqual([]);
      for (const [name, data] of copies) await storage.put(name, { kind: 'bytes', bytes: data });
      const restored = join(tempDir('restored'), 'tree');
      const restore = await duplicity(peer, ['restore', target[0] ?? '', restored, ...target.slice(1)], { env });
      expect(restore.code, restore.stderr).toBe(0);
      expect(readFileSync(join(restored, 'file'), 'utf8')).toBe('first');
      home.dispose();
    },
  );

  it('send the same headers for class, encryption and grant', async (context) => {
    const peer = requirePeer(context, 'duplicity-current');
    const { server, bucket, url, open } = await newPlace('x');
    const proxy = await startS3Proxy({
      target: server.endpoint,
      plan: ({ method }) =>
        method === 'PUT' || method === 'POST' ? { kind: 'answer', status: 400, code: 'Stop' } : undefined,
    });
    const home = duplicityHome();
    writeFileSync(join(home.path, 'file'), 'x');
    const env = { AWS_ACCESS_KEY_ID: server.accessKey, AWS_SECRET_ACCESS_KEY: server.secretKey };
    const flags = [
      '--s3-use-glacier',
      '--s3-use-server-side-kms-encryption',
      '--s3-kms-key-id',
      'the-key',
      '--s3-kms-grant',
      'id=them',
    ];
    const target = [`s3:///${bucket}/x`, '--s3-endpoint-url', proxy.endpoint, '--num-retries', '1', ...flags];
    await duplicity(peer, ['full', join(home.path, 'file'), ...target], { home, env });
    const theirs = proxy.requests.find(({ method }) => method === 'PUT' || method === 'POST')?.headers ?? {};
    const encryption = { kind: 'kms', keyId: 'the-key', grantFullControl: 'id=them' } as const;
    const storage = await open({ endpointUrl: proxy.endpoint, storageClass: 'GLACIER', encryption });
    await storage
      .put('duplicity-full.20260101T000000Z.vol1.difftar.gz', { kind: 'bytes', bytes: Buffer.from('x') })
      .catch(() => undefined);
    const ours = proxy.requests.filter(({ method }) => method === 'PUT').at(-1)?.headers ?? {};
    const relevant = (headers: typeof ours): Record<string, unknown> =>
      Object.fromEntries(
        Object.entries(headers).filter(([name]) => /^x-amz-(storage-class|server-side|grant|acl)/.test(name)),
      );
    expect(url).toContain(bucket);
    expect(relevant(ours)).toEqual(relevant(theirs));
    expect(Object.keys(relevant(ours))).toHaveLength(4);
    await proxy.close();
    home.dispose();
  });
});

function isContext(value: unknown): value is { skip(note?: string): unknown } {
  return typeof value === 'object' && value !== null && 'skip' in value;
}
