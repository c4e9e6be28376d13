/** What is known of the bytes to send: their hashes, as a whole and by part, in one pass over the source. */

import { createHash, type Hash } from 'node:crypto';
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

export interface Fingerprint {
  readonly size: number;
  readonly sha256: Buffer;
  /** One part: the whole. */
  readonly parts: readonly Part[];
}

/**
 * @param partBytes the size of every part but the last
 * @throws StorageError `corrupt` when the source's size or SHA-256 is not what was announced
 */
export async function fingerprint(
  name: string,
  source: UploadSource,
  options: { readonly partBytes: number; readonly md5: boolean; readonly announced: string | undefined },
): Promise<Fingerprint> {
  const size = sourceSize(source);
  const parts: Part[] = [];
  const whole = createHash('sha256');
  for (let start = 0; start === 0 || start < size; start += options.partBytes) {
    const end = Math.min(start + options.partBytes, size);
    const single = start === 0 && end === size;
    parts.push(await hashPart(name, source, { start, end, md5: options.md5, ...(single ? {} : { whole }) }));
  }
  const [first] = parts;
  const sha256 = parts.length === 1 && first ? first.sha256 : whole.digest();
  if (options.announced !== undefined && sha256.toString('hex') !== options.announced) throw notAsAnnounced(name);
  return { size, sha256, parts };
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

async function hashPart(
  name: string,
  source: UploadSource,
  part: { readonly start: number; readonly end: number; readonly md5: boolean; readonly whole?: Hash },
): Promise<Part> {
  const { start, end } = part;
  const sha256 = createHash('sha256');
  const md5 = part.md5 ? createHash('md5') : undefined;
  for await (const piece of partBytes(name, source, start, end)) {
    sha256.update(piece);
    md5?.update(piece);
    part.whole?.update(piece);
  }
  return { start, end, sha256: sha256.digest(), md5: md5?.digest() };
}

/** S3's ETag of an object sent like this, without encryption by KMS: MD5, or MD5 of the parts' MD5s. */
export function expectedTag(parts: readonly Part[], multipart: boolean): string | undefined {
  const digests = parts.flatMap(({ md5 }) => (md5 === undefined ? [] : [md5]));
  if (digests.length !== parts.length) return undefined;
  if (!multipart) return digests[0]?.toString('hex');
  return `${createHash('md5').update(Buffer.concat(digests)).digest('hex')}-${digests.length}`;
}

export function notAsAnnounced(name: string): StorageError {
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
