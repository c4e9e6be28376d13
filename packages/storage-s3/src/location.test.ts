import { describe, expect, it } from 'vitest';
import { displayUrl, parseS3Url } from './location.js';

const place = (bucket: string, prefix = '', host?: string) => ({ bucket, prefix, host });

describe('an S3 URL', () => {
  // What duplicity 0.8.22 and 3.2.1 store under each of these was looked up on a real server.
  it.each([
    ['s3://bucket/pre/fix', place('bucket', 'pre/fix')],
    ['s3:///bucket/pre/fix', place('bucket', 'pre/fix')],
    ['boto3+s3://bucket', place('bucket')],
    ['boto3+s3:///bucket/q', place('bucket', 'q')],
    ['s3+http://bucket-duplicity/', place('bucket-duplicity')],
    ['boto+s3://bucket/x', place('bucket', 'x')],
    ['boto3+s3://bucket/a//b/', place('bucket', 'a/b')],
    ['boto3+s3://bucket//lead', place('bucket', 'lead')],
    ['s3:///bucket/ä%20b', place('bucket', 'ä b')],
    ['S3://Old_Bucket.Name/x', place('Old_Bucket.Name', 'x')],
    ['s3://backups.example.org/x', place('backups.example.org', 'x')],
    ['s3://storage.example.org:9000/bucket/x', place('bucket', 'x', 'storage.example.org:9000')],
    ['s3://127.0.0.1/bucket', place('bucket', '', '127.0.0.1')],
    ['s3://localhost/bucket', place('bucket', '', 'localhost')],
    ['s3://s3-eu-west-1.amazonaws.com/bucket/x', place('bucket', 'x', 's3-eu-west-1.amazonaws.com')],
    ['s3://[::1]:8000/bucket/x', place('bucket', 'x', '[::1]:8000')],
  ])('%s', (url, expected) => {
    expect(parseS3Url(url)).toEqual(expected);
  });

  it.each([
    ['', 'not an S3 URL'],
    ['file:///x', 'not an S3 URL'],
    ['s3:bucket', 'not an S3 URL'],
    ['s3://bucket/x?versionId=1', 'not an S3 URL'],
    ['s3://', 'names no bucket'],
    ['s3://host:9000/', 'names no bucket'],
    ['s3://ab/x', "can't be the name of a bucket"],
    ['s3://-bucket/x', "can't be the name of a bucket"],
    ['s3://bucket/%zz', 'begins no escape'],
    ['s3://key:hunter2@bucket/x', 'no user name or password'],
  ])('%s is refused with a way out', (url, message) => {
    expect(() => parseS3Url(url)).toThrow(
      expect.objectContaining({ code: 'bad-url', hint: expect.stringMatching(/./) }),
    );
    expect(() => parseS3Url(url)).toThrow(message);
  });

  it('never shows a password in its error', () => {
    expect(() => parseS3Url('s3://key:hunter2@bucket/x')).toThrow(expect.not.stringContaining('hunter2'));
  });

  it('is shown in messages without host and with its prefix', () => {
    expect(displayUrl(parseS3Url('boto3+s3://bucket/ä b/c@d'))).toBe('s3://bucket/%C3%A4%20b/c%40d');
    expect(displayUrl(parseS3Url('s3+http://bucket/'))).toBe('s3://bucket');
  });
});
