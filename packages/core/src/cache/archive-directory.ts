/**
 * The local archive directory, in duplicity's layout (FORMAT.md §9): manifests in plain text, signatures gzipped,
 * and the partial files of a running or interrupted backup. Either program uses what the other left there.
 */

import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { processMark, removeLeftBehind } from '@redup/storage';
import {
  type ArchiveName,
  type ByteString,
  formatName,
  fromText,
  type NamePrefixes,
  parseName,
} from '../archive/index.js';
import { type Collection, type CollectOptions, collect, type Listed, type NamedFile } from '../collection/index.js';
import { errnoOf, localError, RedupError, reasonOf } from '../errors.js';
import { makeFolders } from '../make-folders.js';

export interface ArchiveDirectoryOptions {
  /** Parent folder. */
  readonly parent: string;
  readonly name: string;
  readonly prefixes: NamePrefixes;
  readonly timeSeparator?: string;
}

/** duplicity's name for the archive directory of a target: the MD5 of the URL as typed. */
export function nameForUrl(url: string): string {
  return createHash('md5').update(url, 'utf8').digest('hex');
}

export class ArchiveDirectory {
  readonly path: string;
  readonly #options: ArchiveDirectoryOptions;
  #created = false;

  /** @throws RedupError when the folder cannot be made */
  constructor(options: ArchiveDirectoryOptions) {
    this.#options = options;
    this.path = join(options.parent, options.name);
  }

  /**
   * Makes the folder, private: manifests and signatures tell names and hashes of the user's files. Unfinished files of runs that
   * crashed are removed.
   */
  create(): void {
    if (this.#created) return;
    try {
      makeFolders(this.path, 0o700);
      removeLeftBehind(this.path, (name) => /\.([^.]*)\.tmp$/.exec(name)?.[1]);
      this.#created = true;
    } catch (error) {
      if (errnoOf(error) === 'ENOSPC') throw localError('create the archive directory', this.path, error);
      throw new RedupError(
        'ARCHIVE_DIRECTORY',
        `Cannot create the archive directory ${this.path}: ${reasonOf(error)}`,
        {
          subject: this.path,
          hint: 'Name another with --archive-dir.',
          cause: error,
        },
      );
    }
  }

  list(): Listed[] {
    try {
      return readdirSync(Buffer.from(this.path), 'latin1').map((name) => ({ name, size: -1 }));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw localError('read the archive directory', this.path, error);
    }
  }

  /** Finished local copies; partial files are not part of it. */
  collection(): Collection {
    return collect(
      this.list().filter(({ name }) => this.#parse(name)?.partial === false),
      this.#collectOptions(),
    );
  }

  /** Manifests and signatures of backups that run or were interrupted. */
  partials(): NamedFile[] {
    return this.list().flatMap(({ name, size }) => {
      const parsed = this.#parse(name);
      return parsed?.partial ? [{ name, size, parsed }] : [];
    });
  }

  /** Where the copy of a remote manifest or signature file lies, whatever the remote's encoding. */
  placeOf(parsed: ArchiveName): string {
    const encoding = parsed.partial || parsed.kind === 'manifest' ? 'plain' : 'gzip';
    return this.#place(formatName({ ...parsed, encoding }, this.#options.prefixes));
  }

  /** The place of a local file by its own name. */
  placeOfFile(file: NamedFile): string {
    return this.#place(file.name);
  }

  has(parsed: ArchiveName): boolean {
    return statSync(this.placeOf(parsed), { throwIfNoEntry: false })?.isFile() === true;
  }

  remove(path: string): void {
    rmSync(path, { force: true });
  }

  /** Where a file is built that will be published at `place`. */
  temporary(place: string): string {
    return `${place}.${processMark()}.tmp`;
  }

  /** Makes a finished file visible under its name, durably. */
  publish(temporary: string, place: string): void {
    try {
      // It may have been built as an object for the target, whose mode is the user's choice.
      chmodSync(temporary, 0o600);
      syncFile(temporary);
      renameSync(temporary, place);
      syncFile(this.path);
    } catch (error) {
      throw localError('write', place, error);
    }
  }

  /** Writes a small file durably: whole under its name, or not at all. */
  writeFile(place: string, content: ByteString): void {
    const temporary = this.temporary(place);
    try {
      const fd = openSync(temporary, 'w', 0o600);
      try {
        writeAll(fd, Buffer.from(content, 'latin1'));
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      rmSync(temporary, { force: true });
      throw localError('write', place, error);
    }
    this.publish(temporary, place);
  }

  #parse(name: ByteString): ArchiveName | undefined {
    return parseName(name, this.#options.prefixes, this.#options.timeSeparator);
  }

  #collectOptions(): CollectOptions {
    const { prefixes, timeSeparator } = this.#options;
    return timeSeparator === undefined ? { prefixes } : { prefixes, timeSeparator };
  }

  #place(name: ByteString): string {
    // Prefixes are the user's text; names are ASCII otherwise.
    return join(this.path, fromBytes(name));
  }
}

export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done);
}

function fromBytes(name: ByteString): string {
  return fromText(name) === name ? name : Buffer.from(name, 'latin1').toString('utf8');
}

function syncFile(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
