/**
 * S3 target URLs: which bucket, which prefix, and sometimes which server. The forms are duplicity's (tried with 0.8.22 and
 * 3.2.1 on a real server): segments are percent-decoded, empty ones dropped, the first is the bucket and the
 * others, joined by `/`, are the prefix; an object's key is `prefix/name`.
 */

import { StorageError } from '@redup/storage';

/** URL schemes that mean S3. `s3+http` and `boto+s3` are those of old scripts; despite its name the former uses TLS. */
export const S3_SCHEMES = ['s3', 's3+http', 'boto3+s3', 'boto+s3'] as const;

export interface S3Location {
  readonly bucket: string;
  /** Text without slash at either end; empty for the bucket's top. */
  readonly prefix: string;
  /** `host[:port]`, when the URL names a server (`s3://host:port/bucket/prefix`, duplicity 0.8). */
  readonly host: string | undefined;
}

/**
 * `s3://bucket/prefix`, `s3:///bucket/prefix`, `boto3+s3://bucket/prefix`, `s3+http://bucket/prefix`, and
 * `s3://host[:port]/bucket/prefix` when what stands first can only be a host: it has a port, is an IP address or
 * `localhost`, or belongs to amazonaws.com. (A name with dots is a bucket's; give other servers with --s3-endpoint-url.)
 *
 * @throws StorageError `bad-url`; the message never repeats what may be a password
 */
export function parseS3Url(url: string): S3Location {
  const match = /^([a-z0-9+]+):\/\/([^?#]*)$/is.exec(url);
  const scheme = match?.[1]?.toLowerCase() ?? '';
  if (match === null || !S3_SCHEMES.some((known) => known === scheme)) {
    throw badUrl('this is not an S3 URL', 'write s3://bucket/prefix');
  }
  const rest = match[2] ?? '';
  const first = rest.split('/', 1)[0] ?? '';
  if (first.includes('@')) {
    throw badUrl(
      'an S3 URL holds no user name or password',
      'put the keys into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or ~/.aws/credentials',
    );
  }
  const host = isHost(first) ? first : undefined;
  const path = host === undefined ? rest : rest.slice(first.length);
  const [bucket, ...prefix] = path
    .split('/')
    .filter((segment) => segment !== '')
    .map(decodeSegment);
  if (bucket === undefined) throw badUrl('the S3 URL names no bucket', 'write s3://bucket/prefix');
  checkBucket(bucket);
  return { bucket, prefix: prefix.join('/'), host };
}

/** For messages and as the storage's `url`. */
export function displayUrl({ bucket, prefix }: S3Location): string {
  return `s3://${bucket}${prefix === '' ? '' : `/${encodeURI(prefix)}`}`.replaceAll('?', '%3F').replaceAll('@', '%40');
}

function isHost(first: string): boolean {
  if (/:\d+$/.test(first) || first === 'localhost' || first.startsWith('[')) return true;
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(first) || /(^|\.)amazonaws\.com(\.cn)?$/i.test(first);
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw badUrl('a percent sign in the S3 URL begins no escape', 'write a percent sign as %25');
  }
}

/** Looser than Amazon's rules (old buckets and other servers allow more), strict enough to catch a mistyped URL. */
function checkBucket(bucket: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{2,254}$/.test(bucket)) return;
  throw badUrl(
    `${JSON.stringify(bucket)} can't be the name of a bucket`,
    'bucket names have 3 to 63 characters: lower-case letters, digits, dots and hyphens',
  );
}

function badUrl(message: string, hint: string): StorageError {
  return new StorageError('bad-url', message, { hint });
}
