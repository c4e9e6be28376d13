/**
 * What S3 servers and connections answer, as storage errors: one line each, with the way out. Codes are those of
 * Amazon's "Error responses" page and of what Ceph, MinIO and others send instead.
 */

import { errnoOf, isStorageError, printable, StorageError, type StorageErrorCode } from '@redup/storage';

/** What was tried, for messages. */
export interface S3Call {
  /** `put duplicity-full….vol1.difftar.gpg` */
  readonly action: string;
  /** The object's name, or the bucket's URL. */
  readonly subject: string;
  /** The IAM action that a refusal means. */
  readonly permission: string;
  /** Bucket and endpoint, for hints. */
  readonly place: { readonly url: string; readonly bucket: string; readonly endpoint: string };
}

/** The parts of an SDK error that matter here. */
export interface S3Failure {
  /** S3's error code, such as `NoSuchKey`, or the error's name. */
  readonly code: string;
  /** 0 when there was no answer. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly message: string;
  /** Region named in the answer's body. */
  readonly region: string | undefined;
  readonly clockSkewCorrected: boolean;
}

export function failureOf(error: unknown): S3Failure {
  const fields = asRecord(error);
  const metadata = asRecord(fields['$metadata']);
  const response = asRecord(fields['$response']);
  const headers = asRecord(response['headers']);
  const status = metadata['httpStatusCode'] ?? response['statusCode'];
  return {
    code: text(fields['Code']) ?? text(fields['name']) ?? 'Error',
    status: typeof status === 'number' ? status : 0,
    headers: Object.fromEntries(
      Object.entries(headers).flatMap(([name, value]) =>
        typeof value === 'string' ? [[name.toLowerCase(), value]] : [],
      ),
    ),
    message: text(fields['message']) ?? '',
    region: text(fields['Region']),
    clockSkewCorrected: metadata['clockSkewCorrected'] === true,
  };
}

/** @returns a StorageError, whatever was thrown */
export function translate(error: unknown, call: S3Call): StorageError {
  if (isStorageError(error)) return error;
  const failure = failureOf(error);
  const [code, says, hint, permanent] = verdict(error, failure, call);
  const retryAfterMs = retryAfter(failure.headers);
  return new StorageError(code, `can't ${printable(call.action)}: ${says}`, {
    hint,
    subject: call.subject,
    cause: compact(error, failure),
    ...(permanent === undefined ? {} : { permanent }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

/**
 * The SDK's errors hold the whole request with its Authorization header, and sockets by the dozen: neither belongs
 * into a log. What remains is what a support person asks for.
 */
function compact(error: unknown, failure: S3Failure): Error {
  const requestId = text(asRecord(asRecord(error)['$metadata'])['requestId']);
  const message = [failure.code, failure.status || '', oneLine(failure.message), requestId && `request ${requestId}`];
  const cause = new Error(message.filter(Boolean).join(' '));
  cause.name = failure.code;
  if (error instanceof Error && error.stack !== undefined) cause.stack = error.stack;
  return Object.assign(cause, { code: errnoOf(error) ?? failure.code });
}

/** Code, what happened, the way out, and whether it is permanent when the code alone doesn't say. */
type Verdict = readonly [StorageErrorCode, string, string, boolean?];

function verdict(error: unknown, failure: S3Failure, call: S3Call): Verdict {
  return (
    byS3Code(failure, call) ??
    (failure.status === 0 ? byConnection(error, failure, call) : undefined) ??
    byStatus(failure, call)
  );
}

function byS3Code(failure: S3Failure, call: S3Call): Verdict | undefined {
  const { bucket, endpoint, url } = call.place;
  switch (failure.code) {
    case 'NoSuchKey':
      return ['not-found', `${url} has no such object`, 'look at the listing of the target'];
    case 'NoSuchBucket':
      return [
        'target-missing',
        `there is no bucket ${bucket} at ${endpoint}`,
        'check its name and --s3-endpoint-url, or create it',
      ];
    case 'NoSuchUpload':
      return ['unreachable', 'the server has forgotten the upload', 'run again', true];
    case 'AccessDenied':
    case 'AllAccessDisabled':
    case 'AccountProblem':
      return accessDenied(failure, call);
    case 'InvalidAccessKeyId':
      return [
        'credentials',
        `${endpoint} doesn't know this access key`,
        'check AWS_ACCESS_KEY_ID or the profile in ~/.aws/credentials',
      ];
    case 'SignatureDoesNotMatch':
      return [
        'credentials',
        'the signature does not match: the secret key is wrong',
        'check AWS_SECRET_ACCESS_KEY for missing or extra characters',
      ];
    case 'ExpiredToken':
    case 'ExpiredTokenException':
    case 'TokenRefreshRequired':
    case 'InvalidToken':
      return [
        'credentials',
        'the credentials have expired',
        'renew them (aws sso login, a new session token), then run again to go on',
      ];
    case 'CredentialsProviderError':
    case 'TokenProviderError':
      return [
        'credentials',
        `no AWS credentials found (${oneLine(failure.message)})`,
        'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use ~/.aws/credentials',
      ];
    case 'RequestTimeTooSkewed':
    case 'RequestExpired':
    case 'RequestInTheFuture':
      return [
        'clock-skew',
        "this machine's clock differs too much from the server's",
        'set the clock (timedatectl set-ntp true), then run again',
      ];
    case 'PermanentRedirect':
    case 'TemporaryRedirect':
    case 'AuthorizationHeaderMalformed':
    case 'IllegalLocationConstraintException':
    case 'InvalidLocationConstraint':
      return [
        'wrong-region',
        `the bucket ${bucket} is in another region${regionHint(failure)}`,
        'give the right one with --s3-region-name',
      ];
    case 'SlowDown':
    case 'Throttling':
    case 'ThrottlingException':
    case 'TooManyRequests':
    case 'TooManyRequestsException':
    case 'RequestLimitExceeded':
    case 'SlowDownRead':
    case 'SlowDownWrite':
      return ['throttled', 'the server asks to slow down', 'run again later, or with a smaller --concurrency'];
    case 'RequestTimeout':
      return ['timeout', 'the server waited too long for our data', 'check the connection, or raise --timeout'];
    case 'BadDigest':
    case 'InvalidDigest':
    case 'XAmzContentSHA256Mismatch':
    case 'XAmzContentChecksumMismatch':
    case 'ChecksumMismatch':
    case 'IncompleteBody':
      return [
        'corrupt',
        'the bytes were damaged on their way',
        'check the network; a proxy may be changing the traffic',
      ];
    case 'PreconditionFailed':
      return [
        'exists',
        `${url} already has this object, which is never overwritten`,
        'another run may be writing to the same target: let it end, then run again',
      ];
    case 'ConditionalRequestConflict':
    case 'OperationAborted':
      return ['unreachable', 'another request for the same object was under way', 'run again'];
    case 'InvalidObjectState':
      return [
        'archived',
        'the object is in a Glacier class and must be fetched back first',
        'restore does that by itself; otherwise use the AWS console',
      ];
    case 'ObjectLocked':
      return ['retained', 'an object lock forbids it', 'wait until the retention has ended'];
    case 'QuotaExceeded':
    case 'XMinioStorageFull':
    case 'XMinioAdminBucketQuotaExceeded':
    case 'InsufficientStorage':
    case 'EntityTooLarge':
      return [
        'no-space',
        'the server has no space left, or the quota is used up',
        'free some space or raise the quota, then run again',
      ];
    case 'BucketAlreadyExists':
      return [
        'permission',
        `the bucket ${bucket} belongs to somebody else`,
        'bucket names are shared by all users: choose another one',
      ];
    case 'InvalidBucketName':
      return [
        'bad-url',
        `${JSON.stringify(bucket)} is not allowed as a bucket's name`,
        'use 3 to 63 lower-case letters, digits and hyphens',
      ];
    case 'NotImplemented':
    case 'MissingContentLength':
      return ['unsupported', `the server can't do that (${oneLine(failure.message)})`, 'try other --s3-… options'];
    case 'KMS.NotFoundException':
    case 'KMS.DisabledException':
    case 'KMS.KMSInvalidStateException':
      return ['bad-option', `the KMS key can't be used (${oneLine(failure.message)})`, 'check --s3-kms-key-id'];
    case 'InternalError':
    case 'ServiceUnavailable':
      return ['unreachable', `the server failed (${failure.status} ${failure.code})`, 'run again later'];
    default:
      return undefined;
  }
}

function byStatus(failure: S3Failure, call: S3Call): Verdict {
  const { status, code } = failure;
  if (status === 404) return ['not-found', `${call.place.url} has no such object`, 'look at the listing of the target'];
  if (status === 403 || status === 401) return accessDenied(failure, call);
  if (status === 412) return ['exists', 'the object exists already', 'another run may be writing to the same target'];
  if (status === 301 || status === 307) {
    return [
      'wrong-region',
      `the bucket is elsewhere${regionHint(failure)}`,
      'check --s3-region-name and --s3-endpoint-url',
    ];
  }
  if (status === 408) return ['timeout', 'the server waited too long for our data', 'check the connection'];
  if (status === 429)
    return ['throttled', 'the server asks to slow down', 'run again later, or with a smaller --concurrency'];
  if (status === 507) return ['no-space', 'the server has no space left', 'free some space, then run again'];
  if (status === 501 || status === 411)
    return ['unsupported', `the server can't do that (${code})`, 'try other --s3-… options'];
  if (status >= 500) return ['unreachable', `the server failed (${status} ${code})`, 'run again later'];
  if (status >= 400) {
    return [
      'unsupported',
      `the server refused (${status} ${code}: ${oneLine(failure.message)})`,
      'check the --s3-… options',
    ];
  }
  return [
    'corrupt',
    `the answer makes no sense (${oneLine(failure.message)})`,
    'check --s3-endpoint-url: is this an S3 server?',
  ];
}

function byConnection(error: unknown, failure: S3Failure, call: S3Call): Verdict | undefined {
  const { endpoint } = call.place;
  const code = errnoOf(error) ?? errnoOf(asRecord(error)['cause']) ?? failure.code;
  const hint = 'check the network and --s3-endpoint-url';
  if (/^(CERT_|ERR_TLS_|ERR_SSL_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|EPROTO$)/.test(code)) {
    const way =
      'install its authority (NODE_EXTRA_CA_CERTS), or use --s3-unencrypted-connection for a server without TLS';
    return ['unreachable', `no secure connection to ${endpoint} (${code})`, way, true];
  }
  switch (code) {
    case 'ECONNREFUSED':
      return ['unreachable', `${endpoint} refuses connections`, 'check that the server runs, and --s3-endpoint-url'];
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return [
        'unreachable',
        `${endpoint}: unknown host name`,
        'check --s3-endpoint-url, --s3-region-name and the name server',
      ];
    case 'TimeoutError':
    case 'ETIMEDOUT':
    case 'ESOCKETTIMEDOUT':
    case 'RequestTimeout':
      return ['timeout', `no answer from ${endpoint} in time`, 'check the network, or raise --timeout'];
    case 'ERR_INVALID_URL':
      return ['bad-option', `${endpoint} is not a URL`, 'write --s3-endpoint-url https://host:port'];
    default:
  }
  if (/^(E[A-Z0-9]+|ERR_STREAM_PREMATURE_CLOSE|HPE_[A-Z_]+)$/.test(code) || code === 'aborted') {
    return ['unreachable', `the connection to ${endpoint} broke (${code})`, hint];
  }
  if (code === 'AbortError') return ['aborted', 'interrupted', 'run the same command again to go on from here'];
  return undefined;
}

function accessDenied(failure: S3Failure, call: S3Call): Verdict {
  const asked = /not authorized to perform: ([a-z0-9]+:[A-Za-z]+)/.exec(failure.message)?.[1] ?? call.permission;
  if (/expired/i.test(failure.message)) {
    return ['credentials', 'the credentials have expired', 'renew them, then run again to go on'];
  }
  return [
    'permission',
    `access denied: ${asked} on ${call.place.url} is not allowed`,
    `allow ${asked} in the user's policy (docs/s3.md has policies to copy)`,
  ];
}

function regionHint(failure: S3Failure): string {
  const region = failure.headers['x-amz-bucket-region'] ?? failure.region;
  return region === undefined ? '' : ` (${printable(region)})`;
}

/** `Retry-After` in seconds; the form with a date is not used by S3 servers. */
function retryAfter(headers: S3Failure['headers']): number | undefined {
  const seconds = Number(headers['retry-after']);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined;
}

function oneLine(message: string): string {
  return printable(message.replace(/\s+/g, ' ').trim().slice(0, 200));
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}
