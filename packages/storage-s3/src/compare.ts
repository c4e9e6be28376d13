/** Are these bytes what is stored already? Asked after a lost answer and when resuming; the cheapest proof first. */

import * as sdk from '@aws-sdk/client-s3';
import { digest, isStorageError, type StoredObject, sourceSize, type UploadSource } from '@redup/storage';
import { download, SHA256_METADATA } from './download.js';
import { expectedTag, Fingerprint } from './fingerprint.js';
import type { Gateway } from './gateway.js';

interface Where {
  readonly bucket: string;
  readonly key: string;
  /** The size of parts, had we sent it. */
  readonly partBytes: number;
}

/** False also where it can't be found out for lack of permission. */
export async function compareStored(
  gateway: Gateway,
  where: Where,
  stored: StoredObject,
  source: UploadSource,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (stored.size !== sourceSize(source)) return false;
  const multipart = stored.tag?.includes('-') === true;
  const partBytes = multipart ? where.partBytes : Math.max(stored.size, 1);
  const print = await new Fingerprint(stored.name, source, { partBytes, md5: true, announced: undefined }).finish();
  if (stored.tag !== undefined && stored.tag === expectedTag(print.parts, multipart)) return true;
  // The ETag is no MD5 (KMS), or of other parts: ask for the hash noted with the object, else read it.
  const call = { action: `look at ${stored.name}`, subject: stored.name, permission: 's3:GetObject', signal };
  try {
    const noted = await gateway.call(call, ({ client, http }) =>
      client.send(new sdk.HeadObjectCommand({ Bucket: where.bucket, Key: where.key }), http),
    );
    const hash = noted.Metadata?.[SHA256_METADATA];
    if (hash !== undefined && hash !== print.sha256.toString('hex')) return false;
    const object = { bucket: where.bucket, key: where.key, name: stored.name };
    const read = await digest(await download(gateway, object, signal ? { signal } : {}), 'sha256');
    return read.digests[0]?.equals(print.sha256) === true;
  } catch (error) {
    if (isStorageError(error) && ['permission', 'archived', 'not-found'].includes(error.code)) return false;
    throw error;
  }
}
