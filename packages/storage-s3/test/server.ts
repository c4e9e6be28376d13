/** What the tests of this package share: the real server, storages on it, small helpers. */

import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RetryPolicy, Storage, StorageError, UploadSource } from '@redup/storage';
import { isMissing, peer, tempDir } from '@redup/testkit';
import { type S3Server, sharedS3Server, uniqueBucketName } from '@redup/testkit/s3';
import { createS3Storage, type S3Options } from '../src/index.js';

/** False skips the suites, except in CI, where the server must be there. */
export const hasServer = !isMissing(peer('radosgw')) || process.env['CI'] === 'true';

/** Three attempts with pauses too short to notice. */
export const quick: RetryPolicy = { attempts: 3, firstDelayMs: 5, factor: 2, maxDelayMs: 20, jitter: 0.5 };

export interface Place {
  readonly server: S3Server;
  readonly bucket: string;
  readonly url: string;
  /** Opens the place with further options. */
  open(options?: S3Options): Promise<Storage>;
}

/** A new bucket with a prefix in it. */
export async function newPlace(prefix = 'some/where'): Promise<Place> {
  const server = await sharedS3Server();
  const bucket = uniqueBucketName();
  const url = `s3://${bucket}/${prefix}`;
  const base = optionsFor(server);
  await (await createS3Storage(url, { ...base, create: 'if-missing' })).close();
  return { server, bucket, url, open: (options) => createS3Storage(url, { ...base, ...options }) };
}

export function optionsFor(server: S3Server): S3Options {
  const credentials = { accessKeyId: server.accessKey, secretAccessKey: server.secretKey };
  return { endpointUrl: server.endpoint, region: 'us-east-1', credentials, retry: quick };
}

export function bytes(data: string | Uint8Array): UploadSource {
  return { kind: 'bytes', bytes: typeof data === 'string' ? Buffer.from(data) : data };
}

export function randomFile(size: number): { source: UploadSource & { kind: 'file' }; data: Buffer; sha256: string } {
  const path = join(tempDir('s3'), 'volume');
  const data = randomBytes(size);
  writeFileSync(path, data);
  return { source: { kind: 'file', path, size, disposable: false }, data, sha256: sha256(data) };
}

export function sha256(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

export async function names(storage: Storage): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of storage.list()) found.push(name);
  return found.sort();
}

/** The error that a call must end with. */
export async function failure(promise: Promise<unknown>): Promise<StorageError> {
  return promise.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: StorageError) => error,
  );
}
