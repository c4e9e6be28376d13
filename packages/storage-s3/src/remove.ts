/** Removing objects: a thousand a request, one by one where a server has no batches, and never silently less than asked. */

import * as sdk from '@aws-sdk/client-s3';
import { type CallOptions, isStorageError, StorageError } from '@redup/storage';
import type { Call, Gateway } from './gateway.js';
import { nameOf } from './keys.js';
import type { S3Location } from './location.js';
import { forEachLimited } from './parallel.js';

/** S3's limit of keys in one DeleteObjects. */
const BATCH = 1000;
/** Requests at the same time where each object needs its own. */
const PARALLEL = 8;

/**
 * In a bucket with Object Lock, what is retained stays, with its date in the error; everything else is removed before that error.
 *
 * @throws StorageError `retained`, `permission`, …
 */
export async function removeKeys(
  gateway: Gateway,
  location: S3Location,
  keys: readonly string[],
  options: CallOptions,
): Promise<void> {
  const { url } = gateway.place;
  const call = { action: `remove from ${url}`, subject: url, permission: 's3:DeleteObject', signal: options.signal };
  const retained =
    keys.length > 0 ? await retainedKeys(gateway, location.bucket, keys, call) : new Map<string, string>();
  const free = keys.filter((key) => !retained.has(key));
  let markers = 0;
  for (let at = 0; at < free.length; at += BATCH) {
    markers += await removeBatch(gateway, location, free.slice(at, at + BATCH), call);
  }
  if (markers > 0) {
    const text = `${url} keeps old versions: ${markers} removed objects are hidden, their space is freed by a lifecycle rule`;
    gateway.notice('old-versions-kept', text);
  }
  if (retained.size > 0) throw retainedError(location, retained);
}

/** How many objects a versioned bucket has only hidden. */
async function removeBatch(
  gateway: Gateway,
  location: S3Location,
  keys: readonly string[],
  call: Call,
): Promise<number> {
  let left = [...keys];
  let markers = 0;
  try {
    await gateway.call(call, async ({ client, http }) => {
      const command = new sdk.DeleteObjectsCommand({
        Bucket: location.bucket,
        Delete: { Objects: left.map((Key) => ({ Key })), Quiet: false },
      });
      const answer = await client.send(command, http);
      markers += (answer.Deleted ?? []).filter(
        (deleted) => deleted.DeleteMarker === true && isArchive(deleted.Key),
      ).length;
      const failed = answer.Errors ?? [];
      left = failed.flatMap(({ Key }) => (Key === undefined ? [] : [Key]));
      const [first] = failed;
      if (first)
        throw Object.assign(new Error(first.Message ?? ''), {
          name: first.Code ?? 'InternalError',
          $metadata: { httpStatusCode: 200 },
        });
    });
  } catch (error) {
    // Ceph asks for the right to the whole bucket before it looks at a batch; for single objects their own policy counts.
    if (!isStorageError(error, 'unsupported') && !isStorageError(error, 'permission')) throw error;
    await forEachLimited(left, PARALLEL, (Key) =>
      gateway.call({ ...call, action: `remove ${Key}` }, async ({ client, http }) => {
        const { DeleteMarker } = await client.send(new sdk.DeleteObjectCommand({ Bucket: location.bucket, Key }), http);
        if (DeleteMarker && isArchive(Key)) markers += 1;
      }),
    );
  }
  return markers;
}

/** Nobody needs to hear of the old versions of a lock, which is made and removed with every run. */
function isArchive(key: string | undefined): boolean {
  return key !== undefined && !/redup\.lock(\.probe)?$/.test(key);
}

/** Keys that a lock protects, with the date until which. Empty for buckets without Object Lock, which costs one request. */
async function retainedKeys(
  gateway: Gateway,
  bucket: string,
  keys: readonly string[],
  call: Call,
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  if (!(await hasObjectLock(gateway, bucket, call))) return found;
  await forEachLimited(keys, PARALLEL, async (key) => {
    const until = await retainedUntil(gateway, bucket, key, call);
    if (until !== undefined) found.set(key, until);
  });
  return found;
}

async function hasObjectLock(gateway: Gateway, bucket: string, call: Call): Promise<boolean> {
  try {
    const answer = await gateway.call(
      { ...call, permission: 's3:GetBucketObjectLockConfiguration' },
      ({ client, http }) => client.send(new sdk.GetObjectLockConfigurationCommand({ Bucket: bucket }), http),
    );
    return answer.ObjectLockConfiguration?.ObjectLockEnabled === 'Enabled';
  } catch (error) {
    // No lock, a server that doesn't know locks, or no right to ask: then the server itself refuses what is locked.
    if (isStorageError(error) && ['not-found', 'permission', 'unsupported', 'corrupt'].includes(error.code))
      return false;
    throw error;
  }
}

async function retainedUntil(gateway: Gateway, bucket: string, key: string, call: Call): Promise<string | undefined> {
  try {
    const { ObjectLockRetainUntilDate: until, ObjectLockLegalHoldStatus: hold } = await gateway.call(
      { ...call, action: `look at ${key}`, permission: 's3:GetObject' },
      ({ client, http }) => client.send(new sdk.HeadObjectCommand({ Bucket: bucket, Key: key }), http),
    );
    if (hold === 'ON') return 'its legal hold is lifted';
    return until !== undefined && until.getTime() > Date.now()
      ? until.toISOString().slice(0, 16).replace('T', ' ')
      : undefined;
  } catch (error) {
    if (isStorageError(error) && ['not-found', 'permission'].includes(error.code)) return undefined;
    throw error;
  }
}

function retainedError(location: S3Location, retained: ReadonlyMap<string, string>): StorageError {
  const [first] = [...retained].sort(([, a], [, b]) => a.localeCompare(b));
  const [key, until] = first ?? ['', ''];
  const name = nameOf(location.prefix, key) ?? key;
  const others = retained.size > 1 ? ` (and ${retained.size - 1} others)` : '';
  return new StorageError(
    'retained',
    `an object lock keeps ${name}${others} until ${until}${until.startsWith('its') ? '' : ' UTC'}`,
    {
      subject: name,
      hint: 'run again after that date; everything that was free to be removed is removed',
    },
  );
}
