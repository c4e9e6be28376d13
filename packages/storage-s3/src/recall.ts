/** Fetching objects back from Glacier classes: ask for all of them, then look until the last one can be read. */

import { setTimeout as sleep } from 'node:timers/promises';
import * as sdk from '@aws-sdk/client-s3';
import { abortedError, type RecallOptions } from '@redup/storage';
import { failureOf } from './errors.js';
import type { Gateway } from './gateway.js';
import type { S3Recall } from './options.js';
import { forEachLimited } from './parallel.js';

interface Wanted {
  readonly name: string;
  readonly key: string;
}

const PARALLEL = 8;
const ARCHIVED: readonly string[] = ['GLACIER', 'DEEP_ARCHIVE'];

/** Whether objects of a class, as a listing names it, may have to be fetched back. */
export function mayBeCold(storageClass: string): boolean {
  return ARCHIVED.includes(storageClass) || storageClass === 'INTELLIGENT_TIERING';
}

/**
 * Returns when every object can be read; objects in other classes can be at once.
 *
 * @param mayBeCold what the listing says of an object's class: only the others need a request of their own
 */
export async function recall(
  gateway: Gateway,
  bucket: string,
  objects: readonly Wanted[],
  how: S3Recall,
  options: RecallOptions & { mayBeCold(name: string): boolean },
): Promise<void> {
  const suspects = objects.filter(({ name }) => options.mayBeCold(name));
  let waiting = await archived(gateway, bucket, suspects, options);
  const report = (): void => options.onProgress?.({ ready: objects.length - waiting.length, total: objects.length });
  await forEachLimited(waiting, PARALLEL, ({ name, key, asked }) =>
    asked ? Promise.resolve() : ask(gateway, bucket, { name, key }, how, options),
  );
  report();
  while (waiting.length > 0) {
    await sleep(how.pollMs ?? 60_000, undefined, options.signal ? { signal: options.signal } : {}).catch(
      (cause: unknown) => {
        throw abortedError(gateway.place.url, cause);
      },
    );
    waiting = await archived(gateway, bucket, waiting, options);
    report();
  }
}

/** Those that can't be read now, and whether they have been asked for already. */
async function archived(
  gateway: Gateway,
  bucket: string,
  objects: readonly Wanted[],
  options: RecallOptions,
): Promise<(Wanted & { asked: boolean })[]> {
  const found: (Wanted & { asked: boolean })[] = [];
  await forEachLimited(objects, PARALLEL, async ({ name, key }) => {
    const call = { action: `look at ${name}`, subject: name, permission: 's3:GetObject', signal: options.signal };
    const {
      StorageClass: storageClass,
      Restore: state,
      ArchiveStatus: tier,
    } = await gateway.call(call, ({ client, http }) =>
      client.send(new sdk.HeadObjectCommand({ Bucket: bucket, Key: key }), http),
    );
    const cold = ARCHIVED.includes(storageClass ?? '') || tier !== undefined;
    const readable = !cold || state?.includes('ongoing-request="false"') === true;
    if (!readable) found.push({ name, key, asked: state !== undefined });
  });
  return found;
}

async function ask(
  gateway: Gateway,
  bucket: string,
  { name, key }: Wanted,
  how: S3Recall,
  options: RecallOptions,
): Promise<void> {
  const call = { action: `recall ${name}`, subject: name, permission: 's3:RestoreObject', signal: options.signal };
  await gateway.call(call, async ({ client, http }) => {
    try {
      await client.send(
        new sdk.RestoreObjectCommand({
          Bucket: bucket,
          Key: key,
          RestoreRequest: { Days: how.days ?? 7, GlacierJobParameters: { Tier: how.tier ?? 'Standard' } },
        }),
        http,
      );
    } catch (error) {
      if (failureOf(error).code !== 'RestoreAlreadyInProgress') throw error;
    }
  });
}
