/**
 * Options of an S3 target: what a library user writes (`S3Options`), and duplicity's `--s3-*` flags one to one
 * (`S3Flags`), which `s3OptionsFromFlags` turns into the former.
 */

import { type OpenOptions, StorageError } from '@redup/storage';

export type S3StorageClass =
  | 'STANDARD'
  | 'REDUCED_REDUNDANCY'
  | 'STANDARD_IA'
  | 'ONEZONE_IA'
  | 'INTELLIGENT_TIERING'
  | 'GLACIER_IR'
  | 'GLACIER'
  | 'DEEP_ARCHIVE';

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface S3Options extends OpenOptions {
  /** Server other than Amazon's: `https://host[:port]`. Otherwise AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or Amazon's. */
  readonly endpointUrl?: string;
  /** Otherwise the SDK's default chain (AWS_REGION, profile), else us-east-1. A bucket elsewhere is followed. */
  readonly region?: string;
  /** Plain HTTP. The archives are encrypted by themselves; who stores what, when and how much can be seen. */
  readonly unencryptedConnection?: boolean;
  /**
   * How the bucket is named in requests: as a part of the path or of the host name. `auto`: by host name at Amazon,
   * by path elsewhere. `virtual` falls back to the path where the server is an IP address or localhost.
   */
  readonly addressing?: 'auto' | 'path' | 'virtual';
  /** Class of new volumes. Manifests and signatures stay in STANDARD when it is one of the Glacier classes. */
  readonly storageClass?: S3StorageClass;
  readonly encryption?:
    | { readonly kind: 'aes256' }
    | { readonly kind: 'kms'; readonly keyId: string; readonly grantFullControl?: string };
  /** Larger files are sent in parts of this size; 20 MiB by default, at least 5 MiB. */
  readonly chunkBytes?: number;
  /** Parts of one file sent at the same time; 4 by default. */
  readonly parallelChunks?: number;
  /** Keep new objects undeletable for that many days. The bucket must have Object Lock. */
  readonly objectLock?: { readonly days: number; readonly mode: 'GOVERNANCE' | 'COMPLIANCE' };
  /** How objects in Glacier are fetched back: see {@link S3Recall}. */
  readonly recall?: S3Recall;
  /** Instead of the SDK's default chain (environment, ~/.aws, SSO, web identity, container, instance). */
  readonly credentials?: S3Credentials;
  /** Told what the user may want to know: see {@link S3Notice}. */
  onNotice?(notice: S3Notice): void;
}

export interface S3Recall {
  /** Speed and price; `Standard` (hours) by default. */
  readonly tier?: 'Expedited' | 'Standard' | 'Bulk';
  /** How long the fetched copy stays readable; 7 by default. */
  readonly days?: number;
  /** Milliseconds between two looks; 60,000 by default. */
  readonly pollMs?: number;
}

/** Something that went on differently than asked, without being an error. */
export interface S3Notice {
  readonly code:
    | 'bucket-created'
    | 'region-followed'
    | 'clock-corrected'
    | 'credentials-reloaded'
    | 'checksum-fallback'
    | 'old-versions-kept';
  readonly message: string;
}

/** duplicity's flags, named as on its command line. */
export interface S3Flags {
  readonly s3EndpointUrl?: string;
  readonly s3RegionName?: string;
  readonly s3UnencryptedConnection?: boolean;
  readonly s3UseNewStyle?: boolean;
  readonly s3EuropeanBuckets?: boolean;
  readonly s3UseRrs?: boolean;
  readonly s3UseIa?: boolean;
  readonly s3UseOnezoneIa?: boolean;
  readonly s3UseGlacier?: boolean;
  readonly s3UseGlacierIr?: boolean;
  readonly s3UseDeepArchive?: boolean;
  readonly s3UseServerSideEncryption?: boolean;
  readonly s3UseServerSideKmsEncryption?: boolean;
  readonly s3KmsKeyId?: string;
  readonly s3KmsGrant?: string;
  /** MiB. */
  readonly s3MultipartChunkSize?: number;
  readonly s3MultipartMaxProcs?: number;
  /** redup's own. */
  readonly s3ObjectLockDays?: number;
  readonly s3ObjectLockMode?: string;
}

const CLASS_FLAGS = [
  ['s3UseRrs', 'REDUCED_REDUNDANCY'],
  ['s3UseIa', 'STANDARD_IA'],
  ['s3UseOnezoneIa', 'ONEZONE_IA'],
  ['s3UseGlacier', 'GLACIER'],
  ['s3UseGlacierIr', 'GLACIER_IR'],
  ['s3UseDeepArchive', 'DEEP_ARCHIVE'],
] as const satisfies readonly (readonly [keyof S3Flags, S3StorageClass])[];

/** @throws StorageError `bad-option` for contradicting or incomplete flags */
export function s3OptionsFromFlags(flags: S3Flags): S3Options {
  const storageClass = classOf(flags);
  const encryption = encryptionOf(flags);
  const objectLock = lockOf(flags);
  const region = flags.s3RegionName ?? (flags.s3EuropeanBuckets ? 'eu-west-1' : undefined);
  return {
    ...(flags.s3EndpointUrl === undefined ? {} : { endpointUrl: flags.s3EndpointUrl }),
    ...(region === undefined ? {} : { region }),
    ...(flags.s3UnencryptedConnection ? { unencryptedConnection: true } : {}),
    ...(flags.s3UseNewStyle ? { addressing: 'virtual' } : {}),
    ...(storageClass === undefined ? {} : { storageClass }),
    ...(encryption === undefined ? {} : { encryption }),
    ...(flags.s3MultipartChunkSize === undefined ? {} : { chunkBytes: flags.s3MultipartChunkSize * 1024 * 1024 }),
    ...(flags.s3MultipartMaxProcs === undefined ? {} : { parallelChunks: flags.s3MultipartMaxProcs }),
    ...(objectLock === undefined ? {} : { objectLock }),
  };
}

/** Options after defaults; what can be checked without a network is checked. */
export function checkOptions(options: S3Options): { chunkBytes: number; parallelChunks: number } {
  const chunkBytes = options.chunkBytes ?? 20 * 1024 * 1024;
  const parallelChunks = options.parallelChunks ?? 4;
  if (!(chunkBytes >= MIN_CHUNK && chunkBytes <= MAX_CHUNK)) {
    throw badOption('the S3 chunk size must be from 5 MiB to 5 GiB', '--s3-multipart-chunk-size 20 is a good choice');
  }
  if (!(Number.isInteger(parallelChunks) && parallelChunks >= 1 && parallelChunks <= 64)) {
    throw badOption(
      'the number of parallel S3 uploads must be from 1 to 64',
      '--s3-multipart-max-procs 4 is a good choice',
    );
  }
  if (options.objectLock !== undefined && !(options.objectLock.days > 0)) {
    throw badOption('the days of an object lock must be positive', 'give --s3-object-lock-days 30, for example');
  }
  return { chunkBytes, parallelChunks };
}

/** S3's own bounds of a part. */
const MIN_CHUNK = 5 * 1024 * 1024;
const MAX_CHUNK = 5 * 1024 ** 3;

function classOf(flags: S3Flags): S3StorageClass | undefined {
  const chosen = CLASS_FLAGS.filter(([flag]) => flags[flag] === true);
  if (chosen.length > 1) throw badOption('more than one S3 storage class was asked for', 'keep one --s3-use-… option');
  return chosen[0]?.[1];
}

function encryptionOf(flags: S3Flags): S3Options['encryption'] {
  if (flags.s3UseServerSideKmsEncryption) {
    const { s3KmsKeyId: keyId, s3KmsGrant: grantFullControl } = flags;
    if (keyId === undefined) throw badOption('KMS encryption needs a key', 'give --s3-kms-key-id');
    return { kind: 'kms', keyId, ...(grantFullControl === undefined ? {} : { grantFullControl }) };
  }
  return flags.s3UseServerSideEncryption ? { kind: 'aes256' } : undefined;
}

function lockOf(flags: S3Flags): S3Options['objectLock'] {
  const mode = (flags.s3ObjectLockMode ?? 'GOVERNANCE').toUpperCase();
  if (mode !== 'GOVERNANCE' && mode !== 'COMPLIANCE') {
    throw badOption(`there is no object lock mode ${JSON.stringify(mode)}`, 'use governance or compliance');
  }
  return flags.s3ObjectLockDays === undefined ? undefined : { days: flags.s3ObjectLockDays, mode };
}

function badOption(message: string, hint: string): StorageError {
  return new StorageError('bad-option', message, { hint });
}
