/**
 * The directories between a root and the entry at hand, held open.
 *
 * Entries are named below an open directory (`/proc/self/fd/N/NAME`, Linux's way to what openat does), so that neither a
 * symbolic link in the archive nor somebody who renames directories meanwhile can lead a restore outside its target.
 * Where there is no procfs, paths are used, and only the archive's own links are guarded against.
 */

import { closeSync, constants, existsSync, mkdirSync, openSync } from 'node:fs';
import { type ByteString, type Path, ROOT } from '../archive/index.js';
import { errnoOf } from '../errors.js';
import { baseName, isWithin, joinPath } from './paths.js';

const BY_HANDLE = existsSync('/proc/self/fd');

export interface OpenDirectory {
  readonly path: Path;
  readonly fd: number;
  /** To be put before a name. */
  readonly prefix: ByteString;
  /** Run with the directory's handle when the walk leaves it. */
  onLeave: ((fd: number) => void) | undefined;
}

const DIRECTORY_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

export class DirectoryHandles {
  readonly #stack: OpenDirectory[] = [];

  /** @param root path on disk of an existing directory; a symbolic link there is the user's own choice and followed */
  constructor(root: ByteString) {
    const fd = openSync(Buffer.from(root, 'latin1'), constants.O_RDONLY | constants.O_DIRECTORY);
    this.#stack.push(this.#entry(ROOT, fd, `${root === '/' ? '' : root}/`));
  }

  /** The innermost open directory. */
  get current(): OpenDirectory {
    const top = this.#stack.at(-1);
    if (top === undefined) throw new Error('the directories are closed');
    return top;
  }

  /** Leaves what does not contain `path`. Afterwards `current` is its deepest open ancestor. */
  leaveTo(path: Path): void {
    while (this.#stack.length > 1 && !(isWithin(path, this.current.path) && path !== this.current.path)) this.#leave();
  }

  /** Enters a subdirectory of the current directory. @throws what the system says: ENOTDIR, ELOOP, ENOENT, … */
  enter(path: Path): OpenDirectory {
    const place = this.place(path);
    const entry = this.#entry(path, openSync(place, DIRECTORY_FLAGS), `${this.current.prefix}${baseName(path)}/`);
    this.#stack.push(entry);
    return entry;
  }

  /** Makes and enters the directories that lead to `path` and are missing. */
  makeParents(path: Path): void {
    this.leaveTo(path);
    const missing = path.slice(this.current.path === '' ? 0 : this.current.path.length + 1).split('/');
    missing.pop();
    for (const name of missing) {
      const directory = joinPath(this.current.path, name);
      try {
        mkdirSync(this.place(directory), 0o755);
      } catch (error) {
        if (errnoOf(error) !== 'EEXIST') throw error;
      }
      this.enter(directory);
    }
  }

  /** Where an entry of the current directory is, for a system call. */
  place(path: Path): Buffer {
    return Buffer.from(this.current.prefix + baseName(path), 'latin1');
  }

  /**
   * The same for a child process that gets the directory as its handle 3: another process' handles may not be looked at
   * by everybody.
   */
  placeForChild(name: string): { readonly place: string; readonly handle: number } {
    const { fd, prefix } = this.current;
    const place = BY_HANDLE ? `/proc/self/fd/3/${name}` : Buffer.from(prefix + name, 'latin1').toString('utf8');
    return { place, handle: fd };
  }

  close(): void {
    while (this.#stack.length > 0) this.#leave();
  }

  #entry(path: Path, fd: number, plainPrefix: ByteString): OpenDirectory {
    return { path, fd, prefix: BY_HANDLE ? `/proc/self/fd/${fd}/` : plainPrefix, onLeave: undefined };
  }

  #leave(): void {
    const top = this.#stack.pop();
    if (top === undefined) return;
    try {
      top.onLeave?.(top.fd);
    } finally {
      closeSync(top.fd);
    }
  }
}
