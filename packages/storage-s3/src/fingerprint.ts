/** What is known of the bytes to send: their hashes, as a whole and by part, in one pass over the source. */

import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { isStorageError, printable, readSource, StorageError, sourceSize, type UploadSource } from '@redup/storage';

export interface Part {
  readonly start: number;
  /** Byte after the last. */
  readonly end: number;
  readonly sha256: Buffer;
  /** Only where asked for. */
  readonly md5: Buffer | undefined;
}

export interface FingerprintOptions {
  /** The size of every part but the last. */
  readonly partBytes: number;
  readonly md5: boolean;
  /** The whole's SHA-256 in hex, when the caller knows it. */
  readonly announced: string | undefined;
}

/**
 * Hashes of a source, part by part in their order. Parts can be sent while later ones are still to be hashed; only the
 * whole's SHA-256 has to be known before, from the caller or from an extra pass.
 */
export class Fingerprint {
  readonly size: number;
  readonly count: number;
  /** Those hashed so far. */
  readonly parts: Part[] = [];
  readonly #name: string;
  readonly #source: UploadSource;
  readonly #options: FingerprintOptions;
  readonly #whole = createHash('sha256');
  #sha256: Buffer | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(name: string, source: UploadSource, options: FingerprintOptions) {
    this.size = sourceSize(source);
    this.count = Math.max(1, Math.ceil(this.size / options.partBytes));
    this.#name = name;
    this.#source = source;
    this.#options = options;
    if (options.announced !== undefined) this.#sha256 = Buffer.from(options.announced, 'hex');
  }

  /** Of the whole: announced, or known because all parts were hashed. */
  get sha256(): Buffer {
    if (this.#sha256 === undefined) throw new RangeError('not hashed yet');
    return this.#sha256;
  }

  /**
   * The next part, hashed. May be called again before it has resolved: parts come in the order of the calls.
   *
   * @throws StorageError `corrupt` when the source's size or SHA-256 is not what was announced
   */
  next(): Promise<Part> {
    const part = this.#last.then(() => this.#hashNext());
    this.#last = part.catch(() => undefined);
    return part;
  }

  /** Hashes what is left. */
  async finish(): Promise<this> {
    while (this.parts.length < this.count) await this.next();
    return this;
  }

  async #hashNext(): Promise<Part> {
    const start = this.parts.length * this.#options.partBytes;
    const end = Math.min(start + this.#options.partBytes, this.size);
    const sha256 = createHash('sha256');
    const md5 = this.#options.md5 ? createHash('md5') : undefined;
    for await (const piece of partBytes(this.#name, this.#source, start, end)) {
      sha256.update(piece);
      md5?.update(piece);
      if (this.count > 1) this.#whole.update(piece);
    }
    const part = { start, end, sha256: sha256.digest(), md5: md5?.digest() };
    this.parts.push(part);
    if (this.parts.length === this.count) this.#end(part);
    return part;
  }

  #end(last: Part): void {
    const found = this.count > 1 ? this.#whole.digest() : last.sha256;
    if (this.#options.announced !== undefined && found.toString('hex') !== this.#options.announced) {
      throw notAsAnnounced(this.#name);
    }
    this.#sha256 = found;
  }
}

/** @throws StorageError `corrupt` when a file is not as long as announced */
export async function checkSize(name: string, source: UploadSource): Promise<void> {
  if (source.kind === 'bytes') return;
  const found = await stat(source.path).catch((error: unknown) => {
    throw new StorageError('io', `can't read the file to store: ${printable(source.path)}`, {
      subject: source.path,
      cause: error,
      hint: 'something cleans the temporary folder while a backup runs: give redup another --tempdir',
    });
  });
  if (found.size !== source.size) throw sizeDiffers(name, source.size, found.size);
}

/** The bytes of a part; an error when the source is shorter than announced. */
export async function* partBytes(
  name: string,
  source: UploadSource,
  start: number,
  end: number,
): AsyncIterable<Uint8Array> {
  let at = start;
  try {
    for await (const piece of await readSource(source, start, end)) {
      at += piece.length;
      yield piece;
    }
  } catch (error) {
    if (isStorageError(error)) throw error;
    throw new StorageError('io', `can't read the file to store ${printable(name)}`, {
      subject: name,
      cause: error,
      hint: 'check the disk that holds the temporary folder',
    });
  }
  if (at !== end) throw sizeDiffers(name, end, at);
}

/** S3's ETag of an object sent like this, without encryption by KMS: MD5, or MD5 of the parts' MD5s. */
export function expectedTag(parts: readonly Part[], multipart: boolean): string | undefined {
  const digests = parts.flatMap(({ md5 }) => (md5 === undefined ? [] : [md5]));
  if (digests.length !== parts.length) return undefined;
  if (!multipart) return digests[0]?.toString('hex');
  return `${createHash('md5').update(Buffer.concat(digests)).digest('hex')}-${digests.length}`;
}

function notAsAnnounced(name: string): StorageError {
  return new StorageError('corrupt', `${printable(name)}: the bytes to store don't match their SHA-256`, {
    subject: name,
    permanent: true,
    hint: 'the temporary folder or the memory of this machine may be faulty: run again, then check the hardware',
  });
}

function sizeDiffers(name: string, expected: number, found: number): StorageError {
  return new StorageError('corrupt', `${printable(name)}: ${expected} bytes to store announced, ${found} found`, {
    subject: name,
    permanent: true,
    hint: 'something else changed the file meanwhile: run again',
  });
}
