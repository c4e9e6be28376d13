/**
 * Writes restored entries below a target directory, in archive order.
 *
 * A file appears under its name only when its content is complete: small ones are written in one go, others under a
 * temporary name. Owner, mode and times go through the open handle; a directory gets its own when it is left.
 */

import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { type ByteString, type Path, ROOT, type TarHeader, toText } from '../archive/index.js';
import { errnoOf, RedupError } from '../errors.js';
import { DirectoryHandles } from './directory-handles.js';
import type { OwnerResolver } from './entry.js';
import { parentOf } from './paths.js';

export interface TreeWriterOptions {
  /** An existing directory. */
  readonly root: ByteString;
  /** Replace what is in the way: files and links, and directories only when they are empty. */
  readonly replace: boolean;
  readonly owners: OwnerResolver;
  readonly ownership: 'restore' | 'skip';
  /** An attribute that could not be set; the entry itself is there. */
  onAttribute(path: Path, what: 'owner' | 'mode' | 'time', error: unknown): void;
}

/** Content up to this size is gathered and written at once. */
const GATHER_BYTES = 1 << 16;
/** Linux: a handle to name a file by, which opens nothing. Node does not export it. */
const O_PATH = 0o10000000;
const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

export class TreeWriter {
  readonly #options: TreeWriterOptions;
  readonly #handles: DirectoryHandles;
  readonly #gathered = Buffer.alloc(GATHER_BYTES);
  /** Not to be guessed, or an archive could hold an entry of this name. */
  readonly #temporaryName: ByteString = `.redup-${randomBytes(8).toString('hex')}-restoring`;

  constructor(options: TreeWriterOptions) {
    this.#options = options;
    this.#handles = new DirectoryHandles(options.root);
  }

  /** The directory `path`; the root is the target itself. */
  directory(path: Path, header: TarHeader): void {
    if (path === ROOT) {
      this.#handles.leaveTo(ROOT);
      this.#handles.current.onLeave = (fd) => this.#applyToHandle(fd, path, header);
      return;
    }
    this.#goTo(path);
    const place = this.#handles.place(path);
    try {
      mkdirSync(place, 0o700);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST' || !this.#options.replace) throw error;
    }
    const opened = this.#enterReplacing(path, place);
    opened.onLeave = (fd) => this.#applyToHandle(fd, path, header);
  }

  /** Begins a file; its content follows through the returned writer. */
  file(path: Path, header: TarHeader): FileWriter {
    this.#goTo(path);
    const place = this.#handles.place(path);
    const temporary = Buffer.from(this.#handles.current.prefix + this.#temporaryName, 'latin1');
    return new FileWriter({
      gathered: this.#gathered,
      place,
      temporary,
      replace: this.#options.replace,
      makeWay: () => this.#makeWay(place),
      finish: (fd) => this.#applyToHandle(fd, path, header),
    });
  }

  symlink(path: Path, header: TarHeader): void {
    this.#goTo(path);
    const place = this.#handles.place(path);
    if (header.linkName.includes('\0')) {
      const subject = toText(path);
      throw new RedupError('ARCHIVE_INVALID', `The link ${subject} has a NUL in its target`, { subject });
    }
    const link = Buffer.from(header.linkName, 'latin1');
    this.#create(place, () => symlinkSync(link, place));
    const { owners, ownership, onAttribute } = this.#options;
    if (ownership === 'restore') {
      attempt(
        () => lchownSync(place, owners.uidOf(header), owners.gidOf(header)),
        (e) => onAttribute(path, 'owner', e),
      );
    }
    attempt(
      () => lutimesSync(place, timeOf(header), timeOf(header)),
      (e) => onAttribute(path, 'time', e),
    );
  }

  /** A fifo or device. Node cannot make them; the system's own tools can, under a plain name that is then changed. */
  special(path: Path, header: TarHeader): void {
    this.#goTo(path);
    const { place: temporary, handle } = this.#handles.placeForChild(this.#temporaryName);
    const arguments_ =
      header.type === 'fifo'
        ? ['-m', '600', '--', temporary, 'p']
        : [
            '-m',
            '600',
            '--',
            temporary,
            header.type === 'character-device' ? 'c' : 'b',
            `${header.deviceMajor}`,
            `${header.deviceMinor}`,
          ];
    const made = spawnSync('mknod', arguments_, {
      encoding: 'utf8',
      timeout: 10_000,
      stdio: ['ignore', 'ignore', 'pipe', handle],
    });
    if (made.error !== undefined) throw made.error;
    if (made.status !== 0) {
      const why = made.stderr.trim().replace(/^.*: /s, '') || 'mknod failed';
      throw Object.assign(new Error(why), { syscall: 'mknod' });
    }
    const place = this.#handles.place(path);
    const from = Buffer.from(this.#handles.current.prefix + this.#temporaryName, 'latin1');
    try {
      if (this.#options.replace) this.#makeWay(place);
      else refuseExisting(place);
      renameSync(from, place);
    } catch (error) {
      unlinkSync(from);
      throw error;
    }
    // Opening a fifo or device to reach it by handle could block or act; it was just made here.
    const fd = openSync(place, O_PATH | constants.O_NOFOLLOW);
    try {
      this.#applyToPath(Buffer.from(`/proc/self/fd/${fd}`), path, header);
    } finally {
      closeSync(fd);
    }
  }

  /** Leaves all directories, which get their attributes now. */
  close(): void {
    this.#handles.close();
  }

  /** Makes the parent of `path` the current directory. */
  #goTo(path: Path): void {
    this.#handles.leaveTo(path);
    if (this.#handles.current.path !== parentOf(path)) this.#handles.makeParents(path);
  }

  #enterReplacing(path: Path, place: Buffer) {
    try {
      return this.#handles.enter(path);
    } catch (error) {
      const notDirectory = errnoOf(error) === 'ENOTDIR' || errnoOf(error) === 'ELOOP';
      if (!notDirectory || !this.#options.replace) throw error;
      unlinkSync(place);
      mkdirSync(place, 0o700);
      return this.#handles.enter(path);
    }
  }

  #create(place: Buffer, create: () => void): void {
    try {
      create();
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST' || !this.#options.replace) throw error;
      this.#makeWay(place);
      create();
    }
  }

  /** Removes what stands at a place, but never a directory with something in it. */
  #makeWay(place: Buffer): void {
    try {
      unlinkSync(place);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return;
      if (errnoOf(error) !== 'EISDIR' && errnoOf(error) !== 'EPERM') throw error;
      rmdirSync(place);
    }
  }

  /** Owner first: changing it clears setuid. Without the right owner, setuid and setgid would hand out other rights. */
  #applyToHandle(fd: number, path: Path, header: TarHeader): void {
    const { onAttribute } = this.#options;
    const owned = this.#own(path, () =>
      fchownSync(fd, this.#options.owners.uidOf(header), this.#options.owners.gidOf(header)),
    );
    attempt(
      () => fchmodSync(fd, owned ? header.mode : header.mode & 0o1777),
      (e) => onAttribute(path, 'mode', e),
    );
    attempt(
      () => futimesSync(fd, timeOf(header), timeOf(header)),
      (e) => onAttribute(path, 'time', e),
    );
  }

  #applyToPath(place: Buffer, path: Path, header: TarHeader): void {
    const { onAttribute, owners } = this.#options;
    const owned = this.#own(path, () => chownSync(place, owners.uidOf(header), owners.gidOf(header)));
    attempt(
      () => chmodSync(place, owned ? header.mode : header.mode & 0o1777),
      (e) => onAttribute(path, 'mode', e),
    );
    attempt(
      () => utimesSync(place, timeOf(header), timeOf(header)),
      (e) => onAttribute(path, 'time', e),
    );
  }

  #own(path: Path, chown: () => void): boolean {
    if (this.#options.ownership === 'skip') return true;
    let owned = true;
    attempt(chown, (error) => {
      owned = false;
      this.#options.onAttribute(path, 'owner', error);
    });
    return owned;
  }
}

/** As a number, Node takes a time before 1970 for the current one. */
function timeOf({ mtime }: TarHeader): number | Date {
  return mtime < 0 ? new Date(mtime * 1000) : mtime;
}

interface FileWriterOptions {
  readonly gathered: Buffer;
  readonly place: Buffer;
  readonly temporary: Buffer;
  readonly replace: boolean;
  makeWay(): void;
  finish(fd: number): void;
}

/** One file under way. `commit` makes it visible; without it nothing is left. */
export class FileWriter {
  readonly #options: FileWriterOptions;
  #used = 0;
  #fd: number | undefined;
  bytes = 0;

  constructor(options: FileWriterOptions) {
    this.#options = options;
  }

  write(piece: Uint8Array): void {
    this.bytes += piece.length;
    if (this.#used + piece.length > GATHER_BYTES) this.#flush();
    if (piece.length > GATHER_BYTES) {
      writeWhole(this.#open(), piece);
      return;
    }
    this.#options.gathered.set(piece, this.#used);
    this.#used += piece.length;
  }

  commit(): void {
    const { place, temporary, replace, finish, makeWay } = this.#options;
    if (this.#fd === undefined && !replace) {
      const fd = openSync(place, CREATE, 0o600);
      this.#end(fd, place, finish);
      return;
    }
    this.#flush();
    this.#end(this.#open(), temporary, finish);
    this.#fd = undefined;
    try {
      if (!replace) refuseExisting(place);
      else makeWayForFile(place, makeWay);
      renameSync(temporary, place);
    } catch (error) {
      unlinkSync(temporary);
      throw error;
    }
  }

  abandon(): void {
    if (this.#fd === undefined) return;
    closeSync(this.#fd);
    this.#fd = undefined;
    unlinkSync(this.#options.temporary);
  }

  #end(fd: number, created: Buffer, finish: (fd: number) => void): void {
    try {
      writeWhole(fd, this.#options.gathered.subarray(0, this.#used));
      this.#used = 0;
      finish(fd);
    } catch (error) {
      closeSync(fd);
      this.#fd = undefined;
      unlinkSync(created);
      throw error;
    }
    closeSync(fd);
  }

  #flush(): void {
    writeWhole(this.#open(), this.#options.gathered.subarray(0, this.#used));
    this.#used = 0;
  }

  #open(): number {
    if (this.#fd !== undefined) return this.#fd;
    this.#fd = openSync(this.#options.temporary, CREATE, 0o600);
    return this.#fd;
  }
}

function writeWhole(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done);
}

function attempt(action: () => void, onError: (error: unknown) => void): void {
  try {
    action();
  } catch (error) {
    onError(error);
  }
}

function refuseExisting(place: Buffer): void {
  if (lstatSync(place, { throwIfNoEntry: false }) === undefined) return;
  throw Object.assign(new Error('it exists already'), { code: 'EEXIST', syscall: 'rename' });
}

/** A rename replaces files and links by itself; only a directory has to go first. */
function makeWayForFile(place: Buffer, makeWay: () => void): void {
  if (lstatSync(place, { throwIfNoEntry: false })?.isDirectory() === true) makeWay();
}
