/**
 * Reading an object: a stream that goes on where it broke off, never mixes two versions of an object (If-Match), ends
 * with an error when it is shorter than announced, and, when it is read whole, is compared with the SHA-256 that was stored with it.
 */

import { createHash, type Hash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3';
import * as sdk from '@aws-sdk/client-s3';
import { abortedError, type GetOptions, pieces, StorageError } from '@redup/storage';
import { failureOf } from './errors.js';
import type { AttemptContext, Call, Gateway } from './gateway.js';

/** Where redup notes an object's SHA-256: user metadata, which every server keeps. */
export const SHA256_METADATA = 'redup-sha256';

interface S3Object {
  readonly bucket: string;
  readonly key: string;
  readonly name: string;
}

export async function download(
  gateway: Gateway,
  object: S3Object,
  options: GetOptions,
): Promise<AsyncIterable<Uint8Array>> {
  const reader = new Download(gateway, object, options);
  await reader.open();
  return pieces(
    () => reader.next(),
    async () => reader.close(),
  );
}

class Download {
  readonly #gateway: Gateway;
  readonly #object: S3Object;
  readonly #call: Call;
  /** Byte after the last wanted; Infinity until the object's size is known. */
  #end: number;
  #at: number;
  /** Of the version that the first answer came from. */
  #etag: string | undefined;
  #body: AsyncIterator<Uint8Array> | undefined;
  #stream: Readable | undefined;
  /** Only for whole objects with a noted hash. */
  #hash: { readonly running: Hash; readonly expected: string } | undefined;

  constructor(gateway: Gateway, object: S3Object, options: GetOptions) {
    this.#gateway = gateway;
    this.#object = object;
    this.#at = options.start ?? 0;
    this.#end = options.end ?? Number.POSITIVE_INFINITY;
    this.#call = {
      action: `get ${object.name}`,
      subject: object.name,
      permission: 's3:GetObject',
      signal: options.signal,
    };
  }

  async open(): Promise<void> {
    await this.#gateway.call(this.#call, (context) => this.#request(context));
  }

  async next(): Promise<Uint8Array | undefined> {
    if (this.#call.signal?.aborted) throw abortedError(this.#object.name, this.#call.signal.reason);
    if (this.#at >= this.#end) return this.#finish();
    const piece = await this.#gateway.call(this.#call, async (context) => {
      if (!this.#body) await this.#request(context);
      try {
        const result = await this.#body?.next();
        if (result === undefined || result.done) throw cutShort(this.#object.name, this.#at, this.#end);
        return result.value;
      } catch (error) {
        this.close();
        throw error;
      }
    });
    const wanted = this.#at + piece.length > this.#end ? piece.subarray(0, this.#end - this.#at) : piece;
    this.#at += wanted.length;
    this.#hash?.running.update(wanted);
    return wanted;
  }

  close(): void {
    this.#stream?.destroy();
    this.#stream = undefined;
    this.#body = undefined;
  }

  #finish(): undefined {
    const { running, expected } = this.#hash ?? {};
    this.#hash = undefined;
    if (running === undefined || running.digest('hex') === expected) return undefined;
    throw new StorageError('corrupt', `${this.#object.name} is not what was stored: its SHA-256 differs`, {
      subject: this.#object.name,
      permanent: true,
      hint: 'read it again; if that fails too, the stored object is damaged (redup check says what it concerns)',
    });
  }

  async #request({ client, http }: AttemptContext): Promise<void> {
    const { bucket, key } = this.#object;
    const whole = this.#at === 0 && this.#end === Number.POSITIVE_INFINITY;
    // An empty range can't be asked for: ask for one byte and drop it.
    const last = Number.isFinite(this.#end) ? Math.max(this.#end - 1, this.#at) : '';
    try {
      const answer = await client.send(
        new sdk.GetObjectCommand({
          Bucket: bucket,
          Key: key,
          ...(whole ? {} : { Range: `bytes=${this.#at}-${last}` }),
          ...(this.#etag === undefined ? {} : { IfMatch: this.#etag }),
        }),
        http,
      );
      this.#take(answer, whole);
    } catch (error) {
      const { status } = failureOf(error);
      if (status === 416) this.#end = this.#at;
      else if (status === 412) throw changed(this.#object.name, error);
      else throw error;
    }
  }

  #take(answer: GetObjectCommandOutput, whole: boolean): void {
    if (!(answer.Body instanceof Readable)) throw new TypeError('the SDK gave no Node stream');
    this.#stream = answer.Body;
    // An error that arrives while nobody reads is seen at the next read.
    this.#stream.on('error', () => {});
    this.#body = answer.Body[Symbol.asyncIterator]();
    this.#etag ??= answer.ETag;
    const expected = answer.Metadata?.[SHA256_METADATA];
    if (whole && expected !== undefined) this.#hash ??= { running: createHash('sha256'), expected };
    this.#end = Math.min(this.#end, totalSize(answer));
  }
}

/** `Content-Range: bytes 0-9/1000` tells the whole size; without it the answer is the whole object. */
function totalSize(answer: GetObjectCommandOutput): number {
  const total = /\/(\d+)$/.exec(answer.ContentRange ?? '')?.[1];
  return total === undefined ? (answer.ContentLength ?? 0) : Number(total);
}

function cutShort(name: string, at: number, end: number): StorageError {
  return new StorageError('unreachable', `${name} ended after ${at} of ${end} bytes`, {
    subject: name,
    hint: 'check the network; a proxy may be cutting long answers',
  });
}

function changed(name: string, cause: unknown): StorageError {
  return new StorageError('corrupt', `${name} was replaced while it was read`, {
    subject: name,
    cause,
    permanent: true,
    hint: 'something else writes to the target: let it end, then run again',
  });
}
