/**
 * What redup asks of a place that keeps its archives: a flat set of named objects, each of them there
 * whole or not at all. Files, memory, S3 and whatever comes later implement this one interface;
 * retrying, limits and faults are wrappers around it; `conformance.ts` checks every rule written here.
 *
 * ## The contract
 *
 * **Names** are byte strings (one char a byte, U+0000 to U+00FF), never empty, `.` or `..`, without `/` and NUL.
 * A storage that can't express a name refuses it with `bad-name`.
 *
 * **Concurrency.** Every method may be called at any time while others are under way, also for the same
 * name. Two `put` of one name with `ifExists: 'fail'`: exactly one succeeds where the storage has
 * conditional writes ({@link Storage.createsExclusively}); elsewhere the check may race, but an object is still never mixed of two.
 *
 * **put** is atomic and durable. When it resolves, the object has survived a power cut and its stored size
 * (and its SHA-256, where the storage can tell) was compared with what was sent. When it rejects, the name
 * holds what it held before, or, after `unreachable`/`timeout`, perhaps the whole new object: never a part of one.
 * A put that lost its answer and then finds its own bytes stored counts as success, so it may be repeated.
 *
 * **get** rejects with `not-found` before the first piece. Whoever calls it reads to the end, or ends the
 * iteration (`break`, `return()`): that frees the connection. What arrives is *not* authenticated; a length that
 * differs from the announced one is an error (`unreachable` or `corrupt`), never a silent early end.
 *
 * **list** shows every object for which `put` resolved before `list` was called and which was not removed;
 * what is put or removed meanwhile may or may not show. Each name comes once, in no particular order.
 * Objects that others put there are listed as well; folders and what lies in them are not.
 *
 * **remove** may be repeated: a name that is gone is no error. When it rejects, any part of the names may be gone.
 *
 * **Who retries.** The storage does, or a wrapper around it ({@link withRetry}); callers never do. What
 * rejects has therefore been tried often enough, and the caller saves its state and stops.
 *
 * **Abort.** After its signal fires a call rejects soon with `aborted`; a put then leaves nothing half stored
 * and no temporary object that a later run would not clean. The storage stays usable.
 *
 * **close** waits for nothing and may be called twice; later calls reject with `closed`.
 */

/** One object, as a listing shows it. */
export interface StoredObject {
  /** Byte string: one char a byte. */
  readonly name: string;
  /** Bytes; -1 when the storage can't tell. */
  readonly size: number;
  readonly modified?: Date;
  /**
   * Where the storage has one: a mark of the stored bytes (S3's ETag). The same name with the same mark later is
   * the same object; so a run that noted it can tell without reading that what it stored is still there.
   */
  readonly tag?: string;
}

/** The bytes to store. They must not change until `put` has settled. */
export type UploadSource =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'file';
      /** Path as text, as `node:fs` takes it. */
      readonly path: string;
      /** Bytes. A file that turns out longer or shorter is refused with `corrupt`. */
      readonly size: number;
      /**
       * The storage may move the file (with the mode and owner it has) instead of copying it.
       * When it is still there after `put`, the caller removes it.
       */
      readonly disposable: boolean;
    };

export interface PutOptions {
  /**
   * What to do when the name is taken: refuse with `exists` (the default); replace it atomically; or, with `same`,
   * count an object with these very bytes as stored and refuse any other. `same` is for resuming: nothing is
   * overwritten, so it needs no right to. Where the bytes can't be compared, it refuses.
   */
  readonly ifExists?: 'fail' | 'replace' | 'same';
  /** Hex SHA-256 of the source, when known. Bytes that don't match it are refused with `corrupt` (a moved file is not read again). */
  readonly sha256?: string;
  /** It is no part of an archive and will be removed soon: no retention and no cold tier for it. */
  readonly isPassing?: boolean;
  readonly signal?: AbortSignal;
  /** Called with the bytes sent so far. After a retry the number starts lower again. */
  onProgress?(bytes: number): void;
}

export interface GetOptions {
  /** First byte wanted; 0 by default. */
  readonly start?: number;
  /** Byte after the last one wanted, as in `slice`; the object's end by default. A range beyond the end is cut off there. */
  readonly end?: number;
  readonly signal?: AbortSignal;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

/** A flat set of named objects. The rules are in this module's comment. */
export interface Storage {
  /** For messages: where this is, without user name, password or query. */
  readonly url: string;
  /**
   * A private folder on the target's own file system, made when this is first read: a disposable file put
   * from there is renamed, not copied. Leftovers of crashed runs are removed by a later one.
   */
  readonly stagingDirectory?: string;
  /** Whether `ifExists: 'fail'` holds against another writer at the same moment. May become known only after the first put. */
  readonly createsExclusively?: boolean;
  list(options?: CallOptions): AsyncIterable<StoredObject>;
  /** Undefined when there is no such object. */
  stat(name: string, options?: CallOptions): Promise<StoredObject | undefined>;
  /** The bytes, in pieces of 64 KiB and more where that is possible. */
  get(name: string, options?: GetOptions): Promise<AsyncIterable<Uint8Array>>;
  /** A file that holds the object and can be read in place (file storages), whether or not it exists. Never write to it. */
  localPath?(name: string): string | undefined;
  put(name: string, source: UploadSource, options?: PutOptions): Promise<StoredObject>;
  remove(names: readonly string[], options?: CallOptions): Promise<void>;
  /**
   * Storages with a cold tier: make these objects readable, and wait until they are.
   * Names that are readable already cost nothing. Absent where every object can be read at once.
   */
  recall?(names: readonly string[], options?: RecallOptions): Promise<void>;
  close(): Promise<void>;
}

/** How far a recall from a cold tier has come. */
export interface RecallProgress {
  readonly ready: number;
  readonly total: number;
}

export interface RecallOptions extends CallOptions {
  onProgress?(progress: RecallProgress): void;
}

/** How many bytes a source holds. */
export function sourceSize(source: UploadSource): number {
  return source.kind === 'bytes' ? source.bytes.length : source.size;
}
