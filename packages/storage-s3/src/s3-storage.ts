/**
 * A bucket, or a prefix in it, as a storage. Needs nothing but `s3:ListBucket` to know what is there (a single object is
 * looked up by listing it, because HEAD needs the right to read), so that backups run with users who can't read.
 */

import type { _Object as Listed } from '@aws-sdk/client-s3';
import * as sdk from '@aws-sdk/client-s3';
import {
  abortedError,
  type CallOptions,
  type GetOptions,
  type PutOptions,
  type RecallOptions,
  type Storage,
  StorageError,
  type StoredObject,
  type UploadSource,
} from '@redup/storage';
import { listPage, openBucket } from './bucket.js';
import { download } from './download.js';
import { Gateway } from './gateway.js';
import { decodeListed, keyOf, listPrefix, nameOf } from './keys.js';
import { displayUrl, parseS3Url, type S3Location } from './location.js';
import { checkOptions, type S3Options } from './options.js';
import { mayBeCold, recall } from './recall.js';
import { removeKeys } from './remove.js';
import { Uploader } from './upload.js';

interface ListedObject extends StoredObject {
  readonly storageClass?: string;
}

export class S3Storage implements Storage {
  readonly url: string;
  readonly #location: S3Location;
  readonly #options: S3Options;
  readonly #gateway: Gateway;
  readonly #uploader: Uploader;
  #closed = false;

  /** See {@link createS3Storage}. */
  static async open(url: string, options: S3Options): Promise<S3Storage> {
    const location = parseS3Url(url);
    const { chunkBytes, parallelChunks } = checkOptions(options);
    const gateway = await Gateway.open(sdk, location, options);
    await openBucket(gateway, location, options);
    return new S3Storage(location, { ...options, chunkBytes, parallelChunks }, gateway);
  }

  private constructor(
    location: S3Location,
    options: S3Options & { chunkBytes: number; parallelChunks: number },
    gateway: Gateway,
  ) {
    this.url = displayUrl(location);
    this.#location = location;
    this.#options = options;
    this.#gateway = gateway;
    this.#uploader = new Uploader(gateway, location, options, (name, signal) => this.#find(name, signal));
  }

  /** Undefined until the server has shown it. */
  get createsExclusively(): boolean {
    return this.#uploader.createsExclusively === true;
  }

  async *list(options: CallOptions = {}): AsyncIterable<StoredObject> {
    for await (const object of this.#listed(options.signal)) yield withoutClass(object);
  }

  async *#listed(signal: AbortSignal | undefined): AsyncIterable<ListedObject> {
    this.#check(this.url, signal);
    const start = listPrefix(this.#location.prefix);
    const seen = new Set<string>();
    let token: string | undefined;
    do {
      const page = await this.#page(start, 1000, token, signal);
      for (const object of page.objects) yield object;
      token = page.next;
      if (token !== undefined && seen.has(token)) throw endlessListing(this.url);
      if (token !== undefined) seen.add(token);
      this.#check(this.url, signal);
    } while (token !== undefined);
  }

  async stat(name: string, options: CallOptions = {}): Promise<StoredObject | undefined> {
    keyOf(this.#location.prefix, name);
    this.#check(name, options.signal);
    return this.#find(name, options.signal);
  }

  async get(name: string, options: GetOptions = {}): Promise<AsyncIterable<Uint8Array>> {
    const key = keyOf(this.#location.prefix, name);
    this.#check(name, options.signal);
    return download(this.#gateway, { bucket: this.#location.bucket, key, name }, options);
  }

  async put(name: string, source: UploadSource, options: PutOptions = {}): Promise<StoredObject> {
    const key = keyOf(this.#location.prefix, name);
    this.#check(name, options.signal);
    return this.#uploader.put(name, key, source, options);
  }

  async remove(names: readonly string[], options: CallOptions = {}): Promise<void> {
    const keys = names.map((name) => keyOf(this.#location.prefix, name));
    this.#check(this.url, options.signal);
    await removeKeys(this.#gateway, this.#location, keys, options);
  }

  async recall(names: readonly string[], options: RecallOptions = {}): Promise<void> {
    const objects = names.map((name) => ({ name, key: keyOf(this.#location.prefix, name) }));
    this.#check(this.url, options.signal);
    const warm = await this.#warmNames(options.signal);
    const how = this.#options.recall ?? {};
    await recall(this.#gateway, this.#location.bucket, objects, how, {
      ...options,
      mayBeCold: (name) => !warm.has(name),
    });
  }

  async close(): Promise<void> {
    if (!this.#closed) this.#gateway.close();
    this.#closed = true;
  }

  /** What can be read at once, by the listing: one request for a thousand objects, where asking for each is one each. */
  async #warmNames(signal: AbortSignal | undefined): Promise<Set<string>> {
    const warm = new Set<string>();
    for await (const { name, storageClass } of this.#listed(signal)) {
      if (storageClass !== undefined && !mayBeCold(storageClass)) warm.add(name);
    }
    return warm;
  }

  /** The key itself sorts before every other key that begins with it. */
  async #find(name: string, signal: AbortSignal | undefined): Promise<StoredObject | undefined> {
    const { objects } = await this.#page(keyOf(this.#location.prefix, name), 1, undefined, signal);
    const found = objects.find((object) => object.name === name);
    return found === undefined ? undefined : withoutClass(found);
  }

  async #page(
    prefix: string,
    maxKeys: number,
    token: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<{ objects: ListedObject[]; next: string | undefined }> {
    const call = { action: `list ${this.url}`, subject: this.url, permission: 's3:ListBucket', signal };
    const { bucket } = this.#location;
    const page = await listPage(this.#gateway, call, {
      Bucket: bucket,
      Prefix: prefix,
      Delimiter: '/',
      MaxKeys: maxKeys,
      EncodingType: 'url',
      ...(token === undefined ? {} : { ContinuationToken: token }),
    });
    const objects = (page.Contents ?? []).flatMap((listed) => this.#object(listed, page.EncodingType === 'url'));
    return { objects, next: page.IsTruncated ? page.NextContinuationToken : undefined };
  }

  #object(listed: Listed, encoded: boolean): ListedObject[] {
    const key = listed.Key ?? '';
    const name = nameOf(this.#location.prefix, encoded ? decodeListed(key) : key);
    if (name === undefined) return [];
    const { Size: size, LastModified: modified, ETag: tag, StorageClass: storageClass } = listed;
    return [
      {
        name,
        size: size !== undefined && Number.isSafeInteger(size) && size >= 0 ? size : -1,
        ...(modified === undefined ? {} : { modified }),
        ...(tag === undefined ? {} : { tag: tag.replaceAll('"', '') }),
        ...(storageClass === undefined ? {} : { storageClass }),
      },
    ];
  }

  #check(subject: string, signal: AbortSignal | undefined): void {
    if (this.#closed) throw new StorageError('closed', `${this.url} was closed`, { subject });
    if (signal?.aborted) throw abortedError(subject, signal.reason);
  }
}

function withoutClass({ storageClass: _unused, ...object }: ListedObject): StoredObject {
  return object;
}

function endlessListing(url: string): StorageError {
  return new StorageError('corrupt', `the listing of ${url} goes round in circles`, {
    subject: url,
    permanent: true,
    hint: 'the server is faulty: list the bucket with another program',
  });
}
