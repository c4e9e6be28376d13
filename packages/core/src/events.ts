/** What a running command tells on the way. The terminal's progress, JSON output and library users all read this one stream. */

import type { ArchiveTime, Path } from './archive/index.js';
import type { Finding } from './commands/index.js';

/** Stable codes of warnings; each is also the reason why a result may count errors. */
export type WarningCode =
  | 'UNREADABLE'
  | 'CHANGED_WHILE_READ'
  | 'SOCKET_SKIPPED'
  | 'NEGATIVE_TIME'
  | 'ORPHANED_SET'
  | 'INCOMPLETE_SET'
  | 'ORPHANED_SIGNATURES'
  | 'UNMATCHED_SIGNATURES'
  | 'STATISTICS'
  | 'NO_HASH'
  | 'DAMAGED_VOLUME'
  | 'DAMAGED_ENTRY'
  | 'OWNERSHIP'
  | 'ATTRIBUTES'
  | 'NOT_RESTORED'
  | 'SIGNATURES_UNUSABLE'
  | 'CACHE'
  | 'RESUMED'
  | 'TIME_BEFORE_FIRST';

export type FileChange = 'new' | 'changed' | 'deleted';

export type RedupEvent =
  | {
      readonly type: 'warning';
      readonly code: WarningCode;
      readonly message: string;
      readonly path?: Path;
      readonly object?: string;
    }
  /** `level`: duplicity logs it as a warning, though nothing is wrong. */
  | { readonly type: 'notice'; readonly message: string; readonly level?: 'warning' }
  | { readonly type: 'finding'; readonly finding: Finding }
  /** A step of the plot began: `walk`, `seal signatures`, `fetch metadata`, … */
  | { readonly type: 'phase'; readonly phase: Phase }
  | { readonly type: 'file'; readonly change: FileChange; readonly path: Path }
  | { readonly type: 'restored'; readonly path: Path; readonly kind: string }
  | { readonly type: 'difference'; readonly path: Path; readonly difference: Difference }
  /** The metadata file `name` of the target is copied into the archive directory; or the copy at `name` goes, as the target lacks it. */
  | { readonly type: 'metadata'; readonly action: 'copy' | 'drop'; readonly name: string }
  /** What the target holds was looked at, and the metadata that the command needs is here. */
  | {
      readonly type: 'collection';
      /** Time of the last full backup. */
      readonly lastFull?: ArchiveTime;
      /** How many metadata files had to be copied; absent where the command needs none. */
      readonly copied?: number;
    }
  /** `read`: a fetched volume was read to its end. */
  | {
      readonly type: 'volume';
      readonly action: 'stored' | 'fetched' | 'read';
      readonly name: string;
      readonly number: number;
      readonly bytes: number;
      /** Stored: bytes of source read so far. */
      readonly sourceBytes?: number;
      /** Read: how many of the volumes of all sets were, and how many there are to be. */
      readonly done?: number;
      readonly total?: number;
    }
  /** Volumes in a cold tier that a restore waits for, of all it needs. */
  | { readonly type: 'recall'; readonly ready: number; readonly total: number }
  /** At most some ten times a second; counts since the command began. */
  | ProgressEvent;

/** How a local entry differs from the archived one; values as text. */
export type Difference =
  | { readonly kind: 'missing' | 'new' | 'content' }
  | { readonly kind: 'type' | 'permissions' | 'link' | 'device'; readonly actual: string; readonly expected: string }
  /** Seconds since 1970. */
  | { readonly kind: 'mtime'; readonly actual: number; readonly expected: number };

export type Phase =
  | 'list'
  | 'metadata'
  | 'recall'
  | 'scan'
  | 'signatures'
  | 'manifest'
  | 'restore'
  | 'verify'
  | 'check'
  | 'repair';

export interface ProgressEvent {
  readonly type: 'progress';
  readonly files: number;
  /** Bytes of source read, or restored. */
  readonly bytes: number;
  /** Bytes stored (backup) or read from the target (restore, verify). */
  readonly storedBytes: number;
  readonly path: Path;
}

export type EventListener = (event: RedupEvent) => void;

const PROGRESS_INTERVAL_MS = 100;

/** Lets progress through at most ten times a second, whatever the pace of files. */
export class ProgressReporter {
  readonly #listener: EventListener;
  #last = 0;
  #calls = 0;

  constructor(listener: EventListener) {
    this.#listener = listener;
  }

  update(files: number, bytes: number, storedBytes: number, path: Path): void {
    // Even asking for the time is noticeable at a hundred thousand files a second.
    if (++this.#calls % 16 !== 0 && bytes === 0) return;
    const now = performance.now();
    if (now - this.#last < PROGRESS_INTERVAL_MS) return;
    this.#last = now;
    this.#listener({ type: 'progress', files, bytes, storedBytes, path });
  }
}
