import { describe, expect, it } from 'vitest';
import { checkOptions, s3OptionsFromFlags } from './options.js';

describe("duplicity's S3 flags", () => {
  it('become options one to one', () => {
    expect(s3OptionsFromFlags({})).toEqual({});
    expect(
      s3OptionsFromFlags({
        s3EndpointUrl: 'https://store:9000',
        s3RegionName: 'eu-central-1',
        s3UnencryptedConnection: true,
        s3UseNewStyle: true,
        s3UseIa: true,
        s3UseServerSideKmsEncryption: true,
        s3KmsKeyId: 'key',
        s3KmsGrant: 'id=abc',
        s3MultipartChunkSize: 25,
        s3MultipartMaxProcs: 8,
        s3ObjectLockDays: 30,
        s3ObjectLockMode: 'compliance',
      }),
    ).toEqual({
      endpointUrl: 'https://store:9000',
      region: 'eu-central-1',
      unencryptedConnection: true,
      addressing: 'virtual',
      storageClass: 'STANDARD_IA',
      encryption: { kind: 'kms', keyId: 'key', grantFullControl: 'id=abc' },
      chunkBytes: 25 * 1024 * 1024,
      parallelChunks: 8,
      objectLock: { days: 30, mode: 'COMPLIANCE' },
    });
  });

  it.each([
    ['s3UseRrs', 'REDUCED_REDUNDANCY'],
    ['s3UseIa', 'STANDARD_IA'],
    ['s3UseOnezoneIa', 'ONEZONE_IA'],
    ['s3UseGlacier', 'GLACIER'],
    ['s3UseGlacierIr', 'GLACIER_IR'],
    ['s3UseDeepArchive', 'DEEP_ARCHIVE'],
  ])('%s means %s', (flag, storageClass) => {
    expect(s3OptionsFromFlags({ [flag]: true })).toEqual({ storageClass });
  });

  it('put European buckets into Ireland, unless a region says otherwise', () => {
    expect(s3OptionsFromFlags({ s3EuropeanBuckets: true })).toEqual({ region: 'eu-west-1' });
    expect(s3OptionsFromFlags({ s3EuropeanBuckets: true, s3RegionName: 'eu-north-1' })).toEqual({
      region: 'eu-north-1',
    });
  });

  it('are refused where they contradict each other or something is missing', () => {
    const bad = expect.objectContaining({ code: 'bad-option', hint: expect.stringMatching(/./) });
    expect(() => s3OptionsFromFlags({ s3UseIa: true, s3UseGlacier: true })).toThrow(bad);
    expect(() => s3OptionsFromFlags({ s3UseServerSideKmsEncryption: true })).toThrow(bad);
    expect(() => s3OptionsFromFlags({ s3ObjectLockDays: 1, s3ObjectLockMode: 'firm' })).toThrow(bad);
    for (const options of [
      { chunkBytes: 1 },
      { chunkBytes: Number.NaN },
      { parallelChunks: 0 },
      { parallelChunks: 1.5 },
    ]) {
      expect(() => checkOptions(options)).toThrow(bad);
    }
    expect(() => checkOptions({ objectLock: { days: 0, mode: 'GOVERNANCE' } })).toThrow(bad);
  });
});
