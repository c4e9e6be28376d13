/** Objects in memory: for tests and for trying things out. The exact meaning of the contract, without a disk. */

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { alreadyExists, fromErrno, noSuchObject, StorageError, throwIfAborted } from './errors.js';
import { checkName } from './names.js';
import { PIECE_BYTES, pieces } from './pieces.js';
import {
  type CallOptions,
  type GetOptions,
  type PutOptions,
  type Storage,
  type StoredObject,
  sourceSize,
  type UploadSource,
} from './storage.js';

interface MemoryObject {
  readonly bytes: Uint8Array;
  readonly modified: Date;
}

export class MemoryStorage implements Storage {
  readonly url: string;
  readonly createsExclusively: boolean = true;
  /** What is stored: tests may look, damage and plant. */
  readonly objects: Map<string, MemoryObject>;
  #closed = false;

  constructor(url = 'memory:', objects: Map<string, MemoryObject> = new Map()) {
    this.url = url;
    this.objects = objects;
  }

  async *list(options: CallOptions = {}): AsyncIterable<StoredObject> {
    this.#check('', options.signal);
    for (const [name, { bytes, modified }] of [...this.objects]) {
      throwIfAborted(options.signal, this.url);
      yield { name, size: bytes.length, modified };
    }
  }

  async stat(name: string, options: CallOptions = {}): Promise<StoredObject | undefined> {
    checkName(name);
    this.#check(name, options.signal);
    const found = this.objects.get(name);
    return found && { name, size: found.bytes.length, modified: found.modified };
  }

  async get(name: string, options: GetOptions = {}): Promise<AsyncIterable<Uint8Array>> {
    checkName(name);
    this.#check(name, options.signal);
    const found = this.objects.get(name);
    if (!found) throw noSuchObject(name, this.url);
    const end = Math.min(options.end ?? found.bytes.length, found.bytes.length);
    let at = options.start ?? 0;
    return pieces(
      async () => {
        throwIfAborted(options.signal, name);
        if (at >= end) return undefined;
        const piece = found.bytes.slice(at, Math.min(at + PIECE_BYTES, end));
        at += piece.length;
        return piece;
      },
      async () => {},
    );
  }

  async put(name: string, source: UploadSource, options: PutOptions = {}): Promise<StoredObject> {
    checkName(name);
    this.#check(name, options.signal);
    const bytes = await bytesOf(source);
    this.#check(name, options.signal);
    if (bytes.length !== sourceSize(source) || !hashMatches(bytes, options.sha256)) {
      throw new StorageError('corrupt', 'the source is not what it was announced to be', {
        subject: name,
        permanent: true,
      });
    }
    const found = this.objects.get(name);
    if (found && options.ifExists !== 'replace') {
      if (options.ifExists === 'same' && Buffer.compare(found.bytes, bytes) === 0)
        return { name, size: bytes.length, modified: found.modified };
      throw alreadyExists(name, this.url);
    }
    const modified = new Date();
    this.objects.set(name, { bytes, modified });
    options.onProgress?.(bytes.length);
    return { name, size: bytes.length, modified };
  }

  async remove(names: readonly string[], options: CallOptions = {}): Promise<void> {
    for (const name of names) checkName(name);
    this.#check('', options.signal);
    for (const name of names) this.objects.delete(name);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #check(subject: string, signal: AbortSignal | undefined): void {
    if (this.#closed) throw new StorageError('closed', `${this.url} was closed`, { subject });
    throwIfAborted(signal, subject);
  }
}

async function bytesOf(source: UploadSource): Promise<Uint8Array> {
  if (source.kind === 'bytes') return source.bytes.slice();
  try {
    return await readFile(source.path);
  } catch (error) {
    throw fromErrno(error, source.path);
  }
}

function hashMatches(bytes: Uint8Array, sha256: string | undefined): boolean {
  return sha256 === undefined || createHash('sha256').update(bytes).digest('hex') === sha256;
}
