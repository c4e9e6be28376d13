/**
 * A stored volume → a local file whose hash has been checked, before a byte of it is used.
 */

import { createHash } from 'node:crypto';
import { open as openFile, rm } from 'node:fs/promises';
import type { Storage } from '@redup/storage';
import { type ByteString, toText } from '../archive/index.js';
import { localError, RedupError, reasonOf } from '../errors.js';

const PIECE_BYTES = 262_144;

export interface FetchedObject {
  readonly bytes: number;
  /** Hash name → hex, of what was computed. */
  readonly digests: ReadonlyMap<string, string>;
  /** Of several hashes some are right and some are not: then it is the manifest that is wrong. */
  readonly doubt?: RedupError;
  /** The checked bytes; again from the start at every call. */
  read(): AsyncGenerator<Uint8Array, void, undefined>;
  /** Removes the local copy, if one was made. */
  release(): Promise<void>;
}

export interface FetchOptions {
  readonly storage: Storage;
  readonly name: ByteString;
  /** As the manifest says. */
  readonly hashes: ReadonlyMap<string, string>;
  /** Check the strongest known hash (the default), or all of them; SHA-1 and SHA-256 are then computed in any case. */
  readonly prove?: 'strongest' | 'every';
  readonly temporaryPath: string;
  /** Its size, when `checkInPlace` found it right before. */
  readonly checkedBytes?: number;
  readonly signal?: AbortSignal;
}

/**
 * Checks a volume where it lies, if it lies on this machine.
 * @returns its bytes, or undefined when it would have to be fetched first
 * @throws RedupError VOLUME_HASH, VOLUME_MISSING, IO
 */
export async function checkInPlace(options: Omit<FetchOptions, 'temporaryPath'>): Promise<number | undefined> {
  const place = options.storage.localPath?.(options.name);
  return place === undefined ? undefined : (await check(options, readPieces(place))).bytes;
}

/** @throws RedupError VOLUME_HASH, VOLUME_MISSING, IO; StorageError */
export async function fetchVolume(options: FetchOptions): Promise<FetchedObject> {
  const { storage, name, temporaryPath, signal, checkedBytes } = options;
  const inPlace = storage.localPath?.(name);
  if (inPlace !== undefined) {
    const checked =
      checkedBytes === undefined ? await check(options, readPieces(inPlace)) : { bytes: checkedBytes, digests: NONE };
    return { ...checked, read: () => readPieces(inPlace), release: async () => {} };
  }
  const release = () => rm(temporaryPath, { force: true });
  try {
    const file = await openFile(temporaryPath, 'wx', 0o600).catch((error: unknown) => {
      throw localError('create the temporary file', temporaryPath, error);
    });
    try {
      const stored = await storage.get(name, signal === undefined ? {} : { signal });
      const checked = await check(options, tee(stored, file, temporaryPath));
      return { ...checked, read: () => readPieces(temporaryPath), release };
    } finally {
      await file.close();
    }
  } catch (error) {
    await release();
    throw error;
  }
}

interface WritableFile {
  write(bytes: Uint8Array): Promise<{ bytesWritten: number }>;
}

async function* tee(source: AsyncIterable<Uint8Array>, file: WritableFile, path: string): AsyncGenerator<Uint8Array> {
  for await (const piece of source) {
    for (let done = 0; done < piece.length; ) {
      const { bytesWritten } = await file.write(piece.subarray(done)).catch((error: unknown) => {
        throw localError('write the temporary file', path, error);
      });
      done += bytesWritten;
    }
    yield piece;
  }
}

const KNOWN_HASHES = [
  ['SHA256', 'sha256'],
  ['SHA1', 'sha1'],
  ['MD5', 'md5'],
] as const;

/** Whether a manifest has a hash that can be checked. duplicity knows no other. */
export function isCheckable(hashes: ReadonlyMap<string, string>): boolean {
  return KNOWN_HASHES.some(([label]) => hashes.has(label));
}

const NONE: ReadonlyMap<string, string> = new Map();

async function check(
  { name, hashes, prove = 'strongest', signal }: Pick<FetchOptions, 'name' | 'hashes' | 'prove' | 'signal'>,
  source: AsyncIterable<Uint8Array>,
): Promise<Pick<FetchedObject, 'bytes' | 'digests' | 'doubt'>> {
  const listed = KNOWN_HASHES.filter(([label]) => hashes.has(label) || (prove === 'every' && label !== 'MD5'));
  const computed = (prove === 'every' ? listed : listed.slice(0, 1)).map(
    ([label, algorithm]) => [label, createHash(algorithm)] as const,
  );
  const subject = toText(name);
  let bytes = 0;
  try {
    for await (const piece of source) {
      signal?.throwIfAborted();
      for (const [, hash] of computed) hash.update(piece);
      bytes += piece.length;
    }
  } catch (error) {
    if (isNotFound(error)) throw volumeMissing(subject, error);
    throw error;
  }
  const digests = new Map(computed.map(([label, hash]) => [label, hash.digest('hex')]));
  const differing = [...digests].filter(([label, actual]) => (hashes.get(label) ?? actual) !== actual);
  const [first] = differing;
  if (first === undefined) return { bytes, digests };
  const [label, actual] = first;
  const said = `its ${label} is ${actual}, the manifest says ${hashes.get(label)}`;
  const held = [...digests.keys()].filter((each) => hashes.has(each)).length > differing.length;
  if (held) {
    const message = `${subject} is whole by another hash, but ${said}`;
    return { bytes, digests, doubt: new RedupError('MANIFEST_INVALID', message, { subject }) };
  }
  throw new RedupError('VOLUME_HASH', `Volume ${subject} is damaged: ${said}`, {
    subject,
    hint: 'Fetch another copy of this file if you have one. --ignore-errors restores what other volumes hold; an older time may be whole.',
  });
}

export function volumeMissing(subject: string, cause?: unknown): RedupError {
  return new RedupError('VOLUME_MISSING', `Volume ${subject} is missing from the target`, {
    subject,
    hint: 'If it lies elsewhere, copy it back. --ignore-errors restores what other volumes hold; an older time may be whole.',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** What a listing tells alone. */
export function volumeSize(subject: string, actual: number, expected: number): RedupError {
  return new RedupError(
    'VOLUME_HASH',
    `Volume ${subject} is damaged: it has ${actual} bytes, the manifest says ${expected}`,
    {
      subject,
      hint: 'Fetch another copy of this file if you have one. --ignore-errors restores what other volumes hold; an older time may be whole.',
    },
  );
}

function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'not-found');
}

/** A local file in pieces that are worth an asynchronous call. Each piece is a buffer of its own. */
export async function* readPieces(path: string, pieceBytes = PIECE_BYTES): AsyncGenerator<Uint8Array, void, undefined> {
  const file = await openFile(Buffer.from(path, 'utf8'), 'r').catch((error: unknown) => {
    throw isNotFound(error) ? error : localError('read', path, error);
  });
  try {
    // Whoever reads a framed format stops at its end and never asks for the end of the file: the handle is closed with the last piece.
    let left = (await file.stat()).size;
    while (left > 0) {
      const wanted = Math.min(pieceBytes, left);
      const buffer = Buffer.allocUnsafeSlow(wanted);
      const { bytesRead } = await file.read(buffer, 0, wanted, null).catch((error: unknown) => {
        throw new RedupError('IO', `Cannot read ${path}: ${reasonOf(error)}`, { subject: path, cause: error });
      });
      left = bytesRead === 0 ? 0 : left - bytesRead;
      if (left === 0) await file.close();
      if (bytesRead > 0) yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}
