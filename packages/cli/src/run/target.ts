/** From the URL and the options to a storage. What concerns S3 is loaded when an S3 URL is used. */

import { UsageError } from '../arguments/usage-error.js';
import {
  folderOfTarget,
  MemoryStorage,
  type OpenOptions,
  type RetryPolicy,
  retryPolicy,
  type Storage,
  StorageError,
  StorageRegistry,
  schemeOf,
} from '../engine.js';
import type { Values } from '../options/index.js';
import type { Log } from '../output/log.js';

export interface TargetOptions {
  /** Make the folder or bucket if it is missing. `pretend`: act as if it were there and empty. */
  readonly create: 'if-missing' | 'never' | 'pretend';
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** The schemes of `@redup/storage-s3`, known without loading it. */
const S3_SCHEMES = ['s3', 's3+http', 'boto3+s3', 'boto+s3'];

/** @throws StorageError */
export async function openTarget(url: string, values: Values, options: TargetOptions): Promise<Storage> {
  const registry = new StorageRegistry().register(S3_SCHEMES, async () => {
    const { s3Factory, s3OptionsFromFlags } = await import('@redup/storage-s3');
    const onNotice = ({ message }: { readonly message: string }): void => options.log.notice(message);
    const { 'backend-retry-delay': delay } = values;
    const recall = delay === undefined ? {} : { recall: { pollMs: delay * 1000 } };
    return s3Factory({ ...s3OptionsFromFlags(s3Flags(values)), ...recall, onNotice });
  });
  const scheme = schemeOf(url);
  if (scheme !== undefined && !registry.schemes.includes(scheme)) {
    const known = registry.schemes.map((each) => `${each}://`).join(', ');
    throw new UsageError(`There is no storage for ${scheme}:// URLs`, `There is one for ${known}.`, {
      code: 'bad-url',
    });
  }
  const { timeout } = values;
  const open: OpenOptions = {
    create: options.create === 'if-missing' ? 'if-missing' : 'never',
    retry: retryOf(values, options.log),
    ...(timeout === undefined ? {} : { timeoutMs: timeout * 1000 }),
    signal: options.signal,
  };
  try {
    return await registry.open(url, open);
  } catch (error) {
    const isMissing = error instanceof StorageError && error.code === 'target-missing';
    if (isMissing && options.create === 'pretend') return new MemoryStorage(url);
    throw error;
  }
}

/** A local folder that is the target, or undefined. */
export function localFolder(url: string): string | undefined {
  return schemeOf(url) === 'file' ? folderOfTarget(url) : undefined;
}

function retryOf(values: Values, log: Log): RetryPolicy {
  const { 'num-retries': attempts, 'backend-retry-delay': delay } = values;
  const policy = retryPolicy({
    ...(attempts === undefined ? {} : { attempts }),
    ...(delay === undefined ? {} : { delayMs: delay * 1000 }),
  });
  return {
    ...policy,
    onRetry: ({ action, error, attempt, attempts: most, delayMs }) => {
      log.warning(
        `Attempt ${attempt} of ${most} failed: ${action}: ${error.message}; again in ${Math.round(delayMs / 1000)} s`,
      );
    },
  };
}

function s3Flags(values: Values) {
  return defined({
    s3EndpointUrl: values['s3-endpoint-url'],
    s3RegionName: values['s3-region-name'],
    s3UnencryptedConnection: values['s3-unencrypted-connection'],
    s3UseNewStyle: values['s3-use-new-style'],
    s3EuropeanBuckets: values['s3-european-buckets'],
    s3UseRrs: values['s3-use-rrs'],
    s3UseIa: values['s3-use-ia'],
    s3UseOnezoneIa: values['s3-use-onezone-ia'],
    s3UseGlacier: values['s3-use-glacier'],
    s3UseGlacierIr: values['s3-use-glacier-ir'],
    s3UseDeepArchive: values['s3-use-deep-archive'],
    s3UseServerSideEncryption: values['s3-use-server-side-encryption'],
    s3UseServerSideKmsEncryption: values['s3-use-server-side-kms-encryption'],
    s3KmsKeyId: values['s3-kms-key-id'],
    s3KmsGrant: values['s3-kms-grant'],
    s3MultipartChunkSize: values['s3-multipart-chunk-size'],
    s3MultipartMaxProcs: values['s3-multipart-max-procs'],
    s3ObjectLockDays: values['s3-object-lock-days'],
    s3ObjectLockMode: values['s3-object-lock-mode'],
  });
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without the properties that are undefined. */
export function defined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as Defined<T>;
}
