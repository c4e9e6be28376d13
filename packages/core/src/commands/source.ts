/** What a backup is made of: a folder of this machine, or entries that a program gives. */

import { type ByteString, fromText, type MORE, type Path } from '../archive/index.js';
import { RedupError } from '../errors.js';
import { GivenEntries, type Selection, type SourceEntry, trimSlashes, type WalkItem, walk } from '../tree/index.js';
import type { Workspace } from './workspace.js';

export interface SourceOptions {
  /**
   * The directory (or single file) to back up; or entries with their contents, in archive order (`compareEntries`): any iterable,
   * asynchronous or not.
   */
  readonly source: string | Iterable<SourceEntry> | AsyncIterable<SourceEntry>;
  /** What manifests call a source that is no folder; what is backed up to a target must keep its name. Default `.`. */
  readonly sourceName?: string;
  /** Which entries of a folder belong to the backup; all by default. */
  readonly select?: Selection;
  readonly followLinks?: boolean;
  readonly signal?: AbortSignal;
}

export interface Source {
  readonly items: Iterator<WalkItem | typeof MORE, void, undefined>;
  /** To be awaited when `items` gives `MORE`. */
  fill(): Promise<void>;
  close(): void;
  /** As the manifest names it. */
  readonly name: ByteString;
  /** Its place on disk, without trailing slash. Undefined: nothing can be read again, so nothing can be resumed. */
  readonly root: ByteString | undefined;
}

/** A folder that is missing is noticed here, before anything else happens. @throws RedupError SOURCE_MISSING, BAD_OPTION, … */
export function openSource(workspace: Workspace, options: SourceOptions): Source {
  const { source, sourceName = '.', select, followLinks = false, signal } = options;
  if (typeof source === 'string') return openFolder(workspace, source, options);
  if (select !== undefined || followLinks) {
    throw new RedupError('BAD_OPTION', 'Selection and following of links are for folders, not for given entries', {
      hint: 'Leave out of the source what should not be stored.',
    });
  }
  const items = new GivenEntries(source, { now: workspace.clock.now(), ...(signal === undefined ? {} : { signal }) });
  return {
    items,
    fill: () => items.fill(),
    close: () => items.close(),
    name: canonicalSource(sourceName),
    root: undefined,
  };
}

function openFolder(workspace: Workspace, folder: string, { select, followLinks = false }: SourceOptions): Source {
  const root = fromText(folder);
  const onSocket = (path: Path) => workspace.socketSkipped(root, path);
  const items = walk({ root, followLinks, onSocket, ...(select === undefined ? {} : { select }) });
  const first = items.next();
  return {
    items: startingWith(first, items),
    fill: async () => {},
    close: () => {},
    name: canonicalSource(folder),
    root: trimSlashes(root),
  };
}

function* startingWith<T>(
  first: IteratorResult<T, void>,
  rest: Iterator<T, void, undefined>,
): Generator<T, void, undefined> {
  if (first.done) return;
  yield first.value;
  yield* { [Symbol.iterator]: () => rest };
}

/** A source path as manifests name it: no `.` components, no doubled or trailing slashes; relative stays relative. */
export function canonicalSource(source: string): ByteString {
  const bytes = fromText(source);
  const parts = bytes.split('/').filter((part) => part !== '' && part !== '.');
  if (bytes.startsWith('/')) return `/${parts.join('/')}`;
  return parts.length === 0 ? '.' : parts.join('/');
}
