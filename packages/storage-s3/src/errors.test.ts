import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { failureOf, translate } from './errors.js';

const call = {
  action: 'put vol1',
  subject: 'vol1',
  permission: 's3:PutObject',
  place: { url: 's3://bucket/x', bucket: 'bucket', endpoint: 'https://store.example.org' },
};
const answered = (code: string, status: number, headers: Record<string, string> = {}, message = '') =>
  Object.assign(new Error(message), {
    name: code,
    Code: code,
    $metadata: { httpStatusCode: status },
    $response: { headers },
  });
const broken = (code: string) => Object.assign(new Error(code), { code });

describe('what an S3 server answers', () => {
  it.each([
    ['NoSuchKey', 404, 'not-found', true],
    ['NoSuchBucket', 404, 'target-missing', true],
    ['NotFound', 404, 'not-found', true],
    ['AccessDenied', 403, 'permission', true],
    ['Forbidden', 403, 'permission', true],
    ['InvalidAccessKeyId', 403, 'credentials', true],
    ['SignatureDoesNotMatch', 403, 'credentials', true],
    ['ExpiredToken', 400, 'credentials', true],
    ['RequestTimeTooSkewed', 403, 'clock-skew', true],
    ['PermanentRedirect', 301, 'wrong-region', true],
    ['AuthorizationHeaderMalformed', 400, 'wrong-region', true],
    ['SlowDown', 503, 'throttled', false],
    ['TooManyRequests', 429, 'throttled', false],
    ['Whatever', 429, 'throttled', false],
    ['RequestTimeout', 400, 'timeout', false],
    ['InternalError', 500, 'unreachable', false],
    ['ServiceUnavailable', 503, 'unreachable', false],
    ['BadGateway', 502, 'unreachable', false],
    ['BadDigest', 400, 'corrupt', false],
    ['XAmzContentSHA256Mismatch', 400, 'corrupt', false],
    ['PreconditionFailed', 412, 'exists', true],
    ['ConditionalRequestConflict', 409, 'unreachable', false],
    ['InvalidObjectState', 403, 'archived', true],
    ['QuotaExceeded', 403, 'no-space', true],
    ['NotImplemented', 501, 'unsupported', true],
    ['InvalidStorageClass', 400, 'unsupported', true],
    ['BucketAlreadyExists', 409, 'permission', true],
    ['SyntaxError', 200, 'corrupt', false],
  ])('%s (%d) is %s', (code, status, expected, permanent) => {
    const error = translate(answered(code, status), call);
    expect(error).toMatchObject({ name: 'StorageError', code: expected, permanent, subject: 'vol1' });
    expect(error.hint).not.toBe('');
    expect(error.message).not.toMatch(/\n/);
  });

  it('names the permission that is missing: the one the server names, else the one the call needs', () => {
    expect(translate(answered('AccessDenied', 403), call).message).toContain('s3:PutObject on s3://bucket/x');
    const kms = 'User: arn:aws:iam::1:user/u is not authorized to perform: kms:GenerateDataKey on resource: x';
    expect(translate(answered('AccessDenied', 403, {}, kms), call).message).toContain('kms:GenerateDataKey');
  });

  it('takes over how long the server asks to wait', () => {
    expect(translate(answered('SlowDown', 503, { 'retry-after': '7' }), call).retryAfterMs).toBe(7000);
  });

  it('names the region that the server names', () => {
    expect(
      translate(answered('PermanentRedirect', 301, { 'X-Amz-Bucket-Region': 'eu-north-1' }), call).message,
    ).toContain('eu-north-1');
  });

  it('keeps the request with its signature and credentials out of the error', () => {
    const error = Object.assign(answered('AccessDenied', 403), {
      $response: { headers: {}, body: { req: 'AWS4-HMAC-SHA256 Credential=AKIA' } },
    });
    expect(inspect(translate(error, call), { depth: 20, showHidden: true })).not.toContain('AKIA');
  });

  it('shows control characters of a hostile answer as escapes', () => {
    expect(translate(answered('Weird', 418, {}, 'a\x1b[2Jb'), call).message).toContain('a\\x1b[2Jb');
  });
});

describe('a connection that fails', () => {
  it.each([
    ['ECONNREFUSED', 'unreachable', false, 'refuses connections'],
    ['ECONNRESET', 'unreachable', false, 'broke'],
    ['EPIPE', 'unreachable', false, 'broke'],
    ['ENOTFOUND', 'unreachable', false, 'unknown host name'],
    ['EHOSTUNREACH', 'unreachable', false, 'broke'],
    ['ETIMEDOUT', 'timeout', false, 'no answer'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'unreachable', true, 'no secure connection'],
    ['CERT_HAS_EXPIRED', 'unreachable', true, 'no secure connection'],
  ])('%s is %s', (code, expected, permanent, message) => {
    const error = translate(broken(code), call);
    expect(error).toMatchObject({ code: expected, permanent });
    expect(error.message).toContain(message);
  });

  it('without any fields is still an error of this kind', () => {
    for (const thrown of [new Error('odd'), 'text', undefined, null]) {
      expect(translate(thrown, call)).toMatchObject({ name: 'StorageError', code: 'corrupt' });
      expect(failureOf(thrown).status).toBe(0);
    }
  });
});
