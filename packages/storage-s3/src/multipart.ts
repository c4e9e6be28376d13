/** Large files in parts: several at a time, each checked and repeated by itself; complete at the end, or not there at all. */

import type { CompletedPart } from '@aws-sdk/client-s3';
import * as sdk from '@aws-sdk/client-s3';
import { isStorageError, StorageError } from '@redup/storage';
import { failureOf } from './errors.js';
import type { Part } from './fingerprint.js';
import type { AttemptContext, Call, Gateway } from './gateway.js';
import { forEachLimited } from './parallel.js';
import { type Receipt, receiptOf, sendBody, type Upload, type Uploader } from './upload.js';

type OrTaken = (context: AttemptContext, complete: () => Promise<Receipt>) => Promise<Receipt | 'taken'>;

/** How long cleaning up after a failure may take. */
const ABORT_MS = 10_000;

export async function sendParts(
  gateway: Gateway,
  uploader: Uploader,
  upload: Upload,
  parallel: number,
  orTaken: OrTaken,
): Promise<Receipt | 'taken'> {
  const { Bucket, Key } = uploader.objectInput(upload);
  const uploadId = await begin(gateway, uploader, upload);
  const target = { Bucket, Key, UploadId: uploadId };
  const stop = new AbortController();
  const signal = upload.call.signal ? AbortSignal.any([upload.call.signal, stop.signal]) : stop.signal;
  try {
    const sent: CompletedPart[] = new Array(upload.print.count);
    const known = [...upload.print.parts];
    await forEachLimited([...sent.keys()], parallel, async (index) => {
      try {
        // In the order of the parts, because each worker asks before it waits for anything.
        const part = await (known[index] ?? upload.print.next());
        const stoppable = { ...upload, call: { ...upload.call, signal } };
        sent[index] = await sendPart(gateway, uploader, stoppable, target, part, index + 1);
      } catch (error) {
        stop.abort();
        throw error;
      }
    });
    const receipt = await complete(gateway, uploader, upload, target, sent, orTaken);
    if (receipt === 'taken') await abandon(gateway, upload.call, target);
    return receipt;
  } catch (error) {
    await abandon(gateway, upload.call, target);
    throw error;
  }
}

interface Target {
  readonly Bucket: string | undefined;
  readonly Key: string | undefined;
  readonly UploadId: string;
}

async function begin(gateway: Gateway, uploader: Uploader, upload: Upload): Promise<string> {
  const answer = await gateway.call({ ...upload.call, action: `begin ${upload.name}` }, ({ client, http }) =>
    uploader.sendPlainer(upload, () =>
      client.send(
        new sdk.CreateMultipartUploadCommand({
          ...uploader.objectInput(upload),
          ...(uploader.usesSha256 ? { ChecksumAlgorithm: 'SHA256' } : {}),
        }),
        http,
      ),
    ),
  );
  if (answer.UploadId === undefined) {
    throw new StorageError('corrupt', 'the server began an upload without naming it', {
      subject: upload.name,
      hint: 'check --s3-endpoint-url: is this an S3 server?',
    });
  }
  return answer.UploadId;
}

async function sendPart(
  gateway: Gateway,
  uploader: Uploader,
  upload: Upload,
  target: Target,
  part: Part,
  number: number,
): Promise<CompletedPart> {
  const call = { ...upload.call, action: `put part ${number} of ${upload.name}` };
  const input = { ...target, PartNumber: number, ContentLength: part.end - part.start };
  const answer = await gateway.call(call, ({ client, http }) =>
    sendBody(upload, part, (Body) =>
      client.send(new sdk.UploadPartCommand({ ...input, ...uploader.checksumInput(part), Body }), http),
    ),
  );
  const echoed = answer.ChecksumSHA256;
  const plainTag = /^"?[0-9a-f]{32}"?$/.test(answer.ETag ?? '') && !receiptOf(answer).kms;
  if (
    (echoed !== undefined && echoed !== part.sha256.toString('base64')) ||
    (echoed === undefined && plainTag && part.md5 && answer.ETag?.replaceAll('"', '') !== part.md5.toString('hex'))
  ) {
    throw new StorageError('corrupt', `part ${number} of ${upload.name} was not stored as it was sent`, {
      subject: upload.name,
      permanent: true,
      hint: 'the server or something between damages data: run again',
    });
  }
  return {
    PartNumber: number,
    ETag: answer.ETag,
    ...(echoed === undefined ? {} : { ChecksumSHA256: echoed }),
  };
}

/** Completion whose answer was lost is found out by the server's not knowing the upload any more: then the object is looked at. */
async function complete(
  gateway: Gateway,
  uploader: Uploader,
  upload: Upload,
  target: Target,
  parts: readonly CompletedPart[],
  orTaken: OrTaken,
): Promise<Receipt | 'taken'> {
  const call = { ...upload.call, action: `complete ${upload.name}` };
  return gateway.call(call, (context) =>
    orTaken(context, async () => {
      const { client, http, attempt } = context;
      try {
        const send = (): Promise<sdk.CompleteMultipartUploadCommandOutput> =>
          client.send(
            new sdk.CompleteMultipartUploadCommand({
              ...target,
              ...uploader.condition(upload),
              MultipartUpload: { Parts: [...parts] },
            }),
            http,
          );
        return receiptOf(await uploader.sendPlainer(upload, send));
      } catch (error) {
        if (attempt > 1 && failureOf(error).code === 'NoSuchUpload') return UNKNOWN_RECEIPT;
        throw error;
      }
    }),
  );
}

/** The caller compares size and, where it can, checksum with what the listing shows. */
const UNKNOWN_RECEIPT: Receipt = { tag: undefined, sha256: undefined, kms: false };

/** Parts that stay would cost money unseen. Failing here changes nothing: docs/s3.md has the lifecycle rule that cleans up. */
async function abandon(gateway: Gateway, call: Call, target: Target): Promise<void> {
  const cleaning = { ...call, action: 'abandon an upload', permission: 's3:AbortMultipartUpload', retry: false };
  try {
    await gateway.call({ ...cleaning, signal: AbortSignal.timeout(ABORT_MS) }, ({ client, http }) =>
      client.send(new sdk.AbortMultipartUploadCommand(target), http),
    );
  } catch (error) {
    if (!isStorageError(error)) throw error;
  }
}
