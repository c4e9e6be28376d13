/**
 * Objects as files of one folder, as duplicity's `file://` keeps them. An object is written under a temporary name
 * in the staging folder, synced, moved to its name by a hard link (which refuses a taken name) or a rename (which
 * replaces), and its folder is synced before `put` resolves.
 */

import { createHash, randomBytes } from 'node:crypto';
import { dirname, join, resolve } from 'node:path';
import { alreadyExists, fromErrno, noSuchObject, printable, StorageError, throwIfAborted } from './errors.js';
import { type FileSystem, hasCode, isMissing, nodeFileSystem, type OpenFile } from './file-system.js';
import { folderOfTarget } from './file-url.js';
import { checkName, textOfBytes } from './names.js';
import { PIECE_BYTES, pieces } from './pieces.js';
import { digest } from './source.js';
import { makeStagingDirectory, removeStagingDirectory, STAGING_NAME } from './staging.js';
import {
  type CallOptions,
  type GetOptions,
  type PutOptions,
  type Storage,
  type StoredObject,
  sourceSize,
  type UploadSource,
} from './storage.js';

export interface FileStorageOptions {
  /** `if-missing` makes the folder and its parents, as duplicity does; `never` refuses with `target-missing`. */
  readonly create?: 'if-missing' | 'never';
  /** For tests: file-system calls that fail, or a power cut between two of them. */
  readonly fileSystem?: FileSystem;
}

/** See the module comment. Rules: {@link Storage}. */
export class FileStorage implements Storage {
  readonly url: string;
  readonly createsExclusively: boolean = true;
  readonly #folder: string;
  readonly #fs: FileSystem;
  #staging: string | undefined;
  #closed = false;

  /**
   * @param target a path, or a `file:` URL by duplicity's rules (`file:///abs`, `file://relative`)
   * @throws StorageError `target-missing`, `not-a-directory`, `permission`, `read-only`, `bad-url`
   */
  static async open(target: string, options: FileStorageOptions = {}): Promise<FileStorage> {
    const folder = resolve(folderOfTarget(target));
    const fs = options.fileSystem ?? nodeFileSystem;
    await prepareFolder(fs, folder, options.create ?? 'never');
    return new FileStorage(folder, fs);
  }

  private constructor(folder: string, fs: FileSystem) {
    this.#folder = folder;
    this.#fs = fs;
    this.url = `file://${folder}`;
  }

  get stagingDirectory(): string {
    this.#checkOpen();
    try {
      this.#staging ??= makeStagingDirectory(this.#folder);
    } catch (error) {
      throw fromErrno(error, join(this.#folder, STAGING_NAME));
    }
    return this.#staging;
  }

  async *list(options: CallOptions = {}): AsyncIterable<StoredObject> {
    this.#checkOpen();
    try {
      for await (const entry of this.#fs.list(this.#folder)) {
        throwIfAborted(options.signal, this.url);
        if (entry.kind === 'file') yield { name: entry.name, size: entry.size, modified: entry.modified };
      }
    } catch (error) {
      throw this.#error(error, this.#folder);
    }
  }

  async stat(name: string, options: CallOptions = {}): Promise<StoredObject | undefined> {
    this.#checkCall(name, options.signal);
    try {
      const facts = await this.#fs.facts(this.#path(name));
      return facts?.kind === 'file' ? { name, size: facts.size, modified: facts.modified } : undefined;
    } catch (error) {
      throw this.#error(error, name);
    }
  }

  async get(name: string, options: GetOptions = {}): Promise<AsyncIterable<Uint8Array>> {
    this.#checkCall(name, options.signal);
    try {
      const file = await this.#fs.open(this.#path(name), 'read');
      const { kind, size } = await file.facts();
      if (kind !== 'file') {
        await file.close();
        throw noSuchObject(name, this.url);
      }
      return this.#read(name, file, { ...options, size });
    } catch (error) {
      if (isMissing(error)) throw noSuchObject(name, this.url, error);
      throw this.#error(error, name);
    }
  }

  localPath(name: string): string | undefined {
    checkName(name);
    const text = textOfBytes(name);
    return text === undefined ? undefined : join(this.#folder, text);
  }

  async put(name: string, source: UploadSource, options: PutOptions = {}): Promise<StoredObject> {
    this.#checkCall(name, options.signal);
    const replace = options.ifExists === 'replace';
    try {
      if (!replace && (await this.#fs.facts(this.#path(name)))) {
        if (options.ifExists === 'same' && (await this.#holds(name, source)))
          return await this.#stored(name, sourceSize(source));
        throw alreadyExists(name, this.url);
      }
      if (source.kind === 'file' && source.disposable && (await this.#move(name, source, replace, options))) {
        return await this.#stored(name, source.size);
      }
      const temporary = join(this.stagingDirectory, `${randomBytes(8).toString('hex')}.part`);
      try {
        await this.#write(temporary, name, source, options);
        await this.#publish(temporary, name, replace);
      } catch (error) {
        await this.#fs.unlink(temporary).catch(ignore);
        throw error;
      }
      return await this.#stored(name, sourceSize(source));
    } catch (error) {
      throw this.#error(error, name);
    }
  }

  async remove(names: readonly string[], options: CallOptions = {}): Promise<void> {
    this.#checkOpen();
    for (const name of names) checkName(name);
    try {
      for (const name of names) {
        throwIfAborted(options.signal, name);
        await this.#unlinkIfThere(this.#path(name));
      }
      if (names.length > 0) await this.#fs.syncDirectory(this.#folder);
    } catch (error) {
      throw this.#error(error, names.length === 1 ? (names[0] ?? '') : this.#folder);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const staging = this.#staging;
    this.#staging = undefined;
    if (staging !== undefined) removeStagingDirectory(staging);
  }

  /** Moves a file to its name; false when it lies on another file system and must be copied. */
  async #move(
    name: string,
    source: UploadSource & { kind: 'file' },
    replace: boolean,
    options: PutOptions,
  ): Promise<boolean> {
    const file = await this.#openSource(source.path);
    try {
      const { size } = await file.facts();
      if (size !== source.size) throw sizeDiffers(name, source.size, size);
      throwIfAborted(options.signal, name);
      await file.sync();
    } finally {
      await file.close();
    }
    try {
      await this.#publish(source.path, name, replace);
    } catch (error) {
      if (hasCode(error, 'EXDEV')) return false;
      throw error;
    }
    options.onProgress?.(source.size);
    return true;
  }

  /** Writes and syncs a temporary file. */
  async #write(temporary: string, name: string, source: UploadSource, options: PutOptions): Promise<void> {
    const file = await this.#fs.open(temporary, 'create');
    try {
      let size = 0;
      const hash = options.sha256 === undefined ? undefined : createHash('sha256');
      for await (const piece of this.#sourcePieces(source)) {
        throwIfAborted(options.signal, name);
        hash?.update(piece);
        await file.write(piece, size);
        size += piece.length;
        options.onProgress?.(size);
      }
      if (size !== sourceSize(source)) throw sizeDiffers(name, sourceSize(source), size);
      if (hash !== undefined && hash.digest('hex') !== options.sha256) throw hashDiffers(name);
      throwIfAborted(options.signal, name);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  async *#sourcePieces(source: UploadSource): AsyncIterable<Uint8Array> {
    if (source.kind === 'bytes') {
      for (let at = 0; at < source.bytes.length; at += PIECE_BYTES) {
        yield source.bytes.subarray(at, at + PIECE_BYTES);
      }
      return;
    }
    const file = await this.#openSource(source.path);
    try {
      const buffer = new Uint8Array(PIECE_BYTES);
      for (let at = 0; ; ) {
        const got = await file.read(buffer, at);
        if (got === 0) return;
        yield buffer.subarray(0, got);
        at += got;
      }
    } finally {
      await file.close();
    }
  }

  async #openSource(path: string): Promise<OpenFile> {
    try {
      return await this.#fs.open(path, 'read');
    } catch (error) {
      if (!isMissing(error)) throw error;
      throw new StorageError('io', `the file to store has vanished: ${printable(path)}`, {
        subject: path,
        cause: error,
        hint: 'something cleans the temporary folder while a backup runs: give redup another --tempdir',
      });
    }
  }

  /** Gives a synced temporary file its name, durably. The temporary name is gone afterwards. */
  async #publish(temporary: string, name: string, replace: boolean): Promise<void> {
    const path = this.#path(name);
    if (replace) {
      await this.#fs.rename(temporary, path);
    } else {
      await this.#linkOrRename(temporary, path, name);
    }
    await this.#fs.syncDirectory(this.#folder);
  }

  async #linkOrRename(temporary: string, path: Buffer, name: string): Promise<void> {
    try {
      await this.#fs.link(temporary, path);
    } catch (error) {
      if (hasCode(error, 'EEXIST')) throw alreadyExists(name, this.url, error);
      if (!hasCode(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK')) throw error;
      // No hard links here (FAT, some network folders): look, then rename. Two runs at the same instant could both pass.
      if (await this.#fs.facts(path)) throw alreadyExists(name, this.url, error);
      await this.#fs.rename(temporary, path);
      return;
    }
    await this.#fs.unlink(temporary);
  }

  async #holds(name: string, source: UploadSource): Promise<boolean> {
    const sent = await digest(this.#sourcePieces(source), 'sha256');
    const stored = await digest(await this.get(name), 'sha256');
    return stored.digests[0]?.equals(sent.digests[0] ?? Buffer.alloc(0)) === true;
  }

  async #stored(name: string, expected: number): Promise<StoredObject> {
    const stored = await this.stat(name);
    if (stored?.size !== expected) throw sizeDiffers(name, expected, stored?.size ?? -1);
    return stored;
  }

  #read(name: string, file: OpenFile, range: GetOptions & { readonly size: number }): AsyncIterable<Uint8Array> {
    const end = Math.min(range.end ?? range.size, range.size);
    let at = range.start ?? 0;
    return pieces(
      async () => {
        throwIfAborted(range.signal, name);
        if (at >= end) return undefined;
        try {
          const buffer = new Uint8Array(Math.min(PIECE_BYTES, end - at));
          const got = await file.read(buffer, at);
          if (got === 0) throw sizeDiffers(name, end, at);
          at += got;
          return buffer.subarray(0, got);
        } catch (error) {
          throw this.#error(error, name);
        }
      },
      () => file.close(),
    );
  }

  async #unlinkIfThere(path: Buffer): Promise<void> {
    try {
      await this.#fs.unlink(path);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  #path(name: string): Buffer {
    return Buffer.concat([Buffer.from(this.#folder), Buffer.from('/'), Buffer.from(name, 'latin1')]);
  }

  #checkCall(name: string, signal: AbortSignal | undefined): void {
    this.#checkOpen();
    checkName(name);
    throwIfAborted(signal, name);
  }

  #checkOpen(): void {
    if (this.#closed) throw new StorageError('closed', `${this.url} was closed`, { subject: this.url });
  }

  #error(error: unknown, subject: string): StorageError {
    if (isMissing(error)) {
      return new StorageError('target-missing', `${this.url} has vanished`, {
        subject,
        cause: error,
        hint: 'check that the target is still mounted',
      });
    }
    return fromErrno(error, subject);
  }
}

async function prepareFolder(fs: FileSystem, folder: string, create: 'if-missing' | 'never'): Promise<void> {
  try {
    const facts = await fs.facts(folder);
    if (facts === undefined && create === 'if-missing') return await makeFolders(fs, folder);
    if (facts === undefined) {
      throw new StorageError('target-missing', `the folder ${printable(folder)} does not exist`, {
        subject: folder,
        hint: 'check the path and that the disk is mounted',
      });
    }
    if (facts.kind !== 'directory') {
      throw new StorageError('not-a-directory', `${printable(folder)} is not a directory`, {
        subject: folder,
        hint: 'give a folder as the target',
      });
    }
  } catch (error) {
    throw fromErrno(error, folder);
  }
}

/** `mkdir -p` whose result survives a power cut. */
async function makeFolders(fs: FileSystem, folder: string): Promise<void> {
  const parent = dirname(folder);
  if (!(await fs.facts(parent))) await makeFolders(fs, parent);
  try {
    await fs.makeDirectory(folder, 0o777);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  }
  await fs.syncDirectory(parent);
}

function sizeDiffers(subject: string, expected: number, found: number): StorageError {
  return new StorageError('corrupt', `${printable(subject)}: ${expected} bytes expected, ${found} found`, {
    subject,
    hint: 'something else changed the file meanwhile: run again',
    permanent: true,
  });
}

function hashDiffers(subject: string): StorageError {
  return new StorageError('corrupt', `${printable(subject)}: the bytes don't match their SHA-256`, {
    subject,
    hint: 'the temporary folder or the memory of this machine may be faulty: run again, then check the hardware',
    permanent: true,
  });
}

function ignore(): void {}
