import * as sdk from '@aws-sdk/client-s3';
import { collect, type Storage } from '@redup/storage';
import { createLimitedUsers, s3Client } from '@redup/testkit/s3';
import { describe, expect, it } from 'vitest';
import { createS3Storage, type S3Options } from '../src/index.js';
import { bytes, failure, hasServer, names, newPlace, optionsFor, type Place, randomFile, sha256 } from './server.js';

const MIB = 1024 * 1024;

/** Storages of users that have nothing but the documented policies, each on the same place. */
async function users<K extends string>(
  place: Place,
  policies: readonly K[],
  options: S3Options = {},
): Promise<Record<K, Storage>> {
  const { server, bucket } = place;
  const keys = await createLimitedUsers({ server, bucket, prefix: 'some/where' }, policies);
  const opened: Partial<Record<K, Storage>> = {};
  for (const policy of policies) {
    const { accessKey: accessKeyId, secretKey: secretAccessKey } = keys[policy];
    const credentials = { accessKeyId, secretAccessKey };
    opened[policy] = await createS3Storage(place.url, { ...optionsFor(server), ...options, credentials });
  }
  return opened as Record<K, Storage>;
}

const VOLUME = 'duplicity-full.20260101T000000Z.vol1.difftar.gpg';
const MANIFEST = 'duplicity-full.20260101T000000Z.manifest.gpg';
const SIGTAR = 'duplicity-full-signatures.20260101T000000Z.sigtar.gpg';

describe.runIf(hasServer)('with the rights that docs/s3.md gives', () => {
  it('the backup user stores, resumes, looks and fills its cache; it reads no volume and removes nothing', async () => {
    const place = await newPlace();
    const { backup } = await users(place, ['backup'], { chunkBytes: 5 * MIB });
    const { source, data } = randomFile(11 * MIB);
    await backup.put(VOLUME, source);
    await backup.put(SIGTAR, bytes('signatures'));
    await backup.put(MANIFEST, bytes('manifest'));
    expect(await names(backup)).toEqual([SIGTAR, MANIFEST, VOLUME].sort());
    expect(await backup.stat(VOLUME)).toMatchObject({ size: data.length });
    // Resuming: its own bytes, small or in parts, are recognised without reading; others are refused.
    expect(await backup.put(VOLUME, source, { ifExists: 'same' })).toMatchObject({ size: data.length });
    expect(await backup.put(MANIFEST, bytes('manifest'), { ifExists: 'same' })).toMatchObject({ size: 8 });
    expect(await failure(backup.put(MANIFEST, bytes('menifast'), { ifExists: 'same' }))).toMatchObject({
      code: 'exists',
    });
    expect(Buffer.from(await collect(await backup.get(MANIFEST))).toString()).toBe('manifest');
    expect(Buffer.from(await collect(await backup.get(SIGTAR))).toString()).toBe('signatures');

    const read = await failure(backup.get(VOLUME));
    expect(read).toMatchObject({ code: 'permission', permanent: true });
    expect(read.message).toContain('s3:GetObject');
    const removal = await failure(backup.remove([VOLUME, MANIFEST]));
    expect(removal).toMatchObject({ code: 'permission', permanent: true });
    expect(removal.message).toContain('s3:DeleteObject');
    expect(removal.hint).toContain('docs/s3.md');
    expect(sha256(await collect(await (await place.open()).get(VOLUME)))).toBe(sha256(data));
  });

  it('the backup user can write nowhere else', async () => {
    const place = await newPlace();
    await users(place, ['backup']);
    const keys = { accessKeyId: `key-of-backup-${place.bucket}`, secretAccessKey: `secret-of-backup-${place.bucket}` };
    const elsewhere = await createS3Storage(`s3://${place.bucket}/else/where`, {
      ...optionsFor(place.server),
      credentials: keys,
    });
    expect(await failure(elsewhere.put('v', bytes('x')))).toMatchObject({ code: 'permission' });
  });

  it("in a versioned bucket even an intruder with the backup user's keys destroys nothing", async () => {
    const place = await newPlace();
    const raw = s3Client(place.server);
    await raw.send(
      new sdk.PutBucketVersioningCommand({ Bucket: place.bucket, VersioningConfiguration: { Status: 'Enabled' } }),
    );
    const { backup } = await users(place, ['backup']);
    await backup.put(VOLUME, bytes('precious'));
    const credentials = {
      accessKeyId: `key-of-backup-${place.bucket}`,
      secretAccessKey: `secret-of-backup-${place.bucket}`,
    };
    const intruder = new sdk.S3Client({
      endpoint: place.server.endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials,
    });
    const object = { Bucket: place.bucket, Key: `some/where/${VOLUME}` };
    await intruder.send(new sdk.PutObjectCommand({ ...object, Body: 'garbage' }));
    const { Versions = [] } = await raw.send(new sdk.ListObjectVersionsCommand({ Bucket: place.bucket }));
    const old = Versions.find(({ IsLatest }) => IsLatest === false)?.VersionId ?? '';
    for (const attempt of [
      new sdk.DeleteObjectCommand(object),
      new sdk.DeleteObjectCommand({ ...object, VersionId: old }),
    ]) {
      await expect(intruder.send(attempt)).rejects.toMatchObject({ name: 'AccessDenied' });
    }
    await expect(intruder.send(new sdk.DeleteBucketCommand({ Bucket: place.bucket }))).rejects.toMatchObject({
      name: 'AccessDenied',
    });
    const suspend = { Bucket: place.bucket, VersioningConfiguration: { Status: 'Suspended' } } as const;
    await expect(intruder.send(new sdk.PutBucketVersioningCommand(suspend))).rejects.toMatchObject({
      name: 'AccessDenied',
    });
    const { Body } = await raw.send(new sdk.GetObjectCommand({ ...object, VersionId: old }));
    expect(await Body?.transformToString()).toBe('precious');
  });

  it('the restore user reads everything and changes nothing', async () => {
    const place = await newPlace();
    await (await place.open()).put(VOLUME, bytes('volume'));
    const { restore } = await users(place, ['restore']);
    expect(Buffer.from(await collect(await restore.get(VOLUME))).toString()).toBe('volume');
    await restore.recall?.([VOLUME]);
    expect(await failure(restore.put('new', bytes('x')))).toMatchObject({ code: 'permission' });
    expect(await failure(restore.remove([VOLUME]))).toMatchObject({ code: 'permission' });
    expect(await names(restore)).toEqual([VOLUME]);
  });

  it('the retention user removes, reads metadata, and neither reads volumes nor stores', async () => {
    const place = await newPlace();
    const owner = await place.open();
    for (const name of [VOLUME, MANIFEST, SIGTAR]) await owner.put(name, bytes(name));
    const { retention } = await users(place, ['retention']);
    expect(Buffer.from(await collect(await retention.get(MANIFEST))).toString()).toBe(MANIFEST);
    expect(await failure(retention.get(VOLUME))).toMatchObject({ code: 'permission' });
    expect(await failure(retention.put('new', bytes('x')))).toMatchObject({ code: 'permission' });
    await retention.remove([VOLUME, SIGTAR]);
    expect(await names(retention)).toEqual([MANIFEST]);
  });
});
