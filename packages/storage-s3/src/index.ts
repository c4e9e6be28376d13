/**
 * @redup/storage-s3: Amazon S3, and everything that speaks it, as a redup storage. Importing this module costs next to
 * nothing; the AWS SDK is loaded when the first S3 target is opened.
 */

import type { Storage, StorageFactory, StorageRegistry } from '@redup/storage';
import { S3_SCHEMES } from './location.js';
import type { S3Options } from './options.js';

export { displayUrl, parseS3Url, S3_SCHEMES, type S3Location } from './location.js';
export {
  type S3Credentials,
  type S3Flags,
  type S3Notice,
  type S3Options,
  type S3Recall,
  type S3StorageClass,
  s3OptionsFromFlags,
} from './options.js';

/**
 * Opens an S3 target: checks that the bucket is there and may be listed, makes it when asked and allowed.
 *
 * @throws StorageError `bad-url`, `bad-option`, `target-missing`, `credentials`, `permission`, `unreachable`, …
 */
export async function createS3Storage(url: string, options: S3Options = {}): Promise<Storage> {
  const { S3Storage } = await import('./s3-storage.js');
  return S3Storage.open(url, options);
}

/** Makes all S3 schemes known to a registry. What `openStorage` is given later wins over `options`. */
export function registerS3(registry: StorageRegistry, options: S3Options = {}): StorageRegistry {
  return registry.register(S3_SCHEMES, async () => s3Factory(options));
}

/** For registries that load this package lazily as a whole. */
export function s3Factory(options: S3Options = {}): StorageFactory {
  return (url, openOptions) => createS3Storage(url, { ...options, ...openOptions });
}
