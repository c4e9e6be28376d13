/** Opening a bucket: is it there, may it be listed, shall it be made. */

import type {
  BucketLocationConstraint,
  CreateBucketCommandInput,
  ListObjectsV2CommandInput,
  ListObjectsV2CommandOutput,
} from '@aws-sdk/client-s3';
import * as sdk from '@aws-sdk/client-s3';
import { isStorageError, StorageError } from '@redup/storage';
import { failureOf } from './errors.js';
import type { Call, Gateway } from './gateway.js';
import { listPrefix } from './keys.js';
import type { S3Location } from './location.js';
import type { S3Options } from './options.js';

/** @throws StorageError `target-missing`, `permission`, `credentials`, `unreachable`, … */
export async function openBucket(gateway: Gateway, location: S3Location, options: S3Options): Promise<void> {
  const { url } = gateway.place;
  const look = { action: `open ${url}`, subject: url, permission: 's3:ListBucket', signal: options.signal };
  try {
    const input = { Bucket: location.bucket, Prefix: listPrefix(location.prefix), MaxKeys: 1 };
    await listPage(gateway, look, input);
  } catch (error) {
    if (!isStorageError(error, 'target-missing') || options.create !== 'if-missing') throw error;
    await createBucket(gateway, location, options);
  }
}

/**
 * One page of a listing. Something else that answers 200 (a proxy's login page, a wrong endpoint) would look like an empty
 * bucket, and what is missing in a listing may be taken for removed: so an answer has to say whether it is complete.
 */
export async function listPage(
  gateway: Gateway,
  call: Call,
  input: ListObjectsV2CommandInput,
): Promise<ListObjectsV2CommandOutput> {
  return gateway.call(call, async ({ client, http }) => {
    const page = await client.send(new sdk.ListObjectsV2Command(input), http);
    if (page.IsTruncated !== undefined) return page;
    throw new StorageError('corrupt', `${gateway.place.endpoint} answered something that is no listing`, {
      subject: gateway.place.url,
      hint: 'check --s3-endpoint-url: is this an S3 server, and does no proxy or login page answer in its place?',
    });
  });
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
