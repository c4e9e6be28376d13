import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import * as sdk from '@aws-sdk/client-s3';
import { collect } from '@redup/storage';
import { type ProxiedRequest, type ProxyFault, type S3Proxy, s3Client, startS3Proxy } from '@redup/testkit/s3';
import { afterEach, describe, expect, it } from 'vitest';
import type { S3Notice } from '../src/index.js';
import { bytes, failure, hasServer, names, newPlace, type Place, randomFile, sha256 } from './server.js';

const MIB = 1024 * 1024;

describe.runIf(hasServer)('storing on a real server', () => {
  const proxies: S3Proxy[] = [];
  afterEach(async () => {
    for (const proxy of proxies.splice(0)) await proxy.close();
  });

  async function behindProxy(
    place: Place,
    plan: (request: ProxiedRequest) => ProxyFault | undefined = () => undefined,
  ): Promise<S3Proxy> {
    const proxy = await startS3Proxy({ target: place.server.endpoint, plan });
    proxies.push(proxy);
    return proxy;
  }

  const isPut = (request: ProxiedRequest): boolean => request.method === 'PUT';

  describe('checksums', () => {
    it("the SDK's own way of sending a stream is refused by this server, redup's is not", async () => {
      const place = await newPlace();
      const modern = new sdk.S3Client({
        endpoint: place.server.endpoint,
        region: 'us-east-1',
        forcePathStyle: true,
        credentials: { accessKeyId: place.server.accessKey, secretAccessKey: place.server.secretKey },
        logger: { debug() {}, info() {}, warn() {}, error() {} },
      });
      const Body = Readable.from([Buffer.from('x')], { objectMode: false });
      await expect(
        modern.send(new sdk.PutObjectCommand({ Bucket: place.bucket, Key: 'k', Body, ContentLength: 1 })),
      ).rejects.toMatchObject({ name: 'MissingContentLength' });
      const notices: S3Notice[] = [];
      const storage = await place.open({ chunkBytes: 5 * MIB, onNotice: (notice) => notices.push(notice) });
      for (const size of [0, 1000, 11 * MIB]) {
        const { source, data } = randomFile(size);
        await storage.put(`v${size}`, source);
        expect(sha256(await collect(await storage.get(`v${size}`)))).toBe(sha256(data));
      }
      expect(notices).toEqual([]);
    });

    it('every body is signed with its SHA-256, and carries a checksum that the server compares', async () => {
      const place = await newPlace();
      const proxy = await behindProxy(place);
      const storage = await place.open({ endpointUrl: proxy.endpoint, chunkBytes: 5 * MIB });
      const { source, sha256: hash } = randomFile(70_000);
      await storage.put('small', source);
      const [put] = proxy.requests.filter(isPut);
      expect(put?.headers['x-amz-content-sha256']).toBe(hash);
      expect(put?.headers['x-amz-checksum-sha256']).toBe(Buffer.from(hash, 'hex').toString('base64'));
      expect(put?.headers['content-md5']).toMatch(/^.{24}$/);
      await storage.put('large', randomFile(11 * MIB).source);
      const parts = proxy.requests.filter(({ url }) => url.includes('partNumber='));
      expect(parts).toHaveLength(3);
      for (const part of parts) {
        expect(part.headers['x-amz-content-sha256']).toMatch(/^[0-9a-f]{64}$/);
        expect(part.headers['content-md5']).toMatch(/^.{24}$/);
      }
      expect(proxy.requests.some(({ headers }) => `${headers['content-encoding']}`.includes('aws-chunked'))).toBe(
        false,
      );
    });

    it('a server that refuses them gets MD5 from the second request on, found out once', async () => {
      const place = await newPlace();
      const proxy = await behindProxy(place, ({ headers, method, url }) =>
        headers['x-amz-checksum-sha256'] !== undefined ||
        (method === 'POST' && url.includes('uploads') && headers['x-amz-checksum-algorithm'] !== undefined)
          ? {
              kind: 'answer',
              status: 501,
              code: 'NotImplemented',
              message: 'A header you provided implies functionality that is not implemented',
            }
          : undefined,
      );
      const notices: string[] = [];
      const storage = await place.open({
        endpointUrl: proxy.endpoint,
        chunkBytes: 5 * MIB,
        onNotice: ({ code }) => notices.push(code),
      });
      const { source, data } = randomFile(11 * MIB);
      await storage.put('large', source);
      for (const name of ['a', 'b', 'c']) await storage.put(name, bytes(name));
      expect(sha256(await collect(await storage.get('large')))).toBe(sha256(data));
      expect(notices).toEqual(['checksum-fallback']);
      const refused = proxy.requests.filter(
        ({ headers }) => headers['x-amz-checksum-sha256'] ?? headers['x-amz-checksum-algorithm'],
      );
      expect(refused).toHaveLength(1);
      for (const put of proxy.requests.filter(isPut).slice(1)) expect(put.headers['content-md5']).toBeDefined();
    });

    it('bytes damaged on their way up are noticed by the server, and sent again', async () => {
      const place = await newPlace();
      let damaged = 0;
      const proxy = await behindProxy(place, (request) =>
        isPut(request) && damaged++ < 1 ? { kind: 'flip-request', at: 500 } : undefined,
      );
      for (const [name, size] of [
        ['small', 1000],
        ['large', 11 * MIB],
      ] as const) {
        damaged = 0;
        const storage = await place.open({ endpointUrl: proxy.endpoint, chunkBytes: 5 * MIB });
        const { source, data } = randomFile(size);
        await storage.put(name, source);
        expect(damaged).toBeGreaterThan(1);
        expect(sha256(await collect(await storage.get(name)))).toBe(sha256(data));
      }
    });

    it('a line that damages everything ends in an error, with nothing stored', async () => {
      const place = await newPlace();
      const proxy = await behindProxy(place, (request) =>
        isPut(request) ? { kind: 'flip-request', at: 500 } : undefined,
      );
      const storage = await place.open({ endpointUrl: proxy.endpoint, chunkBytes: 5 * MIB });
      for (const size of [1000, 11 * MIB]) {
        const error = await failure(storage.put('v', randomFile(size).source));
        expect(error).toMatchObject({ code: 'corrupt', permanent: true });
        expect(error.message).toContain('tried 3 times');
      }
      expect(await names(storage)).toEqual([]);
      expect(await unfinished(place)).toBe(0);
    });

    it('bytes damaged on their way down, or at rest, are noticed where the whole object is read', async () => {
      const place = await newPlace();
      const proxy = await behindProxy(place, ({ method, url }) =>
        method === 'GET' && url.includes('/v') ? { kind: 'flip-answer', at: 100_000 } : undefined,
      );
      await (await place.open()).put('v', randomFile(200_000).source);
      const storage = await place.open({ endpointUrl: proxy.endpoint });
      expect(await failure(storage.get('v').then(collect))).toMatchObject({ code: 'corrupt' });
    });

    it('a source whose bytes are not those announced is refused, whatever its size', async () => {
      const place = await newPlace();
      const storage = await place.open({ chunkBytes: 5 * MIB });
      for (const size of [1000, 11 * MIB]) {
        const { source } = randomFile(size);
        const error = await failure(storage.put('v', source, { sha256: sha256(randomBytes(1)) }));
        expect(error).toMatchObject({ code: 'corrupt', permanent: true });
      }
      expect(await names(storage)).toEqual([]);
    });
  });

  describe('never overwriting', () => {
    it('asks the server to refuse a taken name, and believes it', async () => {
      const place = await newPlace();
      const proxy = await behindProxy(place);
      const storage = await place.open({ endpointUrl: proxy.endpoint });
      expect(storage.createsExclusively).toBe(false);
      // Somebody else comes first, after redup has looked.
      const raw = s3Client(place.server);
      proxy.plan = async ({ method, url }) => {
        if (method !== 'PUT' || !url.includes('/v')) return undefined;
        await raw.send(new sdk.PutObjectCommand({ Bucket: place.bucket, Key: 'some/where/v', Body: 'theirs' }));
        return undefined;
      };
      const error = await failure(storage.put('v', bytes('mine')));
      expect(error).toMatchObject({ code: 'exists', permanent: true });
      expect(error.hint).toContain('another run');
      expect(storage.createsExclusively).toBe(true);
      expect(Buffer.from(await collect(await storage.get('v'))).toString()).toBe('theirs');
    });

    it('looks again before parts become an object, because this server ignores the condition there', async () => {
      const place = await newPlace();
      const raw = s3Client(place.server);
      const proxy = await behindProxy(place);
      const storage = await place.open({ endpointUrl: proxy.endpoint, chunkBytes: 5 * MIB });
      proxy.plan = async ({ url }) => {
        if (!url.includes('partNumber=2')) return undefined;
        await raw.send(new sdk.PutObjectCommand({ Bucket: place.bucket, Key: 'some/where/v', Body: 'theirs' }));
        return undefined;
      };
      expect(await failure(storage.put('v', randomFile(11 * MIB).source))).toMatchObject({ code: 'exists' });
      expect(Buffer.from(await collect(await storage.get('v'))).toString()).toBe('theirs');
      expect(await unfinished(place)).toBe(0);
    });

    it('looks first where the server does not know conditions, and says so of itself', async () => {
      const place = await newPlace();
      const proxy = await behindProxy(place, ({ headers }) =>
        headers['if-none-match'] === undefined ? undefined : { kind: 'answer', status: 501, code: 'NotImplemented' },
      );
      const storage = await place.open({ endpointUrl: proxy.endpoint, chunkBytes: 5 * MIB });
      await storage.put('v', bytes('first'));
      expect(storage.createsExclusively).toBe(false);
      expect(await failure(storage.put('v', bytes('second')))).toMatchObject({ code: 'exists' });
      await storage.put('w', randomFile(11 * MIB).source);
      expect(await failure(storage.put('w', randomFile(11 * MIB).source))).toMatchObject({ code: 'exists' });
      expect(Buffer.from(await collect(await storage.get('v'))).toString()).toBe('first');
    });

    it('counts a put whose answer was lost as done, small or in parts, also when it may not read', async () => {
      for (const [name, size] of [
        ['small', 1000],
        ['large', 11 * MIB],
      ] as const) {
        const place = await newPlace();
        let lost = 0;
        const proxy = await behindProxy(place, ({ method, url }) => {
          const stores =
            (method === 'PUT' && !url.includes('partNumber')) || (method === 'POST' && url.includes('uploadId'));
          return stores && lost++ < 1 ? { kind: 'reset', when: 'after' } : undefined;
        });
        const storage = await place.open({ endpointUrl: proxy.endpoint, chunkBytes: 5 * MIB });
        const { source, data } = randomFile(size);
        expect(await storage.put(name, source)).toMatchObject({ name, size });
        expect(lost).toBeGreaterThan(1);
        expect(proxy.requests.some(({ method, url }) => method === 'GET' && !url.includes('list-type'))).toBe(false);
        expect(sha256(await collect(await storage.get(name)))).toBe(sha256(data));
      }
    });

    it('knows again by its tag, without reading, what a listing shows', async () => {
      const storage = await (await newPlace()).open();
      const put = await storage.put('v', randomFile(1000).source);
      expect(put.tag).toMatch(/^[0-9a-f]{32}$/);
      expect((await storage.stat('v'))?.tag).toBe(put.tag);
      await storage.put('v', randomFile(1000).source, { ifExists: 'replace' });
      expect((await storage.stat('v'))?.tag).not.toBe(put.tag);
    });
  });

  describe('classes, encryption, locks', () => {
    it('volumes go to Glacier, manifests and signatures stay where the next run can read them', async () => {
      const place = await newPlace();
      for (const storageClass of ['GLACIER', 'DEEP_ARCHIVE', 'GLACIER_IR'] as const) {
        const storage = await place.open({ storageClass, chunkBytes: 5 * MIB });
        await storage.put(`${storageClass}.vol1.difftar.gpg`, bytes('x'));
        await storage.put(`${storageClass}.vol2.difftar.gpg`, randomFile(6 * MIB).source);
        await storage.put(`${storageClass}.manifest.gpg`, bytes('x'));
        await storage.put(`${storageClass}.sigtar.gpg`, bytes('x'));
        expect(await classes(place, storageClass)).toEqual(['STANDARD', 'STANDARD', storageClass, storageClass]);
      }
    });

    it('the other classes take everything', async () => {
      const place = await newPlace();
      for (const storageClass of ['STANDARD_IA', 'ONEZONE_IA', 'REDUCED_REDUNDANCY'] as const) {
        const storage = await place.open({ storageClass });
        for (const kind of ['vol1.difftar', 'manifest', 'sigtar'])
          await storage.put(`${storageClass}.${kind}`, bytes('x'));
        expect(await classes(place, storageClass)).toEqual([storageClass, storageClass, storageClass]);
      }
    });

    it('a KMS key encrypts, and what is stored is still verified and read back', async () => {
      const place = await newPlace();
      const storage = await place.open({
        encryption: { kind: 'kms', keyId: place.server.kmsKeyId },
        chunkBytes: 5 * MIB,
      });
      for (const size of [1000, 11 * MIB]) {
        const { source, data } = randomFile(size);
        await storage.put(`v${size}`, source);
        const head = await s3Client(place.server).send(
          new sdk.HeadObjectCommand({ Bucket: place.bucket, Key: `some/where/v${size}` }),
        );
        expect(head).toMatchObject({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId: place.server.kmsKeyId });
        expect(sha256(await collect(await storage.get(`v${size}`)))).toBe(sha256(data));
        expect(await storage.put(`v${size}`, source, { ifExists: 'same' })).toMatchObject({ size });
      }
    });

    it('SSE-S3, the KMS key and the grant are asked for by the headers of the S3 API', async () => {
      const place = await newPlace();
      const proxy = await behindProxy(place, (request) =>
        isPut(request) ? { kind: 'answer', status: 400, code: 'Stop' } : undefined,
      );
      const headersOf = async (encryption: Parameters<Place['open']>[0]): Promise<ProxiedRequest['headers']> => {
        const storage = await place.open({ endpointUrl: proxy.endpoint, ...encryption });
        await failure(storage.put('v', bytes('x')));
        return proxy.requests.filter(isPut).at(-1)?.headers ?? {};
      };
      expect(await headersOf({ encryption: { kind: 'aes256' } })).toMatchObject({
        'x-amz-server-side-encryption': 'AES256',
      });
      const kms = { kind: 'kms', keyId: 'the-key', grantFullControl: 'id=them' } as const;
      expect(await headersOf({ encryption: kms })).toMatchObject({
        'x-amz-server-side-encryption': 'aws:kms',
        'x-amz-server-side-encryption-aws-kms-key-id': 'the-key',
        'x-amz-grant-full-control': 'id=them',
      });
    });

    it('an object lock keeps volumes and metadata, and removing says until when, after removing what is free', async () => {
      const place = await newPlace();
      const url = `s3://${place.bucket}-locked/x`;
      const { createS3Storage } = await import('../src/index.js');
      const { optionsFor } = await import('./server.js');
      const base = optionsFor(place.server);
      const objectLock = { days: 2, mode: 'COMPLIANCE' } as const;
      const locked = await createS3Storage(url, { ...base, create: 'if-missing', objectLock, chunkBytes: 5 * MIB });
      await locked.put('vol1', randomFile(11 * MIB).source);
      await locked.put('manifest', bytes('x'));
      const notices: string[] = [];
      const free = await createS3Storage(url, { ...base, onNotice: ({ code }) => notices.push(code) });
      await free.put('free', bytes('x'));
      const error = await failure(free.remove(['vol1', 'free', 'manifest', 'missing']));
      expect(error).toMatchObject({ code: 'retained', permanent: true });
      expect(error.message).toMatch(/and 1 others?\) until \d{4}-\d\d-\d\d \d\d:\d\d UTC/);
      expect(await names(free)).toEqual(['manifest', 'vol1']);
      expect(notices).toEqual(['old-versions-kept']);
    });

    it('a bucket with versions is written and cleaned, with a word on the space that stays in use', async () => {
      const place = await newPlace();
      const raw = s3Client(place.server);
      await raw.send(
        new sdk.PutBucketVersioningCommand({ Bucket: place.bucket, VersioningConfiguration: { Status: 'Enabled' } }),
      );
      const notices: S3Notice[] = [];
      const storage = await place.open({ onNotice: (notice) => notices.push(notice) });
      await storage.put('v', bytes('one'));
      await storage.remove(['v']);
      await storage.put('v', bytes('two'));
      expect(await names(storage)).toEqual(['v']);
      expect(notices.map(({ code }) => code)).toEqual(['old-versions-kept']);
      expect(notices[0]?.message).toContain('lifecycle');
    });
  });

  async function classes(place: Place, prefix: string): Promise<string[]> {
    const command = new sdk.ListObjectsV2Command({ Bucket: place.bucket, Prefix: `some/where/${prefix}.` });
    const { Contents = [] } = await s3Client(place.server).send(command);
    return Contents.map(({ StorageClass }) => `${StorageClass}`).sort(
      (a, b) => Number(b === 'STANDARD') - Number(a === 'STANDARD'),
    );
  }

  async function unfinished(place: Place): Promise<number> {
    const { Uploads = [] } = await s3Client(place.server).send(
      new sdk.ListMultipartUploadsCommand({ Bucket: place.bucket }),
    );
    return Uploads.length;
  }
});
