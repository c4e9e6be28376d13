/** Opening a bucket: is it there, may it be listed, shall it be made. */

import type { BucketLocationConstraint, CreateBucketCommandInput } from '@aws-sdk/client-s3';
import * as sdk from '@aws-sdk/client-s3';
import { isStorageError, StorageError } from '@redup/storage';
import { failureOf } from './errors.js';
import type { Gateway } from './gateway.js';
import { listPrefix } from './keys.js';
import type { S3Location } from './location.js';
import type { S3Options } from './options.js';

/** @throws StorageError `target-missing`, `permission`, `credentials`, `unreachable`, … */
export async function openBucket(gateway: Gateway, location: S3Location, options: S3Options): Promise<void> {
  const { url } = gateway.place;
  const look = { action: `open ${url}`, subject: url, permission: 's3:ListBucket', signal: options.signal };
  try {
    await gateway.call(look, ({ client, http }) =>
      client.send(
        new sdk.ListObjectsV2Command({ Bucket: location.bucket, Prefix: listPrefix(location.prefix), MaxKeys: 1 }),
        http,
      ),
    );
  } catch (error) {
    if (!isStorageError(error, 'target-missing') || options.create !== 'if-missing') throw error;
    await createBucket(gateway, location, options);
  }
}

async function createBucket(gateway: Gateway, { bucket }: S3Location, options: S3Options): Promise<void> {
  const call = {
    action: `create the bucket ${bucket}`,
    subject: bucket,
    permission: 's3:CreateBucket',
    signal: options.signal,
  };
  try {
    await gateway.call(call, async ({ client, http, attempt }) => {
      try {
        await client.send(new sdk.CreateBucketCommand(await bucketInput(gateway, bucket, options)), http);
      } catch (error) {
        // Somebody of ours made it meanwhile, or an earlier attempt did without our hearing of it.
        const { code } = failureOf(error);
        if (code !== 'BucketAlreadyOwnedByYou' && !(attempt > 1 && code === 'BucketAlreadyExists')) throw error;
      }
    });
  } catch (error) {
    if (!isStorageError(error, 'permission')) throw error;
    throw new StorageError(
      'target-missing',
      `there is no bucket ${bucket}, and it can't be created: ${error.message}`,
      {
        subject: bucket,
        cause: error,
        hint: "create the bucket yourself, or allow s3:CreateBucket in the user's policy",
      },
    );
  }
  gateway.notice('bucket-created', `created the bucket ${bucket}`);
}

async function bucketInput(gateway: Gateway, bucket: string, options: S3Options): Promise<CreateBucketCommandInput> {
  const region = await gateway.region();
  // Amazon refuses the constraint for its first region, other servers may not know any region by name.
  const elsewhere = region !== 'us-east-1' && gateway.place.endpoint === 'Amazon S3';
  return {
    Bucket: bucket,
    ...(elsewhere ? { CreateBucketConfiguration: { LocationConstraint: region as BucketLocationConstraint } } : {}),
    ...(options.objectLock === undefined ? {} : { ObjectLockEnabledForBucket: true }),
  };
}
