/**
 * Entries that a program gives in place of a folder: a database dump, rows, objects of another store. They come in
 * archive order, one at a time, and the next is asked for only when the last is stored, so that nothing piles up.
 *
 * Contents can't wait on disk for their turn, so a wrong order is refused, not mended; {@link inArchiveOrder} sorts what
 * fits into memory. Folders that are missing between the root and an entry are added.
 */

import { asPath, type ByteString, fromText, MORE, type Path, ROOT, toText } from '../archive/index.js';
import { RedupError, reasonOf } from '../errors.js';
import { type EntryContent, type TreeEntry, UNKNOWN_SIZE } from './entry.js';
import { comparePaths, isWithin, parentOf } from './paths.js';

/** Bytes; text is UTF-8. */
export type Content = string | Uint8Array | Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>;

/** One entry of a source that is no folder. */
export interface SourceEntry {
  /** Relative to the root, components joined by `/`; text, or bytes where it is no UTF-8. `''` is the root itself. */
  readonly path: string | Uint8Array;
  /** Default `file`. */
  readonly type?: 'file' | 'directory' | 'symlink';
  /**
   * Of a file: what it holds, or a function that opens it, which is called only if the file has to be read. A stream that is not read
   * is destroyed.
   */
  readonly content?: Content | (() => Content | Promise<Content>);
  /** Bytes, where known beforehand. Other content than announced counts as an error. */
  readonly size?: number;
  /**
   * When the content last changed, to the microsecond; a number is seconds since 1970. A file with the time (and size) of the last
   * backup is not read. Default: now, so that it is always read; for directories 0.
   */
  readonly mtime?: Date | number;
  /** Permission bits; default 0600, for directories 0700. */
  readonly mode?: number;
  /** Default: who runs this process. */
  readonly uid?: number;
  readonly gid?: number;
  /** Of a symlink: what it points to. */
  readonly linkTarget?: string | Uint8Array;
}

/** For `Array.sort`: the order in which entries have to come. A folder comes before what is in it, and `a/b` before `a.b`. */
export function compareEntries(a: Pick<SourceEntry, 'path'>, b: Pick<SourceEntry, 'path'>): number {
  return comparePaths(asPath(bytesOf(a.path)), asPath(bytesOf(b.path)));
}

/**
 * Collects entries, not their contents, and gives them in archive order.
 * @param options.atMost so many are held in memory; default 100,000
 * @throws RedupError BAD_ENTRY when there are more
 */
export async function* inArchiveOrder(
  entries: Iterable<SourceEntry> | AsyncIterable<SourceEntry>,
  { atMost = 100_000 }: { readonly atMost?: number } = {},
): AsyncGenerator<SourceEntry, void, undefined> {
  const collected: SourceEntry[] = [];
  for await (const entry of entries) {
    if (collected.length === atMost) {
      throw new RedupError('BAD_ENTRY', `The source has more than ${atMost} entries, too many to be sorted in memory`, {
        hint: 'Give them in order: sort where they come from, by the bytes of each component of their paths.',
      });
    }
    collected.push(entry);
  }
  yield* collected.sort(compareEntries);
}

export interface GivenOptions {
  /** Seconds since 1970; the mtime of files that have none. */
  readonly now: number;
  readonly signal?: AbortSignal;
}

/** Steps through given entries as through a walk: `MORE` when `fill` must be awaited. */
export class GivenEntries implements Iterator<TreeEntry | typeof MORE, void, undefined> {
  readonly #entries: Iterator<SourceEntry> | AsyncIterator<SourceEntry>;
  readonly #options: GivenOptions;
  #ready: TreeEntry[] = [];
  #ended = false;
  #last: TreeEntry | undefined;

  constructor(entries: Iterable<SourceEntry> | AsyncIterable<SourceEntry>, options: GivenOptions) {
    this.#entries = Symbol.asyncIterator in entries ? entries[Symbol.asyncIterator]() : entries[Symbol.iterator]();
    this.#options = options;
  }

  next(): IteratorResult<TreeEntry | typeof MORE, void> {
    const value = this.#ready.shift();
    if (value !== undefined) return { done: false, value };
    return this.#ended ? { done: true, value: undefined } : { done: false, value: MORE };
  }

  /** @throws RedupError BAD_ENTRY, SOURCE_UNREADABLE */
  async fill(): Promise<void> {
    if (this.#ready.length > 0 || this.#ended) return;
    await this.#last?.content?.discard();
    const { done, value } = await this.#step();
    if (done === true) {
      this.#ended = true;
      if (this.#last === undefined) this.#give(directory(ROOT));
      return;
    }
    const entry = entryOf(value, this.#options);
    this.#checkOrder(entry);
    for (const path of this.#missingAbove(entry.path)) this.#give(directory(path));
    this.#give(entry);
  }

  /** Tells the source that no more is wanted; does not wait for it. */
  close(): void {
    void Promise.resolve(this.#last?.content?.discard()).catch(() => {});
    if (!this.#ended) void Promise.resolve(this.#entries.return?.()).catch(() => {});
    this.#ended = true;
  }

  async #step(): Promise<IteratorResult<SourceEntry, unknown>> {
    const { signal } = this.#options;
    try {
      return await unlessAborted(Promise.resolve(this.#entries.next()), signal);
    } catch (error) {
      if (signal?.aborted === true || error instanceof RedupError) throw error;
      const after = this.#last === undefined ? '' : ` after ${toText(this.#last.path) || 'its root'}`;
      throw new RedupError('SOURCE_UNREADABLE', `The source failed${after}: ${reasonOf(error)}`, {
        hint: 'Nothing was recorded as deleted; the backup was not completed.',
        cause: error,
      });
    }
  }

  #give(entry: TreeEntry): void {
    this.#ready.push(entry);
    this.#last = entry;
  }

  #checkOrder({ path }: TreeEntry): void {
    const last = this.#last;
    if (last === undefined) return;
    const order = comparePaths(last.path, path);
    if (order === 0) throw badEntry(path, 'it comes twice');
    if (order > 0) throw badEntry(path, `it comes after ${toText(last.path)}, which has to come later`, ORDER_HINT);
    if (last.type !== 'directory' && isWithin(path, last.path)) {
      throw badEntry(path, `it lies below ${toText(last.path)}, which is a ${last.type}`);
    }
  }

  /** The folders from the root to an entry that were not given: those that the last entry does not lie in. */
  #missingAbove(path: Path): Path[] {
    const missing: Path[] = [];
    if (path === ROOT) return missing;
    for (let above = parentOf(path); ; above = parentOf(above)) {
      if (this.#last !== undefined && isWithin(this.#last.path, above)) return missing;
      missing.unshift(above);
      if (above === ROOT) return missing;
    }
  }
}

/** Opens what an entry holds once, or throws it away unread. */
class GivenContent implements EntryContent {
  readonly #content: NonNullable<SourceEntry['content']>;
  readonly #signal: AbortSignal | undefined;
  #taken = false;

  constructor(content: NonNullable<SourceEntry['content']>, signal: AbortSignal | undefined) {
    this.#content = content;
    this.#signal = signal;
  }

  /** Its pieces. What opening or reading throws is the source's. */
  async *open(): AsyncGenerator<Uint8Array, void, undefined> {
    this.#taken = true;
    const content = typeof this.#content === 'function' ? await this.#content() : this.#content;
    if (typeof content === 'string' || content instanceof Uint8Array) return yield asBytes(content);
    const pieces = Symbol.asyncIterator in content ? content[Symbol.asyncIterator]() : content[Symbol.iterator]();
    let complete = false;
    try {
      for (;;) {
        const { done, value } = await unlessAborted(Promise.resolve(pieces.next()), this.#signal);
        complete = done === true;
        if (complete) return;
        yield asBytes(value);
      }
    } finally {
      if (!complete) void Promise.resolve(pieces.return?.()).catch(() => {});
    }
  }

  async discard(): Promise<void> {
    if (this.#taken) return;
    this.#taken = true;
    const content = this.#content;
    if (typeof content === 'object' && 'destroy' in content && typeof content.destroy === 'function') content.destroy();
  }
}

function asBytes(piece: string | Uint8Array): Uint8Array {
  return typeof piece === 'string' ? Buffer.from(piece, 'utf8') : piece;
}

/** What others made may never settle. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  signal.throwIfAborted();
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function entryOf(given: SourceEntry, { now, signal }: GivenOptions): TreeEntry {
  const path = pathOf(given);
  const { type = 'file', size, content, linkTarget } = given;
  if ((type === 'file') !== (content !== undefined))
    throw badEntry(path, 'a file needs content, and nothing else has any');
  if ((type === 'symlink') !== (linkTarget !== undefined)) throw badEntry(path, 'a symlink needs a linkTarget');
  if (size !== undefined && !(Number.isSafeInteger(size) && size >= 0)) throw badEntry(path, `${size} is no size`);
  const seconds = given.mtime instanceof Date ? given.mtime.getTime() / 1000 : given.mtime;
  if (seconds !== undefined && !Number.isFinite(seconds)) throw badEntry(path, 'its mtime is no time');
  return {
    ...directory(path),
    type,
    mode: (given.mode ?? DEFAULT_MODES[type]) & 0o7777,
    ...(given.uid === undefined ? {} : { uid: given.uid }),
    ...(given.gid === undefined ? {} : { gid: given.gid }),
    ...timesOf(seconds ?? (type === 'directory' ? 0 : now)),
    ...(type === 'file' ? { size: size ?? UNKNOWN_SIZE, statSize: size ?? 0 } : {}),
    ...(linkTarget === undefined ? {} : { linkName: bytesOf(linkTarget) }),
    ...(content === undefined ? {} : { content: new GivenContent(content, signal) }),
  };
}

const DEFAULT_MODES = { file: 0o600, directory: 0o700, symlink: 0o777 } as const;

function directory(path: Path): TreeEntry {
  return {
    path,
    type: 'directory',
    mode: DEFAULT_MODES.directory,
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    size: 0,
    statSize: 0,
    ...timesOf(0),
    ctimeUs: 0,
    inode: 0,
    device: 0,
    linkName: '',
    deviceMajor: 0,
    deviceMinor: 0,
  };
}

function timesOf(seconds: number): Pick<TreeEntry, 'mtime' | 'mtimeUs'> {
  return { mtime: Math.floor(seconds), mtimeUs: Math.round(seconds * 1e6) };
}

function bytesOf(text: string | Uint8Array): ByteString {
  return typeof text === 'string' ? fromText(text) : Buffer.from(text).toString('latin1');
}

function pathOf({ path }: SourceEntry): Path {
  // Who writes plain JavaScript may give names instead of entries.
  if (typeof path !== 'string' && !(path instanceof Uint8Array)) throw badEntry('', 'it has no path');
  const bytes = bytesOf(path);
  if (bytes === '') return ROOT;
  const wrong = bytes.split('/').find((part) => part === '' || part === '.' || part === '..' || part.includes('\0'));
  if (wrong !== undefined) throw badEntry(bytes, 'paths are relative, without empty components, ".", ".." and NUL');
  return asPath(bytes);
}

const ORDER_HINT = 'Sort the entries with compareEntries, or pass them through inArchiveOrder.';

function badEntry(path: ByteString, why: string, hint?: string): RedupError {
  const subject = toText(path);
  const message = `The source gave an entry that cannot be stored, ${JSON.stringify(subject)}: ${why}`;
  return new RedupError('BAD_ENTRY', message, { subject, ...(hint === undefined ? {} : { hint }) });
}
