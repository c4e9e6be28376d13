/**
 * Storing objects so that the server checks every byte, that nothing is overwritten, and that what is stored is compared
 * with what was sent.
 *
 * Checksums: each request is signed together with the SHA-256 of its body (all servers check that). Amazon's
 * `x-amz-checksum-sha256` comes on top, and its echo is compared; a server that ignores or refuses it gets Content-MD5 instead, and
 * the ETag is compared. Which of the two a server understands is found out with the first object of a run.
 * Why not lib-storage: docs/decisions/0016-own-s3-uploads.md.
 */

import { Readable } from 'node:stream';
import type { PutObjectCommandInput } from '@aws-sdk/client-s3';
import * as sdk from '@aws-sdk/client-s3';
import {
  alreadyExists,
  isStorageError,
  type PutOptions,
  printable,
  StorageError,
  type StoredObject,
  sourceSize,
  type UploadSource,
} from '@redup/storage';
import { compareStored } from './compare.js';
import { SHA256_METADATA } from './download.js';
import { failureOf } from './errors.js';
import { checkSize, expectedTag, Fingerprint, partBytes } from './fingerprint.js';
import { type AttemptContext, type Call, type Gateway, signWith } from './gateway.js';
import { isVolume } from './keys.js';
import type { S3Location } from './location.js';
import { sendParts } from './multipart.js';
import type { S3Options } from './options.js';

/** One object on its way. */
export interface Upload {
  readonly name: string;
  readonly key: string;
  readonly source: UploadSource;
  readonly print: Fingerprint;
  readonly options: PutOptions;
  readonly call: Call;
  /** Told of bytes that went out, or, negative, that have to go out again. */
  progress(bytes: number): void;
}

/** What the server said of the stored object. */
export interface Receipt {
  readonly tag: string | undefined;
  /** Base64, with `-N` for N parts; undefined when the server doesn't do SHA-256 checksums. */
  readonly sha256: string | undefined;
  readonly kms: boolean;
}

type Find = (name: string, signal: AbortSignal | undefined) => Promise<StoredObject | undefined>;

/** S3's limit. */
const MAX_PARTS = 10_000;

export class Uploader {
  /** True once the server has refused a taken name by itself, false once it has refused to be asked for that. */
  createsExclusively: boolean | undefined;
  readonly #gateway: Gateway;
  readonly #bucket: string;
  readonly #options: S3Options & { chunkBytes: number; parallelChunks: number };
  readonly #find: Find;
  #checksums: 'unknown' | 'sha256' | 'md5' = 'unknown';

  constructor(
    gateway: Gateway,
    location: S3Location,
    options: S3Options & { chunkBytes: number; parallelChunks: number },
    find: Find,
  ) {
    this.#gateway = gateway;
    this.#bucket = location.bucket;
    this.#options = options;
    this.#find = find;
  }

  async put(name: string, key: string, source: UploadSource, options: PutOptions): Promise<StoredObject> {
    const call: Call = { action: `put ${name}`, subject: name, permission: this.#permission(), signal: options.signal };
    await checkSize(name, source);
    if (options.ifExists !== 'replace') {
      const stored = await this.#find(name, options.signal);
      if (stored !== undefined) return this.#taken(stored, key, source, options, options.ifExists === 'same');
    }
    const multipart = sourceSize(source) > this.#options.chunkBytes;
    const print = new Fingerprint(name, source, {
      partBytes: multipart ? this.#partBytes(sourceSize(source)) : Math.max(sourceSize(source), 1),
      md5: this.#checksums !== 'sha256',
      announced: options.sha256,
    });
    if (!multipart || options.sha256 === undefined) await print.finish();
    let sent = 0;
    const progress = (bytes: number): void => {
      sent += bytes;
      if (bytes > 0) options.onProgress?.(sent);
    };
    const upload: Upload = { name, key, source, print, options, call, progress };
    const receipt = await (multipart ? this.#sendMultipart(upload) : this.#sendWhole(upload));
    if (multipart && receipt !== 'taken') await this.#lock(upload);
    if (receipt === 'taken') {
      const stored = await this.#find(name, options.signal);
      if (stored === undefined) throw alreadyExists(name, this.#gateway.place.url);
      return this.#taken(stored, key, source, options, true);
    }
    return this.#confirm(upload, receipt, multipart);
  }

  /** Headers of the object itself. */
  objectInput(upload: Upload): PutObjectCommandInput {
    const { storageClass, encryption } = this.#options;
    const objectLock = upload.options.isPassing ? undefined : this.#options.objectLock;
    const cold = storageClass === 'GLACIER' || storageClass === 'DEEP_ARCHIVE' || storageClass === 'GLACIER_IR';
    const wanted = (cold && !isVolume(upload.name)) || upload.options.isPassing ? undefined : storageClass;
    return {
      Bucket: this.#bucket,
      Key: upload.key,
      Metadata: { [SHA256_METADATA]: upload.print.sha256.toString('hex') },
      ...(wanted === undefined ? {} : { StorageClass: wanted }),
      ...(encryption?.kind === 'aes256' ? { ServerSideEncryption: 'AES256' } : {}),
      ...(encryption?.kind === 'kms' ? { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: encryption.keyId } : {}),
      ...(encryption?.kind === 'kms' && encryption.grantFullControl !== undefined
        ? { GrantFullControl: encryption.grantFullControl }
        : {}),
      ...(objectLock === undefined
        ? {}
        : { ObjectLockMode: objectLock.mode, ObjectLockRetainUntilDate: daysFromNow(objectLock.days) }),
    };
  }

  /** `If-None-Match: *`, unless replacing or unknown to the server. */
  condition(upload: Upload): { IfNoneMatch?: string } {
    const wanted = upload.options.ifExists !== 'replace' && this.createsExclusively !== false;
    return wanted ? { IfNoneMatch: '*' } : {};
  }

  /** Checksum headers for a request with this body. */
  checksumInput(part: { readonly sha256: Buffer; readonly md5: Buffer | undefined }): {
    ChecksumSHA256?: string;
    ContentMD5?: string;
  } {
    return {
      ...(this.#checksums === 'md5' ? {} : { ChecksumSHA256: part.sha256.toString('base64') }),
      ...(part.md5 === undefined ? {} : { ContentMD5: part.md5.toString('base64') }),
    };
  }

  get usesSha256(): boolean {
    return this.#checksums !== 'md5';
  }

  /** Sends a request; when the server doesn't understand a header that could be left out, sends it again without. */
  async sendPlainer<T>(upload: Upload, send: () => Promise<T>): Promise<T> {
    try {
      return await send();
    } catch (error) {
      if (!refusesHeaders(error)) throw error;
      const before = { checksums: this.#checksums, exclusively: this.createsExclusively };
      if (this.#checksums === 'unknown') {
        this.#checksums = 'md5';
        this.#gateway.notice(
          'checksum-fallback',
          `${this.#gateway.place.endpoint} refuses SHA-256 checksums: MD5 and the signed SHA-256 are used`,
        );
        return this.sendPlainer(upload, send);
      }
      if (this.condition(upload).IfNoneMatch !== undefined && this.createsExclusively === undefined) {
        this.createsExclusively = false;
        try {
          return await send();
        } catch (again) {
          this.createsExclusively = before.exclusively;
          throw again;
        }
      }
      throw error;
    }
  }

  async #sendWhole(upload: Upload): Promise<Receipt | 'taken'> {
    const [part] = upload.print.parts;
    if (part === undefined) throw new RangeError('no part');
    return this.#gateway.call(upload.call, (context) =>
      this.#orTaken(context, upload, () =>
        this.sendPlainer(upload, async () => {
          const input = { ...this.objectInput(upload), ...this.condition(upload), ...this.checksumInput(part) };
          const size = upload.print.size;
          const answer = await sendBody(upload, { start: 0, end: size, sha256: part.sha256 }, (body) =>
            context.client.send(new sdk.PutObjectCommand({ ...input, Body: body, ContentLength: size }), context.http),
          );
          return receiptOf(answer);
        }),
      ),
    );
  }

  async #sendMultipart(upload: Upload): Promise<Receipt | 'taken'> {
    return sendParts(this.#gateway, this, upload, this.#options.parallelChunks, (context, complete) =>
      this.#orTaken(context, upload, async () => {
        await this.#lookAgain(context, upload);
        return complete();
      }),
    );
  }

  /**
   * Ceph (16.2, tried) ignores the condition of a completion. Sending the parts took a while; looking once more before they
   * become the object leaves another run a moment instead of minutes.
   */
  async #lookAgain({ attempt }: AttemptContext, { name, options }: Upload): Promise<void> {
    if (attempt > 1 || options.ifExists === 'replace') return;
    if (await this.#find(name, options.signal)) throw alreadyExists(name, this.#gateway.place.url);
  }

  /** Ceph (16.2, tried) takes the lock of an upload in parts without a word and forgets it: so it is set once more. */
  async #lock(upload: Upload): Promise<void> {
    const { objectLock } = this.#options;
    if (objectLock === undefined) return;
    const call = { ...upload.call, action: `lock ${upload.name}`, permission: 's3:PutObjectRetention' };
    await this.#gateway.call(call, ({ client, http }) =>
      client.send(
        new sdk.PutObjectRetentionCommand({
          Bucket: this.#bucket,
          Key: upload.key,
          Retention: { Mode: objectLock.mode, RetainUntilDate: daysFromNow(objectLock.days) },
        }),
        http,
      ),
    );
  }

  /**
   * A refusal because the name is taken: by somebody else, or by an earlier attempt of ours whose answer was lost.
   * The server has shown that it creates exclusively.
   */
  async #orTaken<T>(context: AttemptContext, upload: Upload, send: () => Promise<T>): Promise<T | 'taken'> {
    try {
      return await send();
    } catch (error) {
      if (failureOf(error).status !== 412) throw error;
      this.createsExclusively = true;
      if (context.attempt === 1 && upload.options.ifExists !== 'same') throw error;
      return 'taken';
    }
  }

  async #taken(
    stored: StoredObject,
    key: string,
    source: UploadSource,
    options: PutOptions,
    sameWillDo: boolean,
  ): Promise<StoredObject> {
    const { bucket, gateway } = { bucket: this.#bucket, gateway: this.#gateway };
    const partBytes = this.#partBytes(stored.size);
    if (sameWillDo && (await compareStored(gateway, { bucket, key, partBytes }, stored, source, options.signal))) {
      return stored;
    }
    throw alreadyExists(stored.name, gateway.place.url);
  }

  /** @throws StorageError `corrupt` when what is stored is not what was sent */
  async #confirm(upload: Upload, receipt: Receipt, multipart: boolean): Promise<StoredObject> {
    const { name, print } = upload;
    if (this.#checksums === 'unknown') this.#checksums = receipt.sha256 === undefined ? 'md5' : 'sha256';
    const stored = await this.#find(name, upload.options.signal);
    if (stored?.size !== print.size)
      throw storedDiffers(name, `${print.size} bytes were sent, ${stored?.size ?? 0} are stored`);
    if (receipt.tag !== undefined && stored.tag !== receipt.tag)
      throw storedDiffers(name, 'something else replaced it at once');
    const tag = expectedTag(print.parts, multipart);
    const comparable = tag !== undefined && !receipt.kms && /^[0-9a-f]{32}(-\d+)?$/.test(stored.tag ?? '');
    if (comparable && receipt.sha256 === undefined && stored.tag !== tag) throw storedDiffers(name, 'its MD5 differs');
    if (!multipart && receipt.sha256 !== undefined && receipt.sha256 !== print.sha256.toString('base64')) {
      throw storedDiffers(name, 'its SHA-256 differs');
    }
    return stored;
  }

  #partBytes(size: number): number {
    const mebibyte = 1024 * 1024;
    const least = Math.ceil(size / MAX_PARTS / mebibyte) * mebibyte;
    return Math.max(this.#options.chunkBytes, least);
  }

  #permission(): string {
    return this.#options.objectLock === undefined ? 's3:PutObject' : 's3:PutObject and s3:PutObjectRetention';
  }
}

function daysFromNow(days: number): Date {
  return new Date(Date.now() + days * 24 * 3600 * 1000);
}

/** What the server's answer says of the object. */
export function receiptOf(answer: {
  readonly ETag?: string | undefined;
  readonly ChecksumSHA256?: string | undefined;
  readonly ServerSideEncryption?: string | undefined;
}): Receipt {
  return {
    // Ceph answers a completed multipart upload with an empty one.
    tag: answer.ETag?.replaceAll('"', '') || undefined,
    sha256: answer.ChecksumSHA256,
    kms: answer.ServerSideEncryption?.startsWith('aws:kms') === true,
  };
}

/**
 * Hands a range of the source to `send` as a stream that is signed together with its SHA-256. When the source fails
 * in the middle, its error comes out, not that of the broken connection.
 */
export async function sendBody<T>(
  upload: Pick<Upload, 'name' | 'source' | 'progress'>,
  range: { readonly start: number; readonly end: number; readonly sha256: Buffer },
  send: (body: Readable) => Promise<T>,
): Promise<T> {
  let failure: unknown;
  let sent = 0;
  const read = async function* (): AsyncIterable<Uint8Array> {
    try {
      for await (const piece of partBytes(upload.name, upload.source, range.start, range.end)) {
        yield piece;
        sent += piece.length;
        upload.progress(piece.length);
      }
    } catch (error) {
      failure = error;
      throw error;
    }
  };
  const body = Readable.from(read(), { objectMode: false });
  // After the connection has failed nobody listens any more, and an error that nobody hears ends the process.
  body.on('error', () => {});
  signWith(body, range.sha256);
  try {
    return await send(body);
  } catch (error) {
    upload.progress(-sent);
    throw failure ?? error;
  } finally {
    body.destroy();
  }
}

/** A server that doesn't know a header refuses the whole request; these are the ways in which real ones do. */
function refusesHeaders(error: unknown): boolean {
  const { code, status } = failureOf(error);
  if (isStorageError(error)) return false;
  return status === 501 || status === 411 || (status === 400 && REFUSALS.has(code));
}

const REFUSALS: ReadonlySet<string> = new Set([
  'InvalidArgument',
  'InvalidRequest',
  'UnsupportedHeader',
  'UnsupportedArgument',
  'BadRequest',
]);

function storedDiffers(name: string, what: string): StorageError {
  return new StorageError('corrupt', `${printable(name)} was not stored as it was sent: ${what}`, {
    subject: name,
    permanent: true,
    hint: 'the server or something between damages data: remove this object, then run again',
  });
}
