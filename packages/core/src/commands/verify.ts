/** `verify`: reads a time back from the target, and compares it with a local tree when asked to. */

import { closeSync, constants, openSync, readSync } from 'node:fs';
import {
  type ArchiveTime,
  type ByteString,
  END,
  fromText,
  MORE,
  type Moment,
  type Path,
  type PathOf,
  type TarHeader,
  toText,
} from '../archive/index.js';
import { ContentReader, type ContentSink } from '../delta/index.js';
import { RedupError, reasonOf } from '../errors.js';
import { type Difference, ProgressReporter } from '../events.js';
import {
  comparePaths,
  isWithin,
  type OwnerMap,
  relativeTo,
  type Selection,
  type TreeEntry,
  trimSlashes,
  type WalkItem,
  walk,
} from '../tree/index.js';
import type { PathVersions } from '../volumes/index.js';
import { type CopyContent, Losses } from './losses.js';
import { notFound } from './read-entries.js';
import { openPlan, planReading, requireVolumes } from './read-plan.js';
import { wantedPath } from './restore.js';
import type { Workspace } from './workspace.js';

export interface VerifyOptions {
  /** The directory or file to compare with; may be left out where nothing is compared. */
  readonly local?: string;
  readonly time?: Moment;
  /** Only this path of the backup; `local` is then its counterpart. */
  readonly path?: PathOf;
  /**
   * `nothing`: only read everything back (fetch, hash, decrypt, structure, deltas); `metadata`: also compare type,
   * mode, owner, times and links; `data`: content as well.
   */
  readonly compare: 'nothing' | 'metadata' | 'data';
  /** Which local entries take part. */
  readonly select?: Selection;
  readonly ignoreErrors?: boolean;
  readonly signal?: AbortSignal;
}

export interface VerifyResult {
  readonly time: ArchiveTime;
  /** Paths of the backup and of the local tree together. */
  readonly files: number;
  readonly differences: number;
  /** Entries or volumes that could not be read back. */
  readonly problems: number;
  /** What was read back, hash-checked: volumes, and their bytes as stored. */
  readonly volumes: number;
  readonly bytes: number;
}

/** @throws RedupError NO_BACKUP, PATH_NOT_FOUND, SOURCE_MISSING, VOLUME_MISSING, VOLUME_HASH, …; StorageError; OpenPgpError */
export async function verify(workspace: Workspace, options: VerifyOptions): Promise<VerifyResult> {
  try {
    const { local, compare, select, signal } = options;
    if (local === undefined && compare !== 'nothing')
      throw new RedupError('BAD_OPTION', 'There is nothing to compare the backup with', { hint: 'Name a folder.' });
    const root = trimSlashes(fromText(local ?? ''));
    const onSocket = (path: Path) => workspace.socketSkipped(root, path);
    const items = local === undefined ? NOTHING : walk({ root, onSocket, ...(select === undefined ? {} : { select }) });
    const first = items.next();
    const path = wantedPath(options.path);
    const remote = await workspace.remoteCollection(signal);
    const plan = await planReading(workspace, remote, {
      time: workspace.timeOf(options.time),
      path,
      withoutManifests: options.ignoreErrors ?? false,
      ...(signal === undefined ? {} : { signal }),
    });
    if (!options.ignoreErrors) requireVolumes(plan);
    const { merged, counts } = openPlan(workspace, plan, {
      onDamage: options.ignoreErrors ? 'skip' : 'stop',
      ...(signal === undefined ? {} : { signal }),
    });
    workspace.phase('verify');
    const run = new VerifyRun(workspace, options, root, new LocalItems(first.done ? undefined : first.value, items));
    const content = new ContentReader(() => workspace.temporaryFolder(), signal);
    const losses = new Losses(workspace, remote, plan, counts.lost, signal);
    const copy: CopyContent = (group, sink) => losses.copy(group, sink, content);
    try {
      for (let group = merged.next(); group !== END; group = merged.next()) {
        if (group === MORE) {
          await merged.fill();
          await workspace.pace();
          signal?.throwIfAborted();
        } else if (isWithin(group.path, path)) {
          await run.archived(group, relativeTo(group.path, path), copy);
          run.report(counts.bytes, group.path);
        }
      }
    } finally {
      content.close();
      await merged.close();
      await losses.close();
    }
    run.finish();
    if (!run.found) throw notFound(path);
    const { files, differences } = run;
    return {
      time: plan.time,
      files,
      differences,
      problems: run.problems + counts.damaged,
      volumes: counts.volumes,
      bytes: counts.bytes,
    };
  } finally {
    workspace.dispose();
  }
}

const NOTHING: Iterator<WalkItem, void, undefined> = { next: () => ({ done: true, value: undefined }) };

/** The local walk with one item of look-ahead. */
class LocalItems {
  current: WalkItem | undefined;
  readonly #rest: Iterator<WalkItem, void, undefined>;

  constructor(first: WalkItem | undefined, rest: Iterator<WalkItem, void, undefined>) {
    this.current = first;
    this.#rest = rest;
  }

  advance(): void {
    this.current = this.#rest.next().value ?? undefined;
  }
}

class VerifyRun {
  readonly #workspace: Workspace;
  readonly #compare: VerifyOptions['compare'];
  readonly #root: ByteString;
  readonly #local: LocalItems;
  readonly #owners: OwnerMap;
  readonly #progress: ProgressReporter;
  #bytes = 0;
  files = 0;
  differences = 0;
  problems = 0;
  found = false;

  constructor(workspace: Workspace, options: VerifyOptions, root: ByteString, local: LocalItems) {
    this.#workspace = workspace;
    this.#compare = options.compare;
    this.#root = root;
    this.#local = local;
    this.#owners = workspace.owners();
    this.#progress = new ProgressReporter(workspace.emit);
  }

  /** @param path as the local tree has it */
  async archived(group: PathVersions, path: Path, copy: CopyContent): Promise<void> {
    const last = group.versions.at(-1) ?? group.versions[0];
    const { header, kind } = last.entry;
    if (kind === 'deleted') return;
    this.found = true;
    this.#localOnly(path);
    this.files++;
    const local = this.#local.current?.path === path ? this.#local.current : undefined;
    if (local !== undefined) this.#local.advance();
    const known = this.#compare === 'nothing' ? undefined : this.#difference(local, header);
    if (known !== undefined) this.#differs(path, known);
    if (header.type !== 'file') return;
    try {
      await this.#compareContent(group, path, known === undefined && this.#compare === 'data', copy);
    } catch (error) {
      if (!(error instanceof RedupError && error.code === 'ARCHIVE_INVALID' && error.subject !== undefined))
        throw error;
      this.problems++;
      this.#workspace.warn('DAMAGED_ENTRY', error.message, { path: group.path });
    }
  }

  finish(): void {
    while (this.#local.current !== undefined) this.#onlyHere(this.#local.current);
  }

  report(storedBytes: number, path: Path): void {
    this.#progress.update(this.files, this.#bytes, storedBytes, path);
  }

  /** Local entries that come before an archived path are in the local tree alone. */
  #localOnly(path: Path): void {
    while (this.#local.current !== undefined && comparePaths(this.#local.current.path, path) < 0)
      this.#onlyHere(this.#local.current);
  }

  #onlyHere(item: WalkItem): void {
    this.files++;
    if (this.#compare !== 'nothing') this.#differs(item.path, { kind: 'new' });
    this.#local.advance();
  }

  #difference(local: WalkItem | undefined, header: TarHeader): Difference | undefined {
    if (local === undefined) return { kind: 'missing' };
    if (local.type === 'unreadable') return { kind: 'type', actual: local.reason, expected: header.type };
    if (local.type !== header.type) return { kind: 'type', actual: local.type, expected: header.type };
    if (local.type === 'symlink') {
      return sameLink(local.linkName, header.linkName)
        ? undefined
        : { kind: 'link', actual: toText(local.linkName), expected: toText(header.linkName) };
    }
    return this.#attributes(local, header);
  }

  #attributes(local: TreeEntry, header: TarHeader): Difference | undefined {
    const [uid, gid] = [this.#owners.uidOf(header), this.#owners.gidOf(header)];
    if (local.mode !== header.mode || local.uid !== uid || local.gid !== gid) {
      const text = (u: number, g: number, mode: number) => `${u}:${g} ${mode.toString(8)}`;
      return {
        kind: 'permissions',
        actual: text(local.uid, local.gid, local.mode),
        expected: text(uid, gid, header.mode),
      };
    }
    if (local.type === 'character-device' || local.type === 'block-device') {
      const text = (x: { deviceMajor: number; deviceMinor: number }) => `(${x.deviceMajor}, ${x.deviceMinor})`;
      return text(local) === text(header) ? undefined : { kind: 'device', actual: text(local), expected: text(header) };
    }
    if (local.mtime !== header.mtime && (local.mtime > 0 || header.mtime > 0)) {
      return { kind: 'mtime', actual: local.mtime, expected: header.mtime };
    }
    return undefined;
  }

  /** Reads the archived content to its end in any case: that is what proves it. */
  async #compareContent(group: PathVersions, path: Path, compare: boolean, copy: CopyContent): Promise<void> {
    const comparer = compare ? new FileComparer(this.#placeOf(path)) : new CountingSink();
    try {
      await copy(group, comparer);
      if (!comparer.finish()) this.#differs(path, { kind: 'content' });
    } catch (error) {
      if (!(error instanceof LocalReadError)) throw error;
      this.problems++;
      this.#workspace.warn('UNREADABLE', `Cannot compare ${toText(path)}: ${reasonOf(error.cause)}`, { path });
    } finally {
      this.#bytes += comparer.bytes;
      comparer.close();
    }
  }

  #placeOf(path: Path): Buffer {
    return Buffer.from(path === '' ? this.#root : this.#root === '/' ? `/${path}` : `${this.#root}/${path}`, 'latin1');
  }

  #differs(path: Path, difference: Difference): void {
    this.differences++;
    this.#workspace.emit({ type: 'difference', path, difference });
  }
}

/** A trailing slash in a link's target means nothing. */
function sameLink(a: ByteString, b: ByteString): boolean {
  return a === b || a.replace(/\/+$/, '') === b.replace(/\/+$/, '');
}

class CountingSink implements ContentSink {
  bytes = 0;

  write(piece: Uint8Array): void {
    this.bytes += piece.length;
  }

  finish(): boolean {
    return true;
  }

  close(): void {}
}

class LocalReadError extends Error {}

/** Compares what is written to it with a local file. */
class FileComparer implements ContentSink {
  readonly #fd: number;
  readonly #buffer = Buffer.alloc(65_536);
  #same = true;
  bytes = 0;

  constructor(place: Buffer) {
    this.#fd = local(() => openSync(place, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW));
  }

  write(piece: Uint8Array): void {
    const expected = Buffer.from(piece.buffer, piece.byteOffset, piece.length);
    this.bytes += piece.length;
    for (let at = 0; this.#same && at < expected.length; ) {
      const wanted = Math.min(expected.length - at, this.#buffer.length);
      const count = local(() => readSync(this.#fd, this.#buffer, 0, wanted, null));
      this.#same = count > 0 && this.#buffer.subarray(0, count).equals(expected.subarray(at, at + count));
      at += count;
    }
  }

  /** True when the file had the same content and ends here too. */
  finish(): boolean {
    return this.#same && local(() => readSync(this.#fd, this.#buffer, 0, 1, null)) === 0;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

function local<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new LocalReadError('the local file cannot be read', { cause: error });
  }
}
